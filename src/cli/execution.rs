//! What `build`, `run`, `test` and `seed` share: select nodes, run them, report, exit.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use indexmap::IndexSet;
use serde_json::{Map, Value as Json};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::compile::{Settings, StandIns};
use crate::diagnostics::Diagnostic;
use crate::parse::{ResourceType, UniqueId};
use crate::postgres::ConnectOptions;
use crate::report::artifact::check_folder;
use crate::report::console::Console;
use crate::run::{
    self, BatchResults, Level, Listener, Publishing, RunContext, RunFiles, RunOptions, Stop,
    Summary,
};

use super::arguments::{BuildArgs, GlobalArgs, SelectionArgs, TestArgs, WindowArgs, switch};
use super::artifacts::write_manifest_and_results;
use super::seed::show_samples;
use super::selection::{Kinds, Selected, State, selected, selection_arguments};
use super::voice::voice;
use super::warnings::{Treatment, nothing_to_do, treatment_of, warn};
use super::window::windows;
use super::workspace::{
    CommandSettings, Workspace, connect_options, could_not_start, is_fail_fast, is_warn_error,
    open, threads,
};

/// One of the commands that run nodes.
pub(super) struct Execution<'a> {
    pub which: &'static str,
    /// The kinds of nodes the command runs.
    pub kinds: &'static [ResourceType],
    pub selection: &'a SelectionArgs,
    pub build: BuildArgs,
    pub window: WindowArgs,
    /// Batches of microbatch models that an earlier run built, and those it did not.
    pub previous_batches: HashMap<UniqueId, BatchResults>,
    pub test: TestArgs,
    /// Models wait for tests, order data is loaded first.
    pub is_build: bool,
    pub publishing: Publishing,
    /// What fails its tests is kept for a look.
    pub keeps_rejected: bool,
    /// Some rows of each loaded seed are shown at the end.
    pub shows_rows: bool,
    /// The nodes to run in place of what the selection picks, as `retry` wants it.
    pub only: Option<IndexSet<UniqueId>>,
}

impl Execution<'_> {
    fn is_clone(&self) -> bool {
        self.which == "clone"
    }
}

/// Runs a command's nodes; the exit code is 1 when any failed.
pub(super) fn execute(global: &GlobalArgs, execution: &Execution<'_>) -> ExitCode {
    let full_refresh = switch(
        execution.build.full_refresh,
        execution.build.no_full_refresh,
        "FULL_REFRESH",
        false,
    );
    let stores_failures = switch(
        execution.test.store_failures,
        execution.test.no_store_failures,
        "STORE_FAILURES",
        false,
    );
    let windows = match windows(&execution.window) {
        Ok(windows) => windows,
        Err(diagnostic) => return could_not_start(&[diagnostic]),
    };
    let settings = CommandSettings {
        which: execution.which,
        event_time: windows.event_time,
        sample: windows.sample,
        is_full_refresh: full_refresh,
        stores_failures,
        is_empty: switch(
            execution.build.empty,
            execution.build.no_empty,
            "EMPTY",
            false,
        ),
        arguments: arguments_of(global, execution),
    };
    let is_empty = settings.is_empty;
    let workspace = match open(global, settings) {
        Ok(workspace) => workspace,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    let console = voice();
    for warning in &workspace.warnings {
        console.diagnostic(warning);
    }
    let selected = match nodes_of(&workspace, execution) {
        Ok(selected) => selected,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    for warning in &selected.warnings {
        console.diagnostic(warning);
    }
    if selected.ids.is_empty()
        && let Err(diagnostics) = warn(nothing_to_do())
    {
        return could_not_start(&diagnostics);
    }
    // What cannot be told afterwards is not begun.
    if writes_artifacts(global)
        && let Err(diagnostic) = check_folder(&workspace.project.target_path)
    {
        return could_not_start(&[diagnostic]);
    }
    let mut progress = |line: &str| console.message(Level::Info, line);
    let options = match connect_options(&workspace.project.dir, &workspace.target, &mut progress) {
        Ok(options) => options,
        Err(diagnostic) => return could_not_start(&[diagnostic]),
    };
    if execution.is_build
        && let Err(diagnostics) =
            super::order_data::load_for_build(&workspace.project, &options, &console)
    {
        return could_not_start(&diagnostics);
    }
    let context = context(
        global,
        execution,
        &workspace,
        &selected,
        (options, is_empty),
        &console,
    );
    watch_for_interrupt(&context);
    match run::run(&context, &selected.ids) {
        Ok(summary) => {
            if execution.shows_rows
                && let Err(diagnostic) = show_samples(&context, &summary.results, &console)
            {
                console.diagnostic(&diagnostic);
            }
            let exit = finish(global, &workspace, &context, &summary, &console);
            // The process ends here: what it holds need not be taken apart first.
            std::mem::forget((summary, context, selected, workspace));
            exit
        }
        Err(diagnostics) => could_not_start(&diagnostics),
    }
}

fn nodes_of(workspace: &Workspace, execution: &Execution<'_>) -> Result<Selected, Vec<Diagnostic>> {
    let selection = execution.selection;
    let mut selected = match &execution.only {
        Some(ids) => Selected::given(workspace, &selection.state, ids)?,
        None => selected(workspace, selection, Kinds::only(execution.kinds))?,
    };
    if execution.is_clone() && selected.deferral.is_none() {
        // Cloning is of no use without an earlier state, whether `--defer` is typed or not.
        let state = &selection.state;
        selected.deferral = Some(State::read_deferral(workspace, state)?);
    }
    Ok(selected)
}

/// What was asked for, under the names that `retry` and dbt's readers of `run_results.json` know.
fn arguments_of(global: &GlobalArgs, execution: &Execution<'_>) -> Map<String, Json> {
    let mut arguments = selection_arguments(execution.selection);
    let (build, test) = (&execution.build, &execution.test);
    let switches = [
        (
            "full_refresh",
            switch(
                build.full_refresh,
                build.no_full_refresh,
                "FULL_REFRESH",
                false,
            ),
        ),
        ("empty", switch(build.empty, build.no_empty, "EMPTY", false)),
        (
            "store_failures",
            switch(
                test.store_failures,
                test.no_store_failures,
                "STORE_FAILURES",
                false,
            ),
        ),
        ("fail_fast", is_fail_fast(global)),
        ("warn_error", is_warn_error(global)),
    ];
    arguments.extend(switches.map(|(name, is_on)| (name.to_owned(), Json::Bool(is_on))));
    let typed = [
        ("target", &global.target),
        ("profile", &global.profile),
        ("event_time_start", &execution.window.event_time_start),
        ("event_time_end", &execution.window.event_time_end),
        ("sample", &execution.window.sample),
    ];
    for (name, value) in typed {
        if let Some(value) = value {
            arguments.insert(name.to_owned(), Json::String(value.clone()));
        }
    }
    if execution.keeps_rejected {
        arguments.insert("keep_rejected".to_owned(), Json::Bool(true));
    }
    if execution.publishing == Publishing::Together {
        arguments.insert("publish".to_owned(), Json::from("together"));
    }
    if let Some(threads) = global.threads {
        arguments.insert("threads".to_owned(), Json::from(threads));
    }
    arguments
}

pub(super) fn context(
    global: &GlobalArgs,
    execution: &Execution<'_>,
    workspace: &Workspace,
    selected: &Selected,
    (options, is_empty): (ConnectOptions, bool),
    console: &Arc<Console>,
) -> Arc<RunContext> {
    let stand_ins = match execution.publishing {
        Publishing::Each => StandIns::default(),
        Publishing::Together => {
            run::stand_ins(&workspace.graph, &selected.ids, &workspace.invocation)
        }
    };
    let compiler = workspace.compiler(
        global,
        Settings {
            is_empty,
            selected_resources: selected.ids.clone(),
            deferral: selected.deferral.clone(),
            stand_ins: Arc::new(stand_ins),
            ..Settings::default()
        },
    );
    let is_full_refresh = switch(
        execution.build.full_refresh,
        execution.build.no_full_refresh,
        "FULL_REFRESH",
        false,
    );
    Arc::new(RunContext {
        compiler,
        options: RunOptions {
            threads: threads(global, &workspace.target),
            is_fail_fast: is_fail_fast(global),
            is_full_refresh,
            is_warn_error: is_warn_error(global)
                || treatment_of("LogTestResult") == Treatment::Error,
            tests_gate_children: execution.is_build,
            skips_after_failed_start: switch(
                false,
                false,
                "SKIP_NODES_IF_ON_RUN_START_FAILS",
                true,
            ),
            has_hooks: true,
            publishing: execution.publishing,
            keeps_rejected: execution.keeps_rejected,
            fuses_tests: switch(
                execution.test.fused_tests,
                execution.test.no_fused_tests,
                "FUSED_TESTS",
                true,
            ),
            is_clone: execution.is_clone(),
            target_name: workspace.target.name.clone(),
            previous_batches: execution.previous_batches.clone(),
        },
        connect: options,
        files: RunFiles::new(
            workspace.project.target_path.clone(),
            &workspace.project.dir,
            true,
        ),
        listener: Arc::clone(console) as Arc<dyn Listener>,
        stop: Arc::new(Stop::default()),
        cancellers: Default::default(),
        rebuilt: OnceLock::new(),
        standing: OnceLock::new(),
        grouping: Default::default(),
        pending: Default::default(),
        foretold: Default::default(),
        is_server_gone: AtomicBool::new(false),
    })
}

/// Writes the artifacts and says how it went.
fn finish(
    global: &GlobalArgs,
    workspace: &Workspace,
    context: &Arc<RunContext>,
    summary: &Summary,
    console: &Console,
) -> ExitCode {
    if writes_artifacts(global) {
        let (results, seconds) = (&summary.results, summary.elapsed_seconds);
        if let Err(diagnostic) = write_manifest_and_results(workspace, results, seconds) {
            console.diagnostic(&diagnostic);
            return ExitCode::from(2);
        }
    }
    if let Some(diagnostic) = &summary.broken {
        return could_not_start(std::slice::from_ref(diagnostic));
    }
    let is_success = !summary.has_failures();
    if context.stop.is_requested() && summary.left > 0 {
        return ExitCode::FAILURE;
    }
    if is_success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

pub(super) fn writes_artifacts(global: &GlobalArgs) -> bool {
    switch(global.write_json, global.no_write_json, "WRITE_JSON", true)
}

/// Ctrl-C and SIGTERM cancel what runs and let the run say what was left; a second Ctrl-C ends
/// the process at once.
pub(super) fn watch_for_interrupt(context: &Arc<RunContext>) {
    static IS_WATCHING: AtomicBool = AtomicBool::new(false);
    if IS_WATCHING.swap(true, Ordering::SeqCst) {
        return;
    }
    let context = Arc::clone(context);
    let watch = move || {
        // Without the watcher Ctrl-C still ends the process, only less politely.
        let Ok(mut signals) = Signals::listen() else {
            return;
        };
        signals.wait();
        // Cancelling opens connections, which takes long where the server is stuck.
        let cancel = move || {
            loop {
                run::interrupt(&context);
                std::thread::sleep(CANCEL_AGAIN_AFTER);
            }
        };
        let _ = std::thread::Builder::new()
            .name("cancels".to_owned())
            .spawn(cancel);
        signals.wait();
        voice().end();
        eprintln!("Interrupted again, and ended at once: what was published is unchanged");
        std::process::exit(1);
    };
    let _ = std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(watch);
}

/// A node that was between two statements is caught at its next one.
const CANCEL_AGAIN_AFTER: Duration = Duration::from_millis(300);

/// Ctrl-C and SIGTERM of this process, none of them missed.
struct Signals {
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (interrupt, terminate) = {
            let _context = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            )
        };
        Ok(Signals {
            runtime,
            interrupt,
            terminate,
        })
    }

    /// Waits for one of them.
    fn wait(&mut self) {
        let (interrupt, terminate) = (&mut self.interrupt, &mut self.terminate);
        self.runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
    }
}

//! Opens a project: read, parse and link, or say everything that is wrong with it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::compile::{Compiler, Settings};
use crate::diagnostics::Diagnostic;
use crate::graph::{Graph, LinkOptions, link};
use crate::jinja::value::convert::to_json;
use crate::jinja::{Engine, Host, clock};
use crate::parse::{Invocation, Parsed, TimeWindow, parse};
use crate::postgres::embedded::Cluster;
use crate::postgres::{ConnectOptions, Secret, Session};
use crate::project::{self, LoadOptions, Project, ProjectConfig, Target, yaml};
use crate::report::command_event::{adapter_registered, found_stats, main_report_args};

use super::arguments::{GlobalArgs, environment, switch};
use super::flag_values::flag_values;
use super::settings_host::SettingsHost;
use super::voice::{Says, voice};
use super::warnings;

/// Role and database of the local server.
const LOCAL_NAME: &str = "msv";

/// A project ready to be compiled.
pub(super) struct Workspace {
    pub project: Project,
    pub target: Target,
    pub invocation: Arc<Invocation>,
    pub parsed: Parsed,
    pub graph: Arc<Graph>,
    pub warnings: Vec<Diagnostic>,
}

impl Workspace {
    /// Renders the project's templates for a command.
    pub(super) fn compiler(&self, global: &GlobalArgs, settings: Settings) -> Arc<Compiler> {
        Arc::new(Compiler::new(
            Arc::clone(&self.graph),
            Arc::clone(&self.parsed.engine),
            Arc::clone(&self.invocation),
            Arc::clone(&self.parsed.docs),
            settings,
            Arc::new(Says::new(global)),
        ))
    }
}

/// What a command adds to the settings templates see.
#[derive(Clone, Debug, Default)]
pub(super) struct CommandSettings {
    pub which: &'static str,
    pub is_full_refresh: bool,
    pub stores_failures: bool,
    pub is_empty: bool,
    pub event_time: Option<TimeWindow>,
    pub sample: Option<TimeWindow>,
    pub arguments: Map<String, Json>,
}

/// The folder of the project: `--project-dir`, the environment, or the nearest folder from here
/// upwards that holds a project file.
pub(super) fn project_dir(global: &GlobalArgs) -> PathBuf {
    let given = global
        .project_dir
        .clone()
        .or_else(|| environment("PROJECT_DIR").map(PathBuf::from));
    if let Some(dir) = given {
        return dir;
    }
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let holds_project = |dir: &&Path| {
        project::config::PROJECT_FILES
            .iter()
            .any(|name| dir.join(name).is_file())
    };
    here.ancestors()
        .find(holds_project)
        .map_or(here.clone(), Path::to_owned)
}

pub(super) fn load_options(global: &GlobalArgs) -> Result<LoadOptions, Vec<Diagnostic>> {
    let (vars, var_dates) = match global.vars.clone().or_else(|| environment("VARS")) {
        Some(text) => match yaml::from_str_dated(&text) {
            Ok((Json::Object(vars), dates)) => (vars, dates),
            Ok((Json::Null, dates)) => (Map::new(), dates),
            Ok(_) => return Err(vec![vars_mistake(&text, "is not a mapping")]),
            Err(error) => return Err(vec![vars_mistake(&text, &error)]),
        },
        None => Default::default(),
    };
    Ok(LoadOptions {
        project_dir: project_dir(global),
        profiles_dir: global
            .profiles_dir
            .clone()
            .or_else(|| environment("PROFILES_DIR").map(PathBuf::from)),
        profile: global.profile.clone().or_else(|| environment("PROFILE")),
        target: global.target.clone().or_else(|| environment("TARGET")),
        vars,
        var_dates,
        target_path: global
            .target_path
            .clone()
            .or_else(|| environment("TARGET_PATH").map(PathBuf::from)),
        skips_version_check: !switch(
            global.version_check,
            global.no_version_check,
            "VERSION_CHECK",
            true,
        ),
    })
}

fn vars_mistake(text: &str, reason: &str) -> Diagnostic {
    Diagnostic::error("MSV0117", format!("`--vars` cannot be read: {reason}"))
        .note(format!("given: {text}"))
        .help("write YAML: --vars '{key: value, other: 3}'")
}

/// Renders the templates of settings files.
pub(super) struct SettingsRenderer {
    engine: Engine,
    host: SettingsHost,
}

impl SettingsRenderer {
    pub(super) fn new(vars: &Map<String, Json>) -> Result<Self, Vec<Diagnostic>> {
        let host = SettingsHost {
            vars: vars.clone(),
            target: None,
            reads_secrets: true,
        };
        Ok(SettingsRenderer {
            engine: Engine::new(Vec::new(), "dbt", Vec::new())?,
            host,
        })
    }

    /// The same, for templates that may use `target`.
    pub(super) fn with_target(mut self, target: Map<String, Json>) -> Self {
        self.host.target = Some(target);
        self
    }

    pub(super) fn render(&self, text: &str) -> Result<Json, String> {
        let host: Arc<dyn Host> = Arc::new(self.host.clone());
        match self.engine.evaluate(text, host) {
            Ok(value) => Ok(to_json(&value)),
            Err(diagnostic) => Err(diagnostic.title),
        }
    }
}

/// The settings files of a project, each read as far as it goes.
pub(super) struct Settled {
    pub profile_name: Option<String>,
    pub target: Result<Target, Vec<Diagnostic>>,
    pub project: Result<ProjectConfig, Vec<Diagnostic>>,
}

/// Reads the profile and the project file, and no other file of the project.
pub(super) fn settled(options: &LoadOptions) -> Settled {
    let mut renderer = match SettingsRenderer::new(&options.vars) {
        Ok(renderer) => renderer,
        Err(found) => {
            return Settled {
                profile_name: None,
                target: Err(found.clone()),
                project: Err(found),
            };
        }
    };
    let profile_name = project::profile_name(options, &|text| renderer.render(text));
    let target = match &profile_name {
        Ok(name) => project::load_profile(options, name, &|text| renderer.render(text)),
        Err(found) => Err(found.clone()),
    };
    if let Ok(target) = &target {
        renderer.host.target = Some(target.context.clone());
    }
    Settled {
        profile_name: profile_name.ok(),
        target,
        project: project::load_config(options, &|text| renderer.render(text)),
    }
}

/// The project file of a folder, or the one it should hold.
pub(super) fn project_file(dir: &Path) -> PathBuf {
    let paths = || {
        project::config::PROJECT_FILES
            .iter()
            .map(|name| dir.join(name))
    };
    paths()
        .find(|path| path.is_file())
        .unwrap_or_else(|| dir.join("dbt_project.yml"))
}

/// Reads project and profile.
pub(super) fn read(global: &GlobalArgs) -> Result<(Project, Target), Vec<Diagnostic>> {
    let options = load_options(global)?;
    let mut renderer = SettingsRenderer::new(&options.vars)?;
    let profile = project::profile_name(&options, &|text| renderer.render(text))?;
    let target = project::load_profile(&options, &profile, &|text| renderer.render(text))?;
    renderer.host.target = Some(target.context.clone());
    renderer.host.reads_secrets = false;
    let project = project::load(&options, &|text| renderer.render(text))?;
    Ok((project, target))
}

/// Reads, parses and links the project.
///
/// # Errors
///
/// All mistakes of the first stage that found any, warnings among them.
pub(super) fn open(
    global: &GlobalArgs,
    settings: CommandSettings,
) -> Result<Workspace, Vec<Diagnostic>> {
    let (project, target) = read(global)?;
    let invocation = Arc::new(invocation(global, &project, &target, settings)?);
    let mut parsed = parse(&project, &invocation)?;
    let graph = link(std::mem::take(&mut parsed.nodes), &link_options(&project))?;
    let mut warnings = project.warnings.clone();
    warnings.extend(target.warnings.iter().cloned());
    warnings.append(&mut parsed.warnings);
    warnings.extend(graph.warnings.iter().cloned());
    warnings.extend(invocation.warnings_about_vars());
    let warnings = warnings::settle(warnings)?;
    let arguments = Json::Object(invocation.arguments.clone());
    let macros = parsed.engine.macros().len();
    let mut nodes = graph.nodes.values().map(Arc::as_ref);
    let voice = voice();
    voice.note(&main_report_args(voice.invocation(), &arguments));
    voice.note(&adapter_registered());
    voice.note(&found_stats(&mut nodes, macros));
    let graph = Arc::new(graph);
    // A command ends with its process: taking a large graph apart first would only cost time.
    std::mem::forget(Arc::clone(&graph));
    Ok(Workspace {
        project,
        target,
        invocation,
        parsed,
        graph,
        warnings,
    })
}

fn link_options(project: &Project) -> LinkOptions {
    let flags = &project.root.config.flags;
    let is_on = |name: &str| flags.get(name).and_then(Json::as_bool) == Some(true);
    let restricted = project.all_packages();
    let restricted = restricted.filter(|package| package.config.restrict_access);
    LinkOptions {
        root_package: project.root.name.clone(),
        restricted_packages: restricted.map(|package| package.name.clone()).collect(),
        names_are_unique: is_on("require_unique_project_resource_names"),
        searches_own_package_first: is_on("require_ref_searches_node_package_before_root"),
    }
}

fn invocation(
    global: &GlobalArgs,
    project: &Project,
    target: &Target,
    settings: CommandSettings,
) -> Result<Invocation, Vec<Diagnostic>> {
    let options = load_options(global)?;
    let package_vars: HashMap<String, Map<String, Json>> = project
        .all_packages()
        .map(|package| (package.name.clone(), package.config.vars.clone()))
        .collect();
    let package_dates = project
        .all_packages()
        .map(|package| (package.name.clone(), package.config.var_dates.clone()))
        .collect();
    let mut context = target.context.clone();
    context.insert("threads".to_owned(), json!(threads(global, target)));
    if target.is_embedded {
        // The local server may not run yet; these names it always has.
        for key in ["dbname", "database", "user"] {
            context.insert(key.to_owned(), json!(LOCAL_NAME));
        }
    }
    let mut values = flag_values(global, project, target);
    values.extend(settings.arguments);
    values.insert("which".to_owned(), json!(settings.which));
    values.insert("invocation_command".to_owned(), json!(command_line()));
    values.insert("vars".to_owned(), Json::Object(options.vars.clone()));
    let mut flags: Map<String, Json> = values
        .iter()
        .map(|(name, value)| (name.to_uppercase(), value.clone()))
        .collect();
    // What every template may ask for, whichever command runs.
    let always = [
        ("FULL_REFRESH", json!(settings.is_full_refresh)),
        ("STORE_FAILURES", json!(settings.stores_failures)),
        ("EMPTY", json!(settings.is_empty)),
        ("SAMPLE", json!(settings.sample.map(TimeWindow::to_json))),
        (
            "EVENT_TIME_START",
            json!(settings.event_time.map(|window| window.start.to_string())),
        ),
        (
            "EVENT_TIME_END",
            json!(settings.event_time.map(|window| window.end.to_string())),
        ),
    ];
    flags.extend(always.map(|(name, value)| (name.to_owned(), value)));
    for name in ["DEFER", "FAVOR_STATE"] {
        flags.entry(name).or_insert(Json::Bool(false));
    }
    // As in dbt's artifacts, a flag without a value is left out.
    values.retain(|_, value| !value.is_null());
    Ok(Invocation {
        id: voice().invocation().id.clone(),
        started_at: clock::stopped().unwrap_or(voice().invocation().started_at),
        event_time: settings.event_time,
        sample: settings.sample,
        which: settings.which.to_owned(),
        root_package: project.root.name.clone(),
        target: context,
        flags: Arc::new(flags),
        arguments: values,
        vars: options.vars,
        package_vars,
        dates: options.var_dates,
        package_dates,
        query_comment: project.root.config.query_comment.clone(),
        env_vars_read: Default::default(),
        vars_read: Default::default(),
    })
}

/// The command as it was typed, without the values of `--vars`, which may be secret.
fn command_line() -> String {
    let mut words = Vec::new();
    let mut hides_next = false;
    for word in std::env::args().skip(1) {
        if hides_next {
            words.push("***".to_owned());
            hides_next = false;
        } else if let Some((flag, _)) = word.split_once('=').filter(|(flag, _)| *flag == "--vars") {
            words.push(format!("{flag}=***"));
        } else {
            hides_next = word == "--vars";
            words.push(word);
        }
    }
    format!("msv {}", words.join(" "))
}

pub(super) fn is_fail_fast(global: &GlobalArgs) -> bool {
    switch(global.fail_fast, global.no_fail_fast, "FAIL_FAST", false)
}

pub(super) fn is_warn_error(global: &GlobalArgs) -> bool {
    switch(global.warn_error, global.no_warn_error, "WARN_ERROR", false)
}

pub(super) fn threads(global: &GlobalArgs, target: &Target) -> usize {
    if switch(
        global.single_threaded,
        global.no_single_threaded,
        "SINGLE_THREADED",
        false,
    ) {
        return 1;
    }
    let typed = global
        .threads
        .or_else(|| environment("THREADS")?.parse().ok());
    typed.unwrap_or(target.threads).max(1)
}

/// How to connect to a target; the local server is started where the target is that one.
pub(super) fn connect_options(
    project_dir: &Path,
    target: &Target,
    progress: &mut dyn FnMut(&str),
) -> Result<ConnectOptions, Diagnostic> {
    if target.is_embedded {
        let options = Cluster::of_project(project_dir).ensure_running(progress)?;
        return Ok(ConnectOptions {
            schema: target.schema.clone(),
            search_path: target.search_path.clone(),
            lock_timeout_ms: target.lock_timeout_ms,
            statement_timeout_ms: target.statement_timeout_ms,
            ..options
        });
    }
    Ok(ConnectOptions {
        host: target
            .host
            .clone()
            .unwrap_or_else(|| "localhost".to_owned()),
        port: target.port,
        user: target.user.clone().unwrap_or_default(),
        password: Secret::new(
            target
                .password
                .as_ref()
                .map_or("", |password| password.expose()),
        ),
        dbname: target.dbname.clone().unwrap_or_default(),
        schema: target.schema.clone(),
        sslmode: target.sslmode.clone(),
        sslrootcert: target.sslrootcert.clone().map(PathBuf::from),
        sslcert: target.sslcert.clone().map(PathBuf::from),
        sslkey: target.sslkey.clone().map(PathBuf::from),
        connect_timeout_seconds: target.connect_timeout_s,
        keepalives_idle_seconds: u32::try_from(target.keepalives_idle_s).unwrap_or(0),
        search_path: target.search_path.clone(),
        role: target.role.clone(),
        application_name: target
            .application_name
            .clone()
            .unwrap_or_else(|| "msv".to_owned()),
        lock_timeout_ms: target.lock_timeout_ms,
        statement_timeout_ms: target.statement_timeout_ms,
        retries: target.retries,
        ..ConnectOptions::default()
    })
}

/// Shows mistakes of starting up; the exit code is 2, as for everything that could not start.
pub(super) fn could_not_start(diagnostics: &[Diagnostic]) -> ExitCode {
    voice().could_not_start(diagnostics);
    ExitCode::from(2)
}

/// Shows diagnostics one after the other.
pub(super) fn show(diagnostics: &[Diagnostic]) {
    let voice = voice();
    for diagnostic in diagnostics {
        voice.diagnostic(diagnostic);
    }
}

/// Runs what needs a server but no models.
pub(super) fn with_server(
    global: &GlobalArgs,
    work: impl FnOnce(&ConnectOptions, &str) -> ExitCode,
) -> ExitCode {
    let (project, target) = match read(global) {
        Ok(read) => read,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    let mut progress = |line: &str| eprintln!("{line}");
    match connect_options(&project.dir, &target, &mut progress) {
        Ok(options) => work(&options, &project.root.name),
        Err(diagnostic) => could_not_start(&[diagnostic]),
    }
}

/// Runs what needs one connection and ends with a line for the person.
pub(super) fn with_session<T: std::fmt::Display>(
    global: &GlobalArgs,
    work: impl FnOnce(&mut Session, &str) -> Result<T, Vec<Diagnostic>>,
) -> ExitCode {
    with_server(global, |options, name| {
        let mut session = match Session::connect(options) {
            Ok(session) => session,
            Err(error) => return could_not_start(&[error.connect_diagnostic(options)]),
        };
        say(work(&mut session, name))
    })
}

/// Prints what a command has to say, or why it failed.
pub(super) fn say<T: std::fmt::Display>(outcome: Result<T, Vec<Diagnostic>>) -> ExitCode {
    match outcome {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(diagnostics) => could_not_start(&diagnostics),
    }
}

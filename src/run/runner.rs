//! Runs the selected nodes of a graph on a server and tells listeners what happens.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use indexmap::IndexSet;
use serde_json::json;

use crate::compile::Compiler;
use crate::diagnostics::Diagnostic;
use crate::parse::{HookTime, Node, ResourceType, UniqueId};
use crate::postgres::{Canceller, ConnectOptions, Error, Session, catalog};
use crate::relation::Relation;

use super::adapter::Adapter;
use super::audit::{Audit, Heard, Verdict};
use super::event::{BatchResults, Event, Level, Listener, NodeResult, Position, Status};
use super::failure::fail_after_all;
use super::files::RunFiles;
use super::fused_tests::{Foretold, foretell, is_candidate};
use super::group::{self, Grouping};
use super::materialize::Waiting;
use super::plan::Plan;
use super::project_hooks::run_project_hooks;
use super::publish;
use super::query_comment::statement_comment;
use super::repeat::reconnect_if_lost;
use super::scheduler::{Outcome, Stop, Task, run_plan};
use super::standing::Standing;
use super::together::{Keeper, Publishing, refusals};
use super::worker::{execute_audit, execute_node};

/// How a command wants its nodes run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    pub threads: usize,
    pub is_fail_fast: bool,
    pub is_full_refresh: bool,
    pub is_warn_error: bool,
    /// Children wait for the tests of their parents, as in `build`.
    pub tests_gate_children: bool,
    /// No node runs when an on-run-start hook failed.
    pub skips_after_failed_start: bool,
    /// Schemas are created and project hooks run; not for `show` and `compile`.
    pub has_hooks: bool,
    pub publishing: Publishing,
    /// What fails its tests is kept under another name, for a look.
    pub keeps_rejected: bool,
    /// Nodes become views on what an earlier state has, each for itself and without hooks.
    pub is_clone: bool,
    pub target_name: String,
    /// Tests of one relation are counted in one statement where that tells the same.
    pub fuses_tests: bool,
    /// Batches of an earlier run: only those that failed are built.
    pub previous_batches: HashMap<UniqueId, BatchResults>,
}

/// Everything a run needs; shared by its workers.
pub struct RunContext {
    pub compiler: Arc<Compiler>,
    pub options: RunOptions,
    pub connect: ConnectOptions,
    pub files: RunFiles,
    pub listener: Arc<dyn Listener>,
    pub stop: Arc<Stop>,
    /// Cancels the statements that are running now.
    pub cancellers: Mutex<Vec<Canceller>>,
    /// Schema and name of all that the run builds, once a publication has asked.
    pub rebuilt: OnceLock<Arc<HashSet<(String, String)>>>,
    /// What stood in the run's schemas when it began.
    pub standing: OnceLock<Standing>,
    /// Whether nodes are built in groups.
    pub grouping: Grouping,
    /// What is built and waits to be published with the rest.
    pub pending: Waiting,
    /// How often tests fail that a shared statement has counted.
    pub foretold: Foretold,
    /// Set once the server could not be reached again, however often it was tried.
    pub is_server_gone: AtomicBool,
}

impl RunContext {
    /// True when nothing stood under the name when the run began; something may by now.
    pub(super) fn is_new(&self, target: &Relation) -> bool {
        self.standing
            .get()
            .is_some_and(|standing| standing.relation(target).is_none())
    }

    /// True when everything is published at the end.
    pub fn is_together(&self) -> bool {
        self.options.publishing == Publishing::Together
    }

    /// A text with the names that people know, in place of those that stand in for them.
    pub fn public_text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.compiler.settings.stand_ins.public_text(text)
    }
}

/// How a run ended.
pub struct Summary {
    pub results: Vec<Arc<NodeResult>>,
    /// Nodes never started because the run was interrupted.
    pub left: usize,
    pub elapsed_seconds: f64,
    /// Why an on-run-end hook could not be rendered: the command ends as if it had not started.
    pub broken: Option<Diagnostic>,
}

impl Summary {
    pub fn has_failures(&self) -> bool {
        self.left > 0 || self.results.iter().any(|result| result.status.is_failure())
    }
}

/// Stops a run from outside: no node starts any more, running statements are cancelled.
///
/// A node may be between two statements just now: call it again until the run has ended.
pub fn interrupt(context: &RunContext) {
    context.stop.interrupt();
    let cancellers = context
        .cancellers
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    for canceller in &cancellers {
        // A session that is gone has nothing left to cancel.
        let _ = canceller.cancel();
    }
}

/// Runs the selected nodes.
///
/// # Errors
///
/// When the server cannot be reached or refuses to create a schema: nothing was run then.
pub fn run(
    context: &Arc<RunContext>,
    selected: &IndexSet<UniqueId>,
) -> Result<Summary, Vec<Diagnostic>> {
    let begun = Instant::now();
    let graph = &context.compiler.graph;
    let plan = if context.options.is_clone {
        Plan::independent(graph, selected)
    } else {
        let RunOptions {
            tests_gate_children,
            fuses_tests,
            ..
        } = context.options;
        Plan::new(graph, selected, tests_gate_children, fuses_tests)
    };
    if context.is_together() {
        let refusals = refusals(&plan);
        if !refusals.is_empty() {
            return Err(refusals);
        }
    }
    let has_project_hooks = context.options.has_hooks && !context.options.is_clone;
    let total = plan.all_nodes().count();
    let threads = context.options.threads.clamp(1, plan.nodes.len().max(1));
    let results: Mutex<Vec<Arc<NodeResult>>> = Mutex::default();
    let record = |mut result: NodeResult, position: Position| {
        if result.compiled_code.is_some() {
            result.compiled_path = Some(context.files.compiled_path(&result.node));
        }
        let result = Arc::new(result);
        context.listener.on_event(&Event::NodeFinished {
            result: Arc::clone(&result),
            position,
        });
        results
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(result);
    };
    let comment = statement_comment(&context.compiler, None).map_err(|error| vec![*error])?;
    let main = if total == 0 {
        None
    } else {
        let session = connect(context).map_err(|error| vec![error])?;
        let main = Adapter::new(session, Arc::clone(&context.listener));
        main.comment(comment.clone());
        if context.options.has_hooks {
            let mut standing = prepare_schemas(&mut main.session(), &plan);
            if standing.is_err() && !main.session().is_usable() {
                reconnect_if_lost(context, &main);
                main.comment(comment);
                standing = prepare_schemas(&mut main.session(), &plan);
            }
            let _ = context.standing.set(standing.map_err(|error| vec![error])?);
        }
        Some(Arc::new(main))
    };
    let keeper = if context.is_together() && total > 0 {
        Some(Keeper::claiming(context, &plan).map_err(|error| vec![error])?)
    } else {
        None
    };
    context.listener.on_event(&Event::Started {
        nodes: total,
        threads,
        target: context.options.target_name.clone(),
    });
    let mut left = 0;
    let mut broken = None;
    if let Some(main) = &main {
        let mut is_ready = true;
        if has_project_hooks {
            let (hooks, broken) = run_project_hooks(context, main, HookTime::RunStart, &[]);
            if let Some(diagnostic) = broken {
                return Err(vec![*diagnostic]);
            }
            is_ready = !context.options.skips_after_failed_start
                || hooks.iter().all(|hook| !hook.status.is_failure());
            results
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(hooks);
        }
        if is_ready {
            left = run_nodes(context, &plan, threads, main, &record);
        } else {
            skip_all(&plan, &record);
        }
        if let Some(keeper) = keeper {
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            keeper.conclude(context, &plan, left, &mut results);
        }
        if has_project_hooks && left == 0 && !context.stop.is_interrupted() {
            let so_far = results
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            reconnect_if_lost(context, main);
            let (hooks, diagnostic) = run_project_hooks(context, main, HookTime::RunEnd, &so_far);
            broken = diagnostic.map(|diagnostic| *diagnostic);
            results
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(hooks);
        }
    }
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    if left > 0 || context.stop.is_interrupted() {
        let tell = |text: String| {
            context.listener.on_event(&Event::Message {
                level: Level::Error,
                text,
                node: None,
            });
        };
        if context.stop.is_interrupted() {
            context.listener.on_event(&Event::Interrupted { left });
        } else if context.is_server_gone.load(Ordering::SeqCst) {
            tell("Stopped: the server cannot be reached any more".to_owned());
        } else {
            tell("Stopped at the first failure".to_owned());
        }
        if left > 0 {
            let nodes = not_started(&plan, &results);
            tell(names_of(&nodes));
            let reason = if context.stop.is_interrupted() {
                "Skipping because the run was interrupted"
            } else if context.is_server_gone.load(Ordering::SeqCst) {
                "Skipping because the server cannot be reached"
            } else {
                "Skipping due to fail_fast"
            };
            results.extend(nodes.into_iter().map(|node| {
                Arc::new(NodeResult {
                    message: reason.to_owned(),
                    ..NodeResult::untouched(node)
                })
            }));
        }
    }
    let elapsed_seconds = begun.elapsed().as_secs_f64();
    context.listener.on_event(&Event::Finished {
        results: results.clone(),
        elapsed_seconds,
    });
    Ok(Summary {
        results,
        left,
        elapsed_seconds,
        broken,
    })
}

fn run_nodes(
    context: &Arc<RunContext>,
    plan: &Plan,
    threads: usize,
    main: &Arc<Adapter>,
    record: &(impl Fn(NodeResult, Position) + Sync),
) -> usize {
    let started = AtomicUsize::new(0);
    let finished = AtomicUsize::new(0);
    let total = plan.all_nodes().count();
    let next_position = || Position {
        index: 1 + started.fetch_add(1, Ordering::SeqCst),
        total,
    };
    let record = |result: NodeResult, position: Position| {
        finished.fetch_add(1, Ordering::SeqCst);
        record(result, position);
    };
    let make_worker = |thread: usize| -> Option<(usize, Arc<Adapter>)> {
        if thread == 0 {
            return Some((thread, Arc::clone(main)));
        }
        match connect(context) {
            Ok(session) => {
                let adapter = Adapter::new(session, Arc::clone(&context.listener));
                Some((thread, Arc::new(adapter)))
            }
            Err(diagnostic) => {
                context.listener.on_event(&Event::Message {
                    level: Level::Warn,
                    text: format!("Fewer nodes run at a time: {}", diagnostic.title),
                    node: None,
                });
                None
            }
        }
    };
    let begin = |at: usize| {
        let position = next_position();
        context.listener.on_event(&Event::NodeStarted {
            node: Arc::clone(&plan.nodes[at]),
            position,
        });
        position
    };
    let alone = |(thread, adapter): &(usize, Arc<Adapter>),
                 (at, task): (usize, Task),
                 position: Position| {
        let node = &plan.nodes[at];
        if let Task::Skip { cause } = task {
            let cause = Some(&plan.nodes[cause]);
            record(skipped(node, cause), position);
            for test in &plan.audits[at] {
                record(skipped(test, cause), next_position());
            }
            return Outcome::Failed;
        }
        reconnect_if_lost(context, adapter);
        if node.resource_type == ResourceType::Test && is_candidate(node) {
            let tests: Vec<_> = std::iter::once(node)
                .chain(&plan.audits[at])
                .cloned()
                .collect();
            let mut first = Some(position);
            let position = || first.take().unwrap_or_else(&next_position);
            return run_tests(context, (adapter, *thread), &tests, position, &record);
        }
        let is_built = Cell::new(false);
        // The test that was begun and is not told.
        let begun: Cell<Option<Position>> = Cell::default();
        // What a test that is told as passed has found since.
        let turned: Cell<Option<NodeResult>> = Cell::default();
        let perform = |test: &Arc<Node>, stand_in: Option<&Relation>, is_told: bool| {
            if context.stop.is_requested() {
                return Heard::Nothing;
            }
            if !is_told && begun.get().is_none() {
                let position = next_position();
                begun.set(Some(position));
                context.listener.on_event(&Event::NodeStarted {
                    node: Arc::clone(test),
                    position,
                });
            }
            let result = guarded(test, *thread, || {
                execute_audit(context, adapter, (node, stand_in), test, *thread)
            });
            let is_failure = result.status.is_failure();
            if is_failure && !is_built.get() && !adapter.session().is_usable() {
                return Heard::Lost;
            }
            if is_told && is_failure {
                turned.set(Some(result));
            } else if let Some(position) = begun.take() {
                record(result, position);
            }
            if is_failure && context.options.is_fail_fast {
                context.stop.request();
            }
            if is_failure {
                Heard::Objection
            } else {
                Heard::Content
            }
        };
        let prepare = |tests: &[Arc<Node>], stand_in: Option<&Relation>| {
            adapter.looking_aside(stand_in.zip(node.relation.as_ref()), || {
                foretell(context, adapter, stand_in, tests);
            });
        };
        let audit = Audit::new(&plan.audits[at], &prepare, &perform);
        let mut result = guarded(node, *thread, || {
            execute_node(context, adapter, node, *thread, &audit)
        });
        is_built.set(true);
        if let (Some(test), false) = (turned.take(), result.status.is_failure()) {
            fail_after_all(&mut result, &test);
        }
        let is_failure = result.status.is_failure();
        if is_failure && audit.told() > 0 {
            // What is built again is tested again.
            result.adapter_response = json!({"published": false});
        }
        let is_rejected = !result.rejected_by.is_empty();
        // A template of the project published it by itself: what it made is tested now.
        let has_objections = !is_failure && audit.verdict(None) != Some(Verdict::Publish);
        if is_rejected {
            context.listener.on_event(&Event::Message {
                level: Level::Warn,
                text: format!(
                    "`{}` is not published, people keep what they had: {} failed",
                    node.name,
                    result.rejected_by.join(", ")
                ),
                node: Some(node.unique_id.clone()),
            });
        }
        record(result, position);
        if is_failure {
            for test in audit.untold() {
                let position = begun.take().unwrap_or_else(&next_position);
                record(skipped(test, Some(node)), position);
            }
            if context.options.is_fail_fast {
                context.stop.request();
            }
        }
        if is_failure || is_rejected || has_objections {
            Outcome::Failed
        } else {
            Outcome::Done
        }
    };
    let in_group = |(thread, adapter): &(usize, Arc<Adapter>), tasks: &[(usize, Task)]| {
        let positions: Vec<Position> = tasks.iter().map(|(at, _)| begin(*at)).collect();
        let nodes: Vec<_> = tasks
            .iter()
            .map(|(at, _)| (&plan.nodes[*at], plan.audits[*at].as_slice()))
            .collect();
        reconnect_if_lost(context, adapter);
        // A defect of msv is told by the node it happens in.
        let built = std::panic::catch_unwind(AssertUnwindSafe(|| {
            group::build(context, adapter, *thread, &nodes)
        }));
        let built = built.unwrap_or_else(|_| {
            // The defect is what to tell; a lost connection rolls back by itself.
            let _ = adapter.session().rollback();
            nodes.iter().map(|_| None).collect()
        });
        let ends = tasks.iter().zip(positions).zip(built).enumerate();
        ends.map(|(at_task, ((&task, position), built))| match built {
            Some(group::Finished { tests, result }) => {
                for test in tests {
                    let position = next_position();
                    context.listener.on_event(&Event::NodeStarted {
                        node: Arc::clone(&test.node),
                        position,
                    });
                    record(test, position);
                }
                let is_failure = result.status.is_failure();
                record(result, position);
                if is_failure {
                    for test in nodes[at_task].1 {
                        record(skipped(test, Some(nodes[at_task].0)), next_position());
                    }
                    Outcome::Failed
                } else {
                    Outcome::Done
                }
            }
            // It was never begun: what a group leaves has not changed anything.
            None if context.stop.is_requested() => Outcome::Failed,
            None => alone(&(*thread, Arc::clone(adapter)), task, position),
        })
        .collect()
    };
    let joins: Vec<bool> = plan
        .nodes
        .iter()
        .zip(&plan.audits)
        .map(|(node, tests)| group::may_join(context, node, tests))
        .collect();
    let may_join = |at: usize| joins[at] && context.grouping.is_worth_it();
    // How many nodes are left follows from those that finished: audits are no tasks of their own.
    let _ = run_plan(
        plan,
        (threads, &context.stop),
        may_join,
        make_worker,
        |worker, tasks| match tasks {
            [(_, Task::Skip { .. })] => vec![alone(worker, tasks[0], next_position())],
            [(at, _)] if !may_join(*at) => vec![alone(worker, tasks[0], begin(*at))],
            _ => in_group(worker, tasks),
        },
        |(_, adapter)| {
            // A connection that is gone keeps no claim that would have to be given back.
            let _ = adapter.session().flush();
        },
    );
    total - finished.load(Ordering::SeqCst)
}

/// Runs tests of one relation one after the other, after what can be found out about them
/// together. That the first has started is told already.
fn run_tests(
    context: &Arc<RunContext>,
    (adapter, thread): (&Arc<Adapter>, usize),
    tests: &[Arc<Node>],
    mut position: impl FnMut() -> Position,
    record: &impl Fn(NodeResult, Position),
) -> Outcome {
    adapter.works_on(tests.first());
    // Where the comment cannot be rendered the test itself says so.
    if let Ok(comment) = statement_comment(&context.compiler, tests.first()) {
        adapter.comment(comment);
        foretell(context, adapter, None, tests);
    }
    let mut outcome = Outcome::Done;
    for (at, test) in tests.iter().enumerate() {
        if context.stop.is_requested() && at > 0 {
            break;
        }
        let position = position();
        if at > 0 {
            context.listener.on_event(&Event::NodeStarted {
                node: Arc::clone(test),
                position,
            });
        }
        let result = guarded(test, thread, || {
            execute_node(context, adapter, test, thread, &Audit::none())
        });
        if result.status.is_failure() {
            outcome = Outcome::Failed;
            if context.options.is_fail_fast {
                context.stop.request();
            }
        }
        record(result, position);
    }
    outcome
}

/// Most names of nodes that are shown when a run ended early.
const NAMES_SHOWN: usize = 10;

/// The nodes that were left.
fn not_started<'p>(plan: &'p Plan, results: &[Arc<NodeResult>]) -> Vec<&'p Arc<Node>> {
    let done: IndexSet<&UniqueId> = results.iter().map(|result| result.unique_id()).collect();
    plan.all_nodes()
        .filter(|node| !done.contains(&node.unique_id))
        .collect()
}

/// Names the nodes that were left: `Not started: a, b and 7 more`.
fn names_of(nodes: &[&Arc<Node>]) -> String {
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    let shown = names[..names.len().min(NAMES_SHOWN)].join(", ");
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 => format!("Not started: {shown}"),
        more => format!("Not started: {shown} and {more} more"),
    }
}

/// A defect of msv fails the node it happened in, and no other.
fn guarded(node: &Arc<Node>, thread: usize, work: impl FnOnce() -> NodeResult) -> NodeResult {
    match std::panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result,
        Err(_) => failed(
            node,
            thread,
            Diagnostic::error(
                "MSV0447",
                format!("msv itself failed while running `{}`", node.name),
            )
            .at(node.place.clone(), "")
            .help("please report this with the lines above"),
        ),
    }
}

pub(super) fn connect(context: &RunContext) -> Result<Session, Diagnostic> {
    let session = Session::connect(&context.connect)
        .map_err(|error| error.connect_diagnostic(&context.connect))?;
    context
        .cancellers
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(session.canceller());
    Ok(session)
}

/// Creates the schemas the plan writes to, and drops what killed runs left in them. The answer is
/// what stands in them.
fn prepare_schemas(session: &mut Session, plan: &Plan) -> Result<Standing, Diagnostic> {
    let schemas: IndexSet<&str> = plan
        .all_nodes()
        .filter_map(|node| node.relation.as_ref())
        .map(|relation| relation.schema_name())
        .collect();
    for schema in &schemas {
        let refused = |error: Error| {
            Diagnostic::error(
                "MSV0448",
                format!("schema `{schema}` cannot be prepared: {}", error.message),
            )
            .help("create it, or let the user of the target create schemas")
        };
        catalog::create_schema_if_absent(session, schema).map_err(refused)?;
    }
    let refused = |error: Error| {
        Diagnostic::error(
            "MSV0448",
            format!("the schemas cannot be looked at: {}", error.message),
        )
    };
    let schemas: Vec<&str> = schemas.into_iter().collect();
    let found = catalog::list_relations(session, &schemas).map_err(&refused)?;
    publish::sweep(session, &found).map_err(|error| error.diagnostic())?;
    let refillable = publish::refill::refillable_tables(session, &schemas).map_err(refused)?;
    Ok(Standing::new(found, refillable))
}

fn skip_all(plan: &Plan, record: &impl Fn(NodeResult, Position)) {
    let total = plan.all_nodes().count();
    for (at, node) in plan.all_nodes().enumerate() {
        record(
            skipped(node, None),
            Position {
                index: at + 1,
                total,
            },
        );
    }
}

fn skipped(node: &Arc<Node>, cause: Option<&Arc<Node>>) -> NodeResult {
    let message = match cause {
        Some(cause) => format!("skipped because `{}` failed", cause.name),
        None => "skipped because an on-run-start hook failed".to_owned(),
    };
    NodeResult {
        status: Status::Skipped,
        message,
        ..NodeResult::untouched(node)
    }
}

fn failed(node: &Arc<Node>, thread: usize, diagnostic: Diagnostic) -> NodeResult {
    NodeResult {
        status: Status::Error,
        message: diagnostic.title.clone(),
        diagnostic: Some(diagnostic),
        thread,
        ..NodeResult::untouched(node)
    }
}

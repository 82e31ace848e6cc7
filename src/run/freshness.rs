//! How fresh sources are: the latest moment each was loaded, against what its properties ask for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use minijinja::Value;
use serde_json::Value as Json;

use crate::compile::NodeHost;
use crate::diagnostics::Diagnostic;
use crate::jinja::value::relation;
use crate::jinja::value::table::Table;
use crate::jinja::{Database, Host};
use crate::parse::{Details, HookTime, Node, Source, Template};
use crate::relation::Relation;

use super::adapter::Adapter;
use super::event::{Event, NodeResult, Position, Timing};
use super::project_hooks::run_project_hooks;
use super::runner::{RunContext, connect};

/// How a check ended, in dbt's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreshnessStatus {
    Pass,
    Warn,
    Error,
    RuntimeError,
}

impl FreshnessStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            FreshnessStatus::Pass => "pass",
            FreshnessStatus::Warn => "warn",
            FreshnessStatus::Error => "error",
            FreshnessStatus::RuntimeError => "runtime error",
        }
    }

    pub fn is_failure(self) -> bool {
        matches!(self, FreshnessStatus::Error | FreshnessStatus::RuntimeError)
    }
}

/// When a source was loaded last, and when that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    pub max_loaded_at: Timestamp,
    pub snapshotted_at: Timestamp,
}

impl Freshness {
    pub fn age(&self) -> SignedDuration {
        self.snapshotted_at.duration_since(self.max_loaded_at)
    }
}

/// The outcome of one source.
#[derive(Clone, Debug)]
pub struct FreshnessResult {
    pub node: Arc<Node>,
    pub status: FreshnessStatus,
    /// `None` where it could not be asked.
    pub freshness: Option<Freshness>,
    pub timing: Vec<Timing>,
    pub thread: usize,
    pub execution_seconds: f64,
    pub diagnostic: Option<Diagnostic>,
}

/// The outcome of a whole check.
pub struct FreshnessSummary {
    pub results: Vec<Arc<FreshnessResult>>,
    /// Project hooks that were run around the check.
    pub hooks: Vec<Arc<NodeResult>>,
    pub elapsed_seconds: f64,
}

impl FreshnessSummary {
    pub fn has_failures(&self) -> bool {
        let has_stale = self.results.iter().any(|result| result.status.is_failure());
        has_stale || self.hooks.iter().any(|hook| hook.status.is_failure())
    }
}

/// True for sources that say how fresh they must be.
pub fn has_freshness(node: &Node) -> bool {
    let Details::Source(source) = &node.details else {
        return false;
    };
    ["warn_after", "error_after"]
        .iter()
        .any(|key| threshold(source.freshness.as_ref(), key).is_some())
}

/// Asks how fresh the sources are, several at a time.
///
/// # Errors
///
/// When the server cannot be reached, and when a hook's template cannot be rendered.
pub fn check_freshness(
    context: &Arc<RunContext>,
    sources: &[Arc<Node>],
    runs_project_hooks: bool,
) -> Result<FreshnessSummary, Vec<Diagnostic>> {
    let begun = Instant::now();
    let mut summary = FreshnessSummary {
        results: Vec::new(),
        hooks: Vec::new(),
        elapsed_seconds: 0.0,
    };
    if !sources.is_empty() {
        let session = connect(context).map_err(|error| vec![error])?;
        let main = Arc::new(Adapter::new(session, Arc::clone(&context.listener)));
        let hooks = |when| -> Result<Vec<Arc<NodeResult>>, Vec<Diagnostic>> {
            if !runs_project_hooks {
                return Ok(Vec::new());
            }
            match run_project_hooks(context, &main, when, &[]) {
                (hooks, None) => Ok(hooks),
                (_, Some(diagnostic)) => Err(vec![*diagnostic]),
            }
        };
        summary.hooks = hooks(HookTime::RunStart)?;
        if summary.hooks.iter().all(|hook| !hook.status.is_failure()) {
            summary.results = check_all(context, &main, sources);
            summary.hooks.extend(hooks(HookTime::RunEnd)?);
        }
    }
    summary.elapsed_seconds = begun.elapsed().as_secs_f64();
    Ok(summary)
}

fn check_all(
    context: &Arc<RunContext>,
    main: &Arc<Adapter>,
    sources: &[Arc<Node>],
) -> Vec<Arc<FreshnessResult>> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Arc<FreshnessResult>>>> = Mutex::new(vec![None; sources.len()]);
    let work = |thread: usize, adapter: &Arc<Adapter>| {
        while !context.stop.is_requested() {
            let at = next.fetch_add(1, Ordering::SeqCst);
            let Some(node) = sources.get(at) else {
                return;
            };
            let position = Position {
                index: at + 1,
                total: sources.len(),
            };
            context.listener.on_event(&Event::FreshnessStarted {
                node: Arc::clone(node),
                position,
            });
            let result = Arc::new(check_one(context, adapter, node, thread));
            context.listener.on_event(&Event::FreshnessChecked {
                result: Arc::clone(&result),
                position,
            });
            results.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(result);
        }
    };
    let threads = context.options.threads.clamp(1, sources.len());
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let work = &work;
            // A connection that is refused leaves its share to the others.
            let adapter = match thread {
                0 => Some(Arc::clone(main)),
                _ => connect(context)
                    .ok()
                    .map(|session| Arc::new(Adapter::new(session, Arc::clone(&context.listener)))),
            };
            let Some(adapter) = adapter else {
                continue;
            };
            std::thread::Builder::new()
                .name(format!("Thread-{}", thread + 1))
                .stack_size(64 << 20)
                .spawn_scoped(scope, move || work(thread, &adapter))
                .expect("the operating system grants a thread per connection");
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().flatten().collect()
}

fn check_one(
    context: &Arc<RunContext>,
    adapter: &Arc<Adapter>,
    node: &Arc<Node>,
    thread: usize,
) -> FreshnessResult {
    let begun = Instant::now();
    let started_at = Timestamp::now();
    adapter.works_on(Some(node));
    let outcome = ask(context, adapter, node);
    adapter.works_on(None);
    // A template may have opened a transaction.
    let _ = adapter.session().rollback();
    let timing = |name, started_at, completed_at| Timing {
        name,
        started_at,
        completed_at,
    };
    let (status, freshness, diagnostic) = match outcome {
        Ok(freshness) => (status(node, freshness), Some(freshness), None),
        Err(diagnostic) => (FreshnessStatus::RuntimeError, None, Some(*diagnostic)),
    };
    FreshnessResult {
        node: Arc::clone(node),
        status,
        freshness,
        timing: vec![
            timing("compile", started_at, started_at),
            timing("execute", started_at, Timestamp::now()),
        ],
        thread,
        execution_seconds: begun.elapsed().as_secs_f64(),
        diagnostic,
    }
}

/// Asks the server through the macros `collect_freshness` and `collect_freshness_custom_sql`, which
/// a project may have of its own.
fn ask(
    context: &Arc<RunContext>,
    adapter: &Arc<Adapter>,
    node: &Arc<Node>,
) -> Result<Freshness, Box<Diagnostic>> {
    let Details::Source(source) = &node.details else {
        return Err(Box::new(not_known(node)));
    };
    let host = || {
        let database = Arc::clone(adapter) as Arc<dyn Database>;
        NodeHost::new(&context.compiler, node, Some(database))
    };
    let relation = relation::value(
        node.relation
            .clone()
            .unwrap_or_else(|| Relation::new(&node.database, &node.schema, &node.name)),
    );
    let (name, arguments) = match (&source.loaded_at_query, &source.loaded_at_field) {
        (Some(query), _) => {
            let text: Arc<str> = query.as_str().into();
            let template = Template {
                file: format!("loaded_at_query of {}", node.original_file_path).into(),
                span: 0..text.len(),
                text,
            };
            let rendered = context
                .compiler
                .render_statement(&template, Arc::new(host()))?;
            let arguments = vec![relation, Value::from(rendered.sql)];
            ("collect_freshness_custom_sql", arguments)
        }
        (None, Some(field)) => {
            let filter = source
                .freshness
                .as_ref()
                .and_then(|freshness| freshness.get("filter"))
                .and_then(Json::as_str);
            let arguments = vec![relation, Value::from(field.as_str()), Value::from(filter)];
            ("collect_freshness", arguments)
        }
        (None, None) => return Err(Box::new(no_metadata(node))),
    };
    let host: Arc<dyn Host> = Arc::new(host());
    let answer = context
        .compiler
        .engine
        .call_macro(name, &arguments, &[], host)
        .map_err(|diagnostic| refused(node, &diagnostic))?;
    read_answer(node, source, &answer)
}

/// Reads the one row of the answer: the last moment loaded, and now.
fn read_answer(node: &Node, source: &Source, answer: &Value) -> Result<Freshness, Box<Diagnostic>> {
    let table = answer
        .get_attr("table")
        .ok()
        .filter(|table| !table.is_undefined() && !table.is_none())
        .unwrap_or_else(|| answer.clone());
    let table = Table::from_value(&table);
    let row = table
        .as_ref()
        .and_then(|table| table.rows().next().map(<[Value]>::to_vec));
    let [max_loaded_at, snapshotted_at, ..] = row.as_deref().unwrap_or_default() else {
        return Err(Box::new(not_known(node)));
    };
    let snapshotted_at = moment(&snapshotted_at.to_string()).unwrap_or_else(Timestamp::now);
    if max_loaded_at.is_none() {
        // A source without rows was loaded infinitely long ago.
        return Ok(Freshness {
            max_loaded_at: YEAR_ONE,
            snapshotted_at,
        });
    }
    let text = max_loaded_at.to_string();
    match moment(&text) {
        Some(max_loaded_at) => Ok(Freshness {
            max_loaded_at,
            snapshotted_at,
        }),
        None => Err(Box::new(no_timestamp(node, source, &text))),
    }
}

/// 0001-01-01 00:00:00 UTC, dbt's "never".
const YEAR_ONE: Timestamp = Timestamp::constant(-62_135_596_800, 0);

/// A moment as PostgreSQL writes it; without a zone it is UTC. A date alone is none.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if !text.contains(':') {
        return None;
    }
    let iso = text.replacen(' ', "T", 1);
    iso.parse::<Timestamp>().ok().or_else(|| {
        let civil: DateTime = iso.parse().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

fn status(node: &Node, freshness: Freshness) -> FreshnessStatus {
    let Details::Source(source) = &node.details else {
        return FreshnessStatus::RuntimeError;
    };
    let is_past = |key: &str| {
        threshold(source.freshness.as_ref(), key).is_some_and(|limit| freshness.age() > limit)
    };
    if is_past("error_after") {
        FreshnessStatus::Error
    } else if is_past("warn_after") {
        FreshnessStatus::Warn
    } else {
        FreshnessStatus::Pass
    }
}

/// `{count: 12, period: hour}` as a duration.
fn threshold(freshness: Option<&Json>, key: &str) -> Option<SignedDuration> {
    let written = freshness?.get(key)?;
    let count = written.get("count")?.as_i64()?;
    let seconds = match written.get("period")?.as_str()? {
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return None,
    };
    Some(SignedDuration::from_secs(count.checked_mul(seconds)?))
}

fn name(node: &Node) -> String {
    match &node.details {
        Details::Source(source) => format!("{}.{}", source.source_name, node.name),
        _ => node.name.clone(),
    }
}

/// What went wrong inside the macro, at the source it was asked for.
fn refused(node: &Node, diagnostic: &Diagnostic) -> Box<Diagnostic> {
    let mut refused = Diagnostic::error(
        "MSV0473",
        format!(
            "source table `{}` cannot be asked how fresh it is",
            name(node)
        ),
    )
    .at(node.place.clone(), "this source")
    .note(diagnostic.title.clone());
    refused.notes.extend(diagnostic.notes.iter().cloned());
    refused.help.clone_from(&diagnostic.help);
    Box::new(refused)
}

fn no_metadata(node: &Node) -> Diagnostic {
    Diagnostic::error(
        "MSV0470",
        format!(
            "Could not compute freshness for source {}: no 'loaded_at_field' provided and postgres \
             adapter does not support metadata-based freshness checks.",
            node.name
        ),
    )
    .at(node.place.clone(), "this source says no `loaded_at_field`")
    .help("name the column that says when a row was loaded: loaded_at_field: loaded_at")
}

fn no_timestamp(node: &Node, source: &Source, text: &str) -> Diagnostic {
    let field = source.loaded_at_field.as_deref().unwrap_or("the query");
    Diagnostic::error(
        "MSV0471",
        format!(
            "Expected a timestamp value when querying field '{field}' of table {} but received \
             `{text}` instead",
            name(node)
        ),
    )
    .at(node.place.clone(), "this source")
    .help(format!("cast it: loaded_at_field: \"{field}::timestamp\""))
}

fn not_known(node: &Node) -> Diagnostic {
    Diagnostic::error(
        "MSV0471",
        format!(
            "the macro that asks how fresh `{}` is did not answer with a table of two columns",
            name(node)
        ),
    )
    .at(node.place.clone(), "")
    .help("return load_result(…) of a query for max_loaded_at and snapshotted_at")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moments_come_with_and_without_a_zone_and_dates_are_none() {
        let noon: Timestamp = "2026-01-31T12:00:00Z".parse().expect("a moment");
        assert_eq!(moment("2026-01-31 12:00:00"), Some(noon));
        assert_eq!(moment("2026-01-31 14:00:00+02"), Some(noon));
        assert_eq!(moment("2026-01-31 12:00:00.000000+00:00"), Some(noon));
        assert_eq!(moment("2026-01-31"), None);
        assert_eq!(YEAR_ONE.to_string(), "0001-01-01T00:00:00Z");
    }

    #[test]
    fn thresholds_need_a_count_and_a_period() {
        let freshness = json!({
            "warn_after": {"count": 2, "period": "day"},
            "error_after": {"count": null, "period": null},
        });
        let limit = threshold(Some(&freshness), "warn_after");
        assert_eq!(limit, Some(SignedDuration::from_hours(48)));
        assert_eq!(threshold(Some(&freshness), "error_after"), None);
    }
}

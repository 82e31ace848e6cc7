//! `incremental` with the strategy `microbatch`: one transaction for each stretch of time.
//!
//! A batch that fails leaves the others: the model is then a partial success, and the batches that
//! failed can be built alone.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value as Json, json};

use crate::compile::{Compiled, Overrides};
use crate::diagnostics::Diagnostic;
use crate::jinja::clock::parse_utc;
use crate::parse::{Batch, BatchSize, TimeWindow};
use crate::run::audit::Audit;
use crate::run::event::{BatchResults, Event, Position, Status};
use crate::run::worker::{Done, NodeRun};

use super::{
    check_name, concurrent_batches, existing, extras, incremental, mistake, parallel, table, target,
};

pub(in crate::run) fn microbatch(run: &NodeRun<'_>) -> Result<Done, Box<Diagnostic>> {
    check_name(run)?;
    parallel::refuse(run, "built in batches")?;
    let timeout = extras::statement_timeout(run)?;
    let outcome = all_batches(run);
    extras::restore_statement_timeout(run, timeout);
    outcome
}

fn all_batches(run: &NodeRun<'_>) -> Result<Done, Box<Diagnostic>> {
    let is_incremental = incremental::table_to_add_to(run)?.is_some();
    let previous = run
        .context
        .options
        .previous_batches
        .get(&run.node.unique_id);
    let batches = match previous {
        Some(previous) => batches_of(run, &previous.failed)?,
        None => batches(run, is_incremental)?,
    };
    let total = batches.len();
    let pieces: Vec<Piece> = batches
        .into_iter()
        .enumerate()
        .map(|(at, batch)| Piece {
            batch,
            position: Position {
                index: at + 1,
                total,
            },
            is_incremental: at > 0 || is_incremental,
        })
        .collect();
    if pieces.iter().any(|piece| piece.is_incremental) {
        check_unique_key(run)?;
    }
    let mut results = BatchResults::default();
    let mut first_failure = None;
    let mut keep = |piece: &Piece, outcome: Outcome| match outcome {
        Outcome::Built => results.successful.push(piece.batch.window),
        Outcome::Skipped => results.failed.push(piece.batch.window),
        Outcome::Failed(diagnostic) => {
            results.failed.push(piece.batch.window);
            first_failure.get_or_insert_with(|| {
                diagnostic.note(format!("in batch {}", piece.batch.label()))
            });
        }
    };
    let Some((first, others)) = pieces.split_first() else {
        return Ok(summary(run, results, first_failure, previous));
    };
    let outcome = first.perform(run);
    // Without the first batch there may be no table that the others could go into.
    let goes_on = matches!(outcome, Outcome::Built);
    keep(first, outcome);
    // The last batch has the post-hooks: it waits for the others.
    if let Some((last, middle)) = others.split_last() {
        let outcomes = if !goes_on {
            middle.iter().map(|piece| piece.skip(run)).collect()
        } else if concurrent_batches::are_wanted(run) {
            concurrent_batches::perform(run, middle)
        } else {
            middle.iter().map(|piece| piece.perform(run)).collect()
        };
        for (piece, outcome) in middle.iter().zip(outcomes) {
            keep(piece, outcome);
        }
        let outcome = if goes_on {
            last.perform(run)
        } else {
            last.skip(run)
        };
        keep(last, outcome);
    }
    Ok(summary(run, results, first_failure, previous))
}

/// Says once what each batch after the first would say: batches are merged by a key, unless a macro
/// of the project adds them.
fn check_unique_key(run: &NodeRun<'_>) -> Result<(), Box<Diagnostic>> {
    const ADDING: [&str; 3] = [
        "default__get_incremental_microbatch_sql",
        "get_incremental_microbatch_sql",
        "postgres__get_incremental_microbatch_sql",
    ];
    let is_of_project = run.context.compiler.engine.has_own_macro(&ADDING);
    let key = run.node.config.get("unique_key");
    let is_empty = match key {
        None | Some(Json::Null) => true,
        Some(Json::String(text)) => text.is_empty(),
        Some(Json::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    match is_empty && !is_of_project {
        true => Err(mistake(
            run,
            "dbt-postgres 'microbatch' requires a `unique_key` config",
            "name the columns that tell one row from another: unique_key='id'",
        )),
        false => Ok(()),
    }
}

/// One batch, and its place among the others.
pub(super) struct Piece {
    batch: Batch,
    position: Position,
    is_incremental: bool,
}

/// How a batch ended.
pub(super) enum Outcome {
    Built,
    Skipped,
    Failed(Box<Diagnostic>),
}

impl Piece {
    /// Builds the batch and tells how that ended.
    fn perform(&self, run: &NodeRun<'_>) -> Outcome {
        if run.context.stop.is_interrupted() {
            return self.skip(run);
        }
        self.begin(run);
        let begun = Instant::now();
        let outcome = self.attempt(run);
        self.end(run, begun, outcome)
    }

    pub(super) fn skip(&self, run: &NodeRun<'_>) -> Outcome {
        let (batch, position) = (self.batch, self.position);
        tell(run, batch, position, Status::Skipped, String::new(), 0.0);
        Outcome::Skipped
    }

    /// Tells that the batch begins.
    pub(super) fn begin(&self, run: &NodeRun<'_>) {
        run.context.listener.on_event(&Event::BatchStarted {
            node: Arc::clone(run.node),
            batch: self.batch,
            position: self.position,
        });
    }

    /// Builds the batch; what fails leaves no transaction.
    pub(super) fn attempt(&self, run: &NodeRun<'_>) -> Result<Done, Box<Diagnostic>> {
        let outcome = build(run, self.batch, self.position, self.is_incremental);
        if outcome.is_err() {
            run.leave_no_transaction();
        }
        outcome
    }

    /// Tells how the batch ended.
    pub(super) fn end(
        &self,
        run: &NodeRun<'_>,
        begun: Instant,
        outcome: Result<Done, Box<Diagnostic>>,
    ) -> Outcome {
        let (batch, position) = (self.batch, self.position);
        let seconds = begun.elapsed().as_secs_f64();
        match outcome {
            Ok(done) => {
                tell(run, batch, position, Status::Success, done.message, seconds);
                Outcome::Built
            }
            Err(diagnostic) => {
                let message = diagnostic.title.clone();
                tell(run, batch, position, Status::Error, message, seconds);
                Outcome::Failed(diagnostic)
            }
        }
    }
}

/// Says how the batches ended, in dbt's words.
fn summary(
    run: &NodeRun<'_>,
    mut results: BatchResults,
    first_failure: Option<Diagnostic>,
    previous: Option<&BatchResults>,
) -> Done {
    let (built, failed) = (results.successful.len(), results.failed.len());
    let (status, message) = match (built, failed) {
        (_, 0) => (Status::Success, "SUCCESS".to_owned()),
        (0, _) => (Status::Error, "ERROR".to_owned()),
        _ => (
            Status::PartialSuccess,
            format!("PARTIAL SUCCESS ({built}/{})", built + failed),
        ),
    };
    if let Some(previous) = previous {
        results.successful.extend(&previous.successful);
    }
    let diagnostic = first_failure.map(|diagnostic| {
        let help = format!(
            "build only the batches that failed: msv retry; {failed} of {} did",
            built + failed
        );
        let diagnostic = match diagnostic.place {
            Some(_) => diagnostic,
            None => diagnostic.at(run.node.place.clone(), "in a batch of this model"),
        };
        diagnostic.help(help)
    });
    Done {
        status: Some(status),
        message,
        failures: Some(0),
        response: json!({}),
        batch_results: Some(results),
        diagnostic,
        ..Done::default()
    }
}

fn tell(
    run: &NodeRun<'_>,
    batch: Batch,
    position: Position,
    status: Status,
    message: String,
    seconds: f64,
) {
    run.context.listener.on_event(&Event::BatchFinished {
        node: Arc::clone(run.node),
        batch,
        position,
        status,
        message,
        seconds,
    });
}

/// Builds one batch: the first one with the model's pre-hooks, the last with its post-hooks.
fn build(
    run: &NodeRun<'_>,
    batch: Batch,
    position: Position,
    is_incremental: bool,
) -> Result<Done, Box<Diagnostic>> {
    let mut refusal = run.refusal.borrow_mut();
    let mut node = (**run.node).clone();
    if position.index > 1 {
        node.config.set("pre-hook", json!([]));
    }
    if position.index < position.total {
        node.config.set("post-hook", json!([]));
    }
    let node = Arc::new(node);
    let run = NodeRun {
        has_lasting_work: Default::default(),
        context: run.context,
        adapter: run.adapter,
        node: &node,
        batch: Some(batch),
        is_made_anew: Cell::new(!is_incremental),
        refusal: Default::default(),
        audit: &Audit::none(),
        renamed: None,
        is_unasked: false,
    };
    let outcome = (|| {
        let compiled = compile(&run, batch)?;
        let files = &run.context.files;
        files.keep_compiled_batch(&node, &batch.label(), &compiled.sql);
        let found = match is_incremental {
            true => existing(&run, &target(&run))?,
            false => None,
        };
        match found {
            Some(found) => incremental::add(&run, &compiled, &found, "microbatch"),
            None => table::table(&run, &compiled),
        }
    })();
    *refusal = run.refusal.take().filter(|_| outcome.is_err());
    outcome
}

fn compile(run: &NodeRun<'_>, batch: Batch) -> Result<Compiled, Box<Diagnostic>> {
    let overrides = Overrides {
        batch: Some(batch),
        macros: HashMap::new(),
        ..Overrides::default()
    };
    let compiler = &run.context.compiler;
    compiler.compile_with(run.node, Some(run.database()), overrides)
}

fn batches_of(run: &NodeRun<'_>, windows: &[TimeWindow]) -> Result<Vec<Batch>, Box<Diagnostic>> {
    let size = size(run)?;
    let batch = |window: &TimeWindow| Batch {
        size,
        window: *window,
    };
    Ok(windows.iter().map(batch).collect())
}

/// Cuts the time to build into batches: from `begin`, or as far back as `lookback` says where the
/// table is there already, to now; the command line may name another stretch.
fn batches(run: &NodeRun<'_>, is_incremental: bool) -> Result<Vec<Batch>, Box<Diagnostic>> {
    let size = size(run)?;
    let invocation = &run.context.compiler.invocation;
    let asked = invocation.sample.or(invocation.event_time);
    let end = size.ceiling(asked.map_or(invocation.started_at, |window| window.end));
    let start = match asked {
        Some(window) => size.truncate(window.start),
        None if is_incremental => {
            let lookback = run.node.config.get("lookback").and_then(Json::as_i64);
            // `end` is where the batch after the newest begins.
            size.offset(end, -lookback.unwrap_or(1) - 1)
        }
        None => size.truncate(begin(run)?),
    };
    let mut batches = Vec::new();
    let mut from = start;
    loop {
        let to = size.offset(from, 1).min(end).max(from);
        let window = TimeWindow {
            start: from,
            end: to,
        };
        batches.push(Batch { size, window });
        if to >= end || to == from {
            return Ok(batches);
        }
        from = to;
    }
}

fn size(run: &NodeRun<'_>) -> Result<BatchSize, Box<Diagnostic>> {
    let written = run.node.config.str("batch_size");
    written.and_then(BatchSize::named).ok_or_else(|| {
        mistake(
            run,
            "strategy `microbatch` needs `batch_size`",
            "set batch_size to hour, day, month or year",
        )
    })
}

fn begin(run: &NodeRun<'_>) -> Result<jiff::Timestamp, Box<Diagnostic>> {
    let written = run.node.config.str("begin");
    written.and_then(parse_utc).ok_or_else(|| {
        mistake(
            run,
            "strategy `microbatch` needs `begin`, the time of the oldest rows",
            "set begin: 2024-01-01",
        )
    })
}

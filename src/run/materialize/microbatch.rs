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

use super::{check_name, existing, incremental, mistake, parallel, table, target};

pub(in crate::run) fn microbatch(run: &NodeRun<'_>) -> Result<Done, Box<Diagnostic>> {
    check_name(run)?;
    parallel::refuse(run, "built in batches")?;
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
    let mut results = BatchResults::default();
    let mut first_failure = None;
    let total = batches.len();
    let mut goes_on = true;
    for (at, batch) in batches.into_iter().enumerate() {
        let position = Position {
            index: at + 1,
            total,
        };
        if !goes_on || run.context.stop.is_interrupted() {
            tell(run, batch, position, Status::Skipped, String::new(), 0.0);
            results.failed.push(batch.window);
            continue;
        }
        run.context.listener.on_event(&Event::BatchStarted {
            node: Arc::clone(run.node),
            batch,
            position,
        });
        let begun = Instant::now();
        let outcome = build(run, batch, position, at > 0 || is_incremental);
        let seconds = begun.elapsed().as_secs_f64();
        match outcome {
            Ok(done) => {
                tell(run, batch, position, Status::Success, done.message, seconds);
                results.successful.push(batch.window);
            }
            Err(diagnostic) => {
                run.leave_no_transaction();
                let message = diagnostic.title.clone();
                tell(run, batch, position, Status::Error, message, seconds);
                results.failed.push(batch.window);
                // Without the first batch there may be no table that the others could go into.
                goes_on = at > 0;
                first_failure
                    .get_or_insert_with(|| diagnostic.note(format!("in batch {}", batch.label())));
            }
        }
    }
    Ok(summary(run, results, first_failure, previous))
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

//! Batches side by side, on connections of their own.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::diagnostics::Diagnostic;
use crate::parse::Node;
use crate::run::adapter::Adapter;
use crate::run::audit::Audit;
use crate::run::query_comment::statement_comment;
use crate::run::runner::{RunContext, connect};
use crate::run::worker::NodeRun;

use super::extras;
use super::microbatch::{Outcome, Piece};

/// True when batches need not wait for each other: `concurrent_batches` says so, or says nothing
/// and the model does not read its own table.
pub(super) fn are_wanted(run: &NodeRun<'_>) -> bool {
    if run.context.options.threads < 2 {
        return false;
    }
    let written = run.node.config.bool("concurrent_batches");
    written.unwrap_or_else(|| !names_this(run.node.template.code()))
}

/// True when the word `this` stands in the model, wherever.
fn names_this(code: &str) -> bool {
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|word| word == "this")
}

/// How an attempt on a connection of its own ended.
enum Attempt {
    Ended(Outcome),
    /// It met another batch: a deadlock, a lock.
    MetAnother(Instant),
}

/// Builds batches on as many connections as the run has threads.
///
/// Batches that hindered each other are built again, one after another.
pub(super) fn perform(run: &NodeRun<'_>, pieces: &[Piece]) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let attempts: Vec<Mutex<Option<Attempt>>> = pieces.iter().map(|_| Mutex::default()).collect();
    let work = |run: &NodeRun<'_>| {
        while !run.context.stop.is_interrupted() {
            let at = next.fetch_add(1, Ordering::SeqCst);
            let Some(piece) = pieces.get(at) else { return };
            let attempt = attempt(run, piece);
            *attempts[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(attempt);
        }
    };
    let (context, node) = (run.context, run.node);
    thread::scope(|scope| {
        let others = context.options.threads.min(pieces.len()).saturating_sub(1);
        for _ in 0..others {
            let own = || {
                // A connection that is refused leaves its share to the others.
                let Ok(adapter) = own_connection(context, node) else {
                    return;
                };
                let audit = Audit::none();
                let run = NodeRun {
                    context,
                    adapter: &adapter,
                    node,
                    is_made_anew: Cell::new(false),
                    batch: None,
                    refusal: Default::default(),
                    audit: &audit,
                    renamed: None,
                    is_unasked: false,
                    has_lasting_work: Cell::new(false),
                };
                if extras::statement_timeout(&run).is_ok() {
                    work(&run);
                }
            };
            // Templates recurse: the stack is that of the run's own threads.
            let thread = thread::Builder::new().stack_size(64 << 20);
            let _ = thread.spawn_scoped(scope, own);
        }
        work(run);
    });
    let attempts = attempts
        .into_iter()
        .map(|attempt| attempt.into_inner().unwrap_or_else(PoisonError::into_inner));
    pieces
        .iter()
        .zip(attempts)
        .map(|(piece, attempt)| match attempt {
            Some(Attempt::Ended(outcome)) => outcome,
            Some(Attempt::MetAnother(begun)) => piece.end(run, begun, piece.attempt(run)),
            None => piece.skip(run),
        })
        .collect()
}

fn attempt(run: &NodeRun<'_>, piece: &Piece) -> Attempt {
    piece.begin(run);
    let begun = Instant::now();
    let outcome = piece.attempt(run);
    let refusal = run.refusal.take().filter(|_| outcome.is_err());
    if refusal.is_some_and(|error| error.is_transient() && !error.is_connection_lost()) {
        return Attempt::MetAnother(begun);
    }
    Attempt::Ended(piece.end(run, begun, outcome))
}

fn own_connection(context: &RunContext, node: &Arc<Node>) -> Result<Arc<Adapter>, Box<Diagnostic>> {
    let session = connect(context)?;
    let adapter = Arc::new(Adapter::new(session, Arc::clone(&context.listener)));
    adapter.works_on(Some(node));
    adapter.comment(statement_comment(&context.compiler, Some(node))?);
    Ok(adapter)
}

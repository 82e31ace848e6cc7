//! Tries a node again that met what passes: a deadlock, a lock held too long, a lost connection, a
//! server that restarts or has no connection left.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::parse::{Node, ResourceType};
use crate::postgres::{Datum, Error, Rows};

use super::adapter::Adapter;
use super::event::{Event, Level};
use super::hooks::{Moment, has_hooks};
use super::materialize;
use super::runner::{RunContext, connect};
use super::worker::NodeRun;

/// How long to wait before each further attempt; a server that restarts needs seconds.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(5),
];

/// Tells the number of the open transaction, by which the server says later what became of it.
pub(super) const TRANSACTION_NUMBER: &str = "select pg_catalog.txid_current()";

/// How long a connection may be idle and be taken for one that stands: shorter than what servers
/// and address translators commonly allow.
const PROBED_AFTER: Duration = Duration::from_secs(20);

/// How often a pause looks whether the run was stopped.
const TURN: Duration = Duration::from_millis(100);

/// Waits, and connects again where the connection is lost. True when the node is to be tried again.
///
/// `attempt` counts from 0. A node is not tried again where a part of its work stands already:
/// what it committed and must not do twice, hooks outside its transaction, statements that its
/// template ran by itself, tests that have failed. Tests that have passed run again, and are not
/// told again. A server that cannot be reached ends the run.
pub(super) fn is_to_repeat(run: &NodeRun<'_>, attempt: usize, error: &Error) -> bool {
    let (Some(pause), true) = (PAUSES.get(attempt), error.is_transient()) else {
        return false;
    };
    let is_gone = &run.context.is_server_gone;
    if !is_repeatable(run) || is_gone.load(Ordering::SeqCst) {
        return false;
    }
    run.context.listener.on_event(&Event::Message {
        level: Level::Warn,
        text: format!(
            "`{}` is tried again in {:.1} s ({} of {}): {}",
            run.node.name,
            pause.as_secs_f64(),
            attempt + 1,
            PAUSES.len(),
            error.message
        ),
        node: Some(run.node.unique_id.clone()),
    });
    if !wait(run.context, *pause) {
        return false;
    }
    if run.adapter.session().is_usable() {
        return true;
    }
    match connect(run.context) {
        Ok(session) => run.adapter.replace_session(session),
        // Nodes that come later would wait as long, one after the other, and in vain.
        Err(_) if attempt + 1 == PAUSES.len() => {
            give_up(run.context);
            return false;
        }
        Err(_) => {}
    }
    true
}

/// Gives a connection that is lost, or was idle for long and is found lost, a successor, before
/// anything is asked of it. True where it was lost.
pub(super) fn reconnect_if_lost(context: &RunContext, adapter: &Adapter) -> bool {
    adapter.session().probe(PROBED_AFTER);
    if adapter.session().is_usable() {
        return false;
    }
    if context.is_server_gone.load(Ordering::SeqCst) {
        return true;
    }
    for pause in PAUSES {
        let reason = match connect(context) {
            Ok(session) => {
                adapter.replace_session(session);
                return true;
            }
            Err(diagnostic) => diagnostic,
        };
        context.listener.on_event(&Event::Message {
            level: Level::Warn,
            text: format!("Waiting {:.1} s: {}", pause.as_secs_f64(), reason.title),
            node: None,
        });
        if !wait(context, pause) {
            return true;
        }
    }
    match connect(context) {
        Ok(session) => adapter.replace_session(session),
        Err(_) => give_up(context),
    }
    true
}

/// Ends the run: nodes that come later would wait as long, one after the other, and in vain.
fn give_up(context: &RunContext) {
    context.is_server_gone.store(true, Ordering::SeqCst);
    context.stop.request();
}

/// True when the transaction whose commit was not answered was committed.
///
/// `number` is what [`TRANSACTION_NUMBER`] told. The adapter gets a new connection; `None` where
/// there is none, or no answer.
pub(super) fn was_committed(context: &RunContext, adapter: &Adapter, number: i64) -> Option<bool> {
    for pause in PAUSES {
        if !adapter.session().is_usable()
            && let Ok(session) = connect(context)
        {
            adapter.replace_session(session);
        }
        let asked = adapter.query(&format!("select pg_catalog.txid_status({number})"));
        match asked
            .ok()
            .as_ref()
            .and_then(Rows::scalar)
            .and_then(Datum::as_str)
        {
            Some("committed") => return Some(true),
            Some("aborted") => return Some(false),
            // The server has not noticed yet that we are gone, or it does not answer.
            _ => {}
        }
        if !wait(context, pause) {
            break;
        }
    }
    None
}

fn is_repeatable(run: &NodeRun<'_>) -> bool {
    let node: &Arc<Node> = run.node;
    let is_of_ours = match node.resource_type {
        ResourceType::Model => !node.is_microbatch() && materialize::is_of_ours(run),
        ResourceType::Seed | ResourceType::Snapshot => materialize::is_of_ours(run),
        ResourceType::Test => true,
        _ => false,
    };
    is_of_ours
        && !run.context.options.is_clone
        && !has_hooks(run, Moment::BeforeBegin)
        && !has_hooks(run, Moment::AfterCommit)
        && !run.has_lasting_work.get()
        && !may_have_run_hooks(run)
        && !run.adapter.has_template_written()
        && !run.audit.has_objected()
}

/// True where a commit was not answered that made the effects of hooks last.
fn may_have_run_hooks(run: &NodeRun<'_>) -> bool {
    run.adapter.session().has_lost_commit()
        && (has_hooks(run, Moment::Before) || has_hooks(run, Moment::After))
}

/// Waits unless the run is stopped meanwhile.
fn wait(context: &RunContext, pause: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < pause {
        if context.stop.is_requested() {
            return false;
        }
        std::thread::sleep(TURN.min(pause));
    }
    true
}

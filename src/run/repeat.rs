//! Tries a node again that met what passes: a deadlock, a lock held too long, a lost connection, a
//! server that restarts or has no connection left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::parse::{Node, ResourceType};
use crate::postgres::Error;

use super::event::{Event, Level};
use super::hooks::{Moment, has_hooks};
use super::materialize;
use super::runner::connect;
use super::worker::NodeRun;

/// How long to wait before each further attempt; a server that restarts needs seconds.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(5),
];

/// How often a pause looks whether the run was stopped.
const TURN: Duration = Duration::from_millis(100);

/// Waits, and connects again where the connection is lost. True when the node is to be tried again.
///
/// `attempt` counts from 0. A node is not tried again where a part of its work stands already:
/// hooks outside its transaction, statements that its template ran by itself, tests that are told.
pub(super) fn is_to_repeat(run: &NodeRun<'_>, attempt: usize, error: &Error) -> bool {
    let (Some(pause), true) = (PAUSES.get(attempt), error.is_transient()) else {
        return false;
    };
    if !is_repeatable(run) {
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
    if !wait(run, *pause) {
        return false;
    }
    if !run.adapter.session().is_usable()
        && let Ok(session) = connect(run.context)
    {
        run.adapter.replace_session(session);
    }
    true
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
        && !run.adapter.has_template_written()
        && run.audit.is_untouched()
}

/// Waits unless the run is stopped meanwhile.
fn wait(run: &NodeRun<'_>, pause: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < pause {
        if run.context.stop.is_requested() {
            return false;
        }
        std::thread::sleep(TURN.min(pause));
    }
    true
}

//! What a log hears of a session.

use std::sync::Arc;

use crate::error::Error;

/// What happens to a statement of a session, as a log wants to know it.
#[derive(Clone, Copy, Debug)]
pub enum StatementEvent<'a> {
    Sent {
        sql: &'a str,
    },
    Answered {
        rows: u64,
        seconds: f64,
        sql: &'a str,
    },
    Refused {
        error: &'a Error,
        seconds: f64,
    },
}

/// Hears of every statement of a session.
pub type StatementObserver = Arc<dyn Fn(StatementEvent<'_>) + Send + Sync>;

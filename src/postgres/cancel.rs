//! Stops another session's running statement.

use crate::error::Error;
use crate::options::ConnectOptions;
use crate::session::Session;
use msv_relation::quote_literal;

/// Cancels what one session is running, over a connection of its own.
#[derive(Clone, Debug)]
pub struct Canceller {
    options: ConnectOptions,
    backend_pid: i32,
    backend_start: String,
}

impl Canceller {
    pub(crate) fn new(options: ConnectOptions, backend_pid: i32, backend_start: String) -> Self {
        Canceller {
            options,
            backend_pid,
            backend_start,
        }
    }

    /// Asks the server to cancel; true when the session was still there.
    ///
    /// The session's start time is compared too, since the operating system gives a process id
    /// out again.
    pub fn cancel(&self) -> Result<bool, Error> {
        let options = ConnectOptions {
            statement_timeout_ms: None,
            lock_timeout_ms: None,
            retries: 0,
            ..self.options.clone()
        };
        let rows = Session::connect(&options)?.query(&format!(
            "select pg_catalog.pg_cancel_backend(pid) from pg_catalog.pg_stat_get_activity({}) \
             where backend_start::text = {}",
            self.backend_pid,
            quote_literal(&self.backend_start)
        ))?;
        Ok(rows
            .scalar()
            .and_then(|datum| datum.as_bool())
            .unwrap_or(false))
    }
}

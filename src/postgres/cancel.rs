//! Stops another session's running statement.

use crate::error::Error;
use crate::options::ConnectOptions;
use crate::peer::{Peer, STARTED};
use crate::session::Session;

/// Cancels what one session is running, over a connection of its own.
#[derive(Clone, Debug)]
pub struct Canceller {
    peer: Peer,
}

impl Canceller {
    pub(crate) fn new(peer: Peer) -> Self {
        Canceller { peer }
    }

    /// Asks the server to cancel; true when the session was still there.
    pub fn cancel(&self) -> Result<bool, Error> {
        let options = ConnectOptions {
            statement_timeout_ms: None,
            lock_timeout_ms: None,
            retries: 0,
            ..self.peer.options.clone()
        };
        let rows = Session::connect(&options)?.query(&format!(
            "select pg_catalog.pg_cancel_backend(pid) from pg_catalog.pg_stat_get_activity({}) \
             where {STARTED} = {}",
            self.peer.pid, self.peer.started
        ))?;
        Ok(rows
            .scalar()
            .and_then(|datum| datum.as_bool())
            .unwrap_or(false))
    }
}

//! Rows in bulk: chunks of `COPY` text in, a row count out.

use sqlx::postgres::{PgConnection, PgCopyIn};
use tokio::runtime::Runtime;

use crate::error::{Error, ErrorKind};
use crate::peer::Peer;
use crate::session::TransactionState;

/// Small pieces are gathered up to this size before they are sent.
///
/// A system call for each row costs more than the copying; past this size nothing is gained.
const CHUNK_BYTES: usize = 128 * 1024;

/// A running `copy … from stdin`. Dropped unfinished, it is aborted and loads nothing.
pub struct CopyIn<'s> {
    runtime: &'s Runtime,
    peer: &'s Peer,
    is_broken: &'s mut bool,
    transaction: &'s mut TransactionState,
    copy: Option<PgCopyIn<&'s mut PgConnection>>,
    buffer: Vec<u8>,
}

impl<'s> CopyIn<'s> {
    pub(crate) fn new(
        (runtime, peer, is_broken): (&'s Runtime, &'s Peer, &'s mut bool),
        transaction: &'s mut TransactionState,
        copy: PgCopyIn<&'s mut PgConnection>,
    ) -> Self {
        CopyIn {
            runtime,
            peer,
            is_broken,
            transaction,
            copy: Some(copy),
            buffer: Vec::with_capacity(CHUNK_BYTES + 4096),
        }
    }

    /// Sends a piece of any size; pieces need not end where rows end.
    ///
    /// An error of the data shows up in [`finish`](Self::finish), not here.
    pub fn send(&mut self, data: &[u8]) -> Result<(), Error> {
        if data.len() >= CHUNK_BYTES {
            self.flush()?;
            return self.send_now(data);
        }
        self.buffer.extend_from_slice(data);
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Sends what was gathered, ends the copy and returns the number of rows loaded.
    pub fn finish(mut self) -> Result<u64, Error> {
        self.flush()?;
        let Some(copy) = self.copy.take() else {
            return Err(Error::lost());
        };
        let finished = self.runtime.block_on(self.peer.attend(copy.finish()));
        finished.inspect_err(|error| {
            *self.is_broken |= error.is_connection_lost();
            self.transaction.fail();
        })
    }

    /// Ends the copy without loading anything; `reason` goes to the server's log.
    pub fn abort(mut self, reason: &str) -> Result<(), Error> {
        self.abort_now(reason)
    }

    fn flush(&mut self) -> Result<(), Error> {
        let buffer = std::mem::take(&mut self.buffer);
        let result = self.send_now(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        result
    }

    fn send_now(&mut self, data: &[u8]) -> Result<(), Error> {
        let copy = self.copy.as_mut().ok_or_else(Error::lost)?;
        if data.is_empty() {
            return Ok(());
        }
        let sent = async { copy.send(data).await.map(drop) };
        let sent = self.runtime.block_on(self.peer.attend(sent));
        if sent.as_ref().is_err_and(Error::is_connection_lost) {
            *self.is_broken = true;
            self.copy = None;
        }
        sent
    }

    /// Ends the copy with bytes no encoding allows, and takes the refusal as the expected answer.
    ///
    /// The protocol's own message for this leaves the driver out of step when the server has
    /// already refused an earlier row; finishing is handled for both cases.
    fn abort_now(&mut self, reason: &str) -> Result<(), Error> {
        let Some(mut copy) = self.copy.take() else {
            return Ok(());
        };
        self.transaction.fail();
        let line_end = format!("\n{}\0\n", reason.replace(['\n', '\r', '\t', '\\'], " "));
        let outcome = self.runtime.block_on(self.peer.attend(async {
            copy.send(line_end.as_bytes()).await?;
            copy.finish().await
        }));
        match outcome {
            Err(error) if error.kind == ErrorKind::Server => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(Error::protocol("an aborted copy was accepted")),
        }
    }
}

impl Drop for CopyIn<'_> {
    fn drop(&mut self) {
        // Nobody is left to tell; the next use of the session reports a lost connection.
        let _ = self.abort_now("aborted");
    }
}

/// Writes rows in `COPY`'s text format: tabs between fields, `\N` for null.
///
/// Source: PostgreSQL manual, `COPY`, "Text Format".
#[derive(Debug, Default)]
pub struct CopyText {
    bytes: Vec<u8>,
    is_in_row: bool,
}

impl CopyText {
    pub fn with_capacity(bytes: usize) -> Self {
        CopyText {
            bytes: Vec::with_capacity(bytes),
            is_in_row: false,
        }
    }

    fn start_field(&mut self) {
        if self.is_in_row {
            self.bytes.push(b'\t');
        }
        self.is_in_row = true;
    }

    pub fn null(&mut self) -> &mut Self {
        self.start_field();
        self.bytes.extend_from_slice(b"\\N");
        self
    }

    /// Writes a field; tabs, line ends and backslashes are escaped.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.start_field();
        let mut from = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'\\' => b"\\\\",
                b'\t' => b"\\t",
                b'\n' => b"\\n",
                b'\r' => b"\\r",
                _ => continue,
            };
            self.bytes.extend_from_slice(&text.as_bytes()[from..at]);
            self.bytes.extend_from_slice(escape);
            from = at + 1;
        }
        self.bytes.extend_from_slice(&text.as_bytes()[from..]);
        self
    }

    pub fn option(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    /// Writes a field that needs no escaping, as numbers do.
    pub fn plain(&mut self, value: impl std::fmt::Display) -> &mut Self {
        self.start_field();
        // Writing to memory cannot fail.
        let _ = std::io::Write::write_fmt(&mut self.bytes, format_args!("{value}"));
        self
    }

    pub fn end_row(&mut self) {
        self.bytes.push(b'\n');
        self.is_in_row = false;
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.is_in_row = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_escaped_and_nulls_are_told_from_empty_text() {
        let mut rows = CopyText::default();
        rows.text("a\tb\\").null().text("").plain(5).end_row();
        assert_eq!(rows.as_bytes(), b"a\\tb\\\\\t\\N\t\t5\n");
    }
}

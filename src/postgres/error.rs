//! What the server or the way to it answered instead of a result, with every field it gave.

use std::fmt;

use sqlx::postgres::{PgDatabaseError, PgErrorPosition, PgSeverity};

use crate::options::ConnectOptions;
use msv_diagnostics::Diagnostic;
use msv_relation::quote_identifier;

/// Where an error comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The server refused a statement; `sqlstate` is set.
    Server,
    /// No connection could be made or it broke.
    Connection,
    /// The options name something that does not exist or is not valid.
    Configuration,
    /// The server answered something the driver does not understand.
    Protocol,
}

/// An error of PostgreSQL or of the connection to it. It never holds a password.
#[derive(Clone, Debug)]
pub struct Error {
    inner: Box<Fields>,
}

/// The fields of an [`Error`]; those of the server are named as PostgreSQL's protocol names them.
#[derive(Clone, Debug)]
pub struct Fields {
    pub kind: ErrorKind,
    /// The server ended the session with it.
    pub is_fatal: bool,
    /// Five characters, as `23505`; empty when the server did not speak.
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// Character in the statement text, counted from 1.
    pub position: Option<usize>,
    /// Query run by the server on behalf of a statement, with the place in it (from 1).
    pub internal: Option<(String, usize)>,
    /// The stack of functions around the error.
    pub context: Option<String>,
    pub schema: Option<String>,
    pub table: Option<String>,
    pub column: Option<String>,
    pub constraint: Option<String>,
}

impl std::ops::Deref for Error {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.inner
    }
}

impl Error {
    fn plain(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error {
            inner: Box::new(Fields {
                kind,
                is_fatal: false,
                sqlstate: String::new(),
                message: message.into(),
                detail: None,
                hint: None,
                position: None,
                internal: None,
                context: None,
                schema: None,
                table: None,
                column: None,
                constraint: None,
            }),
        }
    }

    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::plain(ErrorKind::Configuration, message)
    }

    pub(crate) fn connection(message: impl Into<String>) -> Self {
        Self::plain(ErrorKind::Connection, message)
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::plain(ErrorKind::Protocol, message)
    }

    /// Makes the error of a connection that is no more.
    pub fn lost() -> Self {
        Self::connection("the connection to the server was lost")
    }

    /// Makes an error for a refusal that msv itself decides on, with PostgreSQL's code for it.
    pub fn refused(sqlstate: &str, message: impl Into<String>) -> Self {
        let mut error = Self::plain(ErrorKind::Server, message);
        error.inner.sqlstate = sqlstate.into();
        error
    }

    /// Counts the position from the end of `prefix`, which was put before the reader's own text.
    ///
    /// A position inside the prefix is forgotten.
    #[must_use]
    pub fn after_prefix(mut self, prefix: &str) -> Self {
        let length = prefix.chars().count();
        self.inner.position = self
            .inner
            .position
            .and_then(|position| position.checked_sub(length))
            .filter(|position| *position > 0);
        self
    }

    /// Forgets the position, which belongs to a statement that the reader will not see.
    #[must_use]
    pub fn without_position(mut self) -> Self {
        self.inner.position = None;
        self
    }

    /// The 0-based byte offset of the error in `sql`, which must be the text that was sent.
    pub fn byte_offset(&self, sql: &str) -> Option<usize> {
        let position = self.position?.checked_sub(1)?;
        Some(
            sql.char_indices()
                .nth(position)
                .map_or(sql.len(), |(offset, _)| offset),
        )
    }

    /// True when the same statement may succeed if it is tried again.
    ///
    /// Source: PostgreSQL manual, appendix A: serialization failure 40001, deadlock 40P01, lock
    /// not available 55P03, shutdowns 57P01 to 57P03, sessions ended because they were idle 57P05
    /// and 25P03, connection class 08, too many connections 53300. A full disk or a full table of
    /// locks does not pass by itself.
    pub fn is_transient(&self) -> bool {
        match self.kind {
            ErrorKind::Connection => true,
            ErrorKind::Server => {
                let code = self.sqlstate.as_str();
                matches!(
                    code,
                    "25P03"
                        | "40001"
                        | "40P01"
                        | "53300"
                        | "55P03"
                        | "57P01"
                        | "57P02"
                        | "57P03"
                        | "57P05"
                ) || code.starts_with("08")
            }
            ErrorKind::Configuration | ErrorKind::Protocol => false,
        }
    }

    /// True when the statement was cancelled, by a person or a timeout.
    pub fn is_cancelled(&self) -> bool {
        self.sqlstate == "57014"
    }

    /// True when name and password, or the database's name, were refused.
    pub fn is_authentication(&self) -> bool {
        self.sqlstate.starts_with("28")
    }

    /// True when the connection can no longer be used.
    pub fn is_connection_lost(&self) -> bool {
        self.kind == ErrorKind::Connection
            || self.is_fatal
            || matches!(self.sqlstate.as_str(), "57P01" | "57P02" | "57P03")
            || self.sqlstate.starts_with("08")
    }

    /// What to do about a refusal, whatever was asked.
    pub fn help(&self) -> Option<&'static str> {
        Some(match self.sqlstate.as_str() {
            "25006" => {
                "the server or the user takes no writes: is it a standby? Correct `host` in \
                 profiles.yml, or see to `default_transaction_read_only`"
            }
            "42501" => "ask the owner for the right, or use another `user` in profiles.yml",
            "55P03" => {
                "another session holds a lock: try again, or raise `lock_timeout` in profiles.yml"
            }
            "53100" => "free space on the server's disk",
            "53300" => "lower `--threads`, or raise the server's `max_connections`",
            _ => return None,
        })
    }

    /// Describes a failed connection for a person: code, title, and what to type next.
    pub fn connect_diagnostic(&self, options: &ConnectOptions) -> Diagnostic {
        let address = options.address();
        if self.kind == ErrorKind::Configuration {
            return Diagnostic::error(
                "MSV0404",
                format!("a connection setting is not valid: {self}"),
            )
            .help("correct the target in profiles.yml");
        }
        if self.is_authentication() {
            return Diagnostic::error(
                "MSV0403",
                format!(
                    "the server at `{address}` refused user `{}`: {}",
                    options.user, self.message
                ),
            )
            .help("check `user` and `password` of the target in profiles.yml");
        }
        if self.sqlstate == "3D000" {
            return Diagnostic::error(
                "MSV0405",
                format!("no database is named `{}`", options.dbname),
            )
            .note(format!(
                "the server at `{}:{}` answered: {}",
                options.host, options.port, self.message
            ))
            .help(format!("create it: createdb {}", options.dbname));
        }
        if self.kind == ErrorKind::Server {
            return self.not_let_in(options);
        }
        Diagnostic::error(
            "MSV0401",
            format!("no PostgreSQL server answers at `{address}`"),
        )
        .note(self.to_string())
        .help("start the server, or correct `host` and `port` of the target in profiles.yml")
        .help("or let msv run a private server: a target with `embedded: true`")
    }

    /// Describes a server that answers and lets nobody in, or not this user.
    fn not_let_in(&self, options: &ConnectOptions) -> Diagnostic {
        let diagnostic = Diagnostic::error(
            "MSV0495",
            format!(
                "the server at `{}` takes no connection of user `{}`: {}",
                options.address(),
                options.user,
                self.message
            ),
        );
        let diagnostic = match &self.detail {
            Some(detail) => diagnostic.note(detail.clone()),
            None => diagnostic,
        };
        let (user, dbname) = (&options.user, &options.dbname);
        match self.sqlstate.as_str() {
            "53300" => diagnostic.help(
                "end sessions that nobody needs, or raise the limit of the role, the database or \
                 the server (`max_connections`)",
            ),
            "57P01" | "57P02" | "57P03" => {
                diagnostic.help("it starts, stops or recovers: run the command again when it is up")
            }
            "42501" => diagnostic.help(format!(
                "ask for the right: grant connect on database {} to {}",
                quote_identifier(dbname),
                quote_identifier(user)
            )),
            "55000" => diagnostic.help(format!(
                "let it take connections: alter database {} allow_connections true",
                quote_identifier(dbname)
            )),
            _ => diagnostic,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.sqlstate.is_empty() {
            write!(f, " (SQLSTATE {})", self.sqlstate)?;
        }
        if let Some(detail) = &self.detail {
            write!(f, "\nDETAIL: {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nHINT: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => {
                match database.try_downcast_ref::<PgDatabaseError>() {
                    Some(server) => from_server(server),
                    None => Error::protocol(database.message()),
                }
            }
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Error::connection("the server closed the connection")
            }
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                unsafe_connection(&error.to_string())
            }
            sqlx::Error::Io(error) => Error::connection(error.to_string()),
            sqlx::Error::Tls(error) => unsafe_connection(&error.to_string()),
            sqlx::Error::Configuration(error) => Error::configuration(error.to_string()),
            other => Error::protocol(other.to_string()),
        }
    }
}

/// Both sides speak, but agree on no encryption, or one does not trust the other's certificate.
fn unsafe_connection(reason: &str) -> Error {
    Error::configuration(format!(
        "the server cannot be reached safely: {reason} (`sslmode` says what is checked, \
         `sslrootcert` who may sign the server's certificate)"
    ))
}

fn from_server(server: &PgDatabaseError) -> Error {
    let text = |field: Option<&str>| field.map(str::to_owned);
    let mut error = Error::plain(ErrorKind::Server, server.message());
    let fields = &mut error.inner;
    fields.sqlstate = server.code().to_owned();
    fields.is_fatal = matches!(server.severity(), PgSeverity::Fatal | PgSeverity::Panic);
    fields.detail = text(server.detail());
    fields.hint = text(server.hint());
    match server.position() {
        Some(PgErrorPosition::Original(position)) => fields.position = Some(position),
        Some(PgErrorPosition::Internal { position, query }) => {
            fields.internal = Some((query.to_owned(), position));
        }
        None => {}
    }
    fields.context = text(server.r#where());
    fields.schema = text(server.schema());
    fields.table = text(server.table());
    fields.column = text(server.column());
    fields.constraint = text(server.constraint());
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_characters_and_an_offset_bytes() {
        let mut error = Error::refused("42703", "no column");
        error.inner.position = Some(9);
        assert_eq!(error.byte_offset("select 'ä' x"), Some(8));
        error.inner.position = Some(10);
        assert_eq!(error.byte_offset("select 'ä' x"), Some(10));
    }

    #[test]
    fn a_lock_timeout_passes_and_a_missing_table_does_not() {
        assert!(Error::refused("55P03", "").is_transient());
        assert!(!Error::refused("42P01", "").is_transient());
    }
}

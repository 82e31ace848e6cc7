//! Where and how to connect: a plain description in, the driver's options out.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::error::Error;
use msv_relation::{quote_identifier, quote_literal};

/// Text that must not be shown: `Debug` and `Display` print `***`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text itself, for those who send it to a server or print it on request.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A server, a database on it, and the settings a session starts with.
///
/// The fields are those of a dbt `postgres` target. `host` may be a folder (it starts with `/`),
/// which means the Unix socket in it; `socket_dir` says the same and keeps `host` for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectOptions {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Secret,
    pub dbname: String,
    /// The schema that unqualified work goes to; it is not created here.
    pub schema: String,
    pub sslmode: Option<String>,
    pub sslrootcert: Option<PathBuf>,
    pub sslcert: Option<PathBuf>,
    pub sslkey: Option<PathBuf>,
    pub connect_timeout_seconds: u64,
    /// Seconds of silence after which each end finds out whether the other is there; 0 means 30.
    pub keepalives_idle_seconds: u32,
    /// Sent as written, as dbt does: `a, b` names two schemas.
    pub search_path: Option<String>,
    pub role: Option<String>,
    pub application_name: String,
    pub lock_timeout_ms: Option<u64>,
    pub statement_timeout_ms: Option<u64>,
    /// How often a connection that failed for a passing reason is tried again.
    pub retries: u32,
    pub socket_dir: Option<PathBuf>,
    /// Further settings of the session, in order.
    pub settings: Vec<(String, String)>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions {
            host: "localhost".into(),
            port: 5432,
            user: String::new(),
            password: Secret::default(),
            dbname: String::new(),
            schema: "public".into(),
            sslmode: None,
            sslrootcert: None,
            sslcert: None,
            sslkey: None,
            connect_timeout_seconds: 10,
            keepalives_idle_seconds: 0,
            search_path: None,
            role: None,
            application_name: "msv".into(),
            lock_timeout_ms: None,
            statement_timeout_ms: None,
            retries: 1,
            socket_dir: None,
            settings: Vec::new(),
        }
    }
}

impl ConnectOptions {
    /// Where the server is, without anything secret: `host:port/dbname`.
    pub fn address(&self) -> String {
        format!("{}:{}/{}", self.host, self.port, self.dbname)
    }

    /// The connection URL with its password in clear text.
    pub fn url_with_password(&self) -> String {
        let user = percent_encode(&self.user);
        let dbname = percent_encode(&self.dbname);
        let password = if self.password.is_empty() {
            String::new()
        } else {
            format!(":{}", percent_encode(self.password.expose()))
        };
        if self.host.starts_with('/') {
            let host = percent_encode(&self.host);
            format!(
                "postgresql://{user}{password}@/{dbname}?host={host}&port={}",
                self.port
            )
        } else {
            format!(
                "postgresql://{user}{password}@{}:{}/{dbname}",
                self.host, self.port
            )
        }
    }

    /// Translates to what the driver takes.
    pub(crate) fn to_driver(&self) -> Result<PgConnectOptions, Error> {
        let mut driver = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .database(&self.dbname)
            .application_name(&self.application_name)
            .extra_float_digits(None)
            .statement_cache_capacity(4)
            .disable_statement_logging();
        if !self.password.is_empty() {
            driver = driver.password(self.password.expose());
        }
        if let Some(dir) = &self.socket_dir {
            driver = driver.socket(dir);
        }
        if let Some(mode) = &self.sslmode {
            let mode = PgSslMode::from_str(mode).map_err(|_| {
                Error::configuration(format!(
                    "`sslmode` is `{mode}`; it may be disable, allow, prefer, require, verify-ca or verify-full"
                ))
            })?;
            driver = driver.ssl_mode(mode);
        }
        if let Some(path) = &self.sslrootcert {
            driver = driver.ssl_root_cert(readable("sslrootcert", path)?);
        }
        if let Some(path) = &self.sslcert {
            driver = driver.ssl_client_cert(readable("sslcert", path)?);
        }
        if let Some(path) = &self.sslkey {
            driver = driver.ssl_client_key(readable("sslkey", path)?);
        }
        Ok(driver)
    }

    /// The statements that a new session starts with.
    ///
    /// They are sent as SQL and not as startup options, which connection poolers refuse.
    pub(crate) fn session_start_sql(&self) -> String {
        let mut sql = String::new();
        let mut set = |name: &str, value: &str| {
            sql.push_str(&format!(
                "select pg_catalog.set_config({}, {}, false);\n",
                quote_literal(name),
                quote_literal(value)
            ));
        };
        if let Some(path) = self
            .search_path
            .as_deref()
            .filter(|path| !path.trim().is_empty())
        {
            set("search_path", path);
        }
        if let Some(ms) = self.lock_timeout_ms {
            set("lock_timeout", &ms.to_string());
        }
        if let Some(ms) = self.statement_timeout_ms {
            set("statement_timeout", &ms.to_string());
        }
        for (name, value) in &self.settings {
            set(name, value);
        }
        // What lies between forgets a connection that is silent for minutes, and a server whose
        // client vanished keeps its locks for hours. Unix sockets and some systems tell 0.
        let (idle, condition) = match self.keepalives_idle_seconds {
            0 => (30, "> 60"),
            seconds => (seconds, "> 0"),
        };
        sql.push_str(&format!(
            "select pg_catalog.set_config('tcp_keepalives_idle', '{idle}', false),
                pg_catalog.set_config('tcp_keepalives_interval', '10', false),
                pg_catalog.set_config('tcp_keepalives_count', '3', false)
            where pg_catalog.current_setting('tcp_keepalives_idle')::int {condition};\n"
        ));
        // A statement whose client was killed would run on to its end, and hold its locks. Servers
        // older than 15, and those on Windows, cannot look.
        sql.push_str(
            "select pg_catalog.set_config('client_connection_check_interval', '2s', false)
            where pg_catalog.current_setting('server_version_num')::int >= 150000
                and pg_catalog.version() !~* 'windows|visual c|mingw';\n",
        );
        // A connection may wait long for its turn, and what it has claimed goes with it.
        sql.push_str(
            "select pg_catalog.set_config('idle_session_timeout', '0', false)
            where pg_catalog.current_setting('server_version_num')::int >= 140000;\n",
        );
        if let Some(role) = self.role.as_deref().filter(|role| !role.is_empty()) {
            sql.push_str(&format!("set role {};\n", quote_identifier(role)));
        }
        sql
    }
}

fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The path, when the file can be read: the driver would not say which file it misses.
fn readable<'p>(key: &str, path: &'p Path) -> Result<&'p Path, Error> {
    match File::open(path) {
        Ok(_) => Ok(path),
        Err(error) => Err(Error::configuration(format!(
            "`{key}` names `{}`, which cannot be read: {error}",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let options = ConnectOptions {
            password: Secret::new("hunter2"),
            ..ConnectOptions::default()
        };
        assert!(!format!("{options:?}").contains("hunter2"));
        assert_eq!(options.password.to_string(), "***");
    }

    #[test]
    fn a_url_escapes_what_would_end_its_parts() {
        let options = ConnectOptions {
            user: "a b".into(),
            password: Secret::new("p@s/s:w"),
            dbname: "d".into(),
            host: "h".into(),
            ..ConnectOptions::default()
        };
        assert_eq!(
            options.url_with_password(),
            "postgresql://a%20b:p%40s%2Fs%3Aw@h:5432/d"
        );
    }

    #[test]
    fn a_certificate_that_is_missing_is_named() {
        let options = ConnectOptions {
            sslrootcert: Some("/no/such/company.pem".into()),
            ..ConnectOptions::default()
        };
        let error = options.to_driver().unwrap_err();
        assert!(
            error.to_string().contains("/no/such/company.pem"),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_sslmode_is_told_what_is_valid() {
        let options = ConnectOptions {
            sslmode: Some("on".into()),
            ..ConnectOptions::default()
        };
        let error = options.to_driver().expect_err("not a mode");
        assert!(error.to_string().contains("verify-full"));
    }
}

//! The server's process behind a connection, and whether it is still there to answer.
//!
//! A machine that is gone, and a firewall that forgets a connection, send no packet: who waits for
//! their answer waits for ever. So a long silence makes msv ask over a second connection.

use std::pin::pin;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::error::Error;
use crate::options::ConnectOptions;
use msv_relation::quote_literal;

/// A number that is the same in every time zone.
pub(crate) const STARTED: &str = "(extract(epoch from backend_start) * 1000000)::bigint";

/// How long a server may be silent before it is asked, where `keepalives_idle` does not say.
const SILENCE: Duration = Duration::from_secs(30);

/// How long to wait at most before it is asked again.
const PAUSE: Duration = Duration::from_secs(5);

/// How long to wait at most until it takes a connection, and until it lets one in.
const LIMIT: Duration = Duration::from_secs(5);

/// After how many questions without a good answer the connection is given up.
const PATIENCE: usize = 3;

/// How much of a statement tells it from others, in characters.
const TELLING: usize = 200;

/// The address at which the server takes this connection. A balancer may lead to another server.
pub(crate) const ADDRESS: &str =
    "pg_catalog.concat(pg_catalog.inet_server_addr(), ':', pg_catalog.inet_server_port())";

/// One connection's other end.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub options: ConnectOptions,
    /// 0 until it is known.
    pub pid: i32,
    /// When it was started, in microseconds since 1970: the operating system gives a process id
    /// out again.
    pub started: i64,
    pub address: String,
    /// The beginning of the last statement.
    sent: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// It works, or nobody can tell: there is nothing to do but wait.
    Life,
    /// The server answers, but it was started after our process, or it has answered us already.
    Amiss,
    Nothing,
}

impl Peer {
    pub(crate) fn new(options: &ConnectOptions) -> Peer {
        Peer {
            options: options.clone(),
            pid: 0,
            started: 0,
            address: String::new(),
            sent: String::new(),
        }
    }

    /// Keeps in mind what is asked of the server.
    pub(crate) fn remember(&mut self, statement: &str) {
        self.sent.clear();
        self.sent.extend(statement.chars().take(TELLING));
    }

    /// Waits for an answer as long as there is somebody to give it.
    ///
    /// # Errors
    ///
    /// Those of `work`; a lost connection where nobody is there any more.
    pub(crate) async fn attend<T>(
        &self,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, Error> {
        let mut work = pin!(work);
        // What runs on this machine cannot vanish without a word.
        if self.options.socket_dir.is_some() || self.options.host.starts_with('/') {
            return Ok(work.await?);
        }
        let mut signs = Vec::new();
        loop {
            let pause = if signs.is_empty() {
                self.silence()
            } else {
                self.pause()
            };
            let sign = tokio::select! {
                biased;
                outcome = &mut work => return Ok(outcome?),
                sign = async { sleep(pause).await; self.ask().await } => sign,
            };
            signs.push(sign);
            match sign {
                Sign::Life => signs.clear(),
                _ if signs.len() < PATIENCE => {}
                Sign::Nothing => {
                    return Err(Error::connection("the server cannot be reached any more"));
                }
                Sign::Amiss => {
                    // Else it would keep its locks and claims for as long as TCP waits for us.
                    // Nothing is lost when it cannot be reached: it will notice by itself.
                    let _ = timeout(self.limit(), self.dismiss()).await;
                    return Err(Error::connection(
                        "the server has answered or was restarted, and no word of it came",
                    ));
                }
            }
        }
    }

    fn silence(&self) -> Duration {
        match self.options.keepalives_idle_seconds {
            0 => SILENCE,
            seconds => Duration::from_secs(seconds.into()),
        }
    }

    fn pause(&self) -> Duration {
        PAUSE.min(self.silence())
    }

    fn limit(&self) -> Duration {
        LIMIT.min(Duration::from_secs(
            self.options.connect_timeout_seconds.max(1),
        ))
    }

    async fn ask(&self) -> Sign {
        match timeout(self.limit(), self.is_at_work()).await {
            Ok(Ok(true)) => Sign::Life,
            Ok(Ok(false)) => Sign::Amiss,
            Ok(Err(sqlx::Error::Io(_))) => Sign::Nothing,
            // It answers: it starts, stops, or has no connection left.
            Ok(Err(_)) => Sign::Life,
            // A server that is stopped, or busy beyond measure, is one all the same.
            Err(_) => match timeout(self.limit(), self.knock()).await {
                Ok(Ok(_)) => Sign::Life,
                Ok(Err(_)) | Err(_) => Sign::Nothing,
            },
        }
    }

    async fn knock(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect((self.options.host.as_str(), self.options.port)).await
    }

    /// True unless the server knows that it owes no answer.
    ///
    /// Behind a pooler another process may run the statement, and have another statement's answer
    /// to give: only one that has ended this very statement says that it is answered.
    async fn is_at_work(&self) -> Result<bool, sqlx::Error> {
        let condition = format!(
            "pg_catalog.count(*) filter (where state like 'idle%'
                and pg_catalog.left(query, {TELLING}) = {sent}
                and pg_catalog.clock_timestamp() - state_change > interval '{pause} seconds') > 0
            or {ADDRESS} = {address}
                and (extract(epoch from pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint
                    > {started}",
            sent = quote_literal(&self.sent),
            pause = self.pause().as_secs(),
            address = quote_literal(&self.address),
            started = self.started,
        );
        Ok(self.pid == 0 || !self.tells(&condition).await?)
    }

    async fn dismiss(&self) -> Result<bool, sqlx::Error> {
        self.tells("pg_catalog.count(pg_catalog.pg_terminate_backend(pid)) > 0")
            .await
    }

    /// Asks whether something holds of the process, over a connection of its own.
    async fn tells(&self, condition: &str) -> Result<bool, sqlx::Error> {
        let driver = self
            .options
            .to_driver()
            .map_err(|error| sqlx::Error::Configuration(error.to_string().into()))?;
        let mut connection = PgConnection::connect_with(&driver).await?;
        let sql = format!(
            "select {condition} from pg_catalog.pg_stat_get_activity({}) where {STARTED} = {}",
            self.pid, self.started
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .fetch_one(&mut connection)
            .await?;
        let holds = row.try_get(0)?;
        // Said goodbye to or not, it closes.
        let _ = connection.close().await;
        Ok(holds)
    }
}

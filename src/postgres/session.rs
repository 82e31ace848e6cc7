//! One connection: SQL text in, rows and counts out, by blocking calls.

mod script;

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{
    AssertSqlSafe, Column as _, Connection as _, Executor as _, Row as _, SqlSafeStr as _,
    Statement as _, ValueRef as _,
};
use tokio::runtime::{Builder, Runtime};

pub use self::script::Answer;
use self::script::{Keeps, Outcome, run_script};
use crate::cancel::Canceller;
use crate::comment::StatementComment;
use crate::copy::CopyIn;
use crate::datum::{Column, Datum, Rows, TypeFacts, built_in_type, decode_text};
use crate::error::Error;
use crate::notices;
use crate::observer::{StatementEvent, StatementObserver};
use crate::options::ConnectOptions;
use crate::peer::{ADDRESS, Peer, STARTED};
use crate::statement::{
    TransactionEffect, command_tag, returns_rows, split_statements, stands_alone,
    transaction_effect,
};

/// What a statement did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// `INSERT`, `CREATE VIEW`, …; of the last statement when there were several.
    pub command_tag: String,
    /// Rows of the last statement.
    pub rows_affected: u64,
}

/// What became of a statement that the next ones depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    None,
    /// It is sent with the next statement.
    Pending,
    /// The server refused it, and nothing is sent until somebody has asked.
    Refused,
}

/// Whether a transaction is open, and whether a statement in it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionState {
    Idle,
    Open,
    Failed,
}

/// One connection to a server.
///
/// All calls block. Statements go out as text (the simple protocol), so several may stand in one
/// call and nothing is prepared. The session's time zone is UTC unless a setting says otherwise.
pub struct Session {
    connection: Option<PgConnection>,
    runtime: Runtime,
    peer: Peer,
    transaction: TransactionState,
    types: HashMap<u32, TypeFacts>,
    notices: Vec<String>,
    observer: Option<StatementObserver>,
    /// Statements that are sent in front of the next one.
    pending: String,
    /// How many they are.
    pending_count: usize,
    guard: Guard,
    comment: Option<StatementComment>,
    /// How many statements of the last call the server has done.
    completed: usize,
    last_answer: Instant,
    has_lost_commit: bool,
    /// Set where the connection broke during a copy.
    is_broken: bool,
}

impl Session {
    /// Connects, and tries again `retries` times when the reason may pass.
    ///
    /// # Errors
    ///
    /// The last error; [`Error::connect_diagnostic`] words it for a person.
    pub fn connect(options: &ConnectOptions) -> Result<Session, Error> {
        let mut attempt = 0;
        loop {
            match Self::connect_once(options) {
                Err(error) if error.is_transient() && attempt < options.retries => {
                    attempt += 1;
                    std::thread::sleep(Duration::from_millis(250 << attempt.min(4)));
                }
                outcome => return outcome,
            }
        }
    }

    fn connect_once(options: &ConnectOptions) -> Result<Session, Error> {
        let driver = options.to_driver()?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::connection(error.to_string()))?;
        let limit = Duration::from_secs(options.connect_timeout_seconds.max(1));
        let connection = runtime.block_on(async {
            tokio::time::timeout(limit, PgConnection::connect_with(&driver))
                .await
                .map_err(|_| Error::connection(format!("no answer within {} s", limit.as_secs())))?
                .map_err(Error::from)
        })?;
        let mut session = Session {
            connection: Some(connection),
            runtime,
            peer: Peer::new(options),
            transaction: TransactionState::Idle,
            types: HashMap::new(),
            notices: Vec::new(),
            observer: None,
            pending: String::new(),
            pending_count: 0,
            guard: Guard::None,
            comment: None,
            completed: 0,
            last_answer: Instant::now(),
            has_lost_commit: false,
            is_broken: false,
        };
        let start = options.session_start_sql();
        let who = session.query(&format!(
            "{start}select pid, {STARTED}, {ADDRESS} from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())"
        ))?;
        if let Some([Datum::Int(pid), Datum::Int(started), address]) =
            who.rows.first().map(Vec::as_slice)
        {
            session.peer.address = address.as_str().unwrap_or_default().to_owned();
            session.peer.pid = i32::try_from(*pid).unwrap_or_default();
            session.peer.started = *started;
        }
        Ok(session)
    }

    /// Runs statements and counts rows; rows that come back are dropped.
    pub fn execute(&mut self, sql: &str) -> Result<Executed, Error> {
        let outcome = self.run(sql, Keeps::Nothing)?;
        let tag = split_statements(sql).last().map(|last| command_tag(last));
        Ok(Executed {
            command_tag: tag.unwrap_or_default(),
            rows_affected: outcome.rows_affected(),
        })
    }

    /// Runs statements, and `tail` in the same call; the answer is that of the statements.
    pub fn execute_and(&mut self, sql: &str, tail: &str) -> Result<Executed, Error> {
        let statements = split_statements(sql);
        let outcome = self.run(&format!("{sql}\n;\n{tail}"), Keeps::Nothing)?;
        let affected = statements.len().checked_sub(1);
        let affected = affected.and_then(|last| outcome.affected.get(last));
        Ok(Executed {
            command_tag: statements
                .last()
                .map(|last| command_tag(last))
                .unwrap_or_default(),
            rows_affected: affected.copied().unwrap_or_default(),
        })
    }

    /// Sends statements together with the next ones, which spares a wait for their answer.
    ///
    /// What the server refuses of them is told by that next call. Not for statements whose own
    /// error matters. One that must stand alone, such as `vacuum`, is sent after them.
    pub fn later(&mut self, sql: &str) {
        if let Some(observer) = &self.observer {
            observer(StatementEvent::Sent { sql });
        }
        self.pending.push_str(sql);
        self.pending.push_str(";\n");
        let statements = split_statements(sql);
        self.pending_count += statements.len();
        self.follow_transaction(&statements, 0, true);
    }

    /// Sends a statement with the next one, which has no effect when this one is refused.
    ///
    /// Nothing is sent any more after a refusal, until
    /// [`take_refused_guard`](Session::take_refused_guard) was asked. Not within a transaction.
    pub fn guard(&mut self, sql: &str) {
        self.later(sql);
        self.guard = Guard::Pending;
    }

    /// True when the last guard was refused: nothing that was to be sent after it had an effect.
    pub fn take_refused_guard(&mut self) -> bool {
        let is_refused = self.guard == Guard::Refused;
        if is_refused {
            self.guard = Guard::None;
        }
        is_refused
    }

    /// True while a guard waits for a statement to be sent with.
    pub fn has_pending_guard(&self) -> bool {
        self.guard == Guard::Pending
    }

    /// Sends what waits to be sent.
    pub fn flush(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.run("", Keeps::Nothing).map(drop)
    }

    /// Runs statements and returns the rows of the last one; without a row, not even its columns.
    pub fn select(&mut self, sql: &str) -> Result<Rows, Error> {
        let outcome = self.run(sql, Keeps::LastRows)?;
        let columns = match outcome.rows.first() {
            Some(row) => self.columns_of(row.columns())?,
            None => Vec::new(),
        };
        self.decoded(&outcome, columns)
    }

    /// Runs statements and returns what the last one answered.
    pub fn query(&mut self, sql: &str) -> Result<Rows, Error> {
        let outcome = self.run(sql, Keeps::LastRows)?;
        let columns = match outcome.rows.first() {
            Some(row) => self.columns_of(row.columns())?,
            None => match split_statements(sql).last() {
                Some(last) if returns_rows(last) => self.describe(last)?,
                _ => Vec::new(),
            },
        };
        self.decoded(&outcome, columns)
    }

    fn decoded(&self, outcome: &Outcome, columns: Vec<Column>) -> Result<Rows, Error> {
        Ok(Rows {
            rows: self.decode_rows(&outcome.rows, &columns)?,
            columns,
            rows_affected: outcome.rows_affected(),
        })
    }

    fn decode_rows(&self, rows: &[PgRow], columns: &[Column]) -> Result<Vec<Vec<Datum>>, Error> {
        let facts: Vec<TypeFacts> = columns
            .iter()
            .map(|column| self.type_facts(column.type_oid))
            .collect();
        rows.iter()
            .map(|row| decode_row(row, columns, &facts))
            .collect()
    }

    /// Starts `copy … from stdin`; the session is busy until the copy is finished or dropped.
    pub fn copy_in(&mut self, copy_sql: &str) -> Result<CopyIn<'_>, Error> {
        self.flush()?;
        let sent = self.commented(copy_sql);
        if let Some(observer) = &self.observer {
            observer(StatementEvent::Sent { sql: &sent });
        }
        let connection = self.connection.as_mut().ok_or_else(Error::lost)?;
        self.peer.remember(&sent);
        let started = self.peer.attend(connection.copy_in_raw(&sent));
        match self.runtime.block_on(started) {
            Ok(copy) => {
                let line = (&self.runtime, &self.peer, &mut self.is_broken);
                Ok(CopyIn::new(line, &mut self.transaction, copy))
            }
            Err(error) => {
                self.transaction.fail();
                Err(error)
            }
        }
    }

    /// Begins a transaction with the next statement.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub fn begin(&mut self) -> Result<(), Error> {
        if !self.is_usable() {
            return Err(Error::lost());
        }
        self.later("begin");
        Ok(())
    }

    /// Commits.
    ///
    /// # Errors
    ///
    /// Also when a statement of the transaction failed before: the server would then roll back
    /// and call it a success.
    pub fn commit(&mut self) -> Result<(), Error> {
        if self.transaction == TransactionState::Failed {
            self.rollback()?;
            return Err(Error::refused(
                "25P02",
                "the transaction was rolled back because a statement in it failed",
            ));
        }
        self.execute("commit").map(drop)
    }

    pub fn rollback(&mut self) -> Result<(), Error> {
        if self.transaction == TransactionState::Idle {
            return Ok(());
        }
        self.execute("rollback").map(drop)
    }

    /// Runs `work` in a transaction: committed when it succeeds, else rolled back.
    pub fn transaction<T, E: From<Error>>(
        &mut self,
        work: impl FnOnce(&mut Session) -> Result<T, E>,
    ) -> Result<T, E> {
        self.begin()?;
        match work(self) {
            Ok(value) => {
                self.commit()?;
                Ok(value)
            }
            Err(error) => {
                // The first error is the one to show; a lost connection rolls back by itself.
                let _ = self.rollback();
                Err(error)
            }
        }
    }

    pub fn is_in_transaction(&self) -> bool {
        self.transaction != TransactionState::Idle
    }

    /// True until the connection broke.
    pub fn is_usable(&self) -> bool {
        self.connection.is_some() && !self.is_broken
    }

    /// True when the connection broke before a commit was answered: it may have been done.
    pub fn has_lost_commit(&self) -> bool {
        self.has_lost_commit
    }

    /// Finds out whether a connection still stands that was not used for `idle`: servers, and what
    /// lies between, end those that were silent for long.
    pub fn probe(&mut self, idle: Duration) {
        let Some(connection) = self.connection.as_mut() else {
            return;
        };
        if self.last_answer.elapsed() < idle {
            return;
        }
        let limit = Duration::from_secs(self.peer.options.connect_timeout_seconds.max(1));
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(limit, connection.ping()).await });
        match answer {
            Ok(Ok(())) => self.last_answer = Instant::now(),
            Ok(Err(_)) | Err(_) => self.lose(),
        }
    }

    fn lose(&mut self) {
        self.connection = None;
        self.transaction = TransactionState::Idle;
    }

    /// The server's process that serves this session.
    pub fn backend_pid(&self) -> i32 {
        self.peer.pid
    }

    /// Lets `observer` hear of every statement from now on.
    pub fn observe(&mut self, observer: StatementObserver) {
        self.observer = Some(observer);
    }

    /// Every statement carries this comment from now on.
    pub fn comment(&mut self, comment: Option<StatementComment>) {
        self.comment = comment;
    }

    fn commented<'s>(&self, sql: &'s str) -> Cow<'s, str> {
        match &self.comment {
            Some(comment) => Cow::Owned(comment.on(sql)),
            None => Cow::Borrowed(sql),
        }
    }

    pub fn options(&self) -> &ConnectOptions {
        &self.peer.options
    }

    /// The server's version as one number: 150020 is 15.20.
    pub fn server_version_number(&self) -> u32 {
        self.connection
            .as_ref()
            .and_then(PgConnection::server_version_num)
            .unwrap_or_default()
    }

    /// Takes what the server said since the last call, oldest first.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Makes a handle that cancels this session's running statement from any thread.
    pub fn canceller(&self) -> Canceller {
        Canceller::new(self.peer.clone())
    }

    fn run(&mut self, sql: &str, keeps: Keeps) -> Result<Outcome, Error> {
        if self.guard == Guard::Refused {
            return Err(Error::refused(
                "25P02",
                "a statement that this one depends on was refused",
            ));
        }
        let begun = Instant::now();
        let statements = split_statements(sql);
        if let ([alone], false) = (statements.as_slice(), self.pending.is_empty())
            && stands_alone(alone)
        {
            self.flush()?;
        }
        let commented = self.commented(sql);
        if let (Some(observer), false) = (&self.observer, sql.is_empty()) {
            observer(StatementEvent::Sent { sql: &commented });
        }
        let before = std::mem::take(&mut self.pending);
        let ahead = std::mem::take(&mut self.pending_count);
        let guard = std::mem::replace(&mut self.guard, Guard::None);
        let sent = if before.is_empty() {
            commented.into_owned()
        } else {
            self.commented(&format!("{before}{sql}")).into_owned()
        };
        if self.is_broken {
            self.lose();
        }
        let connection = self.connection.as_mut().ok_or_else(Error::lost)?;
        self.peer.remember(&sent);
        let mut completed = 0;
        let (result, said) = notices::collect(|| {
            let script = run_script(connection, &sent, keeps, &mut completed);
            self.runtime.block_on(self.peer.attend(script))
        });
        self.notices.extend(said);
        self.completed = completed.saturating_sub(ahead);
        match completed.checked_sub(ahead) {
            Some(completed) => self.follow_transaction(&statements, completed, result.is_ok()),
            // What begins a transaction after a guard was not reached.
            None if guard == Guard::Pending => {
                self.guard = Guard::Refused;
                self.transaction = TransactionState::Idle;
            }
            None => self.transaction.fail(),
        }
        let result = result.map(|outcome| outcome.without_first(ahead));
        let result = result.map_err(|error| {
            // Places are told in the statement as it was given.
            let error = match &self.comment {
                Some(comment) => error.after_prefix(&comment.prefix()),
                None => error,
            };
            if before.is_empty() {
                return error;
            }
            error.after_prefix(&before)
        });
        if let Some(observer) = &self.observer {
            let seconds = begun.elapsed().as_secs_f64();
            observer(match &result {
                Ok(outcome) => StatementEvent::Answered {
                    rows: outcome.rows_affected(),
                    seconds,
                    sql,
                },
                Err(error) => StatementEvent::Refused { error, seconds },
            });
        }
        self.last_answer = Instant::now();
        if result.as_ref().is_err_and(Error::is_connection_lost) {
            let ends = |statement: &&str| transaction_effect(statement) == TransactionEffect::Ends;
            self.has_lost_commit = statements.iter().any(ends);
            self.lose();
        }
        result
    }

    /// Keeps `transaction` true to what the first `completed` statements did.
    fn follow_transaction(&mut self, statements: &[&str], completed: usize, is_ok: bool) {
        let done = if is_ok { statements.len() } else { completed };
        for statement in statements.iter().take(done) {
            match transaction_effect(statement) {
                TransactionEffect::Begins => self.transaction = TransactionState::Open,
                TransactionEffect::Ends => self.transaction = TransactionState::Idle,
                TransactionEffect::Recovers => self.transaction.recover(),
                TransactionEffect::None => {}
            }
        }
        if !is_ok {
            match statements.get(done).map(|next| transaction_effect(next)) {
                // A commit that fails, on a deferred constraint, ends the transaction all the same.
                Some(TransactionEffect::Ends) => self.transaction = TransactionState::Idle,
                _ => self.transaction.fail(),
            }
        }
    }

    /// Asks for the columns of a statement that returned no row, which the driver then hides.
    fn describe(&mut self, statement: &str) -> Result<Vec<Column>, Error> {
        let is_guarded = self.transaction == TransactionState::Open;
        if is_guarded {
            self.run("savepoint msv_describe", Keeps::Nothing)?;
        }
        let connection = self.connection.as_mut().ok_or_else(Error::lost)?;
        let prepared = self.runtime.block_on(async {
            let prepared = connection
                .prepare(AssertSqlSafe(statement.to_owned()).into_sql_str())
                .await;
            // Statements are remembered by their text, and a table may change between two calls.
            connection.clear_cached_statements().await?;
            prepared
        });
        let columns = match prepared {
            Ok(prepared) => self.columns_of(prepared.columns()),
            // The statement itself succeeded: what cannot be described (it dropped its own table)
            // has no columns to show.
            Err(_) => Ok(Vec::new()),
        };
        if is_guarded {
            self.run(
                "rollback to savepoint msv_describe; release savepoint msv_describe",
                Keeps::Nothing,
            )?;
        }
        columns
    }

    fn columns_of(&mut self, columns: &[sqlx::postgres::PgColumn]) -> Result<Vec<Column>, Error> {
        let oids: Vec<u32> = columns
            .iter()
            .map(|column| column.type_info().oid().map_or(0, |oid| oid.0))
            .collect();
        self.learn_types(&oids)?;
        Ok(columns
            .iter()
            .zip(oids)
            .map(|(column, oid)| Column {
                name: column.name().to_owned(),
                type_name: self.type_facts(oid).name,
                type_oid: oid,
            })
            .collect())
    }

    fn type_facts(&self, oid: u32) -> TypeFacts {
        built_in_type(oid)
            .or_else(|| self.types.get(&oid).cloned())
            .unwrap_or_else(|| TypeFacts {
                name: format!("type {oid}"),
                element_oid: None,
            })
    }

    /// Asks the server, once, for the types that are not built in.
    fn learn_types(&mut self, oids: &[u32]) -> Result<(), Error> {
        let unknown: Vec<String> = oids
            .iter()
            .filter(|oid| built_in_type(**oid).is_none() && !self.types.contains_key(oid))
            .map(u32::to_string)
            .collect();
        if unknown.is_empty() || self.transaction == TransactionState::Failed {
            return Ok(());
        }
        let sql = format!(
            "select oid::bigint, pg_catalog.format_type(oid, null), \
             case when typcategory = 'A' then typelem::bigint else 0 end \
             from pg_catalog.pg_type where oid in ({})",
            unknown.join(", ")
        );
        let outcome = self.run(&sql, Keeps::LastRows)?;
        for row in &outcome.rows {
            let number = |at: usize| {
                raw_text(row, at).map(|text| text.and_then(|t| t.parse::<u32>().ok()).unwrap_or(0))
            };
            let facts = TypeFacts {
                name: raw_text(row, 1)?.unwrap_or_default().to_owned(),
                element_oid: Some(number(2)?).filter(|oid| *oid != 0),
            };
            self.types.insert(number(0)?, facts);
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Said goodbye to or not, the socket closes; the server's log stays clean if it works.
            let _ = self.runtime.block_on(async {
                tokio::time::timeout(Duration::from_secs(1), connection.close()).await
            });
        }
    }
}

impl TransactionState {
    pub(crate) fn fail(&mut self) {
        if *self == TransactionState::Open {
            *self = TransactionState::Failed;
        }
    }

    fn recover(&mut self) {
        if *self == TransactionState::Failed {
            *self = TransactionState::Open;
        }
    }
}

fn raw_text(row: &PgRow, at: usize) -> Result<Option<&str>, Error> {
    let value = row.try_get_raw(at)?;
    if value.is_null() {
        return Ok(None);
    }
    value
        .as_str()
        .map(Some)
        .map_err(|error| Error::protocol(error.to_string()))
}

fn decode_row(row: &PgRow, columns: &[Column], facts: &[TypeFacts]) -> Result<Vec<Datum>, Error> {
    let mut out = Vec::with_capacity(columns.len());
    for (at, (column, facts)) in columns.iter().zip(facts).enumerate() {
        out.push(match raw_text(row, at)? {
            Some(text) => decode_text(text, column.type_oid, facts),
            None => Datum::Null,
        });
    }
    Ok(out)
}

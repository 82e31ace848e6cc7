//! One worker's connection, as templates and materializations use it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use minijinja::Value;

use crate::diagnostics::Diagnostic;
use crate::jinja::value::column::Column;
use crate::jinja::value::table::Table;
use crate::jinja::value::{cell, decimal};
use crate::jinja::{Database, HostError, QueryResponse};
use crate::parse::Node;
use crate::postgres::{
    Answer, Datum, Error, Executed, Rows, Session, StatementComment, StatementEvent,
    StatementObserver, catalog, client_type_name, command_tag, split_statements,
};
use crate::relation::{Relation, quote_identifier};

use super::event::{Event, Listener};

/// A connection behind a lock: a template and the code that called it use it by turns.
pub struct Adapter {
    session: Mutex<Session>,
    listener: Arc<dyn Listener>,
    /// The node whose statements are sent now.
    node: Arc<Mutex<Option<Arc<Node>>>>,
    /// The last statement of a template that the server refused, with its error.
    refused: Mutex<Option<(String, Error)>>,
    /// Whether a template's statements begin the transactions that they ask for.
    is_beginning: AtomicBool,
    has_template_written: AtomicBool,
    /// What is read where a relation that is not published yet is asked for by its name: the
    /// private relation, and the one people will know.
    aside: Mutex<Option<(Relation, Relation)>>,
}

impl Adapter {
    /// The listener hears of every statement, with the node it was sent for.
    pub fn new(session: Session, listener: Arc<dyn Listener>) -> Self {
        let adapter = Adapter {
            session: Mutex::new(session),
            listener,
            node: Arc::default(),
            refused: Mutex::default(),
            is_beginning: AtomicBool::new(false),
            has_template_written: AtomicBool::new(false),
            aside: Mutex::default(),
        };
        adapter.session().observe(adapter.observer());
        adapter
    }

    /// Takes a new connection in place of one that was lost.
    pub fn replace_session(&self, mut session: Session) {
        session.observe(self.observer());
        *self.session() = session;
    }

    /// From now on statements are sent for this node.
    pub fn works_on(&self, node: Option<&Arc<Node>>) {
        *self.node.lock().unwrap_or_else(PoisonError::into_inner) = node.map(Arc::clone);
        self.has_template_written.store(false, Ordering::SeqCst);
        // Work that panicked has left it.
        self.set_aside(None);
    }

    /// True when a template of the node has run a statement of its own that is no query.
    pub(super) fn has_template_written(&self) -> bool {
        self.has_template_written.load(Ordering::SeqCst)
    }

    /// Does work in which templates that look for the second relation by its name find the first.
    pub(super) fn looking_aside<T>(
        &self,
        aside: Option<(&Relation, &Relation)>,
        work: impl FnOnce() -> T,
    ) -> T {
        self.set_aside(aside);
        let done = work();
        self.set_aside(None);
        done
    }

    fn set_aside(&self, aside: Option<(&Relation, &Relation)>) {
        *self.aside.lock().unwrap_or_else(PoisonError::into_inner) =
            aside.map(|(private, public)| (private.clone(), public.clone()));
    }

    /// The private relation, when this is the name of one that is not published yet.
    fn aside(&self, schema: &str, name: &str) -> Option<Relation> {
        let aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner);
        let (private, public) = aside.as_ref()?;
        let is_meant = public.schema_name() == schema && public.name() == name;
        is_meant.then(|| private.clone())
    }

    fn observer(&self) -> StatementObserver {
        let listener = Arc::clone(&self.listener);
        let node = Arc::clone(&self.node);
        Arc::new(move |statement| {
            let node = node.lock().unwrap_or_else(PoisonError::into_inner).clone();
            listener.on_event(&match statement {
                StatementEvent::Sent { sql } => Event::StatementSent {
                    sql: sql.to_owned(),
                    node,
                },
                StatementEvent::Answered { rows, seconds, sql } => Event::StatementAnswered {
                    tag: response(&last_tag(sql), rows).message,
                    seconds,
                    node,
                },
                StatementEvent::Refused { error, seconds } => Event::StatementAnswered {
                    tag: format!("ERROR {}", error.message),
                    seconds,
                    node,
                },
            });
        })
    }

    /// Statements carry this comment from now on.
    pub fn comment(&self, comment: Option<StatementComment>) {
        self.session().comment(comment);
    }

    /// The session itself, for work that needs more than one call at a time.
    pub fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a refusal for whoever knows which model's statement it was.
    fn refused_later(&self, sql: &str, error: Error) -> HostError {
        let answer = refused(&error);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((sql.to_owned(), error));
        answer
    }

    /// Takes the refusal that a template's statement met last.
    pub(super) fn take_refusal(&self) -> Option<(String, Error)> {
        self.refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Does work whose statements begin a transaction where they say so and none is open.
    ///
    /// Elsewhere the transactions are those of the code that called the template.
    pub(super) fn beginning_transactions<T>(&self, work: impl FnOnce() -> T) -> T {
        self.is_beginning.store(true, Ordering::SeqCst);
        let done = work();
        self.is_beginning.store(false, Ordering::SeqCst);
        done
    }

    pub fn execute(&self, sql: &str) -> Result<Executed, Error> {
        self.session().execute(sql)
    }

    /// Runs statements in one call, each for a node; they carry their comments.
    pub(super) fn run_each(
        &self,
        statements: &[String],
        whose: &[Option<Arc<Node>>],
    ) -> Result<Vec<Answer>, Error> {
        for (sql, node) in statements.iter().zip(whose) {
            self.listener.on_event(&Event::StatementSent {
                sql: sql.clone(),
                node: node.clone(),
            });
        }
        let begun = Instant::now();
        let outcome = self.session().run_each(statements);
        let seconds = begun.elapsed().as_secs_f64();
        let answered = |at: usize, tag: String| {
            self.listener.on_event(&Event::StatementAnswered {
                tag,
                seconds,
                node: whose.get(at).cloned().flatten(),
            });
        };
        match &outcome {
            Ok(answers) => {
                for (at, (sql, answer)) in statements.iter().zip(answers).enumerate() {
                    answered(
                        at,
                        response(&command_tag(sql), answer.rows_affected).message,
                    );
                }
            }
            Err((at, error)) => answered(*at, format!("ERROR {}", error.message)),
        }
        outcome.map_err(|(_, error)| error)
    }

    pub fn query(&self, sql: &str) -> Result<Rows, Error> {
        self.session().query(sql)
    }
}

/// A statement of a template that the server refused; the template engine adds the place.
fn refused(error: &Error) -> HostError {
    let mut diagnostic = Diagnostic::error(
        "MSV0441",
        format!(
            "PostgreSQL refused a template's statement: {}",
            error.message
        ),
    );
    if let Some(detail) = &error.detail {
        diagnostic = diagnostic.note(detail.clone());
    }
    if let Some(hint) = &error.hint {
        diagnostic = diagnostic.help(hint.clone());
    }
    diagnostic.into()
}

impl Database for Adapter {
    fn run(
        &self,
        sql: &str,
        fetch: bool,
        auto_begin: bool,
    ) -> Result<(QueryResponse, Table), HostError> {
        if auto_begin
            && self.is_beginning.load(Ordering::SeqCst)
            && !self.session().is_in_transaction()
        {
            self.begin()?;
        }
        if !fetch || last_tag(sql) != "SELECT" {
            self.has_template_written.store(true, Ordering::SeqCst);
        }
        if fetch {
            let rows = self
                .query(sql)
                .map_err(|error| self.refused_later(sql, error))?;
            let response = response(&last_tag(sql), rows.rows_affected);
            return Ok((response, table(rows)));
        }
        let done = self
            .execute(sql)
            .map_err(|error| self.refused_later(sql, error))?;
        Ok((
            response(&done.command_tag, done.rows_affected),
            Table::new(Vec::new(), Vec::new()),
        ))
    }

    fn get_relation(
        &self,
        database: Option<&str>,
        schema: &str,
        identifier: &str,
    ) -> Result<Option<Relation>, HostError> {
        let aside = self.aside(schema, identifier);
        let (schema, identifier) = match &aside {
            Some(private) => (private.schema_name(), private.name()),
            None => (schema, identifier),
        };
        let mut session = self.session();
        let found = catalog::get_relation(&mut session, schema, identifier)
            .map_err(|error| refused(&error))?;
        let found = found.filter(|info| database.is_none_or(|database| database == info.database));
        Ok(found
            .map(|info| Relation::new(info.database, info.schema, info.name).with_kind(info.kind)))
    }

    fn list_relations(
        &self,
        _database: Option<&str>,
        schema: &str,
    ) -> Result<Vec<Relation>, HostError> {
        let mut session = self.session();
        let found =
            catalog::list_relations(&mut session, &[schema]).map_err(|error| refused(&error))?;
        Ok(found
            .into_iter()
            .map(|info| Relation::new(info.database, info.schema, info.name).with_kind(info.kind))
            .collect())
    }

    fn columns(&self, relation: &Relation) -> Result<Vec<Column>, HostError> {
        let schema = relation.schema.as_deref();
        let aside = schema.and_then(|schema| self.aside(schema, relation.name()));
        let relation = aside.as_ref().unwrap_or(relation);
        let mut session = self.session();
        let found = match relation.schema.as_deref() {
            Some(schema) => catalog::columns(&mut session, schema, relation.name()),
            None => catalog::columns_on_search_path(&mut session, relation.name()),
        };
        let found = found.map_err(|error| refused(&error))?;
        Ok(found
            .into_iter()
            .map(|column| Column {
                name: column.name,
                data_type: column.data_type,
                char_size: column.character_maximum_length,
                numeric_precision: column.numeric_precision,
                numeric_scale: column.numeric_scale,
            })
            .collect())
    }

    fn query_schema(&self, sql: &str) -> Result<Vec<Column>, HostError> {
        let rows = self
            .query(sql)
            .map_err(|error| self.refused_later(sql, error))?;
        let columns = rows.columns.into_iter();
        Ok(columns
            .map(|column| Column::new(column.name, client_type_name(column.type_oid)))
            .collect())
    }

    fn begin(&self) -> Result<(), HostError> {
        self.session().begin().map_err(|error| refused(&error))
    }

    fn commit(&self) -> Result<(), HostError> {
        if !self.session().is_in_transaction() {
            return Ok(());
        }
        self.session().commit().map_err(|error| refused(&error))
    }

    fn rollback(&self) -> Result<(), HostError> {
        self.session().rollback().map_err(|error| refused(&error))
    }

    fn create_schema(&self, relation: &Relation) -> Result<(), HostError> {
        catalog::create_schema_if_absent(&mut self.session(), relation.schema_name())
            .map(|_| ())
            .map_err(|error| refused(&error))
    }

    fn drop_schema(&self, relation: &Relation) -> Result<(), HostError> {
        let sql = format!(
            "drop schema if exists {} cascade",
            quote_identifier(relation.schema_name())
        );
        self.execute(&sql)
            .map(|_| ())
            .map_err(|error| refused(&error))
    }

    fn drop_relation(&self, relation: &Relation) -> Result<(), HostError> {
        let word = match relation.kind {
            Some(kind) => sql_word(kind),
            None => match self.get_relation(None, relation.schema_name(), relation.name())? {
                Some(found) => found.kind.map_or("table", sql_word),
                None => return Ok(()),
            },
        };
        let sql = format!(
            "drop {word} if exists {} cascade",
            relation.without_database()
        );
        self.execute(&sql)
            .map(|_| ())
            .map_err(|error| refused(&error))
    }

    fn rename_relation(&self, from: &Relation, to: &Relation) -> Result<(), HostError> {
        let word = from.kind.map_or("table", sql_word);
        let name = quote_identifier(to.name());
        let sql = format!("alter {word} {} rename to {name}", from.without_database());
        self.execute(&sql)
            .map(|_| ())
            .map_err(|error| refused(&error))
    }

    fn truncate_relation(&self, relation: &Relation) -> Result<(), HostError> {
        let sql = format!("truncate table {}", relation.without_database());
        self.execute(&sql)
            .map(|_| ())
            .map_err(|error| refused(&error))
    }

    fn check_schema_exists(
        &self,
        _database: Option<&str>,
        schema: &str,
    ) -> Result<bool, HostError> {
        catalog::schema_exists(&mut self.session(), schema).map_err(|error| refused(&error))
    }
}

/// The word `drop` and `alter` use for a kind of relation.
pub(crate) fn sql_word(kind: crate::relation::RelationKind) -> &'static str {
    match kind {
        crate::relation::RelationKind::View => "view",
        crate::relation::RelationKind::MaterializedView => "materialized view",
        crate::relation::RelationKind::External => "foreign table",
        _ => "table",
    }
}

/// The command of the last of several statements.
fn last_tag(sql: &str) -> String {
    split_statements(sql)
        .last()
        .map(|last| command_tag(last))
        .unwrap_or_default()
}

/// What templates hear of a statement; one that touches no rows says -1, as their language has it.
fn response(tag: &str, rows: u64) -> QueryResponse {
    let message = match tag {
        "INSERT" => format!("INSERT 0 {rows}"),
        "SELECT" | "UPDATE" | "DELETE" | "MERGE" | "COPY" => format!("{tag} {rows}"),
        other => other.to_owned(),
    };
    QueryResponse {
        message,
        code: tag.to_owned(),
        rows_affected: match tag {
            "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "COPY" => {
                i64::try_from(rows).ok()
            }
            _ => Some(-1),
        },
    }
}

/// A result as templates read it: numbers, dates and times are Python's, the rest is text.
fn table(rows: Rows) -> Table {
    let names = rows.columns.into_iter().map(|column| column.name).collect();
    let values = rows
        .rows
        .into_iter()
        .map(|row| row.iter().map(value).collect())
        .collect();
    Table::new(names, values)
}

fn value(datum: &Datum) -> Value {
    match datum {
        Datum::Null => Value::from(()),
        Datum::Bool(value) => Value::from(*value),
        Datum::Int(value) => Value::from(*value),
        Datum::Float(value) => Value::from(*value),
        // A whole number stays one: it is counted with, and compared.
        Datum::Numeric(text) => text
            .parse::<i64>()
            .map_or_else(|_| decimal::value(text), Value::from),
        Datum::Date(text) => cell::date(text),
        Datum::Timestamp(text) => cell::timestamp(text),
        Datum::TimestampTz(text) => cell::timestamp_with_zone(text),
        Datum::Interval(text) => cell::interval(text),
        Datum::Json(text) => cell::json(text),
        Datum::Array(_) => cell::array(&datum.to_json()),
        other => other
            .to_text()
            .map_or(Value::from(()), |text| Value::from(text.as_ref())),
    }
}

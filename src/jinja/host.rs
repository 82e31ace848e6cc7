//! Host: what a template may ask of the world, as two traits.
//!
//! Parsing implements [`Host`] by recording what is asked; compiling and running implement it by
//! answering. [`Database`] is there only while a connection is.

use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::Value;

use crate::value::column::Column;
use crate::value::table::Table;
use msv_diagnostics::{Diagnostic, Place};
use msv_relation::Relation;

/// Where a call stands in the file it was written in.
#[derive(Clone, Debug)]
pub struct Site {
    pub file: Arc<str>,
    pub text: Arc<str>,
    pub span: Range<usize>,
}

impl Site {
    pub fn place(&self) -> Place {
        Place::new(self.file.clone(), self.text.clone(), self.span.clone())
    }
}

/// Why the host does not answer. Without a place, the diagnostic is shown at the call.
#[derive(Clone, Debug)]
pub struct HostError(pub Box<Diagnostic>);

impl From<Diagnostic> for HostError {
    fn from(diagnostic: Diagnostic) -> Self {
        HostError(Box::new(diagnostic))
    }
}

impl From<Box<Diagnostic>> for HostError {
    fn from(diagnostic: Box<Diagnostic>) -> Self {
        HostError(diagnostic)
    }
}

/// What the world tells a template.
pub trait Host: Send + Sync {
    /// The package whose macros win when a name is not qualified.
    fn package(&self) -> &str;

    /// False while parsing: introspection answers with nothing, unknown names are allowed.
    fn is_execute(&self) -> bool;

    /// # Errors
    ///
    /// When no model, seed or snapshot has that name.
    fn reference(
        &self,
        package: Option<&str>,
        name: &str,
        version: Option<&Value>,
        site: Site,
    ) -> Result<Relation, HostError>;

    /// # Errors
    ///
    /// When no source table has that name.
    fn source(&self, source: &str, table: &str, site: Site) -> Result<Relation, HostError>;

    /// Names a user-defined function, `function('name')`.
    ///
    /// # Errors
    ///
    /// When there is no such function, or functions are not supported.
    fn function(
        &self,
        package: Option<&str>,
        name: &str,
        site: Site,
    ) -> Result<Relation, HostError> {
        let _ = (package, site);
        Err(Diagnostic::error("MSV0313", format!("no function is named `{name}`")).into())
    }

    /// Hears of each macro that the template itself calls, by unique id; not of those that macros
    /// call.
    fn called(&self, macro_id: &str) {
        let _ = macro_id;
    }

    /// Names a metric, `metric('name')`.
    ///
    /// # Errors
    ///
    /// When there is no such metric, or metrics are not supported.
    fn metric(&self, package: Option<&str>, name: &str, site: Site) -> Result<Value, HostError> {
        let _ = (package, site);
        Err(Diagnostic::error("MSV0313", format!("no metric is named `{name}`")).into())
    }

    /// Takes the values of a `config(...)` call.
    ///
    /// # Errors
    ///
    /// When a key or value is not allowed.
    fn configure(&self, values: IndexMap<String, Value>, site: Site) -> Result<(), HostError>;

    /// The node's configured value, or `None` when the key was never set.
    fn config(&self, key: &str) -> Option<Value>;

    fn var(&self, name: &str) -> Option<Value>;

    fn env_var(&self, name: &str) -> Option<String>;

    /// True in the files that may name secret environment variables: profiles and packages.
    fn may_read_secrets(&self) -> bool {
        false
    }

    /// The text of a `docs` block.
    ///
    /// # Errors
    ///
    /// When no block has that name.
    fn doc(&self, package: Option<&str>, name: &str) -> Result<String, HostError>;

    fn this(&self) -> Option<Relation>;

    /// What a macro returns in place of its own work; unit tests replace macros so.
    fn macro_result(&self, package: &str, name: &str) -> Option<Value> {
        let _ = (package, name);
        None
    }

    /// A plain value of the context: `target`, `model`, `graph`, `flags`, `invocation_id`, …
    ///
    /// Asked at every use, so the host keeps what is dear to build.
    fn context(&self, name: &str) -> Option<Value>;

    /// The connection, or `None` where the command has none.
    fn database(&self) -> Option<&dyn Database>;

    fn log(&self, message: &str, is_info: bool);

    fn print(&self, message: &str);

    /// Says a warning of the project; true where warnings are errors, and this one ends the work.
    fn warn(&self, message: &str) -> bool;
}

/// What the server said about a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryResponse {
    /// The command tag, such as `SELECT 5`.
    pub message: String,
    /// The command, such as `SELECT`.
    pub code: String,
    pub rows_affected: Option<i64>,
}

/// A connection as templates see it. All calls wait for the answer.
///
/// Every method fails with the server's diagnostic.
pub trait Database: Send + Sync {
    /// Runs SQL; with `fetch`, returns its rows.
    ///
    /// # Errors
    ///
    /// When the server rejects the statement or the connection is gone.
    fn run(
        &self,
        sql: &str,
        fetch: bool,
        auto_begin: bool,
    ) -> Result<(QueryResponse, Table), HostError>;

    /// # Errors
    ///
    /// As [`Database::run`].
    fn get_relation(
        &self,
        database: Option<&str>,
        schema: &str,
        identifier: &str,
    ) -> Result<Option<Relation>, HostError>;

    /// # Errors
    ///
    /// As [`Database::run`].
    fn list_relations(
        &self,
        database: Option<&str>,
        schema: &str,
    ) -> Result<Vec<Relation>, HostError>;

    /// # Errors
    ///
    /// As [`Database::run`].
    fn columns(&self, relation: &Relation) -> Result<Vec<Column>, HostError>;

    /// Names the columns of a query without its rows. The types are those of the client library
    /// that dbt uses (`INTEGER`, `TEXT`, `unknown type_code 790`).
    ///
    /// # Errors
    ///
    /// As [`Database::run`].
    fn query_schema(&self, sql: &str) -> Result<Vec<Column>, HostError>;

    /// # Errors
    ///
    /// As [`Database::run`].
    fn begin(&self) -> Result<(), HostError>;

    /// # Errors
    ///
    /// As [`Database::run`].
    fn commit(&self) -> Result<(), HostError>;

    /// # Errors
    ///
    /// As [`Database::run`].
    fn rollback(&self) -> Result<(), HostError>;

    /// # Errors
    ///
    /// As [`Database::run`].
    fn create_schema(&self, relation: &Relation) -> Result<(), HostError>;

    /// # Errors
    ///
    /// As [`Database::run`].
    fn drop_schema(&self, relation: &Relation) -> Result<(), HostError>;

    /// # Errors
    ///
    /// As [`Database::run`].
    fn drop_relation(&self, relation: &Relation) -> Result<(), HostError>;

    /// # Errors
    ///
    /// As [`Database::run`].
    fn rename_relation(&self, from: &Relation, to: &Relation) -> Result<(), HostError>;

    /// # Errors
    ///
    /// As [`Database::run`].
    fn truncate_relation(&self, relation: &Relation) -> Result<(), HostError>;

    /// # Errors
    ///
    /// As [`Database::run`].
    fn check_schema_exists(&self, database: Option<&str>, schema: &str) -> Result<bool, HostError>;
}

//! Stands in for the connection where a template is rendered that is not to ask the server.
//!
//! A node of a group is rendered before its turn: a template that asks would see what the others are
//! about to change, and what it runs must not be run twice. It is refused, and the node is built by
//! itself. The comment on a statement has no statements of its own.

use crate::diagnostics::Diagnostic;
use crate::jinja::value::column::Column;
use crate::jinja::value::table::Table;
use crate::jinja::{Database, HostError, QueryResponse};
use crate::relation::Relation;

pub(super) struct Unasked;

fn refused<T>() -> Result<T, HostError> {
    Err(Diagnostic::error("MSV0441", "the server is not asked here").into())
}

impl Database for Unasked {
    fn run(
        &self,
        _sql: &str,
        _fetch: bool,
        _auto_begin: bool,
    ) -> Result<(QueryResponse, Table), HostError> {
        refused()
    }

    fn get_relation(
        &self,
        _database: Option<&str>,
        _schema: &str,
        _identifier: &str,
    ) -> Result<Option<Relation>, HostError> {
        refused()
    }

    fn list_relations(
        &self,
        _database: Option<&str>,
        _schema: &str,
    ) -> Result<Vec<Relation>, HostError> {
        refused()
    }

    fn columns(&self, _relation: &Relation) -> Result<Vec<Column>, HostError> {
        refused()
    }

    fn query_schema(&self, _sql: &str) -> Result<Vec<Column>, HostError> {
        refused()
    }

    fn begin(&self) -> Result<(), HostError> {
        refused()
    }

    fn commit(&self) -> Result<(), HostError> {
        refused()
    }

    fn rollback(&self) -> Result<(), HostError> {
        refused()
    }

    fn create_schema(&self, _relation: &Relation) -> Result<(), HostError> {
        refused()
    }

    fn drop_schema(&self, _relation: &Relation) -> Result<(), HostError> {
        refused()
    }

    fn drop_relation(&self, _relation: &Relation) -> Result<(), HostError> {
        refused()
    }

    fn rename_relation(&self, _from: &Relation, _to: &Relation) -> Result<(), HostError> {
        refused()
    }

    fn truncate_relation(&self, _relation: &Relation) -> Result<(), HostError> {
        refused()
    }

    fn check_schema_exists(
        &self,
        _database: Option<&str>,
        _schema: &str,
    ) -> Result<bool, HostError> {
        refused()
    }
}

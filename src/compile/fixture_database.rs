//! The database as the template of a unit tested model sees it: it holds the given rows.
//!
//! A template that asks for the columns or the rows of an input is answered from the fixture; the
//! rest is the real database's.

use std::sync::Arc;

use jiff::Timestamp;

use crate::jinja::value::column::Column;
use crate::jinja::value::table::Table;
use crate::jinja::{Database, HostError, QueryResponse};
use crate::relation::Relation;
use crate::relation::tokens::{TokenKind, Tokens};

use super::compiled::Compiled;
use super::fixture_rows::TypedColumn;
use super::frozen_clock::freeze;
use super::inject::{Cte, inject};

/// Inputs by the names of their CTEs.
pub(super) struct FixtureDatabase {
    pub inner: Arc<dyn Database>,
    pub ctes: Vec<Cte>,
    /// The columns of each CTE, where they are known.
    pub columns: Vec<Vec<TypedColumn>>,
    pub now: Option<Timestamp>,
}

impl FixtureDatabase {
    fn position(&self, relation: &Relation) -> Option<usize> {
        if relation.schema.is_some() {
            return None;
        }
        let name = relation.name();
        self.ctes.iter().position(|cte| cte.name == name)
    }

    /// A query with the given rows that it reads.
    fn with_rows(&self, sql: &str) -> String {
        let mut words = Tokens::new(sql).filter(|token| token.kind == TokenKind::Word);
        let first = words.next();
        let is_query = first.is_some_and(|token| {
            let word = sql[token.start..token.end].to_ascii_lowercase();
            matches!(word.as_str(), "select" | "with" | "values")
        });
        if !is_query {
            return sql.to_owned();
        }
        let words: Vec<&str> = words.map(|token| &sql[token.start..token.end]).collect();
        let is_read = |cte: &&Cte| words.contains(&cte.name.as_str());
        let read: Vec<Cte> = self.ctes.iter().filter(is_read).cloned().collect();
        let mut query = Compiled::default();
        query.push_text(sql);
        let query = inject(query, &read);
        match self.now {
            Some(now) => freeze(&query, now).sql,
            None => query.sql,
        }
    }
}

/// `character varying(20)` as the catalog describes it.
fn described((name, data_type): &TypedColumn) -> Column {
    let (word, rest) = data_type.split_once('(').unwrap_or((data_type, ""));
    let (sizes, behind) = rest.split_once(')').unwrap_or((rest, ""));
    let mut sizes = sizes.split(',').map(|size| size.trim().parse().ok());
    let mut column = Column::new(name.as_str(), format!("{word}{behind}"));
    match word {
        "numeric" => {
            column.numeric_precision = sizes.next().flatten();
            column.numeric_scale = sizes.next().flatten();
        }
        _ if word.starts_with("character") => column.char_size = sizes.next().flatten(),
        _ => {}
    }
    column
}

impl Database for FixtureDatabase {
    fn run(
        &self,
        sql: &str,
        fetch: bool,
        auto_begin: bool,
    ) -> Result<(QueryResponse, Table), HostError> {
        self.inner.run(&self.with_rows(sql), fetch, auto_begin)
    }

    fn get_relation(
        &self,
        database: Option<&str>,
        schema: &str,
        identifier: &str,
    ) -> Result<Option<Relation>, HostError> {
        self.inner.get_relation(database, schema, identifier)
    }

    fn list_relations(
        &self,
        database: Option<&str>,
        schema: &str,
    ) -> Result<Vec<Relation>, HostError> {
        self.inner.list_relations(database, schema)
    }

    fn columns(&self, relation: &Relation) -> Result<Vec<Column>, HostError> {
        match self.position(relation) {
            Some(at) if !self.columns[at].is_empty() => {
                Ok(self.columns[at].iter().map(described).collect())
            }
            Some(at) => self.query_schema(&format!("select * from {} limit 0", self.ctes[at].name)),
            None => self.inner.columns(relation),
        }
    }

    fn query_schema(&self, sql: &str) -> Result<Vec<Column>, HostError> {
        self.inner.query_schema(&self.with_rows(sql))
    }

    fn begin(&self) -> Result<(), HostError> {
        self.inner.begin()
    }

    fn commit(&self) -> Result<(), HostError> {
        self.inner.commit()
    }

    fn rollback(&self) -> Result<(), HostError> {
        self.inner.rollback()
    }

    fn create_schema(&self, relation: &Relation) -> Result<(), HostError> {
        self.inner.create_schema(relation)
    }

    fn drop_schema(&self, relation: &Relation) -> Result<(), HostError> {
        self.inner.drop_schema(relation)
    }

    fn drop_relation(&self, relation: &Relation) -> Result<(), HostError> {
        self.inner.drop_relation(relation)
    }

    fn rename_relation(&self, from: &Relation, to: &Relation) -> Result<(), HostError> {
        self.inner.rename_relation(from, to)
    }

    fn truncate_relation(&self, relation: &Relation) -> Result<(), HostError> {
        self.inner.truncate_relation(relation)
    }

    fn check_schema_exists(&self, database: Option<&str>, schema: &str) -> Result<bool, HostError> {
        self.inner.check_schema_exists(database, schema)
    }
}

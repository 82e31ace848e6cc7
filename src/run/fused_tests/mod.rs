//! Fused tests: what one statement can tell of several data tests of one relation.
//!
//! A test is fused where its query has a known form over the relation, or over the rows of it that
//! the test's `where` keeps, so that its failures follow from a count that shares a scan with
//! others ([`form`]):
//!
//! - `select … from r where condition` fails as often as the condition holds (`not_null`, and
//!   tests of expressions);
//! - `accepted_values` fails not at all where no row has another value. How many other values there
//!   are is left to the test's own statement;
//! - `unique`, also of several columns, fails not at all where there are as many different values
//!   as values, or an index keeps them apart: a scan of its own in the same statement
//!   ([`statement`]). How many values repeat is left to the test's own statement.
//!
//! Everything else about a test is done as ever: it is compiled, its own statement is kept, its
//! thresholds are held against its own count. Where the shared statement fails, or does not tell
//! enough, a test's own statement is sent. A query that is no known form of a condition is a test
//! by itself, whatever its name.

mod form;
mod large;
mod statement;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use indexmap::IndexMap;

use crate::compile::{Compiled, Overrides};
use crate::parse::{Details, Node, UniqueId};
use crate::postgres::{Datum, Error, Rows};
use crate::relation::Relation;

use super::adapter::Adapter;
use super::audit::Audit;
use super::data_test::{self, Counts};
use super::runner::RunContext;
use super::worker::NodeRun;

pub(super) use self::form::Measure;
use self::form::form;
use self::large::LargeTables;
use self::statement::Terms;

/// The least memory for sorting the values of a large table, where the server is set to less.
const SORT_MEMORY: &str = "64MB";

/// A test that can be fused.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub test: UniqueId,
    /// What stands behind `from`.
    pub source: String,
    pub measure: Measure,
    pub warn_if: String,
    pub error_if: String,
}

/// What shared statements told of tests that have not run yet.
#[derive(Debug, Default)]
pub struct Foretold {
    counts: Mutex<HashMap<UniqueId, Counts>>,
    compiled: Mutex<HashMap<UniqueId, Compiled>>,
    /// The large tables there were when somebody first asked.
    large: OnceLock<LargeTables>,
}

impl Foretold {
    pub(super) fn tell(&self, test: &UniqueId, counts: Counts) {
        let mut known = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(test.clone(), counts);
    }

    /// Keeps the query of a test, for when it is told.
    pub(super) fn keep_compiled(&self, test: &UniqueId, compiled: Compiled) {
        let mut known = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(test.clone(), compiled);
    }

    /// The query of the test, if it is known.
    pub(super) fn take_compiled(&self, test: &UniqueId) -> Option<Compiled> {
        let mut known = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(test)
    }

    /// What is known of the test, which runs now.
    pub(super) fn take(&self, test: &UniqueId) -> Option<Counts> {
        let mut known = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(test)
    }
}

/// Finds out, as far as it can be done together, how often tests of the node fail.
///
/// `stand_in` has the rows of their node while that is not published.
pub(super) fn foretell(
    context: &RunContext,
    adapter: &Arc<Adapter>,
    stand_in: Option<&Relation>,
    tests: &[Arc<Node>],
) {
    let nodes = &context.compiler.graph.nodes;
    let mut candidates = tests.iter().filter(|test| is_candidate(test)).peekable();
    let tested = candidates
        .peek()
        .and_then(|test| nodes.get(&test.depends_on_nodes[0]));
    let Some(relation) = tested.and_then(|tested| tested.relation.as_ref()) else {
        return;
    };
    if !context.options.fuses_tests {
        return;
    }
    let known = context
        .foretold
        .large
        .get_or_init(|| LargeTables::of_database(&mut adapter.session()));
    let terms = Terms {
        server_version: adapter.session().server_version_number(),
        relation: stand_in.unwrap_or(relation),
        large: known.get(relation),
    };
    if tests.len() < 2 && terms.large.is_none() {
        return;
    }
    let mut by_source: IndexMap<String, Vec<Share>> = IndexMap::new();
    for test in candidates {
        if let Some(share) = share_of(context, adapter, test, stand_in) {
            by_source
                .entry(share.source.clone())
                .or_default()
                .push(share);
        }
    }
    for shares in by_source.values() {
        if !is_worth_it(shares, &terms) {
            continue;
        }
        let statement = terms.statement(shares);
        let asked = ask(adapter, &statement, terms.large.is_some());
        let Some(row) = asked.ok().and_then(|rows| rows.rows.into_iter().next()) else {
            continue;
        };
        for (share, cells) in shares.iter().zip(row.chunks(3)) {
            if let Some(counts) = counts(share, cells) {
                context.foretold.tell(&share.test, counts);
            }
        }
    }
}

/// True for several tests, and for one that is told faster than by its own statement.
fn is_worth_it(shares: &[Share], terms: &Terms<'_>) -> bool {
    let is_slow = |share: &Share| matches!(share.measure, Measure::Repeated { .. });
    shares.len() > 1 || (terms.large.is_some() && shares.iter().any(is_slow))
}

/// Asks what nothing depends on; a transaction that is open is left as it was.
fn ask(adapter: &Adapter, statement: &str, is_large: bool) -> Result<Rows, Error> {
    let mut session = adapter.session();
    let is_open = session.is_in_transaction();
    if is_open {
        session.later("savepoint msv_shared");
    }
    if is_large {
        session.later(&format!(
            "select pg_catalog.set_config('work_mem', '{SORT_MEMORY}', true)\n\
             where pg_catalog.pg_size_bytes(pg_catalog.current_setting('work_mem'))\n\
             < pg_catalog.pg_size_bytes('{SORT_MEMORY}')"
        ));
    }
    let asked = session.select(statement);
    if is_open {
        // What was set for the statement ends with it.
        session.execute("rollback to savepoint msv_shared; release savepoint msv_shared")?;
    }
    asked
}

/// True for a test that may turn out to share a scan with others.
pub(super) fn is_candidate(test: &Node) -> bool {
    let config = &test.config;
    matches!(test.details, Details::GenericTest(_))
        && test.depends_on_nodes.len() == 1
        && config.get("limit").is_none()
        && config.str("fail_calc").unwrap_or("count(*)") == "count(*)"
        && !data_test::stores_failures(test)
}

fn share_of(
    context: &RunContext,
    adapter: &Arc<Adapter>,
    test: &Arc<Node>,
    stand_in: Option<&Relation>,
) -> Option<Share> {
    if !is_candidate(test) {
        return None;
    }
    let audit = Audit::none();
    let run = NodeRun::of_test(context, adapter, test, (&audit, None));
    // What a project does with tests in its own way is done in that way.
    if data_test::own_template(&run).ok()?.is_some() {
        return None;
    }
    let parent = context
        .compiler
        .graph
        .nodes
        .get(&test.depends_on_nodes[0])?;
    let mut overrides = Overrides::default();
    if let Some(relation) = stand_in {
        let id = parent.unique_id.clone();
        overrides.relations.insert(id, relation.clone());
    }
    let relation = stand_in.or(parent.relation.as_ref())?;
    let compiled = context
        .compiler
        .compile_with(test, Some(run.database()), overrides)
        .ok()?;
    Share::of(test, &compiled, relation)
}

impl Share {
    /// What tells the failures of a test of the relation, where its query has a known form.
    pub(super) fn of(test: &Node, compiled: &Compiled, relation: &Relation) -> Option<Share> {
        let config = &test.config;
        let source = match config.str("where") {
            Some(condition) => {
                format!("(select * from {relation} where {condition}) dbt_subquery")
            }
            None => relation.to_string(),
        };
        Some(Share {
            test: test.unique_id.clone(),
            measure: measure(test, compiled, &source)?,
            source,
            warn_if: config.str("warn_if").unwrap_or("!= 0").to_owned(),
            error_if: config.str("error_if").unwrap_or("!= 0").to_owned(),
        })
    }
}

/// How the failures of a query are told, where it has a known form over the source.
fn measure(test: &Node, compiled: &Compiled, source: &str) -> Option<Measure> {
    if compiled.sql_header.is_some() || test.config.get("sql_header").is_some() {
        return None;
    }
    let Details::GenericTest(generic) = &test.details else {
        return None;
    };
    let column = generic.column.as_deref().or_else(|| {
        let named = generic.kwargs.get("column_name");
        named.and_then(serde_json::Value::as_str)
    });
    form(&compiled.sql, source, column)
}

/// Reads what the shared statement tells of one test; `None` where that is not enough.
fn counts(share: &Share, cells: &[Datum]) -> Option<Counts> {
    let [failures, should_warn, should_error] = cells else {
        return None;
    };
    let failures = failures.as_i64()?;
    if failures != 0 && !matches!(share.measure, Measure::Rows { .. }) {
        return None;
    }
    Some(Counts {
        failures: Some(failures),
        should_warn: should_warn.as_bool().unwrap_or(false),
        should_error: should_error.as_bool().unwrap_or(false),
    })
}

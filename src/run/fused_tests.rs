//! Fused tests: what one statement can tell of several data tests of one relation.
//!
//! A test is fused where its query has a known form over the relation, or over the rows of it that
//! the test's `where` keeps, so that its failures follow from a count that shares a scan with
//! others:
//!
//! - `select … from r where condition` fails as often as the condition holds (`not_null`, and
//!   tests of expressions);
//! - `accepted_values` fails not at all where no row has another value. How many other values there
//!   are is left to the test's own statement;
//! - `unique` fails as often as a group has several rows: a scan of its own in the same statement.
//!
//! Everything else about a test is done as ever: it is compiled, its own statement is kept, its
//! thresholds are held against its own count. Where the shared statement fails, or does not tell
//! enough, a test's own statement is sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;

use crate::compile::{Compiled, Overrides};
use crate::parse::{Details, Node, UniqueId};
use crate::postgres::{Datum, has_top_level_word};
use crate::relation::Relation;

use super::adapter::Adapter;
use super::audit::Audit;
use super::data_test::{self, Counts};
use super::runner::RunContext;
use super::worker::{NodeRun, inside_transaction};

/// What tells the failures of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Measure {
    /// Rows for which the condition holds; each is a failure.
    Rows { condition: String },
    /// Rows for which the condition holds; without any there is no failure.
    AnyRow { condition: String },
    /// Groups of a column with more than one row; each is a failure.
    Groups { column: String },
}

/// A test that can be fused.
#[derive(Clone, Debug)]
struct Share {
    test: UniqueId,
    /// What stands behind `from`.
    source: String,
    measure: Measure,
    warn_if: String,
    error_if: String,
}

/// What shared statements told of tests that have not run yet.
#[derive(Debug, Default)]
pub struct Foretold {
    counts: Mutex<HashMap<UniqueId, Counts>>,
}

impl Foretold {
    fn tell(&self, test: &UniqueId, counts: Counts) {
        let mut known = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(test.clone(), counts);
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
    if !context.options.fuses_tests || tests.len() < 2 {
        return;
    }
    let mut by_source: IndexMap<String, Vec<Share>> = IndexMap::new();
    for test in tests {
        if let Some(share) = share_of(context, adapter, test, stand_in) {
            by_source
                .entry(share.source.clone())
                .or_default()
                .push(share);
        }
    }
    for shares in by_source.values().filter(|shares| shares.len() > 1) {
        let statement = statement(shares);
        let asked = inside_transaction(adapter, &tests[0], || {
            let mut session = adapter.session();
            // A scan that begins where another one was would find rows out of order.
            session.later("set local synchronize_seqscans = off");
            Ok(session.select(&statement).ok())
        });
        let Ok(Some(rows)) = asked else { continue };
        let Some(row) = rows.rows.first() else {
            continue;
        };
        for (share, cells) in shares.iter().zip(row.chunks(3)) {
            if let Some(counts) = counts(share, cells) {
                context.foretold.tell(&share.test, counts);
            }
        }
    }
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
    let relation = stand_in.or(parent.relation.as_ref())?.to_string();
    let compiled = context
        .compiler
        .compile_with(test, Some(run.database()), overrides)
        .ok()?;
    let source = match test.config.str("where") {
        Some(condition) => format!("(select * from {relation} where {condition}) dbt_subquery"),
        None => relation,
    };
    let config = &test.config;
    Some(Share {
        test: test.unique_id.clone(),
        measure: measure(test, &compiled, &source)?,
        source,
        warn_if: config.str("warn_if").unwrap_or("!= 0").to_owned(),
        error_if: config.str("error_if").unwrap_or("!= 0").to_owned(),
    })
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

fn form(sql: &str, source: &str, column: Option<&str>) -> Option<Measure> {
    if let Some(column) = column {
        let unique = words(
            sql,
            &[
                "select",
                column,
                "as",
                "unique_field",
                ",",
                "count(*)",
                "as",
                "n_records",
                "from",
                source,
                "where",
                column,
                "is",
                "not",
                "null",
                "group",
                "by",
                column,
                "having",
                "count(*)",
                ">",
                "1",
            ],
        );
        if unique.is_some_and(str::is_empty) {
            return Some(Measure::Groups {
                column: column.to_owned(),
            });
        }
        let accepted = words(
            sql,
            &[
                "with",
                "all_values",
                "as",
                "(",
                "select",
                column,
                "as",
                "value_field",
                ",",
                "count(*)",
                "as",
                "n_records",
                "from",
                source,
                "group",
                "by",
                column,
                ")",
                "select",
                "*",
                "from",
                "all_values",
                "where",
                "value_field",
                "not",
                "in",
                "(",
            ],
        );
        if let Some(values) = accepted.and_then(|rest| rest.strip_suffix(')')) {
            return Some(Measure::AnyRow {
                condition: format!("{column} not in ({values}\n)"),
            });
        }
    }
    let rest = words(sql, &["select"])?;
    let shown = rest.split_whitespace().next()?;
    let is_plain = shown == "*"
        || shown.bytes().all(|byte| byte.is_ascii_digit())
        || shown
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'"'));
    let condition = words(sql, &["select", shown, "from", source, "where"])?;
    let goes_on = FURTHER_CLAUSES
        .iter()
        .any(|word| has_top_level_word(condition, word));
    (is_plain && !goes_on && !condition.is_empty() && !condition.contains(';')).then(|| {
        Measure::Rows {
            condition: condition.to_owned(),
        }
    })
}

/// What may follow the condition of a query, and makes of its rows something else.
const FURTHER_CLAUSES: [&str; 11] = [
    "group",
    "having",
    "window",
    "union",
    "intersect",
    "except",
    "order",
    "limit",
    "offset",
    "fetch",
    "for",
];

/// What is left of the text behind these words, between any white space; `None` where they are not
/// what it begins with.
fn words<'s>(text: &'s str, words: &[&str]) -> Option<&'s str> {
    let mut rest = text.trim();
    for word in words {
        rest = rest.strip_prefix(word.trim())?;
        let is_cut = |before: char, after: char| {
            let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '"' || c == '.';
            is_name(before) && is_name(after)
        };
        if let (Some(before), Some(after)) = (word.chars().last(), rest.chars().next())
            && is_cut(before, after)
        {
            return None;
        }
        rest = rest.trim_start();
    }
    Some(rest)
}

/// One row: for each test its count, and whether it crosses either threshold.
fn statement(shares: &[Share]) -> String {
    let mut shown = Vec::new();
    let mut counted = Vec::new();
    let mut parts = Vec::new();
    for (at, share) in shares.iter().enumerate() {
        let Share {
            source,
            warn_if,
            error_if,
            ..
        } = share;
        shown.push(format!(
            "failures_{at}, failures_{at} {warn_if}, failures_{at} {error_if}"
        ));
        match &share.measure {
            Measure::Rows { condition } | Measure::AnyRow { condition } => counted.push(format!(
                "count(*) filter (where {condition}\n) as failures_{at}"
            )),
            Measure::Groups { column } => parts.push(groups(at, source, column)),
        }
    }
    if let (Some(share), false) = (shares.first(), counted.is_empty()) {
        let counted = counted.join(",\n");
        let part = format!("(select {counted}\nfrom {}) counted", share.source);
        parts.insert(0, part);
    }
    format!(
        "select {}\nfrom {}",
        shown.join(",\n"),
        parts.join("\ncross join ")
    )
}

/// Counts the groups of several rows.
///
/// Values that only ever grow from row to row are different ones, which needs neither sorting nor
/// memory. The first row that is out of order ends that look, and the rows are grouped.
fn groups(at: usize, source: &str, column: &str) -> String {
    format!(
        "(select case when not exists (select from (\n\
         select {column} as given, lag({column}) over () as before from {source}\n\
         where {column} is not null\n) following where not before < given) then 0 \
         else (select count(*) from (\nselect {column} from {source}\n\
         where {column} is not null group by {column} having count(*) > 1\n) repeated) end \
         as failures_{at}) groups_{at}"
    )
}

/// Reads what the shared statement tells of one test; `None` where that is not enough.
fn counts(share: &Share, cells: &[Datum]) -> Option<Counts> {
    let [failures, should_warn, should_error] = cells else {
        return None;
    };
    let failures = failures.as_i64()?;
    if failures != 0 && matches!(share.measure, Measure::AnyRow { .. }) {
        return None;
    }
    Some(Counts {
        failures,
        should_warn: should_warn.as_bool().unwrap_or(false),
        should_error: should_error.as_bool().unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_queries_of_a_known_form_are_fused() {
        let rows = |condition: &str| {
            let condition = condition.to_owned();
            Some(Measure::Rows { condition })
        };
        let is = |sql: &str, expected: Option<Measure>| {
            assert_eq!(form(sql, "\"s\".\"t\"", Some("id")), expected, "{sql}");
        };
        is(
            "\n select id\nfrom \"s\".\"t\"\n where id is null \n",
            rows("id is null"),
        );
        is(
            "select 1 from \"s\".\"t\" where not(a > (select max(b) from u limit 1))",
            rows("not(a > (select max(b) from u limit 1))"),
        );
        for sql in [
            "select id from \"s\".\"t\" as other where id is null",
            "select id from \"s\".\"t\" where id is null limit 1",
            "select id from \"s\".\"t\" where a group by id",
            "select distinct id from \"s\".\"t\" where id is null",
            "select count(*) from \"s\".\"t\" where id is null",
            "select id, a from \"s\".\"t\" where id is null",
            "select id from \"s\".\"t\".\"u\" where id is null",
            "with x as (select 1) select id from \"s\".\"t\" where id is null",
        ] {
            is(sql, None);
        }
    }
}

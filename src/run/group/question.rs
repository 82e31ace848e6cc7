//! What is asked about the tests of one relation, and refused where one of them fails.
//!
//! Relations of a group are small: it is planning a statement that takes time, and every name in it
//! of a view on views is planned anew. So a column's repeated values and whatever holds of rows are
//! counted in one pass over groups of that column.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::compile::Compiled;
use crate::compile::data_test::count_statement;
use crate::parse::{Node, UniqueId};
use crate::postgres::Datum;
use crate::relation::Relation;
use crate::run::data_test::Counts;
use crate::run::fused_tests::{Measure, Share, is_candidate};

/// A statement that answers one row, or is refused.
#[derive(Debug)]
pub(super) struct Question {
    pub sql: String,
    asked: Asked,
}

#[derive(Debug)]
enum Asked {
    Alone(UniqueId),
    Together(Vec<Share>),
}

impl Question {
    fn alone(test: &Node, compiled: &Compiled, warnings_object: bool) -> Question {
        let sql = count_statement(compiled, &test.config).sql;
        let objection = objection(test, ("should_warn", "should_error"), warnings_object);
        Question {
            sql: format!(
                "select failures, should_warn, should_error, {}\nfrom (\n{sql}\n) asked",
                // A test that counts null cannot tell.
                refusing(&format!("failures is null or {objection}"))
            ),
            asked: Asked::Alone(test.unique_id.clone()),
        }
    }

    /// Reads the row that answers it.
    pub(super) fn counts(&self, row: &[Datum]) -> Vec<(UniqueId, Counts)> {
        match &self.asked {
            Asked::Alone(test) => vec![(test.clone(), Counts::of_cells(row))],
            Asked::Together(shares) => shares
                .iter()
                .zip(row.chunks(3))
                .map(|(share, cells)| (share.test.clone(), Counts::of_cells(cells)))
                .collect(),
        }
    }
}

/// Words what is to be asked about tests of the relation, in as few statements as it takes.
///
/// Warnings hinder as much as errors where `warnings_object`.
pub(super) fn questions(
    tests: &[(&Arc<Node>, &Compiled)],
    relation: &Relation,
    (are_fused, warnings_object): (bool, bool),
) -> Vec<Question> {
    let mut questions = Vec::new();
    let mut by_source: IndexMap<String, Vec<(Share, &Node, &Compiled)>> = IndexMap::new();
    for &(test, compiled) in tests {
        let share = (are_fused && is_candidate(test))
            .then(|| Share::of(test, compiled, relation))
            .flatten()
            .filter(|share| is_error(test) || !matches!(share.measure, Measure::AnyRow { .. }));
        match share {
            Some(share) => {
                let shares = by_source.entry(share.source.clone()).or_default();
                shares.push((share, test, compiled));
            }
            None => questions.push(Question::alone(test, compiled, warnings_object)),
        }
    }
    for shares in by_source.into_values() {
        if let [(_, test, compiled)] = shares.as_slice() {
            questions.push(Question::alone(test, compiled, warnings_object));
            continue;
        }
        let mut objections = Vec::new();
        for (at, (share, test, _)) in shares.iter().enumerate() {
            let warn = format!("failures_{at} {}", share.warn_if);
            let error = format!("failures_{at} {}", share.error_if);
            objections.push(objection(test, (&warn, &error), warnings_object));
            if matches!(share.measure, Measure::AnyRow { .. }) {
                // The count does not tell enough.
                objections.push(format!("failures_{at} <> 0"));
            }
        }
        let shares: Vec<Share> = shares.into_iter().map(|(share, ..)| share).collect();
        questions.push(Question {
            sql: statement(&shares, &refusing(&objections.join(" or "))),
            asked: Asked::Together(shares),
        });
    }
    questions
}

fn is_error(test: &Node) -> bool {
    let severity = test.config.str("severity");
    severity.is_none_or(|severity| severity.eq_ignore_ascii_case("error"))
}

/// When a test hinders its relation from being published.
fn objection(test: &Node, (warn, error): (&str, &str), warnings_object: bool) -> String {
    match (is_error(test), warnings_object) {
        (true, true) => format!("({error}) or ({warn})"),
        (true, false) => format!("({error})"),
        (false, true) => format!("({warn})"),
        (false, false) => "false".to_owned(),
    }
}

/// A column that is refused where the condition holds.
fn refusing(condition: &str) -> String {
    format!("(case when {condition} then 'a test fails' else '0' end)::int")
}

/// One row: for each test its count, and whether it crosses either threshold; then the last column.
fn statement(shares: &[Share], last: &str) -> String {
    let mut shown = Vec::new();
    let mut counted = Vec::new();
    let mut summed = Vec::new();
    let mut grouped = Vec::new();
    for (at, share) in shares.iter().enumerate() {
        let (warn_if, error_if) = (&share.warn_if, &share.error_if);
        let count = format!("failures_{at}");
        shown.push(format!("{count}, {count} {warn_if}, {count} {error_if}"));
        match &share.measure {
            Measure::Rows { condition } | Measure::AnyRow { condition } => {
                counted.push(format!("count(*) filter (where {condition}\n) as {count}"));
                summed.push(format!("coalesce(sum({count}), 0)::bigint as {count}"));
            }
            Measure::Repeated {
                columns,
                keeps_nulls,
            } => grouped.push((count, columns, *keeps_nulls)),
        }
    }
    shown.push(last.to_owned());
    let source = shares.first().map_or("", |share| &share.source);
    let mut parts = Vec::new();
    let mut grouped = grouped.into_iter();
    match grouped.next() {
        None => parts.push(format!(
            "(select {}\nfrom {source}) counted",
            counted.join(",\n")
        )),
        Some((count, columns, keeps_nulls)) => {
            let given = if keeps_nulls { "true" } else { columns };
            counted.push(format!(
                "({given}) is not null as msv_given, count(*) as msv_repeated"
            ));
            summed.push(format!(
                "count(*) filter (where msv_given and msv_repeated > 1) as {count}"
            ));
            parts.push(format!(
                "(select {}\nfrom (select {}\nfrom {source}\ngroup by {columns}) msv_values) counted",
                summed.join(",\n"),
                counted.join(",\n")
            ));
        }
    }
    for (count, columns, keeps_nulls) in grouped {
        let kept = if keeps_nulls {
            String::new()
        } else {
            format!("where {columns} is not null ")
        };
        parts.push(format!(
            "(select count(*) as {count} from (\nselect 1 from {source}\n\
             {kept}group by {columns} having count(*) > 1\n) repeated) {count}"
        ));
    }
    format!(
        "select {}\nfrom {}",
        shown.join(",\n"),
        parts.join("\ncross join ")
    )
}

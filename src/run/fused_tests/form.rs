//! The query of a test, into what would tell its failures.

use crate::postgres::{closing_bracket, has_top_level_word};

/// What tells the failures of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::run) enum Measure {
    /// Rows for which the condition holds; each is a failure.
    Rows { condition: String },
    /// Rows for which the condition holds; without any there is no failure.
    AnyRow { condition: String },
    /// Groups of rows with the same values; without any of several rows there is no failure.
    Repeated { columns: String, keeps_nulls: bool },
}

/// Reads a query over `source`; `None` where it has no known form.
pub(super) fn form(sql: &str, source: &str, column: Option<&str>) -> Option<Measure> {
    if let Some(column) = column {
        let unique = [
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
        ];
        if words(sql, &unique).is_some_and(str::is_empty) {
            return Some(Measure::Repeated {
                columns: column.to_owned(),
                keeps_nulls: false,
            });
        }
        let accepted = [
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
        ];
        if let Some(values) =
            words(sql, &accepted).and_then(|rest| rest.trim_end().strip_suffix(')'))
        {
            return Some(Measure::AnyRow {
                condition: format!("{column} not in ({values}\n)"),
            });
        }
    }
    let (query, source) = bared(sql, source).unwrap_or((sql, source));
    repeated(query, source).or_else(|| rows(query, source))
}

/// The query inside `with a as (query) select * from a`, and what it reads: `source`, or a name
/// that `with b as (select * from source)` gave to it.
fn bared<'s>(sql: &'s str, source: &'s str) -> Option<(&'s str, &'s str)> {
    let mut read = source;
    let mut rest = words(sql, &["with"])?;
    loop {
        let name = rest.split(|c: char| !is_plain(c)).next()?;
        rest = words(rest, &[name, "as", "("])?;
        let (query, behind) = rest.split_at(closing_bracket(rest)?);
        match words(behind, &[")", ","]) {
            Some(next) => {
                words(query, &["select", "*", "from", read]).filter(|rest| rest.is_empty())?;
                (read, rest) = (name, next);
            }
            None => {
                let end = words(behind, &[")", "select", "*", "from", name])?;
                return end.is_empty().then_some((query, read));
            }
        }
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// `select a, b from source group by a, b having count(*) > 1`.
fn repeated(query: &str, source: &str) -> Option<Measure> {
    let rest = words(query, &["select"])?;
    let is_columns = |columns: &&str| {
        let is_name = |c| is_plain(c) || matches!(c, '"' | ',' | ' ');
        columns.chars().all(is_name) && !columns.is_empty()
    };
    let mut froms = rest.match_indices("from");
    froms.find_map(|(at, _)| {
        let columns = Some(rest[..at].trim()).filter(is_columns)?;
        let grouped = [
            "from", source, "group", "by", columns, "having", "count(*)", ">", "1",
        ];
        let end = words(&rest[at..], &grouped)?;
        end.is_empty().then(|| Measure::Repeated {
            columns: columns.to_owned(),
            keeps_nulls: true,
        })
    })
}

/// `select … from source where condition`, and nothing behind it.
fn rows(query: &str, source: &str) -> Option<Measure> {
    let rest = words(query, &["select"])?;
    let shown = rest.split_whitespace().next()?;
    let is_row_by_row =
        shown == "*" || shown.chars().all(|c| is_plain(c) || matches!(c, '.' | '"'));
    let condition = words(query, &["select", shown, "from", source, "where"])?;
    let goes_on = FURTHER_CLAUSES
        .iter()
        .any(|word| has_top_level_word(condition, word));
    (is_row_by_row && !goes_on && !condition.is_empty() && !condition.contains(';')).then(|| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_queries_of_a_known_form_are_fused() {
        let rows = |condition: &str| {
            let condition = condition.to_owned();
            Some(Measure::Rows { condition })
        };
        let repeated = |columns: &str, keeps_nulls: bool| {
            let columns = columns.to_owned();
            Some(Measure::Repeated {
                columns,
                keeps_nulls,
            })
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
        is(
            "with whole as(\n select *\n from \"s\".\"t\"\n), wrong as (\n select *\n from whole\n\
             where\n -- ) not the end\n 1 = 2 or not id >= 0 )\n\nselect *\nfrom wrong\n",
            rows("-- ) not the end\n 1 = 2 or not id >= 0"),
        );
        is(
            "select id as unique_field, count(*) as n_records from \"s\".\"t\"\n\
             where id is not null group by id having count(*) > 1",
            repeated("id", false),
        );
        is(
            "with found as (select\n a, \"B\"\n from \"s\".\"t\"\n group by a, \"B\"\n\
             having count(*) > 1) select * from found",
            repeated("a, \"B\"", true),
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
            "with a as (select * from \"s\".\"t\" where b), c as (select * from a where id is null) \
             select * from c",
            "with a as (select * from \"s\".\"t\" where id is null) select * from a limit 1",
            "with a as (select * from \"s\".\"t\" where id is null) select * from b",
            "with a as (select a, b from \"s\".\"t\" group by a having count(*) > 1) \
             select * from a",
        ] {
            is(sql, None);
        }
    }
}

//! Puts the queries of ephemeral models in front of the query that reads them, as CTEs.

use std::sync::Arc;

use crate::relation::tokens::{TokenKind, Tokens};

use super::compiled::Compiled;

/// What an ephemeral model is called inside the queries that read it.
pub fn cte_name(model: &str) -> String {
    format!("__dbt__cte__{model}")
}

/// One ephemeral parent: its CTE name and its compiled query.
#[derive(Clone, Debug)]
pub(super) struct Cte {
    pub name: String,
    pub query: Arc<Compiled>,
}

/// Writes `ctes` into the `with` clause of `query`, or gives it one.
///
/// The result's source map still leads to the template that produced each part.
pub(super) fn inject(query: Compiled, ctes: &[Cte]) -> Compiled {
    if ctes.is_empty() {
        return query;
    }
    let place = insertion_point(&query.sql);
    let mut out = Compiled::default();
    out.sql_header.clone_from(&query.sql_header);
    out.push_part(&query, 0..place.at);
    if !place.has_with {
        out.push_text("with");
    }
    // The white space is dbt's: people and tests compare compiled texts.
    for (index, cte) in ctes.iter().enumerate() {
        if index > 0 {
            out.push_text(", ");
        }
        out.push_text(&format!(" {} as (\n", cte.name));
        out.push_part(&cte.query, 0..cte.query.sql.len());
        out.push_text("\n)");
    }
    out.push_text(if place.has_with { ", " } else { " " });
    out.push_part(&query, place.at..query.sql.len());
    out
}

struct InsertionPoint {
    at: usize,
    has_with: bool,
}

/// Finds where the first CTE may stand: behind `with [recursive]`, or before everything.
fn insertion_point(sql: &str) -> InsertionPoint {
    let mut words = Tokens::new(sql).filter(|token| token.kind != TokenKind::Space);
    let mut next_is = |word: &str| {
        let token = words.next()?;
        let is_it = sql[token.start..token.end].eq_ignore_ascii_case(word);
        is_it.then_some(token.end)
    };
    match next_is("with") {
        Some(after_with) => InsertionPoint {
            at: skip_space(sql, next_is("recursive").unwrap_or(after_with)),
            has_with: true,
        },
        None => InsertionPoint {
            at: skip_space(sql, 0),
            has_with: false,
        },
    }
}

fn skip_space(sql: &str, at: usize) -> usize {
    let rest = &sql.as_bytes()[at..];
    at + rest.iter().take_while(|b| b.is_ascii_whitespace()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(sql: &str) -> Compiled {
        let mut out = Compiled::default();
        out.push_text(sql);
        out
    }

    fn injected(sql: &str) -> String {
        let query = Arc::new(compiled("select 1 as id"));
        inject(
            compiled(sql),
            &[Cte {
                name: cte_name("base"),
                query,
            }],
        )
        .sql
    }

    #[test]
    fn a_query_without_with_gets_one() {
        assert_eq!(
            injected("\nselect * from __dbt__cte__base"),
            "\nwith __dbt__cte__base as (\nselect 1 as id\n) select * from __dbt__cte__base"
        );
    }

    #[test]
    fn a_with_behind_comments_is_extended() {
        assert_eq!(
            injected("-- with x\n/* a /* b */ */ WITH recursive t as (select 1) select 2"),
            "-- with x\n/* a /* b */ */ WITH recursive  __dbt__cte__base as (\nselect 1 as id\n), \
             t as (select 1) select 2"
        );
    }

    #[test]
    fn a_name_that_begins_with_with_is_no_keyword() {
        assert!(injected("within").starts_with("with __dbt__cte__base"));
    }
}

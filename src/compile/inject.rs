//! Puts the queries of ephemeral models in front of the query that reads them, as CTEs.

use std::sync::Arc;

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
    let Some(after_with) = keyword(sql, skip_blank(sql, 0), "with") else {
        return InsertionPoint {
            at: skip_space(sql, 0),
            has_with: false,
        };
    };
    let next = skip_blank(sql, after_with);
    match keyword(sql, next, "recursive") {
        Some(after) => InsertionPoint {
            at: skip_space(sql, after),
            has_with: true,
        },
        None => InsertionPoint {
            at: skip_space(sql, after_with),
            has_with: true,
        },
    }
}

fn skip_space(sql: &str, at: usize) -> usize {
    let rest = &sql.as_bytes()[at..];
    at + rest.iter().take_while(|b| b.is_ascii_whitespace()).count()
}

/// Skips white space and comments; block comments nest in PostgreSQL.
fn skip_blank(sql: &str, mut at: usize) -> usize {
    let bytes = sql.as_bytes();
    loop {
        while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        if sql[at..].starts_with("--") {
            at = sql[at..].find('\n').map_or(sql.len(), |end| at + end + 1);
        } else if sql[at..].starts_with("/*") {
            let mut depth = 0;
            while at < bytes.len() {
                if sql[at..].starts_with("/*") {
                    depth += 1;
                    at += 2;
                } else if sql[at..].starts_with("*/") {
                    depth -= 1;
                    at += 2;
                    if depth == 0 {
                        break;
                    }
                } else {
                    at += sql[at..].chars().next().map_or(1, char::len_utf8);
                }
            }
        } else {
            return at;
        }
    }
}

fn keyword(sql: &str, at: usize, word: &str) -> Option<usize> {
    let end = at + word.len();
    let is_word = sql
        .get(at..end)
        .is_some_and(|found| found.eq_ignore_ascii_case(word));
    let ends = sql[end.min(sql.len())..]
        .chars()
        .next()
        .is_none_or(|next| !(next.is_alphanumeric() || next == '_' || next == '$'));
    (is_word && ends).then_some(end)
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

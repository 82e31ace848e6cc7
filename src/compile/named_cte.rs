//! Cuts a CTE out of a query by its name, with what it stands on: a unit test may look at a step
//! of its model.

use std::ops::Range;

use crate::relation::quote_identifier;
use crate::relation::tokens::{Token, TokenKind, Tokens};

use super::compiled::Compiled;

/// A CTE of a query, and where it may be read.
#[derive(Clone, Debug)]
struct NamedCte {
    name: String,
    is_quoted: bool,
    /// The `with` clauses around the one it stands in, up to where that one begins.
    around: Vec<Range<usize>>,
    /// Its own `with` clause.
    clause: Range<usize>,
}

/// Makes the query that reads the CTE `name` of `query` in place of its result.
///
/// # Errors
///
/// The names of the CTEs there are, when none has this one.
pub(super) fn read_cte(query: &Compiled, name: &str) -> Result<Compiled, Vec<String>> {
    let found = ctes_of(&query.sql);
    let is_exact = |cte: &&NamedCte| cte.name == name;
    let is_folded = |cte: &&NamedCte| !cte.is_quoted && cte.name.eq_ignore_ascii_case(name);
    let cte = found.iter().find(is_exact);
    let Some(cte) = cte.or_else(|| found.iter().find(is_folded)) else {
        return Err(found.into_iter().map(|cte| cte.name).collect());
    };
    let mut read = Compiled::default();
    read.sql_header.clone_from(&query.sql_header);
    for clause in &cte.around {
        read.push_part(query, clause.clone());
        read.push_text("\nselect * from (");
    }
    read.push_part(query, cte.clause.clone());
    read.push_text(&format!("\nselect * from {}", quote_identifier(&cte.name)));
    read.push_text(&") as msv_step".repeat(cte.around.len()));
    Ok(read)
}

/// All CTEs of a query, the outer ones first.
fn ctes_of(sql: &str) -> Vec<NamedCte> {
    let tokens: Vec<Token> = Tokens::new(sql)
        .filter(|token| token.kind != TokenKind::Space)
        .collect();
    let mut reader = Reader {
        sql,
        tokens: &tokens,
        found: Vec::new(),
    };
    reader.query(0..tokens.len(), &[]);
    let mut found = reader.found;
    found.sort_by_key(|cte| cte.around.len());
    found
}

struct Reader<'a> {
    sql: &'a str,
    tokens: &'a [Token],
    found: Vec<NamedCte>,
}

impl Reader<'_> {
    fn text(&self, at: usize) -> &str {
        let token = self.tokens.get(at);
        token.map_or("", |token| &self.sql[token.start..token.end])
    }

    fn is_word(&self, at: usize, word: &str) -> bool {
        self.text(at).eq_ignore_ascii_case(word)
    }

    fn kind(&self, at: usize) -> Option<TokenKind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    /// The bracket that closes the one at `open`.
    fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0usize;
        for at in open..self.tokens.len() {
            match self.tokens[at].kind {
                TokenKind::Open => depth += 1,
                TokenKind::Close => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Reads the query that these tokens are; `around` are the clauses whose CTEs it may read.
    fn query(&mut self, tokens: Range<usize>, around: &[Range<usize>]) {
        if !self.is_word(tokens.start, "with") {
            return self.subqueries(tokens, around);
        }
        let begin = self.tokens[tokens.start].start;
        let mut at = tokens.start + 1;
        if self.is_word(at, "recursive") {
            at += 1;
        }
        // Name and body of each, and where the one before it ends.
        let mut entries: Vec<(usize, Range<usize>, Option<usize>)> = Vec::new();
        let mut end = None;
        while let Some((body, after)) = self.entry(at) {
            entries.push((at, body, end));
            end = Some(self.tokens[after - 1].end);
            at = after;
            if self.text(at) != "," {
                break;
            }
            at += 1;
        }
        let Some(end) = end else {
            return self.subqueries(tokens, around);
        };
        for (name, _, _) in &entries {
            let is_quoted = self.kind(*name) == Some(TokenKind::QuotedName);
            let text = self.text(*name);
            let name = match is_quoted {
                true => text[1..text.len() - 1].replace("\"\"", "\""),
                false => text.to_lowercase(),
            };
            self.found.push(NamedCte {
                name,
                is_quoted,
                around: around.to_vec(),
                clause: begin..end,
            });
        }
        for (_, body, before) in entries {
            let before = before.map(|before| begin..before);
            self.query(body, &[around, before.as_slice()].concat());
        }
        let clause = begin..end;
        let around = [around, std::slice::from_ref(&clause)].concat();
        self.subqueries(at..tokens.end, &around);
    }

    /// Reads one CTE; the tokens of its body, and where the next one may follow.
    fn entry(&self, name: usize) -> Option<(Range<usize>, usize)> {
        let mut at = match self.kind(name)? {
            TokenKind::Word | TokenKind::QuotedName => name + 1,
            _ => return None,
        };
        if self.kind(at)? == TokenKind::Open {
            at = self.closing(at)? + 1;
        }
        if !self.is_word(at, "as") {
            return None;
        }
        at += 1;
        while self.is_word(at, "not") || self.is_word(at, "materialized") {
            at += 1;
        }
        if self.kind(at)? != TokenKind::Open {
            return None;
        }
        let close = self.closing(at)?;
        let body = at + 1..close;
        at = close + 1;
        // `search … set column`, `cycle … set column [to value default value] using column`
        for (clause, last) in [("search", "set"), ("cycle", "using")] {
            if self.is_word(at, clause) {
                at += (at..self.tokens.len()).position(|at| self.is_word(at, last))? + 2;
            }
        }
        Some((body, at))
    }

    /// Looks for queries in brackets that have CTEs of their own.
    fn subqueries(&mut self, tokens: Range<usize>, around: &[Range<usize>]) {
        let mut at = tokens.start;
        while at < tokens.end {
            if self.kind(at) == Some(TokenKind::Open)
                && self.is_word(at + 1, "with")
                && let Some(close) = self.closing(at)
            {
                self.query(at + 1..close, around);
                at = close;
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sql: &str, name: &str) -> Result<String, Vec<String>> {
        let mut query = Compiled::default();
        query.push_text(sql);
        read_cte(&query, name).map(|read| read.sql)
    }

    #[test]
    fn the_clause_stays_and_the_result_goes() {
        let sql = "-- with x\nwith a (n) as not materialized (select ')' as n), \"B b\" as (select 1)\n\
                   select * from a, \"B b\"";
        let clause = "with a (n) as not materialized (select ')' as n), \"B b\" as (select 1)";
        assert_eq!(read(sql, "A"), Ok(format!("{clause}\nselect * from \"a\"")));
        assert_eq!(
            read(sql, "B b"),
            Ok(format!("{clause}\nselect * from \"B b\""))
        );
        assert_eq!(
            read(sql, "b b"),
            Err(vec!["a".to_owned(), "B b".to_owned()])
        );
    }

    #[test]
    fn recursive_ctes_may_order_their_rows() {
        let clause = "with recursive t as (select 1 union all select n + 1 from t) \
                      search depth first by n, m set place cycle n set is_cycle using path, u as (select 2)";
        assert_eq!(
            read(&format!("{clause} select * from u"), "t"),
            Ok(format!("{clause}\nselect * from \"t\""))
        );
    }

    #[test]
    fn an_inner_cte_keeps_what_stands_before_the_outer_one() {
        let sql = "with a as (select 1), b as (with c as (select * from a) select * from c) \
                   select * from (with d as (select * from b) select * from d) as e";
        assert_eq!(
            read(sql, "c").as_deref(),
            Ok(
                "with a as (select 1)\nselect * from (with c as (select * from a)\nselect * from \"c\") as msv_step"
            )
        );
        assert_eq!(
            read(sql, "d").as_deref(),
            Ok(
                "with a as (select 1), b as (with c as (select * from a) select * from c)\n\
                 select * from (with d as (select * from b)\nselect * from \"d\") as msv_step"
            )
        );
        let first = "with b as (with c as (select 1) select 2) select 3";
        assert_eq!(
            read(first, "c").as_deref(),
            Ok("with c as (select 1)\nselect * from \"c\"")
        );
    }
}

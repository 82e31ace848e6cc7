//! Cuts a script into statements and names what each does, by its words alone; grammar is left to
//! the server.

use msv_relation::tokens::{TokenKind, Tokens};

/// What a statement does to the transaction around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionEffect {
    None,
    Begins,
    Ends,
    /// Rolls back to a savepoint: a failed transaction works again.
    Recovers,
}

/// True for what the server refuses to run together with other statements, or that may end the
/// transaction it runs in.
pub fn stands_alone(statement: &str) -> bool {
    let words = first_words(statement, 2);
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    match (word(0), word(1)) {
        ("vacuum" | "call" | "do" | "cluster" | "discard" | "reindex", _) => true,
        ("create" | "drop" | "alter", "database" | "tablespace" | "system" | "subscription") => {
            true
        }
        ("create", "index" | "unique") | ("drop", "index") | ("alter", "table") => {
            has_top_level_word(statement, "concurrently")
        }
        _ => false,
    }
}

/// Cuts a script at its semicolons; the parts are trimmed, empty ones are left out.
pub fn split_statements(sql: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut has_words = false;
    let mut depth = 0usize;
    // `create function ... begin atomic ...; end` holds semicolons of its own.
    let mut atomic_depth = 0usize;
    let mut previous_word = String::new();
    for token in Tokens::new(sql) {
        match token.kind {
            TokenKind::Semicolon if depth == 0 && atomic_depth == 0 => {
                if has_words {
                    parts.push(sql[start..token.start].trim());
                }
                start = token.end;
                has_words = false;
                previous_word.clear();
            }
            TokenKind::Space => {}
            TokenKind::Open => {
                depth += 1;
                has_words = true;
            }
            TokenKind::Close => {
                depth = depth.saturating_sub(1);
                has_words = true;
            }
            TokenKind::Word => {
                has_words = true;
                let word = sql[token.start..token.end].to_ascii_lowercase();
                match word.as_str() {
                    "atomic" if previous_word == "begin" => atomic_depth += 1,
                    "case" if atomic_depth > 0 => atomic_depth += 1,
                    "end" => atomic_depth = atomic_depth.saturating_sub(1),
                    _ => {}
                }
                previous_word = word;
            }
            TokenKind::QuotedName | TokenKind::Text | TokenKind::Other | TokenKind::Semicolon => {
                has_words = true
            }
        }
    }
    if has_words {
        parts.push(sql[start..].trim());
    }
    parts
}

/// Names what a statement does, as PostgreSQL's command tag would: `INSERT`, `CREATE VIEW`.
///
/// The driver keeps the tag's words to itself, so they are read off the statement.
pub fn command_tag(statement: &str) -> String {
    let words = first_words(statement, 24);
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    match word(0) {
        "with" => main_verb_after_with(statement).to_uppercase(),
        "select" if has_top_level_word(statement, "into") => "SELECT".into(),
        "(" | "values" | "table" => "SELECT".into(),
        "start" => "START TRANSACTION".into(),
        "end" => "COMMIT".into(),
        "abort" => "ROLLBACK".into(),
        "create" => create_tag(&words),
        "alter" | "drop" => format!("{} {}", word(0), object_kind(&words[1..])).to_uppercase(),
        "truncate" => "TRUNCATE TABLE".into(),
        "refresh" => "REFRESH MATERIALIZED VIEW".into(),
        "lock" => "LOCK TABLE".into(),
        "set" | "reset" | "analyze" | "vacuum" | "grant" | "revoke" | "comment" => {
            word(0).to_uppercase()
        }
        "prepare" if word(1) == "transaction" => "PREPARE TRANSACTION".into(),
        "declare" => "DECLARE CURSOR".into(),
        "close" => "CLOSE CURSOR".into(),
        "import" => "IMPORT FOREIGN SCHEMA".into(),
        other => other.to_uppercase(),
    }
}

fn create_tag(words: &[String]) -> String {
    let mut rest = &words[1..];
    loop {
        match rest.first().map(String::as_str) {
            Some("or") => rest = rest.get(2..).unwrap_or(&[]),
            Some(
                "global" | "local" | "temp" | "temporary" | "unlogged" | "unique" | "recursive"
                | "trusted" | "procedural" | "constraint",
            ) => rest = &rest[1..],
            _ => break,
        }
    }
    let kind = object_kind(rest);
    // `create table as` answers like a select.
    if matches!(kind.as_str(), "table" | "materialized view")
        && words.iter().any(|word| word == "as")
    {
        return "SELECT".into();
    }
    format!("create {kind}").to_uppercase()
}

fn object_kind(words: &[String]) -> String {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    match (word(0), word(1)) {
        ("materialized", "view") => "materialized view".into(),
        ("foreign", "table") => "foreign table".into(),
        ("foreign", "data") => "foreign data wrapper".into(),
        ("event", "trigger") => "event trigger".into(),
        ("default", "privileges") => "default privileges".into(),
        ("text", "search") => format!("text search {}", word(2)),
        (first, _) => first.to_owned(),
    }
}

pub(crate) fn transaction_effect(statement: &str) -> TransactionEffect {
    let words = first_words(statement, 4);
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    match word(0) {
        "begin" | "start" => TransactionEffect::Begins,
        "commit" | "end" | "rollback" | "abort" => {
            let is_to_savepoint = words.iter().any(|word| word == "to");
            let is_chained =
                words.iter().any(|word| word == "chain") && !words.iter().any(|word| word == "no");
            if word(1) == "prepared" {
                TransactionEffect::None
            } else if is_to_savepoint {
                TransactionEffect::Recovers
            } else if is_chained {
                TransactionEffect::Begins
            } else {
                TransactionEffect::Ends
            }
        }
        "prepare" if word(1) == "transaction" => TransactionEffect::Ends,
        _ => TransactionEffect::None,
    }
}

/// True when a script begins or ends a transaction itself.
pub fn has_transaction_control(sql: &str) -> bool {
    split_statements(sql)
        .iter()
        .any(|statement| transaction_effect(statement) != TransactionEffect::None)
}

/// True when a statement answers with rows, even when there are none.
pub(crate) fn returns_rows(statement: &str) -> bool {
    match first_words(statement, 1).first().map_or("", String::as_str) {
        "select" => !has_top_level_word(statement, "into"),
        "(" | "values" | "table" | "show" | "explain" | "fetch" | "execute" => true,
        "with" | "insert" | "update" | "delete" | "merge" => {
            let verb = command_tag(statement);
            verb == "SELECT" || has_top_level_word(statement, "returning")
        }
        _ => false,
    }
}

fn first_words(statement: &str, count: usize) -> Vec<String> {
    Tokens::new(statement)
        .filter(|token| token.kind != TokenKind::Space)
        .take(count)
        .map(|token| statement[token.start..token.end].to_ascii_lowercase())
        .collect()
}

/// True when the word stands outside of brackets, strings and comments.
pub fn has_top_level_word(statement: &str, wanted: &str) -> bool {
    let mut depth = 0usize;
    for token in Tokens::new(statement) {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Word
                if depth == 0 && statement[token.start..token.end].eq_ignore_ascii_case(wanted) =>
            {
                return true;
            }
            _ => {}
        }
    }
    false
}

/// Where the bracket is closed that was opened just before the text.
pub fn closing_bracket(text: &str) -> Option<usize> {
    let mut depth = 1usize;
    for token in Tokens::new(text) {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(token.start);
        }
    }
    None
}

fn main_verb_after_with(statement: &str) -> String {
    let mut depth = 0usize;
    for token in Tokens::new(statement) {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Word if depth == 0 => {
                let word = statement[token.start..token.end].to_ascii_lowercase();
                if matches!(
                    word.as_str(),
                    "select" | "insert" | "update" | "delete" | "merge"
                ) {
                    return word;
                }
                if matches!(word.as_str(), "values" | "table") {
                    return "select".into();
                }
            }
            _ => {}
        }
    }
    "select".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_in_strings_quotes_and_comments_do_not_cut() {
        let script = "select ';' ; -- a;b\n select $x$;$x$, \";\"; /* ; /* ; */ */ insert into t values (E'\\';');;";
        assert_eq!(
            split_statements(script),
            [
                "select ';'",
                "-- a;b\n select $x$;$x$, \";\"",
                "/* ; /* ; */ */ insert into t values (E'\\';')"
            ]
        );
    }

    #[test]
    fn a_function_body_written_in_sql_stays_whole() {
        let script = "create function f() returns int begin atomic select 1; select case when true then 1 end; end; select 2";
        assert_eq!(split_statements(script).len(), 2);
    }

    #[test]
    fn what_cannot_run_in_a_transaction_stands_alone() {
        for statement in [
            "vacuum (analyze) t",
            "/* by hand */ CALL p()",
            "create unique index concurrently on t (a)",
            "alter table t detach partition p concurrently",
        ] {
            assert!(stands_alone(statement), "{statement}");
        }
        for statement in ["create index on t (concurrently)", "analyze t", "select 1"] {
            assert!(!stands_alone(statement), "{statement}");
        }
    }

    #[test]
    fn tags_are_those_of_the_server() {
        for (statement, tag) in [
            ("/* note */ insert into t select 1", "INSERT"),
            ("create or replace view v as select 1", "CREATE VIEW"),
            ("create table t as select 1", "SELECT"),
            ("create temp table t (a int)", "CREATE TABLE"),
            ("create unique index on t (a)", "CREATE INDEX"),
            ("with x as (insert into t values (1)) select 1", "SELECT"),
            ("with x as (select 1) delete from t", "DELETE"),
            ("drop materialized view m", "DROP MATERIALIZED VIEW"),
            ("values (1)", "SELECT"),
        ] {
            assert_eq!(command_tag(statement), tag, "{statement}");
        }
    }

    #[test]
    fn rolling_back_to_a_savepoint_keeps_the_transaction() {
        assert_eq!(
            transaction_effect("rollback to a"),
            TransactionEffect::Recovers
        );
        assert_eq!(transaction_effect("ROLLBACK"), TransactionEffect::Ends);
        assert_eq!(
            transaction_effect("commit and chain"),
            TransactionEffect::Begins
        );
        assert_eq!(
            transaction_effect("begin isolation level serializable"),
            TransactionEffect::Begins
        );
    }

    #[test]
    fn an_insert_returns_rows_only_when_asked() {
        assert!(!returns_rows("insert into t values (1)"));
        assert!(returns_rows("insert into t values (1) returning a"));
        assert!(!returns_rows("select 1 into x"));
        assert!(returns_rows("with a as (select 1) select * from a"));
    }
}

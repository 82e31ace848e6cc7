//! Just enough of SQL's lexical rules to cut a script into statements and name what each does.
//!
//! Strings, dollar quotes, quoted names and comments are skipped as PostgreSQL skips them; grammar
//! is left to the server.

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
            TokenKind::Other | TokenKind::Semicolon => has_words = true,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenKind {
    /// White space or a comment.
    Space,
    Word,
    Open,
    Close,
    Semicolon,
    Other,
}

#[derive(Clone, Copy, Debug)]
struct Token {
    kind: TokenKind,
    start: usize,
    end: usize,
}

struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Tokens { text, at: 0 }
    }

    fn run_end(&self, from: usize, keep: impl Fn(u8) -> bool) -> usize {
        let bytes = self.text.as_bytes();
        let mut at = from;
        while at < bytes.len() && keep(bytes[at]) {
            at += 1;
        }
        at
    }

    /// The end of a quoted run that starts at `from`; the quote is doubled inside.
    fn skip_quoted(&self, from: usize, quote: u8, has_backslashes: bool) -> usize {
        let bytes = self.text.as_bytes();
        let mut at = from + 1;
        while at < bytes.len() {
            if has_backslashes && bytes[at] == b'\\' {
                at += 2;
            } else if bytes[at] == quote {
                if bytes.get(at + 1) != Some(&quote) {
                    return at + 1;
                }
                at += 2;
            } else {
                at += 1;
            }
        }
        bytes.len()
    }

    fn skip_block_comment(&self, from: usize) -> usize {
        let bytes = self.text.as_bytes();
        let mut depth = 0;
        let mut at = from;
        while at < bytes.len() {
            if bytes[at..].starts_with(b"/*") {
                depth += 1;
                at += 2;
            } else if bytes[at..].starts_with(b"*/") {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            } else {
                at += 1;
            }
        }
        bytes.len()
    }

    fn dollar_quote_end(&self, from: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let after_tag = self.run_end(from + 1, is_word_byte);
        if bytes.get(after_tag) != Some(&b'$')
            || bytes.get(from + 1).is_some_and(u8::is_ascii_digit)
        {
            return None;
        }
        let tag = &self.text[from..=after_tag];
        let body = &self.text[after_tag + 1..];
        Some(
            body.find(tag)
                .map_or(self.text.len(), |at| after_tag + 1 + at + tag.len()),
        )
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let first = *bytes.get(start)?;
        let rest = &bytes[start..];
        let (kind, end) = if first.is_ascii_whitespace() {
            (
                TokenKind::Space,
                self.run_end(start, |b| b.is_ascii_whitespace()),
            )
        } else if rest.starts_with(b"--") {
            (TokenKind::Space, self.run_end(start, |b| b != b'\n'))
        } else if rest.starts_with(b"/*") {
            (TokenKind::Space, self.skip_block_comment(start))
        } else if first == b'\'' {
            (TokenKind::Other, self.skip_quoted(start, b'\'', false))
        } else if matches!(first, b'e' | b'E') && rest.get(1) == Some(&b'\'') {
            (TokenKind::Other, self.skip_quoted(start + 1, b'\'', true))
        } else if first == b'"' {
            (TokenKind::Other, self.skip_quoted(start, b'"', false))
        } else if first == b'$' {
            let end = self.dollar_quote_end(start);
            (TokenKind::Other, end.unwrap_or(start + 1))
        } else if is_word_byte(first) {
            // A `$` inside a word belongs to it and starts no dollar quote.
            (
                TokenKind::Word,
                self.run_end(start, |b| is_word_byte(b) || b == b'$'),
            )
        } else {
            let kind = match first {
                b';' => TokenKind::Semicolon,
                b'(' => TokenKind::Open,
                b')' => TokenKind::Close,
                _ => TokenKind::Other,
            };
            (kind, start + 1)
        };
        let end = end.min(bytes.len());
        self.at = end;
        Some(Token { kind, start, end })
    }
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

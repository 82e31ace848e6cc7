//! Writes an instant in place of what SQL offers to ask for the time, so that a query gives the
//! same rows on any day.

use jiff::Timestamp;

use crate::relation::tokens::{Token, TokenKind, Tokens};

use super::compiled::Compiled;

/// Words that ask for the time, with the type they give.
const WORDS: [(&str, &str); 5] = [
    ("current_timestamp", "timestamp with time zone"),
    ("current_date", "date"),
    ("current_time", "time with time zone"),
    ("localtimestamp", "timestamp"),
    ("localtime", "time"),
];

/// Functions without arguments that do.
const FUNCTIONS: [&str; 4] = [
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "clock_timestamp",
];

/// Replaces every question for the time; the names of result columns stay what they were.
pub(super) fn freeze(query: &Compiled, now: Timestamp) -> Compiled {
    let sql = &query.sql;
    let tokens: Vec<Token> = Tokens::new(sql)
        .filter(|token| token.kind != TokenKind::Space)
        .collect();
    let text = |at: usize| {
        let token = tokens.get(at);
        token.map_or("", |token| &sql[token.start..token.end])
    };
    let mut frozen = Compiled::default();
    frozen.sql_header.clone_from(&query.sql_header);
    let mut done = 0;
    let mut at = 0;
    while at < tokens.len() {
        let asked = asked_at(&text, &tokens, at);
        let Some((name, data_type, first, last)) = asked else {
            at += 1;
            continue;
        };
        frozen.push_part(query, done..tokens[first].start);
        frozen.push_text(&format!(
            "(select cast(timestamp with time zone '{now}' as {data_type}) as {name})"
        ));
        done = tokens[last].end;
        at = last + 1;
    }
    frozen.push_part(query, done..sql.len());
    frozen
}

/// The name and type of the question that a token begins, with its first and last token.
fn asked_at<'t>(
    text: &impl Fn(usize) -> &'t str,
    tokens: &[Token],
    at: usize,
) -> Option<(String, String, usize, usize)> {
    if tokens[at].kind != TokenKind::Word {
        return None;
    }
    let word = text(at).to_ascii_lowercase();
    let before = |back: usize| at.checked_sub(back).map_or("", text);
    if let Some((_, data_type)) = WORDS.iter().find(|(known, _)| *known == word) {
        // A name after `as` or a dot may be any word.
        if before(1) == "." || before(1).eq_ignore_ascii_case("as") {
            return None;
        }
        let is_rounded = text(at + 1) == "(" && text(at + 3) == ")";
        let (data_type, last) = match (is_rounded, data_type.split_once(' ')) {
            (true, Some((first, rest))) => (format!("{first}({}) {rest}", text(at + 2)), at + 3),
            (true, None) => (format!("{data_type}({})", text(at + 2)), at + 3),
            (false, _) => ((*data_type).to_owned(), at),
        };
        // The words are reserved, so as a column's name they need quotes.
        return Some((format!("\"{word}\""), data_type, at, last));
    }
    let is_call = text(at + 1) == "(" && text(at + 2) == ")";
    if !FUNCTIONS.contains(&word.as_str()) || !is_call {
        return None;
    }
    let first = match before(1) {
        "." if before(2).eq_ignore_ascii_case("pg_catalog") => at - 2,
        "." => return None,
        _ => at,
    };
    let data_type = "timestamp with time zone".to_owned();
    Some((word, data_type, first, at + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_for_the_time_are_answered_and_nothing_else() {
        let frozen = |sql: &str| {
            let mut query = Compiled::default();
            query.push_text(sql);
            let now = Timestamp::from_second(0).expect("the epoch");
            freeze(&query, now).sql
        };
        let instant = "timestamp with time zone '1970-01-01T00:00:00Z'";
        let whole = format!("cast({instant} as timestamp with time zone)");
        assert_eq!(
            frozen("select NOW(), pg_catalog.now( ) , current_date + 1, current_timestamp(0)"),
            format!(
                "select (select {whole} as now), (select {whole} as now) , \
                 (select cast({instant} as date) as \"current_date\") + 1, \
                 (select cast({instant} as timestamp(0) with time zone) as \"current_timestamp\")"
            )
        );
        for other in [
            "select 'now()', \"current_date\", t.current_date, 1 as current_date -- now()",
            "select now, app.now(), now(1)",
        ] {
            assert_eq!(frozen(other), other);
        }
    }
}

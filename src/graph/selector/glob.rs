//! Unix wildcards `* ? [abc] [!a-z]`, over names and over paths.

use regex::Regex;

use msv_diagnostics::Diagnostic;

/// A name pattern; without wildcards it is compared as text.
#[derive(Clone, Debug)]
pub(super) enum Glob {
    Text(String),
    Pattern(Regex),
}

impl Glob {
    /// Matches whole names; `*` takes in everything, dots too.
    pub(super) fn new(pattern: &str) -> Result<Glob, Diagnostic> {
        if !has_wildcard(pattern) {
            return Ok(Glob::Text(pattern.to_owned()));
        }
        compile(&translate(pattern, ".*", "."), pattern)
    }

    /// Matches whole paths; `*` and `?` stop at a slash, `**/` takes in any folders.
    pub(super) fn path(pattern: &str) -> Result<Glob, Diagnostic> {
        if !has_wildcard(pattern) {
            return Ok(Glob::Text(pattern.to_owned()));
        }
        let body: Vec<String> = pattern
            .split('/')
            .map(|part| match part {
                "**" => "(?:[^/]+/)*".to_owned(),
                part => format!("{}/", translate(part, "[^/]*", "[^/]")),
            })
            .collect();
        let body = body.concat();
        let body = body.strip_suffix('/').unwrap_or(&body);
        compile(body, pattern)
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Glob::Text(text) => text == name,
            Glob::Pattern(regex) => regex.is_match(name),
        }
    }
}

pub(super) fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '[', ']'])
}

fn compile(body: &str, pattern: &str) -> Result<Glob, Diagnostic> {
    Regex::new(&format!("(?s)^(?:{body})$"))
        .map(Glob::Pattern)
        .map_err(|_| {
            Diagnostic::error(
                "MSV0209",
                format!("the wildcard `{pattern}` cannot be read"),
            )
            .help("wildcards are `*`, `?`, `[abc]`, `[a-z]` and `[!abc]`")
        })
}

fn translate(pattern: &str, any: &str, one: &str) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            '*' => out.push_str(any),
            '?' => out.push_str(one),
            '[' => match split_class(rest) {
                Some((class, after)) => {
                    out.push_str(&translate_class(class));
                    rest = after;
                }
                None => out.push_str("\\["),
            },
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

/// Splits `abc]rest`; a bracket in first place belongs to the class.
fn split_class(rest: &str) -> Option<(&str, &str)> {
    let skip = usize::from(rest.starts_with('!'));
    let first = rest[skip..].chars().next()?;
    let from = skip + first.len_utf8();
    let end = from + rest[from..].find(']')?;
    Some((&rest[..end], &rest[end + 1..]))
}

fn translate_class(class: &str) -> String {
    let (sign, members) = match class.strip_prefix('!') {
        Some(members) => ("^", members),
        None => ("", class),
    };
    let mut body = String::new();
    for member in members.chars() {
        if matches!(member, '\\' | '[' | ']' | '^' | '&' | '~') {
            body.push('\\');
        }
        body.push(member);
    }
    format!("[{sign}{body}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(pattern: &str, name: &str) -> bool {
        Glob::new(pattern).is_ok_and(|glob| glob.matches(name))
    }

    #[test]
    fn wildcards_match_whole_names() {
        assert!(is_match("stg_*", "stg_orders"));
        assert!(!is_match("stg_*", "int_stg_orders"));
        assert!(is_match("a?c", "abc"));
        assert!(is_match("[a-c]x", "bx"));
        assert!(is_match("[!a-c]x", "dx"));
        assert!(is_match("a.b*", "a.bc"));
        assert!(!is_match("a.b*", "axbc"));
        assert!(is_match("[]x", "[]x"));
    }

    #[test]
    fn path_wildcards_stop_at_a_slash() {
        let is_match =
            |pattern: &str, path: &str| Glob::path(pattern).is_ok_and(|glob| glob.matches(path));
        assert!(is_match("models/*/a.sql", "models/x/a.sql"));
        assert!(!is_match("models/*/a.sql", "models/x/y/a.sql"));
        assert!(is_match("models/**/a.sql", "models/x/y/a.sql"));
        assert!(is_match("models/**/a.sql", "models/a.sql"));
    }
}

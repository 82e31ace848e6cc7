//! Decides which paths a `.dbtignore` file leaves out; its patterns are those of `.gitignore`.

use std::path::Path;

use regex::Regex;

/// The patterns of one `.dbtignore`, in file order: the last that fits decides.
#[derive(Debug, Default)]
pub(super) struct IgnoreRules {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    pattern: Regex,
    is_negated: bool,
    is_folder_only: bool,
}

impl IgnoreRules {
    /// Reads `.dbtignore` in `dir`; no file means no rules.
    pub(super) fn read(dir: &Path) -> Self {
        match std::fs::read_to_string(dir.join(".dbtignore")) {
            Ok(text) => Self::parse(&text),
            Err(_) => Self::default(),
        }
    }

    pub(super) fn parse(text: &str) -> Self {
        let rules = text.lines().filter_map(parse_rule).collect();
        IgnoreRules { rules }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// `path` is relative to the folder of the `.dbtignore`, with `/`. Whether a folder above it
    /// is left out is for the caller to ask first.
    pub(super) fn is_ignored(&self, path: &str, is_folder: bool) -> bool {
        self.rules
            .iter()
            .rev()
            .find(|rule| (is_folder || !rule.is_folder_only) && rule.pattern.is_match(path))
            .is_some_and(|rule| !rule.is_negated)
    }
}

fn parse_rule(line: &str) -> Option<Rule> {
    let line = line.trim_end_matches(['\r', ' ']);
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (is_negated, line) = match line.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, line.strip_prefix('\\').unwrap_or(line)),
    };
    let (is_folder_only, line) = match line.strip_suffix('/') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let is_anchored = line.contains('/');
    let line = line.strip_prefix('/').unwrap_or(line);
    let start = if is_anchored { "^" } else { "^(?:.*/)?" };
    let pattern = Regex::new(&format!("{start}{}$", translate(line))).ok()?;
    Some(Rule {
        pattern,
        is_negated,
        is_folder_only,
    })
}

/// Turns a glob into a regular expression; `**` crosses folders, `*` and `?` do not.
fn translate(glob: &str) -> String {
    let mut out = String::new();
    let mut rest = glob;
    while let Some(letter) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("**/") {
            out.push_str("(?:.*/)?");
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("**") {
            out.push_str(".*");
            rest = after;
            continue;
        }
        if letter == '['
            && let Some(end) = rest[1..].find(']').filter(|end| *end > 0)
        {
            let class = rest[1..=end].replace('\\', "\\\\");
            let class = class
                .strip_prefix('!')
                .map_or(class.clone(), |rest| format!("^{rest}"));
            out.push_str(&format!("[{class}]"));
            rest = &rest[end + 2..];
            continue;
        }
        match letter {
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            _ => out.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4]))),
        }
        rest = &rest[letter.len_utf8()..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_gitignore() {
        let rules = IgnoreRules::parse(
            "# comment\n*.tmp.sql\nold/\n/models/wip\n!keep.tmp.sql\nmodels/**/x?.sql\n[ab].yml\n",
        );
        let cases = [
            ("models/a.tmp.sql", false, true),
            ("models/keep.tmp.sql", false, false),
            ("models/old", true, true),
            ("models/old", false, false),
            ("models/wip", true, true),
            ("deep/models/wip", true, false),
            ("models/x1.sql", false, true),
            ("models/a/b/x1.sql", false, true),
            ("models/a/x12.sql", false, false),
            ("models/b.yml", false, true),
            ("models/c.yml", false, false),
        ];
        for (path, is_folder, expected) in cases {
            assert_eq!(rules.is_ignored(path, is_folder), expected, "{path}");
        }
    }
}

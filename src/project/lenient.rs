//! Rewrites what PyYAML accepts and YAML 1.2 does not, so that every dbt project reads.
//!
//! Each character is replaced by one character, so places in the rewritten text are places in the
//! file. It runs only after the parser has refused a file.

/// Rewrites the text around a refusal at character `at`; `from` is where the last value ended that
/// the parser took. `None` when there is nothing to mend.
pub(super) fn mend(text: &[char], from: usize, at: usize) -> Option<Vec<char>> {
    mend_tab(text, at).or_else(|| mend_flow(text, from, at))
}

/// `key:<tab>value`: the tab becomes a space.
fn mend_tab(text: &[char], at: usize) -> Option<Vec<char>> {
    let at = (at.saturating_sub(1)..=at).find(|at| text.get(*at) == Some(&'\t'))?;
    let line_start = line_start(text, at);
    if text[line_start..at]
        .iter()
        .all(|letter| letter.is_whitespace())
    {
        return None;
    }
    let mut mended = text.to_vec();
    for letter in mended[at..]
        .iter_mut()
        .take_while(|letter| **letter == '\t')
    {
        *letter = ' ';
    }
    Some(mended)
}

/// A list in brackets whose lines are not indented more than its key becomes one line.
fn mend_flow(text: &[char], from: usize, at: usize) -> Option<Vec<char>> {
    let start = (from..at.min(text.len())).find(|index| opens_flow(text, *index))?;
    let mut mended = text.to_vec();
    let mut depth = 0;
    let mut index = start;
    let mut is_changed = false;
    while index < text.len() {
        match text[index] {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            quote @ ('"' | '\'') if !continues_word(text, index) => {
                index = end_of_quoted(text, index, quote)?;
            }
            '#' if text[index - 1].is_whitespace() => {
                while index < text.len() && text[index] != '\n' {
                    mended[index] = ' ';
                    index += 1;
                }
                continue;
            }
            '\n' | '\r' => {
                mended[index] = ' ';
                is_changed = true;
            }
            _ => {}
        }
        index += 1;
        if depth == 0 {
            return is_changed.then_some(mended);
        }
    }
    None
}

/// True for a bracket that starts a value: after `key: `, `- ` or at the start of a line.
fn opens_flow(text: &[char], index: usize) -> bool {
    if !matches!(text[index], '[' | '{') {
        return false;
    }
    let before = &text[line_start(text, index)..index];
    let end = before.iter().rposition(|letter| !letter.is_whitespace());
    match end {
        None => true,
        Some(end) => end + 1 < before.len() && matches!(before[end], ':' | '-'),
    }
}

/// A quote inside a word, as in `it's`, opens nothing.
fn continues_word(text: &[char], index: usize) -> bool {
    index > 0 && text[index - 1].is_alphanumeric()
}

fn end_of_quoted(text: &[char], start: usize, quote: char) -> Option<usize> {
    let mut index = start + 1;
    while index < text.len() {
        match text[index] {
            '\\' if quote == '"' => index += 1,
            letter if letter == quote => {
                if quote == '\'' && text.get(index + 1) == Some(&'\'') {
                    index += 1;
                } else {
                    return Some(index);
                }
            }
            _ => {}
        }
        index += 1;
    }
    None
}

fn line_start(text: &[char], index: usize) -> usize {
    text[..index]
        .iter()
        .rposition(|letter| *letter == '\n')
        .map_or(0, |newline| newline + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::yaml::from_str_value;

    #[test]
    fn brackets_and_tabs_are_read_as_pyyaml_reads_them() {
        let cases = [
            (
                "a:\n  - k: [\n    1\n    ]\n    z: 1\n",
                json!({"a": [{"k": [1], "z": 1}]}),
            ),
            (
                "a: [1,\n2]\nb: {x: 'q\"',\ny: \"]\"}\n",
                json!({"a": [1, 2], "b": {"x": "q\"", "y": "]"}}),
            ),
            (
                "a:\n  k: [ # é ]\n# it's\n'x', b\n]\nz: [\n1 # ]\n]\n",
                json!({"a": {"k": ["x", "b"]}, "z": [1]}),
            ),
            ("a:\t\tb\nc: 1\t\n", json!({"a": "b", "c": 1})),
        ];
        for (text, expected) in cases {
            assert_eq!(from_str_value(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_stays_wrong_is_reported() {
        assert!(from_str_value("a: [1,\n2\nb: 3\n").is_err());
        assert!(from_str_value("a:\n\t- b\n").is_err());
    }
}

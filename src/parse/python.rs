//! Python models: source text in, a template out that asks for the same things.
//!
//! PostgreSQL runs no Python, but a project may hold such models for another warehouse: they have
//! names, configuration and parents like any model, and are refused only when they are to be
//! built. The template has every call of `dbt.ref`, `dbt.source` and `dbt.config` at the place
//! where it stands in the source, so that what is said about it points there.

use std::ops::Range;
use std::sync::Arc;

use super::node::Template;
use msv_diagnostics::{Diagnostic, Place};

/// Functions of `dbt` that are called while parsing.
const CALLS: [&str; 3] = ["ref", "source", "config"];

/// Functions of `dbt.config` whose keys dbt notes.
const READS: [&str; 2] = ["get", "meta_get"];

/// A stretch of the source that is neither text nor comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Name,
    Text,
    Comment,
    Sign(u8),
}

#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    span: Range<usize>,
}

/// The template that makes the calls of a Python model.
///
/// # Errors
///
/// Where the file does not define one model, or a call has arguments that only Python could
/// compute.
pub(super) fn calls(source: &Template) -> Result<Template, Box<Diagnostic>> {
    let code = source.code();
    let tokens = tokens(code);
    let mistake = |title: String, at: Range<usize>, label: &str, help: &str| {
        let span = source.span.start + at.start..source.span.start + at.end;
        let place = Place::new(Arc::clone(&source.file), Arc::clone(&source.text), span);
        Box::new(
            Diagnostic::error("MSV0217", title)
                .at(place, label)
                .help(help),
        )
    };
    let is_definition = |pair: &&[Token]| {
        let [first, second] = pair else { return false };
        &code[first.span.clone()] == "def" && &code[second.span.clone()] == "model"
    };
    let definitions = tokens.windows(2).filter(is_definition).count();
    if definitions != 1 && !tokens.is_empty() {
        return Err(mistake(
            format!("a python file defines exactly one model, this one {definitions}"),
            0..0,
            "in this file",
            "write one function `def model(dbt, session):` that returns a data frame",
        ));
    }
    let mut out: Vec<u8> = source
        .text
        .bytes()
        .map(|byte| if byte == b'\n' { byte } else { b' ' })
        .collect();
    out.truncate(source.span.end);
    let mut reads: [Vec<String>; 4] = Default::default();
    let mut index = 0;
    while index < tokens.len() {
        let Some((name, open, is_read)) = call_at(code, &tokens, index) else {
            index += 1;
            continue;
        };
        let Some(close) = closing(&tokens, open) else {
            break;
        };
        let arguments = &tokens[open + 1..close];
        if let Some(token) = arguments
            .iter()
            .enumerate()
            .find_map(|(at, token)| (!is_literal(code, arguments, at)).then_some(token))
        {
            let called = &code[tokens[index].span.start..tokens[open].span.start];
            return Err(mistake(
                format!("`{called}` of a python model has an argument that is no literal"),
                token.span.clone(),
                "only Python could compute this",
                "write texts, numbers, true or false, lists and dicts",
            ));
        }
        let inside = tokens[open].span.end..tokens[close].span.start;
        if is_read {
            note_read(&mut reads, name == "meta_get", code, arguments, &inside);
        } else {
            let start = source.span.start + tokens[open - 1].span.start;
            let end = source.span.start + tokens[close].span.end;
            out[start - 3..start - 1].copy_from_slice(b"{{");
            out[start..end].copy_from_slice(&source.text.as_bytes()[start..end]);
            for comment in arguments.iter().filter(|token| token.kind == Kind::Comment) {
                let span =
                    source.span.start + comment.span.start..source.span.start + comment.span.end;
                out[span].fill(b' ');
            }
            if out.len() < end + 2 {
                out.resize(end + 2, b' ');
            }
            out[end..end + 2].copy_from_slice(b"}}");
        }
        index = close + 1;
    }
    if reads.iter().any(|found| !found.is_empty()) {
        let [keys, defaults, meta_keys, meta_defaults] = reads.map(|found| found.join(", "));
        out.extend_from_slice(
            format!(
                "{{{{ config(config_keys_used=[{keys}], config_keys_defaults=[{defaults}], \
                 meta_keys_used=[{meta_keys}], meta_keys_defaults=[{meta_defaults}]) }}}}"
            )
            .as_bytes(),
        );
    }
    let text = String::from_utf8_lossy(&out);
    Ok(Template {
        file: Arc::clone(&source.file),
        span: source.span.start..text.len(),
        text: text.into(),
    })
}

/// The call of `dbt` that begins at a token: the function's name, where its bracket opens, and
/// whether it reads configuration.
fn call_at<'c>(code: &'c str, tokens: &[Token], index: usize) -> Option<(&'c str, usize, bool)> {
    let text = |at: usize| tokens.get(at).map(|token| &code[token.span.clone()]);
    let is_member = index > 0 && text(index - 1) == Some(".");
    if text(index) != Some("dbt") || is_member || text(index + 1) != Some(".") {
        return None;
    }
    let name = text(index + 2)?;
    if text(index + 3) == Some("(") {
        return CALLS.contains(&name).then_some((name, index + 3, false));
    }
    let read = text(index + 4)?;
    let is_read = name == "config"
        && text(index + 3) == Some(".")
        && text(index + 5) == Some("(")
        && READS.contains(&read);
    is_read.then_some((read, index + 5, true))
}

fn closing(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Sign(b'(' | b'[' | b'{') => depth += 1,
            Kind::Sign(b')' | b']' | b'}') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether a token may stand in a literal, or names a keyword argument.
fn is_literal(code: &str, tokens: &[Token], at: usize) -> bool {
    let token = &tokens[at];
    let text = &code[token.span.clone()];
    match token.kind {
        Kind::Name => {
            let is = |at: usize, sign: u8| {
                tokens
                    .get(at)
                    .is_some_and(|token| token.kind == Kind::Sign(sign))
            };
            let is_keyword = is(at + 1, b'=') && !is(at + 2, b'=');
            let is_number = text.starts_with(|c: char| c.is_ascii_digit());
            is_keyword || is_number || matches!(text, "True" | "False" | "None")
        }
        _ => true,
    }
}

/// Notes a key and its default, as `config` takes them.
fn note_read(
    reads: &mut [Vec<String>; 4],
    is_meta: bool,
    code: &str,
    arguments: &[Token],
    inside: &Range<usize>,
) {
    let comma = arguments
        .iter()
        .find(|token| token.kind == Kind::Sign(b','))
        .map_or(inside.end, |token| token.span.start);
    let key = code[inside.start..comma].trim();
    let default = code[comma..inside.end].trim_start_matches(',').trim();
    let at = if is_meta { 2 } else { 0 };
    if !key.is_empty() {
        reads[at].push(key.to_owned());
        reads[at + 1].push(if default.is_empty() { "none" } else { default }.to_owned());
    }
}

fn tokens(code: &str) -> Vec<Token> {
    let bytes = code.as_bytes();
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let byte = bytes[at];
        let kind = match byte {
            b'#' => {
                at += bytes[at..]
                    .iter()
                    .take_while(|byte| **byte != b'\n')
                    .count();
                Kind::Comment
            }
            b'\'' | b'"' => {
                at = text_end(bytes, at);
                Kind::Text
            }
            byte if byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80 => {
                at += bytes[at..]
                    .iter()
                    .take_while(|byte| {
                        **byte == b'_' || byte.is_ascii_alphanumeric() || **byte >= 0x80
                    })
                    .count();
                Kind::Name
            }
            byte => {
                at += 1;
                if byte.is_ascii_whitespace() {
                    continue;
                }
                Kind::Sign(byte)
            }
        };
        // What an f-string computes is code.
        if kind == Kind::Text
            && let Some(prefix) = tokens.last().filter(|token| token.span.end == start)
            && prefix.kind == Kind::Name
            && prefix.span.len() <= 2
            && code[prefix.span.clone()].contains(['f', 'F'])
        {
            computed(code, start..at, &mut tokens);
            continue;
        }
        tokens.push(Token {
            kind,
            span: start..at,
        });
    }
    tokens
}

/// Adds the tokens between the braces of an f-string.
fn computed(code: &str, text: Range<usize>, tokens_so_far: &mut Vec<Token>) {
    let mut at = text.start;
    while let Some(open) = code[at..text.end].find('{').map(|found| found + at + 1) {
        let Some(close) = code[open..text.end].find('}').map(|found| found + open) else {
            return;
        };
        tokens_so_far.extend(tokens(&code[open..close]).into_iter().map(|token| Token {
            kind: token.kind,
            span: token.span.start + open..token.span.end + open,
        }));
        at = close;
    }
}

/// The end of the text that a quote at `at` opens.
fn text_end(bytes: &[u8], at: usize) -> usize {
    let quote = bytes[at];
    let triple = [quote; 3];
    let is_triple = bytes[at..].starts_with(&triple);
    let closer: &[u8] = if is_triple { &triple } else { &triple[..1] };
    let mut end = at + closer.len();
    while end < bytes.len() {
        if bytes[end] == b'\\' {
            end += 2;
        } else if bytes[end..].starts_with(closer) {
            return end + closer.len();
        } else {
            end += 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::{Template, calls};

    fn template(code: &str) -> Template {
        Template {
            file: "models/x.py".into(),
            text: code.into(),
            span: 0..code.len(),
        }
    }

    #[test]
    fn calls_stand_where_the_source_has_them() {
        let code = "import dbt\n\ndef model(dbt, session):  # dbt.ref('not this')\n    \
                    dbt.config(materialized='table', tags=[\"é\", 'b'])\n    \
                    both = [dbt.ref('a'),dbt.ref('p', 'b', v=2)]\n    \
                    text = 'dbt.ref(1)'\n    \
                    limit = dbt.config.get(\"limit\", 5)\n    \
                    return dbt.source('raw', 'c').sql(f'{dbt.ref(\"d\")}')\n";
        let made = calls(&template(code)).expect("the model is literal");
        let found: Vec<&str> = made.text.split_whitespace().collect();
        assert_eq!(
            found.join(" "),
            "{{ config(materialized='table', tags=[\"é\", 'b'])}} {{ ref('a')}}{{ ref('p', 'b', \
             v=2)}} {{ source('raw', 'c')}} {{ ref(\"d\")}} {{ config(config_keys_used=[\"limit\"], \
             config_keys_defaults=[5], meta_keys_used=[], meta_keys_defaults=[]) }}"
        );
        let offset = code.find("ref('p'").expect("it is there");
        assert!(made.text[offset..].starts_with("ref('p'"));
    }

    #[test]
    fn computed_arguments_are_refused() {
        let computed = calls(&template("def model(dbt, s):\n    return dbt.ref(name)\n"));
        assert_eq!(computed.expect_err("a variable").code, "MSV0217");
        let two = calls(&template(
            "def model(dbt, s): pass\ndef model(dbt, s): pass\n",
        ));
        assert_eq!(two.expect_err("two models").code, "MSV0217");
    }
}

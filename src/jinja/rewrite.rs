//! Rewrite: dbt's Jinja in, the same template for upstream minijinja and a position map out.
//!
//! Python's Jinja has mutable lists and dicts, `%` on strings, operators on dates, default
//! arguments that see earlier ones, `do` with any expression; minijinja has none of these. The
//! rewriter keeps the text as it is and puts helper filters around the operands (`[1] + x`
//! becomes `((([1]|__list))|__add(x))`), so that every offset has a way back. Calls of `ref`,
//! `source`, `config`, `metric` and `function` get a hidden keyword that numbers the call, which
//! is how the host learns its place. An expression that is not understood is left alone: the
//! engine's parser then reports it.

use std::ops::Range;
use std::sync::Arc;

use crate::balance;
use crate::position::Record;
use crate::scan::{Kind, Piece, Scan, ScanError, Tag, Token, scan, space_width};
use crate::splice::{Edit, Writer};
use crate::walk::Walk;

/// Keyword under which a call carries its number.
pub(crate) const SITE: &str = "__site";

/// Declares the macro through which every macro body runs in the caller's own state.
const BOOT: &str = "{%- macro __run(__template) %}{% include __template %}{% endmacro %}\
                    {% do __boot(__run) %}";

/// A parameter of a macro: its name and, when it has one, where its default stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub default: Option<Range<usize>>,
}

/// What a macro's body asks for beyond its parameters.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hidden {
    pub(crate) varargs: bool,
    pub(crate) kwargs: bool,
    pub(crate) caller: bool,
}

/// True when a text holds anything that opens or closes a tag or comment.
pub(crate) fn has_tags(text: &str) -> bool {
    ["{{", "{%", "{#", "}}", "%}", "#}"]
        .iter()
        .any(|mark| text.contains(mark))
}

/// Rewrites a template that is rendered by itself, such as a model.
///
/// Like Jinja, drops one newline at the end.
pub(crate) fn template(
    file: Arc<str>,
    text: Arc<str>,
    span: Range<usize>,
) -> Result<Record, ScanError> {
    // dbt hands text without tags on as it is.
    let mut end = span.end;
    if has_tags(&text[span.clone()])
        && let Some(shorter) = text[span.start..end].strip_suffix('\n')
    {
        end = span.start + shorter.strip_suffix('\r').unwrap_or(shorter).len();
    }
    let span = span.start..end;
    let scan = scan(&text, span.clone())?;
    balance::check(&text, &scan)?;
    let (edits, sites) = edits(&text, &scan);
    let mut writer = Writer::new(&text, edits, span.len());
    writer.insert(BOOT, span.start);
    writer.copy(span);
    Ok(writer.finish(file, text.clone(), sites, false))
}

/// Rewrites a single expression so that its value, not its text, is kept.
pub(crate) fn expression(file: Arc<str>, text: Arc<str>, tag: &Tag, scan: &Scan) -> Option<Record> {
    let first = scan.tokens.get(tag.tokens.start)?.start;
    let last = scan.tokens.get(tag.tokens.end.checked_sub(1)?)?.end;
    let (edits, sites) = edits(&text, scan);
    let mut writer = Writer::new(&text, edits, last - first);
    writer.insert(BOOT, first);
    writer.insert("{% do __keep((", first);
    writer.copy(first..last);
    writer.insert(")) %}", last);
    Some(writer.finish(file, text.clone(), sites, false))
}

/// Rewrites a template so that the value of each expression it prints is kept besides.
pub(crate) fn joined(
    file: Arc<str>,
    text: Arc<str>,
    span: Range<usize>,
) -> Result<Record, ScanError> {
    let end = span.end - usize::from(text[span.clone()].ends_with('\n'));
    let span = span.start..end;
    let scan = scan(&text, span.clone())?;
    balance::check(&text, &scan)?;
    let (mut edits, sites) = edits(&text, &scan);
    for piece in &scan.pieces {
        if let Piece::Output(tag) = piece
            && let tokens = &scan.tokens[tag.tokens.clone()]
            && let (Some(first), Some(last)) = (tokens.first(), tokens.last())
        {
            // Around every other edit at the same places.
            for (at, insert, order) in [
                (first.start, "__keep((", (1, isize::MIN)),
                (last.end, "))", (0, isize::MAX)),
            ] {
                edits.push(Edit {
                    at,
                    remove: 0,
                    insert: insert.to_owned(),
                    order,
                });
            }
        }
    }
    let mut writer = Writer::new(&text, edits, span.len());
    writer.insert(BOOT, span.start);
    writer.copy(span);
    Ok(writer.finish(file, text.clone(), sites, false))
}

/// The part of a macro that the rewriter needs.
pub(crate) struct MacroText<'m> {
    pub(crate) file: Arc<str>,
    pub(crate) text: Arc<str>,
    pub(crate) span: Range<usize>,
    pub(crate) body: Range<usize>,
    pub(crate) parameters: &'m [Parameter],
    pub(crate) hidden: Hidden,
    pub(crate) is_builtin: bool,
}

/// Rewrites a macro into a template that first takes its arguments.
pub(crate) fn macro_template(input: &MacroText<'_>) -> Result<Record, ScanError> {
    let text = &input.text;
    let whole = scan(text, input.span.clone())?;
    balance::check(text, &whole)?;
    let (mut edits, mut sites) = edits(text, &whole);
    for parameter in input.parameters {
        let Some(default) = &parameter.default else {
            continue;
        };
        // The scan of the header already holds the tokens of the default.
        let tokens: Vec<Token> = whole
            .tokens
            .iter()
            .copied()
            .filter(|token| token.start >= default.start && token.end <= default.end)
            .collect();
        let mut walk = Walk::new(text, &tokens);
        walk.first_site = sites.len();
        if walk.whole() {
            edits.append(&mut walk.edits);
            sites.append(&mut walk.sites);
        }
    }
    let mut writer = Writer::new(text, edits, input.body.len());
    let mut names: Vec<&str> = input.parameters.iter().map(|p| p.name.as_str()).collect();
    let hidden = input.hidden;
    for (is_used, name) in [
        (hidden.varargs, "varargs"),
        (hidden.kwargs, "kwargs"),
        (hidden.caller, "caller"),
    ] {
        if is_used {
            names.push(name);
        }
    }
    let at = input.span.start;
    if !names.is_empty() {
        writer.insert(
            &format!("{{% set {} = __arguments() %}}", names.join(", ")),
            at,
        );
    }
    for (index, parameter) in input.parameters.iter().enumerate() {
        if let Some(default) = &parameter.default {
            let name = &parameter.name;
            writer.insert(
                &format!("{{% if __is_missing({index}) %}}{{% set {name} = ("),
                default.start,
            );
            writer.copy(default.clone());
            writer.insert(") %}{% endif %}", default.end);
        }
    }
    writer.copy(input.body.clone());
    Ok(writer.finish(input.file.clone(), text.clone(), sites, input.is_builtin))
}

/// True when one of the names `varargs`, `kwargs` or `caller` is used in the scan.
pub(crate) fn hidden(text: &str, scan: &Scan, body: &Range<usize>) -> Hidden {
    let mut hidden = Hidden::default();
    let mut is_after_dot = false;
    for token in &scan.tokens {
        if token.start >= body.start && token.kind == Kind::Name && !is_after_dot {
            match token.text(text) {
                "varargs" => hidden.varargs = true,
                "kwargs" => hidden.kwargs = true,
                "caller" => hidden.caller = true,
                _ => {}
            }
        }
        is_after_dot = token.kind == Kind::Dot;
    }
    hidden
}

fn edits(text: &str, scan: &Scan) -> (Vec<Edit>, Vec<Range<usize>>) {
    let mut edits = Vec::new();
    let mut sites = Vec::new();
    for piece in &scan.pieces {
        let (tag, is_output) = match piece {
            Piece::Output(tag) => (tag, true),
            Piece::Statement(tag) => (tag, false),
            _ => continue,
        };
        let tokens = &scan.tokens[tag.tokens.clone()];
        let mut walk = Walk::new(text, tokens);
        walk.first_site = sites.len();
        let is_understood = if is_output {
            walk.output()
        } else {
            walk.statement(tag).is_some()
        };
        if is_understood {
            edits.append(&mut walk.edits);
            sites.append(&mut walk.sites);
        }
    }
    edits.extend(scopes(text, scan));
    edits.extend(spaces(text, scan));
    (edits, sites)
}

/// Puts a plain space for white space between tokens that the engine does not know as such.
fn spaces(text: &str, scan: &Scan) -> Vec<Edit> {
    let mut edits = Vec::new();
    for piece in &scan.pieces {
        let (Piece::Output(tag) | Piece::Statement(tag)) = piece else {
            continue;
        };
        if text[tag.span.clone()].is_ascii() {
            continue;
        }
        let mut at = tag.span.start;
        let tokens = scan.tokens[tag.tokens.clone()].iter();
        let gaps = tokens.map(|token| (token.start, token.end));
        for (start, end) in gaps.chain([(tag.span.end, tag.span.end)]) {
            while at < start {
                let width = space_width(text, at).unwrap_or(1);
                if width > 1 {
                    edits.push(Edit {
                        at,
                        remove: width,
                        insert: " ".to_owned(),
                        order: (2, 0),
                    });
                }
                at += width;
            }
            at = end;
        }
    }
    edits
}

/// Gives the body of each `{% set x %}…{% endset %}` a scope of its own, as Jinja does.
fn scopes(text: &str, scan: &Scan) -> Vec<Edit> {
    let mut edits = Vec::new();
    for piece in &scan.pieces {
        let Piece::Statement(tag) = piece else {
            continue;
        };
        let tokens = &scan.tokens[tag.tokens.clone()];
        let (at, insert) = match tokens.first().map(|token| token.text(text)) {
            Some("set") if balance::is_block_set(tokens) => {
                let sign = if tag.trims_after { "-" } else { "" };
                (tag.span.end, format!("{{% with {sign}%}}"))
            }
            Some("endset") => {
                let sign = if tag.trims_before { "-" } else { "" };
                (tag.span.start, format!("{{%{sign} endwith %}}"))
            }
            _ => continue,
        };
        edits.push(Edit {
            at,
            remove: 0,
            insert,
            order: (0, 0),
        });
    }
    edits
}

//! Calls: which macros a macro's text names, found without running it.

use crate::blocks::MacroDefinition;
use crate::scan::{Kind, Token, scan};

/// A call as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// `name(…)` or `package.name(…)`
    Named(String),
    /// `adapter.dispatch('name', 'namespace')`
    Dispatched {
        name: String,
        namespace: Option<String>,
    },
}

/// The calls of a macro, in the order they are written, each once.
pub(crate) fn calls(definition: &MacroDefinition) -> Vec<Call> {
    let text: &str = &definition.text;
    let Ok(scanned) = scan(text, definition.span.clone()) else {
        return Vec::new();
    };
    let tokens = &scanned.tokens;
    let header_end = definition.body.start;
    let mut found: Vec<Call> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_header_name = token.start < header_end && at < 2;
        let follows = |at: usize, kind| tokens.get(at).is_some_and(|t: &Token| t.kind == kind);
        let before = at.checked_sub(1).map(|before| tokens[before].kind);
        if token.kind != Kind::Name
            || is_header_name
            || matches!(before, Some(Kind::Dot | Kind::Pipe))
        {
            continue;
        }
        let name = token.text(text);
        let call = if follows(at + 1, Kind::Open(b'(')) {
            Some(Call::Named(name.to_owned()))
        } else if follows(at + 1, Kind::Dot)
            && follows(at + 2, Kind::Name)
            && follows(at + 3, Kind::Open(b'('))
        {
            let member = tokens[at + 2].text(text);
            match (name, member) {
                ("adapter", "dispatch") => dispatched(&tokens[at + 4..], text),
                ("adapter", _) => None,
                _ => Some(Call::Named(format!("{name}.{member}"))),
            }
        } else {
            None
        };
        if let Some(call) = call
            && !found.contains(&call)
        {
            found.push(call);
        }
    }
    found
}

/// Reads the arguments of `adapter.dispatch(`; none where they are not plain text.
fn dispatched(tokens: &[Token], text: &str) -> Option<Call> {
    let mut name = None;
    let mut namespace = None;
    let mut at = 0;
    let mut position = 0;
    while let Some(token) = tokens.get(at) {
        match token.kind {
            Kind::Close(b')') => break,
            Kind::Comma => {
                at += 1;
                position += 1;
                continue;
            }
            _ => {}
        }
        let is_named = token.kind == Kind::Name && tokens.get(at + 1)?.kind == Kind::Assign;
        let key = is_named.then(|| token.text(text));
        if is_named {
            at += 2;
        }
        let value = tokens.get(at)?;
        if value.kind != Kind::Text {
            return None;
        }
        let value = value.text(text).trim_matches(['\'', '"']).to_owned();
        match (key, position) {
            (Some("macro_name"), _) | (None, 0) => name = Some(value),
            (Some("macro_namespace"), _) | (None, 1) => namespace = Some(value),
            _ => {}
        }
        at += 1;
    }
    Some(Call::Dispatched {
        name: name?,
        namespace,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::blocks::{Block, extract_blocks};

    #[test]
    fn calls_are_found_once_and_in_order() {
        let text = "{% macro f(a) %}{{ g(h(a)) }}{{ p.q(1) | trim }}{% call s() %}x{% endcall %}\
                    {{ return(adapter.dispatch('f', macro_namespace='p')(g)) }}{{ a.b.c(2) }}{% endmacro %}";
        let (blocks, _) = extract_blocks("p", Arc::from("f.sql"), Arc::from(text));
        let Some(Block::Macro(definition)) = blocks.first() else {
            panic!("a macro is expected");
        };
        let named = |name: &str| Call::Named(name.to_owned());
        let dispatched = Call::Dispatched {
            name: "f".to_owned(),
            namespace: Some("p".to_owned()),
        };
        assert_eq!(
            calls(definition),
            [
                named("g"),
                named("h"),
                named("p.q"),
                named("s"),
                named("return"),
                dispatched
            ]
        );
    }
}

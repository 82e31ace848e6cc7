//! Dependencies: which macros a macro's text calls, found without running it.

use crate::blocks::MacroDefinition;
use crate::engine::Shared;
use crate::macros::Macro;
use crate::scan::{Kind, Token, scan};

/// Ids of the macros that a macro calls by name or through `adapter.dispatch`, in the order they
/// are written, each once.
///
/// Names that are computed are not seen.
pub(crate) fn dependencies(shared: &Shared, definition: &MacroDefinition) -> Vec<String> {
    let text: &str = &definition.text;
    let Ok(scanned) = scan(text, definition.body.clone()) else {
        return Vec::new();
    };
    let tokens = &scanned.tokens;
    let kind = |at: usize| tokens.get(at).map(|token| token.kind);
    let mut found: Vec<String> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(kind);
        if token.kind != Kind::Name || matches!(before, Some(Kind::Dot | Kind::Pipe)) {
            continue;
        }
        let name = token.text(text);
        let is_member = kind(at + 1) == Some(Kind::Dot) && kind(at + 2) == Some(Kind::Name);
        let called = if kind(at + 1) == Some(Kind::Open(b'(')) {
            shared.find(&definition.package, name)
        } else if is_member && kind(at + 3) == Some(Kind::Open(b'(')) {
            match tokens[at + 2].text(text) {
                "dispatch" if name == "adapter" => {
                    dispatched(shared, &definition.package, &tokens[at + 4..], text)
                }
                member => shared.find(&definition.package, &format!("{name}.{member}")),
            }
        } else {
            None
        };
        let called = called.and_then(|value| value.downcast_object_ref::<Macro>());
        let id = called.map(|called| format!("macro.{}.{}", called.package, called.name));
        if let Some(id) = id.filter(|id| *id != definition.unique_id)
            && !found.contains(&id)
        {
            found.push(id);
        }
    }
    found
}

/// What `adapter.dispatch(` leads to, where its arguments are plain text.
fn dispatched<'s>(
    shared: &'s Shared,
    package: &str,
    tokens: &[Token],
    text: &str,
) -> Option<&'s minijinja::Value> {
    let mut texts = Vec::new();
    for token in tokens {
        match token.kind {
            Kind::Close(b')') => break,
            Kind::Text => texts.push(token.text(text).trim_matches(['\'', '"'])),
            Kind::Comma | Kind::Name | Kind::Assign => {}
            _ => return None,
        }
    }
    let (name, mut namespace) = (*texts.first()?, texts.get(1).copied());
    let name = match name.split_once('.') {
        Some((package, name)) => {
            namespace = namespace.or(Some(package));
            name
        }
        None => name,
    };
    shared.dispatched(package, name, namespace).0
}

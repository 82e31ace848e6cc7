//! Reads `selectors.yml`: selections with a name.
//!
//! A definition stays a tree here; the selector language is known to the graph.

use std::path::Path;
use std::sync::Arc;

use crate::Render;
use crate::node::{Document, Node, Spanned, Value};
use crate::{mistake, template, yaml};
use msv_diagnostics::Diagnostic;

const FILE: &str = "selectors.yml";

/// The selectors of a project, in file order.
#[derive(Clone, Debug, Default)]
pub struct SelectorFile {
    pub selectors: Vec<NamedSelector>,
    /// The file they stand in; none where the project has none.
    pub document: Option<Arc<Document>>,
}

/// One selection with its name.
#[derive(Clone, Debug)]
pub struct NamedSelector {
    pub name: Spanned<String>,
    pub description: String,
    /// Used where a command line selects nothing.
    pub is_default: bool,
    pub definition: Node,
}

impl SelectorFile {
    pub fn get(&self, name: &str) -> Option<&NamedSelector> {
        self.selectors
            .iter()
            .find(|selector| selector.name.value == name)
    }

    /// The selector that is used where none is asked for.
    pub fn default_selector(&self) -> Option<&NamedSelector> {
        self.selectors.iter().find(|selector| selector.is_default)
    }
}

/// Reads the selectors of the root project; a project without the file has none.
pub(super) fn read_selectors(
    dir: &Path,
    render: Render,
    found: &mut Vec<Diagnostic>,
) -> SelectorFile {
    let Ok(text) = std::fs::read_to_string(dir.join(FILE)) else {
        return SelectorFile::default();
    };
    let mut document = match yaml::parse(FILE, text) {
        Ok(document) => document,
        Err(diagnostic) => {
            found.push(diagnostic);
            return SelectorFile::default();
        }
    };
    found.append(&mut document.warnings);
    let mut root = document.root.clone();
    template::render_node(&document, &mut root, render, found);
    let mut selectors: Vec<NamedSelector> = Vec::new();
    match root.get("selectors").map(|node| (node, &node.value)) {
        Some((_, Value::List(entries))) => {
            for entry in entries {
                match read_selector(&document, entry) {
                    Ok(selector) => selectors.push(selector),
                    Err(diagnostic) => found.push(*diagnostic),
                }
            }
        }
        Some((node, _)) => {
            let owner = "`selectors` of `selectors.yml`";
            found.push(mistake::wrong_type(&document, node, owner, "a list"));
        }
        None => found.push(mistake::missing_key(
            &document,
            &root.span,
            "`selectors.yml`",
            "selectors",
            "[]",
        )),
    }
    found.extend(several_defaults(&document, &selectors));
    document.root = root;
    SelectorFile {
        selectors,
        document: Some(Arc::new(document)),
    }
}

fn read_selector(document: &Document, entry: &Node) -> Result<NamedSelector, Box<Diagnostic>> {
    let Some(name) = entry.get("name").filter(|node| !node.is_null()) else {
        let diagnostic =
            mistake::missing_key(document, &entry.span, "a selector", "name", "nightly");
        return Err(Box::new(diagnostic));
    };
    let Some(text) = name.as_str() else {
        let owner = "`name` of a selector";
        return Err(Box::new(mistake::wrong_type(document, name, owner, "text")));
    };
    let owner = format!("selector `{text}`");
    let definition = entry.get("definition").filter(|node| !node.is_null());
    let Some(definition) = definition else {
        let diagnostic =
            mistake::missing_key(document, &entry.span, &owner, "definition", "tag:nightly");
        return Err(Box::new(diagnostic));
    };
    if !definition.is_map() && definition.as_str().is_none() {
        let owner = format!("`definition` of {owner}");
        let expected = "text or a mapping";
        let diagnostic = mistake::wrong_type(document, definition, &owner, expected);
        return Err(Box::new(diagnostic));
    }
    let is_default = match entry.get("default") {
        None => false,
        Some(node) => match (&node.value, node.as_str()) {
            (Value::Null, _) => false,
            (Value::Bool(is_default), _) => *is_default,
            (_, Some(text)) if text.eq_ignore_ascii_case("true") => true,
            (_, Some(text)) if text.eq_ignore_ascii_case("false") => false,
            _ => {
                let owner = format!("`default` of {owner}");
                let diagnostic = mistake::wrong_type(document, node, &owner, "true or false");
                return Err(Box::new(diagnostic));
            }
        },
    };
    let description = entry.get("description").and_then(Node::as_str);
    Ok(NamedSelector {
        name: Spanned::new(text.to_owned(), name.span.clone()),
        description: description.unwrap_or_default().to_owned(),
        is_default,
        definition: definition.clone(),
    })
}

fn several_defaults(document: &Document, selectors: &[NamedSelector]) -> Option<Diagnostic> {
    let mut defaults = selectors.iter().filter(|selector| selector.is_default);
    let first = defaults.next()?;
    let second = defaults.next()?;
    let title = format!(
        "two selectors are the default: `{}` and `{}`",
        first.name.value, second.name.value
    );
    Some(
        Diagnostic::error("MSV0131", title)
            .at(document.place(&second.name.span), "the second")
            .also(document.place(&first.name.span), "the first")
            .help("leave `default: true` at one of them"),
    )
}

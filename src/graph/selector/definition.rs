//! Turns the definitions of `selectors.yml` into expressions.
//!
//! A definition is a selector as the command line writes it, a single key and value
//! (`tag: nightly`), a mapping with `method` and `value`, or a `union` or `intersection` of
//! definitions, which may hold one `exclude`.

use indexmap::IndexMap;

use msv_diagnostics::{Diagnostic, closest};
use msv_project::node::{Document, Key, Node, Value};
use msv_project::{NamedSelector, SelectorFile};

use super::IndirectSelection;
use super::expression::{Criterion, Depth, Expression};
use super::method::Method;

/// The selections that have a name.
pub type NamedSelectors = IndexMap<String, Expression>;

/// Reads all definitions; one may use those above it through `method: selector`.
///
/// # Errors
///
/// MSV0222 for each definition that cannot be read.
pub fn read_definitions(file: &SelectorFile) -> Result<NamedSelectors, Vec<Diagnostic>> {
    let mut named = NamedSelectors::new();
    let mut found = Vec::new();
    let Some(document) = &file.document else {
        return Ok(named);
    };
    for selector in &file.selectors {
        let reader = Reader {
            document,
            selector,
            named: &named,
        };
        match reader.root() {
            Ok(expression) => {
                named.insert(selector.name.value.clone(), expression);
            }
            Err(diagnostic) => found.push(*diagnostic),
        }
    }
    if found.is_empty() {
        Ok(named)
    } else {
        Err(found)
    }
}

struct Reader<'a> {
    document: &'a Document,
    selector: &'a NamedSelector,
    named: &'a NamedSelectors,
}

type Read = Result<Expression, Box<Diagnostic>>;

const GROUPS: [&str; 2] = ["union", "intersection"];

impl Reader<'_> {
    fn root(&self) -> Read {
        let definition = &self.selector.definition;
        let is_group = |(key, _): &(Key, Node)| GROUPS.contains(&key.name.as_str());
        if definition.entries().len() > 1 && definition.entries().iter().any(is_group) {
            let help = "a definition has one `union` or `intersection`, and nothing beside it; \
                        put the others into it";
            return Err(self.mistake(definition, "has keys beside each other", help));
        }
        self.definition(definition)
    }

    fn definition(&self, node: &Node) -> Read {
        if let Some(text) = node.as_str() {
            return self.text(node, text);
        }
        for group in GROUPS {
            if let Some(members) = node.get(group) {
                return self.group(group, members);
            }
        }
        match node.entries() {
            [] => {
                let help = "write a selector such as `tag:nightly`, or `method` and `value`";
                Err(self.mistake(node, "holds what is no definition", help))
            }
            [(key, value)] if key.name != "method" => self.criterion(node, &key.name, value),
            _ => self.mapping(node),
        }
    }

    /// A selector as the command line writes it, without spaces and commas.
    fn text(&self, node: &Node, text: &str) -> Read {
        Expression::parse_single("selectors.yml", text).map_err(|mistake| {
            let place = self.document.place(&node.span);
            Box::new(Diagnostic {
                place: Some(place),
                ..mistake
            })
        })
    }

    fn group(&self, word: &str, members: &Node) -> Read {
        let Value::List(members) = &members.value else {
            let said = format!("has a `{word}` that is no list");
            return Err(self.mistake(members, &said, "write each member with a dash"));
        };
        let mut included = Vec::new();
        let mut excluded = None;
        for member in members {
            match member.get("exclude") {
                Some(_) if excluded.is_some() => {
                    let help = "put both lists into one `exclude`";
                    return Err(self.mistake(member, "has two `exclude` in one list", help));
                }
                Some(exclude) => excluded = Some(self.excluded(exclude)?),
                None => included.push(self.definition(member)?),
            }
        }
        let included = if word == "union" {
            Expression::Union(included)
        } else {
            Expression::Intersection(included)
        };
        Ok(difference(included, excluded))
    }

    fn excluded(&self, node: &Node) -> Read {
        let Value::List(members) = &node.value else {
            let help = "write each with a dash";
            return Err(self.mistake(node, "has an `exclude` that is no list", help));
        };
        let members: Result<Vec<Expression>, _> = members
            .iter()
            .map(|member| self.definition(member))
            .collect();
        Ok(Expression::Union(members?))
    }

    /// `method` and `value` with graph operators beside them.
    fn mapping(&self, node: &Node) -> Read {
        let (Some(method), Some(value)) = (node.get("method"), node.get("value")) else {
            let help = "a mapping has one key, such as `tag: nightly`, or `method` and `value`";
            return Err(self.mistake(node, "needs `method` and `value`", help));
        };
        if method.as_str() == Some("selector") {
            return self.inherited(value);
        }
        let mut included = self.criterion(node, method.as_str().unwrap_or_default(), value)?;
        let is_set = |key: &str| node.get(key).is_some_and(is_true);
        if let Expression::Criterion(criterion) = &mut included {
            criterion.is_with_childrens_parents = is_set("childrens_parents");
            criterion.parents = is_set("parents").then(|| depth(node.get("parents_depth")));
            criterion.children = is_set("children").then(|| depth(node.get("children_depth")));
            if criterion.is_with_childrens_parents && criterion.children.is_some() {
                let help = "`childrens_parents` takes the children in already";
                let said = "has `childrens_parents` and `children`, which exclude each other";
                return Err(self.mistake(node, said, help));
            }
            criterion.indirect = self.indirect(node)?;
        }
        let excluded = match node.get("exclude") {
            Some(exclude) => Some(self.excluded(exclude)?),
            None => None,
        };
        Ok(difference(included, excluded))
    }

    fn indirect(&self, node: &Node) -> Result<Option<IndirectSelection>, Box<Diagnostic>> {
        let Some(node) = node
            .get("indirect_selection")
            .filter(|node| !node.is_null())
        else {
            return Ok(None);
        };
        let mode = node.as_str().and_then(|text| text.parse().ok());
        mode.map(Some).ok_or_else(|| {
            let help = "it is one of `eager`, `cautious`, `buildable`, `empty`";
            self.mistake(node, "has an unknown `indirect_selection`", help)
        })
    }

    fn inherited(&self, value: &Node) -> Read {
        let name = value.as_str().unwrap_or_default();
        self.named.get(name).cloned().ok_or_else(|| {
            let said = format!("uses selector `{name}`, which does not stand above it");
            let known = self.named.keys().map(String::as_str);
            let help = match closest(name, known) {
                Some(near) => format!("a selector with a similar name stands above: `{near}`"),
                None => "move the selector that is used up".to_owned(),
            };
            self.mistake(value, &said, &help)
        })
    }

    fn criterion(&self, node: &Node, method: &str, value: &Node) -> Read {
        let mut parts = method.split('.');
        let name = parts.next().unwrap_or_default();
        let Some(method) = Method::from_name(name) else {
            let said = format!("uses selector method `{name}`, which does not exist");
            let names = Method::ALL.map(Method::as_str);
            let help = match closest(name, names) {
                Some(near) => format!("a method with a similar name exists: `{near}`"),
                None => format!("methods are: {}", names.join(", ")),
            };
            return Err(self.mistake(node, &said, &help));
        };
        let value = match &value.value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                let json = value.to_json();
                json.to_string()
            }
            _ => {
                let help = "a value is text, a number or a boolean";
                return Err(self.mistake(value, "has a value that is no text", help));
            }
        };
        let criterion = Criterion {
            arguments: parts.map(str::to_owned).collect(),
            ..Criterion::new(method, value)
        };
        if method == Method::Config && criterion.arguments.is_empty() {
            let help = "write the key with a dot: `config.materialized`";
            return Err(self.mistake(node, "uses `config` without a key", help));
        }
        Ok(Expression::Criterion(criterion))
    }

    fn mistake(&self, node: &Node, said: &str, help: &str) -> Box<Diagnostic> {
        let title = format!("selector `{}` {said}", self.selector.name.value);
        let line_end = self.document.text[node.span.start..]
            .find('\n')
            .map_or(node.span.end, |at| node.span.start + at);
        let span = node.span.start..node.span.end.min(line_end);
        Box::new(
            Diagnostic::error("MSV0222", title)
                .at(self.document.place(&span), "")
                .help(help),
        )
    }
}

fn difference(included: Expression, excluded: Option<Expression>) -> Expression {
    match excluded {
        Some(excluded) => Expression::Difference(Box::new(included), Box::new(excluded)),
        None => included,
    }
}

fn is_true(node: &Node) -> bool {
    match &node.value {
        Value::Bool(truth) => *truth,
        Value::Int(number) => *number != 0,
        Value::String(text) => !text.is_empty(),
        _ => false,
    }
}

/// No number, or one that makes no sense, means any distance; so does 0, as in dbt.
fn depth(node: Option<&Node>) -> Depth {
    match &node?.value {
        Value::Int(number) => usize::try_from(*number).ok().filter(|depth| *depth > 0),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

//! Reads and prints selectors: `@a`, `2+tag:nightly+1`, `a,b c`.
//!
//! Printing an expression and reading it again gives the same expression.

use std::fmt;
use std::ops::Range;

use msv_diagnostics::{Diagnostic, Place, closest};

use super::IndirectSelection;
use super::method::Method;

/// How far a selector reaches along the edges; `None` means to the end.
pub type Depth = Option<usize>;

/// One selector without spaces and commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Criterion {
    /// `@`: descendants, and everything they need.
    pub is_with_childrens_parents: bool,
    /// `+` or `2+` in front.
    pub parents: Option<Depth>,
    /// `+` or `+2` behind.
    pub children: Option<Depth>,
    pub method: Method,
    /// What follows the method: `config.meta.owner` has `meta` and `owner`.
    pub arguments: Vec<String>,
    pub value: String,
    /// The mode that `selectors.yml` writes beside it, in place of the command line's.
    pub indirect: Option<IndirectSelection>,
}

impl Criterion {
    /// A method and its value, without graph operators.
    pub fn new(method: Method, value: impl Into<String>) -> Criterion {
        Criterion {
            is_with_childrens_parents: false,
            parents: None,
            children: None,
            method,
            arguments: Vec::new(),
            value: value.into(),
            indirect: None,
        }
    }
}

/// Selectors joined by spaces (any of them) and commas (all of them); `selectors.yml` can also
/// take one set from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    Criterion(Criterion),
    Intersection(Vec<Expression>),
    Union(Vec<Expression>),
    Difference(Box<Expression>, Box<Expression>),
}

impl Expression {
    /// Reads a text that is one selector as a whole, spaces and commas included.
    ///
    /// # Errors
    ///
    /// What is wrong with it, placed in the text.
    pub fn parse_single(option: &str, text: &str) -> Result<Expression, Diagnostic> {
        parse_criterion(option, text, 0..text.len()).map(Expression::Criterion)
    }

    /// Reads one argument of `option` (`--select` or `--exclude`, named in messages).
    ///
    /// # Errors
    ///
    /// One diagnostic for each part that is not a selector.
    pub fn parse(option: &str, text: &str) -> Result<Expression, Vec<Diagnostic>> {
        let mut members = Vec::new();
        let mut mistakes = Vec::new();
        for word in words(text, char::is_whitespace) {
            match parse_intersection(option, text, word) {
                Ok(member) => members.push(member),
                Err(found) => mistakes.extend(found),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        match members.len() {
            1 => Ok(members.remove(0)),
            _ => Ok(Expression::Union(members)),
        }
    }
}

fn words(text: &str, is_gap: impl Fn(char) -> bool) -> Vec<Range<usize>> {
    text.split(is_gap)
        .filter(|word| !word.is_empty())
        .map(|word| {
            let start = word.as_ptr() as usize - text.as_ptr() as usize;
            start..start + word.len()
        })
        .collect()
}

fn parse_intersection(
    option: &str,
    text: &str,
    word: Range<usize>,
) -> Result<Expression, Vec<Diagnostic>> {
    let mut members = Vec::new();
    let mut mistakes = Vec::new();
    let mut start = word.start;
    for part in text[word].split(',') {
        let span = start..start + part.len();
        start = span.end + 1;
        match parse_criterion(option, text, span) {
            Ok(criterion) => members.push(Expression::Criterion(criterion)),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    match members.len() {
        1 => Ok(members.remove(0)),
        _ => Ok(Expression::Intersection(members)),
    }
}

fn parse_criterion(option: &str, text: &str, span: Range<usize>) -> Result<Criterion, Diagnostic> {
    let place = |span: Range<usize>| Place::new(option, text, span);
    let mut rest = &text[span.clone()];
    let is_with_childrens_parents = take_prefix(&mut rest, "@");
    let parents = take_leading_depth(&mut rest);
    let children = take_trailing_depth(&mut rest);
    let (method, arguments, value) = match split_method(rest) {
        None => (Method::of_bare_value(rest), Vec::new(), rest),
        Some((name, value)) => {
            let mut parts = name.split('.');
            let first = parts.next().unwrap_or_default();
            let method = Method::from_name(first).ok_or_else(|| {
                let at = text[span.clone()].find(name).unwrap_or(0) + span.start;
                unknown_method(first, place(at..at + first.len()))
            })?;
            (method, parts.map(str::to_owned).collect(), value)
        }
    };
    if value.is_empty() {
        return Err(Diagnostic::error("MSV0209", "a selector has no value")
            .at(place(span), "nothing to look for")
            .help("write a name, or a method and a value such as `tag:nightly`"));
    }
    if is_with_childrens_parents && children.is_some() {
        return Err(
            Diagnostic::error("MSV0209", "`@` and a trailing `+` exclude each other")
                .at(place(span), "both stand here")
                .help(format!("`@{value}` takes the descendants in already")),
        );
    }
    if method == Method::Config && arguments.is_empty() {
        return Err(
            Diagnostic::error("MSV0209", "`config` needs the key to compare")
                .at(place(span), "no key")
                .help(format!(
                    "write the key with a dot: `config.materialized:{value}`"
                )),
        );
    }
    Ok(Criterion {
        is_with_childrens_parents,
        parents,
        children,
        method,
        arguments,
        value: value.to_owned(),
        indirect: None,
    })
}

fn take_prefix(rest: &mut &str, prefix: &str) -> bool {
    match rest.strip_prefix(prefix) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

fn take_leading_depth(rest: &mut &str) -> Option<Depth> {
    let (digits, after) = rest.split_once('+')?;
    let depth = read_depth(digits)?;
    *rest = after;
    Some(depth)
}

fn take_trailing_depth(rest: &mut &str) -> Option<Depth> {
    let (before, digits) = rest.rsplit_once('+')?;
    let depth = read_depth(digits)?;
    *rest = before;
    Some(depth)
}

/// Nothing means any distance; a number too great to hold means the same.
fn read_depth(digits: &str) -> Option<Depth> {
    if digits.is_empty() {
        Some(None)
    } else if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Some(digits.parse().ok())
    } else {
        None
    }
}

/// Splits `tag:nightly`; a colon after something that is no word belongs to the value.
fn split_method(rest: &str) -> Option<(&str, &str)> {
    let (name, value) = rest.split_once(':')?;
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    (!name.is_empty() && name.chars().all(is_word)).then_some((name, value))
}

fn unknown_method(name: &str, place: Place) -> Diagnostic {
    let names = Method::ALL.map(Method::as_str);
    let diagnostic = Diagnostic::error("MSV0210", format!("no selector method is named `{name}`"))
        .at(place, "not a method");
    match closest(name, names) {
        Some(near) => diagnostic.help(format!("a method with a similar name exists: `{near}`")),
        None => diagnostic.help(format!("methods are: {}", names.join(", "))),
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (members, separator) = match self {
            Expression::Criterion(criterion) => return criterion.fmt(f),
            Expression::Intersection(members) => (members, ","),
            Expression::Union(members) => (members, " "),
            Expression::Difference(included, excluded) => {
                return write!(f, "{included} without {excluded}");
            }
        };
        for (at, member) in members.iter().enumerate() {
            if at > 0 {
                f.write_str(separator)?;
            }
            member.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_with_childrens_parents {
            f.write_str("@")?;
        }
        match self.parents {
            Some(Some(depth)) => write!(f, "{depth}+")?,
            Some(None) => f.write_str("+")?,
            None => {}
        }
        let is_bare = self.arguments.is_empty()
            && split_method(&self.value).is_none()
            && Method::of_bare_value(&self.value) == self.method;
        if !is_bare {
            f.write_str(self.method.as_str())?;
            for argument in &self.arguments {
                write!(f, ".{argument}")?;
            }
            f.write_str(":")?;
        }
        f.write_str(&self.value)?;
        match self.children {
            Some(Some(depth)) => write!(f, "+{depth}"),
            Some(None) => f.write_str("+"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn depth() -> impl Strategy<Value = Option<Depth>> {
        prop_oneof![
            Just(None),
            Just(Some(None)),
            (0..99_usize).prop_map(|depth| Some(Some(depth)))
        ]
    }

    fn criterion() -> BoxedStrategy<Criterion> {
        let value = "[a-z*?\\[\\]_./:-]{0,12}[a-z*_]";
        let arguments = proptest::collection::vec("[a-z_]{1,6}", 0..3);
        let method = proptest::sample::select(Method::ALL.to_vec());
        (any::<bool>(), depth(), depth(), method, arguments, value)
            .prop_map(|(at, parents, children, method, mut arguments, value)| {
                if method == Method::Config && arguments.is_empty() {
                    arguments.push("materialized".to_owned());
                }
                Criterion {
                    is_with_childrens_parents: at,
                    parents,
                    children: children.filter(|_| !at),
                    method,
                    arguments,
                    value,
                    indirect: None,
                }
            })
            .boxed()
    }

    fn expression() -> impl Strategy<Value = Expression> {
        let leaf = criterion().prop_map(Expression::Criterion);
        let all_of = prop_oneof![
            leaf.clone(),
            proptest::collection::vec(leaf, 2..4).prop_map(Expression::Intersection)
        ];
        prop_oneof![
            all_of.clone(),
            proptest::collection::vec(all_of, 2..4).prop_map(Expression::Union)
        ]
    }

    proptest! {
        #[test]
        fn a_printed_selector_reads_back_as_itself(expression in expression()) {
            let text = expression.to_string();
            prop_assert_eq!(Expression::parse("--select", &text), Ok(expression), "{}", text);
        }
    }

    #[test]
    fn operators_and_methods_are_read() {
        let read = |text: &str| match Expression::parse("--select", text) {
            Ok(Expression::Criterion(criterion)) => criterion,
            other => panic!("{text}: {other:?}"),
        };
        let both = read("2+config.meta.owner:desk+");
        assert_eq!(both.parents, Some(Some(2)));
        assert_eq!(both.children, Some(None));
        assert_eq!(both.arguments, ["meta", "owner"]);
        assert_eq!(both.value, "desk");
        assert_eq!(read("models/marts").method, Method::Path);
        assert_eq!(read("fct_alerts.sql").method, Method::File);
        assert!(read("@stg_orders").is_with_childrens_parents);
    }

    fn mistake(text: &str) -> String {
        match Expression::parse("--select", text) {
            Ok(expression) => panic!("{text} was read as {expression:?}"),
            Err(mistakes) => mistakes[0].render(false),
        }
    }

    #[test]
    fn an_unknown_method_is_underlined_with_the_nearest_one() {
        assert_eq!(
            mistake("stg_orders +tga:nightly"),
            "\
error[MSV0210]: no selector method is named `tga`
 --> --select:1:13
  |
1 | stg_orders +tga:nightly
  |             ^^^ not a method
  |
help: a method with a similar name exists: `tag`"
        );
    }

    #[test]
    fn at_and_trailing_plus_exclude_each_other() {
        assert_eq!(
            mistake("@orders+"),
            "\
error[MSV0209]: `@` and a trailing `+` exclude each other
 --> --select:1:1
  |
1 | @orders+
  | ^^^^^^^^ both stand here
  |
help: `@orders` takes the descendants in already"
        );
    }
}

//! Regex: `modules.re`, Python's regular expressions on the regex crate.
//!
//! Back references and look-around are not supported; a pattern that uses them is reported.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple};
use minijinja::{Error, State, Value};
use regex::{Captures, Regex};

use crate::value::dict::Dict;
use crate::value::list::List;
use crate::value::{Arguments, failed, unknown_method};

const IGNORE_CASE: i64 = 2;
const MULTI_LINE: i64 = 8;
const DOT_ALL: i64 = 16;
const VERBOSE: i64 = 64;

/// `modules.re`
#[derive(Debug)]
pub(crate) struct Module;

/// A compiled pattern.
#[derive(Debug)]
struct Pattern(Regex);

/// A match: its groups, whole match first, with their places in characters.
#[derive(Debug)]
struct Match {
    groups: Vec<Option<(usize, usize, String)>>,
    names: Vec<(String, usize)>,
}

/// How a pattern must lie in the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Anchor {
    Anywhere,
    Start,
    Whole,
}

fn compiled(pattern: &str, flags: i64) -> Result<Regex, Error> {
    // Python writes the end of the text as \Z. Flags go into the pattern's own text, so that it
    // can be put into a larger one.
    let letters: String = [
        (IGNORE_CASE, 'i'),
        (MULTI_LINE, 'm'),
        (DOT_ALL, 's'),
        (VERBOSE, 'x'),
    ]
    .into_iter()
    .filter(|(flag, _)| flags & flag != 0)
    .map(|(_, letter)| letter)
    .collect();
    let pattern = pattern.replace("\\Z", "\\z");
    let pattern = if letters.is_empty() {
        pattern
    } else {
        format!("(?{letters}){pattern}")
    };
    Regex::new(&pattern)
        .map_err(|error| failed(format!("the regular expression is not understood: {error}")))
}

fn pattern_of(value: &Value, flags: i64) -> Result<Regex, Error> {
    match value.downcast_object_ref::<Pattern>() {
        Some(pattern) => Ok(pattern.0.clone()),
        None => compiled(&value.to_string(), flags),
    }
}

/// Turns Python's `\1` and `\g<name>` into this crate's `${1}` and `${name}`.
fn replacement(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match (c, characters.peek().copied()) {
            ('$', _) => out.push_str("$$"),
            ('\\', Some(digit)) if digit.is_ascii_digit() => {
                out.push_str("${");
                while let Some(digit) = characters.next_if(char::is_ascii_digit) {
                    out.push(digit);
                }
                out.push('}');
            }
            ('\\', Some('g')) => {
                characters.next();
                let name: String = characters
                    .by_ref()
                    .skip_while(|c| *c == '<')
                    .take_while(|c| *c != '>')
                    .collect();
                out.push_str(&format!("${{{name}}}"));
            }
            ('\\', Some('n')) => {
                characters.next();
                out.push('\n');
            }
            ('\\', Some('\\')) => {
                characters.next();
                out.push('\\');
            }
            _ => out.push(c),
        }
    }
    out
}

fn match_of(regex: &Regex, text: &str, captures: &Captures<'_>) -> Value {
    let characters = |at: usize| text[..at].chars().count();
    let groups = captures
        .iter()
        .map(|group| {
            group.map(|group| {
                let (start, end) = (characters(group.start()), characters(group.end()));
                (start, end, group.as_str().to_owned())
            })
        })
        .collect();
    let names = regex
        .capture_names()
        .enumerate()
        .filter_map(|(index, name)| Some((name?.to_owned(), index)))
        .collect();
    Value::from_object(Match { groups, names })
}

fn find(regex: &Regex, text: &str, anchor: Anchor) -> Result<Value, Error> {
    let anchored;
    let regex = match anchor {
        Anchor::Anywhere => regex,
        Anchor::Start | Anchor::Whole => {
            let end = if anchor == Anchor::Whole { r"\z" } else { "" };
            anchored = Regex::new(&format!(r"\A(?:{}){end}", regex.as_str()))
                .map_err(|error| failed(error.to_string()))?;
            &anchored
        }
    };
    Ok(match regex.captures(text) {
        Some(captures) => match_of(regex, text, &captures),
        None => Value::from(()),
    })
}

fn group(captures: &Captures<'_>, index: usize) -> Value {
    Value::from(captures.get(index).map_or("", |group| group.as_str()))
}

fn find_all(regex: &Regex, text: &str) -> Value {
    let items = regex
        .captures_iter(text)
        .map(|captures| match captures.len() {
            1 => group(&captures, 0),
            2 => group(&captures, 1),
            count => Value::from(Tuple::from(
                (1..count)
                    .map(|index| group(&captures, index))
                    .collect::<Vec<_>>(),
            )),
        });
    List::value(items.collect())
}

fn substituted(
    state: &mut State<'_, '_>,
    regex: &Regex,
    new: &Value,
    text: &str,
    count: usize,
) -> Result<Value, Error> {
    if new.as_str().is_none() && new.as_object().is_some() {
        let mut out = String::new();
        let mut at = 0;
        let limit = if count == 0 { usize::MAX } else { count };
        for captures in regex.captures_iter(text).take(limit) {
            let whole = captures.get(0).map_or(0..0, |group| group.range());
            out.push_str(&text[at..whole.start]);
            let found = match_of(regex, text, &captures);
            out.push_str(&new.call(state, &[found])?.to_string());
            at = whole.end;
        }
        out.push_str(&text[at..]);
        return Ok(Value::from(out));
    }
    let new = replacement(&new.to_string());
    Ok(Value::from(
        regex.replacen(text, count, new.as_str()).as_ref(),
    ))
}

fn split(regex: &Regex, text: &str, limit: usize) -> Value {
    let parts: Vec<Value> = if limit == 0 {
        regex.split(text).map(Value::from).collect()
    } else {
        regex.splitn(text, limit + 1).map(Value::from).collect()
    };
    List::value(parts)
}

/// Answers a function of the module or a method of a pattern. `at` is the index of the first
/// argument after the pattern.
fn perform(
    state: &mut State<'_, '_>,
    regex: &Regex,
    method: &str,
    arguments: &Arguments<'_>,
    at: usize,
) -> Result<Value, Error> {
    let count = |index, name| {
        arguments
            .get(index, name)
            .and_then(|value| value.as_usize())
            .unwrap_or(0)
    };
    match method {
        "match" => find(regex, &arguments.text(at, "string")?, Anchor::Start),
        "search" => find(regex, &arguments.text(at, "string")?, Anchor::Anywhere),
        "fullmatch" => find(regex, &arguments.text(at, "string")?, Anchor::Whole),
        "findall" => Ok(find_all(regex, &arguments.text(at, "string")?)),
        "finditer" => {
            let text = arguments.text(at, "string")?;
            let items = regex.captures_iter(&text);
            Ok(List::value(
                items
                    .map(|captures| match_of(regex, &text, &captures))
                    .collect(),
            ))
        }
        "sub" => {
            let new = arguments.required(at, "repl")?;
            let text = arguments.text(at + 1, "string")?;
            substituted(state, regex, &new, &text, count(at + 2, "count"))
        }
        "split" => {
            let text = arguments.text(at, "string")?;
            Ok(split(regex, &text, count(at + 1, "maxsplit")))
        }
        _ => Err(unknown_method()),
    }
}

/// Where the flags stand among the arguments of a function.
fn flags_index(method: &str) -> usize {
    match method {
        "sub" => 4,
        "split" => 3,
        "compile" => 1,
        _ => 2,
    }
}

impl Object for Module {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(Value::from(match key.as_str()? {
            "IGNORECASE" | "I" => IGNORE_CASE,
            "MULTILINE" | "M" => MULTI_LINE,
            "DOTALL" | "S" => DOT_ALL,
            "VERBOSE" | "X" => VERBOSE,
            _ => return None,
        }))
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        if method == "escape" {
            return Ok(Value::from(regex::escape(&arguments.text(0, "pattern")?)));
        }
        let flags = arguments
            .get(flags_index(method), "flags")
            .and_then(|flags| flags.as_i64())
            .unwrap_or(0);
        let regex = pattern_of(&arguments.required(0, "pattern")?, flags)?;
        if method == "compile" {
            return Ok(Value::from_object(Pattern(regex)));
        }
        perform(state, &regex, method, &arguments, 1)
    }
}

impl Object for Pattern {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "pattern" => Some(Value::from(self.0.as_str())),
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        perform(state, &self.0, method, &Arguments::new(args)?, 0)
    }
}

impl Match {
    fn group(&self, key: &Value) -> Result<Option<&(usize, usize, String)>, Error> {
        let index = match key.as_str() {
            Some(name) => self
                .names
                .iter()
                .find(|(own, _)| own == name)
                .map(|(_, index)| *index),
            None => key.as_usize(),
        };
        index
            .and_then(|index| self.groups.get(index))
            .map(Option::as_ref)
            .ok_or_else(|| failed(format!("the match has no group {key:?}")))
    }
}

fn text_of(group: Option<&(usize, usize, String)>) -> Value {
    group.map_or(Value::from(()), |(_, _, text)| Value::from(text))
}

impl Object for Match {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.group(key).ok().map(text_of)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        let first = || arguments.get(0, "group").unwrap_or_else(|| Value::from(0));
        match method {
            "group" if args.len() > 1 => {
                let groups: Result<Vec<Value>, Error> = arguments
                    .positional()
                    .iter()
                    .map(|key| self.group(key).map(text_of))
                    .collect();
                Ok(Value::from(Tuple::from(groups?)))
            }
            "group" => self.group(&first()).map(text_of),
            "groups" => {
                let groups = self.groups.iter().skip(1);
                let groups: Vec<Value> = groups.map(|group| text_of(group.as_ref())).collect();
                Ok(Value::from(Tuple::from(groups)))
            }
            "groupdict" => Ok(Dict::from_pairs(self.names.iter().map(|(name, index)| {
                (name.as_str(), text_of(self.groups[*index].as_ref()))
            }))),
            "start" => Ok(self
                .group(&first())?
                .map_or(Value::from(-1), |group| Value::from(group.0))),
            "end" => Ok(self
                .group(&first())?
                .map_or(Value::from(-1), |group| Value::from(group.1))),
            "span" => {
                let group = self.group(&first())?;
                let (start, end) =
                    group.map_or((-1, -1), |(start, end, _)| (*start as i64, *end as i64));
                Ok(Value::from(Tuple::from([start, end].map(Value::from))))
            }
            _ => Err(unknown_method()),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<match {:?}>", text_of(self.groups[0].as_ref()))
    }
}

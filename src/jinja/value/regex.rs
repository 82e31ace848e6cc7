//! Regex: `modules.re`, Python's regular expressions.

use std::fmt;
use std::sync::Arc;

use fancy_regex::{Captures, Regex};
use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple};
use minijinja::{Error, State, Value};

use crate::methods::Bound;
use crate::value::dict::Dict;
use crate::value::list::List;
use crate::value::text::{repr, text};
use crate::value::{Arguments, failed, unknown_method};

const IGNORE_CASE: i64 = 2;
const MULTI_LINE: i64 = 8;
const DOT_ALL: i64 = 16;
const UNICODE: i64 = 32;
const VERBOSE: i64 = 64;
const ASCII: i64 = 256;

/// What Python's `re.escape` puts a backslash before.
const SPECIAL: &str = "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}";

/// `modules.re`
#[derive(Debug)]
pub(crate) struct Module;

/// A compiled pattern, and how it was written.
#[derive(Clone, Debug)]
struct Pattern {
    regex: Regex,
    written: String,
    flags: i64,
}

/// A match: its groups, whole match first, with their places in bytes.
#[derive(Debug)]
struct Match {
    text: Arc<str>,
    groups: Vec<Option<(usize, usize)>>,
    names: Vec<(String, usize)>,
}

/// How a pattern must lie in the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Anchor {
    Anywhere,
    Start,
    Whole,
}

fn misfit(error: fancy_regex::Error) -> Error {
    failed(format!("the regular expression is not understood: {error}"))
}

fn compiled(written: &str, flags: i64) -> Result<Pattern, Error> {
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
    let pattern = written.replace("\\Z", "\\z");
    let pattern = if letters.is_empty() {
        pattern
    } else {
        format!("(?{letters}){pattern}")
    };
    Ok(Pattern {
        regex: Regex::new(&pattern).map_err(misfit)?,
        written: written.to_owned(),
        flags: flags | UNICODE,
    })
}

fn pattern_of(value: &Value, flags: i64) -> Result<Pattern, Error> {
    match value.downcast_object_ref::<Pattern>() {
        Some(pattern) => Ok(pattern.clone()),
        None => match value.as_str() {
            Some(written) => compiled(written, flags),
            None => Err(failed("a regular expression is text")),
        },
    }
}

impl Pattern {
    fn found(&self, text: &Arc<str>, captures: &Captures<'_, str>) -> Match {
        let groups = captures.iter();
        let names = self.regex.capture_names().enumerate();
        Match {
            text: text.clone(),
            groups: groups
                .map(|group| group.map(|group| (group.start(), group.end())))
                .collect(),
            names: names
                .filter_map(|(index, name)| Some((name?.to_owned(), index)))
                .collect(),
        }
    }

    fn find(&self, text: &Arc<str>, anchor: Anchor) -> Result<Value, Error> {
        let anchored;
        let regex = match anchor {
            Anchor::Anywhere => &self.regex,
            Anchor::Start | Anchor::Whole => {
                let end = if anchor == Anchor::Whole { r"\z" } else { "" };
                let pattern = format!(r"\A(?:{}){end}", self.regex.as_str());
                anchored = Regex::new(&pattern).map_err(misfit)?;
                &anchored
            }
        };
        Ok(match regex.captures(text.as_ref()).map_err(misfit)? {
            Some(captures) => Value::from_object(self.found(text, &captures)),
            None => Value::from(()),
        })
    }

    /// All matches, as Python finds them: an empty one may follow another at once.
    fn all(&self, text: &Arc<str>, limit: usize) -> Result<Vec<Match>, Error> {
        let mut matches = Vec::new();
        let mut at = 0;
        while at <= text.len() && matches.len() < limit {
            let Some(captures) = self
                .regex
                .captures_from_pos(text.as_ref(), at)
                .map_err(misfit)?
            else {
                break;
            };
            let found = self.found(text, &captures);
            let (start, end) = found.groups[0].unwrap_or((at, at));
            matches.push(found);
            at = if start == end {
                end + text[end..].chars().next().map_or(1, char::len_utf8)
            } else {
                end
            };
        }
        Ok(matches)
    }

    fn substituted(
        &self,
        state: &mut State<'_, '_>,
        new: &Value,
        text: &Arc<str>,
        count: usize,
    ) -> Result<(String, usize), Error> {
        let matches = self.all(text, if count == 0 { usize::MAX } else { count })?;
        let number = matches.len();
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for found in matches {
            let (start, end) = found.groups[0].unwrap_or((at, at));
            out.push_str(&text[at..start]);
            match new.as_str() {
                Some(template) => found.expand(template, &mut out)?,
                None => {
                    let written = new.call(state, &[Value::from_object(found)])?;
                    out.push_str(&crate::value::text::text(&written));
                }
            }
            at = end;
        }
        out.push_str(&text[at..]);
        Ok((out, number))
    }

    fn split(&self, text: &Arc<str>, limit: usize) -> Result<Value, Error> {
        let mut parts = Vec::new();
        let mut at = 0;
        for found in self.all(text, if limit == 0 { usize::MAX } else { limit })? {
            let (start, end) = found.groups[0].unwrap_or((at, at));
            parts.push(Value::from(&text[at..start]));
            parts.extend((1..found.groups.len()).map(|index| found.value(index)));
            at = end;
        }
        parts.push(Value::from(&text[at..]));
        Ok(List::value(parts))
    }
}

impl Match {
    fn part(&self, index: usize) -> Option<&str> {
        let (start, end) = (*self.groups.get(index)?)?;
        self.text.get(start..end)
    }

    fn value(&self, index: usize) -> Value {
        self.part(index).map_or(Value::from(()), Value::from)
    }

    /// What `findall` lists: the only group, or all of them, or the whole match.
    fn listed(&self) -> Value {
        let part = |index: usize| Value::from(self.part(index).unwrap_or_default());
        match self.groups.len() {
            1 => part(0),
            2 => part(1),
            count => Value::from(Tuple::from((1..count).map(part).collect::<Vec<_>>())),
        }
    }

    fn index(&self, key: &Value) -> Result<usize, Error> {
        let index = match key.as_str() {
            Some(name) => {
                let mut names = self.names.iter();
                names.find(|(own, _)| own == name).map(|(_, index)| *index)
            }
            None => key.as_usize(),
        };
        index
            .filter(|index| *index < self.groups.len())
            .ok_or_else(|| failed(format!("the match has no group {}", repr(key))))
    }

    /// A place counted in characters.
    fn characters(&self, at: usize) -> i64 {
        i64::try_from(self.text[..at].chars().count()).unwrap_or(i64::MAX)
    }

    /// Writes a replacement: `\\1` and `\\g<name>` stand for groups.
    fn expand(&self, template: &str, out: &mut String) -> Result<(), Error> {
        let mut characters = template.chars().peekable();
        while let Some(c) = characters.next() {
            if c != '\\' {
                out.push(c);
                continue;
            }
            let key = match characters.next() {
                Some(digit) if digit.is_ascii_digit() => {
                    let mut number = digit.to_string();
                    number.extend(characters.next_if(char::is_ascii_digit));
                    number
                }
                Some('g') => characters
                    .by_ref()
                    .skip_while(|c| *c == '<')
                    .take_while(|c| *c != '>')
                    .collect(),
                Some('n') => {
                    out.push('\n');
                    continue;
                }
                Some('t') => {
                    out.push('\t');
                    continue;
                }
                Some(other) if other.is_ascii_alphabetic() => {
                    return Err(failed(format!(
                        "`\\{other}` means nothing in a replacement"
                    )));
                }
                Some(other) => {
                    if other != '\\' {
                        out.push('\\');
                    }
                    out.push(other);
                    continue;
                }
                None => return Err(failed("a replacement ends in a backslash")),
            };
            let key = key
                .parse::<i64>()
                .map_or_else(|_| Value::from(key.as_str()), Value::from);
            out.push_str(self.part(self.index(&key)?).unwrap_or_default());
        }
        Ok(())
    }
}

/// Answers a function of the module or a method of a pattern. `at` is the index of the first
/// argument after the pattern.
fn perform(
    state: &mut State<'_, '_>,
    pattern: &Pattern,
    method: &str,
    arguments: &Arguments<'_>,
    at: usize,
) -> Result<Value, Error> {
    let count = |index, name| {
        let given = arguments.get(index, name);
        given.and_then(|value| value.as_usize()).unwrap_or(0)
    };
    let subject = |index: usize| -> Result<Arc<str>, Error> {
        let value = arguments.required(index, "string")?;
        let text = value.as_str().map(Arc::from);
        text.ok_or_else(|| failed("a regular expression is matched with text"))
    };
    match method {
        "match" => pattern.find(&subject(at)?, Anchor::Start),
        "search" => pattern.find(&subject(at)?, Anchor::Anywhere),
        "fullmatch" => pattern.find(&subject(at)?, Anchor::Whole),
        "findall" => {
            let matches = pattern.all(&subject(at)?, usize::MAX)?;
            Ok(List::value(matches.iter().map(Match::listed).collect()))
        }
        "finditer" => {
            let matches = pattern.all(&subject(at)?, usize::MAX)?;
            Ok(List::value(
                matches.into_iter().map(Value::from_object).collect(),
            ))
        }
        "sub" | "subn" => {
            let new = arguments.required(at, "repl")?;
            let subject = subject(at + 1)?;
            let count = count(at + 2, "count");
            let (written, number) = pattern.substituted(state, &new, &subject, count)?;
            Ok(if method == "sub" {
                Value::from(written)
            } else {
                Value::from(Tuple::from([Value::from(written), Value::from(number)]))
            })
        }
        "split" => pattern.split(&subject(at)?, count(at + 1, "maxsplit")),
        _ => Err(unknown_method()),
    }
}

/// Where the flags stand among the arguments of a function.
fn flags_index(method: &str) -> usize {
    match method {
        "sub" | "subn" => 4,
        "split" => 3,
        "compile" => 1,
        _ => 2,
    }
}

const FUNCTIONS: [&str; 10] = [
    "compile",
    "escape",
    "findall",
    "finditer",
    "fullmatch",
    "match",
    "search",
    "split",
    "sub",
    "subn",
];

impl Object for Module {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&FUNCTIONS)
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(Value::from(match key.as_str()? {
            "IGNORECASE" | "I" => IGNORE_CASE,
            "MULTILINE" | "M" => MULTI_LINE,
            "DOTALL" | "S" => DOT_ALL,
            "UNICODE" | "U" => UNICODE,
            "VERBOSE" | "X" => VERBOSE,
            "ASCII" | "A" => ASCII,
            name if FUNCTIONS.contains(&name) => {
                return Some(Bound::value(&Value::from_dyn_object(self.clone()), name));
            }
            _ => return None,
        }))
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        if !FUNCTIONS.contains(&method) {
            return Err(unknown_method());
        }
        let arguments = Arguments::new(args)?;
        if method == "escape" {
            let mut out = String::new();
            for c in text(&arguments.required(0, "pattern")?).chars() {
                if SPECIAL.contains(c) {
                    out.push('\\');
                }
                out.push(c);
            }
            return Ok(Value::from(out));
        }
        let flags = arguments
            .get(flags_index(method), "flags")
            .and_then(|flags| flags.as_i64())
            .unwrap_or(0);
        let pattern = pattern_of(&arguments.required(0, "pattern")?, flags)?;
        if method == "compile" {
            return Ok(Value::from_object(pattern));
        }
        perform(state, &pattern, method, &arguments, 1)
    }
}

impl Object for Pattern {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "pattern" => Some(Value::from(&self.written)),
            "flags" => Some(Value::from(self.flags)),
            "groups" => Some(Value::from(self.regex.captures_len() - 1)),
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        perform(state, self, method, &Arguments::new(args)?, 0)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "re.compile({})", repr(&Value::from(&self.written)))
    }
}

impl Object for Match {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some("string") => return Some(Value::from(&*self.text)),
            Some("lastindex") => {
                let last = (1..self.groups.len())
                    .rev()
                    .find(|at| self.groups[*at].is_some());
                return Some(last.map_or(Value::from(()), Value::from));
            }
            _ => {}
        }
        self.index(key).ok().map(|index| self.value(index))
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
        let first = || self.index(&arguments.get(0, "group").unwrap_or_else(|| Value::from(0)));
        let place = || -> Result<(i64, i64), Error> {
            let place = self.groups[first()?];
            Ok(place.map_or((-1, -1), |(start, end)| {
                (self.characters(start), self.characters(end))
            }))
        };
        let or_default = |index: usize| match self.part(index) {
            Some(part) => Value::from(part),
            None => arguments.get(0, "default").unwrap_or(Value::from(())),
        };
        match method {
            "group" if args.len() > 1 => {
                let groups: Result<Vec<Value>, Error> = arguments
                    .positional()
                    .iter()
                    .map(|key| Ok(self.value(self.index(key)?)))
                    .collect();
                Ok(Value::from(Tuple::from(groups?)))
            }
            "group" => Ok(self.value(first()?)),
            "groups" => {
                let groups: Vec<Value> = (1..self.groups.len()).map(or_default).collect();
                Ok(Value::from(Tuple::from(groups)))
            }
            "groupdict" => Ok(Dict::from_pairs(
                self.names
                    .iter()
                    .map(|(name, index)| (name.as_str(), or_default(*index))),
            )),
            "start" => Ok(Value::from(place()?.0)),
            "end" => Ok(Value::from(place()?.1)),
            "span" => {
                let (start, end) = place()?;
                Ok(Value::from(Tuple::from([start, end].map(Value::from))))
            }
            "expand" => {
                let mut out = String::new();
                self.expand(&arguments.text(0, "template")?, &mut out)?;
                Ok(Value::from(out))
            }
            _ => Err(unknown_method()),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = self.groups[0].unwrap_or_default();
        let (start, end) = (self.characters(start), self.characters(end));
        let shown = repr(&self.value(0));
        write!(f, "<re.Match object; span=({start}, {end}), match={shown}>")
    }
}

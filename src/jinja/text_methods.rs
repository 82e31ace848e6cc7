//! Text methods: what Python's `str` can do, `'a b'.title()`.

use minijinja::value::Tuple;
use minijinja::{Error, Value};

use crate::printf;
use crate::value::dict::Dict;
use crate::value::list::List;
use crate::value::text::is_printable;
use crate::value::{Arguments, failed};

fn list(items: impl Iterator<Item = String>) -> Value {
    List::value(items.map(Value::from).collect())
}

fn triple(left: &str, middle: &str, right: &str) -> Value {
    Value::from(Tuple::from([left, middle, right].map(Value::from)))
}

/// Puts `text` into the middle of `width` characters, as Python does.
pub(crate) fn centered(text: &str, width: usize, fill: char) -> String {
    let length = text.chars().count();
    let missing = width.saturating_sub(length);
    let left = missing / 2 + (missing & width & 1);
    let fills = |count: usize| std::iter::repeat_n(fill, count).collect::<String>();
    format!("{}{text}{}", fills(left), fills(missing - left))
}

/// Upper case after every character that is no letter, lower case after a letter.
pub(crate) fn titled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_inside = false;
    for c in text.chars() {
        if is_inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        is_inside = c.is_alphabetic();
    }
    out
}

pub(crate) fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        None => String::new(),
        Some(first) => first
            .to_uppercase()
            .chain(characters.flat_map(char::to_lowercase))
            .collect(),
    }
}

/// The stretch of the text that two arguments choose, and its first character's position.
fn stretch<'t>(text: &'t str, arguments: &Arguments<'_>) -> Option<(&'t str, usize)> {
    let length = text.chars().count();
    let position = |index: usize, name: &str, default: usize| {
        let given = arguments.get(index, name).and_then(|value| value.as_i64());
        match given {
            None => Some(default),
            Some(at) if at < 0 => Some(length.saturating_sub(usize::try_from(-at).ok()?)),
            Some(at) => usize::try_from(at).ok(),
        }
    };
    let start = position(1, "start", 0)?;
    let end = position(2, "end", length)?.min(length);
    if start > end {
        return None;
    }
    let offset = |at: usize| {
        text.char_indices()
            .nth(at)
            .map_or(text.len(), |(offset, _)| offset)
    };
    Some((&text[offset(start)..offset(end)], start))
}

fn found(text: &str, arguments: &Arguments<'_>, is_last: bool) -> Result<Option<usize>, Error> {
    let part = required_text(arguments, 0, "sub")?;
    let Some((stretch, start)) = stretch(text, arguments) else {
        return Ok(None);
    };
    let at = if is_last {
        stretch.rfind(&part)
    } else {
        stretch.find(&part)
    };
    Ok(at.map(|at| start + stretch[..at].chars().count()))
}

fn required_text(arguments: &Arguments<'_>, index: usize, name: &str) -> Result<String, Error> {
    let value = arguments.required(index, name)?;
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| failed(format!("`{name}` is not text")))
}

/// True when one of the given texts, or the given one, fits.
fn fits(arguments: &Arguments<'_>, is_fit: impl Fn(&str) -> bool) -> Result<bool, Error> {
    let wanted = arguments.required(0, "prefix")?;
    if let Some(text) = wanted.as_str() {
        return Ok(is_fit(text));
    }
    if wanted.is_tuple() {
        return Ok(wanted
            .try_iter()?
            .any(|text| text.as_str().is_some_and(&is_fit)));
    }
    Err(failed("one text or a tuple of texts is asked for"))
}

fn all(text: &str, is_wanted: impl Fn(char) -> bool) -> Value {
    Value::from(!text.is_empty() && text.chars().all(is_wanted))
}

/// Text whose letters are all of one case, and that has letters.
pub(crate) fn is_cased(text: &str, is_wanted: impl Fn(char) -> bool) -> bool {
    let is_letter = |c: &char| c.is_lowercase() || c.is_uppercase();
    let mut letters = text.chars().filter(is_letter).peekable();
    letters.peek().is_some() && letters.all(is_wanted)
}

fn is_titled(text: &str) -> bool {
    let (mut is_inside, mut has_letter) = (false, false);
    for c in text.chars() {
        let is_fit = match (c.is_uppercase(), c.is_lowercase()) {
            (true, _) => !is_inside,
            (_, true) => is_inside,
            _ => true,
        };
        if !is_fit {
            return false;
        }
        is_inside = c.is_uppercase() || c.is_lowercase();
        has_letter |= is_inside;
    }
    has_letter
}

fn trimmed<'t>(text: &'t str, method: &str, arguments: &Arguments<'_>) -> &'t str {
    let chosen = arguments.optional_text(0, "chars");
    let is_dropped = |c: char| match &chosen {
        Some(chosen) => chosen.contains(c),
        None => c.is_whitespace(),
    };
    match method {
        "lstrip" => text.trim_start_matches(is_dropped),
        "rstrip" => text.trim_end_matches(is_dropped),
        _ => text.trim_matches(is_dropped),
    }
}

fn replaced(text: &str, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let old = required_text(arguments, 0, "old")?;
    let new = required_text(arguments, 1, "new")?;
    let count = arguments.get(2, "count").and_then(|count| count.as_i64());
    Ok(Value::from(
        match count.and_then(|count| usize::try_from(count).ok()) {
            Some(count) => text.replacen(&old, &new, count),
            None => text.replace(&old, &new),
        },
    ))
}

/// Python's `maketrans`: a mapping, or two texts of one length and one of what goes.
fn translation(arguments: &Arguments<'_>) -> Result<Value, Error> {
    let code = |c: char| Value::from(u32::from(c));
    let first = arguments.required(0, "x")?;
    let Some(from) = first.as_str() else {
        let entries = crate::value::dict::pairs(&first)?;
        let entries = entries.into_iter().map(|(key, value)| {
            let mut characters = key.as_str().unwrap_or_default().chars();
            let key = match (characters.next(), characters.next()) {
                (Some(only), None) => code(only),
                _ => key.clone(),
            };
            (key, value)
        });
        return Ok(Dict::from_pairs(entries.collect::<Vec<_>>()));
    };
    let to = required_text(arguments, 1, "y")?;
    if from.chars().count() != to.chars().count() {
        return Err(failed("the two texts of maketrans have the same length"));
    }
    let pairs = from.chars().zip(to.chars());
    let mut entries: Vec<(Value, Value)> = pairs.map(|(old, new)| (code(old), code(new))).collect();
    if let Some(gone) = arguments.optional_text(2, "z") {
        entries.extend(gone.chars().map(|c| (code(c), Value::from(()))));
    }
    Ok(Dict::from_pairs(entries))
}

fn translated(text: &str, table: &Value) -> Result<Value, Error> {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let new = table.get_item(&Value::from(u32::from(c)))?;
        match new.kind() {
            _ if new.is_undefined() => out.push(c),
            _ if new.is_none() => {}
            _ => match new.as_i64().and_then(|code| u32::try_from(code).ok()) {
                Some(code) => out.extend(char::from_u32(code)),
                None => out.push_str(&new.to_string()),
            },
        }
    }
    Ok(Value::from(out))
}

fn untabbed(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for c in text.chars() {
        match c {
            '\t' if width > 0 => {
                let spaces = width - column % width;
                out.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            '\t' => {}
            '\n' | '\r' => {
                out.push(c);
                column = 0;
            }
            _ => {
                out.push(c);
                column += 1;
            }
        }
    }
    out
}

/// Answers a method of text; none when text has no such method.
pub(crate) fn call(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let arguments = Arguments::new(args)?;
    let fill = || {
        let fill = arguments.optional_text(1, "fillchar");
        fill.and_then(|text| text.chars().next()).unwrap_or(' ')
    };
    let width = || -> Result<usize, Error> {
        let width = arguments.required(0, "width")?.as_i64().unwrap_or_default();
        Ok(usize::try_from(width).unwrap_or_default())
    };
    let missing = |width: usize| width.saturating_sub(text.chars().count());
    let filled = |count: usize| std::iter::repeat_n(fill(), count).collect::<String>();
    let result = match method {
        "upper" => Value::from(text.to_uppercase()),
        "lower" => Value::from(text.to_lowercase()),
        "casefold" => Value::from(text.to_lowercase().replace('ß', "ss")),
        "title" => Value::from(titled(text)),
        "capitalize" => Value::from(capitalized(text)),
        "swapcase" => Value::from(
            text.chars()
                .flat_map(|c| {
                    let swapped: Vec<char> = if c.is_uppercase() {
                        c.to_lowercase().collect()
                    } else {
                        c.to_uppercase().collect()
                    };
                    swapped
                })
                .collect::<String>(),
        ),
        "strip" | "lstrip" | "rstrip" => Value::from(trimmed(text, method, &arguments)),
        "split" => split(text, &arguments)?,
        "rsplit" => rsplit(text, &arguments)?,
        "splitlines" => lines(text, arguments.flag(0, "keepends", false)),
        "join" => {
            let mut parts = Vec::new();
            for part in arguments.required(0, "iterable")?.try_iter()? {
                match part.as_str() {
                    Some(part) => parts.push(part.to_owned()),
                    None => {
                        return Err(failed("`join` takes texts: map them with `|map('string')`"));
                    }
                }
            }
            Value::from(parts.join(text))
        }
        "replace" => replaced(text, &arguments)?,
        "find" | "rfind" => {
            let at = found(text, &arguments, method == "rfind")?;
            at.map_or(Value::from(-1), Value::from)
        }
        "index" | "rindex" => {
            let at = found(text, &arguments, method == "rindex")?;
            at.map(Value::from)
                .ok_or_else(|| failed("the text to look for is not found"))?
        }
        "count" => {
            let part = required_text(&arguments, 0, "sub")?;
            let stretch = stretch(text, &arguments).map_or("", |(stretch, _)| stretch);
            Value::from(stretch.matches(part.as_str()).count())
        }
        "startswith" | "endswith" => {
            let Some((stretch, _)) = stretch(text, &arguments) else {
                return Ok(Some(Value::from(false)));
            };
            Value::from(fits(&arguments, |wanted| {
                if method == "startswith" {
                    stretch.starts_with(wanted)
                } else {
                    stretch.ends_with(wanted)
                }
            })?)
        }
        "zfill" => {
            let zeros = "0".repeat(missing(width()?));
            match text.strip_prefix(['-', '+']) {
                Some(rest) => Value::from(format!("{}{zeros}{rest}", &text[..1])),
                None => Value::from(format!("{zeros}{text}")),
            }
        }
        "ljust" => Value::from(format!("{text}{}", filled(missing(width()?)))),
        "rjust" => Value::from(format!("{}{text}", filled(missing(width()?)))),
        "center" => Value::from(centered(text, width()?, fill())),
        "partition" => {
            let separator = required_text(&arguments, 0, "sep")?;
            match text.split_once(separator.as_str()) {
                Some((left, right)) => triple(left, &separator, right),
                None => triple(text, "", ""),
            }
        }
        "rpartition" => {
            let separator = required_text(&arguments, 0, "sep")?;
            match text.rsplit_once(separator.as_str()) {
                Some((left, right)) => triple(left, &separator, right),
                None => triple("", "", text),
            }
        }
        "removeprefix" => {
            let prefix = required_text(&arguments, 0, "prefix")?;
            Value::from(text.strip_prefix(prefix.as_str()).unwrap_or(text))
        }
        "removesuffix" => {
            let suffix = required_text(&arguments, 0, "suffix")?;
            Value::from(text.strip_suffix(suffix.as_str()).unwrap_or(text))
        }
        "format" => Value::from(printf::str_format(text, &arguments)?),
        "format_map" => {
            let named = minijinja::value::Kwargs::from_iter(
                crate::value::dict::pairs(&arguments.required(0, "mapping")?)?
                    .into_iter()
                    .map(|(key, value)| (key.to_string(), value)),
            );
            let named = [Value::from(named)];
            Value::from(printf::str_format(text, &Arguments::new(&named)?)?)
        }
        "maketrans" => translation(&arguments)?,
        "translate" => translated(text, &arguments.required(0, "table")?)?,
        "expandtabs" => {
            let width = arguments
                .get(0, "tabsize")
                .and_then(|width| width.as_usize());
            Value::from(untabbed(text, width.unwrap_or(8)))
        }
        "encode" => Value::from_bytes(text.as_bytes().to_vec()),
        "isalpha" => all(text, char::is_alphabetic),
        "isalnum" => all(text, char::is_alphanumeric),
        "isascii" => Value::from(text.is_ascii()),
        "isdecimal" => all(text, |c| {
            c.is_ascii_digit() || (c.is_numeric() && is_decimal(c))
        }),
        "isdigit" => all(text, |c| {
            is_decimal(c) || matches!(c, '²' | '³' | '¹' | '⁰'..='⁹')
        }),
        "isnumeric" => all(text, char::is_numeric),
        "isspace" => all(text, char::is_whitespace),
        "islower" => Value::from(is_cased(text, char::is_lowercase)),
        "isupper" => Value::from(is_cased(text, char::is_uppercase)),
        "istitle" => Value::from(is_titled(text)),
        "isprintable" => Value::from(text.chars().all(is_printable)),
        "isidentifier" => {
            let mut characters = text.chars();
            let first = characters.next();
            let is_start = first.is_some_and(|c| c == '_' || c.is_alphabetic());
            Value::from(is_start && characters.all(|c| c == '_' || c.is_alphanumeric()))
        }
        _ => return Ok(None),
    };
    Ok(Some(result))
}

/// A digit of a decimal system; fractions and Roman numerals are none.
fn is_decimal(c: char) -> bool {
    c.is_ascii_digit()
        || matches!(c, '\u{660}'..='\u{669}' | '\u{6f0}'..='\u{6f9}' | '\u{966}'..='\u{96f}'
            | '\u{ff10}'..='\u{ff19}')
}

fn lines(text: &str, keeps_ends: bool) -> Value {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        let ending = if after.starts_with("\r\n") {
            2
        } else {
            usize::from(!after.is_empty())
        };
        let kept = if keeps_ends { end + ending } else { line.len() };
        lines.push(rest[..kept].to_owned());
        rest = &after[ending..];
    }
    list(lines.into_iter())
}

fn limit(arguments: &Arguments<'_>) -> Option<usize> {
    arguments
        .get(1, "maxsplit")
        .and_then(|limit| limit.as_i64())
        .and_then(|limit| usize::try_from(limit).ok())
}

/// What to split at; none means white space.
fn separator(arguments: &Arguments<'_>) -> Result<Option<String>, Error> {
    match arguments.optional_text(0, "sep") {
        Some(separator) if separator.is_empty() => Err(failed("the separator is empty")),
        separator => Ok(separator),
    }
}

fn split(text: &str, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let limit = limit(arguments);
    if let Some(separator) = separator(arguments)? {
        let parts = limit.map_or(usize::MAX, |limit| limit.saturating_add(1));
        return Ok(list(
            text.splitn(parts, separator.as_str()).map(str::to_owned),
        ));
    }
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    while parts.len() < limit.unwrap_or(usize::MAX) && !rest.is_empty() {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        parts.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    if !rest.is_empty() {
        parts.push(rest.to_owned());
    }
    Ok(list(parts.into_iter()))
}

fn rsplit(text: &str, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let Some(limit) = limit(arguments) else {
        return split(text, arguments);
    };
    let mut parts: Vec<String> = Vec::new();
    if let Some(separator) = separator(arguments)? {
        let found = text.rsplitn(limit.saturating_add(1), separator.as_str());
        parts.extend(found.map(str::to_owned));
    } else {
        let mut rest = text.trim_end();
        while parts.len() < limit && !rest.is_empty() {
            let start = rest.rfind(char::is_whitespace);
            let start = start.map_or(0, |at| {
                at + rest[at..].chars().next().map_or(1, char::len_utf8)
            });
            parts.push(rest[start..].to_owned());
            rest = rest[..start].trim_end();
        }
        if !rest.is_empty() {
            parts.push(rest.to_owned());
        }
    }
    parts.reverse();
    Ok(list(parts.into_iter()))
}

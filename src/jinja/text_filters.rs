//! Text filters: Jinja's filters that take a value and write text.

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, Value};

use crate::printf;
use crate::text_methods::{capitalized, centered};
use crate::value::dict::pairs;
use crate::value::text::{repr, text};
use crate::value::{Arguments, Filter, failed, raw};

pub(crate) fn add(environment: &mut Environment<'_>) {
    let filters: [(&'static str, Filter); 20] = [
        ("capitalize", |value, _| written(capitalized(&text(value)))),
        ("center", |value, arguments| {
            let width = number(arguments, 0, "width", 80);
            written(centered(&text(value), width, ' '))
        }),
        ("e", |value, _| escape(value)),
        ("escape", |value, _| escape(value)),
        ("filesizeformat", file_size),
        ("forceescape", |value, _| {
            Ok(Value::from_safe_string(escaped(&text(value))))
        }),
        ("format", formatted),
        ("indent", indent),
        ("lower", |value, _| written(text(value).to_lowercase())),
        ("pprint", |value, _| written(repr(value))),
        ("replace", replace),
        ("striptags", |value, _| written(without_tags(&text(value)))),
        ("title", |value, _| written(title(&text(value)))),
        ("trim", |value, arguments| {
            let chosen = arguments.optional_text(0, "chars");
            let text = text(value);
            written(match chosen {
                Some(chosen) => text.trim_matches(|c| chosen.contains(c)).to_owned(),
                None => text.trim().to_owned(),
            })
        }),
        ("truncate", truncate),
        ("upper", |value, _| written(text(value).to_uppercase())),
        ("urlencode", url_encoded),
        ("wordcount", |value, _| {
            let text = text(value);
            let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            Ok(Value::from(words.filter(|word| !word.is_empty()).count()))
        }),
        ("wordwrap", word_wrapped),
        ("xmlattr", attributes),
    ];
    for (name, function) in filters {
        environment.add_filter(name, move |value: &Value, args: Rest<ValueOrKwargs>| {
            let args = raw(args);
            function(value, &Arguments::new(&args)?)
        });
    }
}

fn written(text: String) -> Result<Value, Error> {
    Ok(Value::from(text))
}

fn number(arguments: &Arguments<'_>, index: usize, name: &str, default: usize) -> usize {
    let given = arguments.get(index, name);
    given.and_then(|value| value.as_usize()).unwrap_or(default)
}

/// Replaces what means something in HTML.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            _ => out.push(c),
        }
    }
    out
}

fn escape(value: &Value) -> Result<Value, Error> {
    if value.is_safe() {
        return Ok(value.clone());
    }
    Ok(Value::from_safe_string(escaped(&text(value))))
}

fn file_size(value: &Value, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let size = match value.as_str() {
        Some(text) => text.parse::<f64>().ok(),
        None => f64::try_from(value.clone()).ok(),
    };
    let size = size.ok_or_else(|| failed("`filesizeformat` takes a number"))?;
    let (base, names) = if arguments.flag(0, "binary", false) {
        (
            1024.0,
            ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"],
        )
    } else {
        (1000.0, ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"])
    };
    if size == 1.0 {
        return written("1 Byte".to_owned());
    }
    if size < base {
        return written(format!("{} Bytes", size.trunc()));
    }
    let mut unit = base;
    let mut shown = names[0];
    for name in names {
        shown = name;
        if size < unit * base {
            break;
        }
        unit *= base;
    }
    written(format!("{:.1} {shown}", size / unit))
}

/// `'%s'|format(x)`: the arguments of the filter, or its keywords, fill the pattern.
fn formatted(value: &Value, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let keywords = arguments.keywords();
    let given = if keywords.is_empty() {
        Value::from(minijinja::value::Tuple::from(
            arguments.positional().to_vec(),
        ))
    } else {
        crate::value::dict::Dict::from_pairs(keywords)
    };
    written(printf::printf(&text(value), &given)?)
}

fn indent(value: &Value, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let indention = match arguments.get(0, "width") {
        None => " ".repeat(4),
        Some(width) => match width.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(width.as_usize().unwrap_or(4)),
        },
    };
    let is_first = arguments.flag(1, "first", false);
    let is_blank = arguments.flag(2, "blank", false);
    let text = text(value);
    let mut out = String::with_capacity(text.len() + 16);
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let is_indented = if index == 0 {
            is_first
        } else {
            is_blank || !line.is_empty()
        };
        if is_indented {
            out.push_str(&indention);
        }
        out.push_str(line);
    }
    written(out)
}

fn replace(value: &Value, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let (old, new) = (arguments.text(0, "old")?, arguments.text(1, "new")?);
    let count = arguments.get(2, "count").and_then(|count| count.as_usize());
    let text = text(value);
    written(match count {
        Some(count) => text.replacen(&old, &new, count),
        None => text.replace(&old, &new),
    })
}

fn without_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        let inside = &rest[at..];
        let closer = if inside.starts_with("<!--") {
            "-->"
        } else {
            ">"
        };
        match inside.find(closer) {
            Some(end) => rest = &inside[end + closer.len()..],
            None => {
                out.push_str(inside);
                rest = "";
            }
        }
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Upper case after white space, hyphens and opening brackets.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_first = true;
    for c in text.chars() {
        if is_first {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        is_first = c.is_whitespace() || matches!(c, '-' | '(' | '{' | '[' | '<');
    }
    out
}

fn truncate(value: &Value, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let length = number(arguments, 0, "length", 255);
    let is_cutting_words = arguments.flag(1, "killwords", false);
    let end = arguments.optional_text(2, "end");
    let end = end.unwrap_or_else(|| "...".to_owned());
    let leeway = number(arguments, 3, "leeway", 5);
    let text = text(value);
    if text.chars().count() <= length + leeway {
        return written(text);
    }
    let room = length.saturating_sub(end.chars().count());
    let cut: String = text.chars().take(room).collect();
    if is_cutting_words {
        return written(cut + &end);
    }
    let cut = cut.rsplit_once(' ').map_or(cut.as_str(), |(head, _)| head);
    written(format!("{cut}{end}"))
}

fn percent(text: &str, kept: &str, space: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "_.-~".contains(c) || (byte.is_ascii() && kept.contains(c))
        {
            out.push(c);
        } else if c == ' ' {
            out.push_str(space);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn url_encoded(value: &Value, _arguments: &Arguments<'_>) -> Result<Value, Error> {
    if value.kind() != ValueKind::Map {
        return written(percent(&text(value), "/", "%20"));
    }
    let pairs = pairs(value)?;
    let parts: Vec<String> = pairs
        .iter()
        .map(|(key, value)| {
            let part = |value: &Value| percent(&text(value), "", "+");
            format!("{}={}", part(key), part(value))
        })
        .collect();
    written(parts.join("&"))
}

fn word_wrapped(value: &Value, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let width = number(arguments, 0, "width", 79).max(1);
    let is_breaking = arguments.flag(1, "break_long_words", true);
    let separator = arguments.optional_text(2, "wrapstring");
    let separator = separator.unwrap_or_else(|| "\n".to_owned());
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text(value).lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let mut word: Vec<char> = word.chars().collect();
            let used = line.chars().count();
            let room = if used == 0 {
                width
            } else {
                width.saturating_sub(used + 1)
            };
            if word.len() > room && used > 0 && !(is_breaking && word.len() > width) {
                lines.push(std::mem::take(&mut line));
            } else if used > 0 && (word.len() <= room || room > 0) {
                line.push(' ');
            }
            while is_breaking && word.len() > width.saturating_sub(line.chars().count()) {
                let room = width.saturating_sub(line.chars().count());
                line.extend(word.drain(..room));
                lines.push(std::mem::take(&mut line));
            }
            line.extend(word);
        }
        lines.push(line);
    }
    written(lines.join(&separator))
}

fn attributes(value: &Value, arguments: &Arguments<'_>) -> Result<Value, Error> {
    let mut out = String::new();
    for (key, value) in pairs(value)? {
        if value.is_none() || value.is_undefined() {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&format!(
            "{}=\"{}\"",
            escaped(&text(&key)),
            escaped(&text(&value))
        ));
    }
    if arguments.flag(0, "autospace", true) && !out.is_empty() {
        out.insert(0, ' ');
    }
    Ok(Value::from_safe_string(out))
}

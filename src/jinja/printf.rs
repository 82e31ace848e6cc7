//! Printf: Python's two ways to format text, `'%s' % x` and `'{}'.format(x)`.
//!
//! Patterns are read here, because values are written as Python writes them; the single numbers
//! are laid out by the engine.

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use crate::value::datetime::Moment;
use crate::value::text::{repr, text};
use crate::value::{Arguments, decimal, failed};

/// Formats `pattern % arguments`: a tuple holds several arguments, a dict named ones.
pub(crate) fn printf(pattern: &str, arguments: &Value) -> Result<String, Error> {
    let items: Vec<Value> = if arguments.is_tuple() {
        arguments.try_iter()?.collect()
    } else {
        vec![arguments.clone()]
    };
    let mut left = items.into_iter();
    let mut next = || {
        left.next()
            .ok_or_else(|| failed(format!("the format `{pattern}` needs more arguments")))
    };
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut is_named = false;
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut named = None;
        if let Some(inside) = rest.strip_prefix('(') {
            let end = inside
                .find(')')
                .ok_or_else(|| failed(format!("a `%(` is never closed in `{pattern}`")))?;
            let value = arguments.get_item(&Value::from(&inside[..end]))?;
            if value.is_undefined() {
                let name = &inside[..end];
                return Err(failed(format!(
                    "the format names `{name}`, which is not given"
                )));
            }
            named = Some(value);
            is_named = true;
            rest = &inside[end + 1..];
        }
        let mut spec = String::from("%");
        let kind = loop {
            let c = rest
                .chars()
                .next()
                .ok_or_else(|| failed(format!("the format `{pattern}` ends in the middle")))?;
            rest = &rest[c.len_utf8()..];
            match c {
                '-' | '+' | ' ' | '#' | '0'..='9' | '.' => spec.push(c),
                '*' => spec.push_str(&text(&next()?)),
                'l' | 'h' | 'L' => {}
                _ => break c,
            }
        };
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match named {
            Some(value) => value,
            None => next()?,
        };
        let (kind, value) = match kind {
            's' => ('s', Value::from(text(&value))),
            'r' | 'a' => ('s', Value::from(repr(&value))),
            'd' | 'i' | 'u' => ('d', whole(&value)?),
            _ => (kind, decimal::softened(&value)),
        };
        if let Some(text) = value.as_str().filter(|_| kind == 's') {
            out.push_str(&printed(text, &spec[1..]));
            continue;
        }
        spec.push(kind);
        out.push_str(&format(FormatStyle::Printf, &spec, &[value])?);
    }
    out.push_str(rest);
    // As in Python, a list counts as a mapping here: nothing has to name its items.
    let is_mapping = matches!(arguments.kind(), ValueKind::Map | ValueKind::Seq);
    let may_be_left = is_mapping && !arguments.is_tuple();
    if left.next().is_some() && !is_named && !may_be_left {
        return Err(failed(format!(
            "the format `{pattern}` does not use all its arguments"
        )));
    }
    Ok(out)
}

/// The whole part of a number, as `%d` prints it.
fn whole(value: &Value) -> Result<Value, Error> {
    if let Some(decimal) = decimal::of(value) {
        return Ok(Value::from(decimal.whole()));
    }
    match value.kind() {
        ValueKind::Bool => Ok(Value::from(i64::from(value.is_true()))),
        ValueKind::Number if value.is_integer() => Ok(value.clone()),
        ValueKind::Number => {
            let number = f64::try_from(value.clone())?;
            Ok(Value::from(number.trunc() as i128))
        }
        _ => Err(failed("`%d` takes a number")),
    }
}

/// Formats `pattern.format(arguments…)`.
pub(crate) fn str_format(pattern: &str, arguments: &Arguments<'_>) -> Result<String, Error> {
    let mut automatic = 0;
    formatted(pattern, arguments, &mut automatic)
}

fn formatted(
    pattern: &str,
    arguments: &Arguments<'_>,
    automatic: &mut usize,
) -> Result<String, Error> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let (mark, after) = rest[at..].split_at(1);
        rest = after;
        if let Some(after) = rest.strip_prefix(mark) {
            out.push_str(mark);
            rest = after;
            continue;
        }
        if mark == "}" {
            return Err(failed(format!(
                "a `}}` stands alone in the format `{pattern}`"
            )));
        }
        let end = closing(rest)
            .ok_or_else(|| failed(format!("a `{{` is never closed in the format `{pattern}`")))?;
        let field = &rest[..end];
        rest = &rest[end + 1..];
        let (field, spec) = field.split_once(':').unwrap_or((field, ""));
        let (name, conversion) = match field.split_once('!') {
            Some((name, conversion)) => (name, Some(conversion)),
            None => (field, None),
        };
        let value = field_value(name, arguments, automatic)?;
        let spec = if spec.contains('{') {
            formatted(spec, arguments, automatic)?
        } else {
            spec.to_owned()
        };
        let value = match conversion {
            None => value,
            Some("s") => Value::from(text(&value)),
            Some(_) => Value::from(repr(&value)),
        };
        out.push_str(&laid_out(&value, &spec)?);
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the brace that is open at the start of the text is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn field_value(
    name: &str,
    arguments: &Arguments<'_>,
    automatic: &mut usize,
) -> Result<Value, Error> {
    let end = name.find(['.', '[']).unwrap_or(name.len());
    let (first, mut path) = name.split_at(end);
    let missing = || failed(format!("the format names `{first}`, which is not given"));
    let positional = arguments.positional();
    let mut value = if first.is_empty() {
        *automatic += 1;
        let value = positional.get(*automatic - 1);
        value.cloned().ok_or_else(missing)?
    } else if let Ok(index) = first.parse::<usize>() {
        positional.get(index).cloned().ok_or_else(missing)?
    } else {
        arguments.keyword(first).ok_or_else(missing)?
    };
    while !path.is_empty() {
        if let Some(rest) = path.strip_prefix('.') {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            value = value.get_attr(&rest[..end])?;
            path = &rest[end..];
        } else {
            let inside = path.trim_start_matches('[');
            let end = inside.find(']').ok_or_else(missing)?;
            let key = &inside[..end];
            let key = key
                .parse::<i64>()
                .map_or_else(|_| Value::from(key), Value::from);
            value = value.get_item(&key)?;
            path = &inside[end + 1..];
        }
    }
    Ok(value)
}

/// Writes one value as its format says.
fn laid_out(value: &Value, spec: &str) -> Result<String, Error> {
    let softened = decimal::softened(value);
    let value = if spec.is_empty() { value } else { &softened };
    if let Some(moment) = value.downcast_object_ref::<Moment>() {
        return if spec.is_empty() {
            Ok(text(value))
        } else {
            moment.formatted(spec)
        };
    }
    if spec.is_empty() {
        return Ok(text(value));
    }
    if let Some(spec) = spec.strip_suffix('%') {
        let number = f64::try_from(value.clone())? * 100.0;
        let spec = if spec.contains('.') {
            format!("{spec}f")
        } else {
            format!("{spec}.6f")
        };
        return Ok(laid_out(&Value::from(number), &spec)? + "%");
    }
    let is_plain = matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    if is_plain {
        let number = match value.kind() {
            ValueKind::Bool => Value::from(i64::from(value.is_true())),
            _ => value.clone(),
        };
        return format(FormatStyle::StrFormat, &format!("{{:{spec}}}"), &[number]);
    }
    let refused = || {
        failed(format!(
            "the format `{spec}` works on text and numbers alone"
        ))
    };
    let shown = value.as_str().ok_or_else(refused)?;
    let layout = TextLayout::read(spec)
        .ok_or_else(|| failed(format!("`{spec}` is no format of a text, such as `>8`")))?;
    Ok(layout.applied(shown))
}

/// A `%s` with what stands between its two characters.
fn printed(shown: &str, flags: &str) -> String {
    let (width, precision) = flags
        .split_once('.')
        .map_or((flags, None), |(width, rest)| {
            (width, Some(rest.parse().unwrap_or(0)))
        });
    let align = if width.contains('-') { '<' } else { '>' };
    let width = width.trim_start_matches(['-', '+', ' ', '#', '0']);
    let layout = TextLayout {
        fill: ' ',
        align,
        width: width.parse().unwrap_or(0),
        precision,
    };
    layout.applied(shown)
}

/// How a text fills its place, counted in characters.
struct TextLayout {
    fill: char,
    /// `<`, `>` or `^`: where the text stands in its place.
    align: char,
    width: usize,
    /// At most so many characters of the text.
    precision: Option<usize>,
}

impl TextLayout {
    /// Reads `[[fill]align][0][width][.precision][s]`, as Python writes it.
    fn read(spec: &str) -> Option<TextLayout> {
        let is_align = |c: &char| matches!(c, '<' | '>' | '^');
        let mut layout = TextLayout {
            fill: ' ',
            align: '<',
            width: 0,
            precision: None,
        };
        let mut rest = spec;
        let mut begin = spec.chars();
        let (first, second) = (begin.next(), begin.next());
        if let (Some(fill), Some(align)) = (first, second.filter(is_align)) {
            (layout.fill, layout.align) = (fill, align);
            rest = &rest[fill.len_utf8() + 1..];
        } else if let Some(align) = first.filter(is_align) {
            layout.align = align;
            rest = &rest[1..];
        } else if rest.starts_with('0') {
            layout.fill = '0';
        }
        rest = rest.strip_suffix('s').unwrap_or(rest);
        let (width, precision) = match rest.split_once('.') {
            Some((width, precision)) => (width, Some(precision.parse().ok()?)),
            None => (rest, None),
        };
        if !width.is_empty() {
            layout.width = width.parse().ok()?;
        }
        layout.precision = precision;
        Some(layout)
    }

    fn applied(&self, shown: &str) -> String {
        let shown: String = match self.precision {
            Some(most) => shown.chars().take(most).collect(),
            None => shown.to_owned(),
        };
        let missing = self.width.saturating_sub(shown.chars().count());
        let before = match self.align {
            '<' => 0,
            '>' => missing,
            _ => missing / 2,
        };
        let space = |count| self.fill.to_string().repeat(count);
        format!("{}{shown}{}", space(before), space(missing - before))
    }
}

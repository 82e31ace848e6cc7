//! Methods: Python's methods of text, and of mappings and lists that come from elsewhere.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, State, Value};
use minijinja_contrib::pycompat;

use crate::value::list::List;
use crate::value::unknown::unknown;
use crate::value::{Arguments, failed, unknown_method};

/// Answers a method that the value itself does not know.
pub(crate) fn call(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            match text_method(text, method, args)? {
                Some(result) => Ok(result),
                None => pycompat::unknown_method_callback(state, value, method, args),
            }
        }
        ValueKind::Undefined | ValueKind::None => {
            let is_parsing =
                crate::session::Session::of(state).is_some_and(|session| !session.is_execute);
            if is_parsing {
                Ok(unknown())
            } else if value.is_undefined() {
                Err(Error::new(
                    minijinja::ErrorKind::UndefinedError,
                    format!("`{method}` is called on an undefined value"),
                ))
            } else {
                Err(failed(format!("none has no method named `{method}`")))
            }
        }
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => match method {
            "copy" => Ok(crate::value::convert::thaw(value)),
            "index" => {
                let wanted = Arguments::new(args)?.required(0, "value")?;
                value
                    .try_iter()?
                    .position(|item| item == wanted)
                    .map(Value::from)
                    .ok_or_else(|| failed("the list has no such item"))
            }
            "append" | "extend" | "insert" | "remove" | "pop" | "update" | "setdefault"
            | "clear" => Err(failed(format!(
                "`{method}` would change a value that cannot change: make a copy first"
            ))),
            "keys" | "values" | "items" => {
                let result = pycompat::unknown_method_callback(state, value, method, args)?;
                Ok(List::value(result.try_iter()?.collect()))
            }
            _ => pycompat::unknown_method_callback(state, value, method, args),
        },
        ValueKind::Number => match method {
            "is_integer" => {
                let number = f64::try_from(value.clone()).unwrap_or(f64::NAN);
                Ok(Value::from(number.fract() == 0.0))
            }
            _ => Err(unknown_method()),
        },
        _ => pycompat::unknown_method_callback(state, value, method, args),
    }
}

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

fn text_method(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let arguments = Arguments::new(args)?;
    let fill = || {
        arguments
            .optional_text(1, "fillchar")
            .and_then(|text| text.chars().next())
            .unwrap_or(' ')
    };
    let width = || {
        Ok::<usize, Error>(
            arguments
                .required(0, "width")?
                .as_usize()
                .unwrap_or_default(),
        )
    };
    let missing = |width: usize| width.saturating_sub(text.chars().count());
    let result = match method {
        "split" => split(text, &arguments),
        "rsplit" => rsplit(text, &arguments),
        "splitlines" if args.is_empty() => list(text.lines().map(str::to_owned)),
        "zfill" => {
            let zeros = "0".repeat(missing(width()?));
            match text.strip_prefix(['-', '+']) {
                Some(rest) => Value::from(format!("{}{zeros}{rest}", &text[..1])),
                None => Value::from(format!("{zeros}{text}")),
            }
        }
        "ljust" => {
            let fills = std::iter::repeat_n(fill(), missing(width()?)).collect::<String>();
            Value::from(format!("{text}{fills}"))
        }
        "rjust" => {
            let fills = std::iter::repeat_n(fill(), missing(width()?)).collect::<String>();
            Value::from(format!("{fills}{text}"))
        }
        "center" => Value::from(centered(text, width()?, fill())),
        "partition" => {
            let separator = arguments.text(0, "sep")?;
            match text.split_once(separator.as_str()) {
                Some((left, right)) => triple(left, &separator, right),
                None => triple(text, "", ""),
            }
        }
        "rpartition" => {
            let separator = arguments.text(0, "sep")?;
            match text.rsplit_once(separator.as_str()) {
                Some((left, right)) => triple(left, &separator, right),
                None => triple("", "", text),
            }
        }
        "removeprefix" => {
            let prefix = arguments.text(0, "prefix")?;
            Value::from(text.strip_prefix(prefix.as_str()).unwrap_or(text))
        }
        "removesuffix" => {
            let suffix = arguments.text(0, "suffix")?;
            Value::from(text.strip_suffix(suffix.as_str()).unwrap_or(text))
        }
        "index" => {
            let part = arguments.text(0, "sub")?;
            let at = text
                .find(&part)
                .ok_or_else(|| failed(format!("`{part}` is not found in the text")))?;
            Value::from(text[..at].chars().count())
        }
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
        "casefold" => Value::from(text.to_lowercase()),
        "isidentifier" => {
            let mut characters = text.chars();
            let is_start = characters
                .next()
                .is_some_and(|c| c == '_' || c.is_alphabetic());
            Value::from(is_start && characters.all(|c| c == '_' || c.is_alphanumeric()))
        }
        "isdecimal" => Value::from(!text.is_empty() && text.chars().all(|c| c.is_numeric())),
        "expandtabs" => Value::from(text.replace('\t', &" ".repeat(8))),
        "encode" => Value::from(text),
        "join" => {
            let parts = arguments.required(0, "iterable")?;
            let parts: Vec<String> = parts
                .try_iter()?
                .map(|part| crate::value::convert::text(&part))
                .collect();
            Value::from(parts.join(text))
        }
        _ => return Ok(None),
    };
    Ok(Some(result))
}

fn limit(arguments: &Arguments<'_>) -> Option<usize> {
    arguments
        .get(1, "maxsplit")
        .and_then(|limit| limit.as_i64())
        .and_then(|limit| usize::try_from(limit).ok())
}

fn split(text: &str, arguments: &Arguments<'_>) -> Value {
    let limit = limit(arguments);
    match arguments.optional_text(0, "sep") {
        Some(separator) => {
            let parts = limit.map_or(usize::MAX, |limit| limit.saturating_add(1));
            list(text.splitn(parts, separator.as_str()).map(str::to_owned))
        }
        None => {
            let Some(limit) = limit else {
                return list(text.split_whitespace().map(str::to_owned));
            };
            let mut parts = Vec::new();
            let mut rest = text.trim_start();
            while parts.len() < limit && !rest.is_empty() {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                parts.push(rest[..end].to_owned());
                rest = rest[end..].trim_start();
            }
            if !rest.is_empty() {
                parts.push(rest.to_owned());
            }
            list(parts.into_iter())
        }
    }
}

fn rsplit(text: &str, arguments: &Arguments<'_>) -> Value {
    let (Some(separator), Some(limit)) = (arguments.optional_text(0, "sep"), limit(arguments))
    else {
        return split(text, arguments);
    };
    let mut parts: Vec<String> = text
        .rsplitn(limit.saturating_add(1), separator.as_str())
        .map(str::to_owned)
        .collect();
    parts.reverse();
    list(parts.into_iter())
}

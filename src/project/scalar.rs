//! Decides what an unquoted YAML scalar means, as PyYAML does (YAML 1.1).
//!
//! Dates and times of day with a date stay text: PostgreSQL reads them as they are written.
//!
//! Source: YAML 1.1 type repository, yaml.org/type, and PyYAML's implicit resolvers.

use crate::node::Value;

/// Resolves a plain scalar. Whole numbers beyond 64 bits stay text, so that no digit is lost.
pub(super) fn resolve(text: &str) -> Value {
    let Some(first) = text.bytes().next() else {
        return Value::Null;
    };
    match first {
        b'~' if text == "~" => return Value::Null,
        b'n' | b'N' if matches!(text, "null" | "Null" | "NULL") => return Value::Null,
        _ => {}
    }
    if let Some(truth) = boolean(text) {
        return Value::Bool(truth);
    }
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return Value::String(text.to_owned());
    }
    integer(text)
        .or_else(|| float(text))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// True for text that counts in sixties, as `10:30` does.
pub(super) fn is_sexagesimal(text: &str) -> bool {
    text.contains(':') && !matches!(resolve(text), Value::String(_))
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn split_sign(text: &str) -> (i64, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    }
}

fn is_digits(text: &str, is_digit: fn(&u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'_' || is_digit(&byte))
}

fn integer(text: &str) -> Option<Value> {
    let (sign, body) = split_sign(text);
    let (radix, digits) = if let Some(digits) = body.strip_prefix("0b") {
        (
            2,
            is_digits(digits, |byte| matches!(byte, b'0' | b'1')).then_some(digits)?,
        )
    } else if let Some(digits) = body.strip_prefix("0x") {
        (
            16,
            is_digits(digits, u8::is_ascii_hexdigit).then_some(digits)?,
        )
    } else if body == "0" {
        (10, body)
    } else if let Some(digits) = body.strip_prefix('0') {
        (
            8,
            is_digits(digits, |byte| matches!(byte, b'0'..=b'7')).then_some(digits)?,
        )
    } else if body.contains(':') {
        return sexagesimal(sign, body);
    } else {
        let starts_well = body.as_bytes().first().is_some_and(u8::is_ascii_digit);
        (
            10,
            (starts_well && is_digits(body, u8::is_ascii_digit)).then_some(body)?,
        )
    };
    let digits: String = digits.chars().filter(|digit| *digit != '_').collect();
    if digits.is_empty() {
        return None;
    }
    let magnitude = i128::from_str_radix(&digits, radix).ok()?;
    let number = i64::try_from(magnitude * i128::from(sign)).ok()?;
    Some(Value::Int(number))
}

fn sexagesimal(sign: i64, body: &str) -> Option<Value> {
    let (head, rest) = body.split_once(':')?;
    let starts_well = matches!(head.as_bytes().first(), Some(b'1'..=b'9'));
    if !starts_well || !is_digits(head, u8::is_ascii_digit) {
        return None;
    }
    let mut total: i64 = head.replace('_', "").parse().ok()?;
    for part in rest.split(':') {
        total = total.checked_mul(60)?.checked_add(sixtieth(part)?)?;
    }
    Some(Value::Int(sign * total))
}

fn sixtieth(part: &str) -> Option<i64> {
    let is_plain = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = is_plain.then(|| part.parse().ok())??;
    (number < 60).then_some(number)
}

fn float(text: &str) -> Option<Value> {
    let (sign, body) = split_sign(text);
    match body {
        ".inf" | ".Inf" | ".INF" => return Some(Value::Float(sign as f64 * f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" if body == text => return Some(Value::Float(f64::NAN)),
        _ => {}
    }
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    if !fraction
        .bytes()
        .all(|byte| byte == b'_' || byte.is_ascii_digit())
    {
        return None;
    }
    if let Some((head, _)) = whole.split_once(':') {
        if exponent.is_some() || !is_digits(head, u8::is_ascii_digit) {
            return None;
        }
        let Value::Int(minutes) = sexagesimal(sign, whole)? else {
            return None;
        };
        let part: f64 = format!("0.{}0", fraction.replace('_', "")).parse().ok()?;
        return Some(Value::Float(minutes as f64 + sign as f64 * part));
    }
    let whole_fits = if whole.is_empty() {
        body == text
            && fraction
                .bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_digit())
    } else {
        whole.as_bytes()[0].is_ascii_digit() && is_digits(whole, u8::is_ascii_digit)
    };
    // YAML 1.1 asks for a signed exponent: `1e5` and `1.0e5` are text.
    let exponent_fits = exponent.is_none_or(|exponent| {
        let (_, digits) = split_sign(exponent);
        digits.len() < exponent.len()
            && !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    if !whole_fits || !exponent_fits {
        return None;
    }
    let plain: String = text.chars().filter(|letter| *letter != '_').collect();
    plain.parse().ok().map(Value::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_pyyaml_says() {
        let int = Value::Int;
        let float = Value::Float;
        let text = |text: &str| Value::String(text.to_owned());
        let cases = [
            ("", Value::Null),
            ("~", Value::Null),
            ("null", Value::Null),
            ("NULL", Value::Null),
            ("nUll", text("nUll")),
            ("yes", Value::Bool(true)),
            ("Off", Value::Bool(false)),
            ("y", text("y")),
            ("True", Value::Bool(true)),
            ("0", int(0)),
            ("-7", int(-7)),
            ("+7", int(7)),
            ("010", int(8)),
            ("08", text("08")),
            ("0o10", text("0o10")),
            ("0x1F", int(31)),
            ("-0b101", int(-5)),
            ("1_000", int(1000)),
            ("10:30", int(630)),
            ("09:30", text("09:30")),
            ("1:30:00", int(5400)),
            ("10:75", text("10:75")),
            ("1:30.5", float(90.5)),
            ("1.5", float(1.5)),
            ("1.", float(1.0)),
            (".5", float(0.5)),
            ("-.5", text("-.5")),
            ("1e5", text("1e5")),
            ("1.0e5", text("1.0e5")),
            ("1.0e+5", float(100_000.0)),
            ("1_0.5", float(10.5)),
            (".inf", float(f64::INFINITY)),
            ("-.INF", float(f64::NEG_INFINITY)),
            ("2024-01-02", text("2024-01-02")),
            ("1.2.3", text("1.2.3")),
            ("-", text("-")),
            (".", text(".")),
            ("99999999999999999999", text("99999999999999999999")),
        ];
        for (input, expected) in cases {
            assert_eq!(resolve(input), expected, "{input}");
        }
    }
}

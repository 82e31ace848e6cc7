//! Reads a `ref(…)` or `source(…)` that stands alone, as a foreign key's `to:` holds it.

/// The call, with its arguments unquoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StaticCall {
    Ref {
        package: Option<String>,
        name: String,
        version: Option<String>,
    },
    Source {
        source: String,
        table: String,
    },
}

/// Reads `ref('a')`, `ref('package', 'a', v=2)` or `source('s', 't')`; `None` for anything else.
pub(crate) fn static_call(text: &str) -> Option<StaticCall> {
    let (function, rest) = text.trim().split_once('(')?;
    let arguments = rest.trim_end().strip_suffix(')')?;
    let mut names = Vec::new();
    let mut version = None;
    for argument in arguments.split(',').map(str::trim) {
        match argument.split_once('=') {
            Some((key, value)) if matches!(key.trim(), "v" | "version") => {
                let value = value.trim();
                version = Some(unquoted(value).unwrap_or(value).to_owned());
            }
            Some(_) => return None,
            None => names.push(unquoted(argument)?.to_owned()),
        }
    }
    let mut names = names.into_iter();
    let (first, second) = (names.next()?, names.next());
    if names.next().is_some() {
        return None;
    }
    match (function.trim(), second) {
        ("ref", None) => Some(StaticCall::Ref {
            package: None,
            name: first,
            version,
        }),
        ("ref", Some(name)) => Some(StaticCall::Ref {
            package: Some(first),
            name,
            version,
        }),
        ("source", Some(table)) if version.is_none() => Some(StaticCall::Source {
            source: first,
            table,
        }),
        _ => None,
    }
}

fn unquoted(text: &str) -> Option<&str> {
    ['\'', '"']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_with_its_arguments() {
        assert_eq!(
            static_call(" ref('shop', \"orders\", v=2) "),
            Some(StaticCall::Ref {
                package: Some("shop".into()),
                name: "orders".into(),
                version: Some("2".into()),
            })
        );
        assert_eq!(
            static_call("source('raw', 'orders')"),
            Some(StaticCall::Source {
                source: "raw".into(),
                table: "orders".into(),
            })
        );
        assert_eq!(static_call("analytics.orders (id)"), None);
        assert_eq!(static_call("ref(orders)"), None);
    }
}

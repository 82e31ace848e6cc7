//! Checks `require-dbt-version` against the version of the language msv speaks.

use crate::config::ProjectConfig;
use crate::node::Document;
use msv_diagnostics::Diagnostic;

/// The version of dbt's language that msv speaks, as `dbt_version` shows it.
pub const LANGUAGE_VERSION: &str = "1.12.0";

/// Reports every bound that [`LANGUAGE_VERSION`] does not meet.
pub(super) fn check(config: &ProjectConfig, document: &Document, found: &mut Vec<Diagnostic>) {
    let Some(node) = document.root.get("require-dbt-version") else {
        return;
    };
    for bound in config
        .require_dbt_version
        .iter()
        .flat_map(|bounds| bounds.split(','))
    {
        let bound = bound.trim();
        if bound.is_empty() || meets(bound) == Some(true) {
            continue;
        }
        let title = match meets(bound) {
            Some(_) => format!(
                "`{}` asks for dbt {bound}, and msv speaks the language of dbt {LANGUAGE_VERSION}",
                config.name
            ),
            None => format!("`{bound}` is not a version bound"),
        };
        found.push(
            Diagnostic::error("MSV0114", title)
                .at(document.place(&node.span), "")
                .help("write `require-dbt-version` as in `\">=1.6.0,<2.0.0\"`, or leave it out"),
        );
    }
}

/// `None` when `bound` is not one.
fn meets(bound: &str) -> Option<bool> {
    let at = bound.find(|letter: char| letter.is_ascii_digit())?;
    let (operator, version) = bound.split_at(at);
    let wanted = numbers(version)?;
    let ours = numbers(LANGUAGE_VERSION)?;
    match operator.trim() {
        ">=" => Some(ours >= wanted),
        ">" => Some(ours > wanted),
        "<=" => Some(ours <= wanted),
        "<" => Some(ours < wanted),
        "=" | "==" | "" => Some(ours == wanted),
        "!=" => Some(ours != wanted),
        _ => None,
    }
}

/// The three numbers of a version; what follows them (`-rc1`, `b2`) does not count.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let mut out = [0; 3];
    for (index, part) in version.trim().splitn(3, '.').enumerate() {
        let end = part
            .find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(part.len());
        out[index] = part[..end].parse().ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_compared_by_their_numbers() {
        let cases = [
            (">=1.3.0", Some(true)),
            ("<2.0.0", Some(true)),
            (">=1.12", Some(true)),
            (">1.12.0", Some(false)),
            ("<1.9.0", Some(false)),
            ("1.12.0", Some(true)),
            ("=1.7.0", Some(false)),
            (">=2.0.0-rc1", Some(false)),
            ("soon", None),
            ("~1.2", None),
        ];
        for (bound, expected) in cases {
            assert_eq!(meets(bound), expected, "{bound}");
        }
    }
}

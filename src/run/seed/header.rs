//! Names of a seed's columns: the header of its file in, names that a table can have out.

use std::borrow::Cow;

/// Column names as dbt makes them unique: `a`, `a_2`; a nameless one is called by its letter.
pub(in crate::run::seed) fn column_names(headers: &[Cow<'_, str>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (at, header) in headers.iter().enumerate() {
        let base = if header.is_empty() {
            let letter = char::from(b'a' + u8::try_from(at % 26).unwrap_or(0));
            letter.to_string().repeat(at / 26 + 1)
        } else {
            header.to_string()
        };
        let mut name = base.clone();
        let mut count = 2;
        while names.contains(&name) {
            name = format!("{base}_{count}");
            count += 1;
        }
        names.push(name);
    }
    names
}

/// True for a name that PostgreSQL reads without quotes, key words aside.
pub(in crate::run::seed) fn is_plain(name: &str) -> bool {
    let is_letter = |character: char| character.is_ascii_alphabetic() || !character.is_ascii();
    name.starts_with(|first: char| is_letter(first) || first == '_')
        && name.chars().all(|character| {
            is_letter(character) || character.is_ascii_digit() || matches!(character, '_' | '$')
        })
        || written_quoted(name).is_some()
}

/// The name in a header that brings its own quotes, `"order"`.
fn written_quoted(header: &str) -> Option<&str> {
    let name = header.strip_prefix('"')?.strip_suffix('"')?;
    (!name.is_empty() && !name.contains('"')).then_some(name)
}

/// The name PostgreSQL would store: it loses its case unless it is to be quoted.
pub(in crate::run::seed) fn stored_name(header: &str, is_quoted: bool) -> String {
    if is_quoted {
        header.to_owned()
    } else if let Some(name) = written_quoted(header) {
        name.to_owned()
    } else {
        header.to_ascii_lowercase()
    }
}

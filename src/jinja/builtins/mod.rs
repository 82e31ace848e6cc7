//! Built-ins: the macros every project has, under dbt's names, so that projects override them.
//!
//! They lie in two packages, as in dbt: what holds for any database in `dbt`, what is PostgreSQL's
//! own in `dbt_postgres`.

use std::sync::{Arc, LazyLock};

use crate::blocks::{Block, MacroDefinition, extract_blocks};
use crate::engine::{BUILTIN_PACKAGE, POSTGRES_PACKAGE};

const FILES: &[(&str, &str)] = &[
    ("clone.sql", include_str!("clone.sql")),
    ("columns.sql", include_str!("columns.sql")),
    ("contract.sql", include_str!("contract.sql")),
    ("dates.sql", include_str!("dates.sql")),
    ("functions.sql", include_str!("functions.sql")),
    ("incremental.sql", include_str!("incremental.sql")),
    ("lifecycle.sql", include_str!("lifecycle.sql")),
    ("materializations.sql", include_str!("materializations.sql")),
    (
        "materialized_view.sql",
        include_str!("materialized_view.sql"),
    ),
    ("metadata.sql", include_str!("metadata.sql")),
    ("naming.sql", include_str!("naming.sql")),
    ("python.sql", include_str!("python.sql")),
    ("relations.sql", include_str!("relations.sql")),
    ("replace.sql", include_str!("replace.sql")),
    ("schema_changes.sql", include_str!("schema_changes.sql")),
    ("seed.sql", include_str!("seed.sql")),
    ("snapshots.sql", include_str!("snapshots.sql")),
    ("state.sql", include_str!("state.sql")),
    ("statement.sql", include_str!("statement.sql")),
    ("tests.sql", include_str!("tests.sql")),
    ("types.sql", include_str!("types.sql")),
    ("udf.sql", include_str!("udf.sql")),
    ("unit_test.sql", include_str!("unit_test.sql")),
];

const POSTGRES_FILES: &[(&str, &str)] = &[
    (
        "postgres/functions.sql",
        include_str!("postgres/functions.sql"),
    ),
    (
        "postgres/incremental.sql",
        include_str!("postgres/incremental.sql"),
    ),
    (
        "postgres/lifecycle.sql",
        include_str!("postgres/lifecycle.sql"),
    ),
    (
        "postgres/materialized_view.sql",
        include_str!("postgres/materialized_view.sql"),
    ),
    (
        "postgres/metadata.sql",
        include_str!("postgres/metadata.sql"),
    ),
    (
        "postgres/snapshots.sql",
        include_str!("postgres/snapshots.sql"),
    ),
    (
        "postgres/relations.sql",
        include_str!("postgres/relations.sql"),
    ),
    ("postgres/udf.sql", include_str!("postgres/udf.sql")),
];

static MACROS: LazyLock<Vec<MacroDefinition>> = LazyLock::new(|| {
    let common = FILES.iter().map(|file| (BUILTIN_PACKAGE, file));
    let own = POSTGRES_FILES.iter().map(|file| (POSTGRES_PACKAGE, file));
    common
        .chain(own)
        .flat_map(|(package, (file, text))| {
            let file: Arc<str> = format!("builtins/{file}").into();
            let (blocks, _) = extract_blocks(package, file, Arc::from(*text));
            blocks
        })
        .filter_map(|block| match block {
            Block::Macro(definition) => Some(definition),
            _ => None,
        })
        .collect()
});

/// The built-in macros, read once.
pub(crate) fn macros() -> &'static [MacroDefinition] {
    &MACROS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_file_is_read_without_a_mistake() {
        for (file, text) in FILES.iter().chain(POSTGRES_FILES) {
            let (blocks, mistakes) = extract_blocks("dbt", Arc::from(*file), Arc::from(*text));
            assert!(mistakes.is_empty(), "{file}: {mistakes:?}");
            assert!(!blocks.is_empty(), "{file}");
        }
    }
}

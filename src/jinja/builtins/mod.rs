//! Built-ins: the macros every project has, under dbt's names, so that projects override them.

use std::sync::{Arc, LazyLock};

use crate::blocks::{Block, MacroDefinition, extract_blocks};
use crate::engine::BUILTIN_PACKAGE;

const FILES: [(&str, &str); 9] = [
    ("statement.sql", include_str!("statement.sql")),
    ("naming.sql", include_str!("naming.sql")),
    ("state.sql", include_str!("state.sql")),
    ("types.sql", include_str!("types.sql")),
    ("functions.sql", include_str!("functions.sql")),
    ("tests.sql", include_str!("tests.sql")),
    ("relations.sql", include_str!("relations.sql")),
    ("incremental.sql", include_str!("incremental.sql")),
    ("udf.sql", include_str!("udf.sql")),
];

static MACROS: LazyLock<Vec<MacroDefinition>> = LazyLock::new(|| {
    FILES
        .iter()
        .flat_map(|(file, text)| {
            let file: Arc<str> = format!("builtins/{file}").into();
            let (blocks, _) = extract_blocks(BUILTIN_PACKAGE, file, Arc::from(*text));
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

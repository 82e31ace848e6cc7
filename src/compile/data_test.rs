//! Wraps the query of a data test into the statement that counts its failures.

use crate::parse::Config;

use super::compiled::Compiled;

/// Counts failing rows of `query` and says whether the thresholds are crossed.
///
/// The statement answers one row: `failures`, `should_warn`, `should_error`.
pub fn count_statement(query: &Compiled, config: &Config) -> Compiled {
    let mut out = Compiled::default();
    out.push_text(&head(config));
    out.push_part(query, 0..query.sql.len());
    out.push_text(&tail(config));
    out
}

/// The same over a table that holds the failing rows already.
pub fn count_stored(relation: &str, config: &Config) -> String {
    format!(
        "{}select * from {relation}\n) dbt_internal_test",
        head(config)
    )
}

fn head(config: &Config) -> String {
    let counted = config.str("fail_calc").unwrap_or("count(*)");
    let warn_if = config.str("warn_if").unwrap_or("!= 0");
    let error_if = config.str("error_if").unwrap_or("!= 0");
    format!(
        "select\n    {counted} as failures,\n    {counted} {warn_if} as should_warn,\n    \
         {counted} {error_if} as should_error\nfrom (\n"
    )
}

fn tail(config: &Config) -> String {
    let limit = config
        .get("limit")
        .map(|limit| format!("\nlimit {limit}"))
        .unwrap_or_default();
    format!("{limit}\n) dbt_internal_test")
}

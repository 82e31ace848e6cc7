//! Names a table or view in the database: quoting, comparison, the 63-byte rule.

pub mod tokens;

use std::fmt;

use serde::{Deserialize, Serialize};

/// PostgreSQL cuts identifiers off after this many bytes (`NAMEDATALEN` - 1).
pub const MAX_IDENTIFIER_BYTES: usize = 63;

/// What kind of relation stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    Table,
    View,
    MaterializedView,
    Cte,
    External,
    /// A user-defined function.
    Function,
}

impl RelationKind {
    /// dbt's word for the kind, as in `relation.type`.
    pub fn as_str(self) -> &'static str {
        match self {
            RelationKind::Table => "table",
            RelationKind::View => "view",
            RelationKind::MaterializedView => "materialized_view",
            RelationKind::Cte => "cte",
            RelationKind::External => "external",
            RelationKind::Function => "function",
        }
    }
}

/// Which parts of a relation's name are put in double quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct QuotePolicy {
    pub database: bool,
    pub schema: bool,
    pub identifier: bool,
}

impl Default for QuotePolicy {
    fn default() -> Self {
        QuotePolicy {
            database: true,
            schema: true,
            identifier: true,
        }
    }
}

/// A table or view by name: `"database"."schema"."identifier"`.
///
/// An absent part is left out when the relation is written as SQL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Relation {
    pub database: Option<String>,
    pub schema: Option<String>,
    pub identifier: Option<String>,
    pub kind: Option<RelationKind>,
    pub quoting: QuotePolicy,
    /// How little of it a template reads; the name itself stays whole.
    #[serde(skip)]
    pub narrowing: Option<Box<Narrowing>>,
}

/// What `--empty`, `--sample` and microbatches leave of a relation that a template reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Narrowing {
    /// No row at all.
    pub is_empty: bool,
    /// A condition on its columns.
    pub condition: Option<String>,
}

impl Relation {
    pub fn new(
        database: impl Into<String>,
        schema: impl Into<String>,
        identifier: impl Into<String>,
    ) -> Self {
        Relation {
            database: Some(database.into()),
            schema: Some(schema.into()),
            identifier: Some(identifier.into()),
            kind: None,
            quoting: QuotePolicy::default(),
            narrowing: None,
        }
    }

    #[must_use]
    pub fn with_kind(mut self, kind: RelationKind) -> Self {
        self.kind = Some(kind);
        self
    }

    #[must_use]
    pub fn with_identifier(mut self, identifier: impl Into<String>) -> Self {
        self.identifier = Some(identifier.into());
        self
    }

    /// The relation as a `from` clause reads it: its name, or the subquery that narrows it.
    pub fn reading(&self) -> String {
        let mut text = self.to_string();
        let Some(narrowing) = &self.narrowing else {
            return text;
        };
        let alias: String = self
            .name()
            .chars()
            .map(|c| if c.is_alphanumeric() { c } else { '_' })
            .collect();
        if narrowing.is_empty {
            text = format!("(select * from {text} where false limit 0) _dbt_limit_subq_{alias}");
        }
        if let Some(condition) = &narrowing.condition {
            text = format!("(select * from {text} where {condition}) _dbt_et_filter_subq_{alias}");
        }
        text
    }

    /// The schema's name, or the empty string.
    pub fn schema_name(&self) -> &str {
        self.schema.as_deref().unwrap_or("")
    }

    /// The identifier, or the empty string.
    pub fn name(&self) -> &str {
        self.identifier.as_deref().unwrap_or("")
    }

    /// Schema and identifier without the database, quoted, as statements need it.
    pub fn without_database(&self) -> Relation {
        Relation {
            database: None,
            ..self.clone()
        }
    }

    /// True when the identifier would be cut off by PostgreSQL.
    pub fn is_too_long(&self) -> bool {
        self.name().len() > MAX_IDENTIFIER_BYTES
    }
}

/// Writes the name as SQL, each part quoted as its policy says.
impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (&self.database, self.quoting.database),
            (&self.schema, self.quoting.schema),
            (&self.identifier, self.quoting.identifier),
        ];
        let mut is_first = true;
        for (part, is_quoted) in parts {
            let Some(part) = part else { continue };
            if !is_first {
                f.write_str(".")?;
            }
            is_first = false;
            if is_quoted {
                f.write_str(&quote_identifier(part))?;
            } else {
                f.write_str(part)?;
            }
        }
        Ok(())
    }
}

/// Puts an identifier in double quotes, doubling those inside.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Writes a string as an SQL literal, quotes doubled; backslashes make it an `E''` literal.
pub fn quote_literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

/// Cuts a name to at most `limit` bytes, at a character boundary.
pub fn truncate_identifier(name: &str, limit: usize) -> &str {
    let mut end = limit.min(name.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_inside_a_name_are_doubled() {
        assert_eq!(
            Relation::new("d", "s", "a\"b").to_string(),
            r#""d"."s"."a""b""#
        );
    }

    #[test]
    fn backslashes_survive_a_literal() {
        assert_eq!(quote_literal("it's a \\n"), "E'it''s a \\\\n'");
    }
}

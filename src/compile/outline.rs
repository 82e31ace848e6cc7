//! A node's query over inputs that exist in name and type only.
//!
//! What columns a model returns can be asked of the server before anything is built: each input
//! becomes a query of typed nulls without rows.

use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::jinja::{Database, Value};
use crate::parse::Node;

use super::compiled::Compiled;
use super::compiler::Compiler;
use super::fixture_rows::{FixtureRows, rows_query};
use super::host::{Overrides, cte_relation};
use super::inject::{Cte, inject};
use super::unit_test::ColumnsOf;

/// Compiles `node` over empty inputs of the types that `columns_of` tells; none where an input's
/// columns are not known.
///
/// # Errors
///
/// When the template cannot be rendered.
pub fn compile_outline(
    compiler: &Arc<Compiler>,
    node: &Arc<Node>,
    database: Option<Arc<dyn Database>>,
    columns_of: &ColumnsOf<'_>,
) -> Result<Option<Compiled>, Box<Diagnostic>> {
    let mut overrides = Overrides::default();
    overrides
        .macros
        .insert("is_incremental".to_owned(), Value::from(false));
    let mut ctes = Vec::new();
    for (number, id) in node.depends_on_nodes.iter().enumerate() {
        let Some(input) = compiler.graph.nodes.get(id) else {
            continue;
        };
        if input.resource_type == crate::parse::ResourceType::Function {
            continue;
        }
        let columns = columns_of(input)?;
        if columns.is_empty() {
            return Ok(None);
        }
        let name = format!("__msv__outline__{number}");
        let mut query = Compiled::default();
        query.push_text(&rows_query(&FixtureRows::default(), &columns));
        ctes.push(Cte {
            name: name.clone(),
            query: Arc::new(query),
        });
        overrides.relations.insert(id.clone(), cte_relation(&name));
    }
    let own = compiler.compile_with(node, database, overrides)?;
    Ok(Some(inject(own, &ctes)))
}

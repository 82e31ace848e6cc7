//! A model's query over inputs that are replaced: by rows given by hand, or picked from real ones.

use std::sync::Arc;

use indexmap::IndexSet;

use crate::diagnostics::Diagnostic;
use crate::jinja::{Database, clock};
use crate::parse::{Node, UniqueId};
use crate::relation::Relation;

use super::compiled::Compiled;
use super::compiler::Compiler;
use super::fixture_database::FixtureDatabase;
use super::fixture_rows::TypedColumn;
use super::frozen_clock::freeze;
use super::host::{Overrides, cte_relation};
use super::inject::{Cte, cte_name, inject};

/// What a template reads in place of an input.
#[derive(Clone, Debug)]
pub struct ReplacedInput {
    /// The input; none for the model's own relation, `this`.
    pub node: Option<UniqueId>,
    pub query: Compiled,
    /// Empty where they are not known.
    pub columns: Vec<TypedColumn>,
}

/// Compiles `model` over `inputs` alone; reading another one is a mistake.
///
/// # Errors
///
/// When the template cannot be rendered.
pub fn compile_over(
    compiler: &Arc<Compiler>,
    model: &Arc<Node>,
    database: Option<Arc<dyn Database>>,
    inputs: Vec<ReplacedInput>,
    mut overrides: Overrides,
) -> Result<Compiled, Box<Diagnostic>> {
    overrides.is_closed = true;
    let now = overrides.now;
    let mut names: IndexSet<String> = IndexSet::new();
    let mut ctes = Vec::new();
    let mut columns = Vec::new();
    for input in inputs {
        let node = input
            .node
            .as_ref()
            .and_then(|id| compiler.graph.nodes.get(id));
        let name = match node {
            Some(node) => unique_name(&mut names, &cte_name(&node.name)),
            None => unique_name(&mut names, &cte_name("this")),
        };
        let relation = cte_relation(&name);
        match node {
            // It stands for a table: macros that refuse ephemeral models must not refuse it.
            Some(node) => {
                let kind = relation.kind.filter(|_| node.is_ephemeral());
                let relation = Relation { kind, ..relation };
                overrides.relations.insert(node.unique_id.clone(), relation);
            }
            None => {
                overrides.this = Some(Relation {
                    kind: None,
                    ..relation
                })
            }
        }
        columns.push(input.columns);
        ctes.push(Cte {
            name,
            query: Arc::new(input.query),
        });
    }
    let database = database.map(|inner| {
        Arc::new(FixtureDatabase {
            inner,
            ctes: ctes.clone(),
            columns,
            now,
        }) as Arc<dyn Database>
    });
    let own = clock::standing_at(now, || compiler.compile_with(model, database, overrides))?;
    let query = inject(own, &ctes);
    Ok(match now {
        Some(now) => freeze(&query, now),
        None => query,
    })
}

fn unique_name(names: &mut IndexSet<String>, name: &str) -> String {
    let mut candidate = name.to_owned();
    let mut number = 1;
    while !names.insert(candidate.clone()) {
        number += 1;
        candidate = format!("{name}_{number}");
    }
    candidate
}

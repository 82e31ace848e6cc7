//! `seed`: a CSV file, copied aside into a typed table, then published like any table.
//!
//! A project that has a materialization of its own for seeds, or macros that the built-in one
//! calls, gets the rows in its hands instead.

use minijinja::Value;

use crate::diagnostics::Diagnostic;
use crate::jinja::MacroDefinition;
use crate::parse::{Details, Node};
use crate::relation::RelationKind;
use crate::run::audit::Verdict;
use crate::run::hooks::{Moment, run_hooks, run_hooks_together};
use crate::run::publish;
use crate::run::seed::{Seed, SeedOptions, load_seed};
use crate::run::worker::{Done, NodeRun};

use super::{check_name, custom, mistake_in, table, target};

/// Macros that are called here, or that only cut the rows into statements; what else the template
/// of a seed calls has no part in this.
pub(super) const CALLED_MACROS: &[&str] = &[
    "apply_grants",
    "create_indexes",
    "get_batch_size",
    "get_binding_char",
    "persist_docs",
];

pub(in crate::run) fn seed(run: &NodeRun<'_>) -> Result<Done, Box<Diagnostic>> {
    check_name(run)?;
    if let Some(definition) = custom::template(run, "seed", CALLED_MACROS)? {
        return with_template(run, definition);
    }
    let target = target(run);
    run_hooks(run, None, Moment::BeforeBegin)?;
    run_hooks_together(run, None, Moment::Before)?;
    let private = publish::private_relation(&target, &run.context.compiler.invocation.id);
    let file = read_seed(run.node)?;
    let loaded = {
        let mut session = run.adapter.session();
        session.later(&format!(
            "drop table if exists {}",
            private.without_database()
        ));
        load_seed(&mut session, &private, &file)
    };
    let rows = loaded.inspect_err(|_| table::drop_private(run, &private, RelationKind::Table))?;
    let done = Done {
        message: format!("INSERT {rows}"),
        ..Done::statement("INSERT", Some(rows))
    };
    match table::publish_built(run, None, &target, &private)? {
        Verdict::Reject(by) => return Ok(done.rejected(by)),
        Verdict::Later => {}
        Verdict::Publish => run_hooks(run, None, Moment::AfterCommit)?,
    }
    Ok(done)
}

/// Loads a seed as templates of the project do.
fn with_template(run: &NodeRun<'_>, definition: &MacroDefinition) -> Result<Done, Box<Diagnostic>> {
    let rows = read_seed(run.node)?.table()?.into_value();
    let load = Value::from_function(move || rows.clone());
    let extra = vec![("load_agate_table".to_owned(), load)];
    custom::custom_with(run, None, definition, extra)
}

/// Opens a seed's file as its configuration says.
pub(in crate::run) fn read_seed(node: &Node) -> Result<Seed, Box<Diagnostic>> {
    let Details::Seed { path } = &node.details else {
        return Err(Box::new(Diagnostic::error(
            "MSV0444",
            format!("`{}` is no seed", node.name),
        )));
    };
    let file = &node.original_file_path;
    Ok(Seed::open(file, path, &options(node)?)?)
}

/// The seed's configuration as the loader takes it.
fn options(node: &Node) -> Result<SeedOptions, Box<Diagnostic>> {
    let config = &node.config;
    let column_types = config
        .get("column_types")
        .and_then(serde_json::Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(column, sql_type)| Some((column.clone(), sql_type.as_str()?.to_owned())))
        .collect();
    let delimiter = match config.str("delimiter").unwrap_or(",").as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => *byte,
        _ => {
            return Err(mistake_in(
                node,
                "`delimiter` is not one ASCII character",
                "use `,`, `;`, `|` or a tab (\"\\t\")",
            ));
        }
    };
    Ok(SeedOptions {
        column_types,
        delimiter,
        quote_columns: config.bool("quote_columns").unwrap_or(true),
    })
}

//! `seed`: a CSV file, copied aside into a typed table, then published like any table.
//!
//! A file that is loaded already, as it is and as it is configured, is not loaded again.
//!
//! A project that has a materialization of its own for seeds, or macros that the built-in one
//! calls, gets the rows in its hands instead.

use minijinja::Value;

use crate::diagnostics::Diagnostic;
use crate::jinja::MacroDefinition;
use crate::parse::{Details, Node};
use crate::relation::{Relation, RelationKind};
use crate::run::audit::Verdict;
use crate::run::event::UNCHANGED;
use crate::run::hooks::{Moment, has_hooks, run_hooks, run_hooks_together};
use crate::run::publish;
use crate::run::seed::{Fingerprint, Seed, SeedOptions, is_loaded, load_seed};
use crate::run::worker::{Done, NodeRun};

use super::{check_name, custom, extras, indexes, is_full_refresh, mistake_in, table, target};

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
    let file = read_seed(run.node)?;
    let fingerprint = fingerprint(run, &file)?;
    if let Some(fingerprint) = &fingerprint
        && is_unchanged(run, &target, fingerprint)?
    {
        return keep(run, &target);
    }
    run_hooks(run, None, Moment::BeforeBegin)?;
    run_hooks_together(run, None, Moment::Before)?;
    let private = publish::private_relation(&target, &run.context.compiler.invocation.id);
    let loaded = {
        let mut session = run.adapter.session();
        session.later(&format!(
            "drop table if exists {}",
            private.without_database()
        ));
        load_seed(&mut session, &private, &file, fingerprint.as_ref())
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

/// By what an unchanged seed is known. Hooks expect a table that was just loaded: a seed with hooks
/// always is.
fn fingerprint(run: &NodeRun<'_>, file: &Seed) -> Result<Option<Fingerprint>, Box<Diagnostic>> {
    let moments = [
        Moment::BeforeBegin,
        Moment::Before,
        Moment::After,
        Moment::AfterCommit,
    ];
    if moments.into_iter().any(|moment| has_hooks(run, moment)) {
        return Ok(None);
    }
    let configuration: serde_json::Map<String, serde_json::Value> = run
        .node
        .config
        .iter()
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .collect();
    let configuration = serde_json::Value::Object(configuration).to_string();
    Ok(Some(Fingerprint::of(file, &configuration)?))
}

/// True where the table holds what loading the file would make of it, and nobody asks for more: what
/// is published together is read under private names, a seed too.
fn is_unchanged(
    run: &NodeRun<'_>,
    target: &Relation,
    fingerprint: &Fingerprint,
) -> Result<bool, Box<Diagnostic>> {
    if is_full_refresh(run) || run.context.is_together() || run.context.is_new(target) {
        return Ok(false);
    }
    let is_loaded = is_loaded(&mut run.adapter.session(), target, fingerprint)
        .map_err(|error| run.refused(&error, "", None))?;
    Ok(is_loaded && indexes::are_complete(run, target)?)
}

/// Leaves the table as it is; makes good its comments and grants, and has it tested.
fn keep(run: &NodeRun<'_>, target: &Relation) -> Result<Done, Box<Diagnostic>> {
    extras::persist_docs(run, None, target, RelationKind::Table)?;
    extras::apply_grants(run, None, target, true)?;
    let done = Done::statement(UNCHANGED, None);
    Ok(match run.verdict(None)? {
        Verdict::Reject(by) => done.rejected(by),
        Verdict::Publish | Verdict::Later => done,
    })
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

//! Materializations written as templates: those of projects and packages, and the built-in ones
//! where something they call is replaced.

use std::sync::{Arc, Mutex, PoisonError};

use minijinja::Value;
use serde_json::{Map, Value as Json};

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::jinja::value::convert::to_json;
use crate::jinja::value::relation;
use crate::jinja::{MacroDefinition, MacroKind, Materialized, is_builtin};
use crate::parse::ResourceType;
use crate::run::together::refusal;
use crate::run::worker::{Done, NodeRun};

/// Packages may not replace built-in materializations unless the project says so.
const FLAG: &str = "REQUIRE_EXPLICIT_PACKAGE_OVERRIDES_FOR_BUILTIN_MATERIALIZATIONS";

/// The template a node is to be materialized with; none where msv's own way is the same.
///
/// `called` are the macros that msv's own way calls: replacing one of them changes nothing else.
///
/// # Errors
///
/// When the name means nothing, means two things, or means one that takes no SQL.
pub(in crate::run) fn template<'r>(
    run: &NodeRun<'r>,
    name: &str,
    called: &[&str],
) -> Result<Option<&'r MacroDefinition>, Box<Diagnostic>> {
    let compiler = &run.context.compiler;
    let is_required = compiler.invocation.flags.get(FLAG);
    let packages_may = is_required.and_then(Json::as_bool) == Some(false);
    let found = compiler.engine.find_materialization(name, packages_may)?;
    let Some(definition) = found else {
        return Err(unknown(run, name));
    };
    check_language(run, definition)?;
    let is_own = is_builtin(&definition.package)
        && compiler
            .engine
            .is_as_built_in(&run.node.package_name, definition, called);
    if is_own {
        return Ok(None);
    }
    Ok(Some(definition))
}

/// Builds a model or a snapshot with a template.
pub(super) fn custom(
    run: &NodeRun<'_>,
    compiled: &Compiled,
    definition: &MacroDefinition,
) -> Result<Done, Box<Diagnostic>> {
    custom_with(run, Some(compiled), definition, Vec::new())
}

/// Builds a node with a template; `extra` values are seen besides its context.
pub(super) fn custom_with(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    definition: &MacroDefinition,
    extra: Vec<(String, Value)>,
) -> Result<Done, Box<Diagnostic>> {
    if run.context.is_together() {
        let reason = format!(
            "the materialization `{}` publishes by itself",
            shown_name(definition)
        );
        return Err(Box::new(refusal(run.node, reason)));
    }
    let made = materialize(run, compiled, definition, extra)?;
    check_relations(run, definition, &made.returned)?;
    if made.main.is_none() || made.main.is_undefined() {
        return Err(Box::new(
            Diagnostic::error("MSV0347", "main is not being called during running model")
                .at(run.node.place.clone(), "")
                .note(format!(
                    "the materialization `{}` ran no statement of that name",
                    shown_name(definition)
                ))
                .help("run its last step as {% call statement('main') %}…{% endcall %}"),
        ));
    }
    Ok(done(&made.main))
}

/// Runs a template as the node's materialization, with transactions as it asks for them.
///
/// What it does not commit is rolled back when the node ends.
pub(in crate::run) fn materialize(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    definition: &MacroDefinition,
    extra: Vec<(String, Value)>,
) -> Result<Materialized, Box<Diagnostic>> {
    let written: Arc<Mutex<Option<String>>> = Arc::default();
    let keep = Arc::clone(&written);
    let write = Value::from_function(move |payload: String| {
        *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(payload);
        ""
    });
    let mut extra = extra;
    extra.push(("write".to_owned(), write));
    let host = Arc::new(run.host(compiled));
    let engine = &run.context.compiler.engine;
    let outcome = run
        .adapter
        .beginning_transactions(|| engine.materialize(definition, host, extra));
    let sent = written
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(sql) = sent {
        run.keep_statement(sql.trim());
    }
    outcome.map_err(|diagnostic| run.context.compiler.placed(run.node, diagnostic))
}

/// What the main statement said, as the node's result.
fn done(main: &Value) -> Done {
    let response = main.get_attr("response").unwrap_or_default();
    let part = |key: &str| {
        let found = response.get_attr(key).ok()?;
        (!found.is_undefined() && !found.is_none()).then_some(found)
    };
    let message = part("_message").unwrap_or_else(|| response.clone());
    let rows = part("rows_affected").and_then(|rows| rows.as_i64());
    let rows = rows.filter(|rows| *rows >= 0);
    let mut shown = Map::new();
    for key in ["_message", "code", "rows_affected"] {
        if let Some(value) = part(key) {
            shown.insert(key.to_owned(), to_json(&value));
        }
    }
    Done {
        message: message.to_string(),
        rows,
        response: Json::Object(shown),
        ..Done::default()
    }
}

fn unknown(run: &NodeRun<'_>, name: &str) -> Box<Diagnostic> {
    let engine = &run.context.compiler.engine;
    let names: Vec<&str> = engine
        .macros()
        .iter()
        .filter_map(|definition| match &definition.kind {
            MacroKind::Materialization { name, .. } => Some(name.as_str()),
            _ => None,
        })
        .chain(["ephemeral"])
        .collect();
    let title = format!("No materialization '{name}' was found for adapter postgres!");
    let diagnostic = Diagnostic::error("MSV0445", title)
        .at(run.node.place.clone(), "")
        .note("(searched types 'default' and 'postgres')");
    Box::new(match crate::diagnostics::closest(name, names) {
        Some(similar) => diagnostic.help(format!(
            "a materialization with a similar name exists: `{similar}`"
        )),
        None => diagnostic.help(format!(
            "define it below macros/: {{% materialization {name}, default %}}"
        )),
    })
}

/// A materialization is for SQL where it does not name the languages it is for.
fn check_language(run: &NodeRun<'_>, definition: &MacroDefinition) -> Result<(), Box<Diagnostic>> {
    let MacroKind::Materialization {
        supported_languages,
        ..
    } = &definition.kind
    else {
        return Ok(());
    };
    let language = run.node.language();
    let is_supported = match supported_languages.as_slice() {
        [] => language == "sql",
        named => named.iter().any(|known| known == language),
    };
    if run.node.resource_type != ResourceType::Model || is_supported {
        return Ok(());
    }
    let mut shown: Vec<String> = supported_languages
        .iter()
        .map(|language| format!("'{language}'"))
        .collect();
    if shown.is_empty() {
        shown.push("'sql'".to_owned());
    }
    let title = format!(
        "Materialization \"{}\" only supports languages [{}]; got \"{language}\"",
        definition.name,
        shown.join(", ")
    );
    let help = match language {
        "python" => "PostgreSQL runs no python: write the model in SQL, or disable it here",
        _ => "add `sql` to its supported_languages, or use another materialization",
    };
    Err(Box::new(
        Diagnostic::error("MSV0348", title)
            .at(run.node.place.clone(), "")
            .help(help),
    ))
}

/// A materialization returns the relations that it made.
fn check_relations(
    run: &NodeRun<'_>,
    definition: &MacroDefinition,
    returned: &Value,
) -> Result<(), Box<Diagnostic>> {
    let title = if returned.as_str().is_some() {
        format!(
            "The materialization (\"{}\") did not explicitly return a list of relations to add to \
             the cache.",
            run.node.config.materialized()
        )
    } else {
        match returned
            .get_attr("relations")
            .ok()
            .filter(|r| !r.is_undefined())
        {
            None => format!(
                "Invalid return value from materialization, expected a dict with key \
                 \"relations\", got: {returned}"
            ),
            Some(relations) => match relations.try_iter() {
                Err(_) => format!(
                    "Invalid return value from materialization, \"relations\" not a list, got: \
                     {relations}"
                ),
                Ok(mut items) => match items.find(|item| relation::from_value(item).is_none()) {
                    None => return Ok(()),
                    Some(other) => format!(
                        "Invalid return value from materialization, \"relations\" contains \
                         non-Relation: {other}"
                    ),
                },
            },
        }
    };
    Err(Box::new(
        Diagnostic::error("MSV0349", title)
            .at(run.node.place.clone(), "built with it")
            .note(format!(
                "in the materialization `{}`",
                shown_name(definition)
            ))
            .help("end it with {{ return({'relations': [this]}) }}"),
    ))
}

fn shown_name(definition: &MacroDefinition) -> &str {
    match &definition.kind {
        MacroKind::Materialization { name, .. } => name,
        _ => &definition.name,
    }
}

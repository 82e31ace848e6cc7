//! `exceptions.*`: how a template stops, or warns.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::context::relation_methods::contract_error;
use crate::methods::Bound;
use crate::session::{Session, raise};
use crate::value::{Arguments, callable, unknown_method};
use msv_diagnostics::Diagnostic;

pub(crate) fn add(add: &mut impl FnMut(&str, Value)) {
    add("exceptions", Value::from_object(Exceptions));
    add("try_or_compiler_error", callable(attempt));
}

#[derive(Debug)]
struct Exceptions;

const NAMES: [&str; 21] = [
    "column_type_missing",
    "missing_config",
    "missing_materialization",
    "missing_relation",
    "raise_ambiguous_alias",
    "raise_ambiguous_catalog_match",
    "raise_cache_inconsistent",
    "raise_compiler_error",
    "raise_contract_error",
    "raise_database_error",
    "raise_dataclass_not_dict",
    "raise_dep_not_found",
    "raise_dependency_error",
    "raise_duplicate_patch_name",
    "raise_duplicate_resource_name",
    "raise_fail_fast_error",
    "raise_invalid_property_yml_version",
    "raise_not_implemented",
    "relation_wrong_type",
    "warn",
    "warn_snapshot_timestamp_data_types",
];

impl Object for Exceptions {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str().filter(|name| NAMES.contains(name))?;
        Some(Bound::value(&Value::from_dyn_object(self.clone()), name))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&NAMES)
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        let text =
            |index: usize, name: &str| arguments.optional_text(index, name).unwrap_or_default();
        let title = match method {
            "warn" => {
                let message = text(0, "msg");
                return warn(state, &message);
            }
            "warn_snapshot_timestamp_data_types" => {
                let message = format!(
                    "Data type of snapshot table timestamp columns ({}) doesn't match derived \
                     column 'updated_at' ({}): cast what `updated_at` of the snapshot names",
                    text(0, "snapshot_time_data_type"),
                    text(1, "updated_at_data_type"),
                );
                return warn(state, &message);
            }
            "raise_compiler_error"
            | "raise_database_error"
            | "raise_dependency_error"
            | "raise_fail_fast_error"
            | "raise_not_implemented"
            | "raise_parsing_error" => text(0, "msg"),
            "raise_contract_error" => return contract_error(state, &arguments),
            "column_type_missing" => format!(
                "Contracted models require data_type to be defined for each column. Please ensure \
                 that the column name and data_type are defined within the YAML configuration for \
                 the {} column(s).",
                text(0, "column_names")
            ),
            "missing_config" => format!("the config `{}` is missing", text(1, "name")),
            "missing_materialization" => format!(
                "no materialization is named `{}`",
                arguments
                    .get(0, "model")
                    .and_then(|model| model.get_attr("config").ok())
                    .and_then(|config| config.get_attr("materialized").ok())
                    .map(|name| name.to_string())
                    .unwrap_or_default()
            ),
            "missing_relation" => format!("the relation `{}` does not exist", text(0, "relation")),
            "relation_wrong_type" => format!(
                "the relation `{}` is not a {}",
                text(0, "relation"),
                text(1, "expected_type")
            ),
            "raise_ambiguous_alias"
            | "raise_ambiguous_catalog_match"
            | "raise_cache_inconsistent"
            | "raise_dataclass_not_dict"
            | "raise_dep_not_found"
            | "raise_duplicate_patch_name"
            | "raise_duplicate_resource_name"
            | "raise_invalid_property_yml_version" => arguments
                .positional()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(": "),
            _ => return Err(unknown_method()),
        };
        Err(raised(state, &title))
    }
}

/// Says a warning, or raises it where warnings are errors.
fn warn(state: &mut State<'_, '_>, message: &str) -> Result<Value, Error> {
    match Session::get(state)?.host.warn(message) {
        true => Err(raised(state, message)),
        false => Ok(Value::from("")),
    }
}

/// Makes an error of a template's own words: the first line is the title, the others follow it.
fn raised(state: &mut State<'_, '_>, message: &str) -> Error {
    let message = message.trim();
    let mut lines = message.lines().map(str::trim_end);
    let title = lines.next().unwrap_or_default();
    let title = if title.is_empty() {
        "the template raised an error without a message"
    } else {
        title
    };
    let mut diagnostic = Diagnostic::error("MSV0302", title);
    for line in lines.filter(|line| !line.is_empty()) {
        diagnostic = diagnostic.note(line);
    }
    raise(state, diagnostic)
}

/// `try_or_compiler_error(message, function, *arguments)`
fn attempt(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let [message, function, rest @ ..] = args else {
        return Err(crate::value::failed(
            "`try_or_compiler_error` takes a message and a function",
        ));
    };
    function
        .call(state, rest)
        .map_err(|_| raised(state, &message.to_string()))
}

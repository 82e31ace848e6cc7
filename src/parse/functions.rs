//! Reads what properties declare of a user-defined function: its arguments, what it returns, and
//! the functions of the same name for other arguments.

use std::collections::HashSet;

use serde_json::{Map, Value as Json, json};

use msv_diagnostics::{Diagnostic, Place};
use msv_project::properties::ModelProperties;
use msv_project::{FileKind, Package, SourceFile};

use super::node::{Function, Overload, Template};
use super::resources::trimmed;

impl Function {
    /// Takes arguments, return type and overloads over; every argument gets all keys that
    /// templates read.
    pub(super) fn declare(
        &mut self,
        package: &Package,
        properties: &ModelProperties,
        found: &mut Vec<Diagnostic>,
    ) {
        let name = properties.name.value.as_str();
        let place = || properties.origin.place_of(&properties.name.span);
        self.arguments = arguments(&properties.arguments, name, &place, found);
        match &properties.returns {
            Some(Json::Object(declared)) => self.returns = returns(declared),
            _ => found.push(
                Diagnostic::error(
                    "MSV0219",
                    format!("function `{name}` does not say what it returns"),
                )
                .at(place(), "declared here")
                .help("add `returns: {data_type: …}`"),
            ),
        }
        for declared in properties.overloads.iter().filter_map(Json::as_object) {
            let file = declared.get("defined_in").and_then(Json::as_str);
            let file = file.map(stem).filter(|file| *file != name);
            let Some(defined_in) = file else {
                found.push(
                    Diagnostic::error(
                        "MSV0219",
                        format!(
                            "an overload of function `{name}` does not say where it is written"
                        ),
                    )
                    .at(place(), "in this function")
                    .help("name a file of its own: `defined_in: …`"),
                );
                continue;
            };
            let of_overload = |file: &&SourceFile| {
                file.kind == FileKind::Function
                    && file.stem() == defined_in
                    && file.path.ends_with(".sql")
            };
            let Some(file) = package.files.iter().find(of_overload) else {
                found.push(
                    Diagnostic::error(
                        "MSV0219",
                        format!(
                            "function `{name}` has an overload in `{defined_in}`, and there is no \
                             such file"
                        ),
                    )
                    .at(place(), "in this function")
                    .help(format!("write its body into `functions/{defined_in}.sql`")),
                );
                continue;
            };
            let list = declared.get("arguments").and_then(Json::as_array);
            let list = list.map(Vec::as_slice).unwrap_or_default();
            let arguments = arguments(list, defined_in, &place, found);
            let own = declared.get("returns").and_then(Json::as_object);
            self.overloads.push(Overload {
                defined_in: defined_in.to_owned(),
                template: Template {
                    file: file.shown_path.clone(),
                    text: file.text.clone(),
                    span: trimmed(&file.text, &(0..file.text.len())),
                },
                arguments,
                returns: own.map_or_else(|| self.returns.clone(), returns),
            });
        }
    }

    /// The function that an overload is, without overloads of its own.
    pub fn of_overload(&self, overload: &Overload) -> Function {
        Function {
            language: self.language,
            arguments: overload.arguments.clone(),
            returns: overload.returns.clone(),
            overloads: Vec::new(),
        }
    }
}

/// Names of the files that hold overloads: they are no functions by themselves.
pub(super) fn overload_files(package: &Package) -> HashSet<&str> {
    let functions = package.properties.functions.iter();
    functions
        .flat_map(|function| {
            let own = function.name.value.as_str();
            let files = function.overloads.iter();
            files
                .filter_map(|overload| overload.get("defined_in")?.as_str())
                .map(stem)
                .filter(move |file| *file != own)
        })
        .collect()
}

fn stem(file: &str) -> &str {
    file.strip_suffix(".sql").unwrap_or(file)
}

fn arguments(
    declared: &[Json],
    function: &str,
    place: &dyn Fn() -> Place,
    found: &mut Vec<Diagnostic>,
) -> Vec<Json> {
    let mut is_defaulted = false;
    let mut arguments = Vec::new();
    for argument in declared.iter().filter_map(Json::as_object) {
        let name = text(argument, "name");
        let default = argument.get("default_value").cloned().unwrap_or_default();
        if is_defaulted && default.is_null() {
            let name = name.as_str().unwrap_or_default();
            let title = format!(
                "Non-defaulted argument '{name}' of function '{function}' comes after a defaulted \
                 argument"
            );
            let help = "move arguments with a `default_value` to the end";
            found.push(
                Diagnostic::error("MSV0219", title)
                    .at(place(), "in this function")
                    .help(help),
            );
        }
        is_defaulted |= !default.is_null();
        arguments.push(json!({
            "name": name,
            "data_type": text(argument, "data_type"),
            "description": text(argument, "description"),
            "default_value": default,
        }));
    }
    arguments
}

fn returns(declared: &Map<String, Json>) -> Json {
    json!({
        "data_type": text(declared, "data_type"),
        "description": text(declared, "description"),
    })
}

fn text(entry: &Map<String, Json>, key: &str) -> Json {
    match entry.get(key) {
        Some(Json::String(text)) => json!(text),
        None | Some(Json::Null) => Json::Null,
        Some(other) => json!(other.to_string()),
    }
}

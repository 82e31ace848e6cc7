//! Reads what properties declare of a user-defined function: its arguments and what it returns.

use serde_json::{Map, Value as Json, json};

use msv_diagnostics::Diagnostic;
use msv_project::properties::ModelProperties;

use super::node::Function;

impl Function {
    /// Takes arguments and return type over; every argument gets all keys that templates read.
    pub(super) fn declare(&mut self, properties: &ModelProperties, found: &mut Vec<Diagnostic>) {
        let text = |entry: &Map<String, Json>, key: &str| match entry.get(key) {
            Some(Json::String(text)) => json!(text),
            None | Some(Json::Null) => Json::Null,
            Some(other) => json!(other.to_string()),
        };
        let place = || properties.origin.place_of(&properties.name.span);
        let mut is_defaulted = false;
        for argument in properties.arguments.iter().filter_map(Json::as_object) {
            let name = text(argument, "name");
            let default = argument.get("default_value").cloned().unwrap_or_default();
            if is_defaulted && default.is_null() {
                let name = name.as_str().unwrap_or_default();
                let title = format!(
                    "Non-defaulted argument '{name}' of function '{}' comes after a defaulted \
                     argument",
                    properties.name.value
                );
                let help = "move arguments with a `default_value` to the end";
                found.push(
                    Diagnostic::error("MSV0219", title)
                        .at(place(), "in this function")
                        .help(help),
                );
            }
            is_defaulted |= !default.is_null();
            self.arguments.push(json!({
                "name": name,
                "data_type": text(argument, "data_type"),
                "description": text(argument, "description"),
                "default_value": default,
            }));
        }
        match &properties.returns {
            Some(Json::Object(returns)) => {
                self.returns = json!({
                    "data_type": text(returns, "data_type"),
                    "description": text(returns, "description"),
                });
            }
            _ => found.push(
                Diagnostic::error(
                    "MSV0219",
                    format!(
                        "function `{}` does not say what it returns",
                        properties.name.value
                    ),
                )
                .at(place(), "declared here")
                .help("add `returns: {data_type: …}`"),
            ),
        }
    }
}

//! `config(...)`, `config.get`, `config.require` and what else hangs on it.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::session::{Session, answered, raise, site};
use crate::value::dict::pairs;
use crate::value::{Arguments, unknown_method};
use msv_diagnostics::Diagnostic;

pub(crate) fn add(add: &mut impl FnMut(&str, Value)) {
    add("config", Value::from_object(ConfigObject));
}

/// The object `config` of a template.
#[derive(Debug)]
pub(crate) struct ConfigObject;

fn is_set(value: &Value) -> bool {
    !value.is_none() && !value.is_undefined()
}

impl ConfigObject {
    fn lookup(state: &State<'_, '_>, key: &str) -> Result<Option<Value>, Error> {
        Ok(Session::get(state)?.host.config(key).filter(is_set))
    }

    fn meta(state: &State<'_, '_>, key: &str) -> Result<Option<Value>, Error> {
        let host = &Session::get(state)?.host;
        let meta = host.config("meta");
        if !host.is_execute() {
            return Ok(meta);
        }
        Ok(meta.and_then(|meta| meta.get_attr(key).ok()).filter(is_set))
    }
}

fn missing(state: &mut State<'_, '_>, key: &str) -> Error {
    let model = state
        .lookup("model")
        .and_then(|model| model.get_attr("name").ok())
        .filter(is_set)
        .map(|name| format!(" of `{name}`"))
        .unwrap_or_default();
    let diagnostic = Diagnostic::error("MSV0312", format!("the config `{key}`{model} is not set"))
        .help(format!("set it: `{{{{ config({key}=…) }}}}`"));
    raise(state, diagnostic)
}

impl Object for ConfigObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        let mut values = indexmap::IndexMap::new();
        if let Some(given) = arguments.positional().first() {
            for (key, value) in pairs(given)? {
                values.insert(key.to_string(), value);
            }
        }
        values.extend(arguments.keywords());
        let site = site(state, &arguments);
        let host = Session::get(state)?.host.clone();
        let answer = host.configure(values, site);
        answered(state, answer)?;
        Ok(Value::from(""))
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        match method {
            "get" => {
                let key = arguments.text(0, "name")?;
                Ok(Self::lookup(state, &key)?
                    .or_else(|| arguments.get(1, "default"))
                    .unwrap_or(Value::from(())))
            }
            "require" => {
                let key = arguments.text(0, "name")?;
                match Self::lookup(state, &key)? {
                    Some(value) => Ok(value),
                    None if Session::get(state)?.is_execute => Err(missing(state, &key)),
                    None => Ok(Value::from("")),
                }
            }
            "meta_get" => {
                let key = arguments.text(0, "name")?;
                Ok(Self::meta(state, &key)?
                    .or_else(|| arguments.get(1, "default"))
                    .unwrap_or(Value::from(())))
            }
            "meta_require" => {
                let key = arguments.text(0, "name")?;
                match Self::meta(state, &key)? {
                    Some(value) => Ok(value),
                    None if Session::get(state)?.is_execute => Err(missing(state, &key)),
                    None => Ok(Value::from("")),
                }
            }
            "set" => {
                let key = arguments.text(0, "name")?;
                let value = arguments.required(1, "value")?;
                let site = site(state, &arguments);
                let host = Session::get(state)?.host.clone();
                let answer = host.configure([(key, value)].into_iter().collect(), site);
                answered(state, answer)?;
                Ok(Value::from(""))
            }
            "persist_relation_docs" | "persist_column_docs" => {
                let key = if method == "persist_relation_docs" {
                    "relation"
                } else {
                    "columns"
                };
                let persisted = Self::lookup(state, "persist_docs")?;
                let is_wanted = persisted
                    .and_then(|docs| docs.get_attr(key).ok())
                    .is_some_and(|value| value.is_true());
                Ok(Value::from(is_wanted))
            }
            _ => Err(unknown_method()),
        }
    }
}

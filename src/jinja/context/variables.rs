//! `var` and `env_var`.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::context::output::render;
use crate::session::{Session, raise};
use crate::value::convert::thaw;
use crate::value::{Arguments, callable, unknown_method};
use msv_diagnostics::Diagnostic;

pub(crate) fn add(add: &mut impl FnMut(&str, Value)) {
    add("var", Value::from_object(Var));
    add("env_var", callable(env_var));
}

/// The object `var` of a template.
#[derive(Debug)]
struct Var;

impl Object for Var {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        let name = arguments.text(0, "var_name")?;
        if let Some(value) = Session::get(state)?.host.var(&name) {
            return match value.as_str() {
                // Variables may hold templates; they are rendered where they are asked for.
                Some(text) => render(state, text.to_owned()),
                None => Ok(thaw(&value)),
            };
        }
        if let Some(default) = arguments.get(1, "default") {
            return Ok(default);
        }
        // dbt finds out when the template is rendered for good: what is not built may lack a value.
        if !Session::get(state)?.host.is_execute() {
            return Ok(Value::from(()));
        }
        let diagnostic = Diagnostic::error(
            "MSV0309",
            format!("the variable `{name}` has no value and no default"),
        )
        .help(format!(
            "set it under `vars:` in project.yml, with `--vars '{name}: …'`, or write `var('{name}', default)`"
        ));
        Err(raise(state, diagnostic))
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "has_var" => {
                let name = Arguments::new(args)?.text(0, "var_name")?;
                Ok(Value::from(Session::get(state)?.host.var(&name).is_some()))
            }
            _ => Err(unknown_method()),
        }
    }
}

/// Secrets stay out of templates: they would end up in compiled files and logs.
const SECRET_PREFIXES: [&str; 2] = ["DBT_ENV_SECRET", "DBT_ENGINE_ENV_SECRET"];

fn env_var(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let name = arguments.text(0, "var")?;
    let is_secret = SECRET_PREFIXES
        .iter()
        .any(|prefix| name.starts_with(prefix));
    if is_secret && !Session::get(state)?.host.may_read_secrets() {
        let diagnostic = Diagnostic::error(
            "MSV0309",
            format!("the secret environment variable `{name}` cannot be used in a template"),
        )
        .help("secrets may be used in profiles.yml and packages.yml only");
        return Err(raise(state, diagnostic));
    }
    if let Some(value) = Session::get(state)?.host.env_var(&name) {
        return Ok(Value::from(value));
    }
    if let Some(default) = arguments.get(1, "default") {
        return Ok(if default.is_none() || default.as_str().is_some() {
            default
        } else {
            Value::from(default.to_string())
        });
    }
    let diagnostic = Diagnostic::error(
        "MSV0309",
        format!("the environment variable `{name}` is not set and has no default"),
    )
    .help(format!("set it, or write `env_var('{name}', 'default')`"));
    Err(raise(state, diagnostic))
}

//! Macros: a project's macros as values that templates call.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple};
use minijinja::{Error, ErrorKind, State, Value};

use crate::blocks::MacroDefinition;
use crate::engine::ByName;
use crate::rewrite::{Hidden, SITE};
use crate::session::{Frame, Session, raise, run_macro};
use crate::value::dict::Dict;
use crate::value::{Arguments, unknown_method};
use msv_diagnostics::Diagnostic;

/// A macro that can be called.
#[derive(Debug)]
pub(crate) struct Macro {
    pub(crate) name: String,
    pub(crate) package: String,
    template: Value,
    parameters: Vec<String>,
    hidden: Hidden,
}

impl Macro {
    pub(crate) fn new(definition: &MacroDefinition) -> Self {
        Macro {
            name: definition.name.clone(),
            package: definition.package.clone(),
            template: Value::from(definition.unique_id.as_str()),
            parameters: definition
                .parameters
                .iter()
                .map(|parameter| parameter.name.clone())
                .collect(),
            hidden: definition.hidden,
        }
    }

    /// Gives every parameter its argument, as Python would.
    fn bind(&self, args: &[Value]) -> Result<Frame, Error> {
        let (positional, keywords) = match args.last() {
            Some(last) if last.is_kwargs() => (&args[..args.len() - 1], last.as_object()),
            _ => (args, None),
        };
        let count = self.parameters.len();
        let mut values = vec![Value::UNDEFINED; count];
        let mut missing = if count >= 128 {
            u128::MAX
        } else {
            (1u128 << count) - 1
        };
        for (index, value) in positional.iter().take(count).enumerate() {
            values[index] = value.clone();
            missing &= !(1 << index.min(127));
        }
        let extra = positional.get(count..).unwrap_or_default();
        if !extra.is_empty() && !self.hidden.varargs {
            return Err(self.misfit(format!(
                "`{}` takes at most {count} positional arguments, {} are given",
                self.name,
                positional.len()
            )));
        }
        let mut extra_keywords = Vec::new();
        let mut caller = Value::UNDEFINED;
        if let Some(keywords) = keywords {
            for (key, value) in keywords.try_iter_pairs().into_iter().flatten() {
                let name = key.as_str().unwrap_or_default();
                if let Some(index) = self.parameters.iter().position(|p| p == name) {
                    if index < positional.len() {
                        return Err(self
                            .misfit(format!("`{}` gets the argument `{name}` twice", self.name)));
                    }
                    values[index] = value;
                    missing &= !(1 << index.min(127));
                } else if name == "caller" && self.hidden.caller {
                    caller = value;
                } else if name == SITE {
                } else if self.hidden.kwargs {
                    extra_keywords.push((key, value));
                } else {
                    return Err(
                        self.misfit(format!("`{}` takes no argument named `{name}`", self.name))
                    );
                }
            }
        }
        if self.hidden.varargs {
            values.push(Value::from(Tuple::from(extra.to_vec())));
        }
        if self.hidden.kwargs {
            values.push(Dict::from_pairs(extra_keywords));
        }
        if self.hidden.caller {
            values.push(caller);
        }
        let arguments = if values.len() == 1 {
            values.swap_remove(0)
        } else {
            Value::from(Tuple::from(values))
        };
        Ok(Frame { arguments, missing })
    }

    fn misfit(&self, message: String) -> Error {
        Error::new(ErrorKind::TooManyArguments, message)
    }
}

impl Object for Macro {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let replaced = Session::of(state)
            .and_then(|session| session.host.macro_result(&self.package, &self.name));
        if let Some(result) = replaced {
            return Ok(result);
        }
        let frame = self.bind(args)?;
        if let (Some(session), Some(id)) = (Session::of(state), self.template.as_str())
            && session.frames.is_empty()
        {
            session.host.called(id);
        }
        run_macro(state, &self.template, frame)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<macro {}.{}>", self.package, self.name)
    }
}

/// A package's macros, `dbt_utils.star()`.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) macros: ByName<Value>,
}

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<package {}>", self.name)
    }
}

impl Object for Package {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.macros.get(key.as_str()?).cloned()
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.macros.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.macros.keys().map(Value::from).collect())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        if let Some(function) = self.macros.get(method) {
            return function.call(state, args);
        }
        if method == "get" {
            let arguments = Arguments::new(args)?;
            return Ok(self
                .get_value_by_str(&arguments.text(0, "key")?)
                .or_else(|| arguments.get(1, "default"))
                .unwrap_or(Value::from(())));
        }
        let is_parsing = Session::of(state).is_some_and(|session| !session.is_execute);
        if is_parsing {
            return Err(unknown_method());
        }
        let mut diagnostic = Diagnostic::error(
            "MSV0303",
            format!("the package `{}` has no macro named `{method}`", self.name),
        );
        let names = self.macros.keys().map(String::as_str);
        if let Some(guess) = msv_diagnostics::closest(method, names) {
            let name = &self.name;
            diagnostic = diagnostic.help(format!(
                "a macro with a similar name exists: `{name}.{guess}`"
            ));
        }
        Err(raise(state, diagnostic))
    }
}

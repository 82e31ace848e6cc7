//! Session: what one render carries along, and where a template's names are looked up.
//!
//! The session lives in the engine's state, so that built-in functions and macros reach the host,
//! the arguments of the macro they run in, and the results of statements. Macro bodies run in
//! the state of the template that calls them: a `caller()` block stays valid however deep it goes.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple};
use minijinja::{Error, ErrorKind, State, Value};

use crate::context;
use crate::engine::{ByName, Shared};
use crate::errors::Outcome;
use crate::host::{Host, HostError, Site};
use crate::value::dict::pairs;
use crate::value::relation;
use crate::value::unknown::unknown;
use crate::value::{Arguments, failed, lock, unknown_method};
use msv_diagnostics::Diagnostic;

/// Deeper macro calls are taken for endless recursion.
pub(crate) const MAX_CALLS: usize = 1000;

/// The arguments of one running macro.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) arguments: Value,
    /// One bit a parameter that was not given.
    pub(crate) missing: u128,
}

/// The state of one render.
pub(crate) struct Session {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) names: Arc<ByName<Value>>,
    pub(crate) is_execute: bool,
    /// True while a value of a YAML file is evaluated.
    pub(crate) is_native: bool,
    /// Runs a macro's template; declared by the first tag of every template.
    pub(crate) run: Value,
    pub(crate) frames: Vec<Frame>,
    /// What `return` was called with, on its way to the macro's boundary.
    pub(crate) returned: Option<Value>,
    pub(crate) outcome: Arc<Mutex<Outcome>>,
    pub(crate) results: IndexMap<String, Value>,
}

impl Session {
    pub(crate) fn of<'s>(state: &'s State<'_, '_>) -> Option<&'s Session> {
        state.get_extension::<Session>()
    }

    pub(crate) fn get<'s>(state: &'s State<'_, '_>) -> Result<&'s Session, Error> {
        Session::of(state).ok_or_else(no_session)
    }

    pub(crate) fn get_mut<'s>(state: &'s mut State<'_, '_>) -> Result<&'s mut Session, Error> {
        state.get_extension_mut::<Session>().ok_or_else(no_session)
    }
}

fn no_session() -> Error {
    failed("this can only be used while a template is rendered")
}

/// Makes an error of a diagnostic; its place is the running expression, if it has none.
pub(crate) fn raise(state: &mut State<'_, '_>, diagnostic: Diagnostic) -> Error {
    raise_boxed(state, Box::new(diagnostic))
}

pub(crate) fn raise_boxed(state: &mut State<'_, '_>, diagnostic: Box<Diagnostic>) -> Error {
    let error = failed(diagnostic.title.clone());
    if let Ok(session) = Session::get_mut(state) {
        lock(&session.outcome).raised = Some(diagnostic);
    }
    error
}

/// Hands on an answer of the host.
pub(crate) fn answered<T>(
    state: &mut State<'_, '_>,
    answer: Result<T, HostError>,
) -> Result<T, Error> {
    answer.map_err(|error| raise_boxed(state, error.0))
}

/// Where the running call stands, from the number the rewriter gave it.
pub(crate) fn site(state: &State<'_, '_>, arguments: &Arguments<'_>) -> Site {
    let record = Session::of(state).and_then(|session| session.shared.sources.record(state.name()));
    let number = arguments
        .keyword(crate::rewrite::SITE)
        .and_then(|number| number.as_usize());
    match record {
        Some(record) => Site {
            file: record.file.clone(),
            text: record.text.clone(),
            span: number
                .and_then(|number| record.sites.get(number).cloned())
                .unwrap_or(0..0),
        },
        None => Site {
            file: state.name().into(),
            text: "".into(),
            span: 0..0,
        },
    }
}

/// The names a template sees: macros, built-in functions, and what the host knows.
pub(crate) struct Root {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) names: Arc<ByName<Value>>,
    pub(crate) is_execute: bool,
    pub(crate) is_native: bool,
    /// Values given for this render alone, such as a test's arguments.
    pub(crate) extra: Vec<(String, Value)>,
    /// What `context.update` put in, newest last.
    pub(crate) updates: Mutex<IndexMap<String, Value>>,
    pub(crate) outcome: Arc<Mutex<Outcome>>,
}

impl std::fmt::Debug for Root {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<context>")
    }
}

impl Root {
    fn find(self: &Arc<Self>, name: &str) -> Option<Value> {
        if let Some(value) = lock(&self.updates).get(name) {
            return Some(value.clone());
        }
        if let Some((_, value)) = self.extra.iter().find(|(key, _)| key == name) {
            return Some(value.clone());
        }
        if let Some(value) = self.names.get(name) {
            return Some(value.clone());
        }
        match name {
            "execute" => return Some(Value::from(self.is_execute)),
            "this" => return Some(self.host.this().map_or(Value::from(()), relation::value)),
            "context" => return Some(Value::from_dyn_object(self.clone())),
            "__root" => return Some(Value::from_dyn_object(self.clone())),
            _ => {}
        }
        self.host
            .context(name)
            .or_else(|| context::fallback(&self.host, name))
    }
}

impl Object for Root {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let found = self.find(key);
        // `loop`, `caller` and their like are looked up in the engine's own frames first; what
        // arrives here under these names is not there.
        if found.is_none()
            && !self.is_execute
            && !matches!(
                key,
                "caller" | "loop" | "super" | "self" | "varargs" | "kwargs"
            )
        {
            return Some(unknown());
        }
        found
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let own = lock(&self.updates);
        let extra = self.extra.iter().map(|(name, _)| name);
        let names = own.keys().chain(self.names.keys()).chain(extra);
        let names = names.map(String::as_str).chain(context::PLAIN_NAMES);
        let names = names.filter(|name| !name.starts_with("__"));
        let names: indexmap::IndexSet<&str> = names.collect();
        Enumerator::Values(names.into_iter().map(Value::from).collect())
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "update" => {
                let arguments = Arguments::new(args)?;
                let mut added = match arguments.positional().first() {
                    Some(other) => pairs(other)?,
                    None => Vec::new(),
                };
                let named = arguments.keywords().into_iter();
                added.extend(named.map(|(key, value)| (Value::from(key), value)));
                let added = added
                    .into_iter()
                    .map(|(key, value)| (key.to_string(), value));
                lock(&self.updates).extend(added);
                Ok(Value::from(()))
            }
            "get" => {
                let arguments = Arguments::new(args)?;
                let key = arguments.text(0, "key")?;
                Ok(self
                    .find(&key)
                    .or_else(|| arguments.get(1, "default"))
                    .unwrap_or(Value::from(())))
            }
            _ => match self.find(method) {
                Some(function) => function.call(state, args),
                None => Err(unknown_method()),
            },
        }
    }
}

/// `__boot(run)`: the first call of every template; puts the session into the state.
pub(crate) fn boot(state: &mut State<'_, '_>, run: Value) -> Result<Value, Error> {
    let root = state.lookup("__root").ok_or_else(no_session)?;
    let root = root.downcast_object::<Root>().ok_or_else(no_session)?;
    state.get_or_insert_extension_with(|| Session {
        host: root.host.clone(),
        shared: root.shared.clone(),
        names: root.names.clone(),
        is_execute: root.is_execute,
        is_native: root.is_native,
        run,
        frames: Vec::new(),
        returned: None,
        outcome: root.outcome.clone(),
        results: IndexMap::new(),
    });
    Ok(Value::from(""))
}

/// `__arguments()`: what the running macro was called with.
pub(crate) fn arguments(state: &mut State<'_, '_>) -> Result<Value, Error> {
    let session = Session::get(state)?;
    Ok(session.frames.last().map_or_else(
        || Value::from(Tuple::default()),
        |frame| frame.arguments.clone(),
    ))
}

/// `__is_missing(index)`: whether the running macro's parameter was left out.
pub(crate) fn is_missing(state: &mut State<'_, '_>, index: usize) -> Result<bool, Error> {
    let session = Session::get(state)?;
    Ok(session
        .frames
        .last()
        .is_some_and(|frame| index < 128 && frame.missing & (1 << index) != 0))
}

/// `__keep(value)`: keeps the value of an evaluated expression, and hands it on.
pub(crate) fn keep(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    let mut outcome = lock(&Session::get(state)?.outcome);
    outcome.kept.push(value.clone());
    Ok(value)
}

/// `return(value)`: leaves the macro with a value.
pub(crate) fn return_(state: &mut State<'_, '_>, value: Option<Value>) -> Result<Value, Error> {
    let session = Session::get_mut(state)?;
    let value = value.unwrap_or(Value::from(()));
    if session.frames.is_empty() {
        lock(&session.outcome).returned = Some(value.clone());
    }
    session.returned = Some(value);
    Err(Error::new(
        ErrorKind::InvalidOperation,
        "`return` is used outside of a macro",
    ))
}

/// Runs a macro's template in the running state; `frame` holds its arguments.
pub(crate) fn run_macro(
    state: &mut State<'_, '_>,
    template: &Value,
    frame: Frame,
) -> Result<Value, Error> {
    let session = Session::get_mut(state)?;
    if session.frames.len() >= MAX_CALLS {
        let diagnostic = Diagnostic::error(
            "MSV0308",
            format!("macros call each other more than {MAX_CALLS} deep"),
        )
        .help("end the recursion, or loop instead");
        return Err(raise(state, diagnostic));
    }
    session.frames.push(frame);
    let run = session.run.clone();
    let result = run.call(state, std::slice::from_ref(template));
    let session = Session::get_mut(state)?;
    session.frames.pop();
    match result {
        Ok(value) => Ok(value),
        Err(error) => match session.returned.take() {
            Some(value) => Ok(value),
            None => {
                lock(&session.outcome).note(&error, &session.shared.sources);
                Err(failed(""))
            }
        },
    }
}

/// A range of a compiled template.
pub(crate) type Spot = (Arc<crate::position::Record>, Range<usize>);

//! `ref`, `source`, `function`, `metric` and `doc`.

use minijinja::{Error, ErrorKind, State, Value};

use crate::session::{Session, answered, site};
use crate::value::{Arguments, callable, relation};

pub(crate) fn add(add: &mut impl FnMut(&str, Value)) {
    let functions = [
        ("ref", callable(reference)),
        ("source", callable(source)),
        ("function", callable(function)),
        ("metric", callable(metric)),
    ];
    for (name, function) in functions {
        add(name, function);
    }
    add("doc", callable(doc));
}

/// Reads `(name)` or `(package, name)`.
fn package_and_name(
    what: &str,
    arguments: &Arguments<'_>,
) -> Result<(Option<String>, String), Error> {
    match arguments.positional() {
        [name] => Ok((None, name.to_string())),
        [package, name] => Ok((Some(package.to_string()), name.to_string())),
        _ => Err(Error::new(
            ErrorKind::MissingArgument,
            format!("`{what}` takes a name, or a package and a name"),
        )),
    }
}

fn reference(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let (package, name) = package_and_name("ref", &arguments)?;
    let version = arguments
        .keyword("version")
        .or_else(|| arguments.keyword("v"))
        .filter(|version| !version.is_none());
    let site = site(state, &arguments);
    let host = Session::get(state)?.host.clone();
    let answer = host.reference(package.as_deref(), &name, version.as_ref(), site);
    Ok(relation::value(answered(state, answer)?))
}

fn source(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let [source, table] = arguments.positional() else {
        return Err(Error::new(
            ErrorKind::MissingArgument,
            "`source` takes a source's name and a table's name",
        ));
    };
    let site = site(state, &arguments);
    let host = Session::get(state)?.host.clone();
    let answer = host.source(&source.to_string(), &table.to_string(), site);
    Ok(relation::value(answered(state, answer)?))
}

fn function(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let (package, name) = package_and_name("function", &arguments)?;
    let site = site(state, &arguments);
    let host = Session::get(state)?.host.clone();
    let answer = host.function(package.as_deref(), &name, site);
    Ok(relation::value(answered(state, answer)?))
}

fn metric(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let (package, name) = package_and_name("metric", &arguments)?;
    let site = site(state, &arguments);
    let host = Session::get(state)?.host.clone();
    let answer = host.metric(package.as_deref(), &name, site);
    answered(state, answer)
}

fn doc(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let (package, name) = package_and_name("doc", &arguments)?;
    let host = Session::get(state)?.host.clone();
    let answer = host.doc(package.as_deref(), &name);
    Ok(Value::from(answered(state, answer)?))
}

//! `store_result`, `store_raw_result` and `load_result`: what statements gave.

use minijinja::value::Tuple;
use minijinja::{Error, State, Value};

use crate::session::Session;
use crate::value::dict::Dict;
use crate::value::list::List;
use crate::value::table::Table;
use crate::value::{Arguments, callable};

pub(crate) fn add(add: &mut impl FnMut(&str, Value)) {
    add("store_result", callable(store));
    add("store_raw_result", callable(store_raw));
    add("load_result", Value::from_function(load));
    add("load_agate_table", Value::from_function(no_seed));
}

fn keep(
    state: &mut State<'_, '_>,
    name: String,
    response: Value,
    table: Option<Value>,
) -> Result<Value, Error> {
    let table = table
        .filter(|table| table.downcast_object_ref::<Table>().is_some())
        .unwrap_or_else(|| Table::default().into_value());
    // The plain rows, without their columns' names.
    let rows = table.try_iter()?;
    let tuple = |row: Value| -> Result<Value, Error> {
        Ok(Value::from(Tuple::from(
            row.try_iter()?.collect::<Vec<_>>(),
        )))
    };
    let data: Vec<Value> = rows.map(tuple).collect::<Result<_, Error>>()?;
    let result = Dict::from_pairs([
        ("response", response),
        ("data", List::value(data)),
        ("table", table),
    ]);
    Session::get_mut(state)?.results.insert(name, result);
    Ok(Value::from(""))
}

fn store(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let name = arguments.text(0, "name")?;
    let response = arguments.required(1, "response")?;
    let table = arguments.get(2, "agate_table");
    keep(state, name, response, table)
}

fn store_raw(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let name = arguments.text(0, "name")?;
    let text = |index, name| Value::from(arguments.optional_text(index, name));
    let response = Dict::from_pairs([
        ("_message", text(1, "message")),
        ("code", text(2, "code")),
        (
            "rows_affected",
            arguments.get(3, "rows_affected").unwrap_or(Value::from(())),
        ),
    ]);
    let table = arguments.get(4, "agate_table");
    keep(state, name, response, table)
}

fn load(state: &mut State<'_, '_>, name: String) -> Result<Value, Error> {
    let session = Session::get_mut(state)?;
    // A materialization reads the result of its main statement more than once; others are read
    // once and may be large.
    let found = if name == "main" {
        session.results.get(&name).cloned()
    } else {
        session.results.shift_remove(&name)
    };
    Ok(found.unwrap_or(Value::from(())))
}

/// Outside of a seed's materialization there are no rows to load.
fn no_seed() -> Value {
    Table::default().into_value()
}

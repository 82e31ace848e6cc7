//! `log`, `print`, `debug`, `write`, and `render`.

use std::cell::Cell;

use minijinja::{Error, State, Value};

use crate::rewrite;
use crate::session::Session;
use crate::value::{Arguments, callable, failed};

pub(crate) fn add(add: &mut impl FnMut(&str, Value)) {
    add("log", callable(log));
    add("print", callable(print));
    add("debug", callable(nothing));
    add("write", callable(nothing));
    add("render", Value::from_function(render));
}

fn log(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let message = arguments.text(0, "msg")?;
    let is_info = arguments.flag(1, "info", false);
    Session::get(state)?.host.log(&message, is_info);
    Ok(Value::from(""))
}

fn print(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::new(args)?;
    let message = arguments.text(0, "msg")?;
    Session::get(state)?.host.print(&message);
    Ok(Value::from(""))
}

fn nothing(_state: &mut State<'_, '_>, _args: &[Value]) -> Result<Value, Error> {
    Ok(Value::from(""))
}

/// Renders text as a template in the running context.
pub(crate) fn render(state: &mut State<'_, '_>, text: String) -> Result<Value, Error> {
    if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
        return Ok(Value::from(text));
    }
    let _nested = Nested::enter()?;
    let root = state.lookup("__root").unwrap_or_default();
    let length = text.len();
    let record = rewrite::template("<render>".into(), text.into(), 0..length)
        .map_err(|error| failed(error.title))?;
    let rendered = state
        .env()
        .render_named_str("<render>", &record.source, root)?;
    Ok(Value::from(rendered))
}

/// Text that renders itself, such as a variable whose value asks for that variable, ends here.
const MAX_NESTED: usize = 20;

thread_local! {
    static NESTED: Cell<usize> = const { Cell::new(0) };
}

/// One running call of [`render`] on this thread.
struct Nested;

impl Nested {
    fn enter() -> Result<Nested, Error> {
        if NESTED.get() >= MAX_NESTED {
            return Err(failed(format!(
                "text renders text more than {MAX_NESTED} levels deep"
            )));
        }
        NESTED.set(NESTED.get() + 1);
        Ok(Nested)
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        NESTED.set(NESTED.get() - 1);
    }
}

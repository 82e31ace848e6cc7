//! Table: the rows of a query as templates read them.
//!
//! It plays the part of agate's table: `columns`, `rows`, `column_names`, `print_table`, and
//! what packages call on them.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple};
use minijinja::{Error, State, Value};

use crate::value::data_type::{DataType, decimal_places, grouped};
use crate::value::dict::{Dict, pairs};
use crate::value::list::List;
use crate::value::text::{bracketed, repr, text};
use crate::value::{Arguments, failed, unknown_method};

/// Rows of values under named columns. Every row is as long as `column_names`.
#[derive(Clone, Debug, Default)]
pub struct Table {
    column_names: Arc<[String]>,
    rows: Vec<Arc<[Value]>>,
}

impl Table {
    /// Builds a table; short rows are filled with none, long ones cut.
    pub fn new(column_names: Vec<String>, rows: Vec<Vec<Value>>) -> Self {
        let count = column_names.len();
        let rows = rows.into_iter().map(|mut row| {
            row.resize(count, Value::from(()));
            row.into()
        });
        Table {
            rows: rows.collect(),
            column_names: column_names.into(),
        }
    }

    pub fn column_names(&self) -> &[String] {
        &self.column_names
    }

    /// The values of each row, in the order of the columns.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[Value]> {
        self.rows.iter().map(AsRef::as_ref)
    }

    /// The table that a template value holds, such as the answer of `run_query`.
    pub fn from_value(value: &Value) -> Option<Arc<Table>> {
        value.downcast_object::<Table>()
    }

    /// Wraps the table for templates.
    pub fn into_value(self) -> Value {
        Value::from_object(self)
    }

    fn row(&self, index: usize) -> Option<Value> {
        Some(Value::from_object(Row {
            names: self.column_names.clone(),
            values: self.rows.get(index)?.clone(),
        }))
    }

    fn column(&self, index: usize) -> Option<Value> {
        Some(Value::from_object(TableColumn {
            index,
            name: self.column_names.get(index)?.clone(),
            values: self.rows.iter().map(|row| row[index].clone()).collect(),
        }))
    }

    fn position(&self, key: &Value) -> Option<usize> {
        position(&self.column_names, key)
    }

    fn kept(&self, indexes: &[usize]) -> Value {
        Table {
            column_names: indexes
                .iter()
                .map(|index| self.column_names[*index].clone())
                .collect(),
            rows: self
                .rows
                .iter()
                .map(|row| indexes.iter().map(|index| row[*index].clone()).collect())
                .collect(),
        }
        .into_value()
    }

    fn positions(&self, keys: &Value) -> Result<Vec<usize>, Error> {
        let keys: Vec<Value> = match keys.as_str() {
            Some(_) => vec![keys.clone()],
            None => keys.try_iter()?.collect(),
        };
        keys.iter()
            .map(|key| {
                self.position(key)
                    .ok_or_else(|| failed(format!("the table has no column {key:?}")))
            })
            .collect()
    }

    /// The kind of each column's values.
    fn kinds(&self) -> Vec<DataType> {
        let count = self.column_names.len();
        let values = |index: usize| self.rows.iter().map(move |row| &row[index]);
        (0..count)
            .map(|index| DataType::of(values(index)))
            .collect()
    }

    fn column_types(&self) -> Value {
        let kinds = self.kinds().into_iter();
        Value::from(Tuple::from(
            kinds.map(Value::from_object).collect::<Vec<_>>(),
        ))
    }

    /// The names of the columns and their types, as agate shows a table.
    fn structure(&self) -> String {
        let kinds = self.kinds();
        let mut lines = vec![["column".to_owned(), "data_type".to_owned()]];
        let names = self.column_names.iter().zip(kinds);
        lines.extend(names.map(|(name, kind)| [name.clone(), kind.name().to_owned()]));
        let width = |index: usize| {
            let lengths = lines.iter().map(|line| line[index].chars().count());
            lengths.max().unwrap_or(0)
        };
        let (left, right) = (width(0), width(1));
        let mut out = String::new();
        for (number, [name, kind]) in lines.iter().enumerate() {
            out.push_str(&format!("| {name:<left$} | {kind:<right$} |\n"));
            if number == 0 {
                out.push_str(&format!(
                    "| {} | {} |\n",
                    "-".repeat(left),
                    "-".repeat(right)
                ));
            }
        }
        out
    }

    /// The rows as agate prints them: words to the left, everything else to the right.
    fn printed(&self, max_rows: usize, max_columns: usize, max_width: usize) -> String {
        let count = self.column_names.len().min(max_columns);
        let is_cut = count < self.column_names.len();
        let cut = |text: String| {
            if text.chars().count() > max_width {
                let kept: String = text.chars().take(max_width.saturating_sub(3)).collect();
                kept + "..."
            } else {
                text
            }
        };
        let mut kinds = self.kinds();
        kinds.truncate(count + usize::from(is_cut));
        let mut lines: Vec<Vec<String>> = vec![self.column_names[..count].to_vec()];
        let shown = &self.rows[..self.rows.len().min(max_rows)];
        let places: Vec<usize> = (0..count)
            .map(|index| {
                let values = shown.iter().map(|row| decimal_places(&row[index]));
                values.max().unwrap_or(0)
            })
            .collect();
        for row in shown {
            let cells = row[..count].iter().zip(&kinds).zip(&places);
            let cells = cells.map(|((value, kind), places)| match kind {
                _ if value.is_none() => String::new(),
                DataType::Number => grouped(value, *places),
                _ => text(value),
            });
            lines.push(cells.collect());
        }
        if self.rows.len() > max_rows {
            lines.push(vec!["...".to_owned(); count]);
        }
        for line in &mut lines {
            line.iter_mut()
                .for_each(|cell| *cell = cut(std::mem::take(cell)));
            if is_cut {
                line.push("...".to_owned());
            }
        }
        let widths: Vec<usize> = (0..count + usize::from(is_cut))
            .map(|index| {
                let lengths = lines.iter().map(|line| line[index].chars().count());
                lengths.max().unwrap_or(0)
            })
            .collect();
        let mut out = String::new();
        for (number, line) in lines.iter().enumerate() {
            let cells: Vec<String> = line
                .iter()
                .zip(&widths)
                .zip(&kinds)
                .map(|((cell, width), kind)| match kind {
                    DataType::Text => format!("{cell:<width$}"),
                    _ => format!("{cell:>width$}"),
                })
                .collect();
            out.push_str(&format!("| {} |\n", cells.join(" | ")));
            if number == 0 {
                let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                out.push_str(&format!("| {} |\n", rules.join(" | ")));
            }
        }
        out
    }

    fn with_rows(&self, rows: Vec<Arc<[Value]>>) -> Value {
        Table {
            column_names: self.column_names.clone(),
            rows,
        }
        .into_value()
    }

    /// The first row of each key; of each whole row without keys.
    fn distinct(&self, keys: Option<&Value>) -> Result<Value, Error> {
        let keys = match keys {
            Some(keys) => self.positions(keys)?,
            None => (0..self.column_names.len()).collect(),
        };
        let mut seen = indexmap::IndexSet::new();
        let rows = self.rows.iter().filter(|row| {
            let key: Vec<Value> = keys.iter().map(|index| row[*index].clone()).collect();
            seen.insert(key)
        });
        Ok(self.with_rows(rows.cloned().collect()))
    }

    /// Tables by the value of one column.
    fn grouped(&self, key: &Value) -> Result<Value, Error> {
        let index = *self
            .positions(key)?
            .first()
            .ok_or_else(|| failed("`group_by` takes a column"))?;
        let mut groups: indexmap::IndexMap<Value, Vec<Arc<[Value]>>> = indexmap::IndexMap::new();
        for row in &self.rows {
            groups
                .entry(row[index].clone())
                .or_default()
                .push(row.clone());
        }
        let groups = groups.into_iter();
        Ok(Dict::from_pairs(
            groups.map(|(key, rows)| (key, self.with_rows(rows))),
        ))
    }
}

fn position(names: &[String], key: &Value) -> Option<usize> {
    if let Some(name) = key.as_str() {
        return names.iter().position(|other| other == name);
    }
    index(key, names.len())
}

fn index(key: &Value, length: usize) -> Option<usize> {
    let number = key.as_i64()?;
    let number = if number < 0 {
        number + i64::try_from(length).ok()?
    } else {
        number
    };
    usize::try_from(number).ok().filter(|index| *index < length)
}

impl Object for Table {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some("rows") => Some(Value::from_object(Rows(self.clone()))),
            Some("columns") => Some(Value::from_object(Columns(self.clone()))),
            Some("column_types") => Some(self.column_types()),
            Some("column_names") => Some(Value::from(Tuple::from(
                self.column_names
                    .iter()
                    .map(Value::from)
                    .collect::<Vec<_>>(),
            ))),
            Some(_) => None,
            None => self.row(index(key, self.rows.len())?),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.rows.len())
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
        let arguments = Arguments::new(args)?;
        match method {
            "print_table" => {
                let number = |index, name, default| {
                    arguments
                        .get(index, name)
                        .and_then(|value| value.as_usize())
                        .unwrap_or(default)
                };
                let text = self.printed(
                    number(0, "max_rows", 20),
                    number(1, "max_columns", 6),
                    number(3, "max_column_width", 20),
                );
                let text = text.trim_end();
                if let Some(session) = crate::session::Session::of(state) {
                    session.host.print(text);
                }
                Ok(Value::from(()))
            }
            "print_structure" => {
                if let Some(session) = crate::session::Session::of(state) {
                    session.host.print(self.structure().trim_end());
                }
                Ok(Value::from(()))
            }
            "distinct" => self.distinct(arguments.get(0, "key").as_ref()),
            "group_by" => self.grouped(&arguments.required(0, "key")?),
            "rename" => {
                let mut names = self.column_names.to_vec();
                match arguments.get(0, "column_names") {
                    Some(new) if new.kind() == minijinja::value::ValueKind::Map => {
                        for (old, new) in pairs(&new)? {
                            if let Some(at) = self.position(&old) {
                                names[at] = new.to_string();
                            }
                        }
                    }
                    Some(new) => {
                        for (name, new) in names.iter_mut().zip(new.try_iter()?) {
                            *name = new.to_string();
                        }
                    }
                    None => {}
                }
                Ok(Table {
                    column_names: names.into(),
                    rows: self.rows.clone(),
                }
                .into_value())
            }
            "select" => Ok(self.kept(&self.positions(&arguments.required(0, "key")?)?)),
            "exclude" => {
                let dropped = self.positions(&arguments.required(0, "key")?)?;
                let kept: Vec<usize> = (0..self.column_names.len())
                    .filter(|index| !dropped.contains(index))
                    .collect();
                Ok(self.kept(&kept))
            }
            "where" => {
                let test = arguments.required(0, "test")?;
                let mut rows = Vec::new();
                for (index, row) in self.rows.iter().enumerate() {
                    let value = self.row(index).unwrap_or_default();
                    if test.call(state, &[value])?.is_true() {
                        rows.push(row.clone());
                    }
                }
                Ok(Table {
                    column_names: self.column_names.clone(),
                    rows,
                }
                .into_value())
            }
            "limit" => {
                let count = arguments.required(0, "start_or_stop")?.as_usize();
                let mut copy = Table::clone(self);
                copy.rows.truncate(count.unwrap_or(usize::MAX));
                Ok(copy.into_value())
            }
            "order_by" => {
                let keys = self.positions(&arguments.required(0, "key")?)?;
                let mut copy = Table::clone(self);
                copy.rows.sort_by(|left, right| {
                    let left = keys.iter().map(|key| &left[*key]);
                    left.cmp(keys.iter().map(|key| &right[*key]))
                });
                if arguments.flag(1, "reverse", false) {
                    copy.rows.reverse();
                }
                Ok(copy.into_value())
            }
            _ => Err(unknown_method()),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.structure())
    }
}

/// `table.rows`
#[derive(Debug)]
struct Rows(Arc<Table>);

impl Object for Rows {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.row(index(key, self.0.rows.len())?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.rows.len())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        _args: &[Value],
    ) -> Result<Value, Error> {
        let count = self.0.rows.len();
        match method {
            "values" => Ok(List::value(
                (0..count).filter_map(|i| self.0.row(i)).collect(),
            )),
            "keys" => Ok(List::value((0..count).map(Value::from).collect())),
            _ => Err(unknown_method()),
        }
    }
}

/// `table.columns`
#[derive(Debug)]
struct Columns(Arc<Table>);

impl Columns {
    fn all(&self) -> impl Iterator<Item = Value> {
        (0..self.0.column_names.len()).filter_map(|index| self.0.column(index))
    }
}

impl Object for Columns {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.column(self.0.position(key)?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.all().collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.column_names.len())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let names = self.0.column_names.iter().map(Value::from);
        match method {
            "keys" => Ok(Value::from(Tuple::from(names.collect::<Vec<_>>()))),
            "values" => Ok(Value::from(Tuple::from(self.all().collect::<Vec<_>>()))),
            "items" => Ok(List::value(
                names
                    .zip(self.all())
                    .map(|(name, column)| Value::from(Tuple::from([name, column])))
                    .collect(),
            )),
            "get" => {
                let arguments = Arguments::new(args)?;
                Ok(self
                    .get_value(&arguments.required(0, "key")?)
                    .or_else(|| arguments.get(1, "default"))
                    .unwrap_or(Value::from(())))
            }
            _ => Err(unknown_method()),
        }
    }
}

/// One column of a table: its name and its values, top to bottom.
#[derive(Debug)]
pub(crate) struct TableColumn {
    index: usize,
    name: String,
    values: Vec<Value>,
}

impl Object for TableColumn {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some("name") => Some(Value::from(&self.name)),
            Some("index") => Some(Value::from(self.index)),
            Some("data_type") => Some(Value::from_object(DataType::of(self.values.iter()))),
            Some(_) => None,
            None => self.values.get(index(key, self.values.len())?).cloned(),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.values.clone())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        _args: &[Value],
    ) -> Result<Value, Error> {
        let values = self.values.iter().cloned();
        Ok(Value::from(Tuple::from(match method {
            "values" => values.collect::<Vec<Value>>(),
            "values_distinct" => {
                let distinct: indexmap::IndexSet<Value> = values.collect();
                distinct.into_iter().collect()
            }
            "values_without_nulls" => values.filter(|value| !value.is_none()).collect(),
            "values_sorted" => {
                let mut sorted: Vec<Value> = values.collect();
                sorted.sort();
                sorted
            }
            _ => return Err(unknown_method()),
        })))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<agate.Column: {}>", bracketed("(", &self.values, ")"))
    }
}

/// One row of a table: values by position, by name, and as attributes.
#[derive(Debug)]
pub(crate) struct Row {
    names: Arc<[String]>,
    values: Arc<[Value]>,
}

impl Object for Row {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.values.get(position(&self.names, key)?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.values.to_vec())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let names = self.names.iter().map(Value::from);
        let values = self.values.iter().cloned();
        Ok(match method {
            "values" => Value::from(Tuple::from(values.collect::<Vec<_>>())),
            "keys" => Value::from(Tuple::from(names.collect::<Vec<_>>())),
            "items" => List::value(
                names
                    .zip(values)
                    .map(|(name, value)| Value::from(Tuple::from([name, value])))
                    .collect(),
            ),
            "dict" => Dict::from_pairs(names.zip(values)),
            "get" => {
                let arguments = Arguments::new(args)?;
                self.get_value(&arguments.required(0, "key")?)
                    .or_else(|| arguments.get(1, "default"))
                    .unwrap_or(Value::from(()))
            }
            _ => return Err(unknown_method()),
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only the first five values of a row are shown.
        let mut shown: Vec<String> = self.values.iter().take(5).map(repr).collect();
        if self.values.len() > 5 {
            shown.push("...".to_owned());
        }
        let comma = if self.values.len() == 1 { "," } else { "" };
        write!(f, "<agate.Row: ({}{comma})>", shown.join(", "))
    }
}

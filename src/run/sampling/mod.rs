//! Makes a unit test of real rows: few rows of the inputs, and what the model makes of them.
//!
//! 1. Take some rows of the model's result ([`Sampler::take_target`]).
//! 2. Find the rows of the inputs that belong to them ([`candidates`], [`links`]).
//! 3. Leave rows out while those of the result still come out ([`reduce`]), then columns that
//!    change nothing.
//! 4. Run the model over what is left, as the unit test will.

mod candidates;
mod incremental;
mod inputs;
mod large;
mod links;
mod reduce;
mod sampled;
mod target;

use std::sync::Arc;

use jiff::{Timestamp, ToSpan};
use serde_json::Value as Json;

use crate::compile::fixture_rows::{FixtureRows, TypedColumn, rows_query};
use crate::compile::model_over::{ReplacedInput, compile_over};
use crate::compile::{Compiled, Compiler, Overrides};
use crate::diagnostics::Diagnostic;
use crate::jinja::value::convert::{from_json, to_json};
use crate::jinja::{Database, Value};
use crate::parse::Node;
use crate::postgres::catalog;
use crate::postgres::{Datum, Error, Rows};
use crate::relation::quote_identifier;

use super::adapter::Adapter;
use super::failure::server_refused_query;
use links::RowSource;
use reduce::reduce;
pub use sampled::{SampledInput, SampledTest, SamplingOptions, TypedRows};

/// Rows of an input that are looked at, tried in turn until the result can be shown by them.
const CANDIDATES: [usize; 3] = [200, 2_000, 20_000];

/// Questions asked while rows are left out for one goal.
const QUESTIONS: usize = 400;

/// Rows of one input that a person still reads.
const READABLE: usize = 20;

/// Makes a unit test of `model` from the rows its inputs hold now.
///
/// # Errors
///
/// An input that is not built, no row of the result that fits, a template or a statement that
/// fails.
pub fn sample_unit_test(
    compiler: &Arc<Compiler>,
    adapter: &Arc<Adapter>,
    model: &Arc<Node>,
    options: &SamplingOptions,
) -> Result<SampledTest, Box<Diagnostic>> {
    let mut sampler = Sampler {
        compiler,
        adapter,
        model,
        options,
        inputs: Vec::new(),
        overrides: Overrides::default(),
        stable: Vec::new(),
        compared: Vec::new(),
        whole: None,
        notes: Vec::new(),
    };
    sampler.inputs = sampler.find_inputs()?;
    sampler.sample()
}

/// True where a template asks whether its rows are added to others, by whosoever's macro.
pub fn asks_is_incremental(model: &Node) -> bool {
    let asked = |id: &String| id.ends_with(".is_incremental");
    model.depends_on_macros.iter().any(asked)
}

/// An input of the model.
struct Input {
    /// As a unit test names it.
    text: String,
    /// None for the rows that the model has already.
    node: Option<Arc<Node>>,
    source: RowSource,
}

struct Sampler<'a> {
    compiler: &'a Arc<Compiler>,
    adapter: &'a Arc<Adapter>,
    model: &'a Arc<Node>,
    options: &'a SamplingOptions,
    inputs: Vec<Input>,
    overrides: Overrides,
    /// Columns of the result that are the same whenever it is asked for.
    stable: Vec<String>,
    /// Those by which rows of the target are known again.
    compared: Vec<String>,
    /// The branch of an incremental model that is not tested, where a row tells it from the other.
    whole: Option<Template>,
    notes: Vec<String>,
}

/// The model over candidates; fewer rows and columns of them are put in by [`Sampler::filled`].
struct Template {
    compiled: Compiled,
    columns: Vec<Vec<TypedColumn>>,
}

/// What has to come out of fewer rows as well.
#[derive(Clone, Copy, PartialEq)]
enum Goal {
    /// Rows of the result, all of them.
    Rows(i64),
    AnyRow,
    Nothing,
}

type Outcome<T> = Result<T, Box<Diagnostic>>;

impl Sampler<'_> {
    fn database(&self) -> Arc<dyn Database> {
        Arc::clone(self.adapter) as Arc<dyn Database>
    }

    fn refused(&self, sql: &str, query: &Compiled, error: &Error) -> Box<Diagnostic> {
        Box::new(server_refused_query(self.model, sql, query, error))
    }

    fn ask(&self, sql: &str) -> Outcome<Rows> {
        let none = Compiled::default();
        self.adapter
            .query(sql)
            .map_err(|error| self.refused(sql, &none, &error))
    }

    fn execute(&self, sql: &str) -> Outcome<()> {
        let none = Compiled::default();
        self.adapter
            .execute(sql)
            .map(|_| ())
            .map_err(|error| self.refused(sql, &none, &error))
    }

    fn number(&self, sql: &str) -> Outcome<i64> {
        let rows = self.ask(sql)?;
        Ok(integer(&rows, 0))
    }

    fn sample(mut self) -> Outcome<SampledTest> {
        let is_incremental = self.options.is_incremental;
        let macros = &mut self.overrides.macros;
        macros.insert("is_incremental".to_owned(), Value::from(is_incremental));
        if is_incremental {
            self.add_this()?;
        }
        let invocation = &self.compiler.invocation;
        let (now, names) = invocation.vars_read_in(|| self.clock_if_read());
        self.overrides.now = now?;
        let vars = self.vars_of(names);
        let (template, goal) = match is_incremental {
            true => self.look_at_branch()?,
            false => {
                let target = self.take_target()?;
                self.look(&target)?
            }
        };
        let (kept, goal) = self.leave_out(&template, goal)?;
        let columns = match goal {
            Goal::Nothing => template.columns.clone(),
            _ => self.needed_columns(&template, &kept)?,
        };
        let mut given = Vec::new();
        for (at, input) in self.inputs.iter().enumerate() {
            given.push(SampledInput {
                input: input.text.clone(),
                rows: self.rows_of_input(at, &columns[at], &kept[at])?,
            });
        }
        let mut expect = self.outcome(&given)?;
        expect.trim_zeros();
        // Numbers are easier to read without zeros that change nothing.
        let mut trimmed = given.clone();
        for input in &mut trimmed {
            input.rows.trim_zeros();
        }
        let notes = self.notes.len();
        let mut again = self.outcome(&trimmed)?;
        self.notes.truncate(notes);
        again.trim_zeros();
        if again.rows == expect.rows {
            given = trimmed;
        }
        Ok(SampledTest {
            is_incremental: asks_is_incremental(self.model).then_some(is_incremental),
            now: self.overrides.now,
            vars,
            given,
            expect,
            notes: self.notes,
        })
    }

    /// The values that variables have in the project; those of the command line may be secret.
    fn vars_of(&mut self, names: Vec<String>) -> Vec<(String, Json)> {
        let invocation = &self.compiler.invocation;
        let mut vars = Vec::new();
        for name in names {
            if invocation.vars.contains_key(&name) {
                self.notes.push(format!(
                    "the test needs `--vars` with `{name}`, or its value below `overrides`"
                ));
            } else if let Some(value) = invocation.var(&self.model.package_name, &name) {
                let written = to_json(&value);
                // Dates would be texts there.
                match from_json(&written) == value {
                    true => vars.push((name, written)),
                    false => self.notes.push(format!(
                        "the variable `{name}` holds a date, which `overrides` cannot, and keeps the project's value"
                    )),
                }
            }
        }
        vars
    }

    /// This instant, when another one would change what the model asks.
    fn clock_if_read(&self) -> Outcome<Option<Timestamp>> {
        let now = self.compiler.invocation.started_at;
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let later = now.checked_add(10_001.hours()).unwrap_or(now);
        let at = |instant| {
            let overrides = Overrides {
                now: Some(instant),
                ..self.overrides.clone()
            };
            self.compile(overrides, &|_, source| {
                format!("select * from {}", source.from)
            })
        };
        Ok((at(now)?.sql != at(later)?.sql).then_some(now))
    }

    /// Compiles the model over queries in place of its inputs.
    fn compile(
        &self,
        overrides: Overrides,
        query_of: &dyn Fn(usize, &RowSource) -> String,
    ) -> Outcome<Compiled> {
        let inputs = self.inputs.iter().enumerate().map(|(at, input)| {
            let mut query = Compiled::default();
            query.push_text(&query_of(at, &input.source));
            ReplacedInput {
                node: input.node.as_ref().map(|node| node.unique_id.clone()),
                query,
                columns: input.source.columns.clone(),
            }
        });
        let inputs = inputs.collect();
        let database = Some(self.database());
        compile_over(self.compiler, self.model, database, inputs, overrides)
    }

    /// Finds rows of the inputs from which rows of the result come out.
    fn look(&mut self, target: &RowSource) -> Outcome<(Template, Goal)> {
        let has_target = self.number("select count(*) from msv_target")? > 0;
        let mut goal = Goal::Nothing;
        let mut template = None;
        let notes = self.notes.len();
        for (turn, candidates) in CANDIDATES.into_iter().enumerate() {
            self.notes.truncate(notes);
            self.take_candidates(target, candidates)?;
            let made = self.template(&self.overrides)?;
            self.stable = self.stable_columns(&made)?;
            goal = match has_target {
                true => self.goal(target, &made)?,
                false => Goal::Nothing,
            };
            template = Some(made);
            let is_last = turn + 1 == CANDIDATES.len() || !has_target;
            if matches!(goal, Goal::Rows(_)) || is_last || self.has_all(candidates)? {
                break;
            }
        }
        Ok((template.expect("there is at least one turn"), goal))
    }

    /// Keeps as few of these rows as possible.
    fn leave_out(&mut self, template: &Template, mut goal: Goal) -> Outcome<(Vec<Vec<i64>>, Goal)> {
        let mut kept = Vec::new();
        for at in 0..self.inputs.len() {
            let rows = self.ask(&format!("select msv_row from msv_given_{at} order by 1"))?;
            kept.push(
                (0..rows.rows.len())
                    .map(|row| integer(&rows, row))
                    .collect(),
            );
        }
        if goal == Goal::Nothing {
            self.notes.push(format!(
                "`{}` returns no rows over the rows that were taken: the test expects none",
                self.model.name
            ));
            for rows in &mut kept {
                Vec::truncate(rows, self.options.rows);
            }
            return Ok((kept, goal));
        }
        kept = self.fewer(template, goal, kept)?;
        let is_readable = |kept: &[Vec<i64>]| kept.iter().all(|rows| rows.len() <= READABLE);
        // One row of the result may need fewer than all of them.
        if let Goal::Rows(count) = goal
            && count > 1
            && !is_readable(&kept)
        {
            self.execute("delete from msv_goal where goal <> (select min(goal) from msv_goal)")?;
            goal = Goal::Rows(1);
            kept = self.fewer(template, goal, kept)?;
        }
        if goal != Goal::AnyRow && !is_readable(&kept) {
            kept = self.fewer(template, Goal::AnyRow, kept)?;
        }
        if !is_readable(&kept) {
            let most = kept.iter().map(Vec::len).max().unwrap_or(0);
            self.notes.push(format!(
                "no row of `{}` comes out of fewer than {most} rows of an input",
                self.model.name
            ));
        }
        Ok((kept, goal))
    }

    fn template(&self, overrides: &Overrides) -> Outcome<Template> {
        let compiled = self.compile(overrides.clone(), &|at, source| {
            let (columns, rows) = marks(at, &source.columns);
            format!("select {columns} from msv_given_{at} where {rows}")
        })?;
        let inputs = self.inputs.iter();
        Ok(Template {
            compiled,
            columns: inputs.map(|input| input.source.columns.clone()).collect(),
        })
    }

    /// The model's query over these rows and columns.
    fn filled(
        &self,
        template: &Template,
        kept: Option<&[Vec<i64>]>,
        columns: &[Vec<TypedColumn>],
    ) -> String {
        let mut sql = template.compiled.sql.clone();
        for at in 0..self.inputs.len() {
            let list: Vec<String> = template.columns[at]
                .iter()
                .map(|(name, data_type)| {
                    let quoted = quote_identifier(name);
                    match columns[at].iter().any(|(kept, _)| kept == name) {
                        true => quoted,
                        false => format!("cast(null as {data_type}) as {quoted}"),
                    }
                })
                .collect();
            let (columns_mark, rows_mark) = marks(at, &template.columns[at]);
            sql = sql.replace(&columns_mark, &list.join(", "));
            if let Some(kept) = kept {
                let rows: Vec<String> = kept[at].iter().map(i64::to_string).collect();
                let condition = format!("msv_row = any('{{{}}}'::int[])", rows.join(","));
                sql = sql.replace(&rows_mark, &condition);
            }
        }
        sql
    }

    /// The columns of the result whose values are the same when it is asked for twice.
    fn stable_columns(&self, template: &Template) -> Outcome<Vec<String>> {
        let sql = self.filled(template, None, &template.columns);
        let refused = |error: Error| self.refused(&sql, &template.compiled, &error);
        let columns = catalog::query_columns(&mut self.adapter.session(), &sql).map_err(refused)?;
        self.execute("drop table if exists pg_temp.msv_all")?;
        let statement =
            format!("create temporary table msv_all as\nselect * from (\n{sql}\n) as msv_result");
        self.adapter
            .execute(&statement)
            .map_err(|error| self.refused(&statement, &template.compiled, &error))?;
        let digests: Vec<String> = columns
            .iter()
            .map(|column| {
                let text = format!("{}::text", quote_identifier(&column.name));
                format!("md5(string_agg({text}, ',' order by {text}))")
            })
            .collect();
        if digests.is_empty() {
            return Ok(Vec::new());
        }
        let ask = |from: &str| {
            self.ask(&format!(
                "select {} from {from} as msv_result",
                digests.join(", ")
            ))
        };
        let (first, second) = (
            texts(&ask("msv_all")?),
            texts(&ask(&format!("(\n{sql}\n)"))?),
        );
        let is_stable = |at: usize| first[0][at] == second[0][at];
        let columns = columns.into_iter().enumerate();
        Ok(columns
            .filter(|(at, _)| is_stable(*at))
            .map(|(_, column)| column.name)
            .collect())
    }

    /// Which rows of the target all candidates together bring. A column none of whose values come
    /// out says nothing: it counts what was left out, or when it was built.
    fn goal(&mut self, target: &RowSource, template: &Template) -> Outcome<Goal> {
        self.compared.clear();
        for name in &self.stable {
            if !target.columns.iter().any(|(known, _)| known == name) {
                continue;
            }
            let column = quote_identifier(name);
            let missing = format!(
                "select (count(*) > 0 and not bool_or(exists (\
                 select 1 from msv_all as a where a.{column}::text = t.{column}::text)))::int \
                 from msv_target as t where t.{column} is not null"
            );
            if self.number(&missing)? == 0 {
                self.compared.push(name.clone());
            }
        }
        self.execute("drop table if exists pg_temp.msv_goal")?;
        let row = self.compared_row();
        self.execute(&format!(
            "create temporary table msv_goal as\nselect {row} as goal from msv_target\n\
             intersect\nselect {row} from msv_all"
        ))?;
        let count = self.number("select count(*) from msv_goal")?;
        if count > 0 && !self.compared.is_empty() {
            return Ok(Goal::Rows(count));
        }
        let sql = self.filled(template, None, &template.columns);
        let any = format!(
            "select count(*) from (select 1 from (\n{sql}\n) as msv_result limit 1) as msv_any"
        );
        Ok(match self.number(&any)? {
            0 => Goal::Nothing,
            _ => Goal::AnyRow,
        })
    }

    /// A row of the result as it is known again.
    fn compared_row(&self) -> String {
        let names = self.compared.iter().map(|name| quote_identifier(name));
        format!("row({})::text", names.collect::<Vec<_>>().join(", "))
    }

    fn fewer(
        &self,
        template: &Template,
        goal: Goal,
        kept: Vec<Vec<i64>>,
    ) -> Outcome<Vec<Vec<i64>>> {
        let row = self.compared_row();
        let mut holds = |kept: &[Vec<i64>]| {
            let sql = self.filled(template, Some(kept), &template.columns);
            let (statement, wanted) = match goal {
                Goal::Rows(count) => {
                    let also = match &self.whole {
                        Some(whole) => self.differs(&sql, whole, kept),
                        None => String::new(),
                    };
                    (
                        format!(
                            "select count(*) from (select {row} from (\n{sql}\n) as msv_result\n\
                             intersect select goal from msv_goal) as msv_both{also}"
                        ),
                        count,
                    )
                }
                _ => (
                    format!(
                        "select count(*) from (select 1 from (\n{sql}\n) as msv_result limit 1) as msv_any"
                    ),
                    1,
                ),
            };
            // What cannot be computed from fewer rows needs more of them.
            match self.adapter.query(&statement) {
                Ok(rows) => Ok(integer(&rows, 0) == wanted),
                Err(error) if error.is_cancelled() || error.is_connection_lost() => {
                    Err(self.refused(&statement, &template.compiled, &error))
                }
                Err(_) => Ok(false),
            }
        };
        let mut budget = QUESTIONS;
        reduce(kept, &mut budget, &mut holds)
    }

    /// The columns of each input without which something else would come out.
    fn needed_columns(
        &self,
        template: &Template,
        kept: &[Vec<i64>],
    ) -> Outcome<Vec<Vec<TypedColumn>>> {
        let mut columns = template.columns.clone();
        let stable = self.stable.iter().map(|name| quote_identifier(name));
        let row = format!("row({})::text", stable.collect::<Vec<_>>().join(", "));
        let outcome_of = |template: &Template, columns: &[Vec<TypedColumn>]| {
            let sql = self.filled(template, Some(kept), columns);
            let statement = format!(
                "select coalesce(string_agg({row}, E'\\n' order by {row}), '')\n\
                 from (\n{sql}\n) as msv_result"
            );
            self.adapter.query(&statement).ok().and_then(|rows| {
                let text = rows.rows.first()?.first()?.to_text()?;
                Some(text.into_owned())
            })
        };
        let outcome = |columns: &[Vec<TypedColumn>]| {
            let own = outcome_of(template, columns)?;
            let other = match &self.whole {
                Some(whole) => outcome_of(whole, columns)?,
                None => String::new(),
            };
            Some((own, other))
        };
        let before = outcome(&columns);
        if before.is_none() || before != outcome(&columns) {
            return Ok(columns);
        }
        for at in 0..columns.len() {
            for (name, _) in template.columns[at].clone() {
                let all = columns[at].clone();
                columns[at].retain(|(kept, _)| *kept != name);
                // Rows need a column to be written down.
                if columns[at].is_empty() || outcome(&columns) != before {
                    columns[at] = all;
                }
            }
        }
        Ok(columns)
    }

    /// The rows that were kept, without columns that hold nothing.
    fn rows_of_input(
        &self,
        at: usize,
        columns: &[TypedColumn],
        kept: &[i64],
    ) -> Outcome<TypedRows> {
        let list: Vec<String> = columns
            .iter()
            .map(|(name, _)| format!("{}::text", quote_identifier(name)))
            .collect();
        let rows: Vec<String> = kept.iter().map(i64::to_string).collect();
        let rows = self.ask(&format!(
            "select {} from msv_given_{at} where msv_row = any('{{{}}}'::int[]) order by msv_row",
            list.join(", "),
            rows.join(",")
        ))?;
        let rows = texts(&rows);
        let holds = |column: &usize| rows.iter().any(|row| row[*column].is_some());
        let mut shown: Vec<usize> = (0..columns.len()).filter(holds).collect();
        if shown.is_empty() && !columns.is_empty() {
            shown.push(0);
        }
        Ok(TypedRows {
            columns: shown
                .iter()
                .map(|column| columns[*column].clone())
                .collect(),
            rows: rows
                .iter()
                .map(|row| shown.iter().map(|column| row[*column].clone()).collect())
                .collect(),
        })
    }

    /// What the model makes of the given rows, by the statements of a unit test.
    fn outcome(&mut self, given: &[SampledInput]) -> Outcome<TypedRows> {
        let compiled = self.compile(self.overrides.clone(), &|at, source| {
            let rows = &given[at].rows;
            let fixture = FixtureRows {
                columns: rows.columns.iter().map(|(name, _)| name.clone()).collect(),
                rows: rows.rows.clone(),
            };
            rows_query(&fixture, &source.columns)
        })?;
        let refused = |sql: &str, error: &Error| self.refused(sql, &compiled, error);
        let columns = catalog::query_columns(&mut self.adapter.session(), &compiled.sql)
            .map_err(|error| refused(&compiled.sql, &error))?;
        let list: Vec<String> = columns
            .iter()
            .map(|column| format!("{}::text", quote_identifier(&column.name)))
            .collect();
        let statement = format!(
            "select {} from (\n{}\n) as msv_result order by msv_result::text",
            list.join(", "),
            compiled.sql
        );
        let ask = || {
            let rows = self.adapter.query(&statement);
            rows.map_err(|error| refused(&statement, &error))
        };
        let (rows, again) = (texts(&ask()?), texts(&ask()?));
        let is_stable = |at: &usize| {
            let column = |rows: &[Vec<Option<String>>]| {
                let mut cells: Vec<_> = rows.iter().map(|row| row[*at].clone()).collect();
                cells.sort();
                cells
            };
            column(&rows) == column(&again)
        };
        let (stable, random): (Vec<usize>, Vec<usize>) = (0..columns.len()).partition(is_stable);
        if !random.is_empty() {
            let names: Vec<String> = random
                .iter()
                .map(|at| format!("`{}`", columns[*at].name))
                .collect();
            self.notes.push(format!(
                "{} change from run to run and are not expected",
                names.join(", ")
            ));
        }
        let typed = |at: &usize| (columns[*at].name.clone(), columns[*at].type_name.clone());
        Ok(TypedRows {
            columns: stable.iter().map(typed).collect(),
            rows: rows
                .iter()
                .map(|row| stable.iter().map(|at| row[*at].clone()).collect())
                .collect(),
        })
    }
}

/// The columns and the condition of an input in a template: as they stand they mean all of it.
fn marks(at: usize, columns: &[TypedColumn]) -> (String, String) {
    let names: Vec<String> = columns
        .iter()
        .map(|(name, _)| quote_identifier(name))
        .collect();
    (
        format!("/*msv_columns_{at}*/ {}", names.join(", ")),
        format!("/*msv_rows_{at}*/ true"),
    )
}

fn texts(rows: &Rows) -> Vec<Vec<Option<String>>> {
    let cell = |datum: &Datum| datum.to_text().map(|text| text.into_owned());
    let rows = rows.rows.iter();
    rows.map(|row| row.iter().map(cell).collect()).collect()
}

fn integer(rows: &Rows, row: usize) -> i64 {
    integer_at(rows, row, 0)
}

fn integer_at(rows: &Rows, row: usize, column: usize) -> i64 {
    match rows.rows.get(row).and_then(|row| row.get(column)) {
        Some(Datum::Int(value)) => *value,
        _ => 0,
    }
}

//! The branch of an incremental model that adds: rows it has already, rows that come, and a row of
//! its inputs that does not come again.
//!
//! Nobody says by what the model tells new rows from old ones. The newest rows of the built table
//! by one of its columns are taken for those to come, older ones for those that are there; columns
//! are tried until the model agrees.

use crate::diagnostics::Diagnostic;
use crate::jinja::Value;
use crate::postgres::catalog;
use crate::relation::quote_identifier;

use super::{Goal, Input, Outcome, Sampler, Template};

/// Rows of the built table among which some are picked.
const PICKED_AMONG: usize = 10_000;

/// Rows that the model has already which are looked at.
const HAD: usize = 200;

/// Columns that are tried.
const TRIED: usize = 4;

impl Sampler<'_> {
    /// Makes the rows that the model has already an input.
    pub(super) fn add_this(&mut self) -> Outcome<()> {
        let Some(source) = self.built()? else {
            let title = format!(
                "`{}` is not there to take rows from, which it adds to",
                self.model.name
            );
            return Err(Box::new(
                Diagnostic::error("MSV0363", title)
                    .at(self.model.place.clone(), "this model")
                    .help(format!(
                        "build it first: msv build --select +{}",
                        self.model.name
                    )),
            ));
        };
        self.inputs.push(Input {
            text: "this".to_owned(),
            node: None,
            source,
        });
        Ok(())
    }

    /// Finds rows that the model adds, and where there is one, a row that it would only give anew.
    pub(super) fn look_at_branch(&mut self) -> Outcome<(Template, Goal)> {
        self.take_rows_of_this()?;
        let mut tried: Vec<Option<String>> = self.ages()?.into_iter().map(Some).collect();
        tried.push(None);
        let notes = self.notes.len();
        let mut second_best = None;
        for age in &tried {
            self.notes.truncate(notes);
            if !self.divide(age.as_deref())? {
                continue;
            }
            let found = self.look_at_known()?;
            if matches!(found.1, Goal::Rows(_)) {
                self.whole = self.other_branch()?;
                if self.whole.is_some() {
                    return Ok(found);
                }
                second_best.get_or_insert(age);
            }
        }
        self.notes.truncate(notes);
        self.divide(second_best.unwrap_or(&None).as_deref())?;
        let found = self.look_at_known()?;
        if found.1 == Goal::Nothing {
            let title = format!("`{}` adds none of the rows of its inputs", self.model.name);
            return Err(Box::new(
                Diagnostic::error("MSV0364", title)
                    .at(self.model.place.clone(), "this model")
                    .note("older rows of its own were given to it, and rows from which newer ones came")
                    .help("write the test by hand: docs/unit-tests.md shows how"),
            ));
        }
        self.notes.push(
            "no row tells the incremental branch from the other: the test passes for both"
                .to_owned(),
        );
        Ok(found)
    }

    fn look_at_known(&mut self) -> Outcome<(Template, Goal)> {
        let columns = catalog::columns_on_search_path(&mut self.adapter.session(), "msv_known")
            .map_err(|error| self.refused("", &Default::default(), &error))?;
        let known = self.known_rows("msv_known", columns);
        self.look(&known)
    }

    fn this_at(&self) -> usize {
        self.inputs.len() - 1
    }

    /// Picks rows of the built table; those that a test may show fit the condition.
    fn take_rows_of_this(&self) -> Outcome<()> {
        let picked = |table: &str, filter: Option<&str>| -> Outcome<i64> {
            for from in self.inputs[self.this_at()].source.some_rows(filter) {
                self.make(
                    table,
                    &format!(
                        "select * from {from} as r order by md5(r::text) limit {PICKED_AMONG}"
                    ),
                )?;
                let count = self.number(&format!("select count(*) from {table}"))?;
                if count > 0 {
                    return Ok(count);
                }
            }
            Ok(0)
        };
        picked("msv_had", None)?;
        let filter = self.options.filter.as_deref();
        if picked("msv_shown", filter)? == 0 && filter.is_some() {
            return Err(self.no_row_fits());
        }
        if filter.is_some() {
            // Rows that are older than these may be among them alone.
            self.execute("insert into msv_had select * from msv_shown")?;
        }
        Ok(())
    }

    fn make(&self, table: &str, query: &str) -> Outcome<()> {
        self.execute(&format!("drop table if exists pg_temp.{table}"))?;
        self.execute(&format!("create temporary table {table} as\n{query}"))
    }

    /// The columns that may say how old a row is, likely ones first.
    fn ages(&self) -> Outcome<Vec<String>> {
        let query = |is_incremental: bool| {
            let mut overrides = self.overrides.clone();
            let macros = &mut overrides.macros;
            macros.insert("is_incremental".to_owned(), Value::from(is_incremental));
            self.compile(overrides, &|_, source| {
                format!("select * from {}", source.from)
            })
        };
        let (adding, beginning) = (query(true)?.sql, query(false)?.sql);
        let event_time = self.model.config.get("event_time");
        let event_time = event_time.and_then(|name| name.as_str());
        let columns = &self.inputs[self.this_at()].source.columns;
        let mut ages: Vec<(u8, u8, &str)> = columns
            .iter()
            .filter_map(|(name, data_type)| {
                let kind = match data_type.split([' ', '(']).next()? {
                    "timestamp" | "date" => 0,
                    "bigint" | "integer" | "numeric" | "smallint" => 1,
                    _ => return None,
                };
                let named = |sql: &str| sql.matches(name.as_str()).count();
                // The branch that adds speaks of it once more than the other.
                let place = match event_time == Some(name) {
                    true => 0,
                    false if named(&adding) > named(&beginning) => 1,
                    false => 2,
                };
                Some((place, kind, name.as_str()))
            })
            .collect();
        ages.sort_by_key(|(place, kind, _)| (*place, *kind));
        if ages.first().is_some_and(|(place, ..)| *place < 2) {
            ages.retain(|(place, ..)| *place < 2);
        }
        let names = ages.into_iter().map(|(_, _, name)| name.to_owned());
        Ok(names.take(TRIED).collect())
    }

    /// Takes the newest rows for those to come, older ones for those that are there, and the oldest
    /// for one that must not come again. False where there are no older ones.
    fn divide(&self, age: Option<&str>) -> Outcome<bool> {
        let at = self.this_at();
        let rows = self.options.rows;
        let (newest, older, oldest, latest) = match age.map(quote_identifier) {
            Some(age) => (
                format!("where r.{age} is not null order by r.{age} desc, md5(r::text)"),
                format!("r.{age} < (select min(t.{age}) from msv_target as t)"),
                format!("r.{age}, md5(r::text)"),
                format!("r.{age} desc, md5(r::text)"),
            ),
            None => (
                "order by md5(r::text)".to_owned(),
                "r::text not in (select t::text from msv_target as t)".to_owned(),
                "md5(r::text)".to_owned(),
                "md5(r::text)".to_owned(),
            ),
        };
        self.make(
            "msv_target",
            // Where there are few rows, half of them stay for those that are there.
            &format!(
                "select r.* from msv_shown as r {newest}\n\
                 limit (select greatest(1, least({rows}, count(*) / 2)) from msv_shown)"
            ),
        )?;
        self.make(
            "msv_old",
            &format!("select r.* from msv_had as r where {older} order by {oldest} limit 1"),
        )?;
        self.make(
            "msv_known",
            "select * from msv_target union all select * from msv_old",
        )?;
        self.make(
            &format!("msv_given_{at}"),
            &format!(
                "select (row_number() over (order by {latest}))::int as msv_row, r.* from (\n\
                 (select r.* from msv_had as r where {older}\n\
                 and r::text not in (select o::text from msv_old as o) order by {latest} limit {HAD})\n\
                 union all (select * from msv_old)\n) as r"
            ),
        )?;
        Ok(self.number("select count(*) from msv_old")? > 0)
    }

    /// The model's other branch over the same rows, where the old row comes out of that one alone.
    fn other_branch(&mut self) -> Outcome<Option<Template>> {
        let mut overrides = self.overrides.clone();
        let macros = &mut overrides.macros;
        macros.insert("is_incremental".to_owned(), Value::from(false));
        let whole = self.template(&overrides)?;
        let row = self.compared_row();
        let sql = self.filled(&whole, None, &whole.columns);
        self.make(
            "msv_not_again",
            &format!(
                "select {row} as goal from msv_old\n\
                 intersect select {row} from (\n{sql}\n) as msv_result\n\
                 except select {row} from msv_all"
            ),
        )?;
        let is_told = self.number("select count(*) from msv_not_again")? > 0;
        Ok(is_told.then_some(whole))
    }

    /// The condition that the old row comes out of the other branch, and not out of `sql`.
    pub(super) fn differs(&self, sql: &str, whole: &Template, kept: &[Vec<i64>]) -> String {
        let row = self.compared_row();
        let whole = self.filled(whole, Some(kept), &whole.columns);
        format!(
            "\nwhere exists (select {row} from (\n{whole}\n) as msv_result \
             intersect select goal from msv_not_again)\n\
             and not exists (select {row} from (\n{sql}\n) as msv_result \
             intersect select goal from msv_not_again)"
        )
    }
}

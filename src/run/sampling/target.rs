//! Takes the rows of the result that a test is to show.

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::postgres::catalog;

use super::links::RowSource;
use super::{Outcome, Sampler};

impl Sampler<'_> {
    /// The built relation of the model.
    pub(super) fn built(&self) -> Outcome<Option<RowSource>> {
        let Some(relation) = &self.model.relation else {
            return Ok(None);
        };
        if self.model.is_ephemeral() {
            return Ok(None);
        }
        let (schema, name) = (relation.schema_name(), relation.name());
        let columns = catalog::columns(&mut self.adapter.session(), schema, name)
            .map_err(|error| self.refused("", &Compiled::default(), &error))?;
        match columns.is_empty() {
            true => Ok(None),
            false => self
                .relation_source(relation, columns, &self.model.name)
                .map(Some),
        }
    }

    /// Keeps some rows of the result, those of the built relation where there is one.
    pub(super) fn take_target(&self) -> Outcome<RowSource> {
        let mut compiled = Compiled::default();
        let source = match self.built()? {
            Some(built) => built,
            None => {
                compiled = self.compile(self.overrides.clone(), &|_, source| {
                    format!("select * from {}", source.from)
                })?;
                RowSource {
                    from: format!("(\n{}\n)", compiled.sql),
                    ..RowSource::default()
                }
            }
        };
        for from in source.some_rows(self.options.filter.as_deref()) {
            let sql = format!(
                "create temporary table msv_target as\nselect * from {from} as msv_result\n\
                 order by md5(msv_result::text) limit {}",
                self.options.rows
            );
            self.execute("drop table if exists pg_temp.msv_target")?;
            self.adapter
                .execute(&sql)
                .map_err(|error| self.refused(&sql, &compiled, &error))?;
            if self.number("select count(*) from msv_target")? > 0 {
                break;
            }
        }
        let columns = catalog::columns_on_search_path(&mut self.adapter.session(), "msv_target")
            .map_err(|error| self.refused("", &compiled, &error))?;
        if self.options.filter.is_some() && self.number("select count(*) from msv_target")? == 0 {
            return Err(self.no_row_fits());
        }
        Ok(self.known_rows("msv_target", columns))
    }

    pub(super) fn known_rows(&self, from: &str, columns: Vec<catalog::ColumnInfo>) -> RowSource {
        RowSource {
            from: from.to_owned(),
            name: self.model.name.clone(),
            columns: columns
                .into_iter()
                .map(|column| (column.name, column.type_name))
                .collect(),
            ..RowSource::default()
        }
    }

    pub(super) fn no_row_fits(&self) -> Box<Diagnostic> {
        let title = format!("no row of `{}` fits the condition", self.model.name);
        let filter = self.options.filter.as_deref().unwrap_or_default();
        Box::new(
            Diagnostic::error("MSV0364", title)
                .note(format!("--where {filter}"))
                .help(format!(
                    "look at its rows: msv show --select {}",
                    self.model.name
                )),
        )
    }
}

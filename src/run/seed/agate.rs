//! A seed's rows as the table that templates read: what `load_agate_table` gives.

use crate::diagnostics::Diagnostic;
use crate::jinja::Value;
use crate::jinja::value::table::Table;
use crate::jinja::value::{cell, decimal};
use crate::run::seed::file::Seed;
use crate::run::seed::sniff::{SeedType, is_null};

impl Seed {
    /// All rows, as values of their types. A column with a configured type holds text, as in dbt.
    ///
    /// # Errors
    ///
    /// MSV0430 when the file is no CSV file that can be loaded.
    pub fn table(&self) -> Result<Table, Diagnostic> {
        let found = self.types()?;
        let types: Vec<SeedType> = self
            .columns
            .iter()
            .zip(found)
            .map(|(column, found)| match column.configured {
                Some(_) => SeedType::Text,
                None => found,
            })
            .collect();
        let mut rows = Vec::new();
        self.for_each_row(|_, row| {
            let cells = row.fields().zip(&types);
            rows.push(cells.map(|(text, found)| value(*found, &text)).collect());
            Ok::<(), Diagnostic>(())
        })?;
        let names = self.columns.iter().map(|column| column.header.clone());
        Ok(Table::new(names.collect(), rows))
    }
}

fn value(found: SeedType, text: &str) -> Value {
    if is_null(text) {
        return Value::from(());
    }
    let Some(written) = found.convert(text) else {
        return Value::from(());
    };
    match found {
        SeedType::Integer | SeedType::BigInt | SeedType::WholeNumeric => written
            .parse::<i64>()
            .map_or_else(|_| decimal::value(&written), Value::from),
        SeedType::Float => {
            let exact = decimal::value(&written);
            match written.parse::<f64>() {
                // Past the digits of a decimal, or no decimal at all.
                Ok(number) if exact.as_str().is_some() => Value::from(number),
                _ => exact,
            }
        }
        SeedType::Date => cell::date(&written),
        SeedType::Timestamp | SeedType::IsoTimestamp => cell::timestamp(&written),
        SeedType::Boolean => Value::from(written == "true"),
        SeedType::Text => Value::from(written.as_ref()),
    }
}

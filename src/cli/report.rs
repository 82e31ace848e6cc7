//! `msv report`: reads the alerts from the marts and writes them as one HTML page.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::diagnostics::Diagnostic;
use crate::postgres::{Datum, Session};
use crate::report::page::{self, AlertFacts, Coverage};

/// Write the alerts as one self-contained HTML page
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// File to write
    #[arg(long, short, value_name = "FILE", default_value = "report.html")]
    pub out: PathBuf,
}

/// Which of the tables exist, and have what the page needs.
#[derive(Deserialize)]
struct Found {
    alerts: bool,
    events: bool,
    instruments: bool,
}

const FOUND: &str = "\
select json_build_object(
    'alerts', to_regclass('marts.fct_alerts') is not null,
    'events', to_regclass('raw.order_events') is not null
        and to_regclass('raw.ingested_files') is not null,
    'instruments', to_regclass('raw.instruments') is not null
)::text";

const FACTS: &str = include_str!("report.sql");
const COVERAGE: &str = include_str!("report_coverage.sql");

/// Times are shown where the exchange is, when all instruments with alerts agree on where.
const EXCHANGE_TIMEZONE: &str = "\
(
    select case when count(distinct timezone) = 1 then min(timezone) else 'UTC' end
    from raw.instruments
    where exists (
        select from marts.fct_alerts
        where fct_alerts.venue = instruments.venue and fct_alerts.symbol = instruments.symbol
    )
    and timezone in (select name from pg_timezone_names)
)";

/// Writes the page for the project's database and returns what it counted.
///
/// # Errors
///
/// A diagnostic when the database cannot be asked or the file cannot be written. Tables that do
/// not exist yet are no error: the page then says what to run.
pub fn run(
    args: &ReportArgs,
    session: &mut Session,
    project: &str,
) -> Result<AlertFacts, Box<Diagnostic>> {
    let facts = read(session).map_err(|error| {
        Diagnostic::error("MSV0702", "the alerts cannot be read from the database")
            .note(error)
            .help("build the surveillance models again: `msv build`")
    })?;
    let text = page::render(&facts, project, Timestamp::now());
    fs::write(&args.out, text).map_err(|error| {
        let title = format!("the page `{}` cannot be written", args.out.display());
        Diagnostic::error("MSV0701", title)
            .note(error.to_string())
            .help("name a file in a folder that exists: `msv report --out report.html`")
    })?;
    Ok(facts)
}

fn read(session: &mut Session) -> Result<AlertFacts, String> {
    let found: Found = one_object(session, FOUND)?;
    let mut facts = if found.alerts {
        let timezone = if found.instruments {
            EXCHANGE_TIMEZONE
        } else {
            "'UTC'::text"
        };
        one_object(session, &FACTS.replace("{timezone}", timezone))?
    } else {
        AlertFacts::default()
    };
    if found.events {
        facts.coverage = one_object::<Coverage>(session, COVERAGE)?;
    }
    Ok(facts)
}

/// Reads a query's single value, a json object written as text. What went wrong is text too: it is
/// shown to a person and never looked into.
fn one_object<T: DeserializeOwned>(session: &mut Session, sql: &str) -> Result<T, String> {
    let rows = session.query(sql).map_err(|error| error.to_string())?;
    let text = rows.scalar().and_then(Datum::as_str).unwrap_or("null");
    serde_json::from_str(text).map_err(|error| format!("{error} in: {text}"))
}

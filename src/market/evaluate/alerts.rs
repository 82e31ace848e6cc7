//! Alerts: what the marts hold about the labelled instruments and days.

use std::collections::BTreeSet;

use crate::evaluate::labels::Episode;
use crate::evaluate::matching::{Alert, Interval, LinkGroups};
use msv_diagnostics::Diagnostic;
use msv_postgres::{Datum, Error, Session};

/// Which alerts to compare: those that name an owner, or those that cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Participant,
    Anonymous,
}

/// What the database holds about the labelled instruments and days.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub alerts: Vec<Alert>,
    pub groups: LinkGroups,
    /// Order events the alerts were drawn from.
    pub events: u64,
}

const PRESENT: &str = "\
select
    to_regclass('marts.fct_alerts') is not null,
    to_regclass('raw.accounts') is not null,
    to_regclass('raw.order_events') is not null";

/// Fetches alerts, link groups and the number of events in the scope of the labels.
///
/// # Errors
///
/// `MSV0644` when no alerts were built yet, `MSV0645` when the server refuses a query.
pub fn fetch_alerts(
    session: &mut Session,
    labels: &[&Episode],
    mode: Mode,
) -> Result<Found, Diagnostic> {
    let present = rows(session, PRESENT)?;
    let is_present = |place: usize| {
        let cell = present.first().and_then(|row| row.get(place));
        matches!(cell, Some(Datum::Bool(true)))
    };
    if !is_present(0) {
        return Err(
            Diagnostic::error("MSV0644", "there is no table `marts.fct_alerts`")
                .note("labels are compared with the alerts that a build has written")
                .help("run `msv build` first"),
        );
    }
    let scope = Scope::of(labels);
    let mut found = Found::default();
    let alerts = format!(
        "select alert_id, rule_id, venue, symbol, owner_id, \
         (extract(epoch from started_at) * 1000000)::bigint, \
         (extract(epoch from ended_at) * 1000000)::bigint \
         from marts.fct_alerts where mode = '{}' and {}",
        match mode {
            Mode::Participant => "participant",
            Mode::Anonymous => "anonymous",
        },
        scope.condition
    );
    for row in rows(session, &alerts)? {
        found.alerts.extend(alert(&row));
    }
    if is_present(1) {
        let groups = "select distinct owner_id, link_group from raw.accounts \
                      where owner_id is not null and link_group <> ''";
        for row in rows(session, groups)? {
            if let [owner, group] = &row[..]
                && let (Some(owner), Some(group)) = (text(owner), text(group))
            {
                found.groups.insert(owner, group);
            }
        }
    }
    if is_present(2) {
        let count = format!(
            "select count(*) from raw.order_events where {}",
            scope.condition
        );
        if let Some([Datum::Int(events)]) = rows(session, &count)?.first().map(Vec::as_slice) {
            found.events = u64::try_from(*events).unwrap_or_default();
        }
    }
    Ok(found)
}

/// Venues, symbols and days of the labels, as a condition.
struct Scope {
    condition: String,
}

impl Scope {
    fn of(labels: &[&Episode]) -> Self {
        let instruments: BTreeSet<String> = labels
            .iter()
            .map(|one| format!("({}, {})", literal(&one.venue), literal(&one.symbol)))
            .collect();
        let dates: BTreeSet<String> = labels
            .iter()
            .map(|one| format!("date {}", literal(&one.date)))
            .collect();
        let list = |items: BTreeSet<String>| items.into_iter().collect::<Vec<_>>().join(", ");
        let condition = if labels.is_empty() {
            "false".to_owned()
        } else {
            format!(
                "(venue, symbol) in ({}) and trading_date in ({})",
                list(instruments),
                list(dates)
            )
        };
        Scope { condition }
    }
}

fn alert(row: &[Datum]) -> Option<Alert> {
    let [alert_id, rule, venue, symbol, owner_id, started, ended] = row else {
        return None;
    };
    let (Datum::Int(started_us), Datum::Int(ended_us)) = (started, ended) else {
        return None;
    };
    Some(Alert {
        alert_id: text(alert_id)?,
        rule: text(rule)?,
        venue: text(venue)?,
        symbol: text(symbol)?,
        owner_id: text(owner_id),
        interval: Interval {
            started_us: *started_us,
            ended_us: *ended_us,
        },
    })
}

fn text(datum: &Datum) -> Option<String> {
    datum.as_str().map(str::to_owned)
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn rows(session: &mut Session, sql: &str) -> Result<Vec<Vec<Datum>>, Diagnostic> {
    session
        .query(sql)
        .map(|answer| answer.rows)
        .map_err(|error: Error| {
            Diagnostic::error("MSV0645", "the alerts cannot be read from the database")
                .note(error.to_string())
                .help("run `msv build` again, and see which model fails")
        })
}

//! Facts in, what the template shows out: labels, shares, drawings and the tables beside them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::chart::{self, Counts, Mark, SEVERITIES};
use super::facts::{Alert, AlertFacts, Tally};

/// Longer lists are cut with a line that says how many are left out.
const MAX_SYMBOLS: usize = 20;
const MAX_DAYS: usize = 62;
/// Words of five letters that fit below a chart.
const MAX_LABELS: usize = 12;

#[derive(Serialize)]
struct Page<'a> {
    project: &'a str,
    style: Value,
    generated_at: String,
    facts: Summary<'a>,
    /// `empty`, `unbuilt`, `quiet` or `alerts`.
    state: &'static str,
    severities: Vec<Severity>,
    days: Option<Columns>,
    hours: Columns,
    minutes: Minutes,
    rules: Vec<Row>,
    symbols: Vec<Row>,
    symbols_left_out: usize,
    heat: Vec<HeatRow>,
    alerts: Vec<Card>,
}

#[derive(Serialize)]
struct Summary<'a> {
    timezone: &'a str,
    days: String,
    day_count: u64,
    event_count: u64,
    reject_count: u64,
    file_count: u64,
    alert_count: u64,
    symbol_count: u64,
    anonymous_count: u64,
}

#[derive(Serialize)]
struct Severity {
    name: &'static str,
    count: u64,
    share: String,
}

/// A column chart: the drawing, its axis marks with their height in percent, and the numbers.
#[derive(Serialize)]
struct Columns {
    drawing: Value,
    ticks: Vec<Tick>,
    rows: Vec<Row>,
    /// Every how many columns a label is shown, so that labels do not touch.
    label_every: usize,
    /// Position of the first of the highest columns.
    peak: usize,
    /// True when numbers above the columns would touch: on a wide page, on a narrow one.
    is_dense: bool,
    is_dense_when_narrow: bool,
}

#[derive(Serialize)]
struct Tick {
    value: u64,
    percent: f64,
}

#[derive(Serialize)]
struct Minutes {
    drawing: Value,
    hours: Vec<String>,
    rows: Vec<Row>,
    most: u64,
    /// The colours from one alert to `most`, for the legend.
    levels: Vec<u64>,
}

/// A name with its numbers, strongest severity first, and perhaps its bar.
#[derive(Serialize)]
struct Row {
    name: String,
    counts: Vec<u64>,
    total: u64,
    /// Height of a column or end of a bar, in percent of the axis.
    percent: f64,
    drawing: Value,
}

#[derive(Serialize)]
struct HeatRow {
    name: String,
    cells: Vec<HeatCell>,
    total: u64,
}

#[derive(Serialize)]
struct HeatCell {
    severity: &'static str,
    count: u64,
    level: u64,
}

#[derive(Serialize)]
struct Card {
    alert: AlertText,
    terms: Vec<Term>,
}

/// An alert in words.
#[derive(Serialize)]
struct AlertText {
    id: String,
    rule: String,
    kind: Option<String>,
    venue: String,
    symbol: String,
    owner: Option<String>,
    date: String,
    started_at: String,
    ended_at: String,
    duration: String,
    severity: String,
    score: String,
    episode_count: u64,
    gain: Option<String>,
    narrative: Option<String>,
}

#[derive(Serialize)]
struct Term {
    name: &'static str,
    weight: u32,
    percent: f64,
    value: String,
}

/// Gathers everything that `page.html` names.
pub(super) fn page(
    facts: &AlertFacts,
    project: &str,
    generated_at: Timestamp,
    style: &str,
) -> Value {
    let rules = rows(&facts.by_rule, humanized);
    let mut symbols = rows(&facts.by_symbol, str::to_owned);
    let symbols_left_out = symbols.len().saturating_sub(MAX_SYMBOLS);
    symbols.truncate(MAX_SYMBOLS);
    let page = Page {
        project,
        style: Value::from_safe_string(style.to_owned()),
        generated_at: generated_at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        facts: summary(facts),
        state: match facts {
            facts if facts.alert_count > 0 => "alerts",
            facts if facts.coverage.event_count == 0 => "empty",
            facts if !facts.is_built => "unbuilt",
            _ => "quiet",
        },
        severities: severities(facts),
        days: (facts.coverage.day_count > 1).then(|| days(&facts.by_day)),
        hours: hours(&facts.by_minute),
        minutes: minutes(&facts.by_minute),
        heat: heat(&rules),
        rules,
        symbols,
        symbols_left_out,
        alerts: facts
            .top_alerts
            .iter()
            .map(|alert| Card {
                alert: alert_text(alert),
                terms: terms(alert),
            })
            .collect(),
    };
    Value::from(Serde(page))
}

fn summary(facts: &AlertFacts) -> Summary<'_> {
    let coverage = &facts.coverage;
    Summary {
        timezone: if facts.timezone.is_empty() {
            "UTC"
        } else {
            &facts.timezone
        },
        days: match (&coverage.first_day, &coverage.last_day) {
            (Some(first), Some(last)) if first == last => first.clone(),
            (Some(first), Some(last)) => format!("{first} to {last}"),
            _ => "no trading day".to_owned(),
        },
        day_count: coverage.day_count,
        event_count: coverage.event_count,
        reject_count: coverage.reject_count,
        file_count: coverage.file_count,
        alert_count: facts.alert_count,
        symbol_count: facts.symbol_count,
        anonymous_count: facts.anonymous_count,
    }
}

fn severities(facts: &AlertFacts) -> Vec<Severity> {
    let mut counts: Counts = [0; 4];
    for tally in &facts.by_rule {
        add(&mut counts, tally);
    }
    let total: u64 = counts.iter().sum();
    SEVERITIES
        .iter()
        .zip(counts)
        .map(|(name, count)| Severity {
            name,
            count,
            share: format!("{:.0}%", 100.0 * count as f64 / total.max(1) as f64),
        })
        .collect()
}

fn add(counts: &mut Counts, tally: &Tally) {
    if let Some(at) = SEVERITIES.iter().position(|name| *name == tally.severity) {
        counts[at] += tally.count;
    }
}

/// Counts by key, in the order of the keys.
fn gathered(tallies: &[Tally]) -> BTreeMap<&str, Counts> {
    let mut keys: BTreeMap<&str, Counts> = BTreeMap::new();
    for tally in tallies {
        add(keys.entry(&tally.key).or_default(), tally);
    }
    keys
}

/// Bars, the longest first.
fn rows(tallies: &[Tally], name: impl Fn(&str) -> String) -> Vec<Row> {
    let mut marks: Vec<Mark> = gathered(tallies)
        .into_iter()
        .map(|(key, counts)| Mark {
            name: name(key),
            counts,
        })
        .collect();
    marks.sort_by(|left, right| (right.total(), &left.name).cmp(&(left.total(), &right.name)));
    let most = marks.first().map_or(0, Mark::total);
    marks
        .iter()
        .map(|mark| row(mark, most, chart::bar(mark, most)))
        .collect()
}

fn row(mark: &Mark, top: u64, drawing: String) -> Row {
    Row {
        name: mark.name.clone(),
        counts: mark.counts.to_vec(),
        total: mark.total(),
        percent: percent(mark.total(), top),
        drawing: Value::from_safe_string(drawing),
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    (1000.0 * part as f64 / whole.max(1) as f64).round() / 10.0
}

fn days(by_day: &[Tally]) -> Columns {
    let mut marks: Vec<Mark> = gathered(by_day)
        .into_iter()
        .map(|(key, counts)| Mark {
            name: key.to_owned(),
            counts,
        })
        .collect();
    marks.drain(..marks.len().saturating_sub(MAX_DAYS));
    if let (Some(first), Some(last)) = (marks.first(), marks.last()) {
        let year = first.name.get(..5).unwrap_or_default().to_owned();
        if last.name.starts_with(&year) {
            for mark in &mut marks {
                mark.name = mark.name.trim_start_matches(&year).to_owned();
            }
        }
    }
    columns(&marks, "Alerts by day")
}

fn hours(by_minute: &[Tally]) -> Columns {
    let mut found: BTreeMap<u32, Counts> = BTreeMap::new();
    for tally in by_minute {
        if let Some((hour, _)) = clock(&tally.key) {
            add(found.entry(hour).or_default(), tally);
        }
    }
    let marks: Vec<Mark> = span(&found)
        .map(|hour| Mark {
            name: format!("{hour:02}:00"),
            counts: found.get(&hour).copied().unwrap_or_default(),
        })
        .collect();
    columns(&marks, "Alerts by hour of the day")
}

fn columns(marks: &[Mark], label: &str) -> Columns {
    let most = marks.iter().map(Mark::total).max().unwrap_or(0);
    let values = chart::ticks(most);
    let top = values.last().copied().unwrap_or(1);
    let letters = marks.len() * (grouped_count(most).len() + 1);
    let label = match marks.iter().max_by_key(|mark| mark.total()) {
        Some(mark) => format!("{label}; most at {}: {}", mark.name, mark.total()),
        None => label.to_owned(),
    };
    Columns {
        drawing: Value::from_safe_string(chart::columns(marks, top, &label)),
        ticks: values
            .into_iter()
            .map(|value| Tick {
                value,
                percent: percent(value, top),
            })
            .collect(),
        rows: marks
            .iter()
            .map(|mark| row(mark, top, String::new()))
            .collect(),
        label_every: marks.len().div_ceil(MAX_LABELS).max(1),
        peak: marks
            .iter()
            .position(|mark| mark.total() == most)
            .unwrap_or(0),
        is_dense: letters > 60,
        is_dense_when_narrow: letters > 32,
    }
}

fn minutes(by_minute: &[Tally]) -> Minutes {
    let found = gathered(by_minute);
    let mut by_hour: BTreeMap<u32, ()> = BTreeMap::new();
    for key in found.keys() {
        if let Some((hour, _)) = clock(key) {
            by_hour.insert(hour, ());
        }
    }
    let hours: Vec<u32> = span(&by_hour).collect();
    let grid: Vec<Vec<Mark>> = hours
        .iter()
        .map(|hour| {
            let cell = |minute| {
                let name = format!("{hour:02}:{minute:02}");
                let counts = found.get(name.as_str()).copied().unwrap_or_default();
                Mark { name, counts }
            };
            (0..60).map(cell).collect()
        })
        .collect();
    let busy: Vec<&Mark> = grid
        .iter()
        .flatten()
        .filter(|mark| mark.total() > 0)
        .collect();
    let most = busy.iter().map(|mark| mark.total()).max().unwrap_or(0);
    let label = format!(
        "Alerts by minute of the day, one row an hour; {} minutes have alerts, at most {most}",
        busy.len()
    );
    Minutes {
        drawing: Value::from_safe_string(chart::minute_grid(&grid, most, &label)),
        hours: hours.iter().map(|hour| format!("{hour:02}")).collect(),
        rows: busy
            .iter()
            .map(|mark| row(mark, most, String::new()))
            .collect(),
        most,
        levels: (1..=most.min(4))
            .map(|step| chart::heat_level(step * most / most.min(4), most))
            .collect(),
    }
}

/// Every hour from the first to the last one found.
fn span<T>(hours: &BTreeMap<u32, T>) -> std::ops::Range<u32> {
    match (hours.first_key_value(), hours.last_key_value()) {
        (Some((first, _)), Some((last, _))) => *first..*last + 1,
        _ => 0..0,
    }
}

fn clock(key: &str) -> Option<(u32, u32)> {
    let (hour, minute) = key.split_once(':')?;
    let hour = hour.parse().ok().filter(|hour| *hour < 24)?;
    Some((hour, minute.parse().ok()?))
}

fn heat(rules: &[Row]) -> Vec<HeatRow> {
    let cells = || rules.iter().flat_map(|row| row.counts.iter());
    let most = cells().copied().max().unwrap_or(0);
    rules
        .iter()
        .map(|row| HeatRow {
            name: row.name.clone(),
            cells: SEVERITIES
                .iter()
                .zip(&row.counts)
                .map(|(severity, count)| HeatCell {
                    severity,
                    count: *count,
                    level: chart::heat_level(*count, most),
                })
                .collect(),
            total: row.total,
        })
        .collect()
}

fn alert_text(alert: &Alert) -> AlertText {
    let rule = humanized(&alert.rule_id);
    let kind = alert.kind.as_deref().map(humanized);
    AlertText {
        id: alert.alert_id.clone(),
        kind: kind.filter(|kind| *kind != rule),
        rule,
        venue: alert.venue.clone(),
        symbol: alert.symbol.clone(),
        owner: alert.owner_id.clone(),
        date: alert.trading_date.clone(),
        started_at: alert.started_at.clone(),
        ended_at: alert.ended_at.clone(),
        duration: duration(alert.duration_seconds),
        severity: alert.severity.clone(),
        score: format!("{:.0}", alert.score),
        episode_count: alert.episode_count,
        gain: alert
            .estimated_gain
            .filter(|gain| gain.abs() >= 0.5)
            .map(|gain| grouped(gain.round() as i64)),
        narrative: alert.narrative.clone(),
    }
}

/// The five terms with their weight in percent of the score.
///
/// Source: the weights of the severity macro of the surveillance project.
fn terms(alert: &Alert) -> Vec<Term> {
    [
        ("Magnitude", 30, alert.score_magnitude),
        ("Conditionality", 25, alert.score_conditionality),
        ("Price effect", 20, alert.score_price_effect),
        ("Repetition", 15, alert.score_repetition),
        ("Benefit", 10, alert.score_benefit),
    ]
    .into_iter()
    .filter_map(|(name, weight, value)| {
        let value = value?.clamp(0.0, 1.0);
        Some(Term {
            name,
            weight,
            percent: (value * 1000.0).round() / 10.0,
            value: format!("{value:.2}"),
        })
    })
    .collect()
}

/// `order_to_trade_ratio` reads `Order to trade ratio`.
fn humanized(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => words,
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.0} ms", s * 1000.0),
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

fn grouped_count(number: u64) -> String {
    grouped(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Writes `1234567` as `1,234,567`.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if number < 0 { format!("−{out}") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(91_997), "91,997");
        assert_eq!(grouped(-1_234_567), "−1,234,567");
    }

    #[test]
    fn hours_without_alerts_between_two_others_are_shown() {
        let tally = |key: &str| Tally {
            key: key.to_owned(),
            severity: "high".to_owned(),
            count: 2,
        };
        let shown = hours(&[tally("09:31"), tally("11:02"), tally("11:03")]);
        let totals: Vec<u64> = shown.rows.iter().map(|row| row.total).collect();
        assert_eq!(totals, [2, 0, 4]);
    }

    #[test]
    fn durations_read_naturally() {
        assert_eq!(duration(0.25), "250 ms");
        assert_eq!(duration(90.0), "90.0 s");
        assert_eq!(duration(23_400.0), "6.5 h");
    }
}

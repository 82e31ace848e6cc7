//! What the page is made from, as plain data.

use serde::Deserialize;

/// Everything the page says. Times are text in the time zone `timezone`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AlertFacts {
    /// IANA name, or `UTC`.
    pub timezone: String,
    /// False when the table of alerts does not exist yet.
    pub is_built: bool,
    pub coverage: Coverage,
    pub alert_count: u64,
    /// Instruments with at least one alert.
    pub symbol_count: u64,
    /// Alerts without a known owner.
    pub anonymous_count: u64,
    /// Keys are dates, `2024-03-01`.
    pub by_day: Vec<Tally>,
    /// Keys are minutes of the day, `09:31`, over all days.
    pub by_minute: Vec<Tally>,
    pub by_rule: Vec<Tally>,
    pub by_symbol: Vec<Tally>,
    /// Highest score first.
    pub top_alerts: Vec<Alert>,
}

/// The market data that the alerts were looked for in.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Coverage {
    pub first_day: Option<String>,
    pub last_day: Option<String>,
    pub day_count: u64,
    pub event_count: u64,
    pub reject_count: u64,
    pub file_count: u64,
}

/// How many alerts of one severity fall under one key.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Tally {
    pub key: String,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
    pub count: u64,
}

/// One alert as the list shows it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Alert {
    pub alert_id: String,
    pub rule_id: String,
    /// The variety inside a rule, where it has several.
    pub kind: Option<String>,
    /// `participant` or `anonymous`.
    pub mode: String,
    pub venue: String,
    pub symbol: String,
    pub owner_id: Option<String>,
    /// `2024-03-01`
    pub trading_date: String,
    /// Time of day with milliseconds.
    pub started_at: String,
    pub ended_at: String,
    pub duration_seconds: f64,
    pub severity: String,
    /// 0 to 100, made of the five terms below, each 0 to 1.
    pub score: f64,
    pub score_magnitude: Option<f64>,
    pub score_conditionality: Option<f64>,
    pub score_price_effect: Option<f64>,
    pub score_repetition: Option<f64>,
    pub score_benefit: Option<f64>,
    pub episode_count: u64,
    pub estimated_gain: Option<f64>,
    pub narrative: Option<String>,
}

//! `msv evaluate`: compare the alerts with labelled episodes and show precision and recall.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::diagnostics::Diagnostic;
use crate::market::evaluate::{Evaluation, Mode, RuleFigures, evaluate, fetch_alerts, read_labels};
use crate::postgres::Session;

/// Compare the alerts of the last build with labelled episodes
#[derive(Args, Clone, Debug)]
pub struct EvaluateArgs {
    /// Labels file, as `msv simulate` writes it
    #[arg(value_name = "LABELS")]
    pub labels: PathBuf,
    /// Decoys file: what looks like abuse and is not
    #[arg(long, value_name = "FILE")]
    pub decoys: Option<PathBuf>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Alerts to compare
    #[arg(long, value_enum, default_value_t = AlertMode::Participant)]
    pub mode: AlertMode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AlertMode {
    /// Alerts that name an owner
    Participant,
    /// Alerts without an owner, matched by instrument and time
    Anonymous,
}

/// Evaluates and returns the text to print.
///
/// # Errors
///
/// Every mistake in the label files, or what keeps the alerts from being read.
pub fn run(args: &EvaluateArgs, session: &mut Session) -> Result<String, Vec<Diagnostic>> {
    let labels = read_labels(&args.labels)?;
    let decoys = match &args.decoys {
        Some(path) => read_labels(path)?,
        None => Vec::new(),
    };
    let mode = match args.mode {
        AlertMode::Participant => Mode::Participant,
        AlertMode::Anonymous => Mode::Anonymous,
    };
    let scope: Vec<_> = labels.iter().chain(&decoys).collect();
    let found = fetch_alerts(session, &scope, mode).map_err(|diagnostic| vec![diagnostic])?;
    let evaluation = evaluate(&labels, &decoys, &found.alerts, &found.groups, found.events);
    Ok(match args.output {
        Output::Text => render(&evaluation),
        Output::Json => format!("{:#}\n", serde_json::json!(evaluation)),
    })
}

/// Writes the figures as tables for a person.
fn render(evaluation: &Evaluation) -> String {
    let mut rows = vec![
        [
            "rule",
            "episodes",
            "found",
            "recall",
            "alerts",
            "true",
            "again",
            "false",
            "precision",
            "false/million",
            "found by difficulty",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    rows.extend(evaluation.rules.iter().map(figures_row));
    let mut text = format!("{} order events\n\n{}", evaluation.events, table(&rows));
    if !evaluation.decoys.is_empty() {
        let mut rows = vec![
            ["decoys of rule", "kind", "decoys", "hit"]
                .map(str::to_owned)
                .to_vec(),
        ];
        rows.extend(evaluation.decoys.iter().map(|one| {
            vec![
                one.rule.clone(),
                one.kind.clone(),
                one.decoys.to_string(),
                one.hit.to_string(),
            ]
        }));
        text.push('\n');
        text.push_str(&table(&rows));
    }
    text
}

fn figures_row(figures: &RuleFigures) -> Vec<String> {
    let or_dash = |value: Option<f64>, decimals: usize| match value {
        Some(value) => format!("{value:.decimals$}"),
        None => "-".to_owned(),
    };
    let difficulties: Vec<String> = figures
        .difficulties
        .iter()
        .map(|one| {
            let name = if one.difficulty.is_empty() {
                "unrated"
            } else {
                &one.difficulty
            };
            format!("{name} {}/{}", one.found, one.episodes)
        })
        .collect();
    vec![
        figures.rule.clone(),
        figures.episodes.to_string(),
        figures.found.to_string(),
        format!("{:.3}", figures.recall),
        figures.alerts.to_string(),
        figures.true_alerts.to_string(),
        figures.duplicates.to_string(),
        figures.false_alerts.to_string(),
        or_dash(figures.precision, 3),
        or_dash(figures.false_per_million_events, 1),
        difficulties.join(", "),
    ]
}

/// Aligns columns: words to the left, numbers to the right.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let is_number = |column: usize| {
        rows.len() > 1
            && rows[1..]
                .iter()
                .all(|row| row[column] == "-" || row[column].parse::<f64>().is_ok())
    };
    let numbers: Vec<bool> = (0..columns).map(is_number).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let gap = if column == 0 { "" } else { "  " };
            let written = if numbers[column] {
                write!(line, "{gap}{cell:>width$}")
            } else {
                write!(line, "{gap}{cell:<width$}")
            };
            written.expect("writing to a string cannot fail");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::evaluate::{DecoyFigures, DifficultyFigures};

    #[test]
    fn figures_are_aligned_and_absent_ones_are_dashes() {
        let evaluation = Evaluation {
            events: 500_000,
            rules: vec![RuleFigures {
                rule: "spoofing".to_owned(),
                episodes: 20,
                found: 19,
                recall: 0.95,
                difficulties: vec![DifficultyFigures {
                    difficulty: "easy".to_owned(),
                    episodes: 20,
                    found: 19,
                }],
                ..RuleFigures::default()
            }],
            decoys: vec![DecoyFigures {
                rule: "spoofing".to_owned(),
                kind: "slow_cancel".to_owned(),
                decoys: 5,
                hit: 0,
            }],
        };
        let expected = "\
500000 order events

rule      episodes  found  recall  alerts  true  again  false  precision  false/million  found by difficulty
spoofing        20     19   0.950       0     0      0      0          -              -  easy 19/20

decoys of rule  kind         decoys  hit
spoofing        slow_cancel       5    0
";
        assert_eq!(render(&evaluation), expected);
    }
}

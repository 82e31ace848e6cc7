//! Counts a run's results in dbt's words.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::parse::{Node, ResourceType};
use crate::run::{NodeResult, Status};

/// How many nodes ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub pass: usize,
    pub warn: usize,
    pub error: usize,
    pub skip: usize,
    pub no_op: usize,
}

impl Counts {
    pub fn of(results: &[Arc<NodeResult>]) -> Counts {
        let mut counts = Counts::default();
        for result in results {
            counts.add(result.status);
        }
        counts
    }

    pub fn add(&mut self, status: Status) {
        let count = match status {
            Status::Success | Status::Pass => &mut self.pass,
            Status::Warn => &mut self.warn,
            Status::Error | Status::Fail | Status::PartialSuccess => &mut self.error,
            Status::Skipped => &mut self.skip,
            Status::NoOp => &mut self.no_op,
        };
        *count += 1;
    }

    pub fn total(&self) -> usize {
        self.pass + self.warn + self.error + self.skip + self.no_op
    }
}

/// The last line of a run, as schedulers read it.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Done. PASS={} WARN={} ERROR={} SKIP={} NO-OP={} TOTAL={}",
            self.pass,
            self.warn,
            self.error,
            self.skip,
            self.no_op,
            self.total()
        )
    }
}

/// `2 table models, 1 seed, 3 data tests`, by kind in alphabetical order.
pub fn kinds(results: &[Arc<NodeResult>]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for result in results {
        *counts.entry(long_kind(&result.node)).or_default() += 1;
    }
    let parts: Vec<String> = counts
        .iter()
        .map(|(kind, count)| plural(*count, kind))
        .collect();
    parts.join(", ")
}

fn long_kind(node: &Node) -> String {
    match node.resource_type {
        ResourceType::Model => format!("{} model", node.config.materialized().replace('_', " ")),
        ResourceType::Test => "data test".to_owned(),
        ResourceType::UnitTest => "unit test".to_owned(),
        ResourceType::Operation => "project hook".to_owned(),
        ResourceType::SavedQuery => "saved query".to_owned(),
        other => other.as_str().to_owned(),
    }
}

/// `1 seed`, `2 seeds`, `2 analyses`, `2 saved queries`.
pub fn plural(count: usize, word: &str) -> String {
    if count == 1 {
        return format!("1 {word}");
    }
    match (word.strip_suffix("is"), word.strip_suffix("ry")) {
        (Some(stem), _) => format!("{count} {stem}es"),
        (_, Some(stem)) => format!("{count} {stem}ries"),
        _ => format!("{count} {word}s"),
    }
}

/// `0 hours 0 minutes and 1.23 seconds (1.23s)`, the words that log readers look for.
pub fn elapsed(seconds: f64) -> String {
    let whole_minutes = (seconds / 60.0).floor();
    let hours = (whole_minutes / 60.0).floor();
    format!(
        "{hours:.0} hours {:.0} minutes and {:.2} seconds ({seconds:.2}s)",
        whole_minutes - hours * 60.0,
        seconds - whole_minutes * 60.0,
    )
}

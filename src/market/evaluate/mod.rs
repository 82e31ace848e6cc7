//! Evaluate: labels and alerts in, precision and recall by rule out.
//!
//! 1. Read labels and decoys ([`labels`]).
//! 2. Fetch the alerts about their venues, symbols and days ([`alerts`]).
//! 3. Match the two ([`matching`]).
//!
//! An alert finds an episode when rule, instrument and owner (or its link group) agree and the
//! two share at least half of the shorter one's time.

mod alerts;
mod labels;
mod matching;

pub use alerts::{Found, Mode, fetch_alerts};
pub use labels::{Episode, read_labels};
pub use matching::{
    Alert, DecoyFigures, DifficultyFigures, Evaluation, Interval, LinkGroups, Missed, RuleFigures,
    evaluate,
};

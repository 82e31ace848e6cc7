//! `msv simulate`: write a seeded trading day with labelled episodes into a folder.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use jiff::civil::Date;

use crate::diagnostics::Diagnostic;
use crate::market::simulate::{Options, simulate};

/// Write a simulated trading day with labelled episodes of market abuse.
#[derive(Args, Clone, Debug)]
pub struct SimulateArgs {
    /// Number that decides everything: the same seed writes the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Event rows to aim at
    #[arg(long, value_name = "N", default_value_t = 500_000)]
    pub events: u64,
    /// Instruments to trade
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub symbols: usize,
    /// Episodes of each rule [default: one for every 25,000 events, 2 to 200]
    #[arg(long, value_name = "N")]
    pub episodes_per_rule: Option<usize>,
    /// Trading day; the sample day is 2024-03-01
    #[arg(long, value_name = "YYYY-MM-DD", default_value = "2024-03-04")]
    pub date: Date,
    /// Folder to write into; created when absent
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Writes the day and returns one line that says what was written.
///
/// # Errors
///
/// As [`simulate`].
pub fn run(args: &SimulateArgs) -> Result<String, Diagnostic> {
    let started = Instant::now();
    let options = Options {
        seed: args.seed,
        events: args.events,
        symbols: args.symbols,
        episodes_per_rule: args.episodes_per_rule,
        date: args.date,
    };
    let summary = simulate(&options, &args.out)?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(format!(
        "Wrote {} events, {} episodes and {} decoys to `{}` in {seconds:.2} s ({:.0} events/s)",
        summary.events,
        summary.episodes,
        summary.decoys,
        args.out.display(),
        summary.events as f64 / seconds.max(1e-9),
    ))
}

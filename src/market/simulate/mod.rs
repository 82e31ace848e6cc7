//! Simulate: a seed in, a plausible trading day with labelled abuse out.
//!
//! 1. Invent instruments, owners and accounts ([`universe`]).
//! 2. Plan news, episodes and decoys ([`plan`]).
//! 3. Play the day ([`day`]): background flow, makers and scripts trade in one [`engine`].
//! 4. Write the events ([`rows`]) and the reference and label files ([`files`]).
//!
//! The same options give the same bytes on every machine. Whether a rule finds the episodes is
//! measured by [`crate::evaluate`]; nothing here knows the rules' SQL.

mod auctions;
mod background;
mod day;
mod decoys;
mod engine;
mod episodes;
mod files;
mod makers;
mod news;
mod plan;
mod random;
mod reactions;
mod rows;
mod session;
mod universe;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use jiff::civil::Date;

use crate::simulate::day::Day;
use crate::simulate::engine::Engine;
use crate::simulate::plan::Plan;
use crate::simulate::random::Dice;
use crate::simulate::rows::Rows;
use crate::simulate::universe::Universe;
use msv_diagnostics::{Diagnostic, Place};

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    /// Event rows to aim at; a large day ends within a percent of it, a small one within a quarter.
    pub events: u64,
    pub symbols: usize,
    /// Episodes of each rule; by default one for every 25,000 events, 2 to 200.
    pub episodes_per_rule: Option<usize>,
    /// Trading day; ids repeat when two days with one date are loaded into one database.
    pub date: Date,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub events: u64,
    pub episodes: usize,
    pub decoys: usize,
}

/// Fewest events in which every kind of episode finds room.
pub const LEAST_EVENTS: u64 = 4_000;
pub const MOST_SYMBOLS: usize = 400;

/// Up to this many events, episodes are as short as their definition allows.
const THRIFTY_EVENTS: u64 = 20_000;

/// Writes a simulated day into `folder`, which is created when it is absent.
///
/// # Errors
///
/// `MSV0641` for options outside what can be simulated, `MSV0642` when a file cannot be written.
pub fn simulate(options: &Options, folder: &Path) -> Result<Summary, Diagnostic> {
    check(options)?;
    fs::create_dir_all(folder).map_err(|error| not_written(folder, &error))?;
    let date = options.date.to_string();
    let day_number = i64::from((options.date - Date::constant(1970, 1, 1)).get_days());

    let universe = Universe::new(options.symbols, options.events);
    let engine = Engine::new(&universe, Rows::new(&universe, &date, day_number));
    let mut day = Day::new(universe, engine, Dice::new(options.seed, 1), options.events);
    day.enlist_makers();
    day.plan_auctions(options.events / 250);
    let episodes = options
        .episodes_per_rule
        .unwrap_or((options.events / 25_000).clamp(2, 200) as usize);
    Plan::new(&mut day, options.events <= THRIFTY_EVENTS).fill(&mut day, episodes);

    let path = folder.join("order_events.csv");
    let mut file = File::create(&path).map_err(|error| not_written(&path, &error))?;
    day.play(|bytes| file.write_all(bytes))
        .map_err(|error| not_written(&path, &error))?;
    day.note_ratio_decoys((episodes / 2).max(2));

    for (name, text) in [
        ("instruments.csv", files::instruments(&day)),
        ("accounts.csv", files::accounts(&day)),
        ("obligations.csv", files::obligations(&day)),
        ("news.csv", files::news(&day, &date)),
        ("calendar.csv", files::calendar(&date)),
        (
            "labels.csv",
            files::records(&day, &day.episodes, &date, false),
        ),
        ("decoys.csv", files::records(&day, &day.decoys, &date, true)),
    ] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| not_written(&path, &error))?;
    }
    Ok(Summary {
        events: day.engine.rows.count(),
        episodes: day.episodes.len(),
        decoys: day.decoys.len(),
    })
}

fn check(options: &Options) -> Result<(), Diagnostic> {
    let wrong = |what: String, help: String| Err(Diagnostic::error("MSV0641", what).help(help));
    if options.events < LEAST_EVENTS {
        return wrong(
            format!(
                "a day of {} events is too short to simulate",
                options.events
            ),
            format!("ask for at least {LEAST_EVENTS}: `--events {LEAST_EVENTS}`"),
        );
    }
    let most = MOST_SYMBOLS.min(options.events as usize / 1_000);
    if options.symbols == 0 || options.symbols > most {
        return wrong(
            format!(
                "{} events cannot be spread over {} symbols",
                options.events, options.symbols
            ),
            format!("ask for 1 to {most} symbols: `--symbols {most}`"),
        );
    }
    let most = (options.events / 1_500) as usize;
    if options
        .episodes_per_rule
        .is_some_and(|wanted| wanted > most)
    {
        return wrong(
            format!("{} events are too few for so many episodes", options.events),
            format!("ask for at most {most}: `--episodes-per-rule {most}`"),
        );
    }
    Ok(())
}

fn not_written(path: &Path, error: &std::io::Error) -> Diagnostic {
    let shown = path.display().to_string();
    Diagnostic::error("MSV0642", format!("the file `{shown}` cannot be written"))
        .at(Place::file(shown), "")
        .note(error.to_string())
        .help("name a folder that you may write to with `--out`")
}

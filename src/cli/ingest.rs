//! `msv ingest`: loads files of orders and trades, and folders of them with reference data.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::diagnostics::Diagnostic;
use crate::market::feeds::time::TimeUnit;
use crate::market::feeds::{FeedOptions, Format};
use crate::market::load::{self, FileSummary, Outcome, Progress, Summary};
use crate::market::nanos::Day;
use crate::postgres::ConnectOptions;

/// In a pipe, a file that takes long says so this often.
const LINE_INTERVAL: Duration = Duration::from_secs(2);

/// Load order events into the database, each line exactly once
#[derive(Args, Clone, Debug)]
pub struct IngestArgs {
    /// Files of order events, reference files, or folders as `msv simulate` writes them
    #[arg(required = true, value_name = "PATH")]
    pub files: Vec<PathBuf>,

    /// How the files are written
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,

    /// Instrument of files that name none
    #[arg(long)]
    pub symbol: Option<String>,

    /// Venue of files that name none
    #[arg(long)]
    pub venue: Option<String>,

    /// Trading day of files whose times count from midnight, such as 2012-06-21
    #[arg(long, value_parser = parse_day)]
    pub date: Option<Day>,

    /// Time zone of times without an offset, such as America/New_York [default: UTC; LOBSTER:
    /// America/New_York]
    #[arg(long)]
    pub timezone: Option<String>,

    /// What an integer time counts since 1970
    #[arg(long, value_enum, default_value_t)]
    pub time_unit: TimeUnit,

    /// Exit with 1 when more lines than this are rejected (they are kept either way)
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_rejects: u64,
}

fn parse_day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| "write a day that exists, such as 2012-06-21".to_owned())
}

impl IngestArgs {
    /// What the library needs of the arguments.
    pub fn feed_options(&self) -> FeedOptions {
        FeedOptions {
            format: self.format,
            symbol: self.symbol.clone(),
            venue: self.venue.clone(),
            date: self.date,
            timezone: self.timezone.clone(),
            time_unit: self.time_unit,
        }
    }
}

/// Loads the files; 0 all good, 1 too many rejects, 2 a file could not be loaded.
pub fn run(args: &IngestArgs, connect: &ConnectOptions) -> ExitCode {
    let mut reporter = Reporter::new();
    let outcome = load::ingest(
        &args.feed_options(),
        connect,
        &args.files,
        &mut |progress| {
            reporter.show(progress);
        },
    );
    reporter.clear();
    match outcome {
        Ok(summary) => {
            let (line, is_good) = conclusion(&summary, args.max_rejects);
            say(&line);
            if is_good {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(1)
            }
        }
        Err(diagnostics) => {
            for diagnostic in &diagnostics {
                show_diagnostic(diagnostic);
            }
            ExitCode::from(2)
        }
    }
}

/// Shows progress as a bar on a terminal, as lines elsewhere.
pub struct Reporter {
    bar: Option<ProgressBar>,
    file: String,
    size_bytes: u64,
    started: Instant,
    spoke: Instant,
}

impl Default for Reporter {
    fn default() -> Self {
        Self::new()
    }
}

impl Reporter {
    pub fn new() -> Self {
        Reporter {
            bar: None,
            file: String::new(),
            size_bytes: 0,
            started: Instant::now(),
            spoke: Instant::now(),
        }
    }

    pub fn show(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Waiting => say("waiting for another ingest to end"),
            Progress::Warning(diagnostic) => show_diagnostic(diagnostic),
            Progress::Started {
                path,
                size_bytes,
                done_bytes,
            } => self.start(path, size_bytes, done_bytes),
            Progress::Advanced { done_bytes, events } => self.advance(done_bytes, events),
            Progress::Finished(file) => {
                self.clear();
                for line in file_lines(file) {
                    say(&line);
                }
            }
        }
    }

    /// Takes the bar off the terminal.
    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn start(&mut self, path: &Path, size_bytes: u64, done_bytes: u64) {
        self.file = path.display().to_string();
        self.size_bytes = size_bytes;
        self.started = Instant::now();
        self.spoke = self.started;
        if !std::io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(size_bytes), ProgressDrawTarget::stderr());
        let template = "{prefix} {wide_bar} {percent:>3} % {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(self.file.clone());
        bar.set_position(done_bytes);
        self.bar = Some(bar);
    }

    fn advance(&mut self, done_bytes: u64, events: u64) {
        let speed = per_second(events, self.started.elapsed());
        if let Some(bar) = &self.bar {
            bar.set_position(done_bytes);
            bar.set_message(format!("{} events/s", grouped(speed)));
        } else if self.spoke.elapsed() >= LINE_INTERVAL {
            self.spoke = Instant::now();
            let percent = done_bytes * 100 / self.size_bytes.max(1);
            say(&format!(
                "`{}`: {percent} %, {} events, {} events/s",
                self.file,
                grouped(events),
                grouped(speed)
            ));
        }
    }
}

/// Says what became of one file.
pub fn file_lines(file: &FileSummary) -> Vec<String> {
    let path = file.path.display();
    let head = match (file.outcome, &file.loaded_as) {
        (Outcome::Unchanged, None) => return vec![format!("`{path}`: loaded before, unchanged")],
        (Outcome::Unchanged, Some(other)) => {
            return vec![format!("`{path}`: loaded before as `{other}`")];
        }
        (Outcome::Reference, _) => {
            return vec![format!("`{path}`: {} rows changed", grouped(file.events))];
        }
        (Outcome::Continued, _) => "continued, ",
        (Outcome::Loaded, _) => "",
    };
    let mut lines = vec![format!(
        "`{path}`: {head}{} events, {} trades, {} rejected, {} flagged in {:.2} s ({} events/s)",
        grouped(file.events),
        grouped(file.trades),
        grouped(file.rejects),
        grouped(file.flagged),
        file.duration.as_secs_f64(),
        grouped(per_second(file.events, file.duration)),
    )];
    for (name, count) in &file.flags {
        lines.push(format!("  flagged `{name}`: {}", grouped(*count)));
    }
    for (line, reason) in &file.first_rejects {
        lines.push(format!("  rejected line {line}: {reason}"));
    }
    let more = file.rejects - file.first_rejects.len() as u64;
    if more > 0 {
        lines.push(format!(
            "  and {} more, all in `raw.rejected_events`",
            grouped(more)
        ));
    }
    lines
}

/// Sums the files up in one line, and tells whether the rejects are within their limit.
fn conclusion(summary: &Summary, max_rejects: u64) -> (String, bool) {
    let rejects = summary.rejects();
    if rejects > max_rejects {
        let line = format!(
            "Failed. {} lines were rejected and --max-rejects allows {}; {} events are loaded, \
             the rejected lines are kept in `raw.rejected_events`",
            grouped(rejects),
            grouped(max_rejects),
            grouped(summary.events())
        );
        return (line, false);
    }
    if summary.is_unchanged() {
        return ("Done. Everything was loaded before".to_owned(), true);
    }
    let line = format!(
        "Done. EVENTS={} REJECTED={rejects} FILES={}",
        summary.events(),
        summary.files.len()
    );
    (line, true)
}

fn per_second(events: u64, duration: Duration) -> u64 {
    let micros = duration.as_micros().max(1);
    u64::try_from(u128::from(events) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

/// Writes a number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn show_diagnostic(diagnostic: &Diagnostic) {
    let has_colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    say(&diagnostic.render(has_colour));
}

fn say(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(91_997), "91,997");
        assert_eq!(grouped(1_000_000), "1,000,000");
    }
}

//! The log on disk: every event of a command, as lines of text or JSON.
//!
//! The file is named `dbt.log`, the name that log shippers and test harnesses of dbt look for. It
//! is opened when the first line is written, and set aside when it has grown to its limit.
//!
//! A run of a thousand models writes tens of thousands of lines, so they are collected and written
//! together, a few times a second; an error is written at once.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;

use crate::run::Level;

use super::artifact::Invocation;
use super::log_event::{LogEvent, time_of_day};
use super::secrets::Secrets;

const FILE_NAME: &str = "dbt.log";

/// Older files that are kept, as `dbt.log.1` to `dbt.log.5`.
const KEPT_FILES: usize = 5;

/// How long a line waits for others at most.
const WRITE_INTERVAL: Duration = Duration::from_millis(50);

/// Lines that are collected before they are written, whoever comes first.
const COLLECTED_BYTES: usize = 64 * 1024;

/// How lines of the file are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileFormat {
    /// The message behind the time of day.
    Text,
    /// Time, level and thread in front of the message.
    #[default]
    Debug,
    Json,
}

/// Where the log goes and what is written to it.
#[derive(Clone, Debug)]
pub struct LogFileOptions {
    pub folder: PathBuf,
    pub format: FileFormat,
    pub level: Level,
    /// The size at which a new file is begun; 0 for never.
    pub max_bytes: u64,
}

/// The log file of one command. That it cannot be written stops no command.
#[derive(Debug)]
pub struct LogFile {
    options: LogFileOptions,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
enum State {
    Unopened,
    Open(Open),
    /// Nothing is written any more; the reason is told once.
    Failed(Option<std::io::Error>),
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Of the file and the lines that will be written to it.
    size_bytes: u64,
    collected: Vec<u8>,
}

impl LogFile {
    pub fn new(options: LogFileOptions) -> LogFile {
        LogFile {
            options,
            state: Arc::new(Mutex::new(State::Unopened)),
        }
    }

    /// Writes the event unless it is below the file's level.
    pub fn write(&self, event: &LogEvent, invocation: &Invocation, secrets: &Secrets) {
        if event.level < self.options.level {
            return;
        }
        let line = match self.options.format {
            FileFormat::Json => event.to_line(invocation),
            FileFormat::Debug => debug_line(event, invocation),
            FileFormat::Text => event.text_line(),
        };
        let mut line = secrets.hide(line);
        line.push('\n');
        let mut state = lock(&self.state);
        let mut outcome = self.append(&mut state, line.as_bytes());
        if event.level >= Level::Error {
            outcome = outcome.and_then(|()| state.write_collected());
        }
        if let Err(error) = outcome {
            *state = State::Failed(Some(error));
        }
    }

    /// True where a line holds every field of its event.
    pub fn is_json(&self) -> bool {
        self.options.format == FileFormat::Json
    }

    /// Writes what was collected.
    pub fn flush(&self) {
        lock(&self.state).write_or_fail();
    }

    /// Why nothing is written any more, for those who have not heard it yet.
    pub fn take_failure(&self) -> Option<String> {
        let State::Failed(error) = &mut *lock(&self.state) else {
            return None;
        };
        let error = error.take()?;
        let path = self.options.folder.join(FILE_NAME);
        Some(format!(
            "the log `{}` cannot be written: {error}",
            path.display()
        ))
    }

    fn append(&self, state: &mut State, line: &[u8]) -> std::io::Result<()> {
        let path = || self.options.folder.join(FILE_NAME);
        if matches!(state, State::Unopened) {
            fs::create_dir_all(&self.options.folder)?;
            *state = open(&path())?;
            write_regularly(Arc::downgrade(&self.state));
        }
        let is_full = match state {
            State::Open(open) => {
                self.options.max_bytes > 0
                    && open.size_bytes > 0
                    && open.size_bytes + line.len() as u64 >= self.options.max_bytes
            }
            _ => false,
        };
        if is_full {
            state.write_collected()?;
            set_aside(&path());
            *state = open(&path())?;
        }
        if let State::Open(open) = state {
            open.size_bytes += line.len() as u64;
            open.collected.extend_from_slice(line);
            if open.collected.len() >= COLLECTED_BYTES {
                state.write_collected()?;
            }
        }
        Ok(())
    }
}

impl State {
    fn write_collected(&mut self) -> std::io::Result<()> {
        if let State::Open(open) = self
            && !open.collected.is_empty()
        {
            open.file.write_all(&open.collected)?;
            open.collected.clear();
        }
        Ok(())
    }

    fn write_or_fail(&mut self) {
        if let Err(error) = self.write_collected() {
            *self = State::Failed(Some(error));
        }
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.flush();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sees to it that nobody who follows the file waits long for a line, as long as the log lives.
fn write_regularly(state: Weak<Mutex<State>>) {
    let write = move || {
        loop {
            std::thread::sleep(WRITE_INTERVAL);
            let Some(state) = state.upgrade() else { break };
            lock(&state).write_or_fail();
        }
    };
    // Without it lines are written when enough of them were collected.
    let _ = std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(write);
}

fn open(path: &Path) -> std::io::Result<State> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let size_bytes = file.metadata()?.len();
    Ok(State::Open(Open {
        file,
        size_bytes,
        collected: Vec::new(),
    }))
}

/// Moves `dbt.log` to `dbt.log.1`, that to `dbt.log.2`, and so on; the oldest goes.
fn set_aside(path: &Path) {
    let numbered = |number: usize| path.with_file_name(format!("{FILE_NAME}.{number}"));
    for number in (1..KEPT_FILES).rev() {
        // A number that was never used has no file to move.
        let _ = fs::rename(numbered(number), numbered(number + 1));
    }
    let _ = fs::rename(path, numbered(1));
}

/// `12:34:56.123456 [debug] [Thread-1  ]: text`; a command begins with a rule and its id.
pub(super) fn debug_line(event: &LogEvent, invocation: &Invocation) -> String {
    let clock = time_of_day(Timestamp::now());
    let mut line = String::new();
    if event.name == "MainReportVersion" {
        let rule = "=".repeat(30);
        line = format!("\n\n{rule} {clock} | {} {rule}\n", invocation.id);
    }
    let level = match event.level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let (thread, message) = (&event.thread, &event.message);
    line.reserve(clock.len() + message.len() + 32);
    // Writing to a string succeeds.
    let _ = write!(line, "{clock} [{level:<5}] [{thread:<10.10}]: {message}");
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::log_event;

    #[test]
    fn a_full_file_is_set_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let log = LogFile::new(LogFileOptions {
            folder: folder.path().join("logs"),
            format: FileFormat::Text,
            level: Level::Info,
            max_bytes: 60,
        });
        let invocation = Invocation::new("1", "run");
        for number in 0..10 {
            let text = format!("{number} is a line of forty characters or so");
            let event = log_event::message(Level::Info, &text, None);
            log.write(&event, &invocation, &Secrets::default());
            log.write(
                &log_event::message(Level::Debug, "too low", None),
                &invocation,
                &Secrets::default(),
            );
        }
        log.flush();
        let read = |name: &str| fs::read_to_string(folder.path().join("logs").join(name));
        assert!(read("dbt.log").expect("written").contains("9 is a line"));
        assert!(read("dbt.log.5").expect("kept").contains("4 is a line"));
        assert!(read("dbt.log.6").is_err());
    }
}

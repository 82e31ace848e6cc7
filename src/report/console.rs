//! Prints a run: plain lines in a pipe, moving status lines on a terminal, or JSON.
//!
//! The only file of this module that writes to the terminal. The wording is in
//! [`lines`](super::lines) and [`log_event`](super::log_event).

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::diagnostics::{Diagnostic, Severity};
use crate::run::{Event, Level, Listener, NodeResult, Position, Status};

use super::artifact::Invocation;
use super::lines::{self, Style, Tone};
use super::live::Live;
use super::log_event::{self, LogEvent};
use super::summary::Counts;

/// Where the log goes. For commands whose log is their data, stdout, as dbt does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogStream {
    #[default]
    Stdout,
    Stderr,
}

impl LogStream {
    pub fn is_terminal(self) -> bool {
        match self {
            LogStream::Stdout => std::io::stdout().is_terminal(),
            LogStream::Stderr => std::io::stderr().is_terminal(),
        }
    }

    /// A reader that went away is no reason to stop a build.
    fn write_line(self, text: &str) {
        let line = format!("{text}\n");
        let _ = match self {
            LogStream::Stdout => std::io::stdout().lock().write_all(line.as_bytes()),
            LogStream::Stderr => std::io::stderr().lock().write_all(line.as_bytes()),
        };
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// How a command talks.
#[derive(Clone, Debug)]
pub struct ConsoleOptions {
    pub stream: LogStream,
    pub format: LogFormat,
    /// Messages below this level are not shown.
    pub level: Level,
    /// Only errors.
    pub is_quiet: bool,
    pub has_colours: bool,
    /// Moving status lines; plain lines otherwise.
    pub is_live: bool,
    pub width: usize,
    pub invocation: Invocation,
}

/// dbt's width of a log line, widened because our lines also hold rows.
const PIPE_WIDTH: usize = 100;

impl ConsoleOptions {
    /// Looks at the stream and at `NO_COLOR` and `TERM`.
    pub fn detect(stream: LogStream, invocation: Invocation) -> ConsoleOptions {
        let is_terminal = stream.is_terminal();
        let width = match is_terminal {
            true => terminal_width(stream).clamp(60, 140),
            false => PIPE_WIDTH,
        };
        ConsoleOptions {
            stream,
            format: LogFormat::Text,
            level: Level::Info,
            is_quiet: false,
            has_colours: is_terminal && are_colours_wanted(),
            is_live: is_terminal && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
            width,
            invocation,
        }
    }

    fn style(&self) -> Style {
        Style {
            has_colours: self.has_colours,
            width: self.width,
            shortens_names: self.is_live,
        }
    }
}

fn terminal_width(stream: LogStream) -> usize {
    let size = match stream {
        LogStream::Stdout => rustix::termios::tcgetwinsize(std::io::stdout()),
        LogStream::Stderr => rustix::termios::tcgetwinsize(std::io::stderr()),
    };
    size.map_or(PIPE_WIDTH, |size| usize::from(size.ws_col))
}

/// Source: <https://no-color.org>: any value but the empty one turns colours off.
fn are_colours_wanted() -> bool {
    let is_off = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !is_off && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The console of one command; give it to the run as a listener.
#[derive(Debug)]
pub struct Console {
    options: ConsoleOptions,
    live: Option<Live>,
    /// Keeps the lines of one event together while several threads report.
    turn: Mutex<()>,
}

impl Console {
    pub fn new(options: ConsoleOptions) -> Console {
        let is_live = options.is_live && options.format == LogFormat::Text && !options.is_quiet;
        let live = is_live.then(|| Live::new(options.stream, options.has_colours));
        Console {
            options,
            live,
            turn: Mutex::new(()),
        }
    }

    /// Says a line at a level, with the time of day in front.
    pub fn message(&self, level: Level, text: &str) {
        match self.options.format {
            LogFormat::Json => self.event(&log_event::message(level, text, None)),
            LogFormat::Text => self.text(level, text),
        }
    }

    /// Shows a diagnostic with its excerpt.
    pub fn diagnostic(&self, diagnostic: &Diagnostic) {
        match self.options.format {
            LogFormat::Json => self.event(&log_event::diagnostic(diagnostic)),
            LogFormat::Text => {
                let level = match diagnostic.severity {
                    Severity::Error => Level::Error,
                    Severity::Warning => Level::Warn,
                };
                if self.shows(level) {
                    self.lines(&[diagnostic.render(self.options.has_colours)]);
                }
            }
        }
    }

    /// Says which version runs; the first line of a run.
    pub fn version(&self, version: &str) {
        match self.options.format {
            LogFormat::Json => self.event(&log_event::main_report_version(version)),
            LogFormat::Text => self.text(Level::Debug, &format!("Running with msv={version}")),
        }
    }

    /// Says in the JSON log how the command ended.
    pub fn completed(&self, is_success: bool, seconds: f64) {
        if self.options.format == LogFormat::Json {
            let command = &self.options.invocation.command;
            self.event(&log_event::command_completed(command, is_success, seconds));
        }
    }

    fn shows(&self, level: Level) -> bool {
        let least = if self.options.is_quiet {
            Level::Error
        } else {
            self.options.level
        };
        level >= least
    }

    fn text(&self, level: Level, text: &str) {
        if !self.shows(level) {
            return;
        }
        let style = self.options.style();
        if text.is_empty() {
            return self.lines(&[String::new()]);
        }
        let painted = match level {
            Level::Error => style.paint(Tone::Bad, text),
            Level::Warn => style.paint(Tone::Warning, text),
            Level::Info => text.to_owned(),
            Level::Debug => style.paint(Tone::Faint, text),
        };
        self.lines(&[self.stamped(&painted)]);
    }

    fn stamped(&self, text: &str) -> String {
        let clock = self.options.style().paint(Tone::Faint, &lines::clock());
        format!("{clock}  {text}").trim_end().to_owned()
    }

    /// Prints lines that belong together.
    fn lines(&self, texts: &[String]) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let print = || {
            for text in texts {
                self.options.stream.write_line(text);
            }
        };
        match &self.live {
            Some(live) => live.suspended(print),
            None => print(),
        }
    }

    /// The node events that schedulers wait for are shown at every level, as dbt's JSON log with
    /// the level `info` would hide the end of a node.
    fn event(&self, event: &LogEvent) {
        let is_structural = event.name.starts_with("Node") || event.name == "CommandCompleted";
        if self.shows(event.level) || (is_structural && !self.options.is_quiet) {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let line = event.to_line(&self.options.invocation);
            self.options.stream.write_line(&line);
        }
    }

    fn on_text_event(&self, event: &Event) {
        match event {
            Event::Started {
                nodes,
                threads,
                target,
            } => {
                self.text(Level::Info, &lines::started_line(*nodes, *threads, target));
                if let Some(live) = &self.live {
                    live.begin(*nodes);
                }
            }
            Event::NodeStarted { node, .. } => {
                if let Some(live) = &self.live {
                    live.node_started(node);
                }
            }
            Event::NodeFinished { result, position } => self.node_finished(result, *position),
            Event::Message { level, text, .. } => self.text(*level, text),
            Event::Diagnostic(diagnostic) => self.diagnostic(diagnostic),
            Event::Interrupted { left } => {
                let text = match left {
                    0 => "Interrupted: every node had been started".to_owned(),
                    1 => "Interrupted: 1 node was not started".to_owned(),
                    left => format!("Interrupted: {left} nodes were not started"),
                };
                self.text(Level::Error, &text);
            }
            Event::Finished {
                results,
                elapsed_seconds,
            } => self.finished(results, *elapsed_seconds),
        }
    }

    fn node_finished(&self, result: &NodeResult, position: Position) {
        if let Some(live) = &self.live {
            live.node_finished(result.unique_id());
        }
        let level = match result.status {
            Status::Warn => Level::Warn,
            status if status.is_failure() => Level::Error,
            _ => Level::Info,
        };
        if self.shows(level) {
            let line = lines::finished_line(self.options.style(), result, position);
            self.lines(&[self.stamped(&line)]);
        }
    }

    fn finished(&self, results: &[Arc<NodeResult>], seconds: f64) {
        if let Some(live) = &self.live {
            live.end();
        }
        let style = self.options.style();
        self.text(Level::Info, "");
        self.text(Level::Info, &lines::finished_running(results, seconds));
        let (verdict, tone) = lines::verdict(results);
        if self.shows(Level::Info) {
            self.lines(&[self.stamped(&style.paint(tone, &verdict))]);
        }
        let warnings = results.iter().filter(|r| r.status == Status::Warn);
        let failures = results.iter().filter(|r| r.status.is_failure());
        for result in warnings.chain(failures) {
            let (level, tone) = match result.status {
                Status::Warn => (Level::Warn, Tone::Warning),
                _ => (Level::Error, Tone::Bad),
            };
            if self.shows(level) {
                self.lines(&[
                    String::new(),
                    self.stamped(&style.paint(tone, &lines::heading(result))),
                    lines::explanation(style, result),
                ]);
            }
        }
        self.text(Level::Info, "");
        self.text(Level::Info, &Counts::of(results).to_string());
    }

    fn on_json_event(&self, event: &Event) {
        let events = match event {
            Event::Started {
                threads, target, ..
            } => vec![log_event::concurrency(*threads, target)],
            Event::NodeStarted { node, position } => vec![
                log_event::log_start_line(node, *position),
                log_event::node_start(node),
            ],
            Event::NodeFinished { result, position } => log_event::node_end(result, *position),
            Event::Message { level, text, node } => {
                let id = node.as_ref().map(|id| id.as_str());
                vec![log_event::message(*level, text, id)]
            }
            Event::Diagnostic(diagnostic) => vec![log_event::diagnostic(diagnostic)],
            Event::Interrupted { left } => {
                let text = format!("Interrupted: {left} nodes were not started");
                vec![log_event::message(Level::Error, &text, None)]
            }
            Event::Finished {
                results,
                elapsed_seconds,
            } => log_event::run_end(results, *elapsed_seconds),
        };
        for event in &events {
            self.event(event);
        }
    }
}

/// A command that ends early leaves no moving line behind.
impl Drop for Console {
    fn drop(&mut self) {
        if let Some(live) = &self.live {
            live.end();
        }
    }
}

impl Listener for Console {
    fn on_event(&self, event: &Event) {
        match self.options.format {
            LogFormat::Text => self.on_text_event(event),
            LogFormat::Json => self.on_json_event(event),
        }
    }
}

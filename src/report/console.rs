//! Prints a run: plain lines in a pipe, moving status lines on a terminal, or JSON.
//!
//! The only file of this module that writes to the terminal. The wording is in
//! [`lines`](super::lines) and [`log_event`](super::log_event).

use std::collections::HashMap;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Value as Json, json};

use crate::diagnostics::Diagnostic;
use crate::parse::{Node, UniqueId};
use crate::run::{
    Event, FreshnessResult, FreshnessStatus, Level, Listener, NodeResult, Position, Status,
};

use super::artifact::Invocation;
use super::command_event;
use super::lines::{self, Style, Tone};
use super::live::Live;
use super::log_event::{self, Fields, LogEvent};
use super::log_file::{LogFile, LogFileOptions, debug_line};
use super::node_event;
use super::resources::Resources;
use super::secrets::Secrets;
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

    fn write_line(self, text: &str) -> std::io::Result<()> {
        let line = format!("{text}\n");
        match self {
            LogStream::Stdout => std::io::stdout().lock().write_all(line.as_bytes()),
            LogStream::Stderr => std::io::stderr().lock().write_all(line.as_bytes()),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    /// Every event with its time, level and thread, as the log file has it.
    Debug,
    Json,
}

/// How a command talks.
#[derive(Clone, Debug)]
pub struct ConsoleOptions {
    /// Where words for people go; programs that read JSON find it on stdout.
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
    /// The log on disk beside the one on the screen.
    pub file: Option<LogFileOptions>,
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
            file: None,
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
    // Terminals of programs say that they are 0 columns wide.
    match size.map_or(0, |size| usize::from(size.ws_col)) {
        0 => PIPE_WIDTH,
        columns => columns,
    }
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
    file: Option<LogFile>,
    secrets: Secrets,
    /// Nodes that are being worked on, so that what their templates say carries their names.
    running: Mutex<HashMap<UniqueId, Arc<Node>>>,
    /// Keeps the lines of one event together while several threads report.
    turn: Mutex<()>,
    /// Why the first line that is missing in the output could not be written.
    unwritten: OnceLock<std::io::Error>,
}

impl Console {
    pub fn new(options: ConsoleOptions) -> Console {
        let is_live = options.is_live && options.format == LogFormat::Text && !options.is_quiet;
        let live = is_live.then(|| Live::new(options.stream, options.has_colours));
        let file = options.file.clone().map(LogFile::new);
        Console {
            options,
            live,
            file,
            secrets: Secrets::of_environment(),
            running: Mutex::default(),
            turn: Mutex::new(()),
            unwritten: OnceLock::new(),
        }
    }

    /// Why standard output lacks lines, other than that its reader went away.
    pub fn unwritten(&self) -> Option<&std::io::Error> {
        self.unwritten.get()
    }

    /// Output that cannot be written is no reason to stop a build, which is told at its end.
    fn write(&self, stream: LogStream, text: &str) {
        match stream.write_line(text) {
            Err(error) if stream == LogStream::Stdout && error.kind() != ErrorKind::BrokenPipe => {
                // The first one is the one to tell.
                let _ = self.unwritten.set(error);
            }
            Ok(()) | Err(_) => {}
        }
    }

    pub fn invocation(&self) -> &Invocation {
        &self.options.invocation
    }

    /// True where people read the lines.
    pub fn is_text(&self) -> bool {
        self.options.format == LogFormat::Text
    }

    pub fn is_quiet(&self) -> bool {
        self.options.is_quiet
    }

    /// True where every line is an event, data among them.
    pub fn is_structured(&self) -> bool {
        self.options.format == LogFormat::Json
    }

    /// Says a line at a level, with the time of day in front.
    pub fn message(&self, level: Level, text: &str) {
        self.emit(&log_event::message(level, text, None));
    }

    /// Shows an event of a command: to the file, and on the screen in the form asked for.
    pub fn emit(&self, event: &LogEvent) {
        self.to_file(event);
        match self.options.format {
            LogFormat::Text if event.is_output() => {
                self.lines(LogStream::Stdout, std::slice::from_ref(&event.message));
            }
            LogFormat::Text => self.text(event.level, &event.message),
            LogFormat::Json | LogFormat::Debug => self.event(event),
        }
    }

    /// Keeps an event that programs read and people only when they look for the details.
    pub fn note(&self, event: &LogEvent) {
        self.to_file(event);
        match self.options.format {
            LogFormat::Text if self.shows(Level::Debug) => self.text(event.level, &event.message),
            LogFormat::Text => {}
            LogFormat::Json | LogFormat::Debug => self.event(event),
        }
    }

    /// Shows a diagnostic with its excerpt.
    pub fn diagnostic(&self, diagnostic: &Diagnostic) {
        let event = command_event::diagnostic(diagnostic);
        self.to_file(&event);
        match self.options.format {
            LogFormat::Json | LogFormat::Debug => self.event(&event),
            LogFormat::Text => {
                if self.shows(event.level) {
                    let text = diagnostic.render(self.options.has_colours);
                    self.lines(self.options.stream, &[text]);
                }
            }
        }
    }

    /// Says why a command ends before it began: in dbt's words on standard output, for programs
    /// that read it, and with excerpts on standard error, for people. Where both lead to one place
    /// the excerpts are enough.
    pub fn could_not_start(&self, diagnostics: &[Diagnostic]) {
        self.end();
        let event = command_event::encountered_error(diagnostics);
        self.to_file(&event);
        if self.options.format != LogFormat::Text {
            return self.event(&event);
        }
        if !are_streams_one() {
            let painted = self.options.style().paint(Tone::Bad, &event.message);
            self.lines(LogStream::Stdout, &[self.stamped(&painted)]);
        }
        for (index, diagnostic) in diagnostics.iter().enumerate() {
            let gap = if index > 0 { "\n" } else { "" };
            let text =
                diagnostic.render(self.options.has_colours && std::io::stderr().is_terminal());
            self.lines(LogStream::Stderr, &[format!("{gap}{text}")]);
        }
    }

    /// Says which version runs; the first line of a run.
    pub fn version(&self, version: &str) {
        let event = log_event::main_report_version(version);
        self.to_file(&event);
        match self.options.format {
            LogFormat::Json | LogFormat::Debug => self.event(&event),
            LogFormat::Text => self.text(Level::Debug, &event.message),
        }
    }

    /// Says in the log how the command ended and, where that was asked for, on the screen what it
    /// cost.
    pub fn completed(&self, is_success: bool, seconds: f64, shows_resources: bool) {
        let command = &self.options.invocation.command;
        if let Some(used) = Resources::of_process() {
            let level = match shows_resources {
                true => Level::Info,
                false => Level::Debug,
            };
            let report = command_event::resource_report(command, is_success, seconds, &used, level);
            match shows_resources {
                true => self.emit(&report),
                false => self.note(&report),
            }
        }
        self.note(&log_event::command_completed(command, is_success, seconds));
    }

    /// Takes moving lines off the screen, and writes what the log has collected.
    pub fn end(&self) {
        if let Some(file) = &self.file {
            file.flush();
        }
        if let Some(live) = &self.live {
            live.end();
        }
        self.tell_of_log();
    }

    fn to_file(&self, event: &LogEvent) {
        if let Some(file) = &self.file {
            file.write(event, &self.options.invocation, &self.secrets);
            self.tell_of_log();
        }
    }

    /// A log that cannot be written stops nothing, but whoever looks for it later should know.
    fn tell_of_log(&self) {
        if let Some(reason) = self.file.as_ref().and_then(LogFile::take_failure) {
            // There is no other place to tell it.
            let _ = LogStream::Stderr.write_line(&format!("warning: {reason}"));
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
            return self.lines(self.options.stream, &[String::new()]);
        }
        let painted = match level {
            Level::Error => style.paint(Tone::Bad, text),
            Level::Warn => style.paint(Tone::Warning, text),
            Level::Info => text.to_owned(),
            Level::Debug => style.paint(Tone::Faint, text),
        };
        self.lines(self.options.stream, &[self.stamped(&painted)]);
    }

    fn stamped(&self, text: &str) -> String {
        let clock = self.options.style().paint(Tone::Faint, &lines::clock());
        format!("{clock}  {text}").trim_end().to_owned()
    }

    /// Prints lines that belong together.
    fn lines(&self, stream: LogStream, texts: &[String]) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let print = || {
            for text in texts {
                self.write(stream, &self.secrets.hide(text.clone()));
            }
        };
        match &self.live {
            Some(live) => live.suspended(print),
            None => print(),
        }
    }

    /// An event as a program reads it. The node events that schedulers wait for are shown at every
    /// level, as dbt's JSON log with the level `info` would hide the end of a node.
    fn event(&self, event: &LogEvent) {
        let is_json = self.options.format == LogFormat::Json;
        let is_structural =
            is_json && (event.name.starts_with("Node") || event.name == "CommandCompleted");
        let is_due = self.shows(event.level)
            || event.is_output()
            || (is_structural && !self.options.is_quiet);
        if is_due {
            let line = match is_json {
                true => event.to_line(&self.options.invocation),
                false => debug_line(event, &self.options.invocation),
            };
            self.lines(LogStream::Stdout, &[line]);
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
            Event::BatchStarted { .. } => {}
            Event::BatchFinished { status, .. } => {
                let level = match status {
                    Status::Error => Level::Error,
                    _ => Level::Info,
                };
                if let Some(line) = lines::batch_line(event) {
                    self.text(level, &line);
                }
            }
            Event::Message { level, text, .. } => self.text(*level, text),
            Event::Printed { text, .. } => {
                self.lines(LogStream::Stdout, std::slice::from_ref(text));
            }
            Event::StatementSent { .. } | Event::StatementAnswered { .. } => {
                if self.shows(Level::Debug) {
                    for event in self.log_events(event, Fields::Untold) {
                        self.text(Level::Debug, &event.message);
                    }
                }
            }
            Event::FreshnessStarted { .. } => {}
            Event::FreshnessChecked { result, position } => {
                self.freshness_checked(result, *position);
            }
            Event::Diagnostic(_) => {}
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

    /// What programs and the log file read of an event.
    fn log_events(&self, event: &Event, fields: Fields) -> Vec<LogEvent> {
        match event {
            Event::Started {
                nodes,
                threads,
                target,
            } => vec![log_event::concurrency(*nodes, *threads, target)],
            Event::NodeStarted { node, position } => {
                self.now_running()
                    .insert(node.unique_id.clone(), Arc::clone(node));
                vec![
                    node_event::log_start_line(node, *position, fields),
                    node_event::node_start(node, fields),
                ]
            }
            Event::NodeFinished { result, position } => {
                self.now_running().remove(result.unique_id());
                node_event::node_end(result, *position, fields)
            }
            Event::BatchStarted { .. } | Event::BatchFinished { .. } => {
                node_event::batch(event).into_iter().collect()
            }
            Event::Message { level, text, node } => {
                let info = node.as_ref().map(|id| self.info_of(id));
                vec![log_event::message(*level, text, info)]
            }
            Event::Printed { text, node } => {
                let info = node.as_ref().map(|id| self.info_of(id));
                vec![command_event::print_event(text, info)]
            }
            Event::StatementSent { sql, node } => {
                vec![command_event::sql_query(sql, node.as_deref(), fields)]
            }
            Event::StatementAnswered { tag, seconds, node } => {
                vec![command_event::sql_query_status(
                    tag,
                    *seconds,
                    node.as_deref(),
                    fields,
                )]
            }
            Event::FreshnessStarted { node, position } => {
                vec![command_event::freshness_start(node, *position)]
            }
            Event::FreshnessChecked { result, position } => {
                vec![command_event::freshness_result(result, *position)]
            }
            Event::Diagnostic(diagnostic) => vec![command_event::diagnostic(diagnostic)],
            Event::Interrupted { left } => {
                let text = format!("Interrupted: {left} nodes were not started");
                vec![log_event::message(Level::Error, &text, None)]
            }
            Event::Finished {
                results,
                elapsed_seconds,
            } => node_event::run_end(results, *elapsed_seconds),
        }
    }

    fn now_running(&self) -> MutexGuard<'_, HashMap<UniqueId, Arc<Node>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The node as its events describe it; outside a run no more than its name is known here.
    fn info_of(&self, id: &UniqueId) -> Json {
        match self.now_running().get(id) {
            Some(node) => node_event::node_info(node, "executing", None, None),
            None => json!({"unique_id": id}),
        }
    }

    fn node_finished(&self, result: &NodeResult, position: Position) {
        if let Some(live) = &self.live {
            live.node_finished(&result.node);
        }
        let level = match result.status {
            Status::Warn => Level::Warn,
            status if status.is_failure() => Level::Error,
            _ => Level::Info,
        };
        if self.shows(level) {
            let line = lines::finished_line(self.options.style(), result, position);
            self.lines(self.options.stream, &[self.stamped(&line)]);
        }
    }

    fn freshness_checked(&self, result: &FreshnessResult, position: Position) {
        let event = command_event::freshness_result(result, position);
        if self.shows(event.level) {
            let tone = match result.status {
                FreshnessStatus::Pass => Tone::Good,
                FreshnessStatus::Warn => Tone::Warning,
                FreshnessStatus::Error | FreshnessStatus::RuntimeError => Tone::Bad,
            };
            let line = lines::freshness_line(self.options.style(), &event.message, tone);
            self.lines(self.options.stream, &[self.stamped(&line)]);
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
            self.lines(
                self.options.stream,
                &[self.stamped(&style.paint(tone, &verdict))],
            );
        }
        let warnings = results.iter().filter(|r| r.status == Status::Warn);
        let failures = results.iter().filter(|r| r.status.is_failure());
        for result in warnings.chain(failures) {
            let (level, tone) = match result.status {
                Status::Warn => (Level::Warn, Tone::Warning),
                _ => (Level::Error, Tone::Bad),
            };
            if self.shows(level) {
                let texts = [
                    String::new(),
                    self.stamped(&style.paint(tone, &lines::heading(result))),
                    lines::explanation(style, result),
                ];
                self.lines(self.options.stream, &texts);
            }
        }
        self.text(Level::Info, "");
        self.text(Level::Info, &Counts::of(results).to_string());
    }
}

/// True where standard output and standard error are one file, pipe or terminal.
fn are_streams_one() -> bool {
    let stdout = rustix::fs::fstat(std::io::stdout());
    let stderr = rustix::fs::fstat(std::io::stderr());
    match (stdout, stderr) {
        (Ok(stdout), Ok(stderr)) => {
            (stdout.st_dev, stdout.st_ino) == (stderr.st_dev, stderr.st_ino)
        }
        _ => false,
    }
}

/// A command that ends early leaves no moving line behind.
impl Drop for Console {
    fn drop(&mut self) {
        self.end();
    }
}

impl Listener for Console {
    fn on_event(&self, event: &Event) {
        if let Event::Diagnostic(diagnostic) = event {
            return self.diagnostic(diagnostic);
        }
        let is_text = self.options.format == LogFormat::Text;
        if self.file.is_some() || !is_text {
            let is_file_json = self.file.as_ref().is_some_and(LogFile::is_json);
            let fields = match self.is_structured() || is_file_json {
                true => Fields::Told,
                false => Fields::Untold,
            };
            for event in &self.log_events(event, fields) {
                self.to_file(event);
                if !is_text {
                    self.event(event);
                }
            }
        }
        if is_text {
            self.on_text_event(event);
        }
    }
}

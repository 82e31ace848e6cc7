//! `msv clone`: views on what an earlier state has built, so that work can start from there.

use std::collections::HashMap;
use std::process::ExitCode;

use clap::Args;

use crate::parse::ResourceType;
use crate::run::Publishing;

use super::arguments::{BuildArgs, GlobalArgs, SelectionArgs, TestArgs, WindowArgs};
use super::execution::{Execution, execute};

#[derive(Args, Clone, Debug, Default)]
pub struct CloneArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Make the views anew, in place of whatever stands there
    #[arg(short = 'f', long, overrides_with = "no_full_refresh")]
    pub full_refresh: bool,
    #[arg(long, hide = true, overrides_with = "full_refresh")]
    pub no_full_refresh: bool,
}

pub(super) fn run(global: &GlobalArgs, args: &CloneArgs) -> ExitCode {
    execute(global, &execution(args))
}

pub(super) fn execution(args: &CloneArgs) -> Execution<'_> {
    Execution {
        which: "clone",
        kinds: &[
            ResourceType::Model,
            ResourceType::Seed,
            ResourceType::Snapshot,
        ],
        selection: &args.selection,
        build: BuildArgs {
            full_refresh: args.full_refresh,
            no_full_refresh: args.no_full_refresh,
            ..BuildArgs::default()
        },
        test: TestArgs::default(),
        window: WindowArgs::default(),
        previous_batches: HashMap::new(),
        is_build: false,
        publishing: Publishing::Each,
        keeps_rejected: false,
        shows_rows: false,
        only: None,
    }
}

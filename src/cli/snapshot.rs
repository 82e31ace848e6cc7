//! `msv snapshot`: what changed since the last time, added to the snapshots.

use std::collections::HashMap;
use std::process::ExitCode;

use clap::Args;

use crate::parse::ResourceType;
use crate::run::Publishing;

use super::arguments::{BuildArgs, GlobalArgs, SelectionArgs, TestArgs, WindowArgs};
use super::execution::{Execution, execute};

#[derive(Args, Clone, Debug, Default)]
pub struct SnapshotCommandArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Read every ref and source as empty
    #[arg(long, overrides_with = "no_empty")]
    pub empty: bool,
    #[arg(long, hide = true, overrides_with = "empty")]
    pub no_empty: bool,
}

pub(super) fn run(global: &GlobalArgs, args: &SnapshotCommandArgs) -> ExitCode {
    execute(global, &execution(args))
}

pub(super) fn execution(args: &SnapshotCommandArgs) -> Execution<'_> {
    Execution {
        which: "snapshot",
        kinds: &[ResourceType::Snapshot],
        selection: &args.selection,
        build: BuildArgs {
            empty: args.empty,
            no_empty: args.no_empty,
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

//! `msv run`: models without their tests.

use std::collections::HashMap;
use std::process::ExitCode;

use clap::Args;

use crate::parse::ResourceType;

use super::arguments::{BuildArgs, GlobalArgs, PublishArg, SelectionArgs, TestArgs, WindowArgs};
use super::execution::{Execution, execute};

#[derive(Args, Clone, Debug, Default)]
pub struct RunCommandArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub build: BuildArgs,
    #[command(flatten)]
    pub window: WindowArgs,
    /// When what was built is published: each relation as soon as it passed its tests, or all of
    /// them in one transaction at the end, where a failure leaves everything as it was
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub publish: PublishArg,
}

pub(super) fn run(global: &GlobalArgs, args: &RunCommandArgs) -> ExitCode {
    execute(global, &execution(args))
}

pub(super) fn execution(args: &RunCommandArgs) -> Execution<'_> {
    Execution {
        which: "run",
        kinds: &[ResourceType::Model],
        selection: &args.selection,
        build: args.build.clone(),
        test: TestArgs::default(),
        window: args.window.clone(),
        previous_batches: HashMap::new(),
        is_build: false,
        publishing: args.publish.into(),
        keeps_rejected: false,
        shows_rows: false,
        only: None,
    }
}

//! `msv test`: data tests and unit tests.

use std::collections::HashMap;
use std::process::ExitCode;

use clap::Args;

use crate::parse::ResourceType;
use crate::run::Publishing;

use super::arguments::{BuildArgs, GlobalArgs, SelectionArgs, TestArgs, WindowArgs};
use super::execution::{Execution, execute};

#[derive(Args, Clone, Debug, Default)]
pub struct TestCommandArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub test: TestArgs,
}

pub(super) fn run(global: &GlobalArgs, args: &TestCommandArgs) -> ExitCode {
    execute(global, &execution(args))
}

pub(super) fn execution(args: &TestCommandArgs) -> Execution<'_> {
    Execution {
        which: "test",
        kinds: &[ResourceType::Test, ResourceType::UnitTest],
        selection: &args.selection,
        build: BuildArgs::default(),
        test: args.test.clone(),
        window: WindowArgs::default(),
        previous_batches: HashMap::new(),
        is_build: false,
        publishing: Publishing::Each,
        keeps_rejected: false,
        shows_rows: false,
        only: None,
    }
}

//! `msv build`: seeds, models and their tests, in the order of the graph.

use std::collections::HashMap;
use std::process::ExitCode;

use clap::Args;

use crate::parse::ResourceType;

use super::arguments::{BuildArgs, GlobalArgs, PublishArg, SelectionArgs, TestArgs, WindowArgs};
use super::execution::{Execution, execute};

#[derive(Args, Clone, Debug, Default)]
pub struct BuildCommandArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub build: BuildArgs,
    #[command(flatten)]
    pub window: WindowArgs,
    #[command(flatten)]
    pub test: TestArgs,
    /// When what was built is published: each relation as soon as it passed its tests, or all of
    /// them in one transaction at the end, where a failure leaves everything as it was
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub publish: PublishArg,
    /// Keep what failed its tests under another name, for a look
    #[arg(long)]
    pub keep_rejected: bool,
    #[arg(long, hide = true)]
    pub show: bool,
    #[arg(long, hide = true)]
    pub export_saved_queries: bool,
    #[arg(long, hide = true)]
    pub no_export_saved_queries: bool,
    #[arg(long, hide = true)]
    pub include_saved_query: bool,
    #[arg(long, hide = true)]
    pub no_include_saved_query: bool,
}

pub(super) fn run(global: &GlobalArgs, args: &BuildCommandArgs) -> ExitCode {
    execute(global, &execution(args))
}

pub(super) fn execution(args: &BuildCommandArgs) -> Execution<'_> {
    Execution {
        which: "build",
        kinds: &[
            ResourceType::Seed,
            ResourceType::Model,
            ResourceType::Snapshot,
            ResourceType::Test,
            ResourceType::UnitTest,
            ResourceType::Function,
            ResourceType::Exposure,
            ResourceType::SavedQuery,
        ],
        selection: &args.selection,
        build: args.build.clone(),
        test: args.test.clone(),
        window: args.window.clone(),
        previous_batches: HashMap::new(),
        is_build: true,
        publishing: args.publish.into(),
        keeps_rejected: args.keep_rejected,
        shows_rows: false,
        only: None,
    }
}

//! `msv seed`: CSV files into tables.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::diagnostics::Diagnostic;
use crate::parse::ResourceType;
use crate::postgres::Session;
use crate::report::command_event::{event, output};
use crate::report::console::Console;
use crate::run::{Level, NodeResult, Publishing, RunContext, Status};

use super::arguments::{BuildArgs, GlobalArgs, SelectionArgs, TestArgs, WindowArgs};
use super::compile::OutputFormat;
use super::execution::{Execution, execute};
use super::show::preview_text;

#[derive(Args, Clone, Debug, Default)]
pub struct SeedCommandArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub build: BuildArgs,
    /// Show some rows of each table that was loaded
    #[arg(long)]
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
        publishing: Publishing::Each,
        keeps_rejected: false,
        shows_rows: args.show,
        only: None,
    }
}

/// Rows of a seed that `--show` picks.
const SAMPLE_ROWS: usize = 10;

/// Shows rows picked at random of every seed that was loaded.
pub(super) fn show_samples(
    context: &RunContext,
    results: &[Arc<NodeResult>],
    console: &Console,
) -> Result<(), Box<Diagnostic>> {
    let mut session = None;
    for result in results {
        let node = &result.node;
        let (ResourceType::Seed, Status::Success, Some(relation)) =
            (node.resource_type, result.status, &node.relation)
        else {
            continue;
        };
        let session = match &mut session {
            Some(session) => session,
            empty => empty.insert(
                Session::connect(&context.connect)
                    .map_err(|error| Box::new(error.connect_diagnostic(&context.connect)))?,
            ),
        };
        let sql = format!("select * from {relation} order by random() limit {SAMPLE_ROWS}");
        let rows = session.query(&sql).map_err(|error| {
            Box::new(
                Diagnostic::error(
                    "MSV0138",
                    format!("PostgreSQL refused the query: {}", error.message),
                )
                .note(sql),
            )
        })?;
        let header = format!("Random sample of table: {}.{}", node.schema, node.alias);
        let data = json!({"header": header});
        console.emit(&event("SeedHeader", Level::Info, header, data));
        let text = preview_text(OutputFormat::Text, None, true, &rows);
        console.emit(&output("PrintEvent", text.clone(), json!({"msg": text})));
    }
    Ok(())
}

//! `msv run-operation`: calls a macro, or sends a statement, on one connection.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use jiff::Timestamp;
use minijinja::Value;
use serde_json::{Map, Value as Json, json};

use crate::compile::{Compiler, NodeHost, Settings};
use crate::diagnostics::{Diagnostic, Place};
use crate::jinja::value::convert::from_json;
use crate::jinja::{Database, Host};
use crate::parse::{Config, Details, Node, ResourceType};
use crate::project::yaml;
use crate::report::command_event::event;
use crate::run::{Adapter, Level, NodeResult, Status, Timing, server_refused_query};

use super::arguments::{GlobalArgs, UnusedSelectionArgs};
use super::artifacts::{write_manifest, write_run_results};
use super::execution::writes_artifacts;
use super::inline::inline_node;
use super::preview::connect;
use super::voice::voice;
use super::workspace::{CommandSettings, Workspace, could_not_start, open, show};

#[derive(Args, Clone, Debug, Default)]
pub struct RunOperationArgs {
    #[command(flatten)]
    pub unused: UnusedSelectionArgs,
    #[arg(long, hide = true)]
    pub state: Option<std::path::PathBuf>,
    /// The macro to call, `package.macro` for one of a package
    #[arg(value_name = "MACRO", required_unless_present = "sql")]
    pub name: Option<String>,
    /// Arguments of the macro, as YAML: '{schema: old}'
    #[arg(long, value_name = "YAML")]
    pub args: Option<String>,
    /// A statement to render and send in place of a macro
    #[arg(long, value_name = "SQL", conflicts_with_all = ["name", "args"])]
    pub sql: Option<String>,
}

pub(super) fn run(global: &GlobalArgs, args: &RunOperationArgs) -> ExitCode {
    match operate(global, args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(diagnostics) => could_not_start(&diagnostics),
    }
}

/// Runs the operation; true when it did not fail.
fn operate(global: &GlobalArgs, args: &RunOperationArgs) -> Result<bool, Vec<Diagnostic>> {
    let begun = Instant::now();
    let started_at = Timestamp::now();
    let values = arguments(args.args.as_deref()).map_err(|error| vec![*error])?;
    let settings = CommandSettings {
        which: "run-operation",
        arguments: Map::from_iter([
            ("macro".to_owned(), json!(args.name)),
            ("args".to_owned(), Json::Object(values.clone())),
        ]),
        ..CommandSettings::default()
    };
    let workspace = open(global, settings)?;
    show(&workspace.warnings);
    let compiler = workspace.compiler(global, Settings::default());
    let node = match (&args.name, &args.sql) {
        (_, Some(sql)) => inline_node(&workspace, sql),
        (name, None) => operation_node(&workspace, name.as_deref().unwrap_or_default())?,
    };
    let node = Arc::new(node);
    let adapter = connect(&workspace, &compiler)?;
    adapter.works_on(Some(&node));
    let executed_at = Timestamp::now();
    let outcome = match (&args.name, &args.sql) {
        (_, Some(_)) => send(&compiler, &adapter, &node),
        (name, None) => call(
            &compiler,
            &adapter,
            &node,
            name.as_deref().unwrap_or_default(),
            &values,
        ),
    };
    // What the macro began and did not commit does not last.
    let _ = adapter.session().rollback();
    let is_success = outcome.is_ok();
    let timing = |name, started_at, completed_at| Timing {
        name,
        started_at,
        completed_at,
    };
    let result = NodeResult {
        status: match is_success {
            true => Status::Success,
            false => Status::Error,
        },
        message: String::new(),
        failures: Some(i64::from(!is_success)),
        timing: vec![
            timing("compile", started_at, executed_at),
            timing("execute", executed_at, Timestamp::now()),
        ],
        execution_seconds: begun.elapsed().as_secs_f64(),
        ..NodeResult::untouched(&node)
    };
    if let Err(diagnostic) = outcome {
        tell(&diagnostic);
    }
    if writes_artifacts(global) {
        write_manifest(&workspace, &[])
            .and_then(|()| {
                let results = [Arc::new(result)];
                write_run_results(&workspace, &results, begun.elapsed().as_secs_f64())
            })
            .map_err(|error| vec![error])?;
    }
    Ok(is_success)
}

/// Says what went wrong: the line that log readers look for, then the excerpt.
fn tell(diagnostic: &Diagnostic) {
    let text = format!(
        "Encountered an error while running operation: {}\n  {}",
        diagnostic.kind(),
        diagnostic.title
    );
    let data = json!({"exc": diagnostic.title, "diagnostic": diagnostic});
    let voice = voice();
    voice.emit(&event(
        "RunningOperationCaughtError",
        Level::Error,
        text,
        data,
    ));
    voice.diagnostic(diagnostic);
}

fn arguments(text: Option<&str>) -> Result<Map<String, Json>, Box<Diagnostic>> {
    let Some(text) = text else {
        return Ok(Map::new());
    };
    let mistake = |reason: &str| {
        Box::new(
            Diagnostic::error("MSV0340", format!("`--args` cannot be read: {reason}"))
                .note(format!("given: {text}"))
                .help("write YAML: --args '{key: value, other: 3}'"),
        )
    };
    match yaml::from_str_value(text) {
        Ok(Json::Object(values)) => Ok(values),
        Ok(Json::Null) => Ok(Map::new()),
        Ok(_) => Err(mistake("it is not a mapping")),
        Err(error) => Err(mistake(&error)),
    }
}

/// The macro as a node: what templates see as `model`, and what the results name.
fn operation_node(workspace: &Workspace, name: &str) -> Result<Node, Vec<Diagnostic>> {
    let root = &workspace.project.root.name;
    let Some(definition) = workspace.parsed.engine.find_macro(root, name) else {
        let short = name.rsplit('.').next().unwrap_or(name);
        let known = workspace.parsed.engine.macros().iter();
        let similar =
            crate::diagnostics::closest(short, known.map(|definition| definition.name.as_str()));
        let mut diagnostic = Diagnostic::error("MSV0341", format!("no macro is named `{name}`"))
            .note(format!(
                "dbt could not find a macro with the name '{short}' in any package"
            ));
        if let Some(similar) = similar {
            diagnostic =
                diagnostic.help(format!("a macro with a similar name exists: `{similar}`"));
        }
        return Err(vec![diagnostic]);
    };
    let (package, name) = (&definition.package, &definition.name);
    Ok(Node {
        fqn: vec!["macro".to_owned(), package.clone(), name.clone()],
        config: Config::defaults(ResourceType::Operation),
        database: workspace.invocation.database().to_owned(),
        schema: workspace.invocation.schema().to_owned(),
        alias: name.clone(),
        ..Node::new(
            format!("macro.{package}.{name}"),
            ResourceType::Operation,
            root,
            name,
            Details::Analysis,
            Place::file(definition.file.clone()),
        )
    })
}

fn call(
    compiler: &Arc<Compiler>,
    adapter: &Arc<Adapter>,
    node: &Arc<Node>,
    name: &str,
    values: &Map<String, Json>,
) -> Result<(), Box<Diagnostic>> {
    let database = Arc::clone(adapter) as Arc<dyn Database>;
    let host: Arc<dyn Host> = Arc::new(NodeHost::new(compiler, node, Some(database)));
    let named: Vec<(&str, Value)> = values
        .iter()
        .map(|(key, value)| (key.as_str(), from_json(value)))
        .collect();
    compiler
        .engine
        .call_macro(name, &[], &named, host)
        .map(drop)
}

fn send(
    compiler: &Arc<Compiler>,
    adapter: &Arc<Adapter>,
    node: &Arc<Node>,
) -> Result<(), Box<Diagnostic>> {
    let database = Arc::clone(adapter) as Arc<dyn Database>;
    let compiled = compiler.compile(node, Some(database))?;
    adapter
        .execute(&compiled.sql)
        .map(drop)
        .map_err(|error| Box::new(server_refused_query(node, &compiled.sql, &compiled, &error)))
}

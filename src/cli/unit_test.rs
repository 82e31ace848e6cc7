//! `msv unit-test new`: writes a unit test of a model from real rows.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::compile::Settings;
use crate::diagnostics::{Diagnostic, closest};
use crate::parse::{Node, ResourceType};
use crate::project::unit_test_text::{Row, UnitTestText, scalar_of, with_unit_test};
use crate::report::summary::plural;
use crate::run::Level;
use crate::run::sampling::{
    SampledTest, SamplingOptions, TypedRows, asks_is_incremental, sample_unit_test,
};

use super::arguments::GlobalArgs;
use super::preview::connect;
use super::voice::voice;
use super::workspace::{CommandSettings, Workspace, could_not_start, open, show};

#[derive(Subcommand, Clone, Debug)]
pub enum UnitTestCommand {
    /// Write a unit test from rows that the inputs of a model hold now
    ///
    /// Takes rows of the model's result, finds the rows of its inputs they come from, leaves out
    /// what changes nothing, and writes down what the model makes of the rest.
    New(NewArgs),
}

#[derive(Args, Clone, Debug)]
pub struct NewArgs {
    /// The model to test
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// Rows of the model's result to show
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rows: u16,
    /// A condition on these rows: "status = 'cancelled'"
    #[arg(long = "where", value_name = "SQL")]
    pub filter: Option<String>,
    /// What the test is called; `MODEL_on_real_rows` if not given
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Only a test of what an incremental model adds to the rows it has; without it, such a model
    /// gets two tests
    #[arg(long)]
    pub incremental: bool,
    /// The properties file to write to, `-` to print the test; the one that describes the model
    /// if not given
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,
}

pub(super) fn run(global: &GlobalArgs, command: &UnitTestCommand) -> ExitCode {
    let UnitTestCommand::New(args) = command;
    match write_new(global, args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(diagnostics) => could_not_start(&diagnostics),
    }
}

fn write_new(global: &GlobalArgs, args: &NewArgs) -> Result<(), Vec<Diagnostic>> {
    let one = |diagnostic: Diagnostic| vec![diagnostic];
    let settings = CommandSettings {
        which: "unit-test",
        arguments: [("model".to_owned(), json!(args.model))]
            .into_iter()
            .collect(),
        ..CommandSettings::default()
    };
    let workspace = open(global, settings)?;
    show(&workspace.warnings);
    let model = find_model(&workspace, &args.model).map_err(one)?;
    // What cannot be written to is said before rows are looked for.
    let is_printed = args.into.as_deref() == Some(Path::new("-"));
    let file = match &args.into {
        Some(file) => file.clone(),
        None => properties_file(&workspace, &model),
    };
    let path = workspace.project.dir.join(&file);
    let shown = file.display().to_string();
    let mut text = match is_printed {
        true => None,
        false => read(&path, &shown).map_err(one)?,
    };
    let probe = UnitTestText::default();
    with_unit_test(&shown, text.as_deref(), &probe).map_err(one)?;
    let compiler = workspace.compiler(global, Settings::default());
    let adapter = connect(&workspace, &compiler)?;
    adapter.works_on(Some(&model));
    let is_incremental = asks_is_incremental(&model);
    if args.incremental && !is_incremental {
        return Err(vec![not_incremental(&model)]);
    }
    let branches = match (is_incremental, args.incremental) {
        (false, _) => &[false][..],
        (true, false) => &[false, true],
        (true, true) => &[true],
    };
    let voice = voice();
    for &adds in branches {
        let options = SamplingOptions {
            rows: usize::from(args.rows),
            filter: args.filter.clone(),
            is_incremental: adds,
        };
        let sampled = match sample_unit_test(&compiler, &adapter, &model, &options) {
            Ok(sampled) => sampled,
            // The other test is written all the same.
            Err(diagnostic) if adds && !args.incremental => {
                let told = format!("no test of what it adds is written: {}", diagnostic.title);
                voice.message(Level::Warn, &told);
                continue;
            }
            Err(diagnostic) => return Err(vec![*diagnostic]),
        };
        let name = name_of(&workspace, &model, args, adds);
        let test = text_of(&name, &model, &sampled);
        let written = with_unit_test(&shown, text.as_deref(), &test).map_err(one)?;
        if !is_printed {
            write(&path, &shown, &written).map_err(one)?;
        }
        text = Some(written);
        for note in &sampled.notes {
            voice.message(Level::Warn, note);
        }
        if !is_printed {
            tell(&name, &shown, &sampled);
        }
    }
    if is_printed {
        print!("{}", text.unwrap_or_default());
    }
    Ok(())
}

fn tell(name: &str, shown: &str, sampled: &SampledTest) {
    let given = sampled.given.iter();
    let rows: usize = given.map(|given| given.rows.rows.len()).sum();
    let text = format!(
        "wrote unit test `{name}` into `{shown}`: {} given, {} expected",
        plural(rows, "row"),
        plural(sampled.expect.rows.len(), "row"),
    );
    let voice = voice();
    voice.message(Level::Info, &text);
    voice.message(Level::Info, &format!("run it: msv test --select {name}"));
}

fn not_incremental(model: &Node) -> Diagnostic {
    let title = format!("`{}` does not ask `is_incremental()`", model.name);
    Diagnostic::error("MSV0362", title)
        .at(model.place.clone(), "it makes all of its rows at every run")
        .help("leave `--incremental` out")
}

fn find_model(workspace: &Workspace, name: &str) -> Result<Arc<Node>, Diagnostic> {
    let models = workspace.graph.nodes.values();
    let models: Vec<&Arc<Node>> = models
        .filter(|node| node.resource_type == ResourceType::Model)
        .collect();
    let is_meant = |node: &&&Arc<Node>| {
        let is_latest = node.version.is_none() || node.version == node.latest_version;
        node.search_name() == name || (node.name == name && is_latest)
    };
    // A unit test finds models of its own package only.
    let root = &workspace.project.root.name;
    let is_own = |node: &&&Arc<Node>| node.package_name == *root;
    if let Some(model) = models.iter().filter(is_own).find(is_meant) {
        return Ok(Arc::clone(model));
    }
    if let Some(model) = models.iter().find(is_meant) {
        let package = &model.package_name;
        let title = format!("`{name}` is a model of the package `{package}`");
        return Err(Diagnostic::error("MSV0362", title)
            .at(model.place.clone(), "this model")
            .help(format!("write the test in the project of `{package}`")));
    }
    let models: Vec<&Arc<Node>> = models.into_iter().filter(|node| is_own(&node)).collect();
    let diagnostic = Diagnostic::error("MSV0362", format!("no model is named `{name}`"));
    let names: Vec<String> = models.iter().map(|model| model.search_name()).collect();
    Err(match closest(name, names.iter().map(String::as_str)) {
        Some(similar) => {
            diagnostic.help(format!("a model with a similar name exists: `{similar}`"))
        }
        None => diagnostic.help("list the models: msv ls --resource-type model"),
    })
}

/// The file that describes the model, else one of its name beside it.
fn properties_file(workspace: &Workspace, model: &Node) -> PathBuf {
    let root = &workspace.project.root.name;
    let described = model.patch_path.as_deref().and_then(|path| {
        let (package, path) = path.split_once("://")?;
        (package == root).then(|| PathBuf::from(path))
    });
    described.unwrap_or_else(|| Path::new(&model.original_file_path).with_extension("yml"))
}

/// The name that was asked for, else one that no other unit test has.
fn name_of(workspace: &Workspace, model: &Node, args: &NewArgs, adds: bool) -> String {
    let end = match adds {
        true => "_added",
        false => "",
    };
    if let Some(name) = &args.name {
        return match args.incremental {
            true => name.clone(),
            false => format!("{name}{end}"),
        };
    }
    let first = format!("{}_on_real_rows{end}", model.name);
    let is_taken = |name: &str| workspace.graph.nodes.values().any(|node| node.name == name);
    let mut name = first.clone();
    let mut number = 1;
    while is_taken(&name) {
        number += 1;
        name = format!("{first}_{number}");
    }
    name
}

fn text_of(name: &str, model: &Node, sampled: &SampledTest) -> UnitTestText {
    let rows = |rows: &TypedRows| -> Vec<Row> {
        let row = |row: &Vec<Option<String>>| {
            let cells = rows.columns.iter().zip(row);
            let cell = |((name, data_type), text): (&(String, String), &Option<String>)| {
                (name.clone(), scalar_of(text.as_deref(), data_type))
            };
            cells.map(cell).collect()
        };
        rows.rows.iter().map(row).collect()
    };
    let given = sampled.given.iter();
    UnitTestText {
        name: name.to_owned(),
        model: model.name.clone(),
        version: model.version.as_ref().map(ToString::to_string),
        is_incremental: sampled.is_incremental,
        now: sampled.now.map(|now| now.to_string()),
        vars: sampled.vars.clone(),
        given: given
            .map(|given| (given.input.clone(), rows(&given.rows)))
            .collect(),
        expect: rows(&sampled.expect),
    }
}

fn read(path: &Path, shown: &str) -> Result<Option<String>, Diagnostic> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unwritable(shown, &error)),
    }
}

fn write(path: &Path, shown: &str, text: &str) -> Result<(), Diagnostic> {
    let written = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(path, text));
    written.map_err(|error| unwritable(shown, &error))
}

fn unwritable(shown: &str, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error("MSV0366", format!("`{shown}` cannot take the unit test"))
        .note(error.to_string())
        .help("name another file: --into FILE, or --into - to print the test")
}

//! `msv docs generate`: the catalog of what the database holds, the manifest, and the page that
//! shows both.

use std::path::{Component, Path};
use std::time::Instant;

use clap::Args;
use indexmap::IndexSet;
use serde_json::json;
use walkdir::WalkDir;

use crate::compile::Settings;
use crate::diagnostics::Diagnostic;
use crate::parse::{ResourceType, UniqueId};
use crate::postgres::Session;
use crate::postgres::catalog::describe_schemas;
use crate::report::catalog::{Catalog, schemas_of};
use crate::report::command_event::event;
use crate::report::docs::{PAGE, static_page};
use crate::run::Level;

use crate::cli::arguments::{BuildArgs, GlobalArgs, SelectionArgs, switch};
use crate::cli::artifacts::{invocation, write_artifact, write_manifest, write_run_results};
use crate::cli::compile::{self, IntrospectArgs, compile_selected};
use crate::cli::preview::Preview;
use crate::cli::selection::{Kinds, selected, selection_arguments};
use crate::cli::voice::voice;
use crate::cli::workspace::{CommandSettings, Workspace, connect_options, open, show};

#[derive(Args, Clone, Debug, Default)]
pub struct GenerateArgs {
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub build: BuildArgs,
    #[command(flatten)]
    pub introspection: IntrospectArgs,
    /// Do not compile the project, and leave the manifest as it is
    #[arg(long, overrides_with = "compile")]
    pub no_compile: bool,
    #[arg(long, hide = true, overrides_with = "no_compile")]
    pub compile: bool,
    /// Do not ask the database: a catalog with nothing in it
    #[arg(long, overrides_with = "no_empty_catalog")]
    pub empty_catalog: bool,
    #[arg(long, hide = true, overrides_with = "empty_catalog")]
    pub no_empty_catalog: bool,
    /// Write static_index.html too: the page with both artifacts inside, for mail and file shares
    #[arg(long = "static", overrides_with = "no_static")]
    pub is_static: bool,
    #[arg(long, hide = true, overrides_with = "is_static")]
    pub no_static: bool,
}

/// What the catalog speaks of.
const KINDS: &[ResourceType] = &[
    ResourceType::Model,
    ResourceType::Seed,
    ResourceType::Snapshot,
    ResourceType::Source,
];

pub(super) fn generate(global: &GlobalArgs, args: &GenerateArgs) -> Result<(), Vec<Diagnostic>> {
    let begun = Instant::now();
    let mut arguments = selection_arguments(&args.selection);
    let compiles = switch(args.compile, args.no_compile, "COMPILE", true);
    let is_empty_catalog = switch(
        args.empty_catalog,
        args.no_empty_catalog,
        "EMPTY_CATALOG",
        false,
    );
    arguments.insert("compile".to_owned(), json!(compiles));
    arguments.insert("empty_catalog".to_owned(), json!(is_empty_catalog));
    let settings = CommandSettings {
        which: "generate",
        arguments,
        ..CommandSettings::default()
    };
    let workspace = open(global, settings)?;
    show(&workspace.warnings);
    let mut results = Vec::new();
    let mut wanted: Option<IndexSet<UniqueId>> = None;
    if compiles {
        let connects = args.introspection.connects() && !is_empty_catalog;
        let chosen = selected(&workspace, &args.selection, Kinds::only(compile::KINDS))?;
        show(&chosen.warnings);
        let preview = Preview::open(global, &workspace, &chosen, Settings::default(), connects)?;
        let (compiled, found) = compile_selected(&workspace, &preview, &chosen);
        if !found.is_empty() {
            say("CannotGenerateDocs", "compile failed, cannot generate docs");
            return Err(found);
        }
        results = compiled;
        write_run_results(&workspace, &results, begun.elapsed().as_secs_f64())
            .map_err(|error| vec![error])?;
        if is_selective(&args.selection) {
            wanted = Some(selected(&workspace, &args.selection, Kinds::only(KINDS))?.ids);
        }
    }
    write_catalog(&workspace, is_empty_catalog, wanted.as_ref())?;
    if compiles {
        write_manifest(&workspace, &results).map_err(|error| vec![error])?;
    }
    let is_static = switch(args.is_static, args.no_static, "STATIC", false);
    write_page(&workspace, is_static).map_err(|error| vec![not_written(&error)])
}

/// Writes the page beside the artifacts it reads, with the project's own assets.
fn write_page(workspace: &Workspace, is_static: bool) -> std::io::Result<()> {
    let project = &workspace.project;
    let target = &project.target_path;
    std::fs::write(target.join("index.html"), PAGE)?;
    // A folder is replaced by its copy: one that leads out of the target is not ours to delete.
    let is_inside = |folder: &&String| {
        let mut parts = Path::new(folder.as_str()).components();
        !folder.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
    };
    for folder in project.root.config.asset_paths.iter().filter(is_inside) {
        let (from, to) = (project.dir.join(folder), target.join(folder));
        if to.exists() {
            std::fs::remove_dir_all(&to)?;
        }
        if from.is_dir() {
            copy_folder(&from, &to)?;
        }
    }
    if is_static {
        let read = |name: &str| std::fs::read_to_string(target.join(name));
        let page = static_page(&read("manifest.json")?, &read("catalog.json")?);
        std::fs::write(target.join("static_index.html"), page)?;
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in WalkDir::new(from).into_iter().flatten() {
        let Ok(inside) = entry.path().strip_prefix(from) else {
            continue;
        };
        match entry.file_type().is_dir() {
            true => std::fs::create_dir_all(to.join(inside))?,
            false => std::fs::copy(entry.path(), to.join(inside)).map(drop)?,
        }
    }
    Ok(())
}

fn not_written(error: &std::io::Error) -> Diagnostic {
    Diagnostic::error("MSV0474", "the documentation page cannot be written")
        .note(error.to_string())
        .help("check the permissions of the target folder, or write elsewhere with `--target-path`")
}

fn is_selective(selection: &SelectionArgs) -> bool {
    !selection.select.is_empty()
        || !selection.models.is_empty()
        || !selection.exclude.is_empty()
        || selection.selector.is_some()
}

fn write_catalog(
    workspace: &Workspace,
    is_empty: bool,
    wanted: Option<&IndexSet<UniqueId>>,
) -> Result<(), Vec<Diagnostic>> {
    say("BuildingCatalog", "Building catalog");
    let relations = match is_empty {
        true => Vec::new(),
        false => described(workspace)?,
    };
    let invocation = invocation(workspace);
    let shows = |id: &UniqueId| wanted.is_none_or(|wanted| wanted.contains(id));
    let catalog = Catalog::new(&invocation, &workspace.graph, &relations, shows);
    let path = workspace.project.target_path.join("catalog.json");
    write_artifact("CatalogArtifact", &path, &catalog).map_err(|error| vec![error])?;
    let path = std::path::absolute(&path).unwrap_or(path);
    let text = format!("Catalog written to {}", path.display());
    let data = json!({"path": path.display().to_string()});
    voice().emit(&event("CatalogWritten", Level::Info, text, data));
    Ok(())
}

fn described(workspace: &Workspace) -> Result<Vec<crate::run::DescribedRelation>, Vec<Diagnostic>> {
    let mut progress = |line: &str| voice().message(Level::Info, line);
    let options = connect_options(&workspace.project.dir, &workspace.target, &mut progress)
        .map_err(|diagnostic| vec![diagnostic])?;
    let mut session =
        Session::connect(&options).map_err(|error| vec![error.connect_diagnostic(&options)])?;
    describe_schemas(&mut session, &schemas_of(&workspace.graph)).map_err(|error| {
        vec![
            Diagnostic::error(
                "MSV0472",
                format!(
                    "PostgreSQL refused to describe its relations: {}",
                    error.message
                ),
            )
            .help("the user of the target needs the right to read pg_catalog"),
        ]
    })
}

fn say(name: &'static str, text: &str) {
    voice().emit(&event(name, Level::Info, text.to_owned(), json!({})));
}

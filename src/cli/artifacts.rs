//! Writes `manifest.json`, `semantic_manifest.json` and `run_results.json` of a workspace.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value as Json, json};

use crate::diagnostics::Diagnostic;
use crate::graph::selector::selector_records;
use crate::jinja::{MacroDefinition, MacroKind};
use crate::parse::UniqueId;
use crate::project::properties::MacroProperties;
use crate::report::artifact::{Invocation, write_json};
use crate::report::command_event::{artifact_written, event};
use crate::report::manifest::{
    Compiled, DocRecord, GroupRecord, MacroArgument, MacroRecord, Manifest,
};
use crate::report::run_results::RunResults;
use crate::report::semantic_manifest::semantic_manifest;
use crate::run::{Level, NodeResult, RunFiles};

use super::voice::voice;
use super::workspace::Workspace;

/// What a documentation page shows first, unless the project has a block of this name.
const OVERVIEW: &str = "\
### The documentation of this project

Pick a model, seed, snapshot or source on the left to see what it holds, how its columns are
described and tested, and which others it reads. A project shows words of its own here with a
docs block named `__overview__`.
";

/// Writes the manifest; `results` add the compiled code of what was run.
pub(super) fn write_manifest(
    workspace: &Workspace,
    results: &[Arc<NodeResult>],
) -> Result<(), Diagnostic> {
    let project = &workspace.project;
    let files = RunFiles::new(project.target_path.clone(), &project.dir, false);
    let compiled: HashMap<UniqueId, Compiled> = results
        .iter()
        .filter_map(|result| {
            let compiled = Compiled {
                code: result.compiled_code.clone()?,
                path: Some(files.compiled_path(&result.node)),
            };
            Some((result.unique_id().clone(), compiled))
        })
        .collect();
    let macros: Vec<MacroRecord> = workspace
        .parsed
        .engine
        .macros()
        .iter()
        .map(|definition| macro_record(workspace, definition))
        .collect();
    let docs: Vec<DocRecord> = workspace
        .parsed
        .docs_blocks
        .iter()
        .map(|block| {
            let path = block
                .path
                .split_once('/')
                .map_or(block.path.as_str(), |(_, rest)| rest);
            DocRecord::new(
                &block.package,
                &block.name,
                path,
                &block.path,
                &block.contents,
            )
        })
        .chain([DocRecord::new(
            "dbt",
            "__overview__",
            "overview.md",
            "docs/overview.md",
            OVERVIEW,
        )])
        .collect();
    let groups: Vec<GroupRecord> = project
        .all_packages()
        .flat_map(|package| {
            package.properties.groups.iter().map(|group| {
                let path = group.origin.path.to_string();
                let below = path.split_once('/').map_or(path.as_str(), |(_, rest)| rest);
                let meta = group.config.get("meta").unwrap_or(&Json::Null);
                GroupRecord::new(&package.name, &group.name.value, below, &path, &group.owner)
                    .described(group.description.clone(), meta)
            })
        })
        .collect();
    let quoting = &project.root.config.quoting;
    let manifest = Manifest {
        graph: &workspace.graph,
        macros: &macros,
        docs: &docs,
        groups: &groups,
        compiled: &compiled,
        invocation: &invocation(workspace),
        root_paths: project
            .all_packages()
            .map(|package| (package.name.clone(), package.dir.display().to_string()))
            .collect(),
        selectors: selector_records(&project.selectors),
        quoting: json!({
            "database": quoting.database.unwrap_or(true),
            "schema": quoting.schema.unwrap_or(true),
            "identifier": quoting.identifier.unwrap_or(true),
        }),
    };
    let path = project.target_path.join("manifest.json");
    let (written, summary) = rayon::join(
        || write_artifact("WritableManifest", &path, &manifest),
        || (workspace.invocation.which != "parse").then(|| graph_summary(workspace)),
    );
    written?;
    let path = project.target_path.join("semantic_manifest.json");
    let semantic = semantic_manifest(&workspace.graph);
    write_artifact("SemanticManifest", &path, &semantic)?;
    match summary {
        Some(summary) => write_json(&project.target_path.join("graph_summary.json"), &summary),
        None => Ok(()),
    }
}

/// The nodes by number with those that read them: dbt's `graph_summary.json`.
fn graph_summary(workspace: &Workspace) -> Json {
    let graph = &workspace.graph;
    let index: HashMap<&UniqueId, usize> = graph.nodes.keys().zip(0..).collect();
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); index.len()];
    for (at, node) in graph.nodes.values().enumerate() {
        for parent in &node.depends_on_nodes {
            if let Some(parent) = index.get(parent) {
                readers[*parent].push(at);
            }
        }
    }
    let linked: Map<String, Json> = graph
        .nodes
        .values()
        .zip(&readers)
        .enumerate()
        .map(|(at, (node, readers))| {
            let mut entry = json!({
                "name": node.unique_id,
                "type": node.resource_type.as_str(),
            });
            if !readers.is_empty() {
                entry["succ"] = json!(readers);
            }
            (at.to_string(), entry)
        })
        .collect();
    json!({"_invocation_id": workspace.invocation.id, "linked": linked})
}

/// How long the project took to read: dbt's `perf_info.json`, of which msv has no partial forms.
pub(super) fn write_perf_info(workspace: &Workspace, seconds: f64) -> Result<(), Diagnostic> {
    let packages = || workspace.project.all_packages();
    let projects: Vec<Json> = packages()
        .map(|package| {
            json!({
                "project_name": package.name,
                "parsed_path_count": package.files.len(),
                "parsers": [],
            })
        })
        .collect();
    let files: usize = packages().map(|package| package.files.len()).sum();
    let info = json!({
        "path_count": files,
        "parsed_path_count": files,
        "static_analysis_path_count": 0,
        "static_analysis_parsed_path_count": 0,
        "is_partial_parse_enabled": false,
        "is_static_analysis_enabled": false,
        "load_all_elapsed": seconds,
        "projects": projects,
        "_invocation_id": workspace.invocation.id,
    });
    let path = workspace.project.target_path.join("perf_info.json");
    write_json(&path, &info)?;
    let path = std::path::absolute(&path).unwrap_or(path);
    let text = format!("Performance info: {}", path.display());
    let data = json!({"path": path.display().to_string()});
    voice().emit(&event("ParsePerfInfoPath", Level::Info, text, data));
    Ok(())
}

/// Writes the manifest and the results of a command.
///
/// The results are put into words meanwhile, and written last: who waits for them finds the
/// manifest that they are about.
pub(super) fn write_manifest_and_results(
    workspace: &Workspace,
    results: &[Arc<NodeResult>],
    elapsed_seconds: f64,
) -> Result<(), Diagnostic> {
    let worded = || {
        with_run_results(workspace, results, elapsed_seconds, |results| {
            to_raw_value(results)
        })
    };
    let (manifest, worded) = rayon::join(|| write_manifest(workspace, results), worded);
    manifest?;
    match worded {
        Ok(text) => write_run_results_file(workspace, &text),
        // Writing says why.
        Err(_) => write_run_results(workspace, results, elapsed_seconds),
    }
}

/// Writes the results of a command, also when there are none.
pub(super) fn write_run_results(
    workspace: &Workspace,
    results: &[Arc<NodeResult>],
    elapsed_seconds: f64,
) -> Result<(), Diagnostic> {
    with_run_results(workspace, results, elapsed_seconds, |artifact| {
        write_run_results_file(workspace, artifact)
    })
}

fn with_run_results<T>(
    workspace: &Workspace,
    results: &[Arc<NodeResult>],
    elapsed_seconds: f64,
    work: impl FnOnce(&RunResults<'_>) -> T,
) -> T {
    let invocation = invocation(workspace);
    let args = Json::Object(workspace.invocation.arguments.clone());
    work(&RunResults::new(
        &invocation,
        results,
        elapsed_seconds,
        args,
    ))
}

fn write_run_results_file(
    workspace: &Workspace,
    artifact: &impl Serialize,
) -> Result<(), Diagnostic> {
    let path = workspace.project.target_path.join("run_results.json");
    write_artifact("RunExecutionResult", &path, artifact)
}

/// Writes an artifact and says so in the log, with the name dbt's log has for it.
pub(super) fn write_artifact(
    kind: &str,
    path: &Path,
    artifact: &impl Serialize,
) -> Result<(), Diagnostic> {
    write_json(path, artifact)?;
    voice().note(&artifact_written(kind, path));
    Ok(())
}

/// The command as its artifacts name it.
pub(super) fn invocation(workspace: &Workspace) -> Invocation {
    let mut invocation = Invocation::new(&workspace.invocation.id, &workspace.invocation.which);
    invocation.started_at = workspace.invocation.started_at;
    invocation
}

fn macro_record(workspace: &Workspace, definition: &MacroDefinition) -> MacroRecord {
    let mut record = MacroRecord::new(
        &definition.package,
        &definition.name,
        &path_in_package(workspace, definition),
        definition.source(),
    );
    record.depends_on.macros = workspace.parsed.engine.macro_dependencies(definition);
    if let MacroKind::Materialization {
        supported_languages,
        ..
    } = &definition.kind
    {
        record.supported_languages = Some(supported_languages.clone());
    }
    if let Some(properties) = macro_properties(workspace, definition) {
        record.description.clone_from(&properties.description);
        record.meta = Json::Object(properties.meta.clone());
        record.patch_path = Some(format!(
            "{}://{}",
            definition.package, properties.origin.path
        ));
        record.arguments = properties
            .arguments
            .iter()
            .map(|argument| MacroArgument {
                name: argument.name.clone(),
                data_type: argument.data_type.clone(),
                description: argument.description.clone(),
            })
            .collect();
    }
    record
}

/// The file of a macro relative to its own package.
fn path_in_package(workspace: &Workspace, definition: &MacroDefinition) -> String {
    let package = workspace.project.package(&definition.package);
    let below = package
        .and_then(|package| package.dir.strip_prefix(&workspace.project.dir).ok())
        .and_then(|dir| Path::new(&*definition.file).strip_prefix(dir).ok());
    below.map_or_else(
        || definition.file.to_string(),
        |path| path.display().to_string(),
    )
}

fn macro_properties<'w>(
    workspace: &'w Workspace,
    definition: &MacroDefinition,
) -> Option<&'w MacroProperties> {
    let package = workspace.project.package(&definition.package)?;
    package
        .properties
        .macros
        .iter()
        .find(|known| known.name.value == definition.name)
}

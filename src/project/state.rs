//! Reads what an earlier run left in a folder: `manifest.json`, `run_results.json`, `sources.json`.
//!
//! Files of dbt's versions are read as msv's own are. Only what comparing, deferring and retrying
//! need is kept; everything else in the files is passed over.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use msv_diagnostics::{Diagnostic, Place};

/// The artifacts of an earlier run; a file that does not exist is `None`.
#[derive(Debug, Default)]
pub struct PreviousState {
    /// The folder as it was named, for messages.
    pub folder: PathBuf,
    pub manifest: Option<StateManifest>,
    pub results: Option<StateResults>,
    pub sources: Option<StateSources>,
    /// `sources.json` of the current target folder, to compare with.
    pub sources_current: Option<StateSources>,
}

/// What is kept of a manifest.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct StateManifest {
    pub nodes: IndexMap<String, StateNode>,
    pub sources: IndexMap<String, StateNode>,
    pub exposures: IndexMap<String, StateNode>,
    pub metrics: IndexMap<String, StateNode>,
    pub semantic_models: IndexMap<String, StateNode>,
    pub saved_queries: IndexMap<String, StateNode>,
    pub unit_tests: IndexMap<String, StateNode>,
    pub functions: IndexMap<String, StateNode>,
    pub macros: IndexMap<String, StateMacro>,
}

impl StateManifest {
    /// The node of this id, whatever its kind.
    pub fn get(&self, id: &str) -> Option<&StateNode> {
        [
            &self.nodes,
            &self.sources,
            &self.exposures,
            &self.metrics,
            &self.semantic_models,
            &self.unit_tests,
            &self.saved_queries,
            &self.functions,
        ]
        .into_iter()
        .find_map(|section| section.get(id))
    }
}

/// A node of any kind; keys that its kind does not have are empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StateNode {
    pub name: String,
    pub resource_type: String,
    pub original_file_path: String,
    pub database: Option<String>,
    pub schema: Option<String>,
    pub alias: Option<String>,
    pub relation_name: Option<String>,
    pub identifier: Option<String>,
    pub fqn: Vec<String>,
    pub checksum: Json,
    pub raw_code: Option<String>,
    pub description: Option<String>,
    pub columns: IndexMap<String, StateColumn>,
    pub config: Map<String, Json>,
    pub unrendered_config: Map<String, Json>,
    pub unrendered_database: Option<String>,
    pub unrendered_schema: Option<String>,
    pub contract: StateContract,
    pub constraints: Vec<Json>,
    pub version: Json,
    pub latest_version: Json,
    pub access: Option<String>,
    pub deprecation_date: Option<String>,
    pub depends_on: StateDependsOn,
    // What only sources, exposures and functions have, compared as it is written.
    pub quoting: Json,
    pub freshness: Json,
    pub loaded_at_field: Json,
    pub external: Json,
    #[serde(rename = "type")]
    pub exposure_type: Json,
    pub owner: Json,
    pub maturity: Json,
    pub url: Json,
    pub label: Json,
    pub arguments: Json,
    pub returns: Json,
    // What only semantic models and saved queries have.
    pub model: Json,
    pub defaults: Json,
    pub entities: Json,
    pub dimensions: Json,
    pub measures: Json,
    pub primary_entity: Json,
    pub group: Json,
    pub query_params: Json,
    pub exports: Json,
    pub tags: Json,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StateColumn {
    pub name: String,
    pub description: Option<String>,
    pub data_type: Option<String>,
    pub constraints: Vec<Json>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StateContract {
    pub enforced: bool,
    pub checksum: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StateDependsOn {
    pub nodes: Vec<String>,
    pub macros: Vec<Option<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StateMacro {
    pub package_name: String,
    pub macro_sql: String,
}

/// How the nodes of an earlier command ended, and with which arguments it was given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StateResults {
    pub metadata: StateMetadata,
    pub results: Vec<StateResult>,
    pub args: Map<String, Json>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StateMetadata {
    pub generated_at: Option<String>,
    pub invocation_started_at: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StateResult {
    pub unique_id: String,
    pub status: String,
    /// Of a microbatch model: the batches that succeeded and failed, each a pair of times.
    pub batch_results: Option<StateBatches>,
    pub adapter_response: Map<String, Json>,
}

impl StateResult {
    /// True for what was built and then kept from the people who read it.
    pub fn is_unpublished(&self) -> bool {
        self.adapter_response.get("published") == Some(&Json::Bool(false))
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StateBatches {
    pub successful: Vec<[String; 2]>,
    pub failed: Vec<[String; 2]>,
}

/// The freshness of sources; `max_loaded_at` is missing where it could not be found out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StateSources {
    pub results: Vec<StateSource>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StateSource {
    pub unique_id: String,
    pub max_loaded_at: Option<String>,
}

impl PreviousState {
    /// Reads a state folder; one that is relative lies below the project.
    ///
    /// # Errors
    ///
    /// MSV0130 for each file that is there and cannot be read.
    pub fn read(
        folder: &Path,
        project_dir: &Path,
        target_path: &Path,
    ) -> Result<PreviousState, Vec<Diagnostic>> {
        let below = project_dir.join(folder);
        let mut found = Vec::new();
        let state = PreviousState {
            folder: folder.to_owned(),
            manifest: kept(read_artifact(&below.join("manifest.json")), &mut found),
            results: kept(read_artifact(&below.join("run_results.json")), &mut found),
            sources: kept(read_artifact(&below.join("sources.json")), &mut found),
            sources_current: kept(read_artifact(&target_path.join("sources.json")), &mut found),
        };
        if found.is_empty() {
            Ok(state)
        } else {
            Err(found)
        }
    }

    /// The ids whose result has this status.
    pub fn with_status(&self, status: &str) -> Option<HashSet<&str>> {
        let results = self.results.as_ref()?;
        let with_status = results
            .results
            .iter()
            .filter(|result| result.status == status);
        Some(
            with_status
                .map(|result| result.unique_id.as_str())
                .collect(),
        )
    }
}

impl StateSources {
    /// The newest row of each source that could be asked.
    pub fn loaded_at(&self) -> HashMap<&str, Timestamp> {
        self.results
            .iter()
            .filter_map(|result| {
                let at = result.max_loaded_at.as_deref()?.parse().ok()?;
                Some((result.unique_id.as_str(), at))
            })
            .collect()
    }
}

fn kept<T>(read: Result<Option<T>, Diagnostic>, found: &mut Vec<Diagnostic>) -> Option<T> {
    match read {
        Ok(value) => value,
        Err(diagnostic) => {
            found.push(diagnostic);
            None
        }
    }
}

/// Reads one artifact; `None` where there is none.
///
/// # Errors
///
/// MSV0130 where the file is no artifact.
pub fn read_artifact<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Diagnostic> {
    let Ok(bytes) = std::fs::read(path) else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Diagnostic::error(
            "MSV0130",
            format!("`{}` is not an artifact of an earlier run", path.display()),
        )
        .at(Place::file(path.display().to_string()), "")
        .note(error.to_string())
        .help("write it again with `msv parse` or `msv build`, or name another folder")
    })
}

//! What the project file says about flags: `flags:` and `log-path`, read before anything else.
//!
//! The file is read again, with all its mistakes reported, when the project is loaded; what is
//! wrong with it is no concern of this page.

use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::{Map, Value as Json};

use crate::project::config::PROJECT_FILES;
use crate::project::yaml;

use super::arguments::GlobalArgs;
use super::workspace::project_dir;

#[derive(Debug, Default)]
struct ProjectSettings {
    flags: Map<String, Json>,
    log_path: Option<PathBuf>,
}

static SETTINGS: OnceLock<ProjectSettings> = OnceLock::new();

/// Reads the project file once, where there is one.
pub(super) fn read(global: &GlobalArgs) {
    let dir = project_dir(global);
    let text = PROJECT_FILES
        .iter()
        .find_map(|name| std::fs::read_to_string(dir.join(name)).ok());
    let Some(text) = text else {
        return;
    };
    let document = match yaml::from_str_value(&text) {
        Ok(Json::Object(document)) => document,
        _ => Map::new(),
    };
    let flags = match document.get("flags") {
        Some(Json::Object(flags)) => flags.clone(),
        _ => Map::new(),
    };
    let written = flags.get("log_path").or_else(|| document.get("log-path"));
    let log_path = written
        .and_then(Json::as_str)
        .filter(|path| !path.contains("{{"))
        .unwrap_or("logs");
    let log_path = Some(dir.join(log_path));
    let _ = SETTINGS.set(ProjectSettings { flags, log_path });
}

/// A flag of the project file as it would be typed; maps and lists as JSON, which is YAML.
pub(super) fn project_flag(flag: &str) -> Option<String> {
    let value = SETTINGS.get()?.flags.get(&flag.to_ascii_lowercase())?;
    match value {
        Json::Null => None,
        Json::String(text) if text.contains("{{") => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The folder of the log file of a project's commands.
pub(super) fn project_log_path() -> Option<PathBuf> {
    SETTINGS.get()?.log_path.clone()
}

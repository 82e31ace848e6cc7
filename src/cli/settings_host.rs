//! What templates in `profiles.yml` and the project file may ask: the environment, `--vars` and,
//! in the project file, the target.

use indexmap::IndexMap;
use minijinja::Value;
use serde_json::{Map, Value as Json};

use crate::diagnostics::Diagnostic;
use crate::jinja::value::convert::from_json;
use crate::jinja::{Database, Host, HostError, Site};
use crate::project::LANGUAGE_VERSION;
use crate::relation::Relation;

/// Answers templates before any node is known.
#[derive(Clone, Debug, Default)]
pub(super) struct SettingsHost {
    pub vars: Map<String, Json>,
    pub target: Option<Map<String, Json>>,
    /// True while profiles or packages are read.
    pub reads_secrets: bool,
}

fn not_here(call: &str) -> HostError {
    Diagnostic::error(
        "MSV0327",
        format!("`{call}()` cannot be used in a settings file"),
    )
    .help("only env_var(), var() and target are known there")
    .into()
}

impl Host for SettingsHost {
    fn package(&self) -> &str {
        "dbt"
    }

    fn is_execute(&self) -> bool {
        true
    }

    fn reference(
        &self,
        _package: Option<&str>,
        _name: &str,
        _version: Option<&Value>,
        _site: Site,
    ) -> Result<Relation, HostError> {
        Err(not_here("ref"))
    }

    fn source(&self, _source: &str, _table: &str, _site: Site) -> Result<Relation, HostError> {
        Err(not_here("source"))
    }

    fn configure(&self, _values: IndexMap<String, Value>, _site: Site) -> Result<(), HostError> {
        Err(not_here("config"))
    }

    fn config(&self, _key: &str) -> Option<Value> {
        None
    }

    fn var(&self, name: &str) -> Option<Value> {
        self.vars.get(name).map(from_json)
    }

    fn env_var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn may_read_secrets(&self) -> bool {
        self.reads_secrets
    }

    fn doc(&self, _package: Option<&str>, _name: &str) -> Result<String, HostError> {
        Err(not_here("doc"))
    }

    fn this(&self) -> Option<Relation> {
        None
    }

    fn context(&self, name: &str) -> Option<Value> {
        match name {
            "target" => self
                .target
                .as_ref()
                .map(|target| from_json(&Json::Object(target.clone()))),
            "dbt_version" => Some(Value::from(LANGUAGE_VERSION)),
            _ => None,
        }
    }

    fn database(&self) -> Option<&dyn Database> {
        None
    }

    fn log(&self, _message: &str, _is_info: bool) {}

    fn print(&self, _message: &str) {}

    fn warn(&self, _message: &str) -> bool {
        false
    }
}

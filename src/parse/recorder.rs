//! The world a template sees while it is parsed: it records what is asked for and answers with
//! placeholders. No connection exists yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use minijinja::Value;
use serde_json::{Map, Value as Json};

use msv_diagnostics::Place;
use msv_jinja::value::convert::to_json;
use msv_jinja::{Database, Host, HostError, Site};
use msv_relation::{Relation, RelationKind};

use super::invocation::Invocation;
use super::node::{FunctionCall, MetricCall, RefCall, SourceCall};
use super::shared_context::shared_value;

/// Contents of `{% docs %}` blocks by package and name.
pub type Docs = HashMap<(String, String), String>;

/// What a template asked for.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub refs: Vec<RefCall>,
    pub sources: Vec<SourceCall>,
    pub functions: Vec<FunctionCall>,
    pub metrics: Vec<MetricCall>,
    /// Ids of the macros called, in order, each once.
    pub macros: Vec<String>,
    pub config: Map<String, Json>,
    pub config_place: Option<Place>,
    /// What the template warned of.
    pub warnings: Vec<String>,
}

/// Answers a template of `package` and keeps a [`Record`].
pub(super) struct Recorder {
    pub invocation: Arc<Invocation>,
    pub docs: Arc<Docs>,
    pub package: String,
    pub this: Option<Relation>,
    /// `model`, `_dbt_generic_test_kwargs` and whatever else this template sees.
    pub extra: HashMap<&'static str, Value>,
    record: Mutex<Record>,
}

impl Recorder {
    pub(super) fn new(invocation: Arc<Invocation>, docs: Arc<Docs>, package: &str) -> Self {
        Recorder {
            invocation,
            docs,
            package: package.to_owned(),
            this: None,
            extra: HashMap::new(),
            record: Mutex::default(),
        }
    }

    pub(super) fn take(&self) -> Record {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for Recorder {
    fn package(&self) -> &str {
        &self.package
    }

    fn is_execute(&self) -> bool {
        false
    }

    fn reference(
        &self,
        package: Option<&str>,
        name: &str,
        version: Option<&Value>,
        site: Site,
    ) -> Result<Relation, HostError> {
        let place = site.place();
        self.lock().refs.push(RefCall {
            package: package.map(str::to_owned),
            name: name.to_owned(),
            version: version.map(to_json),
            place,
        });
        Ok(Relation::new(
            self.invocation.database(),
            self.invocation.schema(),
            name,
        ))
    }

    fn called(&self, macro_id: &str) {
        let mut record = self.lock();
        if !record.macros.iter().any(|known| known == macro_id) {
            record.macros.push(macro_id.to_owned());
        }
    }

    fn source(&self, source: &str, table: &str, site: Site) -> Result<Relation, HostError> {
        let place = site.place();
        self.lock().sources.push(SourceCall {
            source: source.to_owned(),
            table: table.to_owned(),
            place,
        });
        Ok(Relation::new(self.invocation.database(), source, table))
    }

    fn function(
        &self,
        package: Option<&str>,
        name: &str,
        site: Site,
    ) -> Result<Relation, HostError> {
        self.lock().functions.push(FunctionCall {
            package: package.map(str::to_owned),
            name: name.to_owned(),
            place: site.place(),
        });
        let invocation = &self.invocation;
        Ok(
            Relation::new(invocation.database(), invocation.schema(), name)
                .with_kind(RelationKind::Function),
        )
    }

    fn metric(&self, package: Option<&str>, name: &str, site: Site) -> Result<Value, HostError> {
        self.lock().metrics.push(MetricCall {
            package: package.map(str::to_owned),
            name: name.to_owned(),
            place: site.place(),
        });
        Ok(Value::from(name))
    }

    fn configure(&self, values: IndexMap<String, Value>, site: Site) -> Result<(), HostError> {
        let place = site.place();
        for (old, new) in [("pre_hook", "pre-hook"), ("post_hook", "post-hook")] {
            if values.contains_key(old) && values.contains_key(new) {
                let title = format!("the configuration has both `{old}` and `{new}`");
                let diagnostic = msv_diagnostics::Diagnostic::error("MSV0232", title)
                    .at(place, "in this call")
                    .help(format!("write all hooks in one list, below `{new}`"));
                return Err(diagnostic.into());
            }
        }
        let mut record = self.lock();
        record.config_place = Some(place);
        for (key, value) in values {
            add_to_calls(&mut record.config, &key, to_json(&value));
        }
        Ok(())
    }

    /// Empty text for every key: while parsing, the configuration is still being collected. dbt
    /// answers the same, and packages lean on it (`'unit-test' in config.get('tags')`).
    fn config(&self, _key: &str) -> Option<Value> {
        Some(Value::from(""))
    }

    fn var(&self, name: &str) -> Option<Value> {
        self.invocation.var(&self.package, name)
    }

    fn env_var(&self, name: &str) -> Option<String> {
        self.invocation.env_var(name)
    }

    fn doc(&self, package: Option<&str>, name: &str) -> Result<String, HostError> {
        find_doc(
            &self.docs,
            &self.package,
            &self.invocation.root_package,
            package,
            name,
        )
    }

    fn this(&self) -> Option<Relation> {
        self.this.clone()
    }

    fn context(&self, name: &str) -> Option<Value> {
        self.extra
            .get(name)
            .cloned()
            .or_else(|| shared_value(&self.invocation, name))
    }

    fn database(&self) -> Option<&dyn Database> {
        None
    }

    fn log(&self, _message: &str, _is_info: bool) {}

    fn print(&self, _message: &str) {}

    fn warn(&self, message: &str) -> bool {
        self.lock().warnings.push(message.to_owned());
        false
    }
}

/// The package and name of a docs block, looked up as [`find_doc`] does.
pub(super) fn doc_key<'d>(
    docs: &'d Docs,
    own: &str,
    root: &str,
    package: Option<&str>,
    name: &str,
) -> Option<&'d (String, String)> {
    let lookup = |package: &str| {
        let found = docs.get_key_value(&(package.to_owned(), name.to_owned()));
        found.map(|(key, _)| key)
    };
    match package {
        Some(package) => lookup(package),
        None => lookup(own)
            .or_else(|| lookup(root))
            .or_else(|| docs.keys().find(|(_, key)| key == name)),
    }
}

/// Adds what one call of `config()` says to what earlier calls in the same file said: hooks and
/// tags add up, mappings are merged, the rest is replaced.
fn add_to_calls(config: &mut Map<String, Json>, key: &str, value: Json) {
    let key = match key {
        "pre_hook" => "pre-hook",
        "post_hook" => "post-hook",
        other => other,
    };
    let listed = |value| match value {
        Json::Array(items) => items,
        one => vec![one],
    };
    let value = match (config.remove(key), value) {
        (Some(earlier), value) if matches!(key, "tags" | "pre-hook" | "post-hook") => {
            let mut all = listed(earlier);
            all.extend(listed(value));
            Json::Array(all)
        }
        (_, value) if key == "packages" => Json::Array(listed(value)),
        (earlier, Json::Object(value)) if key == "grants" => {
            let mut grants = match earlier {
                Some(Json::Object(earlier)) => earlier,
                _ => Map::new(),
            };
            grants.extend(
                value
                    .into_iter()
                    .map(|(privilege, roles)| (privilege, Json::Array(listed(roles)))),
            );
            Json::Object(grants)
        }
        (Some(Json::Object(mut earlier)), Json::Object(value))
            if matches!(
                key,
                "quoting" | "column_types" | "meta" | "docs" | "contract"
            ) =>
        {
            earlier.extend(value);
            Json::Object(earlier)
        }
        (_, value) => value,
    };
    config.insert(key.to_owned(), value);
}

/// Finds a docs block: in the named package, or in the template's own, the root's, then any.
pub fn find_doc(
    docs: &Docs,
    own: &str,
    root: &str,
    package: Option<&str>,
    name: &str,
) -> Result<String, HostError> {
    let found = doc_key(docs, own, root, package, name).and_then(|key| docs.get(key));
    found.cloned().ok_or_else(|| {
        let similar = msv_diagnostics::closest(name, docs.keys().map(|(_, key)| key.as_str()));
        let mut diagnostic = msv_diagnostics::Diagnostic::error(
            "MSV0214",
            format!("no docs block is named `{name}`"),
        );
        if let Some(similar) = similar {
            diagnostic = diagnostic.help(format!(
                "a docs block with a similar name exists: `{similar}`"
            ));
        }
        HostError::from(diagnostic)
    })
}

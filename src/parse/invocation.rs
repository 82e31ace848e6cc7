//! What is the same for every template of one command: variables, target, flags, time, id.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use minijinja::Value;
use serde_json::{Map, Value as Json, json};

use msv_diagnostics::{Diagnostic, closest};
use msv_jinja::value::convert::from_yaml;
use msv_project::dates::Dates;

use super::time_window::TimeWindow;

/// One command's settings as templates see them.
#[derive(Debug)]
pub struct Invocation {
    pub id: String,
    pub started_at: Timestamp,
    /// The command: `build`, `run`, `compile`, …; `flags.WHICH` of templates.
    pub which: String,
    pub root_package: String,
    /// `target` of templates: no secrets.
    pub target: Map<String, Json>,
    /// `flags` of templates, upper-case keys.
    pub flags: Arc<Map<String, Json>>,
    /// `invocation_args_dict` of templates.
    pub arguments: Map<String, Json>,
    /// From `--vars`; these win over every project file.
    pub vars: Map<String, Json>,
    /// `--event-time-start` and `--event-time-end`.
    pub event_time: Option<TimeWindow>,
    /// `--sample`: reads of tables with an `event_time` keep to it.
    pub sample: Option<TimeWindow>,
    /// `vars:` of each package's project file.
    pub package_vars: HashMap<String, Map<String, Json>>,
    /// Which of `vars` and of each package's are dates, which templates compute with.
    pub dates: Dates,
    pub package_dates: HashMap<String, Dates>,
    /// `query-comment` of the project file; `None` where it says nothing.
    pub query_comment: Option<Json>,
    /// Names of the environment variables that templates read.
    pub env_vars_read: Mutex<HashSet<String>>,
    /// Names of the variables that templates read.
    pub vars_read: Mutex<HashSet<String>>,
}

impl Invocation {
    pub fn schema(&self) -> &str {
        self.target
            .get("schema")
            .and_then(Json::as_str)
            .unwrap_or("public")
    }

    pub fn database(&self) -> &str {
        ["dbname", "database"]
            .iter()
            .find_map(|key| self.target.get(*key).and_then(Json::as_str))
            .unwrap_or("")
    }

    pub fn flag(&self, name: &str) -> bool {
        self.flags
            .get(name)
            .and_then(Json::as_bool)
            .unwrap_or(false)
    }

    /// The value of a variable as `package` sees it: `--vars`, then the root project's entry for
    /// the package, the root project, the package's own entry and the package's project file.
    pub fn var(&self, package: &str, name: &str) -> Option<Value> {
        if let Ok(mut read) = self.vars_read.lock()
            && !read.contains(name)
        {
            read.insert(name.to_owned());
        }
        if let Some(value) = self.vars.get(name) {
            return Some(from_yaml(value, &format!("/{name}"), &self.dates));
        }
        for owner in [self.root_package.as_str(), package] {
            let Some(vars) = self.package_vars.get(owner) else {
                continue;
            };
            let none = Dates::new();
            let dates = self.package_dates.get(owner).unwrap_or(&none);
            let own = vars
                .get(package)
                .and_then(Json::as_object)
                .and_then(|own| own.get(name));
            if let Some(value) = own {
                return Some(from_yaml(value, &format!("/{package}/{name}"), dates));
            }
            if let Some(value) = vars.get(name) {
                return Some(from_yaml(value, &format!("/{name}"), dates));
            }
        }
        None
    }

    /// The variables that templates read while `work` is done, by name.
    pub fn vars_read_in<T>(&self, work: impl FnOnce() -> T) -> (T, Vec<String>) {
        let take = || {
            self.vars_read
                .lock()
                .map(|mut read| std::mem::take(&mut *read))
        };
        let before = take().unwrap_or_default();
        let done = work();
        let during = take().unwrap_or_default();
        let mut names: Vec<String> = during.iter().cloned().collect();
        names.sort();
        if let Ok(mut read) = self.vars_read.lock() {
            read.extend(before.into_iter().chain(during));
        }
        (done, names)
    }

    /// Warns of variables given by `--vars` that nothing read, where another name is near: a
    /// misspelt threshold would leave every alert as it was.
    pub fn warnings_about_vars(&self) -> Vec<Diagnostic> {
        let read = self
            .vars_read
            .lock()
            .map(|read| read.clone())
            .unwrap_or_default();
        let mut known = self.var_names(&self.root_package);
        known.extend(read.iter().cloned());
        known.retain(|name| !self.vars.contains_key(name));
        self.vars
            .keys()
            .filter(|name| !read.contains(*name))
            .filter_map(|name| {
                let similar = closest(name, known.iter().map(String::as_str))?;
                Some(
                    Diagnostic::warning(
                        "MSV0123",
                        format!("`--vars` sets `{name}`, which no template reads"),
                    )
                    .help(format!(
                        "a variable with a similar name exists: `{similar}`"
                    )),
                )
            })
            .collect()
    }

    /// The names of all variables `package` sees, for suggestions.
    pub fn var_names(&self, package: &str) -> Vec<String> {
        let mut names: Vec<String> = self.vars.keys().cloned().collect();
        for owner in [self.root_package.as_str(), package] {
            let Some(vars) = self.package_vars.get(owner) else {
                continue;
            };
            names.extend(vars.keys().cloned());
            if let Some(own) = vars.get(package).and_then(Json::as_object) {
                names.extend(own.keys().cloned());
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// A variable of the environment. Names that begin with `DBT_ENV_SECRET` or `MSV_ENV_SECRET`
    /// are refused outside the profile: their values would end up in artifacts.
    pub fn env_var(&self, name: &str) -> Option<String> {
        let value = std::env::var(name).ok()?;
        if let Ok(mut read) = self.env_vars_read.lock() {
            read.insert(name.to_owned());
        }
        Some(value)
    }

    /// The variables `DBT_ENV_CUSTOM_ENV_X`, under the name `X`, as artifacts carry them.
    pub fn metadata_env(&self) -> Map<String, Json> {
        std::env::vars()
            .filter_map(|(name, value)| {
                let name = name.strip_prefix("DBT_ENV_CUSTOM_ENV_")?.to_owned();
                Some((name, json!(value)))
            })
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn object(value: Json) -> Map<String, Json> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn the_root_project_overrides_a_package_and_the_command_line_both() {
        let invocation = Invocation {
            id: "i".into(),
            started_at: Timestamp::UNIX_EPOCH,
            which: "run".into(),
            root_package: "root".into(),
            target: Map::new(),
            flags: Arc::new(Map::new()),
            arguments: Map::new(),
            event_time: None,
            sample: None,
            vars: object(json!({"c": "cli"})),
            package_vars: HashMap::from([
                (
                    "root".into(),
                    object(json!({"a": "root", "c": "root", "pkg": {"b": "for pkg"}})),
                ),
                (
                    "pkg".into(),
                    object(json!({"a": "pkg", "b": "pkg", "d": "pkg"})),
                ),
            ]),
            dates: Dates::new(),
            package_dates: HashMap::from([("root".into(), Dates::from(["/pkg/b".into()]))]),
            query_comment: None,
            env_vars_read: Mutex::default(),
            vars_read: Mutex::default(),
        };
        let seen = |name| {
            invocation
                .var("pkg", name)
                .and_then(|v| v.as_str().map(str::to_owned))
        };
        assert_eq!(seen("a").as_deref(), Some("root"));
        assert_eq!(seen("b").as_deref(), Some("for pkg"));
        assert_eq!(seen("c").as_deref(), Some("cli"));
        assert_eq!(seen("d").as_deref(), Some("pkg"));
        assert_eq!(seen("e"), None);
        assert_eq!(invocation.var("root", "b"), None);
    }
}

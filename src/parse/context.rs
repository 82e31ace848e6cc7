//! What all parts of parsing share: the project, the template engine, this command's settings.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use rayon::prelude::*;
use regex::Regex;
use serde_json::{Map, Value as Json};

use msv_diagnostics::{Diagnostic, Place};
use msv_jinja::value::convert::to_json;
use msv_jinja::{Engine, Host};
use msv_project::{Package, Project};
use msv_relation::QuotePolicy;

use super::config::Config;
use super::invocation::Invocation;
use super::layers::levels;
use super::naming::KnownNames;
use super::node::{Node, ResourceType};
use super::recorder::{Docs, Recorder, doc_key};

/// What a project file configures for one kind of resource.
pub(super) struct Tree {
    pub rendered: Json,
    /// The same with its templates, so that what differs between targets is no change.
    pub written: Option<Json>,
}

/// Borrowed by every step of parsing.
pub(super) struct ParseContext<'p> {
    pub project: &'p Project,
    pub invocation: Arc<Invocation>,
    pub engine: Arc<Engine>,
    pub docs: Arc<Docs>,
    /// Configuration trees as plain data, by package and resource type.
    pub trees: HashMap<(String, ResourceType), Tree>,
    pub known_names: KnownNames,
}

impl<'p> ParseContext<'p> {
    /// A switch of `flags:` in the project file.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        let flags = &self.project.root.config.flags;
        flags.get(name).and_then(Json::as_bool).unwrap_or(default)
    }

    pub(super) fn packages(&self) -> impl Iterator<Item = &'p Package> {
        let project = self.project;
        std::iter::once(&project.root).chain(&project.packages)
    }

    /// Defaults, then what the package's project file says, then what the root project's says.
    pub(super) fn project_config(
        &self,
        package: &str,
        resource_type: ResourceType,
        fqn: &[String],
    ) -> (Config, Map<String, Json>) {
        let mut config = Config::defaults(resource_type);
        let mut written = Map::new();
        self.lay_over(package, resource_type, fqn, &mut config, &mut written);
        (config, written)
    }

    /// Lays what the root project says about a package's node over all that the package says,
    /// in its files too: whoever installs a package has the last word.
    pub(super) fn root_config(
        &self,
        package: &str,
        resource_type: ResourceType,
        fqn: &[String],
        config: &mut Config,
        written: &mut Map<String, Json>,
    ) {
        let root = self.invocation.root_package.as_str();
        if package != root {
            self.lay_over(root, resource_type, fqn, config, written);
        }
    }

    fn lay_over(
        &self,
        owner: &str,
        resource_type: ResourceType,
        fqn: &[String],
        config: &mut Config,
        written: &mut Map<String, Json>,
    ) {
        let Some(tree) = self.trees.get(&(owner.to_owned(), resource_type)) else {
            return;
        };
        for level in levels(&tree.rendered, fqn) {
            config.merge(&level);
        }
        let as_written = tree.written.as_ref().unwrap_or(&tree.rendered);
        for level in levels(as_written, fqn) {
            written.extend(level);
        }
    }

    pub(super) fn host(&self, package: &str) -> Recorder {
        Recorder::new(
            Arc::clone(&self.invocation),
            Arc::clone(&self.docs),
            package,
        )
    }

    /// Renders the templates in a properties value; hooks stay as they are until they run.
    pub(super) fn render_value(
        &self,
        value: &Json,
        host: &Arc<Recorder>,
        place: &Place,
        found: &mut Vec<Diagnostic>,
    ) -> Json {
        match value {
            Json::String(text) if is_template(text) => {
                match self
                    .engine
                    .evaluate(text, Arc::clone(host) as Arc<dyn Host>)
                {
                    Ok(value) => to_json(&value),
                    Err(diagnostic) => {
                        found.push(placed(*diagnostic, place));
                        value.clone()
                    }
                }
            }
            Json::Array(items) => items
                .iter()
                .map(|item| self.render_value(item, host, place, found))
                .collect(),
            Json::Object(entries) => {
                let rendered: Map<String, Json> = entries
                    .iter()
                    .map(|(key, value)| {
                        let is_hook = matches!(
                            key.as_str(),
                            "pre-hook" | "post-hook" | "pre_hook" | "post_hook"
                        );
                        let value = if is_hook {
                            value.clone()
                        } else {
                            self.render_value(value, host, place, found)
                        };
                        (key.clone(), value)
                    })
                    .collect();
                Json::Object(rendered)
            }
            // Rendering takes one newline off the end, whether there is a template or not.
            Json::String(text) if text.ends_with('\n') => Json::from(&text[..text.len() - 1]),
            _ => value.clone(),
        }
    }

    /// Renders a description: the only templates in it are `doc()` and variables.
    pub(super) fn render_description(
        &self,
        text: &str,
        host: &Arc<Recorder>,
        place: &Place,
        found: &mut Vec<Diagnostic>,
    ) -> String {
        if !is_template(text) {
            return text.to_owned();
        }
        match self
            .engine
            .evaluate(text, Arc::clone(host) as Arc<dyn Host>)
        {
            Ok(value) => value.to_string(),
            Err(diagnostic) => {
                found.push(placed(*diagnostic, place));
                text.to_owned()
            }
        }
    }

    /// The ids of the docs blocks that a description names, for readers of the manifest.
    pub(super) fn doc_blocks(&self, text: &str, package: &str) -> Vec<String> {
        static CALL: LazyLock<Regex> = LazyLock::new(|| {
            let name = r#"\s*['"]([^'"]+)['"]\s*"#;
            Regex::new(&format!(r"\{{\{{-?\s*doc\({name}(?:,{name})?\)"))
                .expect("a constant pattern is valid")
        });
        if !is_template(text) {
            return Vec::new();
        }
        let root = &self.invocation.root_package;
        CALL.captures_iter(text)
            .filter_map(|call| {
                let (first, second) = (call.get(1)?.as_str(), call.get(2));
                let (package_name, name) = match second {
                    Some(name) => (Some(first), name.as_str()),
                    None => (None, first),
                };
                let key = doc_key(&self.docs, package, root, package_name, name)?;
                Some(format!("doc.{}.{}", key.0, key.1))
            })
            .collect()
    }

    /// How every node is quoted; as in dbt, `quoting` in a node's configuration has no effect.
    pub(super) fn project_quoting(&self) -> QuotePolicy {
        let quoting = &self.project.root.config.quoting;
        QuotePolicy {
            database: quoting.database.unwrap_or(true),
            schema: quoting.schema.unwrap_or(true),
            identifier: quoting.identifier.unwrap_or(true),
        }
    }
}

/// Makes a node of each item on all cores; nodes and mistakes stay in the items' order.
pub(super) fn make_nodes<T: Sync>(
    items: &[T],
    found: &mut Vec<Diagnostic>,
    make: impl Fn(&T, &mut Vec<Diagnostic>) -> Option<Node> + Sync,
) -> Vec<Arc<Node>> {
    let made: Vec<(Option<Arc<Node>>, Vec<Diagnostic>)> = items
        .par_iter()
        .map(|item| {
            let mut found = Vec::new();
            let node = make(item, &mut found).map(Arc::new);
            (node, found)
        })
        .collect();
    let mut nodes = Vec::with_capacity(made.len());
    for (node, mistakes) in made {
        found.extend(mistakes);
        nodes.extend(node);
    }
    nodes
}

pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Points a diagnostic at the properties file when the template itself is not a file.
pub(super) fn placed(diagnostic: Diagnostic, place: &Place) -> Diagnostic {
    match &diagnostic.place {
        Some(at) if !at.text.is_empty() && !at.file.starts_with('<') => diagnostic,
        _ => diagnostic.at(place.clone(), "in this template"),
    }
}

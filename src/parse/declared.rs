//! Makes nodes of what only properties declare: exposures, semantic models, metrics, saved queries.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use msv_diagnostics::{Diagnostic, Place};
use msv_project::properties::{ConfigBlock, Origin};
use msv_project::{Package, Spanned};

use super::context::ParseContext;
use super::node::{Details, Node, ResourceType};
use super::recorder::Recorder;

/// What is known of a declared node before it is made.
pub(super) struct Maker<'m, 'p> {
    pub context: &'m ParseContext<'p>,
    package: &'m Package,
    pub origin: &'m Origin,
    pub place: Place,
    pub host: Arc<Recorder>,
}

impl<'m, 'p> Maker<'m, 'p> {
    pub(super) fn new(
        context: &'m ParseContext<'p>,
        package: &'m Package,
        origin: &'m Origin,
        name: &Spanned<String>,
    ) -> Self {
        Maker {
            context,
            package,
            origin,
            place: origin.place_of(&name.span),
            host: Arc::new(context.host(&package.name)),
        }
    }

    /// A node with its names, folders and configuration, and an empty record.
    pub(super) fn node(
        &self,
        kind: ResourceType,
        name: &str,
        block: &ConfigBlock,
        found: &mut Vec<Diagnostic>,
    ) -> Node {
        let package = &self.package.name;
        let folders = super::sources::folders_of(self.package, &self.origin.path);
        let file = self.origin.path.rsplit('/').next();
        let file = file.unwrap_or(&self.origin.path);
        let path: Vec<&str> = folders.iter().map(String::as_str).chain([file]).collect();
        let path = path.join("/");
        let mut fqn = vec![package.clone()];
        fqn.extend(folders);
        fqn.push(name.to_owned());
        let (mut config, mut written) = self.context.project_config(package, kind, &fqn);
        if matches!(kind, ResourceType::SemanticModel | ResourceType::SavedQuery) {
            // dbt does not find what a project file says of them under the key it looks for.
            written.clear();
        }
        written.extend(block.values.clone());
        let block = self.render(&Json::Object(block.values.clone()), found);
        if let Json::Object(block) = block {
            config.merge(&block);
        }
        let mut of_root = Map::new();
        self.context
            .root_config(package, kind, &fqn, &mut config, &mut of_root);
        if !matches!(kind, ResourceType::SemanticModel | ResourceType::SavedQuery) {
            written.extend(of_root);
        }
        let group = config.str("group").map(str::to_owned);
        Node {
            path,
            original_file_path: self.origin.path.to_string(),
            fqn,
            config,
            group,
            unrendered_config: Json::Object(written),
            ..Node::new(
                format!("{}.{package}.{name}", kind.as_str()),
                kind,
                package,
                name,
                Details::Analysis,
                self.place.clone(),
            )
        }
    }

    pub(super) fn render(&self, value: &Json, found: &mut Vec<Diagnostic>) -> Json {
        self.context
            .render_value(value, &self.host, &self.place, found)
    }

    pub(super) fn description(&self, text: &str, found: &mut Vec<Diagnostic>) -> String {
        self.context
            .render_description(text, &self.host, &self.place, found)
    }

    /// Renders everything but filters, whose templates belong to the query that uses them.
    pub(super) fn render_record(&self, record: &Json, found: &mut Vec<Diagnostic>) -> Json {
        match record {
            Json::Object(entries) => entries
                .iter()
                .map(|(key, value)| {
                    let value = match (key.as_str(), value) {
                        ("filter" | "where", value) => value.clone(),
                        ("description", Json::String(text)) => json!(self.description(text, found)),
                        (_, value) => self.render_record(value, found),
                    };
                    (key.clone(), value)
                })
                .collect::<Map<String, Json>>()
                .into(),
            Json::Array(items) => items
                .iter()
                .map(|item| self.render_record(item, found))
                .collect(),
            value => self.render(value, found),
        }
    }
}

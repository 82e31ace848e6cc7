//! Finds the inputs of a model as a unit test names them, and where their rows lie.

use std::sync::Arc;

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::parse::{Node, ResourceType};
use crate::postgres::catalog;

use super::links::RowSource;
use super::{Input, Outcome, Sampler};

impl Sampler<'_> {
    /// The inputs in the order in which the template names them, sources first.
    pub(super) fn find_inputs(&self) -> Outcome<Vec<Input>> {
        let graph = &self.compiler.graph;
        let package = &self.model.package_name;
        let mut named: Vec<(String, &Node)> = Vec::new();
        for call in &self.model.sources {
            let text = format!("source('{}', '{}')", call.source, call.table);
            let found = graph.find_source(package, &call.source, &call.table);
            named.extend(found.enabled().map(|node| (text, node)));
        }
        for call in &self.model.refs {
            let mut text = match &call.package {
                Some(package) => format!("ref('{package}', '{}'", call.name),
                None => format!("ref('{}'", call.name),
            };
            if let Some(version) = &call.version {
                text.push_str(&format!(", v={version}").replace('"', "'"));
            }
            text.push(')');
            let (of, name, version) = (call.package.as_deref(), &call.name, call.version.as_ref());
            let found = graph.find_ref(package, of, name, version);
            named.extend(found.enabled().map(|node| (text, node)));
        }
        let mut inputs: Vec<Input> = Vec::new();
        for (text, node) in named {
            let is_known = |input: &Input| {
                let known = input.node.as_ref();
                known.is_some_and(|known| known.unique_id == node.unique_id)
            };
            if node.resource_type == ResourceType::Function || inputs.iter().any(is_known) {
                continue;
            }
            let node = Arc::new(node.clone());
            let source = self.source_of(&node)?;
            inputs.push(Input {
                text,
                node: Some(node),
                source,
            });
        }
        Ok(inputs)
    }

    fn source_of(&self, node: &Arc<Node>) -> Outcome<RowSource> {
        if node.is_ephemeral() {
            let compiled = self.compiler.compile(node, Some(self.database()))?;
            let columns = catalog::query_columns(&mut self.adapter.session(), &compiled.sql)
                .map_err(|error| self.refused(&compiled.sql, &compiled, &error))?;
            let from = format!("(\n{}\n)", compiled.sql);
            return Ok(RowSource {
                estimate: self.estimate(&from)?,
                from,
                name: node.name.clone(),
                columns: columns
                    .into_iter()
                    .map(|column| (column.name, column.type_name))
                    .collect(),
                ..RowSource::default()
            });
        }
        let deferral = self.compiler.settings.deferral.as_ref();
        let earlier = deferral.and_then(|deferral| deferral.relation(&node.unique_id));
        for relation in [node.relation.as_ref(), earlier].into_iter().flatten() {
            let (schema, name) = (relation.schema_name(), relation.name());
            let columns = catalog::columns(&mut self.adapter.session(), schema, name)
                .map_err(|error| self.refused("", &Compiled::default(), &error))?;
            if !columns.is_empty() {
                return self.relation_source(relation, columns, &node.name);
            }
        }
        let diagnostic = Diagnostic::error(
            "MSV0363",
            format!(
                "`{}`, which `{}` reads, is not there to take rows from",
                node.name, self.model.name
            ),
        )
        .at(self.model.place.clone(), "this model reads it");
        Err(Box::new(match node.resource_type {
            ResourceType::Source => diagnostic.help("load the source first"),
            _ => diagnostic.help(format!("build it first: msv build --select +{}", node.name)),
        }))
    }
}

//! Properties of one package that describe a resource of another, as dbt allows them to.

use std::collections::{HashMap, HashSet};

use msv_project::properties::ModelProperties;
use msv_project::{FileKind, Package};

use super::node::ResourceType;

/// What properties say about files of other packages, and which files there are.
#[derive(Debug, Default)]
pub(super) struct Foreign<'p> {
    described: HashMap<(ResourceType, &'p str), (&'p Package, &'p ModelProperties)>,
    files: HashSet<(ResourceType, &'p str)>,
}

impl<'p> Foreign<'p> {
    pub(super) fn new(packages: impl Iterator<Item = &'p Package>) -> Self {
        let mut foreign = Foreign::default();
        for package in packages {
            let own: HashSet<(ResourceType, &str)> = package
                .files
                .iter()
                .filter_map(|file| Some((resource_type(file.kind)?, file.stem())))
                .collect();
            for (kind, known) in [
                (ResourceType::Model, &package.properties.models),
                (ResourceType::Seed, &package.properties.seeds),
            ] {
                for properties in known {
                    let key = (kind, properties.name.value.as_str());
                    if !own.contains(&key) && properties.versions.is_empty() {
                        foreign
                            .described
                            .entry(key)
                            .or_insert((package, properties));
                    }
                }
            }
            foreign.files.extend(own);
        }
        foreign
    }

    /// What another package says about a file that its own does not describe.
    pub(super) fn of(
        &self,
        resource_type: ResourceType,
        stem: &str,
    ) -> Option<(&'p Package, &'p ModelProperties)> {
        self.described.get(&(resource_type, stem)).copied()
    }

    /// Whether some package has such a file.
    pub(super) fn has_file(&self, resource_type: ResourceType, stem: &str) -> bool {
        self.files.contains(&(resource_type, stem))
    }
}

fn resource_type(kind: FileKind) -> Option<ResourceType> {
    match kind {
        FileKind::Model | FileKind::PythonModel => Some(ResourceType::Model),
        FileKind::Seed => Some(ResourceType::Seed),
        _ => None,
    }
}

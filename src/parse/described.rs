//! Which properties describe a template file: by the file's name, or as a version of a model.

use std::collections::{HashMap, HashSet};

use msv_project::Package;
use msv_project::properties::{ModelProperties, VersionProperties};

use super::patch::latest_version;
use super::resources::plain;

/// The properties of one kind of resource, by the name of the file they describe.
#[derive(Debug, Default)]
pub(super) struct Described<'p> {
    by_name: HashMap<&'p str, &'p ModelProperties>,
    by_version_file: HashMap<String, (&'p ModelProperties, &'p VersionProperties)>,
}

impl<'p> Described<'p> {
    /// Where two properties describe one file the first counts, so nearer ones come first.
    pub(super) fn new(
        package: &Package,
        properties: impl Iterator<Item = &'p ModelProperties>,
    ) -> Self {
        let mut described = Described::default();
        let mut files: Option<HashSet<&str>> = None;
        for properties in properties {
            let name = properties.name.value.as_str();
            described.by_name.entry(name).or_insert(properties);
            if properties.versions.is_empty() {
                continue;
            }
            let files =
                files.get_or_insert_with(|| package.files.iter().map(|file| file.stem()).collect());
            let latest = latest_version(properties);
            for version in &properties.versions {
                let mut file = file_of(properties, version);
                // The latest version may stand in a file without a suffix.
                if latest.as_ref() == Some(&version.v) && !files.contains(file.as_str()) {
                    name.clone_into(&mut file);
                }
                described
                    .by_version_file
                    .entry(file)
                    .or_insert((properties, version));
            }
        }
        described
    }

    /// What describes the file of this name without extension.
    pub(super) fn of(
        &self,
        stem: &str,
    ) -> (Option<&'p ModelProperties>, Option<&'p VersionProperties>) {
        match self.by_version_file.get(stem) {
            Some((properties, version)) => (Some(properties), Some(version)),
            None => (self.by_name.get(stem).copied(), None),
        }
    }
}

/// The file, without extension, that holds a version of a model.
fn file_of(properties: &ModelProperties, version: &VersionProperties) -> String {
    match &version.defined_in {
        Some(file) => file.trim_end_matches(".sql").to_owned(),
        None => format!("{}_v{}", properties.name.value, plain(&version.v)),
    }
}

//! The lock file: which version of each package was chosen, and for which wishes.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value as Json, json};
use sha1::{Digest, Sha1};

use crate::diagnostics::Diagnostic;
use crate::project::requirements::{Requirement, requirements_of};
use crate::project::{Render, yaml};

use super::resolve::{Pinned, PinnedSource};

pub(super) const LOCK_FILE: &str = "package-lock.yml";
const HASH_KEY: &str = "sha1_hash";

/// What a lock file says.
pub(super) struct Lock {
    pub(super) hash: Option<String>,
    pub(super) requirements: Vec<Requirement>,
}

/// Reads the lock file of a project; `None` where there is none.
pub(super) fn read(dir: &Path, render: Render) -> Result<Option<Lock>, Vec<Diagnostic>> {
    let path = dir.join(LOCK_FILE);
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Ok(None);
    };
    let document = yaml::parse(LOCK_FILE, text).map_err(|error| vec![error])?;
    let hash = document.root.get(HASH_KEY).and_then(|node| node.as_str());
    Ok(Some(Lock {
        hash: hash.map(str::to_owned),
        requirements: requirements_of(&document, Some(render))?,
    }))
}

/// Hashes the wishes as dbt does, so that either program believes the other's lock file.
pub(super) fn hash(requirements: &[Requirement]) -> String {
    let mut entries: Vec<String> = requirements
        .iter()
        .map(|requirement| python_json(&requirement.hashed()))
        .collect();
    entries.sort();
    let digest = Sha1::digest(entries.join("\n").as_bytes());
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes the lock file in the form dbt gives it: keys in alphabetical order, entries indented.
pub(super) fn write(dir: &Path, pinned: &[Pinned], hash: &str) -> std::io::Result<()> {
    let mut text = String::from("packages:\n");
    for package in pinned {
        let mut mark = "  - ";
        for (key, value) in entry(package) {
            let line = yaml::to_yaml(&Json::Object(Map::from_iter([(key, value)])));
            text.push_str(mark);
            text.push_str(&line);
            mark = "    ";
        }
    }
    if pinned.is_empty() {
        text = String::from("packages: []\n");
    }
    text.push_str(&format!("{HASH_KEY}: {hash}\n"));
    std::fs::write(dir.join(LOCK_FILE), text)
}

fn entry(package: &Pinned) -> Map<String, Json> {
    let mut entry = match &package.source {
        PinnedSource::Hub {
            package, version, ..
        } => json!({"package": package, "version": version}),
        PinnedSource::Git {
            written,
            revision,
            subdirectory,
            ..
        } => match subdirectory {
            Some(below) => json!({"git": written, "revision": revision, "subdirectory": below}),
            None => json!({"git": written, "revision": revision}),
        },
        PinnedSource::Local { written, .. } => json!({"local": written}),
        PinnedSource::Tarball { written, .. } => json!({"tarball": written}),
    };
    entry["name"] = Json::from(package.project_name.as_str());
    let mut entry = match entry {
        Json::Object(entry) => entry,
        _ => Map::new(),
    };
    entry.sort_keys();
    entry
}

/// JSON as Python's `json.dumps(…, sort_keys=True)` writes it.
fn python_json(value: &Json) -> String {
    match value {
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(python_json).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", python_text(key), python_json(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Json::String(text) => python_text(text),
        other => other.to_string(),
    }
}

fn python_text(text: &str) -> String {
    let mut out = String::new();
    for letter in Json::from(text).to_string().chars() {
        if letter.is_ascii() {
            out.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // The expected hash was computed by dbt-core 1.11 for the same file.
    #[test]
    fn the_hash_is_that_of_dbt() {
        let text = "\
packages:
  - package: dbt-labs/dbt_utils
    version: [\">=0.8.0\", 1.0]
  - package: a/b
    version: 1.0
    install_prerelease: true
  - package: a/c
    version: 1.0.0
    install_prerelease: true
  - git: \"https://{{ 'x' }}/é.git\"
    revision: 1.10
    warn-unpinned: false
  - git: \"file:///x\"
    subdirectory: sub/x
  - local: ../x
  - tarball: https://x/y.tgz
    name: y
";
        let document = yaml::parse("packages.yml", text).expect("YAML");
        let requirements = requirements_of(&document, None).expect("packages");
        assert_eq!(
            hash(&requirements),
            "69c5c4492fa19b45a33f411b39442a76944323b4"
        );
    }
}

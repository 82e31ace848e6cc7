//! Reads what a project asks to be installed: `packages.yml`, `dependencies.yml`, and the head of
//! the project file. Fetching it is `msv deps`' work.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::config::open_project_file;
use crate::fields::{Fields, Unknown};
use crate::node::{Document, Node, Value};
use crate::{Render, mistake, template, yaml};
use msv_diagnostics::{Diagnostic, Place};

const PACKAGES_FILE: &str = "packages.yml";
const DEPENDENCIES_FILE: &str = "dependencies.yml";

/// Where a package comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Hub {
        /// `dbt-labs/dbt_utils`
        package: String,
        /// As written: `>=1.0.0`, or one text with commas.
        versions: Vec<String>,
        takes_prerelease: bool,
    },
    Git {
        url: String,
        revision: Option<String>,
        subdirectory: Option<String>,
        warns_unpinned: bool,
    },
    Local {
        path: String,
    },
    Tarball {
        url: String,
        name: String,
    },
}

/// One entry of `packages:`.
#[derive(Clone, Debug)]
pub struct Requirement {
    pub origin: Origin,
    /// The entry before its templates were rendered: what may be written to a file.
    pub written: Map<String, Json>,
    rendered: Map<String, Json>,
    /// `None` for what a package asks for itself.
    pub place: Option<Place>,
}

/// What `msv deps` needs to know of a project.
#[derive(Clone, Debug)]
pub struct ProjectHead {
    pub name: String,
    pub version: Option<String>,
    pub packages_install_path: String,
    /// The file that names the packages, where one does.
    pub file: Option<&'static str>,
    pub requirements: Vec<Requirement>,
}

impl Requirement {
    /// The entry as dbt counts it into the hash of its lock file: every key, in JSON.
    pub fn hashed(&self) -> Json {
        let value = |key: &str| self.rendered.get(key).cloned().unwrap_or(Json::Null);
        let mut entry = match &self.origin {
            Origin::Hub { .. } => json!({
                "package": value("package"),
                "version": value("version"),
                "install_prerelease": match value("install_prerelease") {
                    Json::Null => Json::Bool(false),
                    given => given,
                },
            }),
            Origin::Git { .. } => json!({
                "git": value("git"),
                "revision": value("revision"),
                "subdirectory": value("subdirectory"),
                "warn-unpinned": value("warn-unpinned"),
            }),
            Origin::Local { .. } => json!({"local": value("local")}),
            Origin::Tarball { .. } => json!({"tarball": value("tarball"), "name": value("name")}),
        };
        entry["unrendered"] = Json::Object(self.written.clone());
        if let Some(name) = self.rendered.get("name").filter(|name| !name.is_null()) {
            entry["name"] = name.clone();
        }
        entry
    }
}

/// Reads name, version and requirements of the project in `dir`; `prefix` stands before file names
/// in messages.
///
/// # Errors
///
/// There is no project file, one of the files is not YAML, or an entry of `packages` is wrong.
pub fn read_head(dir: &Path, prefix: &str, render: Render) -> Result<ProjectHead, Vec<Diagnostic>> {
    let document = open_project_file(dir, prefix).map_err(|error| vec![error])?;
    let text = |key: &str| -> Result<Option<String>, Vec<Diagnostic>> {
        let Some(node) = document.root.get(key).filter(|node| !node.is_null()) else {
            return Ok(None);
        };
        let value = match node.is_template() {
            true => template::render_text(&document, node, render).map_err(|error| vec![error])?,
            false => node.to_json(),
        };
        Ok(Some(match value {
            Json::String(text) => text,
            other => other.to_string(),
        }))
    };
    let owner = format!("`{}`", document.file);
    let Some(name) = text("name")? else {
        let span = &document.root.span;
        return Err(vec![mistake::missing_key(
            &document,
            span,
            &owner,
            "name",
            "my_project",
        )]);
    };
    let mut head = ProjectHead {
        name,
        version: text("version")?,
        packages_install_path: text("packages-install-path")?
            .unwrap_or_else(|| "dbt_packages".to_owned()),
        file: None,
        requirements: Vec::new(),
    };
    let mut found = Vec::new();
    if let Some((file, document)) = packages_document(dir, prefix, &mut found) {
        head.file = Some(file);
        // dbt takes the packages of `dependencies.yml` as they are written.
        let render = (file == PACKAGES_FILE).then_some(render);
        head.requirements = read_requirements(&document, render, &mut found);
    }
    match found.iter().any(Diagnostic::is_error) {
        true => Err(found),
        false => Ok(head),
    }
}

/// Reads the requirements of a lock file or of a package in an index.
///
/// # Errors
///
/// An entry is wrong.
pub fn requirements_of(
    document: &Document,
    render: Option<Render>,
) -> Result<Vec<Requirement>, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let read = read_requirements(document, render, &mut found);
    match found.is_empty() {
        true => Ok(read),
        false => Err(found),
    }
}

/// The file that names the packages of the project in `dir`, with its name.
pub(super) fn packages_document(
    dir: &Path,
    prefix: &str,
    found: &mut Vec<Diagnostic>,
) -> Option<(&'static str, Document)> {
    let packages = open(dir, prefix, PACKAGES_FILE, found);
    let dependencies = open(dir, prefix, DEPENDENCIES_FILE, found);
    let asks = |document: &Option<Document>, key: &str| {
        document
            .as_ref()
            .and_then(|document| document.root.get(key))
            .map(|node| node.span.clone())
    };
    if let (Some(packages), Some(span)) = (&packages, asks(&packages, "projects")) {
        found.push(
            Diagnostic::error("MSV0160", "`packages.yml` has no key `projects`")
                .at(mistake::first_line(packages, &span), "")
                .help("put it into `dependencies.yml`"),
        );
    }
    if let (Some(first), Some(one), Some(second), Some(two)) = (
        &packages,
        asks(&packages, "packages"),
        &dependencies,
        asks(&dependencies, "packages"),
    ) {
        found.push(
            Diagnostic::error(
                "MSV0160",
                "`packages` is given in `packages.yml` and in `dependencies.yml`",
            )
            .at(mistake::first_line(second, &two), "given here")
            .also(mistake::first_line(first, &one), "and here")
            .help("keep it in one of the two files"),
        );
    }
    match (packages, dependencies) {
        (_, Some(document)) if document.root.get("packages").is_some() => {
            Some((DEPENDENCIES_FILE, document))
        }
        (Some(document), _) => Some((PACKAGES_FILE, document)),
        _ => None,
    }
}

fn open(dir: &Path, prefix: &str, name: &str, found: &mut Vec<Diagnostic>) -> Option<Document> {
    let path = dir.join(name);
    if !path.is_file() {
        return None;
    }
    let shown = format!("{prefix}{name}");
    match mistake::read_text(&path, &shown).and_then(|text| yaml::parse(shown, text)) {
        Ok(document) => Some(document),
        Err(diagnostic) => {
            found.push(diagnostic);
            None
        }
    }
}

fn read_requirements(
    document: &Document,
    render: Option<Render>,
    found: &mut Vec<Diagnostic>,
) -> Vec<Requirement> {
    if document.root.is_null() {
        return Vec::new();
    }
    let file = format!("`{}`", document.file);
    let Some(mut fields) = Fields::open(document, &document.root, file, found) else {
        return Vec::new();
    };
    let entries = fields.list("packages");
    found.append(&mut fields.found);
    entries
        .iter()
        .filter_map(|entry| read_requirement(document, entry, render, found))
        .collect()
}

fn read_requirement(
    document: &Document,
    entry: &Node,
    render: Option<Render>,
    found: &mut Vec<Diagnostic>,
) -> Option<Requirement> {
    let before = found.len();
    let mut rendered = entry.clone();
    if let Some(render) = render {
        template::render_node(document, &mut rendered, render, found);
    }
    let mut fields = Fields::open(document, &rendered, "an entry of `packages`", found)?;
    let place = mistake::first_line(document, &entry.span);
    let origin = read_origin(&mut fields, &place);
    fields.raw("name");
    if origin.is_some() {
        fields.finish(Unknown::Error, found);
    } else {
        found.append(&mut fields.found);
    }
    let origin = origin.filter(|_| found.len() == before)?;
    let map = |node: &Node| match node.to_json() {
        Json::Object(entries) => entries,
        _ => Map::new(),
    };
    Some(Requirement {
        origin,
        written: map(entry),
        rendered: map(&rendered),
        place: (!document.file.is_empty()).then_some(place),
    })
}

fn read_origin(fields: &mut Fields, place: &Place) -> Option<Origin> {
    if let Some(package) = given(fields, "package") {
        fields.owner = format!("package `{package}`");
        let takes_prerelease = fields.boolean("install_prerelease").unwrap_or(false);
        let versions = versions(fields);
        if !package.contains('/') {
            fields.found.push(
                Diagnostic::error("MSV0160", format!("package `{package}` has no namespace"))
                    .at(place.clone(), "")
                    .help(format!("write who publishes it: `dbt-labs/{package}`")),
            );
        }
        return Some(Origin::Hub {
            package,
            versions: versions?,
            takes_prerelease,
        });
    }
    if let Some(url) = given(fields, "git") {
        fields.owner = format!("package `{url}`");
        return Some(Origin::Git {
            url,
            revision: fields.text_or_number("revision"),
            subdirectory: fields.string("subdirectory"),
            warns_unpinned: fields.boolean("warn-unpinned").unwrap_or(true),
        });
    }
    if let Some(path) = given(fields, "local") {
        return Some(Origin::Local { path });
    }
    if let Some(url) = given(fields, "tarball") {
        fields.owner = format!("package `{url}`");
        let name = fields.required_text("name", "my_package")?.value;
        return Some(Origin::Tarball { url, name });
    }
    let diagnostic = match fields.string("private") {
        Some(name) => Diagnostic::error(
            "MSV0160",
            format!("`private: {name}` needs dbt's platform to be found"),
        )
        .help("write `git:` with the address of the repository"),
        None if fields.found.is_empty() => {
            Diagnostic::error("MSV0160", "this entry does not say where the package is")
                .help("write `package:`, `git:`, `local:` or `tarball:`")
        }
        None => return None,
    };
    fields.found.push(diagnostic.at(place.clone(), ""));
    None
}

/// The text under `key`; an empty one is a mistake, as where a variable is not set.
fn given(fields: &mut Fields, key: &'static str) -> Option<String> {
    let text = fields.text(key)?;
    if text.trim().is_empty() {
        let owner = format!("`{key}` of a package is empty");
        fields
            .error("MSV0160", owner, &text.span)
            .help
            .push("write where the package is".to_owned());
        return None;
    }
    Some(text.value)
}

/// `version` of a hub package: text, a number, or a list of them.
fn versions(fields: &mut Fields) -> Option<Vec<String>> {
    let Some(node) = fields.present("version") else {
        fields.missing("version", "[\">=1.0.0\", \"<2.0.0\"]");
        return None;
    };
    let parts = match &node.value {
        Value::List(elements) => elements.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let texts = parts.iter().map(|part| match part.to_json() {
        Json::String(text) => text,
        other => other.to_string(),
    });
    Some(
        texts
            .flat_map(|text| {
                text.split(',')
                    .map(|part| part.trim().to_owned())
                    .collect::<Vec<_>>()
            })
            .collect(),
    )
}

/// A document that stands in no file, such as an entry of an index.
pub fn unwritten_document(packages: &Json) -> Document {
    let root = Node::from_json(&json!({"packages": packages}), &(0..0));
    Document {
        file: "".into(),
        text: Arc::from(""),
        root,
        warnings: Vec::new(),
    }
}

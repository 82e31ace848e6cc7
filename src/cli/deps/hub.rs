//! Asks an index which versions of a package there are.
//!
//! The index is dbt's public one, another of the same form (`DBT_PACKAGE_HUB_URL`), or a folder:
//! a copy of such an index, or just packages as `namespace/name/` with their project files.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value as Json};

use crate::diagnostics::{Diagnostic, closest};
use crate::project::admits_language;
use crate::project::requirements::{Requirement, read_head, requirements_of, unwritten_document};
use crate::project::semver::{Bound, Version};

use super::fetch::{Address, Fetcher, Refusal, not_fetched};

const PUBLIC_HUB: &str = "https://hub.getdbt.com/";

/// One version of a package.
#[derive(Clone, Debug)]
pub(super) struct Release {
    pub(super) version: String,
    pub(super) project_name: String,
    pub(super) requirements: Vec<Requirement>,
    pub(super) files: Files,
    /// True where it says that it was written for this version of the language.
    pub(super) fits_language: bool,
}

/// Where the files of a release are.
#[derive(Clone, Debug)]
pub(super) enum Files {
    Archive(Address),
    Folder(std::path::PathBuf),
}

/// What the index knows of a package.
#[derive(Clone, Debug, Default)]
pub(super) struct Listing {
    pub(super) releases: Vec<Release>,
    /// Under which name the package goes on.
    pub(super) moved_to: Option<String>,
}

/// The index; every package is asked for once.
pub(super) struct Hub<'a> {
    base: Address,
    fetcher: &'a Fetcher,
    known: HashMap<String, Listing>,
}

impl<'a> Hub<'a> {
    pub(super) fn new(fetcher: &'a Fetcher, project_dir: &Path) -> Hub<'a> {
        let url = std::env::var("DBT_PACKAGE_HUB_URL")
            .ok()
            .filter(|url| !url.is_empty())
            .unwrap_or_else(|| PUBLIC_HUB.to_owned());
        Hub {
            base: Address::parse(&url, project_dir),
            fetcher,
            known: HashMap::new(),
        }
    }

    /// Every release of `package`, such as `dbt-labs/dbt_utils`.
    pub(super) fn listing(&mut self, package: &str) -> Result<&Listing, Diagnostic> {
        if !self.known.contains_key(package) {
            let listing = self.read(package)?;
            self.known.insert(package.to_owned(), listing);
        }
        Ok(&self.known[package])
    }

    fn read(&self, package: &str) -> Result<Listing, Diagnostic> {
        let is_name = |part: &str| {
            !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '?', '#', '%'])
        };
        if !package.split('/').all(is_name) {
            return Err(self.unknown(package));
        }
        let page = self.base.join(&format!("api/v1/{package}.json"));
        match self.fetcher.bytes(&page) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(Json::Object(entry)) => self.read_entry(package, &entry),
                _ => Err(not_an_index(&page)),
            },
            Err(Refusal::Missing) => match &self.base {
                Address::Disk(folder) => self.read_folder(package, &folder.join(package)),
                Address::Web(_) => Err(self.unknown(package)),
            },
            Err(refusal) => Err(not_fetched(&page, &refusal)
                .help("check the network, or name a mirror in `DBT_PACKAGE_HUB_URL`")),
        }
    }

    fn read_entry(&self, package: &str, entry: &Map<String, Json>) -> Result<Listing, Diagnostic> {
        let mut listing = Listing::default();
        let text = |key: &str| entry.get(key).and_then(Json::as_str);
        if text("redirectnamespace").is_some() || text("redirectname").is_some() {
            let (namespace, name) = package.split_once('/').unwrap_or(("", package));
            listing.moved_to = Some(format!(
                "{}/{}",
                text("redirectnamespace").unwrap_or(namespace),
                text("redirectname").unwrap_or(name)
            ));
        }
        let versions = entry.get("versions").and_then(Json::as_object);
        for (version, release) in versions.into_iter().flatten() {
            let name = release.get("name").and_then(Json::as_str);
            let archive = release.pointer("/downloads/tarball").and_then(Json::as_str);
            let (Some(name), Some(archive)) = (name, archive) else {
                continue;
            };
            let packages = release.get("packages").cloned().unwrap_or_default();
            let requirements = requirements_of(&unwritten_document(&packages), None);
            let base = match &self.base {
                Address::Disk(folder) => folder.as_path(),
                Address::Web(_) => Path::new(""),
            };
            listing.releases.push(Release {
                version: version.clone(),
                project_name: name.to_owned(),
                requirements: requirements.unwrap_or_default(),
                files: Files::Archive(Address::parse(archive, base)),
                fits_language: fits_language(release.get("require_dbt_version")),
            });
        }
        sort(&mut listing.releases);
        Ok(listing)
    }

    /// A mirror may hold the packages themselves: in `namespace/name`, or a folder a version there.
    fn read_folder(&self, package: &str, folder: &Path) -> Result<Listing, Diagnostic> {
        let mut folders = vec![folder.to_owned()];
        if let Ok(entries) = std::fs::read_dir(folder) {
            folders.extend(entries.filter_map(Result::ok).map(|entry| entry.path()));
        }
        let mut releases = Vec::new();
        for folder in folders {
            let plain = |text: &str| Ok(Json::String(text.to_owned()));
            let prefix = format!("{}/", folder.display());
            let Ok(head) = read_head(&folder, &prefix, &plain) else {
                continue;
            };
            let from_name = || {
                let name = folder.file_name()?.to_str()?;
                Version::parse(name).map(|_| name.to_owned())
            };
            let version = from_name()
                .or(head.version)
                .unwrap_or_else(|| "0.0.0".to_owned());
            releases.push(Release {
                version,
                project_name: head.name,
                requirements: head.requirements,
                files: Files::Folder(folder),
                fits_language: true,
            });
        }
        if releases.is_empty() {
            return Err(self.unknown(package));
        }
        sort(&mut releases);
        Ok(Listing {
            releases,
            moved_to: None,
        })
    }

    fn unknown(&self, package: &str) -> Diagnostic {
        let diagnostic = Diagnostic::error(
            "MSV0161",
            format!(
                "no package is named `{package}` in the index `{}`",
                self.base.shown()
            ),
        );
        let index = self.fetcher.bytes(&self.base.join("api/v1/index.json"));
        let names: Vec<String> = index
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        match closest(package, names.iter().map(String::as_str)) {
            Some(near) => {
                diagnostic.help(format!("a package with a similar name exists: `{near}`"))
            }
            None => diagnostic,
        }
    }
}

fn not_an_index(page: &Address) -> Diagnostic {
    Diagnostic::error(
        "MSV0162",
        format!("`{}` is no page of a package index", page.shown()),
    )
    .help("`DBT_PACKAGE_HUB_URL` must name a package index or a folder")
}

/// Newest last; what is no version comes first.
fn sort(releases: &mut [Release]) {
    releases.sort_by_key(|release| Version::parse(&release.version));
}

fn fits_language(required: Option<&Json>) -> bool {
    let texts: Vec<&str> = match required {
        Some(Json::String(text)) => vec![text.as_str()],
        Some(Json::Array(texts)) => texts.iter().filter_map(Json::as_str).collect(),
        _ => return true,
    };
    let bounds: Vec<Bound> = texts
        .iter()
        .flat_map(|text| Bound::parse_list(text).unwrap_or_default())
        .collect();
    admits_language(&bounds)
}

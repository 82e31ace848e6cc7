//! Settles which packages are installed, and at which version: what the project asks for, and what
//! those packages ask for in turn.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::diagnostics::{Diagnostic, Place};
use crate::project::Render;
use crate::project::requirements::{Origin, Requirement, read_head};
use crate::project::semver::{Bound, Version, exclude_each_other};

use super::fetch::{Address, Fetcher};
use super::git;
use super::hub::{Files, Hub};
use super::masked;

/// A package at one version, ready to be installed.
#[derive(Clone, Debug)]
pub(super) struct Pinned {
    pub(super) project_name: String,
    pub(super) source: PinnedSource,
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug)]
pub(super) enum PinnedSource {
    Hub {
        package: String,
        version: String,
        latest: String,
        files: Files,
    },
    Git {
        /// As the project writes it: templates hide secrets.
        written: String,
        revision: String,
        subdirectory: Option<String>,
        folder: PathBuf,
    },
    Local {
        written: String,
        folder: PathBuf,
    },
    Tarball {
        written: String,
        folder: PathBuf,
    },
}

/// Everything asked of one package, from all sides.
#[derive(Clone, Debug)]
struct Wanted {
    /// The first requirement; the others add to the lists below.
    first: Requirement,
    bounds: Vec<Bound>,
    revisions: Vec<String>,
    takes_prerelease: bool,
    warns_unpinned: bool,
}

/// Looks packages up and keeps what it fetched.
pub(super) struct Resolver<'a> {
    pub(super) project_dir: &'a Path,
    /// Where checkouts and archives are unpacked.
    pub(super) workshop: &'a Path,
    pub(super) fetcher: &'a Fetcher,
    pub(super) hub: Hub<'a>,
    pub(super) render: Render<'a>,
    pub(super) skips_version_check: bool,
    pub(super) fetched: HashMap<String, Pinned>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl Resolver<'_> {
    /// Settles `requirements` and, unless they come from a lock file, everything they ask for.
    ///
    /// # Errors
    ///
    /// A package is not found or cannot be fetched, requirements exclude each other, or two
    /// packages have one project name.
    pub(super) fn resolve(
        &mut self,
        requirements: &[Requirement],
        root_name: &str,
        is_locked: bool,
    ) -> Result<Vec<Pinned>, Diagnostic> {
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut pending: Vec<Requirement> = requirements.to_vec();
        while !pending.is_empty() {
            let mut next = Vec::new();
            for requirement in pending {
                let at = incorporate(&mut wanted, requirement)?;
                if !is_locked {
                    let before = wanted[at].clone();
                    next.extend(self.pin(&before)?.requirements);
                }
            }
            pending = next;
        }
        let pinned = wanted
            .iter()
            .map(|wanted| self.pin(wanted))
            .collect::<Result<Vec<_>, _>>()?;
        check_names(&wanted, &pinned, root_name)?;
        Ok(pinned)
    }

    fn pin(&mut self, wanted: &Wanted) -> Result<Pinned, Diagnostic> {
        let place = &wanted.first.place;
        match &wanted.first.origin {
            Origin::Hub { package, .. } => self.pin_release(package, wanted),
            Origin::Git {
                url, subdirectory, ..
            } => self.pin_commit(url, subdirectory.as_deref(), wanted),
            Origin::Local { path } => {
                let folder = self.project_dir.join(path);
                let folder = folder.canonicalize().unwrap_or(folder);
                let (project_name, requirements) = self.read(&folder, path, place)?;
                Ok(Pinned {
                    project_name,
                    source: PinnedSource::Local {
                        written: written(&wanted.first, "local", path),
                        folder,
                    },
                    requirements,
                })
            }
            Origin::Tarball { url, name } => self.pin_archive(url, name, wanted),
        }
    }

    fn pin_release(&mut self, package: &str, wanted: &Wanted) -> Result<Pinned, Diagnostic> {
        let place = wanted.first.place.clone();
        let shown: Vec<String> = wanted.bounds.iter().map(Bound::to_string).collect();
        let asked = shown.join(", ");
        if exclude_each_other(&wanted.bounds) {
            return Err(placed(
                Diagnostic::error(
                    "MSV0163",
                    format!("no version of `{package}` can meet all that is asked of it: {asked}"),
                )
                .help("widen one of the bounds; another package may ask for it too"),
                place,
            ));
        }
        let skips_version_check = self.skips_version_check;
        let listing = self
            .hub
            .listing(package)
            .map_err(|diagnostic| placed(diagnostic, place.clone()))?;
        if let Some(other) = &listing.moved_to {
            let title = format!("package `{package}` goes on as `{other}`");
            let is_new = self.warnings.iter().all(|warning| warning.title != title);
            if is_new {
                let warning = Diagnostic::warning("MSV0161", title)
                    .event("PackageRedirectDeprecation")
                    .help(format!("write `package: {other}`"));
                self.warnings.push(placed(warning, place.clone()));
            }
        }
        let takes_prerelease =
            wanted.takes_prerelease || wanted.bounds.iter().any(Bound::names_prerelease);
        let versions: Vec<(Version, usize)> = listing
            .releases
            .iter()
            .enumerate()
            .filter(|(_, release)| skips_version_check || release.fits_language)
            .filter_map(|(at, release)| Some((Version::parse(&release.version)?, at)))
            .filter(|(version, _)| takes_prerelease || !version.is_prerelease())
            .collect();
        let chosen = versions
            .iter()
            .rev()
            .find(|(version, _)| wanted.bounds.iter().all(|bound| bound.admits(version)));
        let (Some((_, chosen)), Some((_, latest))) = (chosen, versions.last()) else {
            let mut names: Vec<&str> = versions
                .iter()
                .map(|(_, at)| listing.releases[*at].version.as_str())
                .collect();
            let older = names.len().saturating_sub(10);
            names.drain(..older);
            let diagnostic = Diagnostic::error(
                "MSV0163",
                format!("package `{package}` has no version {asked}"),
            );
            let diagnostic = match names.is_empty() {
                true => diagnostic.note("it has no version that can be installed here"),
                false => diagnostic.note(format!("its newest versions: {}", names.join(", "))),
            };
            return Err(placed(diagnostic, place));
        };
        let release = &listing.releases[*chosen];
        Ok(Pinned {
            project_name: release.project_name.clone(),
            source: PinnedSource::Hub {
                package: package.to_owned(),
                version: release.version.clone(),
                latest: listing.releases[*latest].version.clone(),
                files: release.files.clone(),
            },
            requirements: release.requirements.clone(),
        })
    }

    fn pin_commit(
        &mut self,
        url: &str,
        subdirectory: Option<&str>,
        wanted: &Wanted,
    ) -> Result<Pinned, Diagnostic> {
        let place = &wanted.first.place;
        let revision = match wanted.revisions.as_slice() {
            [] => "HEAD",
            [one] => one.as_str(),
            many => {
                return Err(placed(
                    Diagnostic::error(
                        "MSV0163",
                        format!(
                            "two revisions of `{}` are asked for: {}",
                            masked(url),
                            many.join(", ")
                        ),
                    )
                    .help("write the same revision everywhere"),
                    place.clone(),
                ));
            }
        };
        let key = format!("{url} {revision} {}", subdirectory.unwrap_or_default());
        if let Some(known) = self.fetched.get(&key) {
            return Ok(known.clone());
        }
        if wanted.warns_unpinned && matches!(revision, "HEAD" | "main" | "master") {
            let warning = Diagnostic::warning(
                "MSV0164",
                format!("package `{}` is not pinned", masked(url)),
            )
            .event("DepsUnpinned")
            .help("write `revision:` with a tag or a commit, or `warn-unpinned: false`");
            self.warnings.push(placed(warning, place.clone()));
        }
        let folder = self.new_folder();
        let commit = git::checkout(url, revision, self.project_dir, &folder)
            .map_err(|diagnostic| placed(diagnostic, place.clone()))?;
        let folder = match subdirectory {
            Some(below) if is_inside(below) => folder.join(below),
            Some(below) => {
                let title = format!("`subdirectory: {below}` leaves the repository");
                return Err(placed(Diagnostic::error("MSV0162", title), place.clone()));
            }
            None => folder,
        };
        let (project_name, requirements) = self.read(&folder, &masked(url), place)?;
        let pinned = Pinned {
            project_name,
            source: PinnedSource::Git {
                written: written(&wanted.first, "git", url),
                revision: commit,
                subdirectory: subdirectory.map(str::to_owned),
                folder,
            },
            requirements,
        };
        self.fetched.insert(key, pinned.clone());
        Ok(pinned)
    }

    fn pin_archive(
        &mut self,
        url: &str,
        name: &str,
        wanted: &Wanted,
    ) -> Result<Pinned, Diagnostic> {
        if let Some(known) = self.fetched.get(url) {
            return Ok(known.clone());
        }
        let place = &wanted.first.place;
        let address = Address::parse(url, self.project_dir);
        let folder = self
            .fetcher
            .unpack(&address, &self.new_folder())
            .map_err(|diagnostic| placed(diagnostic, place.clone()))?;
        let (_, requirements) = self.read(&folder, &masked(url), place)?;
        let pinned = Pinned {
            project_name: name.to_owned(),
            source: PinnedSource::Tarball {
                written: written(&wanted.first, "tarball", url),
                folder,
            },
            requirements,
        };
        self.fetched.insert(url.to_owned(), pinned.clone());
        Ok(pinned)
    }

    fn read(
        &self,
        folder: &Path,
        shown: &str,
        place: &Option<Place>,
    ) -> Result<(String, Vec<Requirement>), Diagnostic> {
        let prefix = format!("{shown}/");
        let head = read_head(folder, &prefix, self.render).map_err(|mut found| {
            let first = found.swap_remove(0);
            match place {
                Some(place) => first.also(place.clone(), "asked for here"),
                None => first,
            }
        })?;
        Ok((head.name, head.requirements))
    }

    /// A folder name that is not there yet.
    fn new_folder(&self) -> PathBuf {
        self.workshop.join(uuid::Uuid::new_v4().to_string())
    }
}

/// Adds a requirement to what is wanted of its package, and says which entry that is.
fn incorporate(wanted: &mut Vec<Wanted>, requirement: Requirement) -> Result<usize, Diagnostic> {
    let mut new = Wanted {
        bounds: Vec::new(),
        revisions: Vec::new(),
        takes_prerelease: false,
        warns_unpinned: true,
        first: requirement,
    };
    match &new.first.origin {
        Origin::Hub {
            versions,
            takes_prerelease,
            package,
        } => {
            new.takes_prerelease = *takes_prerelease;
            for text in versions {
                let Some(bound) = Bound::parse(text) else {
                    let title = format!("`{text}` is no version of package `{package}`");
                    let help = "write three numbers, as in `1.0.0` or `[\">=1.0.0\", \"<2.0.0\"]`";
                    return Err(placed(
                        Diagnostic::error("MSV0163", title).help(help),
                        new.first.place,
                    ));
                };
                new.bounds.push(bound);
            }
        }
        Origin::Git {
            revision,
            warns_unpinned,
            ..
        } => {
            new.revisions.extend(revision.clone());
            new.warns_unpinned = *warns_unpinned;
        }
        Origin::Local { .. } | Origin::Tarball { .. } => {}
    }
    let name = identity(&new.first.origin);
    let known = wanted
        .iter()
        .position(|other| identity(&other.first.origin) == name);
    let Some(at) = known else {
        wanted.push(new);
        return Ok(wanted.len() - 1);
    };
    let entry = &mut wanted[at];
    entry.bounds.extend(new.bounds);
    for revision in new.revisions {
        if !entry.revisions.contains(&revision) {
            entry.revisions.push(revision);
        }
    }
    entry.warns_unpinned &= new.warns_unpinned;
    Ok(at)
}

/// What makes two requirements one package: `x.git` is `x`.
fn identity(origin: &Origin) -> String {
    match origin {
        Origin::Hub { package, .. } => format!("package {package}"),
        Origin::Git {
            url, subdirectory, ..
        } => format!(
            "git {} {}",
            url.strip_suffix(".git").unwrap_or(url),
            subdirectory.as_deref().unwrap_or_default()
        ),
        Origin::Local { path } => format!("local {path}"),
        Origin::Tarball { url, .. } => format!("tarball {url}"),
    }
}

/// Two folders of one name cannot stand below the install folder.
fn check_names(wanted: &[Wanted], pinned: &[Pinned], root_name: &str) -> Result<(), Diagnostic> {
    for (at, package) in pinned.iter().enumerate() {
        let name = &package.project_name;
        let place = wanted[at].first.place.clone();
        let is_folder_name = !name.is_empty() && is_inside(name) && !name.contains(['/', '\\']);
        if !is_folder_name {
            let title = format!("`{name}` is no name of a package");
            return Err(placed(
                Diagnostic::error("MSV0165", title)
                    .help("a name has letters, digits and `_` and does not begin with a digit"),
                place,
            ));
        }
        if name == root_name {
            return Err(placed(
                Diagnostic::error(
                    "MSV0165",
                    format!("a package is named `{name}`, as this project is"),
                )
                .help("give the project another name"),
                place,
            ));
        }
        if let Some(before) = pinned[..at]
            .iter()
            .position(|other| other.project_name == *name)
        {
            let mut diagnostic = placed(
                Diagnostic::error("MSV0165", format!("two packages are named `{name}`"))
                    .note(format!(
                        "{} and {}",
                        pinned[before].source.shown(),
                        package.source.shown()
                    ))
                    .help("a package may be asked for from two places: write the same in both"),
                place,
            );
            if let Some(place) = &wanted[before].first.place {
                diagnostic = diagnostic.also(place.clone(), "the other one");
            }
            return Err(diagnostic);
        }
    }
    Ok(())
}

impl PinnedSource {
    /// How lines to a person call the package.
    pub(super) fn shown(&self) -> String {
        match self {
            PinnedSource::Hub { package, .. } => package.clone(),
            PinnedSource::Git {
                written,
                subdirectory: Some(below),
                ..
            } => format!("{}/{below}", masked(written)),
            PinnedSource::Git { written, .. } | PinnedSource::Tarball { written, .. } => {
                masked(written)
            }
            PinnedSource::Local { written, .. } => written.clone(),
        }
    }
}

/// The value before templates were rendered, where the entry has one.
fn written(requirement: &Requirement, key: &str, rendered: &str) -> String {
    let written = requirement
        .written
        .get(key)
        .and_then(|value| value.as_str());
    masked(written.unwrap_or(rendered))
}

/// True for a relative path that stays below where it starts.
fn is_inside(path: &str) -> bool {
    let path = Path::new(path);
    let normal = |part: std::path::Component<'_>| {
        matches!(
            part,
            std::path::Component::Normal(_) | std::path::Component::CurDir
        )
    };
    path.is_relative() && path.components().all(normal)
}

fn placed(diagnostic: Diagnostic, place: Option<Place>) -> Diagnostic {
    match (place, &diagnostic.place) {
        (Some(place), None) => diagnostic.at(place, ""),
        _ => diagnostic,
    }
}

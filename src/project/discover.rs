//! Finds and reads the files of a package: folders in, texts out, in a fixed order.
//!
//! What a file is follows from its folder and its extension; what is in it is not looked at.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use walkdir::WalkDir;

use crate::config::{ProjectConfig, all_resource_paths};
use crate::ignore::IgnoreRules;
use crate::mistake;
use msv_diagnostics::Diagnostic;

/// What a file of a project is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    Model,
    PythonModel,
    Seed,
    Snapshot,
    /// An `.sql` file below a test folder, but for `generic/` and `fixtures/`.
    SingularTest,
    /// An `.sql` file with `{% test %}` blocks, below `generic/` of a test folder.
    GenericTest,
    Analysis,
    Macro,
    /// A user-defined function.
    Function,
    /// An `.md` file with `{% docs %}` blocks.
    Docs,
    /// Rows for unit tests, below `fixtures/` of a test folder.
    Fixture,
    Properties,
}

/// One file of a package.
#[derive(Clone, Debug)]
pub struct SourceFile {
    pub kind: FileKind,
    /// Relative to the package's folder, with `/`.
    pub path: Arc<str>,
    /// Relative to the project's folder: what messages show.
    pub shown_path: Arc<str>,
    /// The resource folder it was found under, relative to the package's folder.
    pub root_path: Arc<str>,
    pub absolute: PathBuf,
    /// Empty for seeds, which may be large: whoever needs a seed's bytes opens `absolute`.
    pub text: Arc<str>,
}

impl SourceFile {
    /// The file's name without folder and extension.
    pub fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }

    /// The path below [`root_path`](Self::root_path): `marts/fct_orders.sql`.
    pub fn path_below_root(&self) -> &str {
        self.path
            .strip_prefix(&*self.root_path)
            .map_or(&*self.path, |rest| rest.trim_start_matches('/'))
    }
}

/// Reads every file of a package, sorted by resource folder in the project file's order, then by
/// path. A file that several folders reach is read once for each kind it can be.
pub(super) fn read_files(
    dir: &Path,
    prefix: &str,
    config: &ProjectConfig,
    found: &mut Vec<Diagnostic>,
) -> Vec<SourceFile> {
    let mut finder = Finder {
        dir,
        prefix,
        rules: IgnoreRules::read(dir),
        seen: HashSet::new(),
        listings: HashMap::new(),
        files: Vec::new(),
        found,
    };
    let sql = |extension: &str| extension == "sql";
    for root in &config.macro_paths {
        finder.walk(root, |_, extension| {
            sql(extension).then_some(FileKind::Macro)
        });
    }
    for root in &config.model_paths {
        finder.walk(root, |_, extension| match extension {
            "sql" => Some(FileKind::Model),
            "py" => Some(FileKind::PythonModel),
            _ => None,
        });
    }
    for root in &config.snapshot_paths {
        finder.walk(root, |_, extension| {
            sql(extension).then_some(FileKind::Snapshot)
        });
    }
    for root in &config.seed_paths {
        finder.walk(root, |_, extension| {
            (extension == "csv").then_some(FileKind::Seed)
        });
    }
    for root in &config.analysis_paths {
        finder.walk(root, |_, extension| {
            sql(extension).then_some(FileKind::Analysis)
        });
    }
    for root in &config.function_paths {
        finder.walk(root, |_, extension| {
            matches!(extension, "sql" | "py" | "js").then_some(FileKind::Function)
        });
    }
    for root in &config.test_paths {
        finder.walk(root, |below, extension| {
            match (below.split('/').next().unwrap_or(""), extension) {
                ("fixtures", "csv" | "sql") => Some(FileKind::Fixture),
                ("generic", "sql") => Some(FileKind::GenericTest),
                (_, "sql") => Some(FileKind::SingularTest),
                _ => None,
            }
        });
    }
    for root in &config.docs_paths {
        finder.walk(root, |_, extension| {
            (extension == "md").then_some(FileKind::Docs)
        });
    }
    for root in &all_resource_paths(config) {
        finder.walk(root, |_, extension| {
            matches!(extension, "yml" | "yaml").then_some(FileKind::Properties)
        });
    }
    let files = finder.files;
    let texts: Vec<Result<Arc<str>, Diagnostic>> = files
        .par_iter()
        .map(|file| match file.kind {
            FileKind::Seed => Ok(Arc::from("")),
            _ => mistake::read_text(&file.absolute, &file.shown_path).map(Arc::from),
        })
        .collect();
    let mut read = Vec::with_capacity(files.len());
    for (mut file, text) in files.into_iter().zip(texts) {
        match text {
            Ok(text) => {
                file.text = text;
                read.push(file);
            }
            Err(diagnostic) => found.push(diagnostic),
        }
    }
    read
}

/// Files below a resource folder: the path from the package's folder, and the absolute one.
type Listing = Arc<[(Arc<str>, PathBuf)]>;

struct Finder<'a> {
    dir: &'a Path,
    prefix: &'a str,
    rules: IgnoreRules,
    seen: HashSet<(FileKind, Arc<str>)>,
    listings: HashMap<String, Listing>,
    files: Vec<SourceFile>,
    found: &'a mut Vec<Diagnostic>,
}

impl Finder<'_> {
    /// `kind_of` is given the path below `root` and the extension.
    fn walk(&mut self, root: &str, kind_of: impl Fn(&str, &str) -> Option<FileKind>) {
        let root_path: Arc<str> = root.into();
        for (path, absolute) in self.list(root).iter() {
            let below = path
                .strip_prefix(root)
                .map_or(&**path, |rest| rest.trim_start_matches('/'));
            let Some((_, extension)) = path.rsplit_once('.') else {
                continue;
            };
            let Some(kind) = kind_of(below, extension) else {
                continue;
            };
            if !self.seen.insert((kind, path.clone())) {
                continue;
            }
            let shown_path = if self.prefix.is_empty() {
                path.clone()
            } else {
                format!("{}{path}", self.prefix).into()
            };
            self.files.push(SourceFile {
                kind,
                path: path.clone(),
                shown_path,
                root_path: root_path.clone(),
                absolute: absolute.clone(),
                text: "".into(),
            });
        }
    }

    /// Lists the files below a resource folder, once for all kinds.
    fn list(&mut self, root: &str) -> Listing {
        if let Some(listing) = self.listings.get(root) {
            return Arc::clone(listing);
        }
        let start = self.dir.join(root);
        let mut files = Vec::new();
        if start.exists() {
            self.list_into(&start, &mut files);
        }
        let listing: Listing = files.into();
        self.listings.insert(root.to_owned(), Arc::clone(&listing));
        listing
    }

    fn list_into(&mut self, start: &Path, files: &mut Vec<(Arc<str>, PathBuf)>) {
        let dir = self.dir;
        let rules = &self.rules;
        let walk = WalkDir::new(start)
            .follow_links(true)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| {
                let is_hidden =
                    entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.');
                !is_hidden
                    && (rules.is_empty()
                        || !rules.is_ignored(
                            &relative_path(entry.path(), dir),
                            entry.file_type().is_dir(),
                        ))
            });
        for entry in walk {
            match entry {
                Ok(entry) if entry.file_type().is_file() => {
                    files.push((relative_path(entry.path(), dir).into(), entry.into_path()));
                }
                Ok(_) => {}
                // A link back to a folder above it: everything there is read already.
                Err(error) if error.loop_ancestor().is_some() => {}
                Err(error) => {
                    if let Some(diagnostic) = self.walk_error(&error) {
                        self.found.push(diagnostic);
                    }
                }
            }
        }
    }

    fn walk_error(&self, error: &walkdir::Error) -> Option<Diagnostic> {
        let path = error.path()?;
        let name = path.file_name()?.to_string_lossy();
        let shown = format!("{}{}", self.prefix, relative_path(path, self.dir));
        if name.starts_with('.') || self.rules.is_ignored(&relative_path(path, self.dir), false) {
            return None;
        }
        let reason = error.io_error()?;
        Some(mistake::unreadable(&shown, reason))
    }
}

fn relative_path(path: &Path, dir: &Path) -> String {
    let relative = path.strip_prefix(dir).unwrap_or(path);
    relative.to_string_lossy().replace('\\', "/")
}

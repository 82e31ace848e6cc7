//! Read: files in, declarations out; nothing is resolved.
//!
//! 1. Find the project file and read it ([`config`]), with its templates rendered by the caller.
//! 2. Find the files of the project and of each installed package ([`discover`]).
//! 3. Read every properties file ([`properties`]) into declarations with places.
//! 4. Read the profile's target ([`profile`]), the server to build on.
//!
//! `ref`, `doc` and the names in properties stay text; so does every template but those of the
//! project file and the profile.
//!
//! Codes of this stage:
//!
//! | code | says |
//! |---|---|
//! | MSV0101 | a file is not YAML |
//! | MSV0102 | a key is not known (a warning where dbt lets it pass) |
//! | MSV0103 | a value has the wrong type, or is none of those that are valid |
//! | MSV0104 | there is no project file |
//! | MSV0105 | there is no profile of that name, or no `profiles.yml` |
//! | MSV0106 | the profile has no target of that name |
//! | MSV0107 | a key is missing |
//! | MSV0108 | a file cannot be read |
//! | MSV0109 | a map holds a key twice |
//! | MSV0110 | a template of the project file or the profile cannot be rendered |
//! | MSV0111 | two keys exclude each other |
//! | MSV0112 | YAML reads a value otherwise than a person does (warning) |
//! | MSV0113 | packages are not installed, or two have one name |
//! | MSV0114 | the project asks for another version of the language |
//! | MSV0115 | the target is no PostgreSQL |
//! | MSV0116 | a key has a new name (warning) |
//! | MSV0130 | a file of a state folder is no artifact |
//! | MSV0131 | two selectors are the default |
//! | MSV0160 | an entry of `packages.yml` is wrong |

pub mod config;
pub mod dates;
pub mod discover;
mod fields;
mod flags;
mod ignore;
mod lenient;
mod mistake;
pub mod node;
mod overrides;
mod packages;
pub mod profile;
pub mod properties;
pub mod requirements;
mod scalar;
pub mod selectors;
pub mod semver;
pub mod state;
mod syntax;
pub mod target;
mod template;
mod tree;
pub mod unit_test_text;
mod version;
pub mod yaml;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde_json::{Map, Value as Json};

use msv_diagnostics::Diagnostic;

pub use config::{DispatchConfig, ProjectConfig, QuotingConfig};
pub use discover::{FileKind, SourceFile};
pub use node::{Document, Key, Node, Spanned, Value};
pub use profile::load_profile;
pub use properties::Properties;
pub use selectors::{NamedSelector, SelectorFile};
pub use state::PreviousState;
pub use target::{Secret, Target};
pub use version::{LANGUAGE_VERSION, admits_language};

/// Renders text that holds Jinja to a value: `"{{ var('n') }}"` may become a number.
///
/// The template language lies above this module, so the caller brings it. The error is one
/// sentence.
pub type Render<'a> = &'a dyn Fn(&str) -> Result<Json, String>;

/// What the command line says about where the project is and how to read it.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    pub project_dir: PathBuf,
    /// `--profiles-dir`; without it the environment, the project's folder and `~/.dbt` are asked.
    pub profiles_dir: Option<PathBuf>,
    /// `--profile`, in place of the project file's.
    pub profile: Option<String>,
    /// `--target`, in place of the profile's default.
    pub target: Option<String>,
    /// `--vars`; they win over the project file's where a template asks.
    pub vars: Map<String, Json>,
    /// Which of them are dates.
    pub var_dates: dates::Dates,
    /// `--target-path`, in place of the project file's.
    pub target_path: Option<PathBuf>,
    /// `--no-version-check`: a project for another version of the language is read all the same.
    pub skips_version_check: bool,
}

/// A project as its files declare it.
#[derive(Clone, Debug)]
pub struct Project {
    pub root: Package,
    /// Installed packages, by folder name.
    pub packages: Vec<Package>,
    /// What `selectors.yml` names.
    pub selectors: SelectorFile,
    pub dir: PathBuf,
    /// Where artifacts and compiled SQL go; absolute or relative as `dir` is.
    pub target_path: PathBuf,
    pub warnings: Vec<Diagnostic>,
}

/// The root project or an installed package.
#[derive(Clone, Debug)]
pub struct Package {
    pub name: String,
    pub dir: PathBuf,
    pub config: ProjectConfig,
    /// The project file, its templates rendered.
    pub config_document: Arc<Document>,
    pub files: Vec<SourceFile>,
    pub properties: Properties,
}

impl Project {
    /// The root project first, then the packages.
    pub fn all_packages(&self) -> impl Iterator<Item = &Package> {
        std::iter::once(&self.root).chain(&self.packages)
    }

    /// The package of that name.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.all_packages().find(|package| package.name == name)
    }
}

/// Reads the project and its installed packages.
///
/// # Errors
///
/// Every mistake found in any file, with the warnings among them.
pub fn load(options: &LoadOptions, render: Render) -> Result<Project, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let dir = &options.project_dir;
    let document = config::open_project_file(dir, "").map_err(|error| vec![error])?;
    let mut root = read_package(document, dir, "", true, render, &mut found);
    let mut packages = packages::read_installed(&root, render, &mut found);
    let mut all: Vec<&mut Package> = std::iter::once(&mut root).chain(&mut packages).collect();
    overrides::apply(&mut all, &mut found);
    let selectors = selectors::read_selectors(dir, render, &mut found);
    if options.skips_version_check || root.config.flags.get("version_check") == Some(&false.into())
    {
        found.retain(|diagnostic| diagnostic.code != "MSV0114");
    }
    let found = mistake::fold_repeats(found);
    if found.iter().any(Diagnostic::is_error) {
        return Err(found);
    }
    let target_path = match &options.target_path {
        Some(path) => dir.join(path),
        None => dir.join(&root.config.target_path),
    };
    Ok(Project {
        root,
        packages,
        selectors,
        dir: dir.clone(),
        target_path,
        warnings: found,
    })
}

/// The name of the profile the project builds with: `--profile`, or the project file's `profile`.
///
/// It is asked before the rest is read, since templates of the project file may use `target`.
///
/// # Errors
///
/// The project file is missing, is no YAML or names no profile.
pub fn profile_name(options: &LoadOptions, render: Render) -> Result<String, Vec<Diagnostic>> {
    if let Some(name) = &options.profile {
        return Ok(name.clone());
    }
    let document =
        config::open_project_file(&options.project_dir, "").map_err(|error| vec![error])?;
    let owner = format!("`{}`", document.file);
    let Some(node) = document.root.get("profile").filter(|node| !node.is_null()) else {
        return Err(vec![mistake::missing_key(
            &document,
            &document.root.span,
            &owner,
            "profile",
            "my_profile",
        )]);
    };
    let value = match node.is_template() {
        true => template::render_text(&document, node, render).map_err(|error| vec![error])?,
        false => node.to_json(),
    };
    match value {
        Json::String(name) => Ok(name),
        _ => {
            let owner = format!("`profile` of {owner}");
            Err(vec![mistake::wrong_type(&document, node, &owner, "text")])
        }
    }
}

/// Reads the project file alone, without the files it speaks of.
///
/// # Errors
///
/// Every mistake found in it.
pub fn load_config(
    options: &LoadOptions,
    render: Render,
) -> Result<ProjectConfig, Vec<Diagnostic>> {
    let dir = &options.project_dir;
    let document = config::open_project_file(dir, "").map_err(|error| vec![error])?;
    let mut found = Vec::new();
    let (config, document) = config::read_config(document, dir, true, render, &mut found);
    version::check(&config, &document, &mut found);
    match found.iter().any(Diagnostic::is_error) {
        true => Err(found),
        false => Ok(config),
    }
}

/// `prefix` leads from the project's folder to the package's, for messages; empty for the root.
fn read_package(
    document: Document,
    dir: &Path,
    prefix: &str,
    is_root: bool,
    render: Render,
    found: &mut Vec<Diagnostic>,
) -> Package {
    let (config, config_document) = config::read_config(document, dir, is_root, render, found);
    version::check(&config, &config_document, found);
    let files = discover::read_files(dir, prefix, &config, found);
    let nests_arguments =
        config.flags.get("require_generic_test_arguments_property") != Some(&Json::Bool(false));
    let style = properties::Style {
        is_root_package: is_root,
        nests_arguments,
    };
    let read: Vec<(Properties, Vec<Diagnostic>)> = files
        .par_iter()
        .filter(|file| file.kind == FileKind::Properties)
        .map(
            |file| match yaml::parse(file.shown_path.clone(), file.text.clone()) {
                Ok(document) => properties::read_properties(document, &file.path, style),
                Err(diagnostic) => (Properties::default(), vec![diagnostic]),
            },
        )
        .collect();
    let mut properties = Properties::default();
    for (part, mut mistakes) in read {
        properties.append(part);
        found.append(&mut mistakes);
    }
    Package {
        name: config.name.clone(),
        dir: dir.to_owned(),
        config,
        config_document,
        files,
        properties,
    }
}

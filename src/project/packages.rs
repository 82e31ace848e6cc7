//! Reads the packages installed below the project's package folder.
//!
//! Installing is `msv deps`' work; that they are installed is checked.

use std::path::{Path, PathBuf};

use crate::config::open_project_file;
use crate::requirements::packages_document;
use crate::{Package, Render, mistake, read_package};
use msv_diagnostics::Diagnostic;

/// Reads every installed package, by folder name. `root` is the project they belong to.
pub(super) fn read_installed(
    root: &Package,
    render: Render,
    found: &mut Vec<Diagnostic>,
) -> Vec<Package> {
    let folder = root.dir.join(&root.config.packages_install_path);
    let installed = installed_folders(&folder);
    check_installed(root, installed.len(), found);
    let mut packages: Vec<Package> = Vec::with_capacity(installed.len());
    for dir in installed {
        let name = dir
            .file_name()
            .map(|name| name.to_string_lossy())
            .unwrap_or_default();
        let prefix = format!("{}/{name}/", root.config.packages_install_path);
        match open_project_file(&dir, &prefix) {
            Ok(document) => {
                let package = read_package(document, &dir, &prefix, false, render, found);
                let others = std::iter::once(root).chain(&packages);
                if let Some(diagnostic) = same_name(others, &package) {
                    found.push(diagnostic);
                }
                packages.push(package);
            }
            Err(diagnostic) => found.push(diagnostic),
        }
    }
    packages
}

fn installed_folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            !name.starts_with('.') && !name.starts_with("__")
        })
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

/// Compares what `packages.yml` or `dependencies.yml` asks for with what is there.
fn check_installed(root: &Package, installed: usize, found: &mut Vec<Diagnostic>) {
    let Some((_, document)) = packages_document(&root.dir, "", found) else {
        return;
    };
    let Some(wanted) = document.root.get("packages") else {
        return;
    };
    let count = wanted.elements().len();
    if count > installed {
        let folder = &root.config.packages_install_path;
        let title = format!("of {count} packages asked for, {installed} stand below `{folder}`");
        found.push(
            Diagnostic::error("MSV0113", title)
                .at(
                    mistake::first_line(&document, &wanted.span),
                    "asked for here",
                )
                .help("install them with `msv deps`"),
        );
    }
}

fn same_name<'a>(
    mut others: impl Iterator<Item = &'a Package>,
    package: &Package,
) -> Option<Diagnostic> {
    let other = others.find(|other| other.name == package.name && !package.name.is_empty())?;
    let place = |package: &Package| {
        let document = &package.config_document;
        let span = document
            .root
            .get("name")
            .map_or(0..0, |node| node.span.clone());
        document.place(&span)
    };
    Some(
        Diagnostic::error(
            "MSV0113",
            format!("two packages are named `{}`", package.name),
        )
        .at(place(package), "")
        .also(place(other), "the other one")
        .help("remove one of the two folders, or give one another name"),
    )
}

//! `msv deps`: installs the packages a project asks for, and notes the versions in a lock file.
//!
//! Everything is fetched and checked beside the install folder first; that one is replaced at the
//! end, so a command that fails leaves the packages as they were.

mod add;
mod fetch;
mod git;
mod hub;
mod lock;
mod resolve;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, json};

use crate::diagnostics::Diagnostic;
use crate::project::LoadOptions;
use crate::project::requirements::read_head;
use crate::report::command_event::event;
use crate::report::secrets::Secrets;
use crate::run::Level;

use super::arguments::{GlobalArgs, UnusedSelectionArgs};
use super::voice::voice;
use super::workspace::{SettingsRenderer, could_not_start, load_options, show};

use fetch::Fetcher;
use hub::{Files, Hub};
use resolve::{Pinned, PinnedSource, Resolver};

#[derive(Args, Clone, Debug, Default)]
pub struct DepsArgs {
    #[command(flatten)]
    pub unused: UnusedSelectionArgs,
    #[arg(long, hide = true)]
    pub state: Option<std::path::PathBuf>,
    /// Choose versions and write package-lock.yml, but install nothing
    #[arg(long)]
    pub lock: bool,
    /// Choose versions anew, whatever package-lock.yml says
    #[arg(long)]
    pub upgrade: bool,
    /// Add a package to packages.yml first
    #[arg(long, value_name = "NAME@VERSION")]
    pub add_package: Option<String>,
    /// Where the added package comes from
    #[arg(long, value_name = "SOURCE", value_parser = ["hub", "git", "local"], default_value = "hub", requires = "add_package")]
    pub source: String,
}

pub(super) fn run(global: &GlobalArgs, args: &DepsArgs) -> ExitCode {
    let result = load_options(global).and_then(|options| install(&options, args));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(diagnostics) => could_not_start(&diagnostics),
    }
}

fn install(options: &LoadOptions, args: &DepsArgs) -> Result<(), Vec<Diagnostic>> {
    let dir = &options.project_dir;
    let renderer = SettingsRenderer::new(&options.vars)?.with_target(Map::new());
    let render = |text: &str| renderer.render(text);
    let mut head = read_head(dir, "", &render)?;
    if let Some(addition) = &args.add_package {
        let (name, version) = match addition.rsplit_once('@') {
            Some((name, version)) if !name.is_empty() && !version.contains('/') => {
                (name, Some(version))
            }
            _ => (addition.as_str(), None),
        };
        if version.is_none() && args.source != "local" {
            return Err(vec![
                Diagnostic::error("MSV0163", format!("which version of `{name}` to add?"))
                    .help(format!("write `--add-package {name}@1.0.0`")),
            ]);
        }
        let addition = add::Addition {
            name,
            version,
            source: &args.source,
        };
        let file = head.file.unwrap_or("packages.yml");
        say(&add::add(dir, file, &addition)?);
        head = read_head(dir, "", &render)?;
    }
    let folder = dir.join(&head.packages_install_path);
    let workshop = Workshop::new(&folder)?;
    let fetcher = Fetcher::new();
    let mut resolver = Resolver {
        project_dir: dir,
        workshop: &workshop.0,
        fetcher: &fetcher,
        hub: Hub::new(&fetcher, dir),
        render: &render,
        skips_version_check: options.skips_version_check,
        fetched: HashMap::new(),
        warnings: Vec::new(),
    };
    let hash = lock::hash(&head.requirements);
    let locked = lock::read(dir, &render)?;
    let is_current = |lock: &&lock::Lock| !args.upgrade && lock.hash.as_deref() == Some(&*hash);
    if head.requirements.is_empty() && locked.is_none() {
        let text = "no packages were found in packages.yml".to_owned();
        voice().emit(&event("DepsNoPackagesFound", Level::Info, text, json!({})));
        return Ok(());
    }
    let pinned = match locked.as_ref().filter(is_current) {
        Some(_) if args.lock => {
            say(&format!("`{}` is up to date", lock::LOCK_FILE));
            return Ok(());
        }
        Some(lock) => resolver.resolve(&lock.requirements, &head.name, true),
        None => resolver.resolve(&head.requirements, &head.name, false),
    };
    show(&resolver.warnings);
    let pinned = pinned.map_err(|diagnostic| vec![diagnostic])?;
    if locked.as_ref().filter(is_current).is_none() {
        lock::write(dir, &pinned, &hash)
            .map_err(|error| vec![not_written(&dir.join(lock::LOCK_FILE), &error)])?;
        let text = format!("updated `{}`", lock::LOCK_FILE);
        let data = json!({"lock_filepath": lock::LOCK_FILE});
        voice().emit(&event("DepsLockUpdating", Level::Info, text, data));
    }
    if args.lock {
        return Ok(());
    }
    let incoming = workshop.0.join("packages");
    std::fs::create_dir_all(&incoming).map_err(|error| vec![not_written(&folder, &error)])?;
    let mut outdated = Vec::new();
    for package in &pinned {
        let shown = package.source.shown();
        let text = format!("installing {shown}");
        let data = json!({"package_name": shown});
        voice().emit(&event("DepsStartPackageInstall", Level::Info, text, data));
        put(package, &incoming, &fetcher, &workshop.0).map_err(|diagnostic| vec![diagnostic])?;
        let text = format!("  {}", described(package));
        let data = json!({"version_name": described(package)});
        voice().emit(&event("DepsInstallInfo", Level::Info, text, data));
        if let PinnedSource::Hub {
            package,
            version,
            latest,
            ..
        } = &package.source
            && version != latest
        {
            let text = format!("  a newer version exists: {latest}");
            let data = json!({"version_latest": latest.to_string()});
            voice().emit(&event("DepsUpdateAvailable", Level::Info, text, data));
            outdated.push(package.as_str());
        }
    }
    replace(&folder, &incoming)?;
    if !outdated.is_empty() {
        say(&format!(
            "updates exist for {}: change their versions and run `msv deps` again",
            outdated.join(", ")
        ));
    }
    Ok(())
}

/// The text without values of secret environment variables, for files; the console hides them.
fn masked(text: &str) -> String {
    Secrets::of_environment().hide(text.to_owned())
}

/// A line on the screen and in the log file.
fn say(line: &str) {
    voice().message(Level::Info, line);
}

fn described(package: &Pinned) -> String {
    match &package.source {
        PinnedSource::Hub { version, .. } => format!("installed version {version}"),
        PinnedSource::Git {
            revision,
            subdirectory,
            ..
        } => match subdirectory {
            Some(below) => format!("installed revision {revision}, subdirectory {below}"),
            None => format!("installed revision {revision}"),
        },
        PinnedSource::Local { folder, .. } => format!("linked to `{}`", folder.display()),
        PinnedSource::Tarball { .. } => "installed from its archive".to_owned(),
    }
}

/// Puts the files of a package below `incoming`, in a folder of its project's name.
fn put(
    package: &Pinned,
    incoming: &Path,
    fetcher: &Fetcher,
    workshop: &Path,
) -> Result<(), Diagnostic> {
    let into = incoming.join(&package.project_name);
    let done = match &package.source {
        PinnedSource::Hub {
            files: Files::Archive(address),
            version,
            ..
        } => {
            let name = format!("{}-{version}", package.project_name);
            let unpacked = fetcher.unpack(address, &workshop.join(name))?;
            std::fs::rename(unpacked, &into)
        }
        PinnedSource::Hub {
            files: Files::Folder(folder),
            ..
        } => copy(folder, &into),
        PinnedSource::Git { folder, .. } | PinnedSource::Tarball { folder, .. } => {
            std::fs::rename(folder, &into)
        }
        PinnedSource::Local { folder, .. } => link(folder, &into),
    };
    done.map_err(|error| not_written(&into, &error))
}

/// A local package is linked, so that changes in it are seen at once.
#[cfg(unix)]
fn link(folder: &Path, into: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(folder, into)
}

#[cfg(not(unix))]
fn link(folder: &Path, into: &Path) -> std::io::Result<()> {
    copy(folder, into)
}

fn copy(from: &Path, into: &Path) -> std::io::Result<()> {
    let walk = walkdir::WalkDir::new(from)
        .follow_links(true)
        .into_iter()
        .filter_entry(|entry| entry.file_name() != ".git");
    for entry in walk {
        let entry = entry?;
        let below = entry.path().strip_prefix(from).unwrap_or(entry.path());
        let target = into.join(below);
        match entry.file_type().is_dir() {
            true => std::fs::create_dir_all(target)?,
            false => {
                std::fs::copy(entry.path(), target)?;
            }
        }
    }
    Ok(())
}

/// Puts the new folder in the old one's place.
fn replace(folder: &Path, incoming: &Path) -> Result<(), Vec<Diagnostic>> {
    let failed = |error: std::io::Error| vec![not_written(folder, &error)];
    match std::fs::symlink_metadata(folder) {
        Ok(data) if data.is_dir() => std::fs::remove_dir_all(folder).map_err(failed)?,
        Ok(_) => std::fs::remove_file(folder).map_err(failed)?,
        Err(_) => {}
    }
    std::fs::rename(incoming, folder).map_err(failed)
}

fn not_written(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error("MSV0166", format!("`{}` cannot be written", path.display()))
        .note(error.to_string())
        .help("check that the folder is yours and that the disk has room")
}

/// A folder beside the install folder, so that moving there is one step; gone when dropped.
struct Workshop(PathBuf);

impl Workshop {
    fn new(folder: &Path) -> Result<Workshop, Vec<Diagnostic>> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let path = folder.with_file_name(format!(".{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| vec![not_written(folder, &error)])?;
        let path = path.canonicalize().unwrap_or(path);
        Ok(Workshop(path))
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // What stays behind is only disk space, and the command has said what mattered.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

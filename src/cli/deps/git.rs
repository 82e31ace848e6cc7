//! Brings a git repository at one revision, through the `git` program.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::diagnostics::Diagnostic;

use super::masked;

/// Checks `revision` of `url` out into `folder` and returns the commit it stands for.
///
/// A tag goes before a branch of the same name. Relative addresses start at `base`.
pub(super) fn checkout(
    url: &str,
    revision: &str,
    base: &Path,
    folder: &Path,
) -> Result<String, Diagnostic> {
    let failed = |reason: String| {
        let diagnostic = Diagnostic::error(
            "MSV0162",
            format!(
                "revision `{revision}` of `{}` cannot be fetched",
                masked(url)
            ),
        );
        let last = reason.lines().rev().find(|line| !line.trim().is_empty());
        match last {
            Some(line) => diagnostic.note(masked(line.trim())),
            None => diagnostic,
        }
        .help("check the address, the revision, and that `git` may read the repository")
    };
    let at = folder.to_string_lossy();
    run(base, &["init", "--quiet", "--", &at]).map_err(failed)?;
    let source = address(url, base);
    let fetch = |name: &str| {
        let depth = ["fetch", "--quiet", "--depth", "1", "--", &source, name];
        run(folder, &depth)
    };
    if revision == "HEAD" || is_commit(revision) {
        fetch(revision).map_err(failed)?;
    } else {
        fetch(&format!("refs/tags/{revision}"))
            .or_else(|_| fetch(&format!("refs/heads/{revision}")))
            .map_err(failed)?;
    }
    run(folder, &["checkout", "--quiet", "--detach", "FETCH_HEAD"]).map_err(failed)?;
    let commit = run(folder, &["rev-parse", "HEAD"]).map_err(failed)?;
    // Whoever reads the package has no use for its history.
    std::fs::remove_dir_all(folder.join(".git")).map_err(|error| failed(error.to_string()))?;
    Ok(commit.trim().to_owned())
}

/// A path in the project becomes an absolute one, since git is run elsewhere.
fn address(url: &str, base: &Path) -> String {
    let is_path = !url.contains("://") && !url.contains('@') && !url.contains(':');
    let path = base.join(url);
    match is_path && path.exists() {
        true => path.to_string_lossy().into_owned(),
        false => url.to_owned(),
    }
}

fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Runs git without asking anybody anything; the error is what it said.
fn run(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .args(["-c", "advice.detachedHead=false"])
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "the program `git` is not installed".to_owned(),
            _ => error.to_string(),
        })?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

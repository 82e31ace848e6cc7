//! Who the server runs as, and a folder that user can enter.
//!
//! PostgreSQL refuses to run as root, so root hands the cluster to an unprivileged user, who often
//! cannot enter a project below root's home.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use msv_diagnostics::Diagnostic;

/// The unprivileged user that root starts the server as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUser {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

impl ServerUser {
    /// `None` when this process is not root and the server simply runs as its user.
    pub fn for_this_process() -> Result<Option<ServerUser>, Diagnostic> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| find_user(&passwd, name))
            .map(Some)
            .ok_or_else(|| {
                Diagnostic::error(
                    "MSV0407",
                    "PostgreSQL does not run as root, and there is no user `postgres` or `nobody`",
                )
                .help("run msv as an ordinary user, or: useradd --system postgres")
            })
    }

    /// Makes a program run as this user, without root's supplementary groups.
    pub fn apply(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Gives a file or folder to this user.
    pub fn own(&self, path: &Path) -> std::io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }
}

fn find_user(passwd: &str, name: &str) -> Option<ServerUser> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(ServerUser {
            name: name.to_owned(),
            uid,
            gid,
        })
    })
}

/// True when `user` may walk down to `path`; parts that do not exist yet are no hindrance.
pub(in crate::embedded) fn can_enter(path: &Path, user: &ServerUser) -> bool {
    path.ancestors().all(|folder| match fs::metadata(folder) {
        Ok(facts) => {
            let bit = if facts.uid() == user.uid {
                0o100
            } else if facts.gid() == user.gid {
                0o010
            } else {
                0o001
            };
            facts.mode() & bit != 0
        }
        Err(_) => true,
    })
}

/// Chooses and creates the folder for the cluster's files, owned by whoever runs the server.
pub(in crate::embedded) fn choose(
    home: &Path,
    project: &Path,
    user: Option<&ServerUser>,
) -> Result<PathBuf, Diagnostic> {
    let candidates: Vec<PathBuf> = match user {
        Some(user) if !can_enter(home, user) => {
            let name = short_hash(project);
            vec![
                PathBuf::from("/var/lib/msv").join(&name),
                std::env::temp_dir().join(format!("msv-{name}")),
            ]
        }
        _ => vec![home.join("cluster")],
    };
    let mut last_error = String::new();
    for place in &candidates {
        if user.is_some_and(|user| !can_enter(place, user)) {
            continue;
        }
        match create_owned(place, user) {
            Ok(()) => return Ok(place.clone()),
            Err(error) => last_error = format!("cannot create `{}`: {error}", place.display()),
        }
    }
    Err(
        Diagnostic::error("MSV0408", "there is no folder for the local server's files")
            .note(last_error)
            .help("run msv as an ordinary user, or move the project below a folder all may enter"),
    )
}

fn create_owned(place: &Path, user: Option<&ServerUser>) -> std::io::Result<()> {
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(place) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            // In a folder that all may write to, somebody else could have put it there.
            let facts = fs::symlink_metadata(place)?;
            let expected = user.map_or(rustix::process::geteuid().as_raw(), |user| user.uid);
            if !facts.is_dir() || (facts.uid() != expected && facts.uid() != 0) {
                return Err(std::io::Error::other("it belongs to somebody else"));
            }
        }
        outcome => outcome?,
    }
    fs::set_permissions(place, fs::Permissions::from_mode(0o700))?;
    match user {
        Some(user) => user.own(place),
        None => Ok(()),
    }
}

/// Names a project in a folder shared by all projects of the machine.
pub(in crate::embedded) fn short_hash(project: &Path) -> String {
    let digest = Sha256::digest(project.as_os_str().as_encoded_bytes());
    digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_read_from_the_password_file() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\npostgres:x:101:104::/var/lib/postgresql:/bin/sh\n";
        let user = find_user(passwd, "postgres").expect("is there");
        assert_eq!((user.uid, user.gid), (101, 104));
        assert_eq!(find_user(passwd, "post"), None);
    }
}

//! What is remembered of a project's server between two commands.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::options::{ConnectOptions, Secret};

/// Where the server of a project is; kept in `server.json`, the password beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::embedded) struct ServerState {
    /// The project this was written for: a copied project makes a cluster of its own.
    pub(in crate::embedded) project: PathBuf,
    /// The folder that holds `data`, `socket` and `server.log`.
    pub(in crate::embedded) place: PathBuf,
    pub(in crate::embedded) port: u16,
    pub(in crate::embedded) user: String,
    pub(in crate::embedded) dbname: String,
    /// The folder of the programs that started it last.
    pub(in crate::embedded) bin_dir: PathBuf,
}

impl ServerState {
    pub(in crate::embedded) fn data_dir(&self) -> PathBuf {
        self.place.join("data")
    }

    pub(in crate::embedded) fn log_file(&self) -> PathBuf {
        self.place.join("server.log")
    }

    pub(in crate::embedded) fn load(home: &Path) -> Option<ServerState> {
        serde_json::from_str(&fs::read_to_string(home.join("server.json")).ok()?).ok()
    }

    pub(in crate::embedded) fn save(&self, home: &Path) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::other)?;
        write_private(&home.join("server.json"), text.as_bytes())
    }

    pub(in crate::embedded) fn connect_options(&self, password: &Secret) -> ConnectOptions {
        ConnectOptions {
            host: "127.0.0.1".into(),
            port: self.port,
            user: self.user.clone(),
            password: password.clone(),
            dbname: self.dbname.clone(),
            sslmode: Some("disable".into()),
            ..ConnectOptions::default()
        }
    }
}

/// Writes a file that only its owner can read; readers see the old text or the new.
pub(in crate::embedded) fn write_private(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension(format!("{}.new", std::process::id()));
    // A name left by a killed process of the same id would keep its own mode.
    let _ = fs::remove_file(&unfinished);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

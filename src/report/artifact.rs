//! What all of dbt's artifacts share: metadata, times, and how a file is written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::diagnostics::{Diagnostic, Place};
use crate::project::LANGUAGE_VERSION;

use super::log_event::timestamp;

/// One command as the log and all its artifacts name it.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub id: String,
    /// `build`, `run`, `test`, …
    pub command: String,
    pub started_at: Timestamp,
    /// Variables named `DBT_ENV_CUSTOM_ENV_<key>`, under their key.
    pub env: BTreeMap<String, String>,
}

impl Invocation {
    /// A command that begins now, in the environment of this process.
    pub fn new(id: impl Into<String>, command: impl Into<String>) -> Invocation {
        let env = std::env::vars_os()
            .filter_map(|(name, value)| {
                let key = name
                    .to_str()?
                    .strip_prefix("DBT_ENV_CUSTOM_ENV_")?
                    .to_owned();
                Some((key, value.into_string().ok()?))
            })
            .collect();
        Invocation {
            id: id.into(),
            command: command.into(),
            started_at: Timestamp::now(),
            env,
        }
    }
}

/// The metadata every artifact begins with.
#[derive(Debug, Serialize)]
pub(super) struct BaseMetadata<'a> {
    dbt_schema_version: String,
    dbt_version: &'static str,
    generated_at: String,
    invocation_id: &'a str,
    invocation_started_at: String,
    env: &'a BTreeMap<String, String>,
}

impl<'a> BaseMetadata<'a> {
    /// `schema` is such as `manifest/v12`.
    pub(super) fn new(schema: &str, invocation: &'a Invocation) -> BaseMetadata<'a> {
        BaseMetadata {
            dbt_schema_version: format!("https://schemas.getdbt.com/dbt/{schema}.json"),
            dbt_version: LANGUAGE_VERSION,
            generated_at: timestamp(Timestamp::now()),
            invocation_id: &invocation.id,
            invocation_started_at: timestamp(invocation.started_at),
            env: &invocation.env,
        }
    }
}

/// Writes JSON beside its place and moves it there, so that a reader sees the old file or the
/// new one and never half of one.
///
/// # Errors
///
/// MSV0801 where the folder or the file cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Diagnostic> {
    write_file(path, |file| {
        serde_json::to_writer(file, value).map_err(std::io::Error::from)
    })
}

/// Finds out whether artifacts can be written to the folder, which is made where it is missing.
///
/// # Errors
///
/// MSV0801 where they cannot.
pub fn check_folder(folder: &Path) -> Result<(), Diagnostic> {
    let temporary = temporary_path(&folder.join("run_results.json"));
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        File::create(&temporary)?;
        fs::remove_file(&temporary)
    };
    write().map_err(|error| not_written(folder, &error))
}

/// A manifest has megabytes.
const BUFFER_BYTES: usize = 256 * 1024;

fn write_file(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), Diagnostic> {
    let temporary = temporary_path(path);
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = BufWriter::with_capacity(BUFFER_BYTES, File::create(&temporary)?);
        fill(&mut file)?;
        file.into_inner().map_err(|error| error.into_error())?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&temporary);
        not_written(path, &error)
    })
}

fn not_written(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error("MSV0801", format!("`{}` cannot be written", path.display()))
        .at(Place::file(path.display().to_string()), "")
        .note(error.to_string())
        .help("check the folder's permissions and free space, or write elsewhere with `--target-path`")
}

/// Named after the process, so that two commands do not write into one file.
fn temporary_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

//! `raw.ingested_files`: what was loaded, how far, and what a file on disk still has to give.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use msv_diagnostics::Diagnostic;
use msv_postgres::{Datum, Error, Session};
use msv_relation::quote_literal;

/// A row of `raw.ingested_files`.
#[derive(Clone, Debug)]
pub(crate) struct KnownFile {
    pub(crate) file_id: i64,
    pub(crate) path: String,
    fingerprint: String,
    is_complete: bool,
    size_bytes: u64,
    modified_ns: i64,
    byte_position: u64,
    line_position: i64,
}

/// A file on disk, as cheaply described as possible.
#[derive(Clone, Debug)]
pub(crate) struct DiskFile {
    /// Absolute, symbolic links resolved.
    pub(crate) path: String,
    pub(crate) size_bytes: u64,
    pub(crate) modified_ns: i64,
}

/// What to do with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// All of it is loaded, perhaps under another name.
    Unchanged { loaded_as: String },
    /// Nothing of it is loaded.
    Fresh { fingerprint: String },
    /// A part is loaded: a load was killed, or the file grew.
    Continue {
        file_id: i64,
        fingerprint: String,
        byte_position: u64,
        line_position: i64,
    },
}

/// Reads all rows; none when the table does not exist yet.
pub(crate) fn known_files(session: &mut Session) -> Result<Vec<KnownFile>, Error> {
    let rows = session.query(
        "select file_id, path, fingerprint, status, size_bytes, modified_ns, byte_position, \
         line_position from raw.ingested_files order by file_id",
    );
    let rows = match rows {
        Ok(rows) => rows,
        // 42P01: no such table; 3F000: no such schema.
        Err(error) if matches!(error.sqlstate.as_str(), "42P01" | "3F000") => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    Ok(rows
        .rows
        .iter()
        .map(|row| {
            let text = |at: usize| {
                let text = row.get(at).and_then(Datum::to_text);
                text.unwrap_or_default().into_owned()
            };
            let number = |at: usize| row.get(at).and_then(Datum::as_i64).unwrap_or_default();
            KnownFile {
                file_id: number(0),
                path: text(1),
                fingerprint: text(2),
                is_complete: text(3) == "complete",
                size_bytes: number(4).unsigned_abs(),
                modified_ns: number(5),
                byte_position: number(6).unsigned_abs(),
                line_position: number(7),
            }
        })
        .collect())
}

impl DiskFile {
    /// Looks at a file without reading it.
    ///
    /// # Errors
    ///
    /// MSV0601 when it is not there or cannot be looked at.
    pub(crate) fn look(path: &Path) -> Result<DiskFile, Box<Diagnostic>> {
        let look = || -> std::io::Result<DiskFile> {
            let path = path.canonicalize()?;
            let metadata = path.metadata()?;
            let modified = metadata.modified()?.duration_since(UNIX_EPOCH);
            let modified_ns = modified.map_or(0, |since| since.as_nanos());
            Ok(DiskFile {
                path: path.to_string_lossy().into_owned(),
                size_bytes: metadata.len(),
                modified_ns: i64::try_from(modified_ns).unwrap_or(0),
            })
        };
        look().map_err(|error| Box::new(unreadable(path, &error)))
    }

    /// True when size and time of change say that a complete load has seen this very file.
    pub(crate) fn is_loaded(&self, known: &[KnownFile]) -> bool {
        known.iter().any(|file| {
            file.is_complete
                && file.path == self.path
                && file.size_bytes == self.size_bytes
                && file.modified_ns == self.modified_ns
        })
    }

    /// Decides what to do, hashing the file unless [`DiskFile::is_loaded`].
    ///
    /// # Errors
    ///
    /// MSV0601 when the file cannot be read, MSV0608 when what was loaded of it has changed,
    /// MSV0609 when its last loaded line has.
    pub(crate) fn plan(&self, known: &[KnownFile]) -> Result<Plan, Box<Diagnostic>> {
        if self.is_loaded(known) {
            return Ok(Plan::Unchanged {
                loaded_as: self.path.clone(),
            });
        }
        let same_path = known.iter().rev().find(|file| file.path == self.path);
        let prefix = same_path.map_or(u64::MAX, |file| file.size_bytes);
        let (fingerprint, of_prefix) = fingerprints(&self.path, prefix)
            .map_err(|error| Box::new(unreadable(Path::new(&self.path), &error)))?;
        let same_content = known.iter().find(|file| file.fingerprint == fingerprint);
        if let Some(file) = same_content {
            return Ok(if file.is_complete {
                Plan::Unchanged {
                    loaded_as: file.path.clone(),
                }
            } else {
                file.rest(fingerprint)
            });
        }
        match same_path {
            None => Ok(Plan::Fresh { fingerprint }),
            Some(file) if of_prefix.as_ref() == Some(&file.fingerprint) => {
                self.check_joint(file.byte_position)?;
                Ok(file.rest(fingerprint))
            }
            Some(file) => Err(Box::new(
                Diagnostic::error(
                    "MSV0608",
                    format!("the file `{}` has changed since it was loaded", self.path),
                )
                .note(format!(
                    "its first {} bytes are loaded as file {}, and they are not the same any more",
                    file.size_bytes, file.file_id
                ))
                .help("load the new content under a name of its own"),
            )),
        }
    }

    /// Decides whether a reference file is read again; its rows replace those of its keys, so a
    /// changed file is no contradiction.
    ///
    /// # Errors
    ///
    /// MSV0601 when the file cannot be read.
    pub(crate) fn plan_reference(&self, known: &[KnownFile]) -> Result<Plan, Box<Diagnostic>> {
        if self.is_loaded(known) {
            return Ok(Plan::Unchanged {
                loaded_as: self.path.clone(),
            });
        }
        let (fingerprint, _) = fingerprints(&self.path, u64::MAX)
            .map_err(|error| Box::new(unreadable(Path::new(&self.path), &error)))?;
        let same_path = known.iter().rev().find(|file| file.path == self.path);
        match same_path {
            Some(file) if file.is_complete && file.fingerprint == fingerprint => {
                Ok(Plan::Unchanged {
                    loaded_as: self.path.clone(),
                })
            }
            Some(file) => Ok(file.rest(fingerprint)),
            None => Ok(Plan::Fresh { fingerprint }),
        }
    }

    /// Makes sure that the last loaded line did not grow.
    fn check_joint(&self, position: u64) -> Result<(), Box<Diagnostic>> {
        let mut around = [b'\n'; 2];
        let read = || -> std::io::Result<[u8; 2]> {
            if position > 0 {
                let mut file = File::open(&self.path)?;
                file.seek(SeekFrom::Start(position - 1))?;
                file.read_exact(&mut around)?;
            }
            Ok(around)
        };
        let around =
            { read }().map_err(|error| Box::new(unreadable(Path::new(&self.path), &error)))?;
        if around[0] == b'\n' || matches!(around[1], b'\n' | b'\r') {
            return Ok(());
        }
        Err(Box::new(
            Diagnostic::error(
                "MSV0609",
                format!(
                    "the last line of the file `{}` grew after it was loaded",
                    self.path
                ),
            )
            .note(format!(
                "the line that reaches byte {position} had no line end then"
            ))
            .help("write whole lines, and load the lines after it from a file of their own"),
        ))
    }
}

impl KnownFile {
    fn rest(&self, fingerprint: String) -> Plan {
        Plan::Continue {
            file_id: self.file_id,
            fingerprint,
            byte_position: self.byte_position,
            line_position: self.line_position,
        }
    }
}

/// Says that a file cannot be read.
pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    let shown = path.display();
    let diagnostic = Diagnostic::error("MSV0601", format!("cannot read the file `{shown}`"))
        .note(error.to_string());
    match error.kind() {
        std::io::ErrorKind::NotFound => diagnostic.help("check the path"),
        std::io::ErrorKind::PermissionDenied => diagnostic.help("check who may read it"),
        _ => diagnostic,
    }
}

/// Hashes a file, and its first `prefix` bytes where it has that many.
fn fingerprints(path: &str, prefix: u64) -> std::io::Result<(String, Option<String>)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut read = 0;
    let mut of_prefix = None;
    loop {
        if read == prefix {
            of_prefix = Some(hex(&hasher.clone().finalize()));
        }
        let left = usize::try_from(prefix.wrapping_sub(read)).unwrap_or(usize::MAX);
        let want = if read < prefix {
            left.min(buffer.len())
        } else {
            buffer.len()
        };
        let count = file.read(&mut buffer[..want])?;
        if count == 0 {
            return Ok((hex(&hasher.finalize()), of_prefix));
        }
        hasher.update(&buffer[..count]);
        read += count as u64;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Registers a file whose load begins, and gives its number.
pub(crate) fn begin(
    session: &mut Session,
    file: &DiskFile,
    plan: &Plan,
    format: &str,
) -> Result<i64, Error> {
    let path = quote_literal(&file.path);
    let (size, modified) = (file.size_bytes, file.modified_ns);
    match plan {
        Plan::Continue {
            file_id,
            fingerprint,
            ..
        } => {
            session.execute(&format!(
                "update raw.ingested_files set path = {path}, fingerprint = '{fingerprint}', \
                 status = 'loading', size_bytes = {size}, modified_ns = {modified}, \
                 finished_at = null where file_id = {file_id}"
            ))?;
            Ok(*file_id)
        }
        Plan::Fresh { fingerprint } => {
            let row = session.query(&format!(
                "insert into raw.ingested_files \
                 (path, fingerprint, format, status, size_bytes, modified_ns) \
                 values ({path}, '{fingerprint}', '{format}', 'loading', {size}, {modified}) \
                 returning file_id"
            ))?;
            Ok(row.scalar().and_then(Datum::as_i64).unwrap_or_default())
        }
        Plan::Unchanged { .. } => Ok(0),
    }
}

/// Marks a file as loaded to its end.
pub(crate) fn complete(session: &mut Session, file_id: i64) -> Result<(), Error> {
    session.execute(&format!(
        "update raw.ingested_files set status = 'complete', finished_at = clock_timestamp() \
         where file_id = {file_id}"
    ))?;
    Ok(())
}

/// Gives the number that follows the last event of all loads.
pub(crate) fn next_seq(session: &mut Session) -> Result<i64, Error> {
    let last =
        session.query("select coalesce(max(last_event_seq), 0) + 1 from raw.ingested_files")?;
    Ok(last.scalar().and_then(Datum::as_i64).unwrap_or(1))
}

//! Keeps what was compiled and sent below `target/`, where people and tools look for it.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::parse::{Details, Node, ResourceType};

/// The folder of a run's files; nothing is written when it is switched off.
#[derive(Debug)]
pub struct RunFiles {
    target: PathBuf,
    /// How the folder is called in messages.
    shown: String,
    is_writing: bool,
    /// Folders that are there.
    folders: Mutex<HashSet<PathBuf>>,
}

impl RunFiles {
    pub fn new(target: PathBuf, project_dir: &Path, is_writing: bool) -> Self {
        let shown = target
            .strip_prefix(project_dir)
            .unwrap_or(&target)
            .display()
            .to_string();
        RunFiles {
            target,
            shown,
            is_writing,
            folders: Mutex::default(),
        }
    }

    /// Several snapshots may stand in one file: of those only what was sent is kept, as in dbt.
    pub fn keep_compiled(&self, node: &Node, sql: &str) {
        if node.resource_type != ResourceType::Snapshot {
            self.write("compiled", &relative_path(node), sql);
        }
    }

    /// Keeps the query of one batch, in a folder of the model's name.
    pub(super) fn keep_compiled_batch(&self, node: &Node, batch: &str, sql: &str) {
        self.write("compiled", &batch_path(node, batch), sql);
    }

    pub(super) fn keep_run(&self, node: &Node, batch: Option<&str>, sql: &str) {
        let path = match batch {
            Some(batch) => batch_path(node, batch),
            None => relative_path(node),
        };
        self.write("run", &path, sql);
    }

    /// Where a node's compiled SQL lies, as a person would type it.
    pub fn compiled_path(&self, node: &Node) -> String {
        format!("{}/compiled/{}", self.shown, relative_path(node))
    }

    /// A file that cannot be written must not fail the model it is about.
    fn write(&self, folder: &str, path: &str, sql: &str) {
        if !self.is_writing {
            return;
        }
        let path = self.target.join(folder).join(path);
        if let Some(parent) = path.parent() {
            let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
            if !folders.contains(parent) && std::fs::create_dir_all(parent).is_ok() {
                folders.insert(parent.to_owned());
            }
        }
        let _ = overwrite(&path, sql.as_bytes());
    }
}

/// Writes a file over what it held, unless that is the same: in most runs it is, and reading takes
/// a fraction of the time.
///
/// Not emptied first: ext4 takes that for the way in which programs replace precious files, and
/// waits for the disk when such a file is closed, which is longer than most models take.
fn overwrite(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    // One byte more tells a file that goes on.
    let mut held = vec![0; bytes.len() + 1];
    let count = file.read_at(&mut held, 0)?;
    if &held[..count] == bytes {
        return Ok(());
    }
    file.write_all_at(bytes, 0)?;
    let length = bytes.len() as u64;
    if file.metadata()?.len() > length {
        file.set_len(length)?;
    }
    Ok(())
}

/// `package/models/marts/x/x_2024-03-10.sql`: the batches of a model lie in a folder of its name.
fn batch_path(node: &Node, batch: &str) -> String {
    let path = relative_path(node);
    let stem = path.strip_suffix(".sql").unwrap_or(&path);
    let name = stem.rsplit('/').next().unwrap_or(stem);
    format!("{stem}/{name}_{batch}.sql")
}

/// `package/models/marts/x.sql`; tests of a properties file lie in a folder of its name.
fn relative_path(node: &Node) -> String {
    match &node.details {
        Details::GenericTest(_) | Details::UnitTest(_) => {
            let file = if node.path.ends_with(".sql") {
                node.path.clone()
            } else {
                format!("{}.sql", node.search_name())
            };
            format!("{}/{}/{file}", node.package_name, node.original_file_path)
        }
        // Declared in a properties file, where several may be.
        Details::Snapshot if node.path.rsplit('/').nth(1).is_some_and(is_properties) => {
            format!(
                "{}/{}/{}",
                node.package_name, node.original_file_path, node.path
            )
        }
        Details::Hook { .. } => {
            let file = node.original_file_path.trim_start_matches("./");
            format!("{}/{file}/{}", node.package_name, node.path)
        }
        _ => format!("{}/{}", node.package_name, node.original_file_path),
    }
}

fn is_properties(name: &str) -> bool {
    name.ends_with(".yml") || name.ends_with(".yaml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_what_was_written_last() {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let path = folder.path().join("model.sql");
        for text in [
            "select 1",
            "select 1",
            "select 2",
            "select",
            "select 10, 20",
        ] {
            overwrite(&path, text.as_bytes()).expect("the folder is writable");
            let held = std::fs::read_to_string(&path).expect("it is there");
            assert_eq!(held, text);
        }
    }
}

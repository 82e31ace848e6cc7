//! Keeps what was compiled and sent below `target/`, where people and tools look for it.

use std::path::{Path, PathBuf};

use crate::parse::{Details, Node};

/// The folder of a run's files; nothing is written when it is switched off.
#[derive(Debug)]
pub struct RunFiles {
    target: PathBuf,
    /// How the folder is called in messages.
    shown: String,
    is_writing: bool,
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
        }
    }

    pub fn keep_compiled(&self, node: &Node, sql: &str) {
        self.write("compiled", node, sql);
    }

    pub(super) fn keep_run(&self, node: &Node, sql: &str) {
        self.write("run", node, sql);
    }

    /// Where a node's compiled SQL lies, as a person would type it.
    pub fn compiled_path(&self, node: &Node) -> String {
        format!("{}/compiled/{}", self.shown, relative_path(node))
    }

    /// A file that cannot be written must not fail the model it is about.
    fn write(&self, folder: &str, node: &Node, sql: &str) {
        if !self.is_writing {
            return;
        }
        let path = self.target.join(folder).join(relative_path(node));
        if let Some(parent) = path.parent() {
            let _ = std::fs::create_dir_all(parent);
        }
        let _ = std::fs::write(path, sql);
    }
}

/// `package/models/marts/x.sql`; tests of a properties file lie in a folder of its name.
fn relative_path(node: &Node) -> String {
    match &node.details {
        Details::GenericTest(_) | Details::UnitTest(_) => {
            let file = if node.path.ends_with(".sql") {
                node.path.clone()
            } else {
                format!("{}.sql", node.name)
            };
            format!("{}/{}/{file}", node.package_name, node.original_file_path)
        }
        Details::Hook { .. } => format!("{}/{}", node.package_name, node.path),
        _ => format!("{}/{}", node.package_name, node.original_file_path),
    }
}

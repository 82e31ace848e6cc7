//! Loads the order data a project names under `ingest:` before it is built.

use crate::diagnostics::Diagnostic;
use crate::market::feeds::FeedOptions;
use crate::market::load::{Progress, Summary, ingest_folder};
use crate::postgres::ConnectOptions;
use crate::project::Project;
use crate::report::console::Console;
use crate::report::summary::plural;
use crate::run::Level;

use super::ingest::file_lines;

/// Loads what is new in each folder; folders that are loaded already cost one query.
///
/// # Errors
///
/// What keeps a folder from being loaded.
pub(super) fn load_for_build(
    project: &Project,
    connect: &ConnectOptions,
    console: &Console,
) -> Result<(), Vec<Diagnostic>> {
    for folder in &project.root.config.ingest {
        let path = project.dir.join(&folder.value);
        let mut say = |progress: Progress<'_>| {
            if let Progress::Finished(file) = progress {
                for line in file_lines(file) {
                    console.message(Level::Debug, &line);
                }
            }
        };
        let summary: Summary = ingest_folder(&FeedOptions::default(), connect, &path, &mut say)?;
        if !summary.is_unchanged() {
            let events = plural(
                usize::try_from(summary.events()).unwrap_or(usize::MAX),
                "event",
            );
            let text = format!("loaded `{}`: {events}", folder.value);
            console.message(Level::Info, &text);
        }
        if summary.rejects() > 0 {
            let text = match summary.rejects() {
                1 => format!("1 line of `{}` is no event; it is kept", folder.value),
                lines => format!(
                    "{lines} lines of `{}` are no events; they are kept",
                    folder.value
                ),
            };
            let text = format!("{text} in raw.rejected_events");
            console.message(Level::Warn, &text);
        }
    }
    Ok(())
}

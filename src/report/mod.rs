//! Report: run events in, console lines and artifacts out; alerts in, a page out.
//!
//! [`console`] is the only file here that writes to the terminal; the others return text or
//! write files. [`lines`] words a run for people, [`log_event`], [`node_event`] and [`command_event`]
//! for programs and for the [`log_file`], [`manifest`], [`run_results`], [`catalog`], [`sources`] and
//! [`semantic_manifest`] are dbt's artifacts, [`list`] is what `ls` shows, [`table`] shows rows, [`docs`] is the documentation page, [`page`] draws the alerts,
//! [`warning_event`] knows dbt's names of warnings.

pub mod artifact;
pub mod catalog;
pub mod command_event;
pub mod console;
pub mod docs;
mod event_code;
pub mod lines;
pub mod list;
mod live;
pub mod log_event;
pub mod log_file;
pub mod manifest;
pub mod node_event;
pub mod page;
pub mod resources;
pub mod run_results;
pub mod secrets;
pub mod semantic_manifest;
pub mod sources;
pub mod summary;
pub mod table;
pub mod warning_event;

//! Report: run events in, console lines and artifacts out; alerts in, a page out.
//!
//! [`console`] is the only file here that writes to the terminal; the others return text or
//! write files. [`lines`] words a run for people, [`log_event`] for programs, [`table`] and
//! [`diff`] show rows, [`page`] draws the alerts.

pub mod console;
pub mod diff;
pub mod lines;
mod live;
pub mod log_event;
pub mod page;
pub mod summary;
pub mod table;

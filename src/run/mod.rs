//! Run: compiled nodes in, relations in the database and events about them out.
//!
//! Nothing is printed here: listeners turn events into console lines and artifacts.

mod event;
mod plan;
pub mod publish;
mod scheduler;

pub use event::{Event, Level, Listener, NodeResult, Position, Status, Timing};

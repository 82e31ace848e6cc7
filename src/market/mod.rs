//! Orders and trades in: files decoded, a book built, events stamped and copied.
//!
//! | module | turns |
//! |---|---|
//! | [`feeds`] | lines of a format into [`event::OrderEvent`]s |
//! | [`book`] | events into the state each of them met |

pub mod book;
pub mod event;
pub mod feeds;
pub mod nanos;
pub mod price;

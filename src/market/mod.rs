//! Orders and trades in: files decoded, a book built, events stamped and copied.
//!
//! | module | turns |
//! |---|---|
//! | [`feeds`] | lines of a format into [`event::OrderEvent`]s |

pub mod event;
pub mod feeds;
pub mod nanos;
pub mod price;

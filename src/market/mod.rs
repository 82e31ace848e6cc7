//! Orders and trades in: files decoded, a book built, events stamped and copied.
//!
//! | module | turns |
//! |---|---|
//! | [`feeds`] | lines of a format into [`event::OrderEvent`]s |
//! | [`book`] | events into the state each of them met |
//! | [`simulate`] | a seed into a trading day with labelled episodes |

pub mod book;
pub mod event;
pub mod feeds;
pub mod nanos;
pub mod price;
pub mod simulate;

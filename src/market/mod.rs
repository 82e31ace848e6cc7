//! Orders and trades in: files decoded, a book built, events stamped and copied.
//!
//! | module | turns |
//! |---|---|
//! | [`feeds`] | lines of a format into [`event::OrderEvent`]s |
//! | [`book`] | events into the state each of them met |
//! | [`load`] | stamped events into the tables of schema `raw`, exactly once |
//! | [`reference`] | CSV files of instruments, accounts and trading days into their tables |
//! | [`simulate`] | a seed into a trading day with labelled episodes |
//! | [`evaluate`] | labels and alerts into precision and recall |

pub mod book;
pub mod evaluate;
pub mod event;
pub mod feeds;
pub mod load;
pub mod nanos;
pub mod price;
pub mod reference;
pub mod simulate;

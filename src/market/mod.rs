//! Orders and trades in: files decoded, a book built, events stamped and copied.

pub mod event;
pub mod nanos;
pub mod price;

//! What integration tests share.

pub mod database;

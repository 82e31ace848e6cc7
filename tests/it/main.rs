//! The integration tests, as one binary: one link instead of many.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod artifacts;
mod cli_reference;
mod commands;
mod compatibility;
mod console;
mod embedded;
mod error_pages;
mod ingest;
mod jinja;
mod killed;
mod linking;
mod nodes;
mod profile;
mod project;
mod publish;
mod report;
mod seed;
mod selection;
mod session;
mod silence;
mod simulate;
mod support;
mod tidy;
mod trouble;
mod warnings;

//! The integration tests, as one binary: one link instead of many.

mod artifacts;
mod console;
mod embedded;
mod error_pages;
mod ingest;
mod jinja;
mod linking;
mod nodes;
mod project;
mod publish;
mod report;
mod selection;
mod session;
mod support;
mod tidy;

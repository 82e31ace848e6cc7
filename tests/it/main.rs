//! The integration tests, as one binary: one link instead of many.

mod linking;
mod nodes;
mod project;
mod selection;
mod tidy;

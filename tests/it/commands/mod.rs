//! Whole commands in small projects: what they print, where, and their exit codes.

mod audit;
mod build;
mod context;
mod data_tests;
mod deps;
mod docs;
mod flags;
mod functions;
mod groups;
mod history;
mod hooks;
mod incremental;
mod kept;
mod materializations;
mod microbatch;
mod overrides;
mod packages;
mod parallel;
mod partitions;
mod read;
mod relations;
mod seeds;
mod semantic;
mod state;
mod together;
mod unit_tests;

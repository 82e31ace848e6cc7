//! Run: compiled nodes in, relations in the database and events about them out.
//!
//! 1. Plan which node waits for which ([`Plan`]).
//! 2. Hand ready nodes to workers, one connection each ([`run`](runner::run)).
//! 3. Materialize, test and publish each node.
//!
//! Nothing is printed here: listeners turn events into console lines and artifacts.

mod adapter;
mod audit;
mod data_test;
mod event;
mod failure;
mod files;
mod freshness;
mod fused_tests;
mod group;
mod hooks;
mod materialize;
mod plan;
mod project_hooks;
pub mod publish;
mod query_comment;
mod repeat;
mod result_value;
mod row_diff;
mod runner;
pub mod sampling;
mod scheduler;
pub mod seed;
mod standing;
mod together;
mod unasked;
mod unit_test;
mod worker;

pub use crate::postgres::catalog::{DescribedColumn, DescribedRelation};
pub use adapter::Adapter;
pub use event::{
    BatchResults, Event, Level, Listener, NodeResult, Position, Status, Timing, UNCHANGED,
};
pub use failure::server_refused_query;
pub use files::RunFiles;
pub use freshness::{
    Freshness, FreshnessResult, FreshnessStatus, FreshnessSummary, check_freshness, has_freshness,
};
pub use fused_tests::Foretold;
pub use group::Grouping;
pub use plan::Plan;
pub use query_comment::statement_comment;
pub use runner::{RunContext, RunOptions, Summary, interrupt, run};
pub use scheduler::Stop;
pub use together::{Publishing, stand_ins};

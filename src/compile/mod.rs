//! Compile: a linked node in, plain SQL with its source map out.
//!
//! 1. Render the node's template with names that lead to relations ([`NodeHost`]).
//! 2. Put the queries of ephemeral parents in as CTEs ([`inject`]).
//! 3. Read what is not built here from an earlier state ([`Deferral`]).
//! 4. Read what is built but not published yet where it lies ([`StandIns`]).
//! 5. Wrap tests into the statements that count or compare ([`data_test`], [`unit_test`]).

mod compiled;
mod compiler;
pub mod data_test;
mod deferral;
mod fixture_database;
pub mod fixture_rows;
mod frozen_clock;
mod graph_value;
mod host;
mod inject;
pub mod model_over;
mod named_cte;
pub mod outline;
mod stand_ins;
pub mod unit_test;

pub use compiled::Compiled;
pub use compiler::{Compiler, Settings};
pub use deferral::Deferral;
pub use host::{Messages, NodeHost, Overrides, cte_relation};
pub use inject::cte_name;
pub use stand_ins::StandIns;

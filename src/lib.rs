//! msv: a folder of SQL templates in, tables, views, tests and alerts in PostgreSQL out.
//!
//! | stage | module | turns |
//! |---|---|---|
//! | 1 read | [`project`] | files into declarations |
//! | 2 parse | [`parse`] | templates into what they ask for |
//! | 3 link | [`graph`] | names into nodes and edges |
//! | 4 compile | [`compile`] | nodes into plain SQL |
//! | 5 run | [`run`] | SQL into relations, and events about it |
//! | 6 report | [`report`] | events into console lines and artifacts |
//!
//! [`jinja`] is the template language of stages 2 and 4, [`postgres`] the only way to a
//! server, [`market`] brings orders and trades in, [`cli`] is the command line;
//! [`diagnostics`] and [`relation`] are leaves that every module may use.

pub mod cli;
pub mod compile;
pub use msv_diagnostics as diagnostics;
pub use msv_graph as graph;
pub use msv_jinja as jinja;
pub use msv_market as market;
pub use msv_parse as parse;
pub use msv_postgres as postgres;
pub use msv_project as project;
pub use msv_relation as relation;
pub mod report;
pub mod run;

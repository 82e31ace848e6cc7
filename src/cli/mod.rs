//! The command line: arguments in, one library call, exit code out.

pub mod db;
pub mod evaluate;
pub mod explain;
pub mod ingest;
pub mod report;
pub mod simulate;

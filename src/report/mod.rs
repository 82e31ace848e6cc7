//! Report: run events in, console lines and artifacts out; alerts in, a page out.

pub mod page;

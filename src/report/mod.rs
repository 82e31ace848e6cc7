//! Report: run events in, console lines and artifacts out.

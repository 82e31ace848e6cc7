//! Link: declarations in, dependency graph out.

//! The `msv` binary.

fn main() {}

//! Compile: a linked node in, plain SQL with its source map out.

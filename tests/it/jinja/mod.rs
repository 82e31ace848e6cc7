//! The template language: what templates become, and what their mistakes look like.

mod builtins;
mod corpus;
mod host;
mod language;
mod macros;
mod mistakes;
mod robust;

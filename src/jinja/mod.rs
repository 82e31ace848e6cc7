//! The template language: dbt's Jinja on unmodified minijinja.
//!
//! 1. Cut a file into its blocks ([`extract_blocks`]): macros, tests, docs, snapshots.
//! 2. Build an [`Engine`] of all macros; the built-in ones are added.
//! 3. Render templates with it: what they ask the world for goes through [`Host`], what they
//!    became has a [`SourceMap`].
//!
//! [`rewrite`] bridges what Jinja has and minijinja lacks, `value` holds Python's objects,
//! `context` what a template may call. Which names exist and what they mean is the host's.
//!
//! | code | what is wrong |
//! |---|---|
//! | MSV0301 | the template cannot be read |
//! | MSV0302 | the template raised an error itself (`exceptions.…`) |
//! | MSV0303 | no macro, function or method has that name, or a value is undefined |
//! | MSV0304 | no filter or test has that name |
//! | MSV0305 | arguments do not fit |
//! | MSV0306 | the database is asked where there is no connection |
//! | MSV0307 | an operation does not work on its values |
//! | MSV0308 | macros recurse without end |
//! | MSV0309 | a variable or environment variable has no value |
//! | MSV0310 | a block is not closed, not opened, or has a wrong header |
//! | MSV0311 | a macro is defined twice in one package |
//! | MSV0312 | a required config is not set |
//! | MSV0313 | metrics or functions: none with that name |
//! | MSV0346 | two packages define one materialization |

mod balance;
mod blocks;
mod builtins;
mod calls;
pub mod clock;
mod context;
mod dependencies;
mod engine;
mod errors;
mod evaluate;
mod filters;
mod host;
mod macros;
mod materialization;
mod methods;
mod native;
mod operators;
mod order;
mod position;
mod predicates;
mod printf;
mod rewrite;
mod scan;
mod session;
mod source_map;
mod splice;
mod statement;
mod static_call;
mod text_filters;
mod text_methods;
pub mod value;
mod walk;

pub use blocks::{Block, MacroDefinition, MacroKind, extract_blocks};
pub use engine::{
    BUILTIN_PACKAGE, DispatchConfig, Engine, POSTGRES_PACKAGE, Rendered, Source, is_builtin,
};
pub use host::{Database, Host, HostError, QueryResponse, Site};
pub use materialization::Materialized;
pub use minijinja::Value;
pub use rewrite::Parameter;
pub use source_map::SourceMap;
pub use value::column::Column;
pub use value::table::Table;

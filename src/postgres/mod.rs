//! PostgreSQL: SQL text in, rows, counts and errors out; the only module that names the driver.
//!
//! Everything outside sees plain blocking calls: a [`Session`] is one connection and holds the
//! small runtime that drives it, so it may be moved between threads and never waits for another
//! session. [`catalog`] asks what exists, [`embedded`] runs a private local server. Models, nodes
//! and templates are unknown here.

mod cancel;
pub mod catalog;
mod client_types;
mod comment;
mod copy;
mod copy_binary;
mod datum;
pub mod embedded;
mod error;
mod notices;
mod observer;
mod options;
mod peer;
mod session;
mod statement;

pub use self::cancel::Canceller;
pub use self::client_types::client_type_name;
pub use self::comment::StatementComment;
pub use self::copy::{CopyIn, CopyText};
pub use self::copy_binary::CopyBinary;
pub use self::datum::{ArrayDatum, Column, Datum, Rows};
pub use self::error::Error;
pub use self::observer::{StatementEvent, StatementObserver};
pub use self::options::{ConnectOptions, Secret};
pub use self::session::{Answer, Executed, Session};
pub use self::statement::{
    closing_bracket, command_tag, has_top_level_word, has_transaction_control, split_statements,
    stands_alone,
};

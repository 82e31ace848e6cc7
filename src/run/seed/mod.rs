//! Seeds: a CSV file in, a typed table out.
//!
//! 1. Cut the file into rows of fields ([`rows`]) below the columns ([`file`])
//!    that its header names ([`header`]).
//! 2. Find each column's type from its values ([`sniff`]).
//!    Dates and times have a file of their own ([`moment`]).
//! 3. Create the table and send the rows with `COPY` ([`load`]), as binary values where their
//!    types are known ([`encode`]); or hand them to a project's own macros ([`agate`]).
//! 4. Leave a mark by which the same file is known again ([`mark`]).
//!
//! Putting the table in its public place is done by [`publish`](crate::run::publish).

mod agate;
mod encode;
mod file;
mod header;
mod load;
mod mark;
mod moment;
mod rows;
mod sniff;

pub use self::file::Seed;
pub use self::load::load_seed;
pub use self::mark::{Fingerprint, is_loaded};
pub use self::sniff::SeedType;

use indexmap::IndexMap;

/// The configuration of a seed, as dbt names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedOptions {
    /// SQL types by column; such a column's text goes to the server as it is.
    pub column_types: IndexMap<String, String>,
    /// One ASCII character.
    pub delimiter: u8,
    /// Keeps column names as they are; else they are plain names that lose their case.
    pub quote_columns: bool,
}

impl Default for SeedOptions {
    fn default() -> Self {
        SeedOptions {
            column_types: IndexMap::new(),
            delimiter: b',',
            quote_columns: true,
        }
    }
}

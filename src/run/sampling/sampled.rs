//! A unit test made of real rows, before it is written down.

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::compile::fixture_rows::TypedColumn;

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct SamplingOptions {
    /// Rows of the result that are to come out.
    pub rows: usize,
    /// A condition on them.
    pub filter: Option<String>,
    /// The branch of an incremental model that adds to what it has, not the one that begins.
    pub is_incremental: bool,
}

/// Rows as texts that PostgreSQL reads back, with the types of their columns.
#[derive(Clone, Debug, Default)]
pub struct TypedRows {
    pub columns: Vec<TypedColumn>,
    pub rows: Vec<Vec<Option<String>>>,
}

impl TypedRows {
    /// Takes off the zeros behind the points of numbers, which no comparison sees.
    pub(super) fn trim_zeros(&mut self) {
        for (at, (_, data_type)) in self.columns.iter().enumerate() {
            if !data_type.starts_with("numeric") || data_type.ends_with("[]") {
                continue;
            }
            for cell in self.rows.iter_mut().filter_map(|row| row[at].as_mut()) {
                if cell.contains('.') {
                    let digits = cell.trim_end_matches('0').trim_end_matches('.').len();
                    cell.truncate(digits);
                }
            }
        }
    }
}

/// One input as a unit test names it, and its rows.
#[derive(Clone, Debug)]
pub struct SampledInput {
    pub input: String,
    pub rows: TypedRows,
}

/// A unit test that passes.
#[derive(Clone, Debug)]
pub struct SampledTest {
    /// Where the model asks whether it is added to: what the test answers.
    pub is_incremental: Option<bool>,
    /// Where the model reads the time: the instant at which the clock is to stand.
    pub now: Option<Timestamp>,
    /// The project's variables that the model reads, so that changing one later breaks no test.
    pub vars: Vec<(String, Json)>,
    pub given: Vec<SampledInput>,
    pub expect: TypedRows,
    /// What a person should know.
    pub notes: Vec<String>,
}

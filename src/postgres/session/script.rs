//! Several statements in one call, and what each of them answered.

use std::future::poll_fn;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Either, Row as _};

use crate::datum::Datum;
use crate::error::Error;
use crate::session::Session;

/// What one statement of several answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    pub rows: Vec<Vec<Datum>>,
    pub rows_affected: u64,
}

/// Which rows of a call are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    Nothing,
    LastRows,
    AllRows,
}

impl Session {
    /// Runs statements in one call; each answers for itself.
    ///
    /// They carry their comments themselves, and nobody hears of them: that is the caller's part.
    /// `statements` are single ones, each a text of its own.
    ///
    /// # Errors
    ///
    /// The refusal of one of them, with how many were done before it.
    pub fn run_each(&mut self, statements: &[String]) -> Result<Vec<Answer>, (usize, Error)> {
        let comment = self.comment.take();
        let observer = self.observer.take();
        let outcome = self.run(&statements.join("\n;\n"), Keeps::AllRows);
        self.comment = comment;
        self.observer = observer;
        let outcome = outcome.map_err(|error| (self.completed, error))?;
        let done = outcome.affected.len();
        self.answers(&outcome).map_err(|error| (done, error))
    }

    fn answers(&mut self, outcome: &Outcome) -> Result<Vec<Answer>, Error> {
        let mut answers = Vec::with_capacity(outcome.affected.len());
        for (rows, rows_affected) in outcome.earlier.iter().zip(&outcome.affected) {
            let rows = match rows.first() {
                None => Vec::new(),
                Some(row) => {
                    let columns = self.columns_of(row.columns())?;
                    self.decode_rows(rows, &columns)?
                }
            };
            answers.push(Answer {
                rows,
                rows_affected: *rows_affected,
            });
        }
        Ok(answers)
    }
}

#[derive(Default)]
pub(super) struct Outcome {
    /// The last statement's rows.
    pub rows: Vec<PgRow>,
    /// Rows that each statement answered with, where all are wanted.
    earlier: Vec<Vec<PgRow>>,
    /// Rows of each statement.
    pub affected: Vec<u64>,
}

impl Outcome {
    /// Rows of the last statement.
    pub(super) fn rows_affected(&self) -> u64 {
        self.affected.last().copied().unwrap_or_default()
    }

    /// Leaves out what the first statements answered.
    pub(super) fn without_first(mut self, count: usize) -> Outcome {
        self.affected.drain(..count.min(self.affected.len()));
        self.earlier.drain(..count.min(self.earlier.len()));
        self
    }
}

pub(super) async fn run_script(
    connection: &mut PgConnection,
    sql: &str,
    keeps: Keeps,
    completed: &mut usize,
) -> Result<Outcome, sqlx::Error> {
    let script = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    let mut stream = script.fetch_many(connection);
    let mut outcome = Outcome::default();
    let mut rows = Vec::new();
    while let Some(item) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
        match item? {
            Either::Right(row) => {
                if keeps != Keeps::Nothing {
                    rows.push(row);
                }
            }
            Either::Left(done) => {
                *completed += 1;
                outcome.affected.push(done.rows_affected());
                let rows = std::mem::take(&mut rows);
                if keeps == Keeps::AllRows {
                    outcome.earlier.push(rows);
                } else {
                    outcome.rows = rows;
                }
            }
        }
    }
    Ok(outcome)
}

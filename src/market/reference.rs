//! Reference data: CSV files of instruments, accounts, obligations, news and trading days in,
//! rows of `raw` upserted by key out.
//!
//! A row that did not change is not written; a row that the file no longer has stays.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::feeds::lobster::zone;
use crate::feeds::spelling::boolean;
use crate::feeds::time::{TimeReader, TimeUnit, integer, read_time_of_day};
use crate::nanos::Day;
use crate::price::Price;
use msv_diagnostics::{Diagnostic, Place, closest};
use msv_postgres::{CopyText, Error, Session};

/// More mistakes than this in one file are the same mistake.
const MOST_MISTAKES: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    /// Text that is trimmed and upper-cased: venues and symbols.
    Name,
    Decimal,
    Integer,
    Boolean,
    TimeOfDay,
    Date,
    Moment,
    TimeZone,
}

/// One reference table: its columns in order, the first `key_columns` of them its key.
#[derive(Debug)]
pub struct ReferenceTable {
    name: &'static str,
    key_columns: usize,
    columns: &'static [(&'static str, Kind)],
}

const TABLES: [ReferenceTable; 5] = [
    ReferenceTable {
        name: "instruments",
        key_columns: 2,
        columns: &[
            ("venue", Kind::Name),
            ("symbol", Kind::Name),
            ("tick_size", Kind::Decimal),
            ("lot_size", Kind::Integer),
            ("currency", Kind::Text),
            ("session_open", Kind::TimeOfDay),
            ("session_close", Kind::TimeOfDay),
            ("timezone", Kind::TimeZone),
            ("liquidity_tier", Kind::Text),
            ("aliases", Kind::Text),
        ],
    },
    ReferenceTable {
        name: "accounts",
        key_columns: 1,
        columns: &[
            ("account_id", Kind::Text),
            ("trader_id", Kind::Text),
            ("participant_id", Kind::Text),
            ("owner_id", Kind::Text),
            ("link_group", Kind::Text),
            ("is_market_maker", Kind::Boolean),
            ("is_algo", Kind::Boolean),
        ],
    },
    ReferenceTable {
        name: "obligations",
        key_columns: 2,
        columns: &[
            ("market_maker", Kind::Text),
            ("symbol", Kind::Name),
            ("max_spread", Kind::Decimal),
            ("min_quantity", Kind::Integer),
            ("presence", Kind::Decimal),
        ],
    },
    ReferenceTable {
        name: "news",
        key_columns: 4,
        columns: &[
            ("published_at", Kind::Moment),
            ("venue", Kind::Name),
            ("symbol", Kind::Name),
            ("headline", Kind::Text),
        ],
    },
    ReferenceTable {
        name: "calendar",
        key_columns: 2,
        columns: &[
            ("venue", Kind::Name),
            ("trading_date", Kind::Date),
            ("session_open", Kind::TimeOfDay),
            ("session_close", Kind::TimeOfDay),
            ("is_half_day", Kind::Boolean),
        ],
    },
];

/// Finds the table that a file is for by its name, `instruments.csv` and the like.
pub fn table_of(path: &Path) -> Option<&'static ReferenceTable> {
    let name = path.file_name()?.to_str()?.strip_suffix(".csv")?;
    TABLES.iter().find(|table| table.name == name)
}

/// Names all reference files, for messages.
pub fn file_names() -> String {
    TABLES
        .iter()
        .map(|table| format!("`{}.csv`", table.name))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Validated rows: one text for each of the table's columns, `None` for null.
pub type ReferenceRows = Vec<Vec<Option<String>>>;

/// Reads and validates a reference file.
///
/// # Errors
///
/// All mistakes: MSV0601 unreadable, MSV0603 a key column is missing, MSV0611 a value is not
/// of its column's kind, MSV0612 a key comes twice.
pub fn read(
    table: &ReferenceTable,
    path: &Path,
    warnings: &mut Vec<Diagnostic>,
) -> Result<ReferenceRows, Vec<Diagnostic>> {
    let shown: Arc<str> = path.display().to_string().into();
    let text = std::fs::read(path).map_err(|error| {
        vec![
            Diagnostic::error("MSV0601", format!("cannot read the file `{shown}`"))
                .note(error.to_string()),
        ]
    })?;
    let text: Arc<str> = String::from_utf8_lossy(&text).into();
    let file = SourceFile { shown, text };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(file.text.as_bytes());
    let header = reader
        .headers()
        .cloned()
        .map_err(|error| vec![file.broken(&error)])?;
    let positions = file.match_columns(table, &header, warnings)?;
    let mut mistakes = Vec::new();
    let mut rows = Vec::new();
    let mut keys: HashMap<Vec<Option<String>>, usize> = HashMap::new();
    let mut moments = TimeReader::new(TimeUnit::Ns, TimeZone::UTC);
    for record in reader.records() {
        if mistakes.len() >= MOST_MISTAKES {
            break;
        }
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                mistakes.push(file.broken(&error));
                break;
            }
        };
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        let start = record.position().map_or(0, |position| position.byte()) as usize;
        if record.len() != header.len() {
            mistakes.push(
                Diagnostic::error(
                    "MSV0611",
                    format!(
                        "a line of `{}` has {} fields instead of {}",
                        file.shown,
                        record.len(),
                        header.len()
                    ),
                )
                .at(file.line_at(start), ""),
            );
            continue;
        }
        let mut row = Vec::with_capacity(table.columns.len());
        for (number, (name, kind)) in table.columns.iter().enumerate() {
            let field = positions[number]
                .and_then(|at| record.get(at))
                .unwrap_or("");
            let value = match clean(*kind, field.trim(), &mut moments) {
                Ok(value) => value,
                Err(needs) => {
                    mistakes.push(
                        Diagnostic::error("MSV0611", format!("the column `{name}` needs {needs}"))
                            .at(file.field_at(start, field), format!("`{field}` is none")),
                    );
                    None
                }
            };
            if value.is_none() && number < table.key_columns && field.trim().is_empty() {
                mistakes.push(
                    Diagnostic::error("MSV0611", format!("the key column `{name}` is empty"))
                        .at(file.line_at(start), ""),
                );
            }
            row.push(value);
        }
        if let Some(first) = keys.insert(row[..table.key_columns].to_vec(), start) {
            mistakes.push(
                Diagnostic::error("MSV0612", format!("a key of `{}` comes twice", table.name))
                    .at(file.line_at(start), "again here")
                    .also(file.line_at(first), "first here")
                    .help("keep one of the two lines"),
            );
        }
        rows.push(row);
    }
    if mistakes.is_empty() {
        Ok(rows)
    } else {
        Err(mistakes)
    }
}

/// Writes the rows that are new or changed, and counts them.
///
/// # Errors
///
/// What the server says.
pub fn upsert(
    session: &mut Session,
    table: &ReferenceTable,
    rows: &ReferenceRows,
) -> Result<u64, Error> {
    let name = table.name;
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let (keys, others) = columns.split_at(table.key_columns);
    session.execute(&format!(
        "create temporary table msv_{name} (like raw.{name}) on commit drop"
    ))?;
    let mut text = CopyText::with_capacity(rows.len() * 64);
    for row in rows {
        for value in row {
            text.option(value.as_deref());
        }
        text.end_row();
    }
    let mut copy = session.copy_in(&format!(
        "copy msv_{name} ({}) from stdin",
        columns.join(", ")
    ))?;
    copy.send(text.as_bytes())?;
    copy.finish()?;
    let change = if others.is_empty() {
        "nothing".to_owned()
    } else {
        let set: Vec<String> = others
            .iter()
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();
        let old: Vec<String> = others
            .iter()
            .map(|column| format!("old.{column}"))
            .collect();
        let new: Vec<String> = others
            .iter()
            .map(|column| format!("excluded.{column}"))
            .collect();
        format!(
            "update set {} where ({}) is distinct from ({})",
            set.join(", "),
            old.join(", "),
            new.join(", ")
        )
    };
    let done = session.execute(&format!(
        "insert into raw.{name} as old select * from msv_{name} on conflict ({}) do {change}",
        keys.join(", ")
    ))?;
    Ok(done.rows_affected)
}

/// A CSV file as its messages show it.
struct SourceFile {
    shown: Arc<str>,
    text: Arc<str>,
}

impl SourceFile {
    fn place(&self, from: usize, to: usize) -> Place {
        Place::new(self.shown.clone(), self.text.clone(), from..to)
    }

    /// Points at the line that a byte is in.
    fn line_at(&self, byte: usize) -> Place {
        let start = byte.min(self.text.len());
        let rest = &self.text.as_bytes()[start..];
        let blank = rest
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        let length = rest[blank..]
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n'))
            .unwrap_or(rest.len() - blank);
        self.place(start + blank, start + blank + length)
    }

    /// Points at a field of the record that starts at a byte.
    fn field_at(&self, record: usize, field: &str) -> Place {
        let line = self.line_at(record);
        let found = self.text.get(line.span.clone()).and_then(|text| {
            let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| matches!(byte, b',' | b'"'));
            text.match_indices(field).map(|(at, _)| at).find(|at| {
                is_edge(
                    at.checked_sub(1)
                        .and_then(|before| text.as_bytes().get(before)),
                ) && is_edge(text.as_bytes().get(at + field.len()))
            })
        });
        match found {
            Some(at) => {
                let start = line.span.start + at;
                self.place(start, start + field.len())
            }
            None => line,
        }
    }

    fn broken(&self, error: &csv::Error) -> Diagnostic {
        let at = error.position().map_or(0, |position| position.byte()) as usize;
        Diagnostic::error("MSV0611", format!("`{}` is not a CSV file", self.shown))
            .at(self.line_at(at), "")
            .note(error.to_string())
    }

    /// Finds each of the table's columns in the header; columns nobody knows become a warning.
    fn match_columns(
        &self,
        table: &ReferenceTable,
        header: &csv::StringRecord,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<Vec<Option<usize>>, Vec<Diagnostic>> {
        let names: Vec<String> = header
            .iter()
            .map(|name| {
                name.trim_start_matches('\u{feff}')
                    .trim()
                    .to_ascii_lowercase()
            })
            .collect();
        let known: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
        let all = known.join(",");
        let is_unknown = |name: &&str| !known.contains(name);
        let unknown: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(is_unknown)
            .collect();
        let positions: Vec<Option<usize>> = known
            .iter()
            .map(|column| names.iter().position(|name| name == column))
            .collect();
        let mut errors = Vec::new();
        for (column, position) in known.iter().zip(&positions).take(table.key_columns) {
            if position.is_none() {
                let missing = Diagnostic::error(
                    "MSV0603",
                    format!("the file `{}` has no column `{column}`", self.shown),
                )
                .at(self.line_at(0), "the header");
                errors.push(match closest(column, unknown.iter().copied()) {
                    Some(near) => missing.help(format!("rename the column `{near}` to `{column}`")),
                    None => missing.help(format!("the columns are {all}")),
                });
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if !unknown.is_empty() {
            let shown: Vec<String> = unknown.iter().map(|name| format!("`{name}`")).collect();
            warnings.push(
                Diagnostic::warning(
                    "MSV0604",
                    format!(
                        "columns of `{}` are not loaded: {}",
                        self.shown,
                        shown.join(", ")
                    ),
                )
                .help(format!("the columns are {all}")),
            );
        }
        Ok(positions)
    }
}

/// Gives a value the spelling that PostgreSQL reads, or says what the column needs.
fn clean(kind: Kind, text: &str, moments: &mut TimeReader) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let needs = |what: &str| Err(what.to_owned());
    let clean = match kind {
        Kind::Text => text.replace('\0', ""),
        Kind::Name => text.replace('\0', "").to_uppercase(),
        Kind::Decimal => match Price::parse(text.as_bytes()) {
            Ok(number) => number.to_string(),
            Err(_) => return needs("a decimal number such as 0.01"),
        },
        Kind::Integer => match integer(text.as_bytes()) {
            Some(number) => number.to_string(),
            None => return needs("a whole number such as 100"),
        },
        Kind::Boolean => match boolean(text) {
            Some(is_true) => is_true.to_string(),
            None => return needs("true or false"),
        },
        Kind::TimeOfDay => {
            let seconds = format!("{text}:00");
            let full = if text.len() == 5 { &seconds } else { text };
            match read_time_of_day(full.as_bytes()) {
                Ok((_, [])) => full.to_owned(),
                _ => return needs("a time of day such as 09:30:00"),
            }
        }
        Kind::Date => match Day::parse(text) {
            Some(day) => day.to_string(),
            None => return needs("a date such as 2024-03-01"),
        },
        Kind::Moment => match moments.read(text.as_bytes()) {
            Ok(at) => at.to_string(),
            Err(_) => return needs("a time such as 2024-03-01T09:30:00Z"),
        },
        Kind::TimeZone => match zone(text) {
            Ok(_) => text.to_owned(),
            Err(_) => return needs("a time zone such as America/New_York"),
        },
    };
    Ok(Some(clean))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(name: &str, text: &str) -> Result<ReferenceRows, Vec<String>> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a written file");
        let table = table_of(&path).expect("a reference file");
        read(table, &path, &mut Vec::new()).map_err(|mistakes| {
            mistakes
                .iter()
                .map(|mistake| {
                    let (line, column) = mistake.place.as_ref().map_or((0, 0), Place::line_column);
                    format!("{line}:{column} {}", mistake.title)
                })
                .collect()
        })
    }

    #[test]
    fn values_get_the_spelling_of_their_column() {
        let rows = read_text(
            "calendar.csv",
            "trading_date,venue,session_open,session_close,is_half_day\n\
             2024-03-01, xsim ,09:30,16:00:00,N\n",
        );
        let row = [
            Some("XSIM"),
            Some("2024-03-01"),
            Some("09:30:00"),
            Some("16:00:00"),
            Some("false"),
        ];
        assert_eq!(
            rows,
            Ok(vec![row.map(|text| text.map(str::to_owned)).to_vec()])
        );
    }

    #[test]
    fn all_mistakes_are_reported_at_their_field() {
        let mistakes = read_text(
            "instruments.csv",
            "symbol,venue,tick_size,lot_size,timezone\n\
             AAA,XSIM,cheap,100,UTC\n\
             ,XSIM,0.01,1.5,UTC\n\
             CCC,XSIM,0.01,1,Mars/Base\n\
             CCC,XSIM,0.01,1,UTC\n",
        )
        .expect_err("four mistakes and a key twice");
        assert_eq!(
            mistakes,
            [
                "2:10 the column `tick_size` needs a decimal number such as 0.01",
                "3:1 the key column `symbol` is empty",
                "3:12 the column `lot_size` needs a whole number such as 100",
                "4:17 the column `timezone` needs a time zone such as America/New_York",
                "5:1 a key of `instruments` comes twice",
            ]
        );
    }
}

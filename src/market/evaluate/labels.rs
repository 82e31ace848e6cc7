//! Labels: the lines of a labels or decoys file as episodes, or every mistake in them.

use std::path::Path;

use csv::StringRecord;
use jiff::Timestamp;

use crate::evaluate::Interval;
use msv_diagnostics::{Diagnostic, Place, closest};

/// A stretch of an owner's trading that a rule should find, or must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Episode {
    pub rule: String,
    pub venue: String,
    pub symbol: String,
    pub owner_id: String,
    pub interval: Interval,
    /// Date of the start as the file writes it: the trading day.
    pub date: String,
    /// May be empty.
    pub difficulty: String,
    /// Why a decoy is innocent; empty for an episode.
    pub kind: String,
}

const NEEDED: [&str; 6] = [
    "rule",
    "venue",
    "symbol",
    "owner_id",
    "started_at",
    "ended_at",
];

/// Reads a labels file; `difficulty` and `kind` may be absent, other columns are passed over.
///
/// # Errors
///
/// `MSV0643`, once for every mistake, with its line.
pub fn read_labels(path: &Path) -> Result<Vec<Episode>, Vec<Diagnostic>> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        vec![
            Diagnostic::error(
                "MSV0643",
                format!("the labels file `{shown}` cannot be read"),
            )
            .note(error.to_string())
            .help("`msv simulate --out DIR` writes `DIR/labels.csv`"),
        ]
    })?;
    parse_labels(&shown, &text)
}

fn parse_labels(shown: &str, text: &str) -> Result<Vec<Episode>, Vec<Diagnostic>> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => return Err(vec![mistake(shown, text, 1, error.to_string())]),
    };
    let columns = Columns::find(shown, text, &header)?;
    let mut episodes = Vec::new();
    let mut mistakes = Vec::new();
    for record in reader.records() {
        let parsed = match record {
            Ok(record) => {
                let line = record.position().map_or(1, csv::Position::line);
                columns
                    .episode(&record)
                    .map_err(|title| mistake(shown, text, line, title))
            }
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                Err(mistake(shown, text, line, error.to_string()))
            }
        };
        match parsed {
            Ok(episode) => episodes.push(episode),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() {
        Ok(episodes)
    } else {
        Err(mistakes)
    }
}

/// Where each field stands.
struct Columns {
    needed: [usize; NEEDED.len()],
    difficulty: Option<usize>,
    kind: Option<usize>,
}

impl Columns {
    fn find(shown: &str, text: &str, header: &StringRecord) -> Result<Columns, Vec<Diagnostic>> {
        let place = |name: &str| header.iter().position(|column| column == name);
        let mut mistakes = Vec::new();
        let needed = NEEDED.map(|name| {
            place(name).unwrap_or_else(|| {
                let title = format!("the labels file has no column `{name}`");
                let mut missing = mistake(shown, text, 1, title);
                if let Some(near) = closest(name, header.iter()) {
                    missing =
                        missing.help(format!("a column with a similar name exists: `{near}`"));
                }
                mistakes.push(missing);
                0
            })
        });
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Columns {
            needed,
            difficulty: place("difficulty"),
            kind: place("kind"),
        })
    }

    /// Builds an episode, or says what is wrong with the line.
    fn episode(&self, record: &StringRecord) -> Result<Episode, String> {
        let mut fields = [""; NEEDED.len()];
        for ((field, name), &place) in fields.iter_mut().zip(NEEDED).zip(&self.needed) {
            *field = record.get(place).unwrap_or_default();
            if field.is_empty() {
                return Err(format!("the field `{name}` is empty"));
            }
        }
        let [rule, venue, symbol, owner_id, started_at, ended_at] = fields;
        let interval = Interval {
            started_us: microseconds(started_at)?,
            ended_us: microseconds(ended_at)?,
        };
        if interval.ended_us < interval.started_us {
            return Err("the episode ends before it starts".to_owned());
        }
        let optional = |place: Option<usize>| {
            let field = place.and_then(|place| record.get(place));
            field.unwrap_or_default().to_owned()
        };
        Ok(Episode {
            rule: rule.to_owned(),
            venue: venue.to_owned(),
            symbol: symbol.to_owned(),
            owner_id: owner_id.to_owned(),
            interval,
            date: started_at.chars().take(10).collect(),
            difficulty: optional(self.difficulty),
            kind: optional(self.kind),
        })
    }
}

fn microseconds(text: &str) -> Result<i64, String> {
    text.parse::<Timestamp>()
        .map(|time| time.as_microsecond())
        .map_err(|_| format!("`{text}` is not a time such as `2024-03-01T09:30:00.000000000Z`"))
}

fn mistake(shown: &str, text: &str, line: u64, title: String) -> Diagnostic {
    let number = usize::try_from(line).unwrap_or(1).max(1);
    let start = text
        .split_inclusive('\n')
        .take(number - 1)
        .map(str::len)
        .sum();
    let length = text[start..].lines().next().map_or(0, str::len);
    Diagnostic::error("MSV0643", title).at(Place::new(shown, text, start..start + length), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "episode_id,rule,venue,symbol,owner_id,started_at,ended_at,difficulty\n";

    #[test]
    fn a_line_becomes_an_episode() {
        let text = format!(
            "{HEADER}E1,spoofing,XSIM,ACME,O1,2024-03-01T09:30:00.000001999Z,\
             2024-03-01T09:30:02Z,easy\n"
        );
        let episodes = parse_labels("labels.csv", &text).unwrap();
        assert_eq!(episodes.len(), 1);
        assert_eq!(episodes[0].date, "2024-03-01");
        assert_eq!(episodes[0].difficulty, "easy");
        let Interval {
            started_us,
            ended_us,
        } = episodes[0].interval;
        assert_eq!(ended_us - started_us, 1_999_999);
    }

    #[test]
    fn all_mistakes_are_told_with_their_lines() {
        let text = format!(
            "{HEADER}E1,spoofing,XSIM,ACME,O1,yesterday,2024-03-01T09:30:02Z,easy\n\
             E2,spoofing,XSIM,ACME,,2024-03-01T09:30:00Z,2024-03-01T09:30:02Z,easy\n\
             E3,spoofing,XSIM,ACME,O1,2024-03-01T09:30:02Z,2024-03-01T09:30:00Z,easy\n"
        );
        let mistakes = parse_labels("labels.csv", &text).unwrap_err();
        let lines: Vec<usize> = mistakes
            .iter()
            .map(|mistake| mistake.place.as_ref().unwrap().line_column().0)
            .collect();
        assert_eq!(lines, [2, 3, 4]);
        assert!(mistakes[0].title.contains("`yesterday` is not a time"));
    }

    #[test]
    fn a_missing_column_is_named_with_the_one_that_was_meant() {
        let text = "rule,venue,symbol,owner,started_at,ended_at\n";
        let mistakes = parse_labels("labels.csv", text).unwrap_err();
        assert_eq!(mistakes.len(), 1);
        assert!(mistakes[0].title.contains("`owner_id`"));
    }
}

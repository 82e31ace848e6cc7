//! What the reference tables say about instruments: names to one symbol, moments to a local day.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::feeds::time::{offset_at, read_time_of_day};
use crate::load::phase::DayWindow;
use crate::nanos::{Day, Nanos};
use crate::price::Price;
use msv_postgres::{Datum, Error, Session};

/// One row of `raw.instruments`.
#[derive(Clone, Debug)]
pub(crate) struct InstrumentRow {
    pub(crate) symbol: String,
    pub(crate) tick: Option<i64>,
    pub(crate) zone: Option<TimeZone>,
    hours: Option<(i64, i64)>,
}

/// The reference tables that loading needs, read once.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    rows: Vec<InstrumentRow>,
    /// Venue to symbol or alias to the row; all upper-case.
    by_name: HashMap<String, HashMap<String, usize>>,
    calendar: HashMap<(String, Day), (i64, i64)>,
}

impl Reference {
    pub(crate) fn read(session: &mut Session) -> Result<Reference, Error> {
        let mut reference = Reference::default();
        let instruments = session.query(
            "select venue, symbol, tick_size, timezone, session_open::text, session_close::text, \
             aliases from raw.instruments",
        )?;
        for row in &instruments.rows {
            let text = |at: usize| row.get(at).and_then(Datum::to_text).unwrap_or_default();
            let venue = text(0).to_ascii_uppercase();
            let symbol = text(1).to_ascii_uppercase();
            let number = reference.rows.len();
            let names = reference.by_name.entry(venue).or_default();
            names.insert(symbol.clone(), number);
            for alias in text(6).split('|').map(str::trim) {
                if !alias.is_empty() {
                    names.entry(alias.to_ascii_uppercase()).or_insert(number);
                }
            }
            reference.rows.push(InstrumentRow {
                symbol,
                tick: Price::parse(text(2).as_bytes())
                    .ok()
                    .map(Price::units)
                    .filter(|tick| *tick > 0),
                zone: TimeZone::get(&text(3)).ok(),
                hours: hours(&text(4), &text(5)),
            });
        }
        let calendar = session.query(
            "select venue, trading_date::text, session_open::text, session_close::text \
             from raw.calendar",
        )?;
        for row in &calendar.rows {
            let text = |at: usize| row.get(at).and_then(Datum::to_text).unwrap_or_default();
            if let (Some(day), Some(hours)) = (Day::parse(&text(1)), hours(&text(2), &text(3))) {
                let venue = text(0).to_ascii_uppercase();
                reference.calendar.insert((venue, day), hours);
            }
        }
        Ok(reference)
    }

    /// Finds an instrument by symbol or alias.
    pub(crate) fn find(&self, venue: &str, symbol: &str) -> Option<&InstrumentRow> {
        let number = *self.by_name.get(venue)?.get(symbol)?;
        self.rows.get(number)
    }

    /// True when the tables tell the instruments of a venue.
    pub(crate) fn knows_venue(&self, venue: &str) -> bool {
        self.by_name.contains_key(venue)
    }

    /// Finds the local day that a moment falls in, with its session hours.
    pub(crate) fn window(
        &self,
        venue: &str,
        row: Option<&InstrumentRow>,
        zone: &TimeZone,
        at: Nanos,
    ) -> DayWindow {
        let local = Timestamp::from_nanosecond(i128::from(at.0))
            .map(|moment| zone.to_datetime(moment).date())
            .ok();
        let day = local
            .and_then(|date| {
                Day::from_civil(date.year().into(), date.month() as u32, date.day() as u32)
            })
            .unwrap_or(at.split().0);
        let moment = |day: Day, of_day: i64| {
            let offset = |of_day| offset_at(zone, day, of_day).ok().flatten();
            let offset = offset(of_day).or(offset(Nanos::PER_DAY / 2)).unwrap_or(0);
            Nanos(i64::from(day.0) * Nanos::PER_DAY + of_day - offset)
        };
        let hours = self
            .calendar
            .get(&(venue.to_owned(), day))
            .copied()
            .or_else(|| row.and_then(|row| row.hours));
        DayWindow {
            day,
            start: moment(day, 0),
            end: moment(Day(day.0 + 1), 0),
            hours: hours.map(|(open, close)| (moment(day, open), moment(day, close))),
        }
    }
}

fn hours(open: &str, close: &str) -> Option<(i64, i64)> {
    let read = |text: &str| {
        read_time_of_day(text.as_bytes())
            .ok()
            .map(|(of_day, _)| of_day)
    };
    let (open, close) = (read(open)?, read(close)?);
    (open < close).then_some((open, close))
}

/// Gives each distinct text a small number; the empty text is 0.
#[derive(Debug)]
pub(crate) struct Interner {
    numbers: HashMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
}

impl Default for Interner {
    fn default() -> Self {
        Interner {
            numbers: HashMap::new(),
            texts: vec!["".into()],
        }
    }
}

impl Interner {
    pub(crate) fn number(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(0);
        self.texts.push(text.into());
        self.numbers.insert(text.into(), number);
        number
    }

    pub(crate) fn text(&self, number: u32) -> &str {
        self.texts.get(number as usize).map_or("", |text| text)
    }
}

/// The days that had rows before this load.
pub(crate) type LoadedDays = HashSet<Day>;

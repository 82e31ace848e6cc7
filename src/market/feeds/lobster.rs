//! LOBSTER message files: six numbers a line in, anonymous order events out.
//!
//! Source: LOBSTER, "Data Structure", message file (lobsterdata.com).

use std::path::Path;

use jiff::tz::TimeZone;

use crate::event::{EventType, OrderEvent, Side};
use crate::feeds::time::{integer, offset_at, read_fraction};
use crate::feeds::{FeedOptions, Reason};
use crate::nanos::{Day, Nanos};
use crate::price::Price;
use msv_diagnostics::{Diagnostic, closest};

/// LOBSTER is made from Nasdaq's feed: its venue and zone are these unless said otherwise.
const VENUE: &str = "XNAS";
pub(crate) const ZONE: &str = "America/New_York";

/// Prices are dollars times 10,000.
const UNITS_PER_STEP: i64 = Price::SCALE / 10_000;

/// The instrument and day in a name like `AAPL_2012-06-21_34200000_57600000_message_50.csv`.
#[derive(Debug, PartialEq, Eq)]
pub struct FileName {
    pub symbol: String,
    pub day: Day,
}

impl FileName {
    /// Reads the name, or gives `None` when it is not LOBSTER's.
    pub fn read(path: &Path) -> Option<FileName> {
        let name = path.file_stem()?.to_str()?;
        let mut from_end = name.rsplitn(6, '_');
        let level = from_end.next()?;
        let is_message = from_end.next()? == "message";
        let (_end, _start) = (from_end.next()?, from_end.next()?);
        let day = Day::parse(from_end.next()?)?;
        let symbol = from_end.next()?;
        (is_message && integer(level.as_bytes()).is_some() && !symbol.is_empty()).then(|| {
            FileName {
                symbol: symbol.to_owned(),
                day,
            }
        })
    }
}

/// True when a line has the six numbers of a message.
pub fn looks_like_message(line: &str) -> bool {
    let mut fields = line.trim_end().split(',');
    let is_numeric = fields.by_ref().take(6).filter(|field| {
        !field.is_empty()
            && field
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-')
    });
    is_numeric.count() == 6 && fields.next().is_none()
}

/// Decodes one instrument's day.
#[derive(Debug)]
pub struct LobsterDecoder {
    symbol: String,
    venue: String,
    midnight: Nanos,
}

impl LobsterDecoder {
    /// Takes symbol and day from the options, else from the file's name.
    ///
    /// # Errors
    ///
    /// MSV0605 when neither tells them, MSV0607 for an unknown time zone.
    pub fn open(path: &Path, shown: &str, options: &FeedOptions) -> Result<Self, Box<Diagnostic>> {
        let (named_symbol, named_day) = match FileName::read(path) {
            Some(name) => (Some(name.symbol), Some(name.day)),
            None => (None, None),
        };
        let symbol = options.symbol.clone().or(named_symbol);
        let day = options.date.or(named_day);
        let (Some(symbol), Some(day)) = (symbol, day) else {
            return Err(Box::new(
                Diagnostic::error(
                    "MSV0605",
                    format!("the LOBSTER file `{shown}` does not tell its symbol and day"),
                )
                .note(
                    "a LOBSTER file is named like `AAPL_2012-06-21_34200000_57600000_message_50.csv`",
                )
                .help("name them: `--symbol AAPL --date 2012-06-21`"),
            ));
        };
        let zone = zone(options.timezone.as_deref().unwrap_or(ZONE))?;
        // The offset of noon: clocks change at night, and the times are those of the session.
        let offset = offset_at(&zone, day, Nanos::PER_DAY / 2)
            .ok()
            .flatten()
            .unwrap_or(0);
        Ok(LobsterDecoder {
            symbol,
            venue: options.venue.clone().unwrap_or_else(|| VENUE.to_owned()),
            midnight: Nanos(i64::from(day.0) * Nanos::PER_DAY - offset),
        })
    }

    /// Decodes one message.
    ///
    /// # Errors
    ///
    /// The reason why the line is no message.
    pub fn decode<'a>(&'a self, line: &'a [u8]) -> Result<OrderEvent<'a>, Reason> {
        let line = std::str::from_utf8(line).map_err(|_| "is not UTF-8".to_owned())?;
        let mut fields = [""; 6];
        let mut count = 0;
        for field in line.split(',') {
            if let Some(slot) = fields.get_mut(count) {
                *slot = field.trim_ascii();
            }
            count += 1;
        }
        if count != 6 {
            return Err(format!("has {count} fields instead of 6"));
        }
        let [time, kind, order_id, size, price, direction] = fields;
        let at = self.moment(time)?;
        let size = integer(size.as_bytes()).ok_or_else(|| reason("size", size, "is no integer"))?;
        let price_steps: i64 = price
            .parse()
            .map_err(|_| reason("price", price, "is no integer"))?;
        let side = match direction {
            "1" => Side::Buy,
            "-1" => Side::Sell,
            _ => return Err(reason("direction", direction, "is neither 1 nor -1")),
        };
        let event_type = match kind {
            "1" => EventType::New,
            "2" | "3" => EventType::Cancel,
            "4" => EventType::Execute,
            "5" => EventType::Trade,
            "6" => EventType::Auction,
            // A halt message has price -1 when trading stops, 0 when quotes are taken again and
            // 1 when trading goes on.
            "7" if price_steps == 1 => EventType::Resume,
            "7" => EventType::Halt,
            _ => return Err(reason("type", kind, "is none of 1, 2, 3, 4, 5, 6, 7")),
        };
        let mut event = OrderEvent::new(at, &self.venue, &self.symbol, event_type);
        if matches!(event_type, EventType::Halt | EventType::Resume) {
            return Ok(event);
        }
        if price_steps <= 0 {
            return Err(reason("price", price, "is not above zero"));
        }
        if size == 0 {
            return Err(reason("size", "0", "is not above zero"));
        }
        event.price = Some(Price::from_units(
            price_steps
                .checked_mul(UNITS_PER_STEP)
                .ok_or_else(|| reason("price", price, "is too large"))?,
        ));
        event.quantity = Some(size);
        if event_type == EventType::Auction {
            return Ok(event);
        }
        event.side = Some(side);
        if order_id != "0" {
            event.order_id = order_id;
        } else if event_type != EventType::Trade {
            return Err(reason("order id", order_id, "names no order"));
        }
        match event_type {
            EventType::New => event.order_type = "limit",
            EventType::Execute | EventType::Trade => event.is_aggressor = Some(false),
            _ => {}
        }
        Ok(event)
    }

    fn moment(&self, text: &str) -> Result<Nanos, Reason> {
        let (seconds, fraction) = match text.split_once('.') {
            Some((seconds, fraction)) => {
                let nanos = rounded_fraction(fraction)
                    .ok_or_else(|| reason("time", text, "is no number of seconds"))?;
                (seconds, nanos)
            }
            None => (text, 0),
        };
        let seconds = integer(seconds.as_bytes())
            .filter(|seconds| *seconds < 2 * 86_400)
            .ok_or_else(|| reason("time", text, "is no number of seconds after midnight"))?;
        Ok(Nanos(
            self.midnight.0 + seconds * Nanos::PER_SECOND + fraction,
        ))
    }
}

/// Reads decimals of a second, rounded to the nanosecond.
///
/// LOBSTER's times went through binary floating point: the sample of AAPL on 2012-06-21 holds
/// `35821.088778456004`. What stands behind the ninth decimal is not in Nasdaq's feed.
fn rounded_fraction(text: &str) -> Option<i64> {
    let (kept, beyond) = text.as_bytes().split_at(text.len().min(9));
    let (nanos, rest) = read_fraction(kept).ok()?;
    let is_number = rest.is_empty() && beyond.iter().all(u8::is_ascii_digit);
    let rounds_up = beyond.first().is_some_and(|digit| *digit >= b'5');
    is_number.then_some(nanos + i64::from(rounds_up))
}

/// Writes why one field makes the line no event.
pub(crate) fn reason(column: &str, text: &str, refused: &str) -> Reason {
    format!("{column} `{text}` {refused}")
}

/// Finds a zone of the IANA database.
///
/// # Errors
///
/// MSV0607 with a similar name where there is one.
pub fn zone(name: &str) -> Result<TimeZone, Box<Diagnostic>> {
    TimeZone::get(name).map_err(|_| {
        let known: Vec<String> = jiff::tz::db()
            .available()
            .map(|name| name.to_string())
            .collect();
        let diagnostic = Diagnostic::error("MSV0607", format!("no time zone is named `{name}`"));
        Box::new(match closest(name, known.iter().map(String::as_str)) {
            Some(near) => {
                diagnostic.help(format!("a time zone with a similar name exists: `{near}`"))
            }
            None => diagnostic.help("use a name of the IANA database, such as `America/New_York`"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "AAPL_2012-06-21_34200000_57600000_message_50.csv";

    fn decode(line: &str) -> Result<String, String> {
        let decoder = LobsterDecoder::open(Path::new(NAME), NAME, &FeedOptions::default())
            .expect("the name tells all");
        decoder.decode(line.as_bytes()).map(|event| {
            format!(
                "{} {} {} {} {} {} {}",
                event.at,
                event.venue,
                event.symbol,
                event.event_type,
                event.order_id,
                event.side.map_or("-", Side::as_str),
                event.price.unwrap_or_default(),
            )
        })
    }

    #[test]
    fn messages_become_events_of_the_day_in_the_name() {
        assert_eq!(
            decode("34200.004241176,1,16113575,18,5853300,1").as_deref(),
            Ok("2012-06-21T13:30:00.004241176Z XNAS AAPL new 16113575 buy 585.33")
        );
        assert_eq!(
            decode("35821.088778456004,3,1,18,5853300,1").as_deref(),
            Ok("2012-06-21T13:57:01.088778456Z XNAS AAPL cancel 1 buy 585.33")
        );
        assert_eq!(
            decode("34200.1,4,1,18,5853300,-1").as_deref(),
            Ok("2012-06-21T13:30:00.100000000Z XNAS AAPL execute 1 sell 585.33")
        );
        assert_eq!(
            decode("34201,5,0,18,5853350,-1").as_deref(),
            Ok("2012-06-21T13:30:01.000000000Z XNAS AAPL trade  sell 585.335")
        );
        assert_eq!(
            decode("34201,7,0,0,-1,-1").as_deref(),
            Ok("2012-06-21T13:30:01.000000000Z XNAS AAPL halt  - 0")
        );
    }

    #[test]
    fn a_line_that_is_no_message_says_why() {
        for (line, why) in [
            ("34200.0,1,1,18,5853300", "5 fields"),
            ("34200.0,9,1,18,5853300,1", "type `9`"),
            ("34200.0,1,1,18,5853300,2", "direction"),
            ("34200.0,1,1,0,5853300,1", "size"),
            ("34200.0,1,0,5,5853300,1", "order id"),
            ("x,1,1,5,5853300,1", "time"),
            ("34200.0,1,1,5,1e9,1", "price"),
        ] {
            let refused = decode(line).expect_err(line);
            assert!(refused.contains(why), "{line}: {refused}");
        }
    }

    #[test]
    fn a_name_without_day_is_not_guessed() {
        assert_eq!(FileName::read(Path::new("orders.csv")), None);
        assert_eq!(
            FileName::read(Path::new("BRK_B_2012-06-21_1_2_message_5.csv"))
                .map(|n| n.symbol)
                .as_deref(),
            Some("BRK_B")
        );
        let refused = LobsterDecoder::open(Path::new("x.csv"), "x.csv", &FeedOptions::default());
        assert_eq!(refused.map_err(|d| d.code).err(), Some("MSV0605"));
    }
}

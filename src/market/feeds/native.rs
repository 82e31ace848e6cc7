//! Native event files: CSV with a header line in any column order in, order events out.
//!
//! A record is a line: a quoted field may hold commas and doubled quotes, but no line break.

use jiff::tz::TimeZone;

use crate::event::{EventType, OrderEvent};
use crate::feeds::lobster::{reason, zone};
use crate::feeds::time::{TimeReader, integer};
use crate::feeds::{FeedOptions, Reason, spelling};
use crate::price::Price;
use msv_diagnostics::{Diagnostic, Place, closest};

/// The columns, in the order in which msv writes them.
pub const COLUMNS: [&str; 14] = [
    "event_at",
    "venue",
    "symbol",
    "event_type",
    "order_id",
    "account_id",
    "side",
    "price",
    "quantity",
    "order_type",
    "time_in_force",
    "trade_id",
    "counterparty_order_id",
    "is_aggressor",
];

/// Where each column's field stands after the fields of a line are sorted out.
mod column {
    pub(super) const EVENT_AT: usize = 0;
    pub(super) const VENUE: usize = 1;
    pub(super) const SYMBOL: usize = 2;
    pub(super) const EVENT_TYPE: usize = 3;
    pub(super) const ORDER_ID: usize = 4;
    pub(super) const ACCOUNT_ID: usize = 5;
    pub(super) const SIDE: usize = 6;
    pub(super) const PRICE: usize = 7;
    pub(super) const QUANTITY: usize = 8;
    pub(super) const ORDER_TYPE: usize = 9;
    pub(super) const TIME_IN_FORCE: usize = 10;
    pub(super) const TRADE_ID: usize = 11;
    pub(super) const COUNTERPARTY_ORDER_ID: usize = 12;
    pub(super) const IS_AGGRESSOR: usize = 13;
}

/// True when a first line names the columns no event can lack.
pub fn looks_like_header(line: &str) -> bool {
    let names: Vec<String> = split_header(line);
    ["event_at", "event_type"]
        .iter()
        .all(|name| names.iter().any(|have| have == name))
}

fn split_header(line: &str) -> Vec<String> {
    line.trim_start_matches('\u{feff}')
        .trim_end_matches(['\r', '\n'])
        .split(',')
        .map(|name| name.trim().trim_matches('"').to_ascii_lowercase())
        .collect()
}

/// Decodes the lines below one header.
#[derive(Debug)]
pub struct NativeDecoder {
    /// For each field of a line, the column it belongs to; `None` for columns nobody knows.
    columns: Vec<Option<usize>>,
    time: TimeReader,
    venue: String,
    symbol: String,
    scratch: String,
}

impl NativeDecoder {
    /// Reads the header. Columns nobody knows become one warning that names them.
    ///
    /// # Errors
    ///
    /// MSV0603 for each column that is missing or named twice, MSV0607 for an unknown time zone.
    pub fn open(
        shown: &str,
        header: &str,
        options: &FeedOptions,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let place = || Place::new(shown, header, 0..header.trim_end().len());
        let names = split_header(header);
        let mut errors = Vec::new();
        let mut columns = Vec::with_capacity(names.len());
        let mut unknown = Vec::new();
        for name in &names {
            let known = COLUMNS.iter().position(|column| column == name);
            if known.is_some() && columns.contains(&known) {
                errors.push(
                    Diagnostic::error("MSV0603", format!("the column `{name}` is named twice"))
                        .at(place(), ""),
                );
            }
            if known.is_none() {
                unknown.push(name.as_str());
            }
            columns.push(known);
        }
        let mut required = vec!["event_at", "event_type"];
        if options.venue.is_none() {
            required.push("venue");
        }
        if options.symbol.is_none() {
            required.push("symbol");
        }
        for name in required {
            if names.iter().any(|have| have == name) {
                continue;
            }
            let mut missing = Diagnostic::error(
                "MSV0603",
                format!("the file `{shown}` has no column `{name}`"),
            )
            .at(place(), "the header");
            if let Some(near) = closest(name, unknown.iter().copied()) {
                missing = missing.help(format!("rename the column `{near}` to `{name}`"));
            } else if name == "venue" || name == "symbol" {
                missing = missing.help(format!("name it for all lines: `--{name}`"));
            } else {
                missing = missing.help(format!("the columns are {}", COLUMNS.join(",")));
            }
            errors.push(missing);
        }
        let zone = match options.timezone.as_deref().map(zone).transpose() {
            Ok(zone) => zone.unwrap_or(TimeZone::UTC),
            Err(refused) => {
                errors.push(*refused);
                TimeZone::UTC
            }
        };
        if !errors.is_empty() {
            return Err(errors);
        }
        if !unknown.is_empty() {
            warnings.push(
                Diagnostic::warning(
                    "MSV0604",
                    format!(
                        "columns of `{shown}` are not loaded: {}",
                        unknown
                            .iter()
                            .map(|name| format!("`{name}`"))
                            .collect::<Vec<_>>()
                            .join(", ")
                    ),
                )
                .help(format!("the columns are {}", COLUMNS.join(","))),
            );
        }
        Ok(NativeDecoder {
            columns,
            time: TimeReader::new(options.time_unit, zone),
            venue: options.venue.clone().unwrap_or_default(),
            symbol: options.symbol.clone().unwrap_or_default(),
            scratch: String::new(),
        })
    }

    /// Decodes one line.
    ///
    /// # Errors
    ///
    /// The reason why the line is no event.
    pub fn decode<'a>(&'a mut self, line: &'a [u8]) -> Result<OrderEvent<'a>, Reason> {
        let line = std::str::from_utf8(line).map_err(|_| "is not UTF-8".to_owned())?;
        let NativeDecoder {
            columns,
            time,
            venue,
            symbol,
            scratch,
        } = self;
        let mut fields = [""; COLUMNS.len()];
        let count = if line.contains('"') {
            let ends = unquote(line, scratch)?;
            let scratch: &'a str = scratch;
            let mut start = 0;
            for (index, end) in ends.iter().enumerate() {
                place_field(&mut fields, columns, index, &scratch[start..*end]);
                start = *end;
            }
            ends.len()
        } else {
            let mut count = 0;
            for field in line.split(',') {
                place_field(&mut fields, columns, count, field);
                count += 1;
            }
            count
        };
        if count != columns.len() {
            return Err(format!("has {count} fields instead of {}", columns.len()));
        }
        let at_text = fields[column::EVENT_AT];
        let at = time
            .read(at_text.as_bytes())
            .map_err(|refused| reason("event_at", at_text, &refused))?;
        let kind = fields[column::EVENT_TYPE];
        let event_type = spelling::event_type(kind)
            .ok_or_else(|| reason("event_type", kind, "is no event type"))?;
        let pick = |field: &'a str, or: &'a str| if field.is_empty() { or } else { field };
        let event = OrderEvent {
            at,
            venue: pick(fields[column::VENUE], venue),
            symbol: pick(fields[column::SYMBOL], symbol),
            event_type,
            order_id: fields[column::ORDER_ID],
            account_id: fields[column::ACCOUNT_ID],
            side: optional("side", fields[column::SIDE], |text| {
                spelling::side(text).ok_or("is neither buy nor sell")
            })?,
            price: optional("price", fields[column::PRICE], |text| {
                Price::parse(text.as_bytes())
            })?,
            quantity: optional("quantity", fields[column::QUANTITY], quantity)?,
            order_type: spelling::order_type(fields[column::ORDER_TYPE]),
            time_in_force: spelling::time_in_force(fields[column::TIME_IN_FORCE]),
            trade_id: fields[column::TRADE_ID],
            counterparty_order_id: fields[column::COUNTERPARTY_ORDER_ID],
            is_aggressor: optional("is_aggressor", fields[column::IS_AGGRESSOR], |text| {
                spelling::boolean(text).ok_or("is neither true nor false")
            })?,
        };
        require(&event)?;
        Ok(event)
    }
}

fn place_field<'a>(
    fields: &mut [&'a str; COLUMNS.len()],
    columns: &[Option<usize>],
    index: usize,
    field: &'a str,
) {
    if let Some(Some(column)) = columns.get(index) {
        fields[*column] = field.trim_ascii();
    }
}

fn optional<T, E: std::fmt::Display>(
    name: &str,
    text: &str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Reason> {
    if text.is_empty() {
        return Ok(None);
    }
    read(text)
        .map(Some)
        .map_err(|refused| reason(name, text, &refused.to_string()))
}

/// Reads whole units; `100.00` is 100.
fn quantity(text: &str) -> Result<i64, &'static str> {
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte == b'0') => whole,
        Some(_) => return Err("is not a whole number"),
        None => text,
    };
    integer(whole.as_bytes()).ok_or("is not a whole number above or equal to zero")
}

/// Refuses an event that lacks what its type needs.
fn require(event: &OrderEvent<'_>) -> Result<(), Reason> {
    let kind = event.event_type;
    let lacks = |what: &str| Err(format!("a `{kind}` event needs {what}"));
    if event.symbol.is_empty() {
        return lacks("a symbol");
    }
    if event.venue.is_empty() {
        return lacks("a venue");
    }
    let has_order = !event.order_id.is_empty();
    let has_quantity = event.quantity.is_some_and(|quantity| quantity > 0);
    match kind {
        EventType::New | EventType::Modify | EventType::Cancel | EventType::Execute
            if !has_order =>
        {
            lacks("an order_id")
        }
        EventType::New if event.side.is_none() => lacks("a side"),
        EventType::New | EventType::Execute | EventType::Trade if !has_quantity => {
            lacks("a quantity above zero")
        }
        EventType::New if event.price.is_none() && event.order_type != "market" => {
            lacks("a price, unless its order_type is `market`")
        }
        EventType::Execute | EventType::Trade if event.price.is_none() => lacks("a price"),
        _ => Ok(()),
    }
}

/// Copies the fields of a line with quotes into `scratch`, one after the other, and gives the
/// end of each.
fn unquote(line: &str, scratch: &mut String) -> Result<Vec<usize>, Reason> {
    scratch.clear();
    let mut ends = Vec::with_capacity(COLUMNS.len());
    let mut rest = line;
    loop {
        if let Some(quoted) = rest.trim_ascii_start().strip_prefix('"') {
            rest = quoted;
            loop {
                let Some(end) = rest.find('"') else {
                    return Err("has a quote that is not closed".to_owned());
                };
                scratch.push_str(&rest[..end]);
                rest = &rest[end + 1..];
                match rest.strip_prefix('"') {
                    Some(more) => {
                        scratch.push('"');
                        rest = more;
                    }
                    None => break,
                }
            }
            rest = rest.trim_ascii_start();
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err("has text behind a closing quote".to_owned());
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            scratch.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        ends.push(scratch.len());
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok(ends),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Side;

    fn decoder(header: &str) -> NativeDecoder {
        NativeDecoder::open("f.csv", header, &FeedOptions::default(), &mut Vec::new())
            .expect("a complete header")
    }

    #[test]
    fn columns_are_found_in_any_order_and_unknown_ones_are_named() {
        let mut warnings = Vec::new();
        let mut decoder = NativeDecoder::open(
            "f.csv",
            "\u{feff}Symbol, quantity,colour,price,event_type,order_id,side,venue,event_at\r",
            &FeedOptions::default(),
            &mut warnings,
        )
        .expect("a complete header");
        assert!(warnings[0].title.contains("`colour`"));
        let event = decoder
            .decode(b"\"ABC\", 100.0,red,10.50,Add,\"a,\"\"1\",B,XV,1709285400123000000")
            .expect("an event");
        assert_eq!(event.order_id, "a,\"1");
        assert_eq!(event.side, Some(Side::Buy));
        assert_eq!(event.quantity, Some(100));
        assert_eq!(event.price.map(|p| p.to_string()).as_deref(), Some("10.5"));
    }

    #[test]
    fn a_line_that_lacks_something_says_what() {
        let mut decoder =
            decoder("event_at,venue,symbol,event_type,order_id,side,price,quantity,order_type");
        for (line, why) in [
            ("2024-03-01T09:30:00Z,X,A,new,1,buy,10", "7 fields"),
            ("2024-03-01T09:30:00Z,X,A,new,,buy,10,1,", "order_id"),
            ("2024-03-01T09:30:00Z,X,A,new,1,,10,1,", "a side"),
            ("2024-03-01T09:30:00Z,X,A,new,1,left,10,1,", "side `left`"),
            ("2024-03-01T09:30:00Z,X,A,new,1,buy,,1,limit", "a price"),
            ("2024-03-01T09:30:00Z,X,A,new,1,buy,10,0,", "quantity"),
            ("2024-03-01T09:30:00Z,X,A,new,1,buy,10,1.5,", "whole"),
            ("2024-03-01T09:30:00Z,X,A,grow,1,buy,10,1,", "event_type"),
            ("2024-03-01T09:30:00Z,X,,new,1,buy,10,1,", "a symbol"),
            ("03/01/2024 09:30,X,A,new,1,buy,10,1,", "event_at"),
            ("2024-03-01T09:30:00Z,X,A,new,\"1,buy,10,1,", "not closed"),
        ] {
            let refused = decoder.decode(line.as_bytes()).expect_err(line);
            assert!(refused.contains(why), "{line}: {refused}");
        }
        assert_eq!(decoder.decode(b"\xff"), Err("is not UTF-8".to_owned()));
    }

    #[test]
    fn a_missing_column_is_an_error_with_the_near_name() {
        let refused = NativeDecoder::open(
            "f.csv",
            "event_time,venue,symbol,event_type",
            &FeedOptions::default(),
            &mut Vec::new(),
        )
        .expect_err("no event_at");
        assert_eq!(refused[0].code, "MSV0603");
    }
}

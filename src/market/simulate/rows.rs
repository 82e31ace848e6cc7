//! Rows: what happened on the venue, as lines of the native event file.

use crate::simulate::engine::Side;
use crate::simulate::universe::{Universe, VENUE};

const HEADER: &str = "event_at,venue,symbol,event_type,order_id,account_id,side,price,quantity,\
                      order_type,time_in_force,trade_id,counterparty_order_id,is_aggressor\n";

/// Formats event rows into a buffer that the caller drains.
pub(super) struct Rows {
    buffer: Vec<u8>,
    count: u64,
    date: String,
    /// Makes order and trade ids of one trading day differ from those of every other day.
    day_code: String,
    symbols: Vec<String>,
    ticks_e4: Vec<i64>,
    accounts: Vec<String>,
}

/// What a row says beyond time, venue, symbol and type.
#[derive(Clone, Copy, Default)]
pub(super) struct Fields {
    pub(super) order: Option<u32>,
    pub(super) account: usize,
    pub(super) side: Option<Side>,
    pub(super) price_ticks: Option<i64>,
    pub(super) quantity: Option<i64>,
    /// Order type and time in force.
    pub(super) terms: Option<(&'static str, &'static str)>,
    /// Trade number, the other order, and whether this order was the aggressor.
    pub(super) trade: Option<(u64, u32, bool)>,
}

impl Rows {
    /// `day_number` counts days since 1970.
    pub(super) fn new(universe: &Universe, date: &str, day_number: i64) -> Self {
        Rows {
            buffer: HEADER.as_bytes().to_vec(),
            count: 0,
            date: date.to_owned(),
            day_code: day_code(day_number),
            symbols: universe
                .instruments
                .iter()
                .map(|instrument| instrument.symbol.clone())
                .collect(),
            ticks_e4: universe
                .instruments
                .iter()
                .map(|instrument| instrument.tick_e4)
                .collect(),
            accounts: universe
                .accounts
                .iter()
                .map(|account| account.name.clone())
                .collect(),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    pub(super) fn clear(&mut self) {
        self.buffer.clear();
    }

    pub(super) fn push(&mut self, time_ns: u64, symbol: usize, event: &str, fields: Fields) {
        self.count += 1;
        self.timestamp(time_ns);
        self.comma();
        self.text(VENUE);
        self.comma();
        self.buffer
            .extend_from_slice(self.symbols[symbol].as_bytes());
        self.comma();
        self.text(event);
        self.comma();
        if let Some(order) = fields.order {
            self.order_id(order);
        }
        self.comma();
        if fields.order.is_some() {
            self.buffer
                .extend_from_slice(self.accounts[fields.account].as_bytes());
        }
        self.comma();
        if let Some(side) = fields.side {
            self.text(side.word());
        }
        self.comma();
        if let Some(ticks) = fields.price_ticks {
            self.price(ticks * self.ticks_e4[symbol]);
        }
        self.comma();
        if let Some(quantity) = fields.quantity {
            self.number(quantity as u64);
        }
        self.comma();
        let (order_type, time_in_force) = fields.terms.unwrap_or(("", ""));
        self.text(order_type);
        self.comma();
        self.text(time_in_force);
        self.comma();
        match fields.trade {
            Some((trade, other, is_aggressor)) => {
                self.text("T");
                self.day();
                self.number(trade);
                self.comma();
                self.order_id(other);
                self.comma();
                self.text(if is_aggressor { "true" } else { "false" });
            }
            None => self.text(",,"),
        }
        self.buffer.push(b'\n');
    }

    /// Appends a time of the day in the form of the event file.
    fn timestamp(&mut self, time_ns: u64) {
        self.buffer.extend_from_slice(self.date.as_bytes());
        append_time(&mut self.buffer, time_ns);
    }

    fn comma(&mut self) {
        self.buffer.push(b',');
    }

    fn text(&mut self, text: &str) {
        self.buffer.extend_from_slice(text.as_bytes());
    }

    fn day(&mut self) {
        self.buffer.extend_from_slice(self.day_code.as_bytes());
    }

    fn order_id(&mut self, order: u32) {
        self.day();
        self.number(u64::from(order) + 1);
    }

    fn number(&mut self, number: u64) {
        append_number(&mut self.buffer, number, 1);
    }

    fn price(&mut self, price_e4: i64) {
        let cents = price_e4 / 100;
        self.number((cents / 100) as u64);
        self.buffer.push(b'.');
        append_number(&mut self.buffer, (cents % 100) as u64, 2);
    }
}

/// Appends `T09:30:00.000000000Z`.
pub(super) fn append_time(buffer: &mut Vec<u8>, time_ns: u64) {
    let seconds = time_ns / 1_000_000_000;
    buffer.push(b'T');
    append_number(buffer, seconds / 3_600, 2);
    buffer.push(b':');
    append_number(buffer, seconds / 60 % 60, 2);
    buffer.push(b':');
    append_number(buffer, seconds % 60, 2);
    buffer.push(b'.');
    append_number(buffer, time_ns % 1_000_000_000, 9);
    buffer.push(b'Z');
}

fn append_number(buffer: &mut Vec<u8>, mut number: u64, least_digits: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while number > 0 || digits.len() - at < least_digits {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    buffer.extend_from_slice(&digits[at..]);
}

/// Writes a day as three letters, which no number can continue.
fn day_code(day_number: i64) -> String {
    let mut rest = day_number.rem_euclid(26 * 26 * 26);
    let mut letters = [b'a'; 3];
    for letter in letters.iter_mut().rev() {
        *letter = b'a' + (rest % 26) as u8;
        rest /= 26;
    }
    letters.iter().map(|&letter| char::from(letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_keep_their_zeros() {
        let mut buffer = Vec::new();
        append_time(&mut buffer, 34_200_000_000_042);
        assert_eq!(buffer, b"T09:30:00.000000042Z");
        let mut buffer = Vec::new();
        append_number(&mut buffer, 0, 1);
        assert_eq!(buffer, b"0");
    }

    #[test]
    fn neighbouring_days_have_different_codes() {
        assert_eq!(day_code(19_783), "dgx");
        assert_eq!(day_code(19_784), "dgy");
    }
}

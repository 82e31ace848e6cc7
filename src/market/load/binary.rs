//! Rows in PostgreSQL's binary COPY format: typed values in, bytes out.
//!
//! Binary spares the server reading times and numbers from text, which is most of what a text
//! COPY of these tables costs it.
//!
//! Source: PostgreSQL manual, `COPY`, "Binary Format"; `numeric_recv` for the digits.

use crate::book::flags::Flags;
use crate::nanos::{Day, Nanos};
use crate::price::Price;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// PostgreSQL counts from 2000-01-01, which is this many days after 1970-01-01.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;
const TEXT_OID: i32 = 25;

/// Rows of one table, encoded.
#[derive(Debug, Default)]
pub(crate) struct CopyRows {
    bytes: Vec<u8>,
    count: u64,
}

impl CopyRows {
    /// Starts a row of `columns` values, which the caller then adds in order.
    pub(crate) fn row(&mut self, columns: i16) {
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(SIGNATURE);
        }
        self.bytes.extend_from_slice(&columns.to_be_bytes());
        self.count += 1;
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Ends the rows and gives all bytes of the COPY.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(SIGNATURE);
        }
        self.bytes.extend_from_slice(&(-1i16).to_be_bytes());
        self.bytes
    }

    pub(crate) fn null(&mut self) {
        self.bytes.extend_from_slice(&(-1i32).to_be_bytes());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.field(text.as_bytes());
    }

    /// Adds a text, or null where it is empty.
    pub(crate) fn text_or_null(&mut self, text: &str) {
        if text.is_empty() {
            self.null();
        } else {
            self.field(text.as_bytes());
        }
    }

    pub(crate) fn bigint(&mut self, number: i64) {
        self.field(&number.to_be_bytes());
    }

    pub(crate) fn bigint_or_null(&mut self, number: Option<i64>) {
        match number {
            Some(number) => self.bigint(number),
            None => self.null(),
        }
    }

    pub(crate) fn int_or_null(&mut self, number: Option<i32>) {
        match number {
            Some(number) => self.field(&number.to_be_bytes()),
            None => self.null(),
        }
    }

    pub(crate) fn boolean(&mut self, is_true: bool) {
        self.field(&[u8::from(is_true)]);
    }

    pub(crate) fn boolean_or_null(&mut self, is_true: Option<bool>) {
        match is_true {
            Some(is_true) => self.boolean(is_true),
            None => self.null(),
        }
    }

    pub(crate) fn date(&mut self, day: Day) {
        self.field(&(day.0 - EPOCH_DAYS).to_be_bytes());
    }

    /// Adds a timestamptz, cut to the microsecond.
    pub(crate) fn timestamp(&mut self, at: Nanos) {
        self.field(&(at.0.div_euclid(1000) - EPOCH_MICROS).to_be_bytes());
    }

    pub(crate) fn price_or_null(&mut self, price: Option<Price>) {
        match price {
            Some(price) => self.price(price),
            None => self.null(),
        }
    }

    /// Adds a numeric with as many decimals as the price needs.
    pub(crate) fn price(&mut self, price: Price) {
        const BASE: u64 = 10_000;
        let units = price.units().unsigned_abs();
        let scale = Price::SCALE.unsigned_abs();
        let (mut whole, fraction) = (units / scale, units % scale);
        // The largest whole part, 92,233,720,368, has three digits of base 10,000.
        let mut digits = [0u16; 5];
        for at in (0..3).rev() {
            digits[at] = (whole % BASE) as u16;
            whole /= BASE;
        }
        digits[3] = (fraction / BASE) as u16;
        digits[4] = (fraction % BASE) as u16;
        let first = digits.iter().position(|digit| *digit != 0).unwrap_or(5);
        let end = digits
            .iter()
            .rposition(|digit| *digit != 0)
            .map_or(5, |at| at + 1);
        let kept = &digits[first..end];
        let weight = if kept.is_empty() { 0 } else { 2 - first as i16 };
        let sign: u16 = if price.units() < 0 { 0x4000 } else { 0 };
        let length = 8 + 2 * kept.len() as i32;
        self.bytes.extend_from_slice(&length.to_be_bytes());
        for header in [kept.len() as u16, weight as u16, sign, decimals(fraction)] {
            self.bytes.extend_from_slice(&header.to_be_bytes());
        }
        for digit in kept {
            self.bytes.extend_from_slice(&digit.to_be_bytes());
        }
    }

    /// Adds the names of the flags as `text[]`.
    pub(crate) fn flags(&mut self, flags: Flags) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        let count = flags.count() as i32;
        for header in [i32::from(count > 0), 0, TEXT_OID] {
            self.bytes.extend_from_slice(&header.to_be_bytes());
        }
        if count > 0 {
            self.bytes.extend_from_slice(&count.to_be_bytes());
            self.bytes.extend_from_slice(&1i32.to_be_bytes());
        }
        for name in flags.names() {
            self.text(name);
        }
        let length = (self.bytes.len() - start - 4) as i32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    fn field(&mut self, value: &[u8]) {
        // A line is at most a mebibyte long, so no value comes near the limit.
        self.bytes
            .extend_from_slice(&(value.len() as i32).to_be_bytes());
        self.bytes.extend_from_slice(value);
    }
}

/// Counts the decimals of hundred-millionths that are not trailing zeros.
fn decimals(mut fraction: u64) -> u16 {
    if fraction == 0 {
        return 0;
    }
    let mut decimals = 8;
    while fraction.is_multiple_of(10) {
        fraction /= 10;
        decimals -= 1;
    }
    decimals
}

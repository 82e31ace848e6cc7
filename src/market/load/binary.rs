//! Rows in PostgreSQL's binary COPY format: typed values in, bytes out.
//!
//! Source: PostgreSQL manual, `COPY`, "Binary Format"; `numeric_recv` for the digits.

use msv_postgres::CopyBinary;

use crate::book::flags::Flags;
use crate::nanos::{Day, Nanos};
use crate::price::Price;

const TEXT_OID: i32 = 25;

/// Rows of one table, encoded.
#[derive(Debug, Default)]
pub(crate) struct CopyRows {
    rows: CopyBinary,
    count: u64,
}

impl CopyRows {
    /// Starts a row of `columns` values, which the caller then adds in order.
    pub(crate) fn row(&mut self, columns: i16) {
        self.rows.row(columns);
        self.count += 1;
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Ends the rows and gives all bytes of the COPY.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.rows.end();
        self.rows.into_bytes()
    }

    pub(crate) fn null(&mut self) {
        self.rows.null();
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.rows.text(text);
    }

    /// Adds a text, or null where it is empty.
    pub(crate) fn text_or_null(&mut self, text: &str) {
        if text.is_empty() {
            self.null();
        } else {
            self.text(text);
        }
    }

    pub(crate) fn bigint(&mut self, number: i64) {
        self.rows.bigint(number);
    }

    pub(crate) fn bigint_or_null(&mut self, number: Option<i64>) {
        match number {
            Some(number) => self.bigint(number),
            None => self.null(),
        }
    }

    pub(crate) fn int_or_null(&mut self, number: Option<i32>) {
        match number {
            Some(number) => self.rows.integer(number),
            None => self.null(),
        }
    }

    pub(crate) fn boolean(&mut self, is_true: bool) {
        self.rows.boolean(is_true);
    }

    pub(crate) fn boolean_or_null(&mut self, is_true: Option<bool>) {
        match is_true {
            Some(is_true) => self.boolean(is_true),
            None => self.null(),
        }
    }

    pub(crate) fn date(&mut self, day: Day) {
        self.rows.date(day.0);
    }

    /// Adds a timestamptz, cut to the microsecond.
    pub(crate) fn timestamp(&mut self, at: Nanos) {
        self.rows.timestamp(at.0.div_euclid(1000));
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
        let mut value = [0; 18];
        let mut length = 0;
        for part in [kept.len() as u16, weight as u16, sign, decimals(fraction)]
            .iter()
            .chain(kept)
        {
            value[length..length + 2].copy_from_slice(&part.to_be_bytes());
            length += 2;
        }
        self.rows.field(&value[..length]);
    }

    /// Adds the names of the flags as `text[]`.
    pub(crate) fn flags(&mut self, flags: Flags) {
        let mut value = Vec::with_capacity(64);
        let mut add = |number: i32| value.extend_from_slice(&number.to_be_bytes());
        let count = flags.count() as i32;
        for header in [i32::from(count > 0), 0, TEXT_OID] {
            add(header);
        }
        if count > 0 {
            add(count);
            add(1);
        }
        for name in flags.names() {
            value.extend_from_slice(&(name.len() as i32).to_be_bytes());
            value.extend_from_slice(name.as_bytes());
        }
        self.rows.field(&value);
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

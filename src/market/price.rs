//! Prices as exact integers: text in, hundred-millionths out, and back without trailing zeros.

use std::fmt;

/// A price in hundred-millionths (1e-8) of the instrument's currency.
///
/// Eight decimals hold every tick in use: cents, Nasdaq's four decimals, pips, the 1e-8 of
/// crypto venues. The largest price is 92,233,720,368.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(i64);

/// Why a text is no price; the words go to `raw.rejected_events.reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    #[error("is not a decimal number such as 101.25")]
    NotANumber,
    #[error("has more than eight decimals")]
    TooPrecise,
    #[error("is larger than 92233720368")]
    TooLarge,
}

impl Price {
    /// How many units make 1.
    pub const SCALE: i64 = 100_000_000;
    const DECIMALS: usize = 8;

    /// Takes a price in hundred-millionths.
    pub const fn from_units(units: i64) -> Self {
        Price(units)
    }

    /// Gives the price in hundred-millionths.
    pub const fn units(self) -> i64 {
        self.0
    }

    /// Reads `101.25`, `-0.5`, `+3`, `.5`. Zeros after the eighth decimal are accepted.
    ///
    /// # Errors
    ///
    /// [`PriceError`] for anything else: exponents, thousands separators, rounding.
    pub fn parse(text: &[u8]) -> Result<Self, PriceError> {
        let (is_negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let point = digits.iter().position(|&byte| byte == b'.');
        let (whole, fraction) = match point {
            Some(at) => (&digits[..at], &digits[at + 1..]),
            None => (digits, &digits[..0]),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(PriceError::NotANumber);
        }
        let mut units: i64 = 0;
        let mut push = |byte: u8| {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return Err(PriceError::NotANumber);
            }
            units = units
                .checked_mul(10)
                .and_then(|units| units.checked_add(i64::from(digit)))
                .ok_or(PriceError::TooLarge)?;
            Ok(())
        };
        for &byte in whole {
            push(byte)?;
        }
        let (kept, beyond) = fraction.split_at(fraction.len().min(Self::DECIMALS));
        for &byte in kept {
            push(byte)?;
        }
        for _ in kept.len()..Self::DECIMALS {
            push(b'0')?;
        }
        for &byte in beyond {
            match byte {
                b'0' => {}
                b'1'..=b'9' => return Err(PriceError::TooPrecise),
                _ => return Err(PriceError::NotANumber),
            }
        }
        Ok(Price(if is_negative { -units } else { units }))
    }

    /// Appends the decimal text without trailing zeros.
    pub fn write(self, out: &mut Vec<u8>) {
        if self.0 < 0 {
            out.push(b'-');
        }
        let units = self.0.unsigned_abs();
        let scale = Self::SCALE.unsigned_abs();
        push_decimal(units / scale, out);
        let mut fraction = units % scale;
        if fraction == 0 {
            return;
        }
        out.push(b'.');
        let mut unit = scale / 10;
        while fraction > 0 {
            // A digit is below ten, so it fits a byte.
            out.push(b'0' + (fraction / unit) as u8);
            fraction %= unit;
            unit /= 10;
        }
    }
}

/// Appends an unsigned integer in decimal.
pub(crate) fn push_decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(24);
        self.write(&mut text);
        f.pad(std::str::from_utf8(&text).expect("digits are ASCII"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<String, PriceError> {
        Price::parse(text.as_bytes()).map(|price| price.to_string())
    }

    #[test]
    fn prices_print_without_trailing_zeros() {
        assert_eq!(parse("585.3300").as_deref(), Ok("585.33"));
        assert_eq!(parse("100").as_deref(), Ok("100"));
        assert_eq!(parse("-.50").as_deref(), Ok("-0.5"));
        assert_eq!(parse("0.00000001").as_deref(), Ok("0.00000001"));
        assert_eq!(parse("1.0000000000").as_deref(), Ok("1"));
    }

    #[test]
    fn what_cannot_be_held_exactly_is_refused() {
        assert_eq!(parse("0.000000001"), Err(PriceError::TooPrecise));
        assert_eq!(parse("92233720369"), Err(PriceError::TooLarge));
        for text in ["", ".", "1e5", "1,000", "abc", "1.2.3", "--1"] {
            assert_eq!(parse(text), Err(PriceError::NotANumber), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_price_is_read_back_as_it_was_written(units in -i64::MAX..=i64::MAX) {
            let price = Price::from_units(units);
            prop_assert_eq!(Price::parse(price.to_string().as_bytes()), Ok(price));
        }
    }
}

//! The many spellings of sides, event types and order types in, one word each out.

use crate::event::{EventType, Side};

/// Longer words than this are no known spelling.
const LONGEST: usize = 24;

/// Upper-cases a word and writes blanks and hyphens as underscores, without allocating.
fn fold<'b>(text: &str, buffer: &'b mut [u8; LONGEST]) -> &'b [u8] {
    let Some(folded) = buffer.get_mut(..text.len()) else {
        return b"?";
    };
    for (to, from) in folded.iter_mut().zip(text.bytes()) {
        *to = match from {
            b' ' | b'-' if text.len() > 2 => b'_',
            other => other.to_ascii_uppercase(),
        };
    }
    folded
}

/// Reads a side. Digits are FIX's tag 54 (1 buy, 2 sell, 5 sell short) and LOBSTER's -1.
pub fn side(text: &str) -> Option<Side> {
    match text {
        "buy" => return Some(Side::Buy),
        "sell" => return Some(Side::Sell),
        _ => {}
    }
    match fold(text, &mut [0; LONGEST]) {
        b"B" | b"BUY" | b"BID" | b"1" | b"BOUGHT" => Some(Side::Buy),
        b"S" | b"SELL" | b"ASK" | b"OFFER" | b"2" | b"-1" | b"5" | b"SS" | b"SHORT"
        | b"SELL_SHORT" | b"SOLD" => Some(Side::Sell),
        _ => None,
    }
}

/// Reads an event type.
pub fn event_type(text: &str) -> Option<EventType> {
    match fold(text, &mut [0; LONGEST]) {
        b"NEW" | b"N" | b"ADD" | b"A" | b"INSERT" | b"SUBMIT" | b"ENTER" => Some(EventType::New),
        b"MODIFY" | b"M" | b"AMEND" | b"REPLACE" | b"REPLACED" | b"UPDATE" | b"MODIFIED" => {
            Some(EventType::Modify)
        }
        b"CANCEL" | b"C" | b"CANCELED" | b"CANCELLED" | b"DELETE" | b"D" | b"EXPIRE"
        | b"EXPIRED" | b"WITHDRAW" => Some(EventType::Cancel),
        b"EXECUTE" | b"E" | b"EXEC" | b"EXECUTION" | b"EXECUTED" | b"FILL" | b"FILLED"
        | b"PARTIAL_FILL" | b"PARTIALLY_FILLED" => Some(EventType::Execute),
        b"TRADE" | b"T" | b"PRINT" | b"OFF_BOOK" => Some(EventType::Trade),
        b"HALT" | b"H" | b"HALTED" | b"SUSPEND" => Some(EventType::Halt),
        b"RESUME" | b"R" | b"RESUMED" => Some(EventType::Resume),
        b"AUCTION" | b"CROSS" | b"UNCROSS" => Some(EventType::Auction),
        _ => None,
    }
}

/// Gives an order type its one word; a word nobody knows stays as it is. Digits are FIX tag 40.
pub fn order_type(text: &str) -> &str {
    match fold(text, &mut [0; LONGEST]) {
        b"LIMIT" | b"LMT" | b"L" | b"LIMIT_ORDER" | b"2" => "limit",
        b"MARKET" | b"MKT" | b"M" | b"MARKET_ORDER" | b"1" => "market",
        b"STOP" | b"STP" | b"STOP_ORDER" | b"STOP_LOSS" | b"3" => "stop",
        b"STOP_LIMIT" | b"STPLMT" | b"STP_LMT" | b"STOP_LIMIT_ORDER" | b"4" => "stop_limit",
        b"PEGGED" | b"PEG" | b"P" => "pegged",
        _ => text,
    }
}

/// Gives a time in force its one word; a word nobody knows stays as it is. Digits are FIX tag 59.
pub fn time_in_force(text: &str) -> &str {
    match fold(text, &mut [0; LONGEST]) {
        b"DAY" | b"0" => "day",
        b"GTC" | b"GOOD_TILL_CANCEL" | b"1" => "gtc",
        b"OPG" | b"ATO" | b"AT_THE_OPENING" | b"2" => "opg",
        b"IOC" | b"IMMEDIATE_OR_CANCEL" | b"3" => "ioc",
        b"FOK" | b"FILL_OR_KILL" | b"4" => "fok",
        b"GTD" | b"GOOD_TILL_DATE" | b"6" => "gtd",
        b"CLS" | b"ATC" | b"AT_THE_CLOSE" | b"7" => "cls",
        _ => text,
    }
}

/// Reads a yes or no.
pub fn boolean(text: &str) -> Option<bool> {
    match fold(text, &mut [0; LONGEST]) {
        b"TRUE" | b"T" | b"1" | b"YES" | b"Y" => Some(true),
        b"FALSE" | b"F" | b"0" | b"NO" | b"N" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_spellings_become_one_word() {
        for text in ["LMT", "Limit", "limit order", "2"] {
            assert_eq!(order_type(text), "limit", "{text}");
        }
        for text in ["B", "BUY", "1", "bid"] {
            assert_eq!(side(text), Some(Side::Buy), "{text}");
        }
        for text in ["S", "sell short", "-1", "2"] {
            assert_eq!(side(text), Some(Side::Sell), "{text}");
        }
        assert_eq!(event_type("partial-fill"), Some(EventType::Execute));
        assert_eq!(time_in_force("immediate or cancel"), "ioc");
    }

    #[test]
    fn an_unknown_word_is_kept_or_refused_but_never_guessed() {
        assert_eq!(order_type("iceberg"), "iceberg");
        assert_eq!(order_type(&"x".repeat(99)), "x".repeat(99));
        assert_eq!(side("long"), None);
        assert_eq!(event_type(""), None);
    }
}

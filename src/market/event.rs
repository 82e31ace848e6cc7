//! The one event that every feed is decoded into.
//!
//! Text is borrowed from the line an event was decoded from; whoever keeps an event longer
//! (the book) interns what it needs.

use std::fmt;

use crate::nanos::Nanos;
use crate::price::Price;

/// Which side of the book an order stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Buy,
    Sell,
}

impl Side {
    pub const fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Side::Buy => "buy",
            Side::Sell => "sell",
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// An order enters with its whole quantity. A marketable one is followed by its executions.
    New,
    /// Price and open quantity after the change; an empty price keeps the old one.
    Modify,
    /// Quantity withdrawn; less than what is left is a partial cancel, none is all of it.
    Cancel,
    /// A fill of one order; both orders of a trade have a row, which share the trade's id.
    Execute,
    /// A trade outside the visible book: a hidden order's fill or an off-book print.
    Trade,
    /// Trading stops until a `resume`.
    Halt,
    Resume,
    /// Without a quantity, the start of an auction's call phase; with price and quantity, its
    /// outcome: the phase ends once the clock moves on, so fills of the same time belong to it.
    Auction,
}

impl EventType {
    pub const fn as_str(self) -> &'static str {
        match self {
            EventType::New => "new",
            EventType::Modify => "modify",
            EventType::Cancel => "cancel",
            EventType::Execute => "execute",
            EventType::Trade => "trade",
            EventType::Halt => "halt",
            EventType::Resume => "resume",
            EventType::Auction => "auction",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One event of one instrument, as a feed tells it.
///
/// An absent text is the empty string, as it is in a CSV field; absent numbers are `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderEvent<'a> {
    pub at: Nanos,
    pub venue: &'a str,
    /// As the feed spells it; the instrument table maps aliases when it is loaded.
    pub symbol: &'a str,
    pub event_type: EventType,
    /// Empty for halts, auctions and prints.
    pub order_id: &'a str,
    /// Empty on an anonymous feed.
    pub account_id: &'a str,
    pub side: Option<Side>,
    pub price: Option<Price>,
    pub quantity: Option<i64>,
    /// `limit`, `market`, `stop`, `stop_limit`, `pegged`, or the feed's own word.
    pub order_type: &'a str,
    /// `day`, `ioc`, `fok`, `gtc`, `gtd`, `opg`, `cls`, or the feed's own word.
    pub time_in_force: &'a str,
    pub trade_id: &'a str,
    pub counterparty_order_id: &'a str,
    pub is_aggressor: Option<bool>,
}

impl<'a> OrderEvent<'a> {
    /// Makes an event with nothing but what every event has.
    pub const fn new(at: Nanos, venue: &'a str, symbol: &'a str, event_type: EventType) -> Self {
        OrderEvent {
            at,
            venue,
            symbol,
            event_type,
            order_id: "",
            account_id: "",
            side: None,
            price: None,
            quantity: None,
            order_type: "",
            time_in_force: "",
            trade_id: "",
            counterparty_order_id: "",
            is_aggressor: None,
        }
    }
}

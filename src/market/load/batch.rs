//! One batch: the rows that are committed together with the position they reach.

use crate::book::flags::Flags;
use crate::book::{Bbo, Stamp};
use crate::event::{OrderEvent, Side};
use crate::load::binary::CopyRows;
use crate::load::phase::Phase;
use crate::nanos::{Day, Nanos};
use crate::price::Price;

/// How many distinct flags the counters hold.
pub(crate) const FLAG_COUNT: usize = 16;

/// Where and when a row belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowKey<'a> {
    pub(crate) day: Day,
    pub(crate) seq: i64,
    pub(crate) at: Nanos,
    pub(crate) venue: &'a str,
    pub(crate) symbol: &'a str,
    pub(crate) phase: Phase,
    pub(crate) file_id: i64,
}

/// What of an event row is not in the event as the feed told it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventDetails<'a> {
    pub(crate) account: &'a str,
    pub(crate) side: Option<Side>,
    pub(crate) price: Option<Price>,
    pub(crate) quantity: Option<i64>,
    pub(crate) distance_ticks: Option<i32>,
    pub(crate) flags: Flags,
    pub(crate) line_number: i64,
}

/// A trade, put together from the rows of its orders.
#[derive(Clone, Debug)]
pub(crate) struct TradeRow {
    pub(crate) day: Day,
    pub(crate) seq: i64,
    pub(crate) at: Nanos,
    pub(crate) instrument: usize,
    pub(crate) trade_id: String,
    pub(crate) price: Price,
    pub(crate) quantity: i64,
    pub(crate) aggressor: Option<Side>,
    /// The side whose row says that it was not the aggressor.
    pub(crate) passive: Option<Side>,
    pub(crate) buy_order: String,
    pub(crate) sell_order: String,
    pub(crate) buy_account: String,
    pub(crate) sell_account: String,
    pub(crate) is_off_book: bool,
    pub(crate) before: Bbo,
    pub(crate) phase: Phase,
}

/// Rows waiting for their commit.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) days: Vec<Day>,
    pub(crate) events: CopyRows,
    pub(crate) trades: CopyRows,
    pub(crate) bbo: CopyRows,
    pub(crate) rejects: CopyRows,
    pub(crate) flagged: u64,
    pub(crate) flag_counts: [u64; FLAG_COUNT],
    /// The first rejected lines, for the summary.
    pub(crate) first_rejects: Vec<(i64, String)>,
    /// Bytes and lines of the file that this batch has dealt with.
    pub(crate) byte_position: u64,
    pub(crate) line_position: i64,
    pub(crate) last_seq: Option<i64>,
}

/// How many rejects a summary shows.
pub(crate) const SHOWN_REJECTS: usize = 5;

const EVENT_COLUMNS: i16 = 36;
const TRADE_COLUMNS: i16 = 19;
const BBO_COLUMNS: i16 = 12;
const REJECT_COLUMNS: i16 = 4;

impl Batch {
    pub(crate) fn rows(&self) -> u64 {
        self.events.count() + self.rejects.count()
    }

    pub(crate) fn event(
        &mut self,
        key: RowKey<'_>,
        event: &OrderEvent<'_>,
        stamp: &Stamp,
        details: EventDetails<'_>,
    ) {
        if !self.days.contains(&key.day) {
            self.days.push(key.day);
        }
        self.last_seq = Some(key.seq);
        if !details.flags.is_empty() {
            self.flagged += 1;
            for (number, count) in self.flag_counts.iter_mut().enumerate() {
                *count += u64::from(details.flags.has_number(number));
            }
        }
        let rows = &mut self.events;
        rows.row(EVENT_COLUMNS);
        start(rows, key);
        rows.text(event.event_type.as_str());
        rows.text_or_null(event.order_id);
        rows.text_or_null(details.account);
        rows.text_or_null(details.side.map_or("", Side::as_str));
        rows.price_or_null(details.price);
        rows.bigint_or_null(details.quantity);
        rows.text_or_null(event.order_type);
        rows.text_or_null(event.time_in_force);
        rows.text_or_null(event.trade_id);
        rows.text_or_null(event.counterparty_order_id);
        rows.boolean_or_null(event.is_aggressor);
        bbo(rows, &stamp.before);
        rows.int_or_null(stamp.order_level);
        rows.int_or_null(details.distance_ticks);
        for depth in stamp.depth_bid.iter().chain(&stamp.depth_ask) {
            rows.bigint(*depth);
        }
        rows.bigint_or_null(stamp.leaves);
        rows.bigint_or_null(stamp.entered.map(|entered| entered.0));
        rows.boolean_or_null(stamp.is_priority_lost);
        rows.text(key.phase.as_str());
        rows.flags(details.flags);
        rows.bigint(key.file_id);
        rows.bigint(details.line_number);
    }

    pub(crate) fn trade(&mut self, key: RowKey<'_>, trade: &TradeRow) {
        let rows = &mut self.trades;
        rows.row(TRADE_COLUMNS);
        start(rows, key);
        rows.text_or_null(&trade.trade_id);
        rows.price(trade.price);
        rows.bigint(trade.quantity);
        rows.text_or_null(trade.aggressor.map_or("", Side::as_str));
        rows.text_or_null(&trade.buy_order);
        rows.text_or_null(&trade.sell_order);
        rows.text_or_null(&trade.buy_account);
        rows.text_or_null(&trade.sell_account);
        rows.boolean(trade.is_off_book);
        rows.price_or_null(trade.before.bid.map(|bid| bid.price));
        rows.price_or_null(trade.before.ask.map(|ask| ask.price));
        rows.text(key.phase.as_str());
        rows.bigint(key.file_id);
    }

    pub(crate) fn bbo(&mut self, key: RowKey<'_>, after: &Bbo) {
        let rows = &mut self.bbo;
        rows.row(BBO_COLUMNS);
        start(rows, key);
        bbo(rows, after);
        rows.text(key.phase.as_str());
        rows.bigint(key.file_id);
    }

    pub(crate) fn reject(&mut self, file_id: i64, line_number: i64, raw: &[u8], reason: &str) {
        if self.first_rejects.len() < SHOWN_REJECTS {
            self.first_rejects.push((line_number, reason.to_owned()));
        }
        // PostgreSQL's text cannot hold a NUL, nor bytes that are not UTF-8.
        let clean = |text: &str| text.replace('\0', "\u{2400}");
        let rows = &mut self.rejects;
        rows.row(REJECT_COLUMNS);
        rows.bigint(file_id);
        rows.bigint(line_number);
        rows.text(&clean(&String::from_utf8_lossy(raw)));
        rows.text(&clean(reason));
    }
}

fn start(rows: &mut CopyRows, key: RowKey<'_>) {
    rows.date(key.day);
    rows.bigint(key.seq);
    rows.timestamp(key.at);
    rows.bigint(key.at.0);
    rows.text(key.venue);
    rows.text(key.symbol);
}

fn bbo(rows: &mut CopyRows, bbo: &Bbo) {
    for level in [bbo.bid, bbo.ask] {
        rows.price_or_null(level.map(|level| level.price));
        rows.bigint_or_null(level.map(|level| level.quantity));
    }
}

//! The heart of loading: an event in, its stamped rows in the batch.
//!
//! An instrument's book lives for one trading day; the next day starts with an empty one.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use jiff::tz::TimeZone;

use crate::book::flags::Flags;
use crate::book::{Bbo, Book, Moment, Stamp};
use crate::event::{EventType, OrderEvent, Side};
use crate::load::batch::{Batch, EventDetails, RowKey, TradeRow};
use crate::load::instruments::{InstrumentRow, Interner, Reference};
use crate::load::phase::{DayWindow, Phase, PhaseState};
use crate::load::restore::Restorer;
use crate::load::trades::{Seen, SeenTrades, Waiting};
use crate::nanos::{Day, Nanos};
use msv_postgres::Error;

/// A venue as the feed spells it, and the number of its instrument.
type VenueInstrument = (Box<str>, usize);

/// One instrument and the day it is in.
#[derive(Debug)]
pub(crate) struct Instrument {
    pub(crate) venue: String,
    pub(crate) symbol: String,
    row: Option<InstrumentRow>,
    zone: TimeZone,
    tick: Option<i64>,
    is_unknown: bool,
    window: Option<DayWindow>,
    pub(crate) book: Book,
    pub(crate) phase: PhaseState,
    pub(crate) seen_trades: SeenTrades,
    pub(crate) last_at: Nanos,
    pub(crate) last_bbo: (Bbo, Option<Phase>),
}

impl Instrument {
    fn forget_day(&mut self) {
        self.book.clear();
        self.phase = PhaseState::default();
        self.seen_trades.clear();
        self.last_at = Nanos(i64::MIN);
        self.last_bbo = (Bbo::default(), None);
    }
}

/// What a file's format says where the reference tables are silent.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    pub(crate) zone: TimeZone,
    pub(crate) tick: Option<i64>,
}

/// Stamps the events of one file.
pub(crate) struct Engine {
    reference: Reference,
    defaults: Defaults,
    restorer: Restorer,
    file_id: i64,
    next_seq: i64,
    instruments: Vec<Instrument>,
    /// Symbol as the feed spells it, then venue.
    by_name: HashMap<Box<str>, Vec<VenueInstrument>, FixedState>,
    accounts: Interner,
    waiting: Waiting,
    pub(crate) batch: Batch,
}

impl Engine {
    pub(crate) fn new(
        reference: Reference,
        defaults: Defaults,
        restorer: Restorer,
        file_id: i64,
        next_seq: i64,
    ) -> Self {
        Engine {
            reference,
            defaults,
            restorer,
            file_id,
            next_seq,
            instruments: Vec::new(),
            by_name: HashMap::default(),
            accounts: Interner::default(),
            waiting: Waiting::default(),
            batch: Batch::default(),
        }
    }

    /// Stamps one event and adds its rows to the batch.
    ///
    /// # Errors
    ///
    /// When an earlier load's orders cannot be read back from the database.
    pub(crate) fn apply(&mut self, event: &OrderEvent<'_>, line_number: i64) -> Result<(), Error> {
        let number = self.instrument(event.venue, event.symbol);
        let mut flags = self.enter_day(number, event.at)?;
        let instrument = &mut self.instruments[number];
        let Some(window) = instrument.window else {
            return Ok(());
        };
        flags.set_if(event.at < instrument.last_at, Flags::OUT_OF_ORDER);
        flags.set_if(instrument.is_unknown, Flags::UNKNOWN_INSTRUMENT);
        instrument.last_at = instrument.last_at.max(event.at);
        let phase = instrument.phase.before(event, &window);
        let stamp = instrument.book.apply(
            event,
            Moment {
                is_continuous: phase == Phase::Continuous,
                account: self.accounts.number(event.account_id),
            },
        );
        flags.set(stamp.flags);
        let is_execution = event.event_type == EventType::Execute;
        flags.set_if(is_execution && phase == Phase::Halted, Flags::TRADE_IN_HALT);
        let is_priced = matches!(event.event_type, EventType::New | EventType::Modify);
        if let (true, Some(price), Some(tick)) = (is_priced, event.price, instrument.tick) {
            flags.set_if(price.units() % tick != 0, Flags::OFF_TICK);
        }
        let side = event.side.or(stamp.order.map(|order| order.side));
        if is_execution || event.event_type == EventType::Trade {
            let is_again = self.trade(number, event, &stamp, side, window.day, phase);
            flags.set_if(is_again, Flags::DUPLICATE_TRADE);
        }
        self.write(
            number,
            event,
            &stamp,
            side,
            (window.day, phase),
            flags,
            line_number,
        );
        self.follow(number, event, &window);
        self.next_seq += 1;
        Ok(())
    }

    /// Ends the trades that still wait for a second row; called when the clock moves on.
    pub(crate) fn settle_trades(&mut self) {
        for trade in self.waiting.drain() {
            let key = trade_key(&trade, &self.instruments, self.file_id);
            self.batch.trade(key, &trade);
        }
    }

    pub(crate) fn reject(&mut self, line_number: i64, raw: &[u8], reason: &str) {
        self.batch.reject(self.file_id, line_number, raw, reason);
    }

    fn instrument(&mut self, venue: &str, symbol: &str) -> usize {
        if let Some(venues) = self.by_name.get(symbol)
            && let Some((_, number)) = venues.iter().find(|(name, _)| **name == *venue)
        {
            return *number;
        }
        let clean_venue = venue.trim().to_ascii_uppercase();
        let clean_symbol = symbol.trim().to_ascii_uppercase();
        let row = self.reference.find(&clean_venue, &clean_symbol).cloned();
        let symbol_name = row.as_ref().map_or(clean_symbol, |row| row.symbol.clone());
        let known = self.instruments.iter().position(|instrument| {
            instrument.venue == clean_venue && instrument.symbol == symbol_name
        });
        let number = known.unwrap_or(self.instruments.len());
        if known.is_none() {
            let zone = row.as_ref().and_then(|row| row.zone.clone());
            self.instruments.push(Instrument {
                is_unknown: row.is_none() && self.reference.knows_venue(&clean_venue),
                tick: row.as_ref().and_then(|row| row.tick).or(self.defaults.tick),
                zone: zone.unwrap_or_else(|| self.defaults.zone.clone()),
                row,
                venue: clean_venue,
                symbol: symbol_name,
                window: None,
                book: Book::default(),
                phase: PhaseState::default(),
                seen_trades: SeenTrades::default(),
                last_at: Nanos(i64::MIN),
                last_bbo: (Bbo::default(), None),
            });
        }
        self.by_name
            .entry(symbol.into())
            .or_default()
            .push((venue.into(), number));
        number
    }

    /// Puts the instrument into the day of a moment, with what an earlier load left there.
    fn enter_day(&mut self, number: usize, at: Nanos) -> Result<Flags, Error> {
        let instrument = &mut self.instruments[number];
        let mut flags = Flags::default();
        if instrument.window.is_some_and(|window| window.contains(at)) {
            return Ok(flags);
        }
        let window = self.reference.window(
            &instrument.venue,
            instrument.row.as_ref(),
            &instrument.zone,
            at,
        );
        let is_past = instrument.window.is_some_and(|now| window.day < now.day);
        flags.set_if(is_past, Flags::OUT_OF_ORDER);
        instrument.forget_day();
        instrument.window = Some(window);
        self.restorer
            .restore(instrument, &window, at, &mut self.accounts)?;
        Ok(flags)
    }

    /// Notes the row's trade; true when the row repeats one that came before.
    fn trade(
        &mut self,
        number: usize,
        event: &OrderEvent<'_>,
        stamp: &Stamp,
        side: Option<Side>,
        day: Day,
        phase: Phase,
    ) -> bool {
        let (Some(price), Some(quantity)) = (event.price, event.quantity) else {
            return false;
        };
        let instrument = &mut self.instruments[number];
        let own_account = match (event.account_id, stamp.order) {
            ("", Some(order)) => self.accounts.text(order.account),
            (account, _) => account,
        };
        let seen = match event.trade_id {
            "" => Seen::First,
            trade_id => instrument.seen_trades.see(trade_id, side),
        };
        match seen {
            Seen::Again => return true,
            Seen::Second => {
                let complete = self.waiting.complete(number, event, side, own_account);
                if let Some(trade) = complete {
                    let key = trade_key(&trade, &self.instruments, self.file_id);
                    self.batch.trade(key, &trade);
                }
                return false;
            }
            Seen::First => {}
        }
        let counterparty = instrument.book.orders.get(event.counterparty_order_id);
        let other_account = counterparty.map_or("", |order| self.accounts.text(order.account));
        let (buy_account, sell_account) = match side {
            Some(Side::Buy) => ("", other_account),
            Some(Side::Sell) => (other_account, ""),
            None => ("", ""),
        };
        let mut trade = TradeRow {
            day,
            seq: self.next_seq,
            at: event.at,
            instrument: number,
            trade_id: event.trade_id.to_owned(),
            price,
            quantity,
            aggressor: None,
            passive: None,
            buy_order: String::new(),
            sell_order: String::new(),
            buy_account: buy_account.to_owned(),
            sell_account: sell_account.to_owned(),
            is_off_book: event.event_type == EventType::Trade,
            before: stamp.before,
            phase,
        };
        trade.add_side(event, side, own_account);
        if event.trade_id.is_empty() || event.event_type == EventType::Trade {
            let trade = trade.of_one_row();
            let key = trade_key(&trade, &self.instruments, self.file_id);
            self.batch.trade(key, &trade);
        } else {
            self.waiting.push(trade);
        }
        false
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one row, all computed once"
    )]
    fn write(
        &mut self,
        number: usize,
        event: &OrderEvent<'_>,
        stamp: &Stamp,
        side: Option<Side>,
        (day, phase): (Day, Phase),
        flags: Flags,
        line_number: i64,
    ) {
        let instrument = &self.instruments[number];
        let order = stamp.order;
        let quantity = match event.event_type {
            EventType::Cancel | EventType::Modify => {
                event.quantity.or(order.map(|order| order.leaves))
            }
            _ => event.quantity,
        };
        let ticks = |distance: i64| {
            let tick = instrument.tick?;
            i32::try_from(distance / tick).ok()
        };
        let details = EventDetails {
            account: match (event.account_id, order) {
                ("", Some(order)) => self.accounts.text(order.account),
                (account, _) => account,
            },
            side,
            price: event.price.or(order.and_then(|order| order.price)),
            quantity,
            distance_ticks: stamp.distance.and_then(ticks),
            flags,
            line_number,
        };
        let key = RowKey {
            day,
            seq: self.next_seq,
            at: event.at,
            venue: &instrument.venue,
            symbol: &instrument.symbol,
            phase,
            file_id: self.file_id,
        };
        self.batch.event(key, event, stamp, details);
    }

    /// Lets the event change the phase, and notes a changed best bid and offer.
    fn follow(&mut self, number: usize, event: &OrderEvent<'_>, window: &DayWindow) {
        let instrument = &mut self.instruments[number];
        instrument.phase.follow(event, window);
        let phase = instrument.phase.now(event.at, window);
        let bbo = instrument.book.bbo();
        if instrument.last_bbo == (bbo, Some(phase)) {
            return;
        }
        instrument.last_bbo = (bbo, Some(phase));
        let key = RowKey {
            day: window.day,
            seq: self.next_seq,
            at: event.at,
            venue: &instrument.venue,
            symbol: &instrument.symbol,
            phase,
            file_id: self.file_id,
        };
        self.batch.bbo(key, &bbo);
    }
}

fn trade_key<'a>(trade: &TradeRow, instruments: &'a [Instrument], file_id: i64) -> RowKey<'a> {
    let instrument = &instruments[trade.instrument];
    RowKey {
        day: trade.day,
        seq: trade.seq,
        at: trade.at,
        venue: &instrument.venue,
        symbol: &instrument.symbol,
        phase: trade.phase,
        file_id,
    }
}

//! An instrument's day as an earlier load left it: rows of `raw.order_events` in, book out.
//!
//! `leaves_quantity` tells the open quantity after each event, so the last row of every order
//! is enough; nothing of the file is decoded twice. The same code continues a load that was
//! killed, a file that grew, and a day that is spread over several files.

use crate::book::can_rest;
use crate::book::orders::Order;
use crate::event::{EventType, OrderEvent, Side};
use crate::load::engine::Instrument;
use crate::load::instruments::{Interner, LoadedDays};
use crate::load::phase::{DayWindow, Phase};
use crate::nanos::{Day, Nanos};
use crate::price::Price;
use msv_postgres::{ConnectOptions, Datum, Error, Session};
use msv_relation::quote_literal;

/// Reads back what earlier loads know of a day.
pub(crate) struct Restorer {
    options: ConnectOptions,
    /// Opened when the first instrument is read back; most loads need none.
    session: Option<Session>,
    days: LoadedDays,
    file_id: i64,
    /// Rows from here on are this load's own.
    first_seq: i64,
}

impl Restorer {
    pub(crate) fn new(
        options: &ConnectOptions,
        days: LoadedDays,
        file_id: i64,
        first_seq: i64,
    ) -> Self {
        Restorer {
            options: options.clone(),
            session: None,
            days,
            file_id,
            first_seq,
        }
    }

    /// Fills an empty instrument with the state that its day had at `at`.
    pub(crate) fn restore(
        &mut self,
        instrument: &mut Instrument,
        window: &DayWindow,
        at: Nanos,
        accounts: &mut Interner,
    ) -> Result<(), Error> {
        if !self.days.contains(&window.day) {
            return Ok(());
        }
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(Session::connect(&self.options)?),
        };
        let earlier = format!(
            "from raw.order_events where trading_date = '{}' and venue = {} and symbol = {} \
             and event_seq < {} and (event_ns <= {} or file_id = {})",
            window.day,
            quote_literal(&instrument.venue),
            quote_literal(&instrument.symbol),
            self.first_seq,
            at.0,
            self.file_id,
        );
        let last = session.query(&format!("select max(event_ns) {earlier}"))?;
        let Some(last_at) = last.scalar().and_then(Datum::as_i64) else {
            return Ok(());
        };
        instrument.last_at = Nanos(last_at);
        restore_phase(session, &earlier, instrument, window)?;
        let phase = instrument.phase.now(instrument.last_at, window);
        let arriving = arriving_order(session, &earlier)?;
        let arriving = arriving.filter(|_| phase == Phase::Continuous);
        restore_orders(
            session, &earlier, window.day, instrument, accounts, arriving,
        )?;
        restore_trades(session, &earlier, instrument)?;
        instrument.last_bbo = (instrument.book.bbo(), Some(phase));
        Ok(())
    }
}

/// Goes through the day's halts and auctions again.
fn restore_phase(
    session: &mut Session,
    earlier: &str,
    instrument: &mut Instrument,
    window: &DayWindow,
) -> Result<(), Error> {
    let changes = session.query(&format!(
        "select event_type, event_ns, quantity {earlier} \
         and event_type in ('halt', 'resume', 'auction') order by event_seq"
    ))?;
    for row in &changes.rows {
        let event_type = match text(row, 0).as_str() {
            "halt" => EventType::Halt,
            "resume" => EventType::Resume,
            _ => EventType::Auction,
        };
        let at = Nanos(row.get(1).and_then(Datum::as_i64).unwrap_or_default());
        let mut event = OrderEvent::new(at, "", "", event_type);
        event.quantity = row.get(2).and_then(Datum::as_i64);
        instrument.phase.follow(&event, window);
    }
    Ok(())
}

/// Finds the order that may still have been held beside the book: the one that the last row
/// other than an execution entered or changed.
fn arriving_order(session: &mut Session, earlier: &str) -> Result<Option<String>, Error> {
    let last = session.query(&format!(
        "select order_id, event_type {earlier} and event_type not in ('execute', 'trade') \
         order by event_seq desc limit 1"
    ))?;
    let row = last.rows.first();
    let is_entry = row.is_some_and(|row| matches!(text(row, 1).as_str(), "new" | "modify"));
    Ok(row.filter(|_| is_entry).map(|row| text(row, 0)))
}

fn restore_orders(
    session: &mut Session,
    earlier: &str,
    day: Day,
    instrument: &mut Instrument,
    accounts: &mut Interner,
    arriving: Option<String>,
) -> Result<(), Error> {
    // A row without leaves_quantity changed nothing in the book. Aggregates of arrays need no
    // sort, unlike `distinct on`; what else an order says is looked up for the open ones only.
    let orders = session.query(&format!(
        "with orders as ( \
             select order_id, \
                 max(array[event_seq, leaves_quantity]) as last, \
                 max(array[event_seq, (price * {scale})::bigint]) \
                     filter (where event_type in ('new', 'modify') and price is not null) \
                     as priced, \
                 max(event_seq) filter (where event_type = 'new') as entered_seq \
             {earlier} and leaves_quantity is not null \
             group by order_id \
         ) \
         select orders.order_id, entry.side, orders.priced[2], orders.last[2], entry.event_ns, \
             entry.account_id, entry.order_type, entry.time_in_force \
         from orders \
         left join raw.order_events as entry \
             on orders.last[2] > 0 and entry.trading_date = '{day}' \
             and entry.event_seq = orders.entered_seq",
        scale = Price::SCALE,
    ))?;
    let mut held = None;
    for row in &orders.rows {
        let id = text(row, 0);
        let leaves = row.get(3).and_then(Datum::as_i64).unwrap_or_default();
        if leaves == 0 {
            instrument.book.orders.remember_closed(&id);
            continue;
        }
        let price = row.get(2).and_then(Datum::as_i64).map(Price::from_units);
        let order = Order {
            side: if text(row, 1) == "sell" {
                Side::Sell
            } else {
                Side::Buy
            },
            price,
            leaves,
            entered: Nanos(row.get(4).and_then(Datum::as_i64).unwrap_or_default()),
            account: accounts.number(&text(row, 5)),
            can_rest: can_rest(price, &text(row, 6), &text(row, 7)),
            is_displayed: false,
        };
        if arriving.as_deref() == Some(id.as_str()) {
            held = Some((id, order));
        } else {
            instrument.book.restore(&id, order, false);
        }
    }
    if let Some((id, order)) = held {
        instrument.book.restore(&id, order, true);
    }
    Ok(())
}

fn restore_trades(
    session: &mut Session,
    earlier: &str,
    instrument: &mut Instrument,
) -> Result<(), Error> {
    let executions = session.query(&format!(
        "select distinct trade_id, side {earlier} and trade_id is not null"
    ))?;
    for row in &executions.rows {
        let side = match text(row, 1).as_str() {
            "buy" => Some(Side::Buy),
            "sell" => Some(Side::Sell),
            _ => None,
        };
        instrument.seen_trades.see(&text(row, 0), side);
    }
    Ok(())
}

fn text(row: &[Datum], at: usize) -> String {
    row.get(at)
        .and_then(Datum::to_text)
        .unwrap_or_default()
        .into_owned()
}

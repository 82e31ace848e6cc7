//! Trades from the rows of their orders: one or both executions in, one trade out.
//!
//! The two rows of a trade share its id and its time. A trade waits for its second row until
//! the clock moves on; a row that comes later still is recognised and makes no second trade.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::book::orders::hash_of;
use crate::event::{OrderEvent, Side};
use crate::load::batch::TradeRow;

const BUY: u8 = 1;
const SELL: u8 = 2;

/// The trades of one instrument and day by the sides that have been seen.
#[derive(Debug, Default)]
pub(crate) struct SeenTrades(HashMap<u64, u8, FixedState>);

/// What a row says about its trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    First,
    /// The other side came before.
    Second,
    /// The same side came before.
    Again,
}

impl SeenTrades {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn see(&mut self, trade_id: &str, side: Option<Side>) -> Seen {
        let side = match side {
            Some(Side::Buy) => BUY,
            Some(Side::Sell) => SELL,
            None => BUY | SELL,
        };
        let sides = self.0.entry(hash_of(trade_id)).or_insert(0);
        let seen = match *sides {
            0 => Seen::First,
            before if before & side == 0 => Seen::Second,
            _ => Seen::Again,
        };
        *sides |= side;
        seen
    }
}

/// Trades that wait for their second row.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Vec<TradeRow>);

impl Waiting {
    pub(crate) fn push(&mut self, trade: TradeRow) {
        self.0.push(trade);
    }

    /// Completes the waiting trade of a second row and gives it, if it still waits.
    pub(crate) fn complete(
        &mut self,
        instrument: usize,
        event: &OrderEvent<'_>,
        side: Option<Side>,
        account: &str,
    ) -> Option<TradeRow> {
        let at = self
            .0
            .iter()
            .position(|trade| trade.instrument == instrument && trade.trade_id == event.trade_id)?;
        let mut trade = self.0.remove(at);
        trade.add_side(event, side, account);
        Some(trade)
    }

    /// Gives the trades whose second row did not come with the time of the first.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = TradeRow> {
        self.0.drain(..).map(TradeRow::of_one_row)
    }
}

impl TradeRow {
    /// Ends a trade of which only one row is known: when that order was passive, the other
    /// side was the aggressor.
    pub(crate) fn of_one_row(mut self) -> TradeRow {
        self.aggressor = self.aggressor.or(self.passive.map(Side::opposite));
        self
    }

    /// Takes what one order's row says: its order, its account, who was the aggressor.
    pub(crate) fn add_side(&mut self, event: &OrderEvent<'_>, side: Option<Side>, account: &str) {
        match event.is_aggressor {
            Some(true) => self.aggressor = side,
            Some(false) => self.passive = side,
            None => {}
        }
        let (own_order, own_account, other_order) = match side {
            Some(Side::Buy) => (
                &mut self.buy_order,
                &mut self.buy_account,
                &mut self.sell_order,
            ),
            Some(Side::Sell) => (
                &mut self.sell_order,
                &mut self.sell_account,
                &mut self.buy_order,
            ),
            None => return,
        };
        event.order_id.clone_into(own_order);
        account.clone_into(own_account);
        if other_order.is_empty() {
            event.counterparty_order_id.clone_into(other_order);
        }
    }
}

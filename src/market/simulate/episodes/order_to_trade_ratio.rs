//! Order-to-trade ratio: an owner that sends hundreds of messages for one trade.

use crate::simulate::day::{Day, Script, Step};
use crate::simulate::engine::{OrderRef, Tally};
use crate::simulate::episodes::{Cast, Difficulty};
use crate::simulate::session::{CLOSE, MILLISECOND, SECOND};

/// Messages per trade, less one, that a member may have in an instrument and session.
///
/// Source: Delegated Regulation (EU) 2017/566, article 3, with a limit usual for liquid shares.
pub(in crate::simulate) const PERMITTED: f64 = 500.0;

/// Computes orders per transaction less one; a modification counts twice, as cancel and new.
///
/// Source: Delegated Regulation (EU) 2017/566, article 3 and annex.
pub(in crate::simulate) fn ratio(tally: Tally) -> f64 {
    let orders = tally.orders + 2 * tally.modifications + tally.cancels;
    orders as f64 / tally.trades.max(1) as f64 - 1.0
}

pub(in crate::simulate) struct OrderToTradeRatio {
    cast: Cast,
    wanted: f64,
    gap_ns: u64,
    /// Share of modifications among messages, in percent.
    modifying_percent: u64,
    held: Option<OrderRef>,
    started_ns: u64,
}

impl OrderToTradeRatio {
    pub(in crate::simulate) fn new(cast: Cast) -> Self {
        OrderToTradeRatio {
            cast,
            wanted: 0.0,
            gap_ns: 0,
            modifying_percent: 0,
            held: None,
            started_ns: 0,
        }
    }

    fn begin(&mut self, day: &mut Day) -> Step {
        let symbol = self.cast.symbol;
        let account = day.universe.account(self.cast.owner, 0);
        let Some(side) = day.is_calm(symbol).then(|| day.any_side()) else {
            return Step::After(60 * SECOND);
        };
        if let Some(best) = day.engine.books[symbol].best(side.other()) {
            let quantity = 10 * day.dice.between(2, 10);
            day.sweep(symbol, account, side, best, quantity.min(30));
        }
        self.wanted = self.cast.difficulty.draw(
            &mut day.dice,
            (1_030.0, 1_300.0),
            (750.0, 950.0),
            (530.0, 600.0),
        );
        self.modifying_percent = match self.cast.difficulty {
            Difficulty::Easy => 0,
            Difficulty::Medium => 60,
            Difficulty::Hard => 97,
        };
        let lasts = day.dice.range(1_200.0, 5_400.0) * SECOND as f64;
        self.gap_ns = (lasts / self.wanted) as u64;
        self.started_ns = day.now();
        Step::After(SECOND)
    }

    fn send(&mut self, day: &mut Day) {
        let symbol = self.cast.symbol;
        let account = day.universe.account(self.cast.owner, 0);
        let side = match self.held {
            Some(order) => day.engine.order(order).side,
            None => day.any_side(),
        };
        let Some(best) = day.engine.books[symbol].best(side) else {
            return;
        };
        let price = best - side.sign() * day.dice.between(6, 18);
        match self.held.take().filter(|&order| day.engine.is_open(order)) {
            Some(order) if day.dice.percent(self.modifying_percent) => {
                let leaves = day.engine.order(order).leaves;
                day.modify(order, price, leaves);
                self.held = Some(order);
            }
            Some(order) => {
                day.cancel(order);
            }
            None => {
                let quantity = 10 * day.dice.between(5, 20);
                self.held = Some(day.rest_order(symbol, account, side, price, quantity));
            }
        }
    }
}

impl Script for OrderToTradeRatio {
    fn step(&mut self, day: &mut Day) -> Step {
        if self.started_ns == 0 {
            return self.begin(day);
        }
        let tally = day.engine.tally(self.cast.owner, self.cast.symbol);
        let is_late = day.now() + 120 * SECOND > CLOSE;
        if (ratio(tally) > self.wanted && self.held.is_none()) || is_late {
            if let Some(order) = self.held.take() {
                day.cancel(order);
            }
            if ratio(tally) > PERMITTED {
                let ended_ns = day.now();
                day.label("order_to_trade_ratio", self.cast, self.started_ns, ended_ns);
            }
            return Step::Done;
        }
        if ratio(tally) > self.wanted {
            self.modifying_percent = 0;
        }
        self.send(day);
        let gap = self.gap_ns as f64 * day.dice.range(0.3, 1.7);
        Step::After((gap as u64).max(MILLISECOND))
    }
}

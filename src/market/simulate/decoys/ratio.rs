//! Decoys for the order-to-trade ratio: many messages with a permission, or with trades.

use crate::simulate::day::{Day, Record, Script, Step};
use crate::simulate::engine::{OrderRef, Side};
use crate::simulate::episodes::{PERMITTED, ratio};
use crate::simulate::plan::Plan;
use crate::simulate::session::{CLOSE, OPEN, SECOND};
use crate::simulate::universe::Kind;

/// A market maker that quotes behind the others all day and hardly ever trades.
struct OuterMaker {
    symbol: usize,
    owner: usize,
    quotes: [Option<OrderRef>; 2],
    turns_left: u64,
    gap_ns: u64,
}

impl Plan {
    pub(super) fn plan_ratio_decoys(&mut self, day: &mut Day) {
        let turns = if self.is_thrifty() { 130 } else { 400 };
        let Some((symbol, owner)) = self.outer_maker(day) else {
            return;
        };
        let lasts = 7_200 * SECOND;
        let start = OPEN + 600 * SECOND + day.dice.below(CLOSE - OPEN - 9_000 * SECOND);
        let script = OuterMaker {
            symbol,
            owner,
            quotes: [None; 2],
            turns_left: turns,
            gap_ns: lasts / turns,
        };
        self.add(day, start, 2 * turns, script);
    }
}

impl Script for OuterMaker {
    fn step(&mut self, day: &mut Day) -> Step {
        if self.turns_left == 0 || day.now() + 60 * SECOND > CLOSE {
            for order in self.quotes.into_iter().flatten() {
                day.cancel(order);
            }
            return Step::Done;
        }
        self.turns_left -= 1;
        for (place, side) in [Side::Buy, Side::Sell].into_iter().enumerate() {
            let Some(best) = day.engine.books[self.symbol].best(side) else {
                continue;
            };
            let price = best - side.sign() * day.dice.between(9, 15);
            match self.quotes[place].filter(|&order| day.engine.is_open(order)) {
                Some(order) => {
                    let leaves = day.engine.order(order).leaves;
                    day.modify(order, price, leaves);
                }
                None => {
                    let account = day.universe.account(self.owner, 0);
                    let quantity = day.universe.instruments[self.symbol].quote_quantity;
                    let order = day.rest_order(self.symbol, account, side, price, quantity);
                    self.quotes[place] = Some(order);
                }
            }
        }
        let gap = self.gap_ns as f64 * day.dice.range(0.4, 1.6);
        Step::After(gap as u64)
    }
}

impl Day {
    /// Records who had many messages for a good reason, once the day is over.
    pub(in crate::simulate) fn note_ratio_decoys(&mut self, most_of_a_kind: usize) {
        let mut found = [0; 3];
        for symbol in 0..self.universe.instruments.len() {
            for owner in 0..self.universe.owners.len() {
                let tally = self.engine.tally(owner, symbol);
                let (place, kind) = match self.universe.owners[owner].kind {
                    Kind::Maker if ratio(tally) > PERMITTED => (0, "mm_high_otr"),
                    Kind::Fast if tally.messages() > 150 => (1, "busy_with_fills"),
                    Kind::Institution | Kind::Retail if tally.trades == 0 && tally.orders >= 5 => {
                        (2, "few_orders_no_trade")
                    }
                    _ => continue,
                };
                if found[place] >= most_of_a_kind && place > 0 {
                    continue;
                }
                found[place] += 1;
                self.decoys.push(Record {
                    rule: "order_to_trade_ratio",
                    symbol,
                    owner,
                    started_ns: OPEN,
                    ended_ns: CLOSE,
                    difficulty: "",
                    kind,
                });
            }
        }
    }
}

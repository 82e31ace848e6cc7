//! Quote stuffing: orders entered and withdrawn by the hundred within a second or two.

use std::collections::VecDeque;

use crate::simulate::day::{Day, Script, Step};
use crate::simulate::engine::{OrderRef, Side};
use crate::simulate::episodes::{Attempts, Cast};
use crate::simulate::session::{CLOSE, SECOND};

pub(in crate::simulate) struct QuoteStuffing {
    cast: Cast,
    attempts: Attempts,
    is_thrifty: bool,
    /// Messages of the burst still to send, and nanoseconds between two.
    messages_left: u64,
    gap_ns: u64,
    depth: usize,
    is_flickering: bool,
    side: Side,
    open: VecDeque<OrderRef>,
    started_ns: u64,
    /// Small trades after the burst, as an active owner would have them.
    trades_left: u64,
}

impl QuoteStuffing {
    /// `is_thrifty` keeps the burst as short as the definition allows, for small days.
    pub(in crate::simulate) fn new(cast: Cast, is_thrifty: bool) -> Self {
        QuoteStuffing {
            cast,
            attempts: Attempts::new(),
            is_thrifty,
            messages_left: 0,
            gap_ns: 0,
            depth: 1,
            is_flickering: false,
            side: Side::Buy,
            open: VecDeque::new(),
            started_ns: 0,
            trades_left: 0,
        }
    }

    fn begin(&mut self, day: &mut Day) -> Step {
        if !day.is_calm(self.cast.symbol) {
            return self.attempts.again(day);
        }
        let difficulty = self.cast.difficulty;
        let dice = &mut day.dice;
        let (rate, seconds) = if self.is_thrifty {
            (dice.range(560.0, 620.0), 1.0)
        } else {
            let rate = difficulty.draw(dice, (700.0, 1_200.0), (420.0, 600.0), (290.0, 350.0));
            let seconds = difficulty.draw(dice, (1.5, 3.0), (1.5, 2.5), (2.0, 2.8));
            (rate, seconds)
        };
        self.messages_left = (rate * seconds) as u64 / 2 * 2;
        self.trades_left = self.messages_left / 100 + 3;
        self.gap_ns = (SECOND as f64 / rate) as u64;
        self.depth = dice.between(1, 4) as usize;
        self.is_flickering = dice.percent(40);
        self.side = day.any_side();
        self.started_ns = day.now();
        Step::After(1)
    }

    fn stuff(&mut self, day: &mut Day) -> Step {
        self.messages_left -= 1;
        let is_full = self.open.len() >= self.depth || self.messages_left < self.open.len() as u64;
        if is_full && let Some(order) = self.open.pop_front() {
            day.cancel(order);
        } else {
            self.enter(day);
        }
        if self.messages_left == 0 {
            while let Some(order) = self.open.pop_front() {
                day.cancel(order);
            }
            let ended_ns = day.now();
            day.label("quote_stuffing", self.cast, self.started_ns, ended_ns);
            return Step::After(day.dice.octaves(20 * SECOND, 90 * SECOND));
        }
        let gap = self.gap_ns as f64 * day.dice.range(0.7, 1.3);
        Step::After(gap as u64)
    }

    fn enter(&mut self, day: &mut Day) {
        if !self.is_flickering && day.dice.percent(30) {
            self.side = self.side.other();
        }
        let symbol = self.cast.symbol;
        let Some(best) = day.engine.books[symbol].best(self.side) else {
            return;
        };
        let distance = if self.is_flickering {
            3
        } else {
            day.dice.between(2, 8)
        };
        let price = best - self.side.sign() * distance;
        let account = day.universe.account(self.cast.owner, 0);
        let quantity = 10 * day.dice.between(1, 5);
        let order = day.rest_order(symbol, account, self.side, price, quantity);
        self.open.push_back(order);
    }

    fn trade_a_little(&mut self, day: &mut Day) -> Step {
        if self.trades_left == 0 || day.now() + 60 * SECOND > CLOSE {
            return Step::Done;
        }
        self.trades_left -= 1;
        let symbol = self.cast.symbol;
        let side = day.any_side();
        if let Some(best) = day.engine.books[symbol].best(side.other()) {
            let account = day.universe.account(self.cast.owner, 0);
            let quantity = 10 * day.dice.between(1, 5);
            day.sweep(symbol, account, side, best, quantity);
        }
        Step::After(day.dice.octaves(5 * SECOND, 60 * SECOND))
    }
}

impl Script for QuoteStuffing {
    fn step(&mut self, day: &mut Day) -> Step {
        if self.started_ns == 0 {
            self.begin(day)
        } else if self.messages_left > 0 {
            self.stuff(day)
        } else {
            self.trade_a_little(day)
        }
    }
}

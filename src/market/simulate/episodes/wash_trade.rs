//! Wash trade: both sides of a trade belong to one owner, or to owners that are linked.

use crate::simulate::day::{Day, Script, Step};
use crate::simulate::engine::{OrderRef, Request, Side};
use crate::simulate::episodes::{Attempts, Cast, Difficulty};
use crate::simulate::session::{MILLISECOND, SECOND};

pub(in crate::simulate) struct WashTrade {
    cast: Cast,
    /// The other party: the owner itself, or one linked to it.
    partner: usize,
    attempts: Attempts,
    pairs_left: u32,
    pairs_wanted: u32,
    looks_left: u32,
    first_leg: Option<OrderRef>,
    side: Side,
    quantity: i64,
    started_ns: u64,
    ended_ns: u64,
}

impl WashTrade {
    pub(in crate::simulate) fn new(cast: Cast, partner: usize, pairs: u32) -> Self {
        WashTrade {
            cast,
            partner,
            attempts: Attempts::new(),
            pairs_left: pairs,
            pairs_wanted: pairs,
            looks_left: 400,
            first_leg: None,
            side: Side::Buy,
            quantity: 0,
            started_ns: 0,
            ended_ns: 0,
        }
    }

    /// Rests the first order inside the spread, where nobody stands before it.
    fn open_pair(&mut self, day: &mut Day) -> Step {
        let symbol = self.cast.symbol;
        let is_room = day.is_calm(symbol)
            && day.engine.books[symbol]
                .spread()
                .is_some_and(|spread| spread >= 2);
        if !is_room {
            self.looks_left -= 1;
            if self.looks_left == 0 {
                self.looks_left = 400;
                return self.attempts.again(day);
            }
            return Step::After(day.dice.octaves(100 * MILLISECOND, 900 * MILLISECOND));
        }
        let (buyer_first, reciprocal) = (
            self.pairs_left.is_multiple_of(2),
            self.partner != self.cast.owner,
        );
        // Linked owners pass the position to and fro, so that neither keeps it.
        self.side = if reciprocal && buyer_first {
            Side::Buy
        } else {
            Side::Sell
        };
        let Some(best) = day.engine.books[symbol].best(self.side) else {
            return self.attempts.again(day);
        };
        let price = best + self.side.sign();
        if self.quantity == 0 {
            self.quantity = 10 * day.dice.between(20, 60);
        }
        let account = day.universe.account(self.cast.owner, 0);
        let order = day.rest_order(symbol, account, self.side, price, self.quantity);
        if self.started_ns == 0 {
            self.started_ns = day.now();
        }
        self.first_leg = Some(order);
        let wait = self
            .cast
            .difficulty
            .draw(&mut day.dice, (0.02, 0.3), (0.1, 0.8), (0.9, 1.8));
        Step::After((wait * SECOND as f64) as u64)
    }

    fn close_pair(&mut self, day: &mut Day, first: OrderRef) -> Step {
        let symbol = self.cast.symbol;
        let held = day.engine.order(first);
        let is_untouched = held.filled == 0 && held.leaves > 0;
        let is_best = day.engine.books[symbol].best(held.side) == Some(held.price);
        if !is_untouched || !is_best {
            day.cancel(first);
            return Step::After(day.dice.octaves(SECOND, 8 * SECOND));
        }
        let excess = match self.cast.difficulty {
            Difficulty::Easy => 0.0,
            Difficulty::Medium => day.dice.range(0.0, 0.025),
            Difficulty::Hard => day.dice.range(0.02, 0.045),
        };
        let less = (self.quantity as f64 * excess) as i64;
        let same_owner = self.partner == self.cast.owner;
        let account = day.universe.account(self.partner, usize::from(same_owner));
        day.submit(Request {
            symbol,
            account,
            side: self.side.other(),
            price: Some(held.price),
            quantity: self.quantity - less,
            is_immediate: self.cast.difficulty == Difficulty::Easy,
            is_self_match_allowed: true,
        });
        day.cancel(first);
        self.ended_ns = day.now();
        self.pairs_left -= 1;
        if self.pairs_left == 0 {
            day.label("wash_trade", self.cast, self.started_ns, self.ended_ns);
            return Step::Done;
        }
        let longest = if self.pairs_wanted > 3 { 20 } else { 40 };
        Step::After(day.dice.octaves(2 * SECOND, longest * SECOND))
    }
}

impl Script for WashTrade {
    fn step(&mut self, day: &mut Day) -> Step {
        match self.first_leg.take() {
            Some(first) => self.close_pair(day, first),
            None => self.open_pair(day),
        }
    }
}

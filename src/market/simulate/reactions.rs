//! Reactions: what others do when the book or the price says something.

use crate::simulate::day::{Day, Moment};
use crate::simulate::engine::{Phase, Request, Side};
use crate::simulate::session::{MILLISECOND, SECOND};
use crate::simulate::universe::Kind;

/// Half spreads by which each momentum follower moves what makers think fair.
const HERD_IMPACT: f64 = 0.4;

impl Day {
    /// Has makers and followers look at an instrument soon.
    pub(super) fn wake_reaction(&mut self, symbol: usize) {
        let now = self.now();
        if now < self.climates[symbol].react_again_at {
            return;
        }
        self.climates[symbol].react_again_at = now + 60 * MILLISECOND;
        let delay = self.dice.octaves(8 * MILLISECOND, 60 * MILLISECOND);
        self.after(delay, Moment::React(symbol));
    }

    pub(super) fn react(&mut self, symbol: usize) {
        if self.engine.books[symbol].phase != Phase::Continuous {
            return;
        }
        self.snipe(symbol);
        for quote in self.quotes_in(symbol) {
            let delay = self.dice.octaves(MILLISECOND, 40 * MILLISECOND);
            self.after(delay, Moment::Requote(quote));
        }
        let imbalance = self.imbalance(symbol);
        if imbalance.abs() > 0.4 && self.dice.percent(55) {
            let side = if imbalance > 0.0 {
                Side::Buy
            } else {
                Side::Sell
            };
            self.take_a_little(symbol, side, 15);
        }
    }

    /// Takes out quotes that the value has left behind, as latency traders do.
    pub(super) fn snipe(&mut self, symbol: usize) {
        self.notice_fills(true);
        let value = self.value(symbol) + self.pressure(symbol);
        let half = self.universe.instruments[symbol].half_spread_ticks;
        for side in [Side::Buy, Side::Sell] {
            let limit = value as i64 - side.sign() * half;
            let book = &self.engine.books[symbol];
            let stale = book.depth_to(side.other(), limit);
            if stale == 0 {
                continue;
            }
            let owner = self.any_owner(Kind::Fast);
            let account = self.universe.account(owner, symbol);
            self.engine.submit(Request {
                symbol,
                account,
                side,
                price: Some(limit),
                quantity: stale,
                is_immediate: true,
                is_self_match_allowed: false,
            });
            // It followed the value: there is nothing to learn from it.
            self.notice_fills(false);
        }
    }

    /// Starts a run of momentum followers, unless one has just run.
    pub(super) fn wake_followers(&mut self, symbol: usize) {
        let now = self.now();
        if now < self.climates[symbol].follow_again_at {
            return;
        }
        self.climates[symbol].follow_again_at = now + 40 * SECOND;
        self.climates[symbol].followers = self.dice.between(8, 20) as u32;
        let delay = self.dice.octaves(150 * MILLISECOND, 1_500 * MILLISECOND);
        self.after(delay, Moment::Follow(symbol));
        // The pressure fades, and makers go with it even when nobody else does anything.
        for seconds in [15, 30, 50, 75, 100] {
            self.after(seconds * SECOND, Moment::React(symbol));
        }
    }

    pub(super) fn follow(&mut self, symbol: usize) {
        let pressure = self.pressure(symbol);
        let quiet = self.universe.instruments[symbol].half_spread_ticks as f64;
        let climate = &mut self.climates[symbol];
        if climate.followers == 0 || pressure.abs() < quiet {
            return;
        }
        climate.followers -= 1;
        let side = if pressure > 0.0 {
            Side::Buy
        } else {
            Side::Sell
        };
        self.take_a_little(symbol, side, 30);
        // Makers see the herd and step back before it.
        self.press(symbol, HERD_IMPACT * quiet * side.sign() as f64);
        let delay = self.dice.octaves(150 * MILLISECOND, 2 * SECOND);
        self.after(delay, Moment::Follow(symbol));
    }

    /// Takes a small quantity at the touch, up to so many lots.
    pub(super) fn take_a_little(&mut self, symbol: usize, side: Side, most_lots: i64) {
        let Some(best) = self.engine.books[symbol].best(side.other()) else {
            return;
        };
        let kind = *self
            .dice
            .choose(&[Kind::Fast, Kind::Fast, Kind::Retail, Kind::Institution]);
        let owner = self.any_owner(kind);
        let account = self.any_account(owner);
        let quantity = 10 * self.dice.between(2, most_lots);
        self.engine.submit(Request {
            symbol,
            account,
            side,
            price: Some(best + side.sign()),
            quantity,
            is_immediate: true,
            is_self_match_allowed: false,
        });
    }

    pub(super) fn any_owner(&mut self, kind: Kind) -> usize {
        let pool = &self.pools[kind as usize];
        *self.dice.choose(pool)
    }

    pub(super) fn any_account(&mut self, owner: usize) -> usize {
        let place = self.dice.index(self.universe.owners[owner].account_count);
        self.universe.account(owner, place)
    }
}

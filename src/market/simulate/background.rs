//! Background: what nobody stages. Fleeting and patient orders, takers, refreshed quotes.

use crate::simulate::day::{Day, Moment};
use crate::simulate::engine::{Phase, Request, Side};
use crate::simulate::session::{MILLISECOND, SECOND};
use crate::simulate::universe::Kind;

/// Messages per trade after which a fast owner trades before it quotes on.
///
/// A firm that watches its own order-to-trade ratio does the same.
const MESSAGES_PER_TRADE: u64 = 60;

impl Day {
    /// Lets somebody act in some instrument.
    pub(super) fn background_action(&mut self) {
        let symbol = self.busy_symbol();
        if self.engine.books[symbol].phase != Phase::Continuous {
            return;
        }
        self.observe(symbol);
        match self.dice.below(100) {
            0..=24 => self.refresh_somebody(symbol),
            25..=88 => self.post_somewhere(symbol),
            _ => self.take_somewhere(symbol),
        }
    }

    /// Draws an instrument, busier ones more often, those in the news most.
    fn busy_symbol(&mut self) -> usize {
        let now = self.now();
        let weight = |day: &Day, symbol: usize| {
            let boost = if now < day.climates[symbol].nervous_until {
                5.0
            } else {
                1.0
            };
            day.universe.instruments[symbol].weight * boost
        };
        let symbols = self.universe.instruments.len();
        let total: f64 = (0..symbols).map(|symbol| weight(self, symbol)).sum();
        let mut drawn = self.dice.unit() * total;
        for symbol in 0..symbols {
            drawn -= weight(self, symbol);
            if drawn < 0.0 {
                return symbol;
            }
        }
        symbols - 1
    }

    /// Keeps the running median of the size at the touch.
    fn observe(&mut self, symbol: usize) {
        for side in [Side::Buy, Side::Sell] {
            let top = self.engine.books[symbol].best_quantity(side);
            let typical = &mut self.climates[symbol].typical_top;
            *typical = (*typical + 10 * (top - *typical).signum()).max(10);
        }
    }

    fn refresh_somebody(&mut self, symbol: usize) {
        let quotes = self.quotes_in(symbol);
        let quote = quotes.start + self.dice.index(quotes.len());
        self.requote(quote);
    }

    /// Posts an order whose owner suits the time it will stay.
    ///
    /// Source: lifetimes of unfilled orders in AAPL on Nasdaq, 2012-06-21, 09:30 to 10:30: 30 %
    /// below 100 ms, 64 % below 1 s.
    fn post_somewhere(&mut self, symbol: usize) {
        let (kind, life) = match self.dice.below(100) {
            0..=29 => (
                Kind::Fast,
                self.dice.octaves(MILLISECOND, 100 * MILLISECOND),
            ),
            30..=63 => (Kind::Fast, self.dice.octaves(100 * MILLISECOND, SECOND)),
            64..=85 => {
                let kind = *self
                    .dice
                    .choose(&[Kind::Fast, Kind::Retail, Kind::Proprietary]);
                (kind, self.dice.octaves(SECOND, 30 * SECOND))
            }
            _ => {
                let kind = *self
                    .dice
                    .choose(&[Kind::Retail, Kind::Retail, Kind::Institution]);
                (kind, self.dice.octaves(30 * SECOND, 1_200 * SECOND))
            }
        };
        let owner = self.any_owner(kind);
        let tally = self.engine.tally(owner, symbol);
        if kind == Kind::Fast && tally.messages() > MESSAGES_PER_TRADE * (tally.trades + 1) {
            self.take_as(owner, symbol);
            return;
        }
        let side = self.any_side();
        let Some(price) = self.passive_price(symbol, side, kind == Kind::Fast) else {
            return;
        };
        let account = self.any_account(owner);
        let quantity = self.posted_quantity(symbol, kind);
        let order = self.submit(Request {
            symbol,
            account,
            side,
            price: Some(price),
            quantity,
            is_immediate: false,
            is_self_match_allowed: false,
        });
        self.after(life, Moment::Expire(order));
    }

    fn posted_quantity(&mut self, symbol: usize, kind: Kind) -> i64 {
        let quote = self.universe.instruments[symbol].quote_quantity;
        let (low, high) = match kind {
            Kind::Fast | Kind::Maker => (quote / 40, quote / 15),
            Kind::Retail | Kind::Proprietary => (1, quote / 20),
            Kind::Institution => (quote / 20, quote / 8),
        };
        10 * self.dice.between(low.max(1), high.max(2))
    }

    /// Draws a price at, near or inside the touch that does not cross it.
    pub(super) fn passive_price(
        &mut self,
        symbol: usize,
        side: Side,
        is_keen: bool,
    ) -> Option<i64> {
        let book = &self.engine.books[symbol];
        let (own, other) = (book.best(side)?, book.best(side.other())?);
        let spread = (own - other).abs();
        let inward = side.sign();
        let roll = self.dice.below(100);
        let improve_below = if is_keen { 12 } else { 5 };
        let offset = if spread >= 3 && roll < improve_below {
            1
        } else if roll < 35 {
            0
        } else {
            -self.geometric(30, 14)
        };
        Some(own + inward * offset)
    }

    /// Draws 1, 2, 3 … with a chance of `stop` percent to stop at each, up to `most`.
    fn geometric(&mut self, stop: u64, most: i64) -> i64 {
        let mut count = 1;
        while count < most && !self.dice.percent(stop) {
            count += 1;
        }
        count
    }

    fn take_somewhere(&mut self, symbol: usize) {
        let kind = *self.dice.choose(&[
            Kind::Retail,
            Kind::Retail,
            Kind::Retail,
            Kind::Institution,
            Kind::Institution,
            Kind::Fast,
            Kind::Fast,
            Kind::Proprietary,
        ]);
        let owner = self.any_owner(kind);
        self.take_as(owner, symbol);
    }

    /// Trades a small quantity at once; takers of one side come in runs.
    fn take_as(&mut self, owner: usize, symbol: usize) {
        if self.dice.percent(25) {
            self.climates[symbol].trend = self.any_side();
        }
        let side = self.climates[symbol].trend;
        let book = &self.engine.books[symbol];
        let Some(best) = book.best(side.other()) else {
            return;
        };
        let available = book.best_quantity(side.other());
        let account = self.any_account(owner);
        let quantity = 10 * self.dice.between(1, 25);
        let is_market = quantity <= available && self.dice.percent(25);
        let reach = if self.dice.percent(10) { 2 } else { 0 };
        self.submit(Request {
            symbol,
            account,
            side,
            price: (!is_market).then_some(best + side.sign() * reach),
            quantity,
            is_immediate: true,
            is_self_match_allowed: false,
        });
    }

    pub(super) fn any_side(&mut self) -> Side {
        if self.dice.percent(50) {
            Side::Buy
        } else {
            Side::Sell
        }
    }
}

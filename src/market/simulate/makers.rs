//! Makers: two-sided quotes around a fair price, refreshed when it moves or when they trade.
//!
//! The fair price is the instrument's value plus the pressure of recent trades plus a tilt to
//! the heavier side of the book: that tilt is what a spoofer plays on.

use std::ops::Range;

use crate::simulate::day::{Day, Moment};
use crate::simulate::engine::{OrderRef, Phase, Request, Side};
use crate::simulate::session::MILLISECOND;

/// What one maker shows in one instrument.
pub(super) struct Quote {
    pub(super) symbol: usize,
    pub(super) owner: usize,
    account: usize,
    /// Orders from the best level outwards; a finished order is replaced.
    bids: Vec<Option<OrderRef>>,
    asks: Vec<Option<OrderRef>>,
    /// Ticks beyond the instrument's usual half spread.
    extra_ticks: i64,
    is_modifying: bool,
    /// Net quantity bought.
    inventory: i64,
    /// Half spread that a script imposes, in ticks.
    pub(super) forced_half_ticks: Option<i64>,
    /// Half spread shown in news, as a multiple of the usual one.
    nervous_factor: i64,
    /// A script has the quote: it is not refreshed.
    pub(super) is_withdrawn: bool,
}

/// Ticks between the levels of a maker's ladder.
const LADDER_STEP: i64 = 2;
const IMBALANCE_TICKS: i64 = 10;

impl Day {
    /// Gives every maker an empty quote in its instruments.
    pub(super) fn enlist_makers(&mut self) {
        for symbol in 0..self.universe.instruments.len() {
            let makers = self.universe.makers[symbol].clone();
            for (place, owner) in makers.iter().copied().enumerate() {
                let levels = if place % 3 == 2 { 3 } else { 1 };
                self.quotes.push(Quote {
                    symbol,
                    owner,
                    account: self.universe.account(owner, symbol),
                    bids: vec![None; levels],
                    asks: vec![None; levels],
                    extra_ticks: place as i64 % 3,
                    is_modifying: place % 2 == 0,
                    inventory: 0,
                    forced_half_ticks: None,
                    nervous_factor: 2,
                    is_withdrawn: false,
                });
            }
        }
    }

    /// Gives the quotes in an instrument, which lie side by side.
    pub(super) fn quotes_in(&self, symbol: usize) -> Range<usize> {
        let each = self.universe.makers[symbol].len();
        symbol * each..(symbol + 1) * each
    }

    /// Gives the weight of buyers over sellers near the touch, from -1 to 1.
    pub(super) fn imbalance(&self, symbol: usize) -> f64 {
        let book = &self.engine.books[symbol];
        let bids = book.depth(Side::Buy, IMBALANCE_TICKS) as f64;
        let asks = book.depth(Side::Sell, IMBALANCE_TICKS) as f64;
        if bids + asks == 0.0 {
            return 0.0;
        }
        (bids - asks) / (bids + asks)
    }

    /// Gives the price makers quote around, in ticks.
    fn fair_price(&mut self, symbol: usize) -> f64 {
        const UNNOTICED: f64 = 0.35;
        let imbalance = self.imbalance(symbol);
        let noticed = (imbalance.abs() - UNNOTICED).max(0.0) / (1.0 - UNNOTICED);
        let reach = 2.0 * self.universe.instruments[symbol].half_spread_ticks as f64;
        let tilt = noticed * reach * if imbalance < 0.0 { -1.0 } else { 1.0 };
        self.value(symbol) + self.pressure(symbol) + tilt
    }

    /// Brings one quote to where its maker wants it.
    pub(super) fn requote(&mut self, quote: usize) {
        let symbol = self.quotes[quote].symbol;
        let phase = self.engine.books[symbol].phase;
        if self.quotes[quote].is_withdrawn || !matches!(phase, Phase::Continuous | Phase::Call) {
            return;
        }
        if phase == Phase::Continuous {
            // Orders that the value has left behind would stand in the way.
            self.snipe(symbol);
        }
        let instrument = &self.universe.instruments[symbol];
        let (usual, size) = (instrument.half_spread_ticks, instrument.quote_quantity);
        let widest = instrument.max_spread_ticks();
        let is_nervous = self.now() < self.climates[symbol].nervous_until;
        let fair = self.fair_price(symbol);
        let shown = &self.quotes[quote];
        let mut half = usual + shown.extra_ticks;
        if is_nervous {
            half *= shown.nervous_factor;
        }
        if let Some(forced) = shown.forced_half_ticks {
            half = forced;
        } else {
            half = half.min(widest / 2 - 1);
        }
        let skew = (-shown.inventory as f64 / size as f64 * 0.5).clamp(-1.5, 1.5);
        let centre = fair + skew;
        let bid = (centre - half as f64).floor() as i64;
        let ask = ((centre + half as f64).ceil() as i64).max(bid + 1);
        let is_rising =
            self.quotes[quote].bids[0].is_some_and(|order| bid > self.engine.order(order).price);
        let sides = if is_rising {
            [(Side::Sell, ask), (Side::Buy, bid)]
        } else {
            [(Side::Buy, bid), (Side::Sell, ask)]
        };
        for (side, price) in sides {
            for level in 0..self.quotes[quote].bids.len() {
                let outward = -side.sign() * LADDER_STEP * level as i64;
                let quantity = size * (level as i64 + 2) / 2;
                self.place(quote, side, level, price + outward, quantity);
            }
        }
    }

    fn place(&mut self, quote: usize, side: Side, level: usize, price: i64, quantity: i64) {
        let shown = &self.quotes[quote];
        let (symbol, account, is_modifying) = (shown.symbol, shown.account, shown.is_modifying);
        let held = match side {
            Side::Buy => shown.bids[level],
            Side::Sell => shown.asks[level],
        };
        let book = &self.engine.books[symbol];
        let price = match book.best(side.other()) {
            Some(best) if book.phase == Phase::Continuous && (price - best) * side.sign() >= 0 => {
                best - side.sign()
            }
            _ => price,
        };
        if let Some(order) = held.filter(|&order| self.engine.is_open(order)) {
            let now = self.engine.order(order);
            if now.price == price && now.leaves * 2 > quantity {
                return;
            }
            if is_modifying {
                self.engine.modify(order, price, quantity);
                return;
            }
            self.engine.cancel(order);
        }
        let order = self.engine.submit(Request {
            symbol,
            account,
            side,
            price: Some(price),
            quantity,
            is_immediate: false,
            is_self_match_allowed: false,
        });
        self.remember_quote(order, quote);
        match side {
            Side::Buy => self.quotes[quote].bids[level] = Some(order),
            Side::Sell => self.quotes[quote].asks[level] = Some(order),
        }
    }

    fn remember_quote(&mut self, order: OrderRef, quote: usize) {
        let order = order as usize;
        if self.quote_of.len() <= order {
            self.quote_of.resize(order + 1, 0);
        }
        self.quote_of[order] = quote as u16 + 1;
    }

    /// Has a maker restore a quote that has just traded.
    pub(super) fn notice_maker_fill(&mut self, order: OrderRef, quantity: i64) {
        let Some(quote) = self
            .quote_of
            .get(order as usize)
            .copied()
            .filter(|&at| at > 0)
        else {
            return;
        };
        let quote = usize::from(quote) - 1;
        let order = self.engine.order(order);
        self.quotes[quote].inventory += order.side.sign() * quantity;
        let delay = self.dice.octaves(2 * MILLISECOND, 20 * MILLISECOND);
        self.after(delay, Moment::Requote(quote));
    }

    /// Cancels everything a maker shows in one instrument.
    pub(super) fn pull_quote(&mut self, quote: usize) {
        let shown = &self.quotes[quote];
        let orders: Vec<OrderRef> = shown
            .bids
            .iter()
            .chain(&shown.asks)
            .flatten()
            .copied()
            .collect();
        for order in orders {
            self.engine.cancel(order);
        }
    }
}

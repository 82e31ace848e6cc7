//! Engine: orders in, trades by price and time out, every step written as a row.
//!
//! It keeps the stream consistent whatever its callers ask for: an execution always refers to a
//! resting quantity, and outside call phases the book is never crossed. Whom to be is decided by
//! the callers; the engine knows accounts only to stop an owner from trading with itself.

use std::collections::{BTreeMap, VecDeque};

use crate::simulate::rows::{Fields, Rows};
use crate::simulate::universe::Universe;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Buy,
    Sell,
}

impl Side {
    pub(super) fn word(self) -> &'static str {
        match self {
            Side::Buy => "buy",
            Side::Sell => "sell",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }

    /// Gives +1 for buy and -1 for sell: the direction in which a side presses the price.
    pub(super) fn sign(self) -> i64 {
        match self {
            Side::Buy => 1,
            Side::Sell => -1,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Orders collect without trading.
    Call,
    Continuous,
    Halted,
    Closed,
}

/// Index of an order of the day.
pub(super) type OrderRef = u32;

#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) symbol: usize,
    pub(super) account: usize,
    pub(super) owner: usize,
    pub(super) side: Side,
    pub(super) price: i64,
    pub(super) leaves: i64,
    pub(super) filled: i64,
    /// Sum of quantity times price of the fills, in ticks.
    pub(super) notional: i64,
    /// Counts queue places, so that a place given up can be told from the one held.
    ticket: u32,
}

/// Stands for the price of a market order; no instrument trades there.
const NO_LIMIT: i64 = 1 << 40;

/// What an account asks for.
#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) symbol: usize,
    pub(super) account: usize,
    pub(super) side: Side,
    /// `None` is a market order.
    pub(super) price: Option<i64>,
    pub(super) quantity: i64,
    /// Withdraw what does not trade at once.
    pub(super) is_immediate: bool,
    /// Trade even with the own side of the book: self-match prevention is off.
    pub(super) is_self_match_allowed: bool,
}

#[derive(Default)]
struct Level {
    quantity: i64,
    queue: VecDeque<(OrderRef, u32)>,
}

pub(super) struct Book {
    pub(super) phase: Phase,
    bids: BTreeMap<i64, Level>,
    asks: BTreeMap<i64, Level>,
    pub(super) last_price: Option<i64>,
}

impl Book {
    fn side(&self, side: Side) -> &BTreeMap<i64, Level> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<i64, Level> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    pub(super) fn best(&self, side: Side) -> Option<i64> {
        match side {
            Side::Buy => self.bids.last_key_value(),
            Side::Sell => self.asks.first_key_value(),
        }
        .map(|(price, _)| *price)
    }

    pub(super) fn best_quantity(&self, side: Side) -> i64 {
        self.best(side)
            .map_or(0, |price| self.side(side)[&price].quantity)
    }

    /// Sums the open quantity within `ticks` of the side's best price.
    pub(super) fn depth(&self, side: Side, ticks: i64) -> i64 {
        let Some(best) = self.best(side) else {
            return 0;
        };
        let range = match side {
            Side::Buy => self.bids.range(best - ticks..),
            Side::Sell => self.asks.range(..=best + ticks),
        };
        range.map(|(_, level)| level.quantity).sum()
    }

    /// Sums the open quantity at `price` and better.
    pub(super) fn depth_to(&self, side: Side, price: i64) -> i64 {
        let range = match side {
            Side::Buy => self.bids.range(price..),
            Side::Sell => self.asks.range(..=price),
        };
        range.map(|(_, level)| level.quantity).sum()
    }

    /// Gives the sum of best bid and best ask, which is twice the mid price.
    pub(super) fn double_mid(&self) -> Option<i64> {
        Some(self.best(Side::Buy)? + self.best(Side::Sell)?)
    }

    pub(super) fn spread(&self) -> Option<i64> {
        Some(self.best(Side::Sell)? - self.best(Side::Buy)?)
    }
}

/// What one owner did in one instrument, as order-to-trade ratios count it.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) orders: u64,
    pub(super) modifications: u64,
    pub(super) cancels: u64,
    pub(super) trades: u64,
}

impl Tally {
    pub(super) fn messages(self) -> u64 {
        self.orders + self.modifications + self.cancels
    }
}

/// One fill, reported to whoever drains [`Engine::fills`].
#[derive(Clone, Copy)]
pub(super) struct Fill {
    pub(super) resting: OrderRef,
    pub(super) quantity: i64,
}

pub(super) struct Engine {
    pub(super) now_ns: u64,
    pub(super) rows: Rows,
    pub(super) books: Vec<Book>,
    orders: Vec<Order>,
    pub(super) fills: Vec<Fill>,
    trades: u64,
    tallies: Vec<Tally>,
    owner_of: Vec<usize>,
    group_of: Vec<usize>,
}

impl Engine {
    pub(super) fn new(universe: &Universe, rows: Rows) -> Self {
        let books = universe
            .instruments
            .iter()
            .map(|_| Book {
                phase: Phase::Call,
                bids: BTreeMap::new(),
                asks: BTreeMap::new(),
                last_price: None,
            })
            .collect();
        let owners = universe.owners.len();
        Engine {
            now_ns: 0,
            rows,
            books,
            orders: Vec::new(),
            fills: Vec::new(),
            trades: 0,
            tallies: vec![Tally::default(); owners * universe.instruments.len()],
            owner_of: universe.accounts.iter().map(|one| one.owner).collect(),
            group_of: (0..owners)
                .map(|owner| match universe.owners[owner].link_group {
                    0 => owner,
                    group => owners + group,
                })
                .collect(),
        }
    }

    pub(super) fn order(&self, order: OrderRef) -> Order {
        self.orders[order as usize]
    }

    pub(super) fn is_open(&self, order: OrderRef) -> bool {
        self.orders[order as usize].leaves > 0
    }

    pub(super) fn tally(&self, owner: usize, symbol: usize) -> Tally {
        self.tallies[owner * self.books.len() + symbol]
    }

    fn tally_mut(&mut self, owner: usize, symbol: usize) -> &mut Tally {
        &mut self.tallies[owner * self.books.len() + symbol]
    }

    fn emit(&mut self, symbol: usize, event: &str, fields: Fields) {
        self.rows.push(self.now_ns, symbol, event, fields);
    }

    /// Enters an order, matches it where the phase allows, and rests or withdraws what is left.
    pub(super) fn submit(&mut self, request: Request) -> OrderRef {
        let Request {
            symbol,
            account,
            side,
            price,
            quantity,
            ..
        } = request;
        debug_assert!(quantity > 0);
        let order = self.orders.len() as OrderRef;
        let limit = price.unwrap_or(side.sign() * NO_LIMIT);
        let owner = self.owner_of[account];
        self.orders.push(Order {
            symbol,
            account,
            owner,
            side,
            price: limit,
            leaves: quantity,
            filled: 0,
            notional: 0,
            ticket: 0,
        });
        self.tally_mut(owner, symbol).orders += 1;
        let terms = (
            if price.is_some() { "limit" } else { "market" },
            if request.is_immediate { "ioc" } else { "day" },
        );
        self.emit(
            symbol,
            "new",
            Fields {
                order: Some(order),
                account,
                side: Some(side),
                price_ticks: price,
                quantity: Some(quantity),
                terms: Some(terms),
                trade: None,
            },
        );
        let is_stopped = self.books[symbol].phase == Phase::Continuous
            && self.match_against_book(order, request.is_self_match_allowed);
        if self.is_open(order) {
            if request.is_immediate || price.is_none() || is_stopped {
                let leaves = self.orders[order as usize].leaves;
                self.withdraw(order, leaves);
            } else {
                self.rest(order);
            }
        }
        order
    }

    /// Trades `order` against the other side; true when self-match prevention stopped it.
    fn match_against_book(&mut self, order: OrderRef, is_self_match_allowed: bool) -> bool {
        let taker = self.orders[order as usize];
        let against = taker.side.other();
        while self.is_open(order) {
            let Some(best) = self.books[taker.symbol].best(against) else {
                break;
            };
            if (best - taker.price) * taker.side.sign() > 0 {
                break;
            }
            let Some(resting) = self.front(taker.symbol, against, best) else {
                break;
            };
            let resting_owner = self.orders[resting as usize].owner;
            if !is_self_match_allowed && self.group_of[resting_owner] == self.group_of[taker.owner]
            {
                return true;
            }
            let quantity = self.orders[order as usize]
                .leaves
                .min(self.orders[resting as usize].leaves);
            self.trade(resting, order, best, quantity, true);
        }
        false
    }

    /// Finds the first order of a level, dropping the places that were given up before it.
    fn front(&mut self, symbol: usize, side: Side, price: i64) -> Option<OrderRef> {
        let level = self.books[symbol].side_mut(side).get_mut(&price)?;
        while let Some(&(order, ticket)) = level.queue.front() {
            let held = &self.orders[order as usize];
            if held.leaves > 0 && held.ticket == ticket {
                return Some(order);
            }
            level.queue.pop_front();
        }
        None
    }

    fn trade(
        &mut self,
        resting: OrderRef,
        incoming: OrderRef,
        price: i64,
        quantity: i64,
        is_incoming_aggressor: bool,
    ) {
        self.trades += 1;
        let symbol = self.orders[resting as usize].symbol;
        for (order, other, is_aggressor) in [
            (resting, incoming, false),
            (incoming, resting, is_incoming_aggressor),
        ] {
            let Order {
                account,
                owner,
                side,
                ..
            } = self.orders[order as usize];
            self.emit(
                symbol,
                "execute",
                Fields {
                    order: Some(order),
                    account,
                    side: Some(side),
                    price_ticks: Some(price),
                    quantity: Some(quantity),
                    terms: None,
                    trade: Some((self.trades, other, is_aggressor)),
                },
            );
            self.tally_mut(owner, symbol).trades += 1;
        }
        self.take_from_level(resting, quantity);
        if !is_incoming_aggressor {
            self.take_from_level(incoming, quantity);
        }
        for order in [resting, incoming] {
            let order = &mut self.orders[order as usize];
            order.leaves -= quantity;
            order.filled += quantity;
            order.notional += quantity * price;
        }
        self.books[symbol].last_price = Some(price);
        self.fills.push(Fill { resting, quantity });
    }

    fn take_from_level(&mut self, order: OrderRef, quantity: i64) {
        let Order {
            symbol,
            side,
            price,
            ..
        } = self.orders[order as usize];
        let levels = self.books[symbol].side_mut(side);
        if let Some(level) = levels.get_mut(&price) {
            level.quantity -= quantity;
            if level.quantity == 0 {
                levels.remove(&price);
            }
        }
    }

    fn rest(&mut self, order: OrderRef) {
        let held = &mut self.orders[order as usize];
        held.ticket += 1;
        let Order {
            symbol,
            side,
            price,
            leaves,
            ticket,
            ..
        } = *held;
        let level = self.books[symbol].side_mut(side).entry(price).or_default();
        level.quantity += leaves;
        level.queue.push_back((order, ticket));
    }

    /// Writes a cancel of `quantity` and takes it off the order; the book is the caller's.
    fn withdraw(&mut self, order: OrderRef, quantity: i64) {
        let held = &mut self.orders[order as usize];
        held.leaves -= quantity;
        let Order {
            symbol,
            account,
            owner,
            side,
            price,
            ..
        } = *held;
        self.tally_mut(owner, symbol).cancels += 1;
        self.emit(
            symbol,
            "cancel",
            Fields {
                order: Some(order),
                account,
                side: Some(side),
                price_ticks: (price.abs() < NO_LIMIT).then_some(price),
                quantity: Some(quantity),
                terms: None,
                trade: None,
            },
        );
    }

    /// Cancels what is left of an order; false when nothing is, or the market is closed.
    pub(super) fn cancel(&mut self, order: OrderRef) -> bool {
        let Order { symbol, leaves, .. } = self.orders[order as usize];
        if leaves == 0 || self.books[symbol].phase == Phase::Closed {
            return false;
        }
        self.take_from_level(order, leaves);
        self.withdraw(order, leaves);
        self.trim(order);
        true
    }

    /// Drops given-up places from the end of a queue, so that fleeting orders leave no trace.
    fn trim(&mut self, order: OrderRef) {
        let Order {
            symbol,
            side,
            price,
            ..
        } = self.orders[order as usize];
        if let Some(level) = self.books[symbol].side_mut(side).get_mut(&price) {
            while let Some(&(last, ticket)) = level.queue.back() {
                let held = &self.orders[last as usize];
                if held.leaves > 0 && held.ticket == ticket {
                    break;
                }
                level.queue.pop_back();
            }
        }
    }

    /// Moves an order to a price and open quantity; false when it is gone or trading is halted.
    ///
    /// It keeps its place in the queue only when its size falls at the same price. A price that
    /// crosses the book is moved to the last one that does not.
    pub(super) fn modify(&mut self, order: OrderRef, price: i64, quantity: i64) -> bool {
        let before = self.orders[order as usize];
        let phase = self.books[before.symbol].phase;
        if before.leaves == 0 || matches!(phase, Phase::Halted | Phase::Closed) {
            return false;
        }
        let price = match self.books[before.symbol].best(before.side.other()) {
            Some(best)
                if phase == Phase::Continuous && (price - best) * before.side.sign() >= 0 =>
            {
                best - before.side.sign()
            }
            _ => price,
        };
        if price == before.price && quantity == before.leaves {
            return false;
        }
        self.take_from_level(order, before.leaves);
        let is_priority_kept = price == before.price && quantity < before.leaves;
        let held = &mut self.orders[order as usize];
        held.price = price;
        held.leaves = quantity;
        if is_priority_kept
            && self.books[before.symbol]
                .side(before.side)
                .contains_key(&price)
        {
            if let Some(level) = self.books[before.symbol]
                .side_mut(before.side)
                .get_mut(&price)
            {
                level.quantity += quantity;
            }
        } else {
            self.rest(order);
        }
        self.tally_mut(before.owner, before.symbol).modifications += 1;
        self.emit(
            before.symbol,
            "modify",
            Fields {
                order: Some(order),
                account: before.account,
                side: Some(before.side),
                price_ticks: Some(price),
                quantity: Some(quantity),
                terms: Some(("limit", "day")),
                trade: None,
            },
        );
        true
    }

    pub(super) fn halt(&mut self, symbol: usize) {
        self.books[symbol].phase = Phase::Halted;
        self.emit(symbol, "halt", Fields::default());
    }

    pub(super) fn resume(&mut self, symbol: usize) {
        self.books[symbol].phase = Phase::Continuous;
        self.emit(symbol, "resume", Fields::default());
    }

    /// Trades a call phase out at the price of the largest volume, and enters `next`.
    ///
    /// Where nothing can trade, nothing is written.
    pub(super) fn uncross(&mut self, symbol: usize, next: Phase) {
        let (price, volume) = self.equilibrium(symbol);
        if volume > 0 {
            self.emit(
                symbol,
                "auction",
                Fields {
                    price_ticks: Some(price),
                    quantity: Some(volume),
                    ..Fields::default()
                },
            );
        }
        let mut left = volume;
        while left > 0 {
            let book = &self.books[symbol];
            let (Some(bid), Some(ask)) = (book.best(Side::Buy), book.best(Side::Sell)) else {
                break;
            };
            let (Some(buy), Some(sell)) = (
                self.front(symbol, Side::Buy, bid),
                self.front(symbol, Side::Sell, ask),
            ) else {
                break;
            };
            let quantity = left
                .min(self.orders[buy as usize].leaves)
                .min(self.orders[sell as usize].leaves);
            self.trade(buy, sell, price, quantity, false);
            left -= quantity;
        }
        self.books[symbol].phase = next;
    }

    /// Finds the price at which most trades, and how much; the lowest of equals.
    fn equilibrium(&self, symbol: usize) -> (i64, i64) {
        let book = &self.books[symbol];
        let (Some(low), Some(high)) = (book.best(Side::Sell), book.best(Side::Buy)) else {
            return (0, 0);
        };
        let mut found = (0, 0);
        for price in low..=high {
            let volume = book
                .depth_to(Side::Buy, price)
                .min(book.depth_to(Side::Sell, price));
            if volume > found.1 {
                found = (price, volume);
            }
        }
        found
    }
}

//! The limit order book of one instrument: events in, the state each of them met out.
//!
//! An order that arrives marketable in continuous trading is held beside the book until its
//! executions are through: until its own rows leave nothing that crosses, or until an event
//! comes that is no execution. Only then does the rest of it stand in the book; if it still
//! crosses, the feed contradicts itself and what follows is flagged.
//!
//! An event that contradicts the book changes nothing but what it surely says, and carries
//! [`Flags`]. Phases, instruments and trades are the caller's.

pub mod flags;
pub mod levels;
pub mod orders;

use crate::book::flags::Flags;
use crate::book::levels::{Level, Levels};
use crate::book::orders::{Order, OrderId, Orders};
use crate::event::{EventType, OrderEvent, Side};
use crate::nanos::Nanos;
use crate::price::Price;

/// Best bid and best ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bbo {
    pub bid: Option<Level>,
    pub ask: Option<Level>,
}

impl Bbo {
    /// True when the bid stands at or above the ask.
    pub fn is_crossed(&self) -> bool {
        match (self.bid, self.ask) {
            (Some(bid), Some(ask)) => bid.price >= ask.price,
            _ => false,
        }
    }
}

/// The state just before an event, and what the event did to its order.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    pub before: Bbo,
    /// The level of the row's price (new, modify) or the resting price (cancel, execute) on its
    /// own side, from 1; 0 would improve the best; `None` without side or price.
    pub order_level: Option<i32>,
    /// Distance from the own side's best in units of price, negative when it improves it.
    pub distance: Option<i64>,
    pub depth_bid: [i64; 3],
    pub depth_ask: [i64; 3],
    /// The order's open quantity after the event; `None` when the event touched no order.
    pub leaves: Option<i64>,
    /// When the touched order entered.
    pub entered: Option<Nanos>,
    pub is_priority_lost: Option<bool>,
    /// The order as it stood before the event; `None` when unknown or new.
    pub order: Option<Order>,
    pub flags: Flags,
}

/// What the book needs to know about the moment of an event.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// True in continuous trading, where a book that crosses contradicts itself.
    pub is_continuous: bool,
    /// Stands in the interner of the load; 0 is nobody.
    pub account: u32,
}

/// The book of one instrument on one trading day.
#[derive(Debug)]
pub struct Book {
    bids: Levels,
    asks: Levels,
    pub orders: Orders,
    /// A marketable order whose executions are awaited.
    arriving: Option<OrderId>,
}

impl Default for Book {
    fn default() -> Self {
        Book {
            bids: Levels::new(Side::Buy),
            asks: Levels::new(Side::Sell),
            orders: Orders::default(),
            arriving: None,
        }
    }
}

impl Book {
    /// Forgets everything, for a new trading day.
    pub fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
        self.orders.clear();
        self.arriving = None;
    }

    pub fn bbo(&self) -> Bbo {
        Bbo {
            bid: self.bids.best(),
            ask: self.asks.best(),
        }
    }

    pub fn levels(&self, side: Side) -> &Levels {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn levels_mut(&mut self, side: Side) -> &mut Levels {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// Puts an order back that an earlier load left open. `is_arriving` holds it beside the
    /// book when it crosses, as it was held when that load ended.
    pub fn restore(&mut self, id: &str, mut order: Order, is_arriving: bool) {
        order.is_displayed = order.can_rest && !(is_arriving && self.crosses(&order));
        if order.is_displayed
            && let Some(price) = order.price
        {
            self.levels_mut(order.side).add(price, order.leaves);
        } else if is_arriving && order.can_rest {
            self.arriving = Some(OrderId::new(id));
        }
        self.orders.insert(id, order);
    }

    /// Stamps an event with the state before it, then applies it.
    pub fn apply(&mut self, event: &OrderEvent<'_>, moment: Moment) -> Stamp {
        let is_execution = matches!(event.event_type, EventType::Execute | EventType::Trade);
        if !is_execution && let Some(arriving) = self.arriving.take() {
            if arriving.is(event.order_id) {
                self.arriving = Some(arriving);
            } else {
                self.rest(&arriving);
            }
        }
        let mut stamp = self.observe(event, moment);
        match event.event_type {
            EventType::New => self.enter(event, moment, &mut stamp),
            EventType::Modify => self.modify(event, moment, &mut stamp),
            EventType::Cancel => {
                let quantity = event.quantity;
                self.take(event, quantity, Flags::OVERCANCEL, &mut stamp);
            }
            EventType::Execute => {
                if let (Some(order), Some(price)) = (stamp.order, event.price)
                    && let Some(limit) = order.price
                {
                    let is_worse = match order.side {
                        Side::Buy => price > limit,
                        Side::Sell => price < limit,
                    };
                    stamp.flags.set_if(is_worse, Flags::PRICE_OUTSIDE_LIMIT);
                }
                self.take(event, event.quantity, Flags::OVERFILL, &mut stamp);
                self.settle(event.order_id);
            }
            EventType::Trade | EventType::Halt | EventType::Resume | EventType::Auction => {}
        }
        stamp
    }

    /// Reads the state that the event met.
    fn observe(&self, event: &OrderEvent<'_>, moment: Moment) -> Stamp {
        let before = self.bbo();
        let mut flags = Flags::default();
        flags.set_if(moment.is_continuous && before.is_crossed(), Flags::CROSSED);
        let touches_order = matches!(
            event.event_type,
            EventType::Modify | EventType::Cancel | EventType::Execute
        );
        let order = if touches_order {
            let order = self.orders.get(event.order_id).copied();
            if order.is_none() {
                let is_closed = self.orders.is_closed(event.order_id);
                flags.set(if is_closed {
                    Flags::CLOSED_ORDER
                } else {
                    Flags::UNKNOWN_ORDER
                });
            }
            order
        } else {
            None
        };
        let side = order.map(|order| order.side).or(event.side);
        if let (Some(order), Some(side)) = (order, event.side) {
            flags.set_if(order.side != side, Flags::SIDE_MISMATCH);
        }
        let resting = order.and_then(|order| order.price);
        let price = match event.event_type {
            EventType::New | EventType::Modify => event.price.or(resting),
            EventType::Cancel | EventType::Execute => resting.or(event.price),
            _ => None,
        };
        let (mut order_level, mut distance) = (None, None);
        if let (Some(side), Some(price)) = (side, price) {
            let levels = self.levels(side);
            order_level = Some(levels.level(price));
            distance = levels
                .best()
                .map(|best| levels.rank(best.price) - levels.rank(price));
        }
        Stamp {
            before,
            order_level,
            distance,
            depth_bid: self.bids.depth(),
            depth_ask: self.asks.depth(),
            leaves: None,
            entered: order.map(|order| order.entered),
            is_priority_lost: None,
            order,
            flags,
        }
    }

    fn enter(&mut self, event: &OrderEvent<'_>, moment: Moment, stamp: &mut Stamp) {
        let is_live = self.orders.get(event.order_id).is_some();
        let is_reused = is_live || self.orders.is_closed(event.order_id);
        stamp.flags.set_if(is_reused, Flags::DUPLICATE_ORDER_ID);
        let (Some(side), Some(quantity)) = (event.side, event.quantity) else {
            return;
        };
        if is_live {
            return;
        }
        stamp.leaves = Some(quantity);
        let order = Order {
            side,
            price: event.price,
            leaves: quantity,
            entered: event.at,
            account: moment.account,
            can_rest: can_rest(event.price, event.order_type, event.time_in_force),
            is_displayed: false,
        };
        self.orders.insert(event.order_id, order);
        self.display(event.order_id, order, moment);
    }

    fn modify(&mut self, event: &OrderEvent<'_>, moment: Moment, stamp: &mut Stamp) {
        let Some(before) = stamp.order else { return };
        let price = event.price.or(before.price);
        let leaves = event.quantity.unwrap_or(before.leaves);
        stamp.is_priority_lost = Some(price != before.price || leaves > before.leaves);
        stamp.leaves = Some(leaves);
        self.hide(&before);
        self.forget_arriving(event.order_id);
        if leaves == 0 {
            self.orders.close(event.order_id);
            return;
        }
        let after = Order {
            price,
            leaves,
            is_displayed: false,
            ..before
        };
        if let Some(order) = self.orders.get_mut(event.order_id) {
            *order = after;
        }
        self.display(event.order_id, after, moment);
    }

    /// Takes quantity from the event's order; `None` takes all of it.
    fn take(
        &mut self,
        event: &OrderEvent<'_>,
        quantity: Option<i64>,
        beyond: Flags,
        stamp: &mut Stamp,
    ) {
        let Some(order) = stamp.order else { return };
        let wanted = quantity.unwrap_or(order.leaves);
        stamp.flags.set_if(wanted > order.leaves, beyond);
        let taken = wanted.min(order.leaves);
        let leaves = order.leaves - taken;
        stamp.leaves = Some(leaves);
        if leaves == 0 {
            self.hide(&order);
            self.orders.close(event.order_id);
            self.forget_arriving(event.order_id);
            return;
        }
        if order.is_displayed
            && let Some(price) = order.price
        {
            self.levels_mut(order.side).reduce(price, taken);
        }
        if let Some(live) = self.orders.get_mut(event.order_id) {
            live.leaves = leaves;
        }
    }

    fn crosses(&self, order: &Order) -> bool {
        let Some(price) = order.price else {
            return false;
        };
        let opposite = self.levels(order.side.opposite());
        opposite.best().is_some_and(|best| match order.side {
            Side::Buy => price >= best.price,
            Side::Sell => price <= best.price,
        })
    }

    /// Adds an order to its level, or holds it beside the book while it is marketable.
    fn display(&mut self, id: &str, order: Order, moment: Moment) {
        if !order.can_rest {
            return;
        }
        if moment.is_continuous && self.crosses(&order) {
            self.arriving = Some(OrderId::new(id));
            return;
        }
        if let Some(price) = order.price {
            self.levels_mut(order.side).add(price, order.leaves);
        }
        if let Some(live) = self.orders.get_mut(id) {
            live.is_displayed = true;
        }
    }

    fn hide(&mut self, order: &Order) {
        if order.is_displayed
            && let Some(price) = order.price
        {
            self.levels_mut(order.side).remove(price, order.leaves);
        }
    }

    fn forget_arriving(&mut self, id: &str) {
        if self.arriving.as_ref().is_some_and(|held| held.is(id)) {
            self.arriving = None;
        }
    }

    /// Lets the arriving order rest once its own execution leaves nothing that crosses.
    fn settle(&mut self, id: &str) {
        let is_through = self.arriving.as_ref().is_some_and(|held| held.is(id))
            && self
                .orders
                .get(id)
                .is_some_and(|order| !self.crosses(order));
        if is_through && let Some(held) = self.arriving.take() {
            self.rest(&held);
        }
    }

    fn rest(&mut self, id: &OrderId) {
        let Some(order) = self.orders.by_id_mut(id) else {
            return;
        };
        order.is_displayed = true;
        let order = *order;
        if let Some(price) = order.price {
            self.levels_mut(order.side).add(price, order.leaves);
        }
    }
}

/// True for an order whose rest stands in the book: a priced one that is neither immediate nor
/// a stop that waits for its trigger.
pub fn can_rest(price: Option<Price>, order_type: &str, time_in_force: &str) -> bool {
    price.is_some()
        && !matches!(order_type, "market" | "stop" | "stop_limit")
        && !matches!(time_in_force, "ioc" | "fok")
}

#[cfg(test)]
mod tests;

//! Auctions: the orders that collect before the open and after the close.

use crate::simulate::day::{Day, Moment, Script, Step};
use crate::simulate::engine::{Request, Side};
use crate::simulate::session::{CALL_BEGINS, CLOSE, MILLISECOND, OPEN, SECOND};
use crate::simulate::universe::Kind;

/// Enters one order after another into a call phase.
struct CallOrders {
    orders_left: u64,
    ends_ns: u64,
}

impl Day {
    /// Plans both auctions with so many orders each over all instruments.
    pub(super) fn plan_auctions(&mut self, orders: u64) {
        for (begins_ns, ends_ns) in [(CALL_BEGINS, OPEN), (CLOSE + SECOND, CLOSE + 280 * SECOND)] {
            let script = CallOrders {
                orders_left: orders,
                ends_ns,
            };
            self.start_script(begins_ns, Box::new(script));
        }
        for quote in 0..self.quotes.len() {
            let before_open = self.dice.octaves(500 * MILLISECOND, 8 * SECOND);
            self.at(OPEN - before_open, Moment::Requote(quote));
        }
    }
}

impl Script for CallOrders {
    fn step(&mut self, day: &mut Day) -> Step {
        if self.orders_left == 0 || day.now() >= self.ends_ns {
            return Step::Done;
        }
        self.orders_left -= 1;
        let symbol = day.dice.index(day.universe.instruments.len());
        // Buyers and sellers come from different halves, so that no owner meets itself.
        let side = day.any_side();
        let kind = *day.dice.choose(&[Kind::Retail, Kind::Institution]);
        let owner = day.any_owner(kind) / 2 * 2 + usize::from(side == Side::Sell);
        if matches!(
            day.universe.owners[owner].kind,
            Kind::Retail | Kind::Institution
        ) {
            let account = day.any_account(owner);
            let value = day.value(symbol);
            let half = day.universe.instruments[symbol].half_spread_ticks;
            let eagerness = day.dice.between(-6 * half, 3 * half);
            let quantity = 10 * day.dice.between(2, 40);
            day.engine.submit(Request {
                symbol,
                account,
                side,
                price: Some(value as i64 + side.sign() * eagerness),
                quantity,
                is_immediate: false,
                is_self_match_allowed: false,
            });
        }
        let left = self.ends_ns.saturating_sub(day.now()) as f64;
        let mean = left / (self.orders_left + 1) as f64;
        Step::After((mean * day.dice.exponential()) as u64 + 1)
    }
}

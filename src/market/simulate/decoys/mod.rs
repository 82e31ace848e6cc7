//! Decoys: innocent behaviour that looks like abuse in one respect and differs in another.
//!
//! A decoy is a sequence of timed actions. What was placed is recorded under the rule that must
//! not fire, with the kind of innocence.

mod bursts;
mod deceptive;
mod momentum;
mod ratio;
mod spreads;
mod wash;

use std::collections::VecDeque;

use crate::simulate::day::{Day, Record, Script, Step};
use crate::simulate::engine::{OrderRef, Side};
use crate::simulate::plan::Plan;
use crate::simulate::session::SECOND;
use crate::simulate::universe::Kind;

/// Who and what the actions of one decoy share.
pub(super) struct Scene {
    pub(super) symbol: usize,
    pub(super) owner: usize,
    pub(super) side: Side,
    pub(super) orders: Vec<OrderRef>,
    /// The market did not play along: nothing is recorded.
    is_spoilt: bool,
}

type Action = Box<dyn FnOnce(&mut Day, &mut Scene)>;

/// Actions, each with the nanoseconds to wait before it.
pub(super) struct Sequence {
    rule: &'static str,
    kind: &'static str,
    scene: Scene,
    actions: VecDeque<(u64, Action)>,
    started_ns: Option<u64>,
    delays_left: u32,
}

impl Sequence {
    fn new(rule: &'static str, kind: &'static str, symbol: usize, owner: usize) -> Self {
        Sequence {
            rule,
            kind,
            scene: Scene {
                symbol,
                owner,
                side: Side::Buy,
                orders: Vec::new(),
                is_spoilt: false,
            },
            actions: VecDeque::new(),
            started_ns: None,
            delays_left: 5,
        }
    }

    fn then(mut self, wait_ns: u64, action: impl FnOnce(&mut Day, &mut Scene) + 'static) -> Self {
        self.actions.push_back((wait_ns, Box::new(action)));
        self
    }

    fn on_side(mut self, side: Side) -> Self {
        self.scene.side = side;
        self
    }
}

impl Script for Sequence {
    fn step(&mut self, day: &mut Day) -> Step {
        if self.started_ns.is_none() {
            let needs_calm = self.kind != "news_chase";
            if needs_calm && !day.is_calm(self.scene.symbol) {
                self.delays_left -= 1;
                return if self.delays_left == 0 {
                    Step::Done
                } else {
                    Step::After(120 * SECOND)
                };
            }
            self.started_ns = Some(day.now());
        } else if let Some((_, action)) = self.actions.pop_front() {
            action(day, &mut self.scene);
        }
        if self.scene.is_spoilt {
            for &order in &self.scene.orders {
                day.engine.cancel(order);
            }
            return Step::Done;
        }
        match self.actions.front() {
            Some(&(wait_ns, _)) => Step::After(wait_ns.max(1)),
            None => {
                day.decoys.push(Record {
                    rule: self.rule,
                    symbol: self.scene.symbol,
                    owner: self.scene.owner,
                    started_ns: self.started_ns.unwrap_or(day.now()),
                    ended_ns: day.now(),
                    difficulty: "",
                    kind: self.kind,
                });
                Step::Done
            }
        }
    }
}

impl Scene {
    /// Rests an order so many ticks behind the best price of a side; negative is inside.
    fn rest(&mut self, day: &mut Day, side: Side, behind: i64, quantity: i64) {
        let account = day.universe.account(self.owner, 0);
        let Some(best) = day.engine.books[self.symbol].best(side) else {
            self.is_spoilt = true;
            return;
        };
        let price = best - side.sign() * behind;
        let order = day.rest_order(self.symbol, account, side, price, quantity);
        self.orders.push(order);
    }

    /// Takes a quantity at the touch; spoilt when nothing is there.
    fn take(&mut self, day: &mut Day, side: Side, quantity: i64) {
        let account = day.universe.account(self.owner, 0);
        self.is_spoilt |= !take_as(day, self.symbol, account, side, quantity);
    }

    /// Has somebody of the crowd trade against the best order of the other side.
    fn be_hit(&mut self, day: &mut Day, side: Side, quantity: i64) {
        let owner = day.any_owner(Kind::Retail);
        let account = day.any_account(owner);
        self.is_spoilt |= !take_as(day, self.symbol, account, side, quantity);
    }

    fn cancel_all(&mut self, day: &mut Day) {
        for order in self.orders.drain(..) {
            day.cancel(order);
        }
    }

    fn is_filled(&self, day: &Day, place: usize) -> bool {
        self.orders
            .get(place)
            .is_some_and(|&order| day.engine.order(order).filled > 0)
    }
}

fn take_as(day: &mut Day, symbol: usize, account: usize, side: Side, quantity: i64) -> bool {
    let Some(best) = day.engine.books[symbol].best(side.other()) else {
        return false;
    };
    let order = day.sweep(symbol, account, side, best, quantity);
    day.engine.order(order).filled > 0
}

impl Plan {
    /// Plans so many decoys of every kind.
    pub(super) fn fill_decoys(&mut self, day: &mut Day, each: usize) {
        for _ in 0..each {
            self.plan_deceptive_decoys(day);
            self.plan_burst_decoys(day);
            self.plan_momentum_decoys(day);
            self.plan_spread_decoys(day);
            self.plan_wash_decoys(day);
            self.plan_ratio_decoys(day);
        }
    }

    fn stage(&mut self, day: &mut Day, start: u64, rows: u64, sequence: Sequence) {
        self.add(day, start, rows, sequence);
    }
}

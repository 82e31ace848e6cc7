//! Decoys for quote stuffing: many messages at once that do not flood anybody on purpose.

use crate::simulate::day::Day;
use crate::simulate::decoys::Sequence;
use crate::simulate::plan::Plan;
use crate::simulate::session::{MILLISECOND, SECOND};
use crate::simulate::universe::Kind;

impl Plan {
    pub(super) fn plan_burst_decoys(&mut self, day: &mut Day) {
        self.plan_disconnect(day);
        self.plan_flicker(day);
        self.plan_slicing_burst(day);
        if !self.is_thrifty() {
            self.plan_crowd_burst(day);
        }
    }

    /// An owner's line breaks, and the venue withdraws all its orders within milliseconds.
    fn plan_disconnect(&mut self, day: &mut Day) {
        let orders = if self.is_thrifty() { 50 } else { 280 };
        let spacing = 900 * SECOND / orders;
        let (symbol, start) = self.quiet_moment(day);
        let owner = self.staged_owner();
        let mut sequence = Sequence::new("quote_stuffing", "disconnect_mass_cancel", symbol, owner);
        for _ in 0..orders {
            sequence = sequence.then(spacing, |day, scene| {
                let side = day.any_side();
                let behind = day.dice.between(6, 16);
                let quantity = 10 * day.dice.between(1, 8);
                scene.rest(day, side, behind, quantity);
            });
        }
        for _ in 0..orders {
            sequence = sequence.then(60_000, |day, scene| {
                if let Some(order) = scene.orders.pop() {
                    day.cancel(order);
                }
            });
        }
        self.stage(day, start, 2 * orders, sequence);
    }

    /// An algorithm that refreshes quickly, but at a rate that venues are built for.
    fn plan_flicker(&mut self, day: &mut Day) {
        let pairs = if self.is_thrifty() { 50 } else { 130 };
        let (symbol, start) = self.slot(day, 30 * SECOND);
        let owner = self.staged_owner();
        let mut sequence = Sequence::new("quote_stuffing", "modest_flicker", symbol, owner);
        for _ in 0..pairs {
            sequence = sequence
                .then(7 * MILLISECOND, |day, scene| {
                    let side = day.any_side();
                    let behind = day.dice.between(1, 5);
                    scene.rest(day, side, behind, 20);
                })
                .then(7 * MILLISECOND, |day, scene| scene.cancel_all(day));
        }
        self.stage(day, start, 2 * pairs, sequence);
    }

    /// A large parent order is sent in small pieces, and the pieces do trade.
    fn plan_slicing_burst(&mut self, day: &mut Day) {
        let pieces = if self.is_thrifty() { 20 } else { 110 };
        let (symbol, start) = self.slot(day, 30 * SECOND);
        let owner = day.any_owner(Kind::Institution);
        let side = day.any_side();
        let mut sequence =
            Sequence::new("quote_stuffing", "burst_with_fills", symbol, owner).on_side(side);
        for _ in 0..pieces {
            sequence = sequence.then(8 * MILLISECOND, |day, scene| {
                let quantity = 10 * day.dice.between(1, 3);
                scene.take(day, scene.side, quantity);
            });
        }
        self.stage(day, start, 3 * pieces, sequence);
    }

    /// The crowd wakes up at once; nobody in it sends much.
    fn plan_crowd_burst(&mut self, day: &mut Day) {
        let orders = day.dice.between(180, 300) as u64;
        let (symbol, start) = self.slot(day, 30 * SECOND);
        let owner = day.any_owner(Kind::Fast);
        let mut sequence = Sequence::new("quote_stuffing", "crowd_burst", symbol, owner);
        for _ in 0..orders {
            sequence = sequence.then(3_500_000, |day, scene| {
                let kind = *day.dice.choose(&[Kind::Fast, Kind::Retail]);
                scene.owner = day.any_owner(kind);
                let side = day.any_side();
                let behind = day.dice.between(0, 6);
                scene.rest(day, side, behind, 20);
                if scene.orders.len() > 12 {
                    day.cancel(scene.orders.remove(0));
                }
            });
        }
        let sequence = sequence.then(SECOND, |day, scene| scene.cancel_all(day));
        self.stage(day, start, 2 * orders, sequence);
    }
}

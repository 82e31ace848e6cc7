//! Decoys for wash trades: owners that meet by accident, or that are not one.

use crate::simulate::day::Day;
use crate::simulate::decoys::{Scene, Sequence};
use crate::simulate::engine::Request;
use crate::simulate::plan::Plan;
use crate::simulate::session::{MILLISECOND, SECOND};
use crate::simulate::universe::Kind;

impl Plan {
    pub(super) fn plan_wash_decoys(&mut self, day: &mut Day) {
        self.plan_linked_accident(day);
        let (seller, buyer) = unrelated(day, false);
        self.plan_cross(day, "unrelated_equal_trade", seller, buyer);
        let (seller, buyer) = unrelated(day, true);
        self.plan_cross(day, "same_broker_cross", seller, buyer);
        if self.take_self_match() {
            self.plan_self_match(day);
        }
    }

    /// Two desks of one large owner meet once, with orders entered minutes apart.
    fn plan_self_match(&mut self, day: &mut Day) {
        let owner = day.any_owner(Kind::Institution);
        self.plan_old_order_meets(day, "natural_self_match", owner, owner);
    }

    /// Linked owners meet once, with orders of different size entered minutes apart.
    fn plan_linked_accident(&mut self, day: &mut Day) {
        let mut owner = self.staged_owner();
        while day.universe.linked(owner).len() < 2 {
            owner = self.staged_owner();
        }
        let linked = day.universe.linked(owner);
        let other = linked.iter().copied().find(|&other| other != owner);
        self.plan_old_order_meets(
            day,
            "linked_owners_incidental",
            owner,
            other.unwrap_or(owner),
        );
    }

    fn plan_old_order_meets(
        &mut self,
        day: &mut Day,
        kind: &'static str,
        owner: usize,
        other: usize,
    ) {
        let (symbol, start) = self.slot(day, 200 * SECOND);
        let side = day.any_side();
        let age = day.dice.range(50.0, 150.0) * SECOND as f64;
        let quantity = 10 * day.dice.between(10, 20);
        let sequence = Sequence::new("wash_trade", kind, symbol, owner)
            .on_side(side)
            .then(MILLISECOND, move |day, scene| {
                scene.rest(day, scene.side, 3, 3 * quantity);
            })
            .then(age as u64, move |day, scene| {
                meet(day, scene, other, quantity);
            })
            .then(20 * SECOND, |day, scene| scene.cancel_all(day));
        self.stage(day, start, 24, sequence);
    }

    /// Two owners with nothing in common trade the same quantity in the same second.
    fn plan_cross(&mut self, day: &mut Day, kind: &'static str, seller: usize, buyer: usize) {
        let (symbol, start) = self.slot(day, 60 * SECOND);
        let side = day.any_side();
        let quantity = 10 * day.dice.between(10, 40);
        let sequence = Sequence::new("wash_trade", kind, symbol, seller)
            .on_side(side)
            .then(MILLISECOND, move |day, scene| {
                scene.rest(day, scene.side, -1, quantity);
            })
            .then(300 * MILLISECOND, move |day, scene| {
                meet(day, scene, buyer, quantity);
            })
            .then(SECOND, |day, scene| scene.cancel_all(day));
        self.stage(day, start, 5, sequence);
    }
}

/// Has `other` trade everything that stands before the scene's first order, and a bit of it.
fn meet(day: &mut Day, scene: &mut Scene, other: usize, quantity: i64) {
    let Some(&resting) = scene.orders.first() else {
        scene.is_spoilt = true;
        return;
    };
    let held = day.engine.order(resting);
    let before = day.engine.books[scene.symbol].depth_to(held.side, held.price) - held.leaves;
    let account = day.universe.account(other, 1);
    day.engine.submit(Request {
        symbol: scene.symbol,
        account,
        side: held.side.other(),
        price: Some(held.price),
        quantity: before.max(0) + quantity,
        is_immediate: true,
        is_self_match_allowed: true,
    });
    scene.is_spoilt |= day.engine.order(resting).filled == 0;
}

/// Draws two owners without a link, of one broker or of two.
fn unrelated(day: &mut Day, is_same_broker: bool) -> (usize, usize) {
    let broker = |day: &Day, owner: usize| {
        let account = day.universe.owners[owner].first_account;
        day.universe.accounts[account].participant.clone()
    };
    for _ in 0..500 {
        let (one, other) = (day.any_owner(Kind::Retail), day.any_owner(Kind::Retail));
        if one != other && (broker(day, one) == broker(day, other)) == is_same_broker {
            return (one, other);
        }
    }
    (
        day.pools[Kind::Retail as usize][0],
        day.pools[Kind::Retail as usize][1],
    )
}

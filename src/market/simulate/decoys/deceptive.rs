//! Decoys for spoofing and layering: large orders that are withdrawn for another reason.

use crate::simulate::day::Day;
use crate::simulate::decoys::Sequence;
use crate::simulate::episodes::lots;
use crate::simulate::plan::Plan;
use crate::simulate::session::{MILLISECOND, SECOND};
use crate::simulate::universe::Kind;

impl Plan {
    pub(super) fn plan_deceptive_decoys(&mut self, day: &mut Day) {
        self.plan_maker_refresh(day, "spoofing", "mm_two_sided_refresh", 1);
        self.plan_maker_refresh(day, "layering", "mm_ladder_refresh", 4);
        self.plan_large_cancel(day);
        self.plan_slow_cancel(day, "spoofing", "slow_cancel", 1);
        self.plan_slow_cancel(day, "layering", "patient_ladder", 4);
        self.plan_filled_large_order(day);
        self.plan_same_side_cancel(day);
        self.plan_scale_in(day);
        self.plan_risk_off(day);
    }

    /// Gives a multiple of what usually stands at the touch, at the time it is planned.
    fn large(&self, day: &mut Day, symbol: usize, low: f64, high: f64) -> i64 {
        let top = day.climates[symbol].typical_top as f64;
        lots(top * day.dice.range(low, high))
    }

    /// A maker shows size on both sides, trades on one, and moves both.
    fn plan_maker_refresh(
        &mut self,
        day: &mut Day,
        rule: &'static str,
        kind: &'static str,
        levels: i64,
    ) {
        let (symbol, start) = self.slot(day, 60 * SECOND);
        let quotes = day.quotes_in(symbol);
        let quote = quotes.start + day.dice.index(quotes.len());
        let owner = day.quotes[quote].owner;
        let side = day.any_side();
        let each = self.large(day, symbol, 6.0, 9.0) / levels;
        let hit = 10 * day.dice.between(2, 8);
        let pause = day.dice.octaves(100 * MILLISECOND, 2 * SECOND);
        let mut sequence = Sequence::new(rule, kind, symbol, owner).on_side(side);
        for level in 0..levels {
            sequence = sequence.then(3 * MILLISECOND, move |day, scene| {
                let inside = if level == 0 { -1 } else { level };
                scene.rest(day, scene.side, inside, each);
                scene.rest(day, scene.side.other(), inside, each);
            });
        }
        let sequence = sequence
            .then(pause, move |day, scene| {
                scene.be_hit(day, scene.side.other(), hit);
                scene.is_spoilt |= !scene.is_filled(day, 0);
            })
            .then(pause, |day, scene| scene.cancel_all(day))
            .then(MILLISECOND, move |day, scene| {
                scene.rest(day, scene.side, 1, each);
                scene.rest(day, scene.side.other(), 1, each);
            })
            .then(20 * SECOND, |day, scene| scene.cancel_all(day));
        self.stage(day, start, 8 + 4 * levels as u64, sequence);
    }

    /// An institution shows its hand, thinks better of it, and trades nothing.
    fn plan_large_cancel(&mut self, day: &mut Day) {
        let (symbol, start) = self.slot(day, 60 * SECOND);
        let owner = day.any_owner(Kind::Institution);
        let side = day.any_side();
        let quantity = self.large(day, symbol, 7.0, 12.0);
        let life = day.dice.octaves(SECOND, 25 * SECOND);
        let sequence = Sequence::new("spoofing", "large_genuine_cancel", symbol, owner)
            .on_side(side)
            .then(MILLISECOND, move |day, scene| {
                scene.rest(day, scene.side, 2, quantity);
            })
            .then(life, |day, scene| scene.cancel_all(day));
        self.stage(day, start, 2, sequence);
    }

    /// Large interest on one side, a small trade on the other, and a cancel long afterwards.
    fn plan_slow_cancel(
        &mut self,
        day: &mut Day,
        rule: &'static str,
        kind: &'static str,
        levels: i64,
    ) {
        let (symbol, start) = self.slot(day, 420 * SECOND);
        let owner = day.any_owner(Kind::Institution);
        let side = day.any_side();
        let each = self.large(day, symbol, 6.0, 10.0) / levels;
        let stay = day.dice.range(45.0, 300.0) * SECOND as f64;
        let mut sequence = Sequence::new(rule, kind, symbol, owner).on_side(side);
        for level in 0..levels {
            sequence = sequence.then(100 * MILLISECOND, move |day, scene| {
                scene.rest(day, scene.side, 2 + level, each);
            });
        }
        let sequence = sequence
            .then(6 * SECOND, |day, scene| {
                scene.take(day, scene.side.other(), 50);
            })
            .then(stay as u64, |day, scene| scene.cancel_all(day));
        self.stage(day, start, 4 + 2 * levels as u64, sequence);
    }

    /// A large order that the market does trade with before the rest is withdrawn.
    fn plan_filled_large_order(&mut self, day: &mut Day) {
        let (symbol, start) = self.slot(day, 90 * SECOND);
        let owner = day.any_owner(Kind::Institution);
        let side = day.any_side();
        let quantity = self.large(day, symbol, 5.0, 7.0);
        let bite = lots(quantity as f64 * 0.12);
        let mut sequence = Sequence::new("spoofing", "large_order_filled", symbol, owner)
            .on_side(side)
            .then(MILLISECOND, move |day, scene| {
                scene.rest(day, scene.side, -1, quantity);
            });
        for _ in 0..3 {
            sequence = sequence.then(2 * SECOND, move |day, scene| {
                scene.be_hit(day, scene.side.other(), bite);
            });
        }
        let sequence = sequence
            .then(SECOND, |day, scene| {
                scene.is_spoilt |= !scene.is_filled(day, 0);
                scene.take(day, scene.side.other(), 40);
            })
            .then(2 * SECOND, |day, scene| scene.cancel_all(day));
        self.stage(day, start, 18, sequence);
    }

    /// A buyer that got a little withdraws the rest of its own bids.
    fn plan_same_side_cancel(&mut self, day: &mut Day) {
        let (symbol, start) = self.slot(day, 60 * SECOND);
        let owner = day.any_owner(Kind::Institution);
        let side = day.any_side();
        let quantity = self.large(day, symbol, 6.0, 9.0);
        let sequence = Sequence::new("spoofing", "same_side_cancel", symbol, owner)
            .on_side(side)
            .then(MILLISECOND, move |day, scene| {
                scene.rest(day, scene.side, 1, quantity);
            })
            .then(3 * SECOND, |day, scene| scene.take(day, scene.side, 60))
            .then(SECOND, |day, scene| scene.cancel_all(day));
        self.stage(day, start, 6, sequence);
    }

    /// A buyer spreads bids over levels, is filled on the first and withdraws the others.
    fn plan_scale_in(&mut self, day: &mut Day) {
        let (symbol, start) = self.slot(day, 90 * SECOND);
        let owner = self.staged_owner();
        let side = day.any_side();
        let each = self.large(day, symbol, 6.0, 9.0) / 5;
        let mut sequence = Sequence::new("layering", "scale_in", symbol, owner).on_side(side);
        for level in 0..5 {
            sequence = sequence.then(200 * MILLISECOND, move |day, scene| {
                scene.rest(day, scene.side, if level == 0 { -1 } else { level }, each);
            });
        }
        let sequence = sequence
            .then(2 * SECOND, move |day, scene| {
                scene.be_hit(day, scene.side.other(), each / 2);
                scene.is_spoilt |= !scene.is_filled(day, 0);
            })
            .then(3 * SECOND, |day, scene| scene.cancel_all(day));
        self.stage(day, start, 13, sequence);
    }

    /// An owner with bids and offers on many levels trades once and leaves altogether.
    fn plan_risk_off(&mut self, day: &mut Day) {
        let (symbol, start) = self.slot(day, 90 * SECOND);
        let owner = day.any_owner(Kind::Fast);
        let side = day.any_side();
        let each = self.large(day, symbol, 5.0, 8.0) / 4;
        let mut sequence =
            Sequence::new("layering", "two_sided_withdrawal", symbol, owner).on_side(side);
        for level in 0..4 {
            sequence = sequence.then(20 * MILLISECOND, move |day, scene| {
                scene.rest(day, scene.side, 1 + level, each);
                scene.rest(day, scene.side.other(), 1 + level, each);
            });
        }
        let sequence = sequence
            .then(4 * SECOND, |day, scene| scene.take(day, scene.side, 40))
            .then(400 * MILLISECOND, |day, scene| scene.cancel_all(day));
        self.stage(day, start, 20, sequence);
    }
}

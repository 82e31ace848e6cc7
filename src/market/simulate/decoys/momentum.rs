//! Decoys for momentum ignition: prices are moved, but nobody trades out of a move he lit.

use crate::simulate::day::Day;
use crate::simulate::decoys::Sequence;
use crate::simulate::plan::Plan;
use crate::simulate::session::{MILLISECOND, SECOND};
use crate::simulate::universe::Kind;

impl Plan {
    pub(super) fn plan_momentum_decoys(&mut self, day: &mut Day) {
        self.plan_block_sweep(day);
        self.plan_patient_buying(day);
        self.plan_scalper(day);
        self.plan_news_chase(day);
    }

    /// An institution takes the book and keeps what it bought.
    fn plan_block_sweep(&mut self, day: &mut Day) {
        let (symbol, start) = self.slot(day, 240 * SECOND);
        let owner = day.any_owner(Kind::Institution);
        let side = day.any_side();
        let points = day.dice.range(12.0, 28.0);
        let sequence = Sequence::new("momentum_ignition", "ioc_sweep", symbol, owner)
            .on_side(side)
            .then(MILLISECOND, move |day, scene| {
                let book = &day.engine.books[scene.symbol];
                let Some(double_mid) = book.double_mid() else {
                    scene.is_spoilt = true;
                    return;
                };
                let reach = ((double_mid / 2) as f64 * points / 10_000.0) as i64 + 2;
                let limit = double_mid / 2 + scene.side.sign() * reach;
                let quantity = book.depth_to(scene.side.other(), limit);
                let account = day.universe.account(scene.owner, 0);
                if quantity > 0 {
                    day.sweep(scene.symbol, account, scene.side, limit, quantity);
                }
            })
            .then(120 * SECOND, |_, _| {});
        self.stage(day, start, 40, sequence);
    }

    /// A parent order worked in equal slices at equal times.
    fn plan_patient_buying(&mut self, day: &mut Day) {
        let (symbol, start) = self.slot(day, 180 * SECOND);
        let owner = day.any_owner(Kind::Institution);
        let side = day.any_side();
        let mut sequence =
            Sequence::new("momentum_ignition", "twap_slices", symbol, owner).on_side(side);
        for _ in 0..14 {
            sequence = sequence.then(8 * SECOND, |day, scene| {
                let size = day.universe.instruments[scene.symbol].quote_quantity;
                scene.take(day, scene.side, (size / 4).max(10));
            });
        }
        self.stage(day, start, 60, sequence);
    }

    /// A small trader buys, waits a little and sells; the market does not notice.
    fn plan_scalper(&mut self, day: &mut Day) {
        let (symbol, start) = self.slot(day, 120 * SECOND);
        let owner = self.staged_owner();
        let side = day.any_side();
        let hold = day.dice.range(10.0, 60.0) * SECOND as f64;
        let sequence = Sequence::new("momentum_ignition", "scalper_round_trip", symbol, owner)
            .on_side(side)
            .then(MILLISECOND, |day, scene| scene.take(day, scene.side, 80))
            .then(hold as u64, |day, scene| {
                scene.take(day, scene.side.other(), 80);
            });
        self.stage(day, start, 7, sequence);
    }

    /// A trader reads the news, buys with everybody else and sells some of it soon.
    fn plan_news_chase(&mut self, day: &mut Day) {
        let Some((symbol, at)) = self.unused_news() else {
            return;
        };
        let owner = self.staged_owner();
        let sequence = Sequence::new("momentum_ignition", "news_chase", symbol, owner)
            .then(4 * SECOND, |day, scene| {
                let side = day.last_news_side(scene.symbol);
                scene.side = side;
                let size = day.universe.instruments[scene.symbol].quote_quantity;
                scene.take(day, side, 2 * size);
            })
            .then(25 * SECOND, |day, scene| {
                let size = day.universe.instruments[scene.symbol].quote_quantity;
                scene.take(day, scene.side.other(), size);
            });
        self.stage(day, at, 12, sequence);
    }
}

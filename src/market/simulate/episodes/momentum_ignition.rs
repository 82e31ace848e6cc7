//! Momentum ignition: sweep the book, let others follow, trade out into them.

use crate::market::simulate::day::{Day, Script, Step};
use crate::market::simulate::engine::{OrderRef, Side};
use crate::market::simulate::episodes::{Attempts, Cast, Difficulty};
use crate::market::simulate::session::{MILLISECOND, SECOND};

enum Stage {
    Begin,
    Ignite,
    Exit,
    Clear,
}

pub(in crate::market::simulate) struct MomentumIgnition {
    cast: Cast,
    attempts: Attempts,
    stage: Stage,
    side: Side,
    double_mid: i64,
    /// Wanted move of the mid price, in ticks.
    move_ticks: i64,
    sweeps: i64,
    sweeps_done: i64,
    bought: i64,
    /// Sum of quantity times price of the aggressive fills.
    paid: i64,
    sold: i64,
    exit_share: f64,
    started_ns: u64,
    ended_ns: u64,
}

impl MomentumIgnition {
    pub(in crate::market::simulate) fn new(cast: Cast) -> Self {
        MomentumIgnition {
            cast,
            attempts: Attempts::new(),
            stage: Stage::Begin,
            side: Side::Buy,
            double_mid: 0,
            move_ticks: 0,
            sweeps: 0,
            sweeps_done: 0,
            bought: 0,
            paid: 0,
            sold: 0,
            exit_share: 0.0,
            started_ns: 0,
            ended_ns: 0,
        }
    }

    fn begin(&mut self, day: &mut Day) -> Step {
        let symbol = self.cast.symbol;
        let Some(double_mid) = day.engine.books[symbol].double_mid() else {
            return self.attempts.again(day);
        };
        if !day.is_calm(symbol) {
            return self.attempts.again(day);
        }
        let difficulty = self.cast.difficulty;
        let points = difficulty.draw(&mut day.dice, (28.0, 40.0), (20.0, 27.0), (15.0, 18.0));
        self.exit_share = difficulty.draw(&mut day.dice, (0.9, 1.0), (0.7, 0.9), (0.55, 0.7));
        self.side = day.any_side();
        self.double_mid = double_mid;
        self.move_ticks = ((double_mid / 2) as f64 * points / 10_000.0) as i64 + 4;
        self.sweeps = day.dice.between(3, 6);
        (self.sweeps_done, self.bought, self.paid, self.sold) = (0, 0, 0, 0);
        self.started_ns = day.now();
        // Followers are ready when somebody gives them a reason.
        day.climates[symbol].follow_again_at = 0;
        self.stage = Stage::Ignite;
        Step::After(1)
    }

    fn ignite(&mut self, day: &mut Day) -> Step {
        let symbol = self.cast.symbol;
        let sign = self.side.sign();
        self.sweeps_done += 1;
        let reach = self.move_ticks * self.sweeps_done / self.sweeps;
        let limit = self.double_mid / 2 + sign * reach;
        let available = day.engine.books[symbol].depth_to(self.side.other(), limit);
        if available > 0 {
            let account = day.universe.account(self.cast.owner, 0);
            let order = day.sweep(symbol, account, self.side, limit, available);
            self.note_entry(day, order, limit);
        }
        if self.sweeps_done >= self.sweeps {
            self.stage = Stage::Exit;
            return Step::After(day.dice.octaves(800 * MILLISECOND, 5 * SECOND));
        }
        Step::After(day.dice.octaves(300 * MILLISECOND, 1_200 * MILLISECOND))
    }

    /// Books an entry at its limit, the worst price it can have cost.
    fn note_entry(&mut self, day: &Day, order: OrderRef, limit: i64) {
        let filled = day.engine.order(order).filled;
        self.bought += filled;
        self.paid += filled * limit;
    }

    fn exit(&mut self, day: &mut Day) -> Step {
        const LONGEST_EXIT: u64 = 85 * SECOND;
        let symbol = self.cast.symbol;
        let wanted = (self.bought as f64 * self.exit_share) as i64;
        if self.bought == 0 {
            self.stage = Stage::Begin;
            return self.attempts.again(day);
        }
        let is_late = day.now() - self.started_ns > LONGEST_EXIT;
        if self.sold >= wanted || is_late {
            self.stage = Stage::Clear;
            return Step::After(1);
        }
        let side = self.side.other();
        let mean = self.paid / self.bought;
        let limit = mean + self.side.sign();
        let available = day.engine.books[symbol].depth_to(self.side, limit);
        let quantity = available.min(self.bought - self.sold);
        if quantity > 0 {
            let account = day.universe.account(self.cast.owner, 1);
            let order = day.sweep(symbol, account, side, limit, quantity);
            let filled = day.engine.order(order).filled;
            if filled > 0 {
                self.sold += filled;
                self.ended_ns = day.now();
            }
        }
        let slowest = if self.cast.difficulty == Difficulty::Easy {
            2
        } else {
            4
        };
        Step::After(day.dice.octaves(150 * MILLISECOND, slowest * SECOND))
    }

    fn clear(&mut self, day: &mut Day) -> Step {
        if self.sold as f64 >= 0.55 * self.bought as f64 {
            day.label(
                "momentum_ignition",
                self.cast,
                self.started_ns,
                self.ended_ns,
            );
            return Step::Done;
        }
        self.stage = Stage::Begin;
        self.attempts.again(day)
    }
}

impl Script for MomentumIgnition {
    fn step(&mut self, day: &mut Day) -> Step {
        match self.stage {
            Stage::Begin => self.begin(day),
            Stage::Ignite => self.ignite(day),
            Stage::Exit => self.exit(day),
            Stage::Clear => self.clear(day),
        }
    }
}

//! Momentum ignition: sweep the book, let others follow, trade out into them.

use crate::simulate::day::{Day, Script, Step};
use crate::simulate::engine::{OrderRef, Side};
use crate::simulate::episodes::{Attempts, Cast, Difficulty};
use crate::simulate::session::{MILLISECOND, SECOND};

enum Stage {
    Begin,
    Ignite,
    Exit,
    Clear,
}

pub(in crate::simulate) struct MomentumIgnition {
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
    resting: Option<OrderRef>,
    started_ns: u64,
    ended_ns: u64,
}

impl MomentumIgnition {
    pub(in crate::simulate) fn new(cast: Cast) -> Self {
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
            resting: None,
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
        self.sweeps = day.dice.between(2, 3);
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
        // The first sweep does most of the work, while the book is still unprepared.
        let part = (2 * self.sweeps + self.sweeps_done).min(3 * self.sweeps);
        let reach = self.move_ticks * part / (3 * self.sweeps);
        let limit = self.double_mid / 2 + sign * reach;
        let most = 14 * day.universe.instruments[symbol].quote_quantity;
        let available = day.engine.books[symbol]
            .depth_to(self.side.other(), limit)
            .min(most);
        if available > 0 {
            let account = day.universe.account(self.cast.owner, 0);
            let order = day.sweep(symbol, account, self.side, limit, available);
            self.bought += day.engine.order(order).filled;
            self.paid += day.engine.order(order).notional;
        }
        let moved = day.engine.books[symbol]
            .double_mid()
            .map_or(0, |double_mid| (double_mid - self.double_mid) * sign / 2);
        let is_lit = moved * 10 >= self.move_ticks * 7;
        if self.sweeps_done >= 3 * self.sweeps || (is_lit && self.sweeps_done >= self.sweeps) {
            self.stage = Stage::Exit;
            return Step::After(day.dice.octaves(800 * MILLISECOND, 5 * SECOND));
        }
        Step::After(day.dice.octaves(300 * MILLISECOND, 1_200 * MILLISECOND))
    }

    fn exit(&mut self, day: &mut Day) -> Step {
        const LONGEST_EXIT: u64 = 85 * SECOND;
        let symbol = self.cast.symbol;
        let wanted = (self.bought as f64 * self.exit_share) as i64;
        if self.bought == 0 {
            self.stage = Stage::Begin;
            return self.attempts.again(day);
        }
        self.collect_passive_fills(day);
        let is_late = day.now() - self.started_ns > LONGEST_EXIT;
        if self.sold >= wanted || is_late {
            self.stage = Stage::Clear;
            return Step::After(1);
        }
        let side = self.side.other();
        let limit = self.paid / self.bought + self.side.sign();
        let left = wanted - self.sold;
        let account = day.universe.account(self.cast.owner, 1);
        let available = day.engine.books[symbol].depth_to(self.side, limit);
        if available.min(left) > 0 {
            let order = day.sweep(symbol, account, side, limit, available.min(left));
            self.note_exit(day, order);
        }
        // Followers who still buy are served from the best place there is.
        let left = wanted - self.sold;
        if left > 0
            && let Some(best) = day.engine.books[symbol].best(side)
        {
            let sign = self.side.sign();
            let price = if (best - sign - limit) * sign >= 0 {
                best - sign
            } else {
                limit
            };
            let quantity = left.min(2 * day.universe.instruments[symbol].quote_quantity);
            self.resting = Some(day.rest_order(symbol, account, side, price, quantity));
        }
        let slowest = if self.cast.difficulty == Difficulty::Easy {
            2
        } else {
            4
        };
        Step::After(day.dice.octaves(150 * MILLISECOND, slowest * SECOND))
    }

    fn note_exit(&mut self, day: &Day, order: OrderRef) {
        let filled = day.engine.order(order).filled;
        if filled > 0 {
            self.sold += filled;
            self.ended_ns = day.now();
        }
    }

    /// Withdraws the resting exit order and counts what it sold.
    fn collect_passive_fills(&mut self, day: &mut Day) {
        if let Some(order) = self.resting.take() {
            day.cancel(order);
            self.note_exit(day, order);
        }
    }

    fn clear(&mut self, day: &mut Day) -> Step {
        if self.sold as f64 >= 0.5 * self.bought as f64 {
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

//! Spoofing and layering: large orders on one side to trade a small one on the other.

use crate::simulate::day::{Day, Script, Step};
use crate::simulate::engine::{OrderRef, Side};
use crate::simulate::episodes::{Attempts, Cast, Difficulty, lots};
use crate::simulate::session::{MILLISECOND, SECOND};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::simulate) enum Pattern {
    /// One or two large orders.
    Spoofing,
    /// Orders at three prices and more.
    Layering,
}

impl Pattern {
    fn rule(self) -> &'static str {
        match self {
            Pattern::Spoofing => "spoofing",
            Pattern::Layering => "layering",
        }
    }
}

enum Stage {
    Prepare,
    Deceive,
    Wait,
    Withdraw,
    Retreat,
    Rest,
}

/// What one cycle of the deception looks like.
struct Terms {
    genuine_quantity: i64,
    deceptive_quantity: i64,
    orders: usize,
    first_distance: i64,
    accounts: usize,
    delay_ns: u64,
    patience_ns: u64,
    is_passive: bool,
    is_moving_away: bool,
    camouflage_quantity: i64,
}

pub(in crate::simulate) struct Deception {
    pattern: Pattern,
    cast: Cast,
    attempts: Attempts,
    stage: Stage,
    side: Side,
    terms: Option<Terms>,
    deceptive: Vec<OrderRef>,
    genuine: Option<OrderRef>,
    camouflage: Option<OrderRef>,
    started_ns: u64,
    cycle_started_ns: u64,
    withdrawn: usize,
    /// When the last complete cycle ended; 0 before the first.
    finished_ns: u64,
    withdraw_at: u64,
    cycles_left: u32,
}

/// Share of the deceptive quantity that may trade before the attempt is given up.
const SPOILT_SHARE: f64 = 0.04;

/// How often the deceiver looks whether its large orders are being traded with.
const LOOK: u64 = 150 * MILLISECOND;

impl Deception {
    pub(in crate::simulate) fn new(pattern: Pattern, cast: Cast, cycles: u32) -> Self {
        Deception {
            pattern,
            cast,
            attempts: Attempts::new(),
            stage: Stage::Prepare,
            side: Side::Buy,
            terms: None,
            deceptive: Vec::new(),
            genuine: None,
            camouflage: None,
            started_ns: 0,
            cycle_started_ns: 0,
            withdrawn: 0,
            finished_ns: 0,
            withdraw_at: 0,
            cycles_left: cycles,
        }
    }

    /// Draws sizes, distances and delays; `side` is the genuine one.
    fn draw_terms(&self, day: &mut Day) -> Terms {
        let difficulty = self.cast.difficulty;
        let symbol = self.cast.symbol;
        let book = &day.engine.books[symbol];
        let shown = (book.best_quantity(Side::Buy) + book.best_quantity(Side::Sell)) / 2;
        let top = day.climates[symbol].typical_top.max(shown) as f64;
        let dice = &mut day.dice;
        let times_top = difficulty.draw(dice, (9.0, 14.0), (6.8, 9.0), (5.4, 6.8));
        let times_genuine = difficulty.draw(dice, (12.0, 25.0), (8.0, 12.0), (5.6, 7.5));
        let delay_ns = difficulty.draw(dice, (0.05, 0.4), (0.4, 3.0), (3.0, 8.0));
        let mut quantity = times_top * top;
        let is_layering = self.pattern == Pattern::Layering;
        if is_layering {
            let depth = day.engine.books[symbol].depth(self.side.other(), 10) as f64;
            let share = difficulty.draw(&mut day.dice, (0.8, 1.2), (0.5, 0.8), (0.32, 0.45));
            quantity = quantity.max(share * depth);
        }
        let dice = &mut day.dice;
        let (orders, first_distance, accounts) = match (is_layering, difficulty) {
            (false, Difficulty::Easy) => (1, dice.between(1, 2), 1),
            (false, Difficulty::Medium) => (dice.between(1, 2), dice.between(2, 4), 2),
            (false, Difficulty::Hard) => (2, dice.between(3, 6), 3),
            (true, Difficulty::Easy) => (dice.between(5, 6), dice.between(1, 2), 1),
            (true, Difficulty::Medium) => (dice.between(4, 5), dice.between(1, 3), 2),
            (true, Difficulty::Hard) => (3, dice.between(2, 4), 3),
        };
        let orders = orders as usize;
        let each = lots(quantity / orders as f64) + 10;
        let deceptive_quantity = each * orders as i64;
        let is_hard = difficulty == Difficulty::Hard;
        Terms {
            genuine_quantity: lots(deceptive_quantity as f64 / times_genuine),
            deceptive_quantity,
            orders,
            first_distance,
            accounts,
            delay_ns: (delay_ns * SECOND as f64) as u64,
            patience_ns: dice.between(5, 25) as u64 * SECOND,
            is_passive: dice.percent(60),
            is_moving_away: difficulty != Difficulty::Easy && dice.percent(30),
            camouflage_quantity: if is_hard && dice.percent(40) {
                lots(deceptive_quantity as f64 / 6.0)
            } else {
                0
            },
        }
    }

    fn prepare(&mut self, day: &mut Day) -> Step {
        let symbol = self.cast.symbol;
        if !day.is_calm(symbol) {
            return self.attempts.again(day);
        }
        if self.started_ns == 0 {
            self.side = day.any_side();
        }
        let terms = self.draw_terms(day);
        self.deceptive.clear();
        self.withdrawn = 0;
        self.cycle_started_ns = day.now();
        self.genuine = None;
        let account = day.universe.account(self.cast.owner, 0);
        let book = &day.engine.books[symbol];
        let Some(best) = book.best(self.side) else {
            return self.attempts.again(day);
        };
        if terms.camouflage_quantity > 0 {
            let price = best - 5 * self.side.sign();
            let quantity = terms.camouflage_quantity;
            self.camouflage = Some(day.rest_order(symbol, account, self.side, price, quantity));
        }
        self.terms = Some(terms);
        self.stage = Stage::Deceive;
        Step::After(day.dice.octaves(20 * MILLISECOND, 400 * MILLISECOND))
    }

    fn deceive(&mut self, day: &mut Day, terms: &Terms) -> Step {
        let symbol = self.cast.symbol;
        let side = self.side.other();
        let Some(best) = day.engine.books[symbol].best(side) else {
            return self.fail(day);
        };
        let number = self.deceptive.len();
        if number == 0 {
            self.cycle_started_ns = day.now();
            if self.started_ns == 0 {
                self.started_ns = day.now();
            }
        }
        let place = if terms.accounts > 1 {
            1 + number % (terms.accounts - 1)
        } else {
            0
        };
        let account = day.universe.account(self.cast.owner, place);
        let anchor = match self.deceptive.first() {
            Some(&first) => day.engine.order(first).price,
            None => best - side.sign() * terms.first_distance,
        };
        let price = anchor - side.sign() * number as i64;
        let quantity = terms.deceptive_quantity / terms.orders as i64;
        let order = day.rest_order(symbol, account, side, price, quantity);
        self.deceptive.push(order);
        if self.deceptive.len() == terms.orders {
            self.stage = Stage::Wait;
            if terms.is_passive {
                self.offer(day, terms);
            }
        }
        Step::After(day.dice.octaves(10 * MILLISECOND, 500 * MILLISECOND))
    }

    /// Rests the genuine order where the next taker finds it.
    fn offer(&mut self, day: &mut Day, terms: &Terms) {
        let symbol = self.cast.symbol;
        let account = day.universe.account(self.cast.owner, 0);
        let book = &day.engine.books[symbol];
        if let (Some(best), Some(spread)) = (book.best(self.side), book.spread()) {
            let price = best + if spread >= 3 { self.side.sign() } else { 0 };
            let quantity = terms.genuine_quantity;
            self.genuine = Some(day.rest_order(symbol, account, self.side, price, quantity));
        }
    }

    fn wait(&mut self, day: &mut Day, terms: &Terms) -> Step {
        if self.spoilt_share(day) > SPOILT_SHARE {
            return self.fail(day);
        }
        let is_filled = self
            .genuine
            .is_some_and(|order| day.engine.order(order).filled > 0);
        if is_filled {
            return self.gain(day, terms);
        }
        let waited = day.now() - self.cycle_started_ns;
        if self.genuine.is_some() && waited < terms.patience_ns {
            return Step::After(day.dice.octaves(40 * MILLISECOND, 160 * MILLISECOND));
        }
        if self.genuine.is_none() && waited < 400 * MILLISECOND {
            return Step::After(300 * MILLISECOND);
        }
        if let Some(order) = self.genuine.take() {
            day.cancel(order);
        }
        let symbol = self.cast.symbol;
        let account = day.universe.account(self.cast.owner, 0);
        let Some(best) = day.engine.books[symbol].best(self.side.other()) else {
            return self.fail(day);
        };
        let quantity = terms.genuine_quantity;
        let order = day.sweep(symbol, account, self.side, best, quantity);
        if day.engine.order(order).filled == 0 {
            return self.fail(day);
        }
        self.genuine = Some(order);
        self.gain(day, terms)
    }

    /// Lets the deceptive orders stand a little longer, now that the genuine one traded.
    fn gain(&mut self, day: &Day, terms: &Terms) -> Step {
        self.withdraw_at = day.now() + terms.delay_ns;
        self.stage = Stage::Withdraw;
        Step::After(terms.delay_ns.min(LOOK))
    }

    fn withdraw(&mut self, day: &mut Day, terms: &Terms) -> Step {
        if self.spoilt_share(day) > SPOILT_SHARE {
            return self.fail(day);
        }
        if day.now() < self.withdraw_at {
            return Step::After((self.withdraw_at - day.now()).min(LOOK));
        }
        let order = self.deceptive[self.withdrawn];
        self.withdrawn += 1;
        if terms.is_moving_away {
            let held = day.engine.order(order);
            let away = held.price - held.side.sign() * day.dice.between(25, 40);
            day.modify(order, away, held.leaves);
        } else {
            day.cancel(order);
        }
        if self.withdrawn < self.deceptive.len() {
            return Step::After(day.dice.octaves(MILLISECOND, 40 * MILLISECOND));
        }
        for order in [self.genuine, self.camouflage.take()].into_iter().flatten() {
            day.cancel(order);
        }
        self.cycles_left -= 1;
        self.finished_ns = day.now();
        if self.cycles_left == 0 {
            let ended_ns = self.finished_ns;
            day.label(self.pattern.rule(), self.cast, self.started_ns, ended_ns);
        } else {
            self.side = self.side.other();
        }
        self.stage = if terms.is_moving_away {
            Stage::Retreat
        } else {
            Stage::Rest
        };
        // A turn within seconds of the last would look like a maker that refreshes both sides.
        Step::After(day.dice.octaves(12 * SECOND, 30 * SECOND))
    }

    /// Drops everything of an attempt that cannot succeed, and tries again later.
    fn fail(&mut self, day: &mut Day) -> Step {
        let orders = self
            .deceptive
            .drain(..)
            .chain(self.genuine.take())
            .chain(self.camouflage.take());
        for order in orders {
            day.cancel(order);
        }
        self.stage = Stage::Prepare;
        if self.finished_ns > 0 {
            // Earlier cycles succeeded: they are the episode.
            let ended_ns = self.finished_ns;
            day.label(self.pattern.rule(), self.cast, self.started_ns, ended_ns);
            return Step::Done;
        }
        self.started_ns = 0;
        self.attempts.again(day)
    }

    fn spoilt_share(&self, day: &Day) -> f64 {
        let (mut filled, mut total) = (0, 0);
        for &order in &self.deceptive {
            let order = day.engine.order(order);
            filled += order.filled;
            total += order.filled + order.leaves;
        }
        filled as f64 / total.max(1) as f64
    }
}

impl Script for Deception {
    fn step(&mut self, day: &mut Day) -> Step {
        let Some(terms) = self.terms.take() else {
            return self.prepare(day);
        };
        let step = match self.stage {
            Stage::Prepare => return self.prepare(day),
            Stage::Deceive => self.deceive(day, &terms),
            Stage::Wait => self.wait(day, &terms),
            Stage::Withdraw => self.withdraw(day, &terms),
            Stage::Retreat => {
                for &order in &self.deceptive {
                    day.engine.cancel(order);
                }
                self.stage = Stage::Rest;
                Step::After(SECOND)
            }
            Stage::Rest if self.cycles_left == 0 => Step::Done,
            Stage::Rest => {
                self.stage = Stage::Prepare;
                Step::After(SECOND)
            }
        };
        self.terms = Some(terms);
        step
    }
}

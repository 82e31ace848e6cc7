//! Day: one queue of moments, and the state of the market that the actors share.
//!
//! Each moment belongs to an actor: the background flow, a maker, a reaction to what the book
//! shows, or a script that stages an episode. Actors live in their own files; this one keeps
//! time, fundamental values and the record of what was staged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::simulate::engine::{Engine, OrderRef, Phase, Request, Side};
use crate::simulate::makers::Quote;
use crate::simulate::random::Dice;
use crate::simulate::session::{
    CLOSE, CLOSING_UNCROSS, MILLISECOND, OPEN, SECOND, activity_left, intensity, mean_intensity,
};
use crate::simulate::universe::{Kind, Universe};

/// Names whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    Background,
    Expire(OrderRef),
    Requote(usize),
    React(usize),
    Follow(usize),
    Script(usize),
    OpeningUncross,
    ClosingCall,
    ClosingUncross,
}

/// Says when a script wants its next turn.
pub(super) enum Step {
    After(u64),
    Done,
}

/// A staged sequence of actions: an episode, a decoy, news, a parent order.
pub(super) trait Script {
    fn step(&mut self, day: &mut Day) -> Step;
}

/// What the actors know of one instrument besides its book.
pub(super) struct Climate {
    /// What the instrument is worth, in ticks; no order moves it.
    pub(super) value: f64,
    value_at: u64,
    common_seen: f64,
    /// How far traded volume has pressed prices off the value, in ticks; it fades.
    pressure: f64,
    pressure_at: u64,
    /// Until when makers widen because of news.
    pub(super) nervous_until: u64,
    /// Followers left in the present run, and the earliest next run.
    pub(super) followers: u32,
    pub(super) follow_again_at: u64,
    pub(super) react_again_at: u64,
    /// Running median of the quantity at the best prices.
    pub(super) typical_top: i64,
    /// Side on which the recent takers were.
    pub(super) trend: Side,
}

/// One line of the labels or decoys file.
pub(super) struct Record {
    pub(super) rule: &'static str,
    pub(super) symbol: usize,
    pub(super) owner: usize,
    pub(super) started_ns: u64,
    pub(super) ended_ns: u64,
    pub(super) difficulty: &'static str,
    /// Why it looks like the rule's pattern and is not; empty for an episode.
    pub(super) kind: &'static str,
}

pub(super) struct News {
    pub(super) at_ns: u64,
    pub(super) symbol: usize,
    pub(super) headline: &'static str,
    /// Whom it favours.
    pub(super) side: Side,
}

pub(super) struct Day {
    pub(super) universe: Universe,
    pub(super) engine: Engine,
    pub(super) dice: Dice,
    pub(super) climates: Vec<Climate>,
    /// Owners by kind.
    pub(super) pools: Vec<Vec<usize>>,
    pub(super) quotes: Vec<Quote>,
    /// Quote that an order belongs to, for orders of makers.
    pub(super) quote_of: Vec<u16>,
    pub(super) episodes: Vec<Record>,
    pub(super) decoys: Vec<Record>,
    pub(super) news: Vec<News>,
    scripts: Vec<Option<Box<dyn Script>>>,
    queue: BinaryHeap<Reverse<(u64, u64, Moment)>>,
    queued: u64,
    common: f64,
    common_at: u64,
    target_rows: u64,
    /// Rows that all scripts of the day are expected to write, and have written.
    pub(super) expected_script_rows: u64,
    script_rows: u64,
    rows_before_open: u64,
    actions: u64,
}

/// Ticks that a trade of a maker's whole size presses the price.
const FILL_IMPACT: f64 = 0.3;

/// Share of a sweep's move that makers and followers take for information at first.
const SWEEP_IMPACT: f64 = 0.9;

/// Time after which a pressed price has given back most of the pressure.
const PRESSURE_FADES: f64 = 25.0 * SECOND as f64;

impl Day {
    pub(super) fn new(universe: Universe, engine: Engine, dice: Dice, target_rows: u64) -> Self {
        let climates = universe
            .instruments
            .iter()
            .map(|instrument| Climate {
                value: instrument.start_ticks as f64,
                value_at: OPEN,
                common_seen: 0.0,
                pressure: 0.0,
                pressure_at: OPEN,
                nervous_until: 0,
                followers: 0,
                follow_again_at: 0,
                react_again_at: 0,
                typical_top: instrument.quote_quantity,
                trend: Side::Buy,
            })
            .collect();
        let pools = [
            Kind::Maker,
            Kind::Fast,
            Kind::Institution,
            Kind::Proprietary,
            Kind::Retail,
        ]
        .map(|kind| universe.of_kind(kind))
        .to_vec();
        Day {
            universe,
            engine,
            dice,
            climates,
            pools,
            quotes: Vec::new(),
            quote_of: Vec::new(),
            episodes: Vec::new(),
            decoys: Vec::new(),
            news: Vec::new(),
            scripts: Vec::new(),
            queue: BinaryHeap::new(),
            queued: 0,
            common: 0.0,
            common_at: OPEN,
            target_rows,
            expected_script_rows: 0,
            script_rows: 0,
            rows_before_open: 0,
            actions: 0,
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.engine.now_ns
    }

    pub(super) fn at(&mut self, time_ns: u64, moment: Moment) {
        self.queued += 1;
        self.queue.push(Reverse((time_ns, self.queued, moment)));
    }

    pub(super) fn after(&mut self, delay_ns: u64, moment: Moment) {
        self.at(self.now() + delay_ns, moment);
    }

    pub(super) fn start_script(&mut self, time_ns: u64, script: Box<dyn Script>) {
        let number = self.scripts.len();
        self.scripts.push(Some(script));
        self.at(time_ns, Moment::Script(number));
    }

    /// Plays the day to its end; `drain` is called whenever rows have collected.
    ///
    /// # Errors
    ///
    /// Whatever `drain` fails with.
    pub(super) fn play<E>(
        &mut self,
        mut drain: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        const ENOUGH_BYTES: usize = 1 << 20;
        self.at(OPEN, Moment::OpeningUncross);
        self.at(OPEN + MILLISECOND, Moment::Background);
        self.at(CLOSE, Moment::ClosingCall);
        self.at(CLOSING_UNCROSS, Moment::ClosingUncross);
        while let Some(Reverse((time_ns, _, moment))) = self.queue.pop() {
            self.engine.now_ns = time_ns;
            self.turn(moment);
            self.notice_fills(true);
            if self.engine.rows.buffered().len() > ENOUGH_BYTES {
                drain(self.engine.rows.buffered())?;
                self.engine.rows.clear();
            }
        }
        drain(self.engine.rows.buffered())?;
        self.engine.rows.clear();
        Ok(())
    }

    fn turn(&mut self, moment: Moment) {
        let is_over = self.now() >= CLOSE;
        match moment {
            Moment::Script(number) => self.step_script(number),
            Moment::OpeningUncross => self.uncross_all(Phase::Continuous),
            Moment::ClosingCall => self.begin_closing_call(),
            Moment::ClosingUncross => self.uncross_all(Phase::Closed),
            _ if is_over => {}
            Moment::Background => self.background_turn(),
            Moment::Expire(order) => {
                self.engine.cancel(order);
            }
            Moment::Requote(quote) => self.requote(quote),
            Moment::React(symbol) => self.react(symbol),
            Moment::Follow(symbol) => self.follow(symbol),
        }
    }

    fn step_script(&mut self, number: usize) {
        let Some(mut script) = self.scripts[number].take() else {
            return;
        };
        let before = self.engine.rows.count();
        let step = script.step(self);
        self.script_rows += self.engine.rows.count() - before;
        if let Step::After(delay_ns) = step {
            self.scripts[number] = Some(script);
            self.after(delay_ns, Moment::Script(number));
        }
    }

    fn uncross_all(&mut self, next: Phase) {
        for symbol in 0..self.universe.instruments.len() {
            self.engine.uncross(symbol, next);
        }
    }

    fn begin_closing_call(&mut self) {
        for symbol in 0..self.universe.instruments.len() {
            self.engine.books[symbol].phase = Phase::Call;
        }
    }

    fn background_turn(&mut self) {
        if self.actions == 0 {
            self.rows_before_open = self.engine.rows.count() - self.script_rows;
        }
        self.actions += 1;
        self.background_action();
        let gap = self.gap_to_next_action();
        self.after(gap, Moment::Background);
    }

    /// Waits so that the rows still wanted fit into the activity the day still has.
    fn gap_to_next_action(&mut self) -> u64 {
        const LONGEST: f64 = 600.0 * SECOND as f64;
        let scripted = self.expected_script_rows.max(self.script_rows);
        let written = self.engine.rows.count() - self.script_rows + scripted;
        let wanted = self.target_rows.saturating_sub(written) as f64;
        let left = activity_left(self.now()).max(1e-6);
        let session = (CLOSE - OPEN) as f64;
        let rows_per_ns = wanted / left * intensity(self.now()) / (mean_intensity() * session);
        let wait = self.dice.exponential() * self.rows_per_action() / rows_per_ns.max(1e-18);
        (wait.min(LONGEST) as u64).max(1_000)
    }

    /// Gives the rows that follow from one action, counting the cancels and answers after it.
    fn rows_per_action(&self) -> f64 {
        const FIRST_GUESS: f64 = 3.0;
        const GUESS_WEIGHT: f64 = 30.0;
        let written = self.engine.rows.count() - self.script_rows;
        let rows = written.saturating_sub(self.rows_before_open) as f64;
        (rows + FIRST_GUESS * GUESS_WEIGHT) / (self.actions as f64 + GUESS_WEIGHT)
    }

    /// Gives what an instrument is worth now, moved on to the present moment.
    pub(super) fn value(&mut self, symbol: usize) -> f64 {
        let now = self.now();
        if now > self.common_at {
            let seconds = (now - self.common_at) as f64 / SECOND as f64;
            self.common += seconds.sqrt() * self.dice.normal();
            self.common_at = now;
        }
        let instrument = &self.universe.instruments[symbol];
        let climate = &mut self.climates[symbol];
        if now > climate.value_at {
            let seconds = (now - climate.value_at) as f64 / SECOND as f64;
            let share = instrument.common_share;
            let own = (1.0 - share * share).sqrt() * seconds.sqrt() * self.dice.normal();
            let shared = share * (self.common - climate.common_seen);
            climate.value = (climate.value + instrument.step_ticks * (own + shared)).max(200.0);
            climate.value_at = now;
            climate.common_seen = self.common;
        }
        climate.value
    }

    /// Moves the fundamental value of an instrument at once.
    pub(super) fn shock(&mut self, symbol: usize, ticks: f64) {
        self.value(symbol);
        self.climates[symbol].value += ticks;
    }

    pub(super) fn pressure(&mut self, symbol: usize) -> f64 {
        let now = self.now();
        let climate = &mut self.climates[symbol];
        if now > climate.pressure_at {
            let x = (now - climate.pressure_at) as f64 / PRESSURE_FADES;
            climate.pressure /= 1.0 + x + x * x / 2.0 + x * x * x / 6.0;
            climate.pressure_at = now;
        }
        climate.pressure
    }

    pub(super) fn press(&mut self, symbol: usize, ticks: f64) {
        let pressure = self.pressure(symbol);
        let bound = self.universe.instruments[symbol].start_ticks as f64 * 0.01;
        self.climates[symbol].pressure = (pressure + ticks).clamp(-bound, bound);
    }

    /// Enters an order of the ordinary kind.
    pub(super) fn submit(&mut self, request: Request) -> OrderRef {
        let symbol = request.symbol;
        let against = request.side.other();
        let best_before = self.engine.books[symbol].best(against);
        let order = self.engine.submit(request);
        if let (Some(before), Some(limit)) = (best_before, request.price) {
            // A side that was emptied has been moved to the limit at least.
            let after = self.engine.books[symbol].best(against).unwrap_or(limit);
            let moved = ((after - before) * request.side.sign())
                .min((limit - before) * request.side.sign() + 1);
            let instrument = &self.universe.instruments[symbol];
            let is_large = self.engine.order(order).filled * 2 >= instrument.quote_quantity;
            if is_large && moved > 2 * instrument.half_spread_ticks {
                let impact = SWEEP_IMPACT * (moved * request.side.sign()) as f64;
                self.press(symbol, impact);
                self.wake_followers(symbol);
            }
        }
        if self.is_striking(order) {
            self.wake_reaction(symbol);
        }
        order
    }

    /// Cancels an order of a size that others notice.
    pub(super) fn cancel(&mut self, order: OrderRef) -> bool {
        let is_striking = self.is_striking(order);
        let is_done = self.engine.cancel(order);
        if is_done && is_striking {
            self.wake_reaction(self.engine.order(order).symbol);
        }
        is_done
    }

    pub(super) fn modify(&mut self, order: OrderRef, price: i64, quantity: i64) -> bool {
        let is_striking = self.is_striking(order);
        let is_done = self.engine.modify(order, price, quantity);
        if is_done && is_striking {
            self.wake_reaction(self.engine.order(order).symbol);
        }
        is_done
    }

    /// Says whether an open order is large and near enough to change what others do.
    fn is_striking(&self, order: OrderRef) -> bool {
        const NEAR_TICKS: i64 = 12;
        let order = self.engine.order(order);
        let near = self.engine.books[order.symbol]
            .best(order.side)
            .is_some_and(|best| (best - order.price).abs() <= NEAR_TICKS);
        near && order.leaves >= 2 * self.climates[order.symbol].typical_top
    }

    /// Lets makers restore what was traded, and prices feel trades that may know something.
    pub(super) fn notice_fills(&mut self, are_informed: bool) {
        while let Some(fill) = self.engine.fills.pop() {
            let resting = self.engine.order(fill.resting);
            if self.engine.books[resting.symbol].phase != Phase::Continuous {
                continue;
            }
            if are_informed {
                let size = self.universe.instruments[resting.symbol].quote_quantity as f64;
                let weight = (fill.quantity as f64 / size).min(3.0);
                let side = resting.side.other();
                self.press(resting.symbol, FILL_IMPACT * weight * side.sign() as f64);
            }
            self.notice_maker_fill(fill.resting, fill.quantity);
        }
    }
}

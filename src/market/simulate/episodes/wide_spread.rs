//! Wide spread: a maker with an obligation stays beyond its widest permitted spread.

use crate::simulate::day::{Day, Script, Step};
use crate::simulate::episodes::{Attempts, Cast};
use crate::simulate::session::SECOND;

pub(in crate::simulate) struct WideSpread {
    cast: Cast,
    quote: usize,
    attempts: Attempts,
    started_ns: u64,
    lasts_ns: u64,
}

impl WideSpread {
    pub(in crate::simulate) fn new(cast: Cast, quote: usize) -> Self {
        WideSpread {
            cast,
            quote,
            attempts: Attempts::new(),
            started_ns: 0,
            lasts_ns: 0,
        }
    }

    fn begin(&mut self, day: &mut Day) -> Step {
        let symbol = self.cast.symbol;
        if !day.is_calm(symbol) || day.quotes[self.quote].forced_half_ticks.is_some() {
            return self.attempts.again(day);
        }
        let difficulty = self.cast.difficulty;
        let times = difficulty.draw(&mut day.dice, (2.0, 3.0), (1.4, 1.8), (1.1, 1.25));
        let lasts = difficulty.draw(&mut day.dice, (180.0, 600.0), (100.0, 180.0), (68.0, 90.0));
        let widest = day.universe.instruments[symbol].max_spread_ticks() as f64;
        day.quotes[self.quote].forced_half_ticks = Some((widest * times / 2.0) as i64 + 1);
        day.requote(self.quote);
        self.started_ns = day.now();
        self.lasts_ns = (lasts * SECOND as f64) as u64;
        Step::After(2 * SECOND)
    }
}

impl Script for WideSpread {
    fn step(&mut self, day: &mut Day) -> Step {
        if self.started_ns == 0 {
            return self.begin(day);
        }
        let ends_ns = self.started_ns + self.lasts_ns;
        if day.now() < ends_ns {
            day.requote(self.quote);
            let rest = ends_ns - day.now();
            return Step::After(day.dice.octaves(5 * SECOND, 40 * SECOND).min(rest));
        }
        day.quotes[self.quote].forced_half_ticks = None;
        day.requote(self.quote);
        let ended_ns = day.now();
        day.label("wide_spread", self.cast, self.started_ns, ended_ns);
        Step::Done
    }
}

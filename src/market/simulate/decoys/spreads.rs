//! Decoys for wide spreads: makers that are wide or away, but not for long or not too wide.
//!
//! The widening around news and halts is recorded by the news itself.

use crate::simulate::day::Day;
use crate::simulate::decoys::Sequence;
use crate::simulate::plan::Plan;
use crate::simulate::session::{MILLISECOND, SECOND};

impl Plan {
    pub(super) fn plan_spread_decoys(&mut self, day: &mut Day) {
        self.plan_forced(day, "short_widening", 1.6, (20.0, 45.0));
        self.plan_forced(day, "wide_within_limit", 0.9, (180.0, 500.0));
        self.plan_pause(day);
    }

    /// A maker shows a spread of so many times the permitted one for so many seconds.
    fn plan_forced(&mut self, day: &mut Day, kind: &'static str, times: f64, lasts: (f64, f64)) {
        let Some((symbol, quote, start)) = self.free_quote(day) else {
            return;
        };
        let owner = day.quotes[quote].owner;
        let lasts = day.dice.range(lasts.0, lasts.1) * SECOND as f64;
        let widest = day.universe.instruments[symbol].max_spread_ticks() as f64;
        let half = (widest * times / 2.0) as i64 - i64::from(times < 1.0);
        let sequence = Sequence::new("wide_spread", kind, symbol, owner)
            .then(MILLISECOND, move |day, _| {
                day.quotes[quote].forced_half_ticks = Some(half);
                day.requote(quote);
            })
            .then(lasts as u64, move |day, _| {
                day.quotes[quote].forced_half_ticks = None;
                day.requote(quote);
            });
        self.stage(day, start, 8, sequence);
    }

    /// A maker restarts its system and is away for less than a minute.
    fn plan_pause(&mut self, day: &mut Day) {
        let Some((symbol, quote, start)) = self.free_quote(day) else {
            return;
        };
        let owner = day.quotes[quote].owner;
        let lasts = day.dice.range(15.0, 45.0) * SECOND as f64;
        let sequence = Sequence::new("wide_spread", "short_absence", symbol, owner)
            .then(MILLISECOND, move |day, _| {
                day.quotes[quote].is_withdrawn = true;
                day.pull_quote(quote);
            })
            .then(lasts as u64, move |day, _| {
                day.quotes[quote].is_withdrawn = false;
                day.requote(quote);
            });
        self.stage(day, start, 6, sequence);
    }

    /// Finds a maker's quote that no other script holds at some time of the day.
    fn free_quote(&mut self, day: &mut Day) -> Option<(usize, usize, u64)> {
        for _ in 0..300 {
            let (symbol, start) = self.quiet_moment(day);
            let quotes = day.quotes_in(symbol);
            let quote = quotes.start + day.dice.index(quotes.len());
            if self.force(quote, start, start + 620 * SECOND) {
                return Some((symbol, quote, start));
            }
        }
        None
    }
}

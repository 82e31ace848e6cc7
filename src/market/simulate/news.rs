//! News and halts: moments when prices move and quotes widen for a good reason.

use crate::simulate::day::{Day, Moment, News, Record, Script, Step};
use crate::simulate::engine::{Phase, Side};
use crate::simulate::session::{CLOSE, MILLISECOND, OPEN, SECOND};

const GOOD: [&str; 4] = [
    "raises its outlook for the year",
    "wins a large supply contract",
    "reports earnings above expectations",
    "announces a share buyback",
];
const BAD: [&str; 4] = [
    "cuts its outlook for the year",
    "recalls a product",
    "reports earnings below expectations",
    "loses its finance chief",
];

/// How long makers stay wide after news.
const NERVOUS: u64 = 150 * SECOND;

/// Publishes a headline, reprices the instrument and lets takers chase it; may end in a halt.
pub(super) struct NewsFlow {
    symbol: usize,
    is_halting: bool,
    turn: u32,
    side: Side,
    started_ns: u64,
}

impl NewsFlow {
    pub(super) fn new(symbol: usize, is_halting: bool) -> Self {
        NewsFlow {
            symbol,
            is_halting,
            turn: 0,
            side: Side::Buy,
            started_ns: 0,
        }
    }

    fn publish(&mut self, day: &mut Day) {
        self.side = day.any_side();
        self.started_ns = day.now();
        let headline = match self.side {
            Side::Buy => *day.dice.choose(&GOOD),
            Side::Sell => *day.dice.choose(&BAD),
        };
        let (at_ns, symbol) = (day.now(), self.symbol);
        day.news.push(News {
            at_ns,
            symbol,
            headline,
            side: self.side,
        });
        let share = if self.is_halting {
            day.dice.range(0.015, 0.025)
        } else {
            day.dice.range(0.003, 0.010)
        };
        let jump = day.value(symbol) * share * self.side.sign() as f64;
        day.shock(symbol, jump);
        day.climates[symbol].nervous_until = at_ns + NERVOUS;
        day.climates[symbol].follow_again_at = at_ns + NERVOUS;
    }

    /// Records that makers were wide for a reason: a decoy for the wide spread rule.
    fn note_wide_makers(&self, day: &mut Day, ended_ns: u64, kind: &'static str) {
        for quote in day.quotes_in(self.symbol) {
            let owner = day.quotes[quote].owner;
            day.decoys.push(Record {
                rule: "wide_spread",
                symbol: self.symbol,
                owner,
                started_ns: self.started_ns,
                ended_ns,
                difficulty: "",
                kind,
            });
        }
    }
}

impl Script for NewsFlow {
    fn step(&mut self, day: &mut Day) -> Step {
        const CHASING_TURNS: u32 = 14;
        const HALT: u64 = 300 * SECOND;
        self.turn += 1;
        match self.turn {
            1 => {
                self.publish(day);
                Step::After(2 * MILLISECOND)
            }
            2 if self.is_halting => {
                day.engine.halt(self.symbol);
                for quote in day.quotes_in(self.symbol) {
                    day.pull_quote(quote);
                }
                Step::After(HALT)
            }
            3 if self.is_halting => {
                day.climates[self.symbol].nervous_until = day.now() + NERVOUS;
                day.engine.resume(self.symbol);
                day.snipe(self.symbol);
                for quote in day.quotes_in(self.symbol) {
                    let delay = day.dice.octaves(MILLISECOND, 20 * MILLISECOND);
                    day.after(delay, Moment::Requote(quote));
                    day.after(delay + 200 * MILLISECOND, Moment::Requote(quote));
                }
                let ended_ns = day.now() + NERVOUS;
                self.note_wide_makers(day, ended_ns, "halt_widening");
                Step::Done
            }
            turn if turn < CHASING_TURNS => {
                if turn < 5 {
                    day.react(self.symbol);
                } else if day.engine.books[self.symbol].phase == Phase::Continuous {
                    day.take_a_little(self.symbol, self.side, 15);
                }
                Step::After(day.dice.octaves(40 * MILLISECOND, 9 * SECOND))
            }
            CHASING_TURNS => {
                Step::After((self.started_ns + NERVOUS).saturating_sub(day.now()) + MILLISECOND)
            }
            _ => {
                for quote in day.quotes_in(self.symbol) {
                    day.requote(quote);
                }
                let ended_ns = day.now();
                self.note_wide_makers(day, ended_ns, "news_widening");
                Step::Done
            }
        }
    }
}

impl Day {
    /// Gives the side that the latest news of an instrument favours.
    pub(super) fn last_news_side(&self, symbol: usize) -> Side {
        self.news
            .iter()
            .rfind(|news| news.symbol == symbol)
            .map_or(Side::Buy, |news| news.side)
    }

    /// Draws a time for news that leaves room for what follows.
    pub(super) fn any_news_time(&mut self) -> u64 {
        let (first, last) = (OPEN + 900 * SECOND, CLOSE - 1_500 * SECOND);
        first + self.dice.below(last - first)
    }
}

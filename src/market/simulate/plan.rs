//! Plan: which episodes, decoys and news happen when, where and by whom.
//!
//! Everything that needs an undisturbed instrument gets a stretch of its day for itself.

use crate::simulate::day::{Day, Script};
use crate::simulate::episodes::{
    Cast, Deception, Difficulty, MomentumIgnition, OrderToTradeRatio, Pattern, QuoteStuffing,
    WashTrade, WideSpread,
};
use crate::simulate::news::NewsFlow;
use crate::simulate::session::{CLOSE, OPEN, SECOND};
use crate::simulate::universe::{Kind, OUTER_MAKERS};

/// Stretches of the day that are taken, and owners in the order they will be staged.
pub(super) struct Plan {
    taken: Vec<Vec<(u64, u64)>>,
    /// Maker, instrument and stretch of forced quotes.
    forced: Vec<(usize, u64, u64)>,
    staged: Vec<usize>,
    next_staged: usize,
    is_thrifty: bool,
    /// Instrument and time of news that no halt follows, yet unused by a decoy.
    news: Vec<(usize, u64)>,
    has_self_match: bool,
    next_outer_maker: usize,
}

const MARGIN: u64 = 45 * SECOND;
const FIRST_START: u64 = OPEN + 420 * SECOND;
const LAST_END: u64 = CLOSE - 240 * SECOND;

impl Plan {
    pub(super) fn new(day: &mut Day, is_thrifty: bool) -> Self {
        let mut staged = day.pools[Kind::Proprietary as usize].clone();
        day.dice.shuffle(&mut staged);
        Plan {
            taken: vec![Vec::new(); day.universe.instruments.len()],
            forced: Vec::new(),
            staged,
            next_staged: 0,
            is_thrifty,
            news: Vec::new(),
            has_self_match: false,
            next_outer_maker: 0,
        }
    }

    pub(super) fn is_thrifty(&self) -> bool {
        self.is_thrifty
    }

    /// Takes news that a decoy may act on.
    pub(super) fn unused_news(&mut self) -> Option<(usize, u64)> {
        self.news.pop()
    }

    /// Says whether the day's one accidental self-match is planned, and plans it.
    ///
    /// Source: 16 self-matches in three simulated hours of a full venue; they are rare.
    pub(super) fn take_self_match(&mut self) -> bool {
        !std::mem::replace(&mut self.has_self_match, true)
    }

    /// Gives an instrument and a maker without a quote of its own there.
    pub(super) fn outer_maker(&mut self, day: &mut Day) -> Option<(usize, usize)> {
        let place = self.next_outer_maker;
        self.next_outer_maker += 1;
        let symbols = self.taken.len();
        let pool = &day.pools[Kind::Maker as usize];
        let outer = &pool[pool.len() - OUTER_MAKERS..];
        (place < symbols * OUTER_MAKERS).then(|| (place % symbols, outer[place / symbols]))
    }

    /// Plans the whole day with so many episodes of every rule.
    pub(super) fn fill(&mut self, day: &mut Day, episodes_per_rule: usize) {
        self.plan_news(day);
        for number in 0..episodes_per_rule {
            let difficulty = Difficulty::ALL[number % 3];
            self.plan_deception(day, Pattern::Spoofing, difficulty);
            self.plan_deception(day, Pattern::Layering, difficulty);
            self.plan_quote_stuffing(day, difficulty);
            self.plan_momentum_ignition(day, difficulty);
            self.plan_wide_spread(day, difficulty);
            self.plan_wash_trade(day, difficulty);
            self.plan_order_to_trade_ratio(day, difficulty);
        }
        self.fill_decoys(day, (episodes_per_rule / 4).max(1));
    }

    /// Takes a free stretch of an instrument's day; gives the instrument and its start.
    pub(super) fn slot(&mut self, day: &mut Day, lasts_ns: u64) -> (usize, u64) {
        let mut found = (0, FIRST_START);
        for _ in 0..300 {
            let symbol = day.dice.index(self.taken.len());
            let start = FIRST_START + day.dice.below(LAST_END - FIRST_START - lasts_ns);
            found = (symbol, start);
            if self.is_free(symbol, start, start + lasts_ns) {
                break;
            }
        }
        let (symbol, start) = found;
        self.taken[symbol].push((start, start + lasts_ns));
        found
    }

    fn is_free(&self, symbol: usize, start: u64, end: u64) -> bool {
        self.taken[symbol]
            .iter()
            .all(|&(from, to)| end + MARGIN < from || to + MARGIN < start)
    }

    /// Gives the next owner to stage, so that each comes once before any comes twice.
    pub(super) fn staged_owner(&mut self) -> usize {
        self.next_staged += 1;
        self.staged[(self.next_staged - 1) % self.staged.len()]
    }

    pub(super) fn add(&self, day: &mut Day, start: u64, rows: u64, script: impl Script + 'static) {
        day.expected_script_rows += rows;
        day.start_script(start, Box::new(script));
    }

    fn plan_news(&mut self, day: &mut Day) {
        let symbols = self.taken.len();
        let halts = (symbols / 10).max(1);
        for number in 0..symbols / 2 + 1 + halts {
            let symbol = day.dice.index(symbols);
            let at = day.any_news_time();
            let is_halting = number < halts;
            // Rules look five minutes around news, and so keep episodes away.
            self.taken[symbol].push((at - 310 * SECOND, at + 800 * SECOND));
            if !is_halting {
                self.news.push((symbol, at));
            }
            self.add(day, at, 30, NewsFlow::new(symbol, is_halting));
        }
    }

    fn plan_deception(&mut self, day: &mut Day, pattern: Pattern, difficulty: Difficulty) {
        let cycles = match difficulty {
            Difficulty::Easy => day.dice.between(1, 3),
            Difficulty::Medium => day.dice.between(1, 2),
            Difficulty::Hard => 1,
        } as u64;
        let (symbol, start) = self.slot(day, cycles * 90 * SECOND);
        let owner = self.staged_owner();
        let cast = Cast {
            symbol,
            owner,
            difficulty,
        };
        let rows = match pattern {
            Pattern::Spoofing => 9,
            Pattern::Layering => 14,
        };
        let script = Deception::new(pattern, cast, cycles as u32);
        self.add(day, start, rows * cycles, script);
    }

    fn plan_quote_stuffing(&mut self, day: &mut Day, difficulty: Difficulty) {
        let (symbol, start) = self.slot(day, 30 * SECOND);
        let owner = self.staged_owner();
        let cast = Cast {
            symbol,
            owner,
            difficulty,
        };
        let rows = match (self.is_thrifty, difficulty) {
            (true, _) => 610,
            (false, Difficulty::Easy) => 2_200,
            (false, Difficulty::Medium) => 1_080,
            (false, Difficulty::Hard) => 800,
        };
        self.add(day, start, rows, QuoteStuffing::new(cast, self.is_thrifty));
    }

    fn plan_momentum_ignition(&mut self, day: &mut Day, difficulty: Difficulty) {
        let (symbol, start) = self.slot(day, 240 * SECOND);
        let owner = self.staged_owner();
        let cast = Cast {
            symbol,
            owner,
            difficulty,
        };
        self.add(day, start, 90, MomentumIgnition::new(cast));
    }

    fn plan_wide_spread(&mut self, day: &mut Day, difficulty: Difficulty) {
        for _ in 0..300 {
            let (symbol, start) = self.quiet_moment(day);
            let quote = day.quotes_in(symbol).start + day.dice.index(day.quotes_in(symbol).len());
            if self.force(quote, start, start + 620 * SECOND) {
                let owner = day.quotes[quote].owner;
                let cast = Cast {
                    symbol,
                    owner,
                    difficulty,
                };
                self.add(day, start, 40, WideSpread::new(cast, quote));
                return;
            }
        }
    }

    /// Draws an instrument and a time with no news around.
    pub(super) fn quiet_moment(&mut self, day: &mut Day) -> (usize, u64) {
        let symbol = day.dice.index(self.taken.len());
        let span = LAST_END - FIRST_START - 620 * SECOND;
        (symbol, FIRST_START + day.dice.below(span))
    }

    /// Reserves a maker's quote; false when it is reserved already or near news.
    pub(super) fn force(&mut self, quote: usize, start: u64, end: u64) -> bool {
        let is_free = self
            .forced
            .iter()
            .all(|&(other, from, to)| other != quote || end + MARGIN < from || to + MARGIN < start);
        if is_free {
            self.forced.push((quote, start, end));
        }
        is_free
    }

    fn plan_wash_trade(&mut self, day: &mut Day, difficulty: Difficulty) {
        let (symbol, start) = self.slot(day, 180 * SECOND);
        let mut owner = self.staged_owner();
        let mut partner = owner;
        if difficulty != Difficulty::Easy {
            while day.universe.linked(owner).len() < 2 {
                owner = self.staged_owner();
            }
            let linked = day.universe.linked(owner);
            partner = *linked
                .iter()
                .find(|&&other| other != owner)
                .unwrap_or(&owner);
        }
        let cast = Cast {
            symbol,
            owner,
            difficulty,
        };
        let pairs = match difficulty {
            Difficulty::Easy => day.dice.between(3, 6),
            Difficulty::Medium => day.dice.between(4, 6),
            Difficulty::Hard => day.dice.between(3, 4),
        } as u32;
        let script = WashTrade::new(cast, partner, pairs);
        self.add(day, start, u64::from(pairs) * 5, script);
    }

    fn plan_order_to_trade_ratio(&mut self, day: &mut Day, difficulty: Difficulty) {
        let symbol = day.dice.index(self.taken.len());
        let latest = CLOSE - 6_600 * SECOND;
        let start = FIRST_START + day.dice.below(latest - FIRST_START);
        // A trade of its own elsewhere in the day would spoil the ratio.
        let owner = self.staged_owner();
        day.pools[Kind::Proprietary as usize].retain(|&other| other != owner);
        let cast = Cast {
            symbol,
            owner,
            difficulty,
        };
        let rows = match difficulty {
            Difficulty::Easy => 1_160,
            Difficulty::Medium => 580,
            Difficulty::Hard => 285,
        };
        self.add(day, start, rows, OrderToTradeRatio::new(cast));
    }
}

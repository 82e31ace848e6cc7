//! Episodes: one script per kind of abuse, acted out against the market through the engine.
//!
//! A script labels itself only when its trade happened; an attempt that the market spoilt is
//! repeated later.

mod momentum_ignition;
mod order_to_trade_ratio;
mod quote_stuffing;
mod spoofing;
mod wash_trade;
mod wide_spread;

pub(super) use momentum_ignition::MomentumIgnition;
pub(super) use order_to_trade_ratio::{OrderToTradeRatio, PERMITTED, ratio};
pub(super) use quote_stuffing::QuoteStuffing;
pub(super) use spoofing::{Deception, Pattern};
pub(super) use wash_trade::WashTrade;
pub(super) use wide_spread::WideSpread;

use crate::simulate::day::{Day, Record, Step};
use crate::simulate::engine::{OrderRef, Phase, Request, Side};
use crate::simulate::random::Dice;
use crate::simulate::session::{CLOSE, SECOND};

/// How near an episode stays to the thresholds that define the abuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difficulty {
    Easy,
    Medium,
    Hard,
}

impl Difficulty {
    pub(super) const ALL: [Difficulty; 3] =
        [Difficulty::Easy, Difficulty::Medium, Difficulty::Hard];

    pub(super) fn word(self) -> &'static str {
        match self {
            Difficulty::Easy => "easy",
            Difficulty::Medium => "medium",
            Difficulty::Hard => "hard",
        }
    }

    /// Draws from the range that belongs to this difficulty.
    pub(super) fn draw(self, dice: &mut Dice, easy: Span, medium: Span, hard: Span) -> f64 {
        let (low, high) = match self {
            Difficulty::Easy => easy,
            Difficulty::Medium => medium,
            Difficulty::Hard => hard,
        };
        dice.range(low, high)
    }
}

/// A range to draw from.
pub(super) type Span = (f64, f64);

/// Whom and where an episode is about.
#[derive(Clone, Copy)]
pub(super) struct Cast {
    pub(super) symbol: usize,
    pub(super) owner: usize,
    pub(super) difficulty: Difficulty,
}

/// Rounds a quantity down to the lot, to one lot at least.
pub(super) fn lots(quantity: f64) -> i64 {
    (quantity as i64 / 10 * 10).max(10)
}

/// Counts how often a script may try again.
pub(super) struct Attempts(u32);

impl Attempts {
    pub(super) fn new() -> Self {
        Attempts(6)
    }

    /// Waits for a better moment, or gives the episode up.
    pub(super) fn again(&mut self, day: &mut Day) -> Step {
        self.0 -= 1;
        if self.0 == 0 || day.now() + 900 * SECOND > CLOSE {
            return Step::Done;
        }
        Step::After(day.dice.octaves(60 * SECOND, 240 * SECOND))
    }
}

impl Day {
    /// Says whether an instrument trades normally: open, two-sided and without news.
    pub(super) fn is_calm(&self, symbol: usize) -> bool {
        let book = &self.engine.books[symbol];
        book.phase == Phase::Continuous
            && self.now() >= self.climates[symbol].nervous_until
            && book.spread().is_some()
    }

    pub(super) fn label(&mut self, rule: &'static str, cast: Cast, started_ns: u64, ended_ns: u64) {
        self.episodes.push(Record {
            rule,
            symbol: cast.symbol,
            owner: cast.owner,
            started_ns,
            ended_ns,
            difficulty: cast.difficulty.word(),
            kind: "",
        });
    }

    /// Rests a limit order of a staged account.
    pub(super) fn rest_order(
        &mut self,
        symbol: usize,
        account: usize,
        side: Side,
        price: i64,
        quantity: i64,
    ) -> OrderRef {
        self.submit(Request {
            symbol,
            account,
            side,
            price: Some(price),
            quantity,
            is_immediate: false,
            is_self_match_allowed: false,
        })
    }

    /// Trades at once up to a limit price, and withdraws what is left.
    pub(super) fn sweep(
        &mut self,
        symbol: usize,
        account: usize,
        side: Side,
        limit: i64,
        quantity: i64,
    ) -> OrderRef {
        self.submit(Request {
            symbol,
            account,
            side,
            price: Some(limit),
            quantity,
            is_immediate: true,
            is_self_match_allowed: false,
        })
    }
}

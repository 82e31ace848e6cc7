//! One side of a book as price levels: quantities added and taken in, rank and depth out.

use crate::event::Side;
use crate::price::Price;

/// The open quantity at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    pub price: Price,
    pub quantity: i64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Grows towards the better price: the price of a bid, the negated price of an ask.
    rank: i64,
    quantity: i64,
    orders: u32,
}

/// The levels of one side, best last.
///
/// Most events touch prices near the best one, so a sorted vector moves few entries and
/// reads the top levels from neighbouring memory.
#[derive(Clone, Debug)]
pub struct Levels {
    side: Side,
    entries: Vec<Entry>,
}

impl Levels {
    pub fn new(side: Side) -> Self {
        Levels {
            side,
            entries: Vec::new(),
        }
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Turns a price into a number that is larger where the price is better.
    pub fn rank(&self, price: Price) -> i64 {
        match self.side {
            Side::Buy => price.units(),
            Side::Sell => -price.units(),
        }
    }

    pub fn best(&self) -> Option<Level> {
        self.entries.last().map(|entry| Level {
            price: match self.side {
                Side::Buy => Price::from_units(entry.rank),
                Side::Sell => Price::from_units(-entry.rank),
            },
            quantity: entry.quantity,
        })
    }

    pub fn add(&mut self, price: Price, quantity: i64) {
        let rank = self.rank(price);
        let at = self.position(rank);
        match self.entries.get_mut(at) {
            Some(entry) if entry.rank == rank => {
                entry.quantity += quantity;
                entry.orders += 1;
            }
            _ => self.entries.insert(
                at,
                Entry {
                    rank,
                    quantity,
                    orders: 1,
                },
            ),
        }
    }

    /// Takes quantity from an order that stays at `price`.
    pub fn reduce(&mut self, price: Price, quantity: i64) {
        let rank = self.rank(price);
        let at = self.position(rank);
        if let Some(entry) = self.entries.get_mut(at)
            && entry.rank == rank
        {
            entry.quantity -= quantity;
        }
    }

    /// Takes a whole order with its last quantity from `price`.
    pub fn remove(&mut self, price: Price, quantity: i64) {
        let rank = self.rank(price);
        let at = self.position(rank);
        if let Some(entry) = self.entries.get_mut(at)
            && entry.rank == rank
        {
            entry.quantity -= quantity;
            entry.orders -= 1;
            if entry.orders == 0 {
                self.entries.remove(at);
            }
        }
    }

    /// Counts the level of a price from 1, the best; 0 when it would be a new best.
    pub fn level(&self, price: Price) -> i32 {
        let rank = self.rank(price);
        let at = self.position(rank);
        if at == self.entries.len() {
            return 0;
        }
        let is_level = self.entries[at].rank == rank;
        let better = self.entries.len() - at - usize::from(is_level);
        i32::try_from(better + 1).unwrap_or(i32::MAX)
    }

    /// Sums the quantity of the best 1, 5 and 10 levels.
    pub fn depth(&self) -> [i64; 3] {
        let mut depth = [0; 3];
        let mut sum = 0;
        for (index, entry) in self.entries.iter().rev().take(10).enumerate() {
            sum += entry.quantity;
            match index {
                0 => depth = [sum; 3],
                1..5 => (depth[1], depth[2]) = (sum, sum),
                _ => depth[2] = sum,
            }
        }
        depth
    }

    /// Sums the quantity of all levels.
    pub fn total(&self) -> i64 {
        self.entries.iter().map(|entry| entry.quantity).sum()
    }

    /// Finds the first entry that is not worse than `rank`.
    fn position(&self, rank: i64) -> usize {
        let near = self.entries.len().saturating_sub(8);
        if self
            .entries
            .get(near)
            .is_some_and(|entry| entry.rank < rank)
        {
            return near + self.entries[near..].partition_point(|entry| entry.rank < rank);
        }
        self.entries.partition_point(|entry| entry.rank < rank)
    }
}

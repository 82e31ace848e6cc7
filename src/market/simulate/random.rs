//! Dice: a seed in, the same draws out on every machine.
//!
//! Only integer arithmetic and IEEE additions, multiplications, divisions and square roots are
//! used, because the results of `ln` or `sin` differ between mathematical libraries.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Draws numbers from one stream of a seed. Streams of the same seed are independent.
pub(super) struct Dice {
    generator: ChaCha8Rng,
}

impl Dice {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Dice { generator }
    }

    /// Draws from `0..bound`; a bound of zero gives zero.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.generator.next_u64()) * u128::from(bound);
        (wide >> 64) as u64
    }

    /// Draws from `low..=high`.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        debug_assert!(low <= high);
        low + self.below((high - low + 1) as u64) as i64
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// Draws from [0, 1) in steps of 2^-53.
    pub(super) fn unit(&mut self) -> f64 {
        (self.generator.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Draws from [`low`, `high`).
    pub(super) fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Draws a waiting time of mean one.
    pub(super) fn exponential(&mut self) -> f64 {
        -natural_log(1.0 - self.unit())
    }

    /// Draws a nearly normal number of mean zero and variance one, never beyond 3.5.
    ///
    /// The sum of four uniform numbers is close enough for price steps, which add up by the
    /// thousand.
    pub(super) fn normal(&mut self) -> f64 {
        let bits = self.generator.next_u64();
        let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
        let centred = sum as f64 / 65_536.0 - 2.0;
        centred * 1.732_050_807_568_877_2
    }

    /// Draws evenly over the logarithms of `low..=high`, in whole octaves with a uniform rest.
    pub(super) fn octaves(&mut self, low: u64, high: u64) -> u64 {
        debug_assert!(0 < low && low <= high);
        let octaves = (high / low).max(1).ilog2() as u64 + 1;
        let start = low << self.below(octaves);
        (start + self.below(start)).min(high)
    }

    pub(super) fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

/// Computes the natural logarithm of a positive normal number to about 1e-10.
fn natural_log(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | (1023 << 52));
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let mut term = ratio;
    let mut sum = 0.0;
    let mut divisor = 1.0;
    while divisor < 21.0 {
        sum += term / divisor;
        term *= square;
        divisor += 2.0;
    }
    2.0 * sum + exponent as f64 * std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_logarithm_agrees_with_the_library() {
        for x in [1e-12, 0.001, 0.1, 0.5, 0.99, 1.0, 1.5, 2.0, 7.3, 1e9] {
            assert!((natural_log(x) - x.ln()).abs() < 1e-9, "{x}");
        }
    }

    #[test]
    fn draws_stay_in_their_ranges_and_have_their_moments() {
        let mut dice = Dice::new(7, 0);
        let (mut wait, mut square) = (0.0, 0.0);
        for _ in 0..20_000 {
            assert!((-3..=5).contains(&dice.between(-3, 5)));
            assert!((10..=1_000).contains(&dice.octaves(10, 1_000)));
            wait += dice.exponential();
            let normal = dice.normal();
            square += normal * normal;
        }
        assert!((wait / 20_000.0 - 1.0).abs() < 0.05);
        assert!((square / 20_000.0 - 1.0).abs() < 0.05);
    }

    #[test]
    fn the_same_seed_gives_the_same_draws_and_another_stream_others() {
        let draw = |seed, stream| {
            let mut dice = Dice::new(seed, stream);
            (0..8).map(|_| dice.below(1 << 40)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
    }
}

//! Session: when the simulated venue trades, and how busy each moment of the day is.
//!
//! Times are nanoseconds after midnight of the trading day, which is in UTC.

pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const MILLISECOND: u64 = 1_000_000;

pub(super) const CALL_BEGINS: u64 = (9 * 3_600 + 25 * 60) * SECOND;
pub(super) const OPEN: u64 = (9 * 3_600 + 30 * 60) * SECOND;
pub(super) const CLOSE: u64 = 16 * 3_600 * SECOND;
pub(super) const CLOSING_UNCROSS: u64 = (16 * 3_600 + 5 * 60) * SECOND;

/// How much busier the first and last moment of the day is than its middle.
///
/// Source: the U shape of intraday volume, as in Jain and Joh (1988), for hourly NYSE volume.
const EDGE_SURPLUS: f64 = 1.8;

/// Gives the rate of activity at a time, relative to the quietest moment.
pub(super) fn intensity(time_ns: u64) -> f64 {
    let x = share_of_day(time_ns) * 2.0 - 1.0;
    1.0 + EDGE_SURPLUS * x * x
}

/// Gives the share of the continuous session's activity that lies after a time.
pub(super) fn activity_left(time_ns: u64) -> f64 {
    let x = share_of_day(time_ns) * 2.0 - 1.0;
    let integral = |x: f64| x + EDGE_SURPLUS * x * x * x / 3.0;
    (integral(1.0) - integral(x)) / (2.0 * integral(1.0))
}

fn share_of_day(time_ns: u64) -> f64 {
    let inside = time_ns.clamp(OPEN, CLOSE) - OPEN;
    inside as f64 / (CLOSE - OPEN) as f64
}

/// Gives the mean of [`intensity`] over the day.
pub(super) fn mean_intensity() -> f64 {
    1.0 + EDGE_SURPLUS / 3.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_runs_from_all_to_nothing() {
        assert!((activity_left(OPEN) - 1.0).abs() < 1e-12);
        assert!(activity_left(CLOSE).abs() < 1e-12);
        assert!(intensity(OPEN) > intensity((OPEN + CLOSE) / 2));
    }
}

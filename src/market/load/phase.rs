//! Session phases: the clock, halts and auctions of one instrument in, the phase out.

use crate::event::{EventType, OrderEvent};
use crate::nanos::{Day, Nanos};

/// How long after the close an uncrossing is awaited before the session counts as closed.
/// Source: Xetra and Euronext uncross five minutes after continuous trading, with extensions.
const CLOSING_AUCTION: i64 = 15 * 60 * Nanos::PER_SECOND;

/// What part of the trading day an event falls in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    PreOpen,
    OpeningAuction,
    Continuous,
    ClosingAuction,
    Closed,
    Halted,
}

impl Phase {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Phase::PreOpen => "pre_open",
            Phase::OpeningAuction => "opening_auction",
            Phase::Continuous => "continuous",
            Phase::ClosingAuction => "closing_auction",
            Phase::Closed => "closed",
            Phase::Halted => "halted",
        }
    }
}

/// One local day of a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DayWindow {
    pub(crate) day: Day,
    pub(crate) start: Nanos,
    pub(crate) end: Nanos,
    /// Open and close; `None` where nobody knows the hours.
    pub(crate) hours: Option<(Nanos, Nanos)>,
}

impl DayWindow {
    pub(crate) fn contains(&self, at: Nanos) -> bool {
        self.start <= at && at < self.end
    }
}

/// What halts and auctions have left behind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PhaseState {
    is_halted: bool,
    call: Option<Phase>,
    outcome: Option<(Phase, Nanos)>,
    is_close_uncrossed: bool,
}

impl PhaseState {
    /// Tells the phase that an event meets.
    pub(crate) fn before(&self, event: &OrderEvent<'_>, window: &DayWindow) -> Phase {
        if event.event_type == EventType::Auction && !self.is_halted && self.call.is_none() {
            return auction_phase(event.at, window);
        }
        self.now(event.at, window)
    }

    /// Tells the phase at a moment.
    pub(crate) fn now(&self, at: Nanos, window: &DayWindow) -> Phase {
        if self.is_halted {
            return Phase::Halted;
        }
        let outcome = self.outcome.filter(|(_, uncrossed_at)| *uncrossed_at == at);
        if let Some(auction) = self.call.or(outcome.map(|(phase, _)| phase)) {
            return auction;
        }
        let Some((open, close)) = window.hours else {
            return Phase::Continuous;
        };
        if at < open {
            Phase::PreOpen
        } else if at < close {
            Phase::Continuous
        } else if at.0 < close.0 + CLOSING_AUCTION && !self.is_close_uncrossed {
            Phase::ClosingAuction
        } else {
            Phase::Closed
        }
    }

    /// Lets an event change the phase of what follows.
    pub(crate) fn follow(&mut self, event: &OrderEvent<'_>, window: &DayWindow) {
        match event.event_type {
            EventType::Halt => self.is_halted = true,
            EventType::Resume => self.is_halted = false,
            EventType::Auction => {
                let phase = auction_phase(event.at, window);
                if event.quantity.is_some_and(|quantity| quantity > 0) {
                    self.call = None;
                    self.outcome = Some((phase, event.at));
                    self.is_close_uncrossed |=
                        window.hours.is_some_and(|(_, close)| event.at >= close);
                } else {
                    self.call = Some(phase);
                }
            }
            _ => {}
        }
    }
}

/// Takes an auction for the opening or the closing one, whichever end of the day is nearer.
fn auction_phase(at: Nanos, window: &DayWindow) -> Phase {
    let (from, to) = window.hours.unwrap_or((window.start, window.end));
    if at.0 - from.0 < to.0 - at.0 {
        Phase::OpeningAuction
    } else {
        Phase::ClosingAuction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600 * Nanos::PER_SECOND;
    const WINDOW: DayWindow = DayWindow {
        day: Day(0),
        start: Nanos(0),
        end: Nanos(24 * HOUR),
        hours: Some((Nanos(9 * HOUR), Nanos(16 * HOUR))),
    };

    fn event(at: i64, event_type: EventType, quantity: Option<i64>) -> OrderEvent<'static> {
        OrderEvent {
            quantity,
            ..OrderEvent::new(Nanos(at), "X", "A", event_type)
        }
    }

    #[test]
    fn a_day_goes_through_its_phases() {
        let mut state = PhaseState::default();
        for (at, kind, quantity, expected) in [
            (8 * HOUR, EventType::New, None, "pre_open"),
            (9 * HOUR, EventType::Auction, Some(5), "opening_auction"),
            (9 * HOUR, EventType::Execute, Some(5), "opening_auction"),
            (9 * HOUR + 1, EventType::New, None, "continuous"),
            (10 * HOUR, EventType::Halt, None, "continuous"),
            (10 * HOUR + 1, EventType::Cancel, None, "halted"),
            (11 * HOUR, EventType::Resume, None, "halted"),
            (11 * HOUR + 1, EventType::Auction, None, "opening_auction"),
            (11 * HOUR + 2, EventType::New, None, "opening_auction"),
            (
                11 * HOUR + 3,
                EventType::Auction,
                Some(7),
                "opening_auction",
            ),
            (11 * HOUR + 4, EventType::New, None, "continuous"),
            (16 * HOUR, EventType::New, None, "closing_auction"),
            (
                16 * HOUR + 1,
                EventType::Auction,
                Some(9),
                "closing_auction",
            ),
            (16 * HOUR + 2, EventType::New, None, "closed"),
        ] {
            let event = event(at, kind, quantity);
            let phase = state.before(&event, &WINDOW);
            state.follow(&event, &WINDOW);
            assert_eq!(phase.as_str(), expected, "{kind} at {at}");
        }
    }
}

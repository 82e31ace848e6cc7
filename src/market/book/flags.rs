//! What makes an event contradict the book it met; kept beside the event, never repaired.

/// A set of quality flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u16);

macro_rules! flags {
    ($($(#[$doc:meta])* $constant:ident = $bit:literal, $name:literal;)*) => {
        impl Flags {
            $($(#[$doc])* pub const $constant: Flags = Flags(1 << $bit);)*

            /// Every flag with its name in `quality_flags`.
            const NAMED: &[(Flags, &str)] = &[$((Flags::$constant, $name)),*];
        }
    };
}

flags! {
    /// The order never entered the book that the load has seen.
    UNKNOWN_ORDER = 0, "unknown_order";
    /// The order was filled or withdrawn before.
    CLOSED_ORDER = 1, "closed_order";
    /// A new order carries an id that another order has or had.
    DUPLICATE_ORDER_ID = 2, "duplicate_order_id";
    /// A trade's id came before on the same side.
    DUPLICATE_TRADE = 3, "duplicate_trade";
    /// More was executed than the order had left.
    OVERFILL = 4, "overfill";
    /// More was withdrawn than the order had left.
    OVERCANCEL = 5, "overcancel";
    /// The event's side is not the order's.
    SIDE_MISMATCH = 6, "side_mismatch";
    /// An execution at a price worse than the order's limit.
    PRICE_OUTSIDE_LIMIT = 7, "price_outside_limit";
    /// In continuous trading the best bid stands at or above the best ask.
    CROSSED = 8, "crossed";
    /// The event is older than one of its instrument that came before.
    OUT_OF_ORDER = 9, "out_of_order";
    /// The price is no multiple of the instrument's tick.
    OFF_TICK = 10, "off_tick";
    /// There are reference data, and the instrument is not in them.
    UNKNOWN_INSTRUMENT = 11, "unknown_instrument";
    /// An order was executed while trading was halted.
    TRADE_IN_HALT = 12, "trade_in_halt";
}

impl Flags {
    pub fn set(&mut self, flag: Flags) {
        self.0 |= flag.0;
    }

    pub fn set_if(&mut self, is_set: bool, flag: Flags) {
        if is_set {
            self.set(flag);
        }
    }

    pub fn has(self, flag: Flags) -> bool {
        self.0 & flag.0 == flag.0
    }

    /// True when the flag with this number, counted as in [`Flags::name`], is set.
    pub fn has_number(self, number: usize) -> bool {
        self.0 >> number & 1 == 1
    }

    /// The name of the flag with a number, or `None` past the last one.
    pub fn name(number: usize) -> Option<&'static str> {
        Flags::NAMED.get(number).map(|(_, name)| *name)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// The names of the flags that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Flags::NAMED
            .iter()
            .filter(move |(flag, _)| self.has(*flag))
            .map(|(_, name)| *name)
    }
}

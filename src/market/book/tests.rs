//! Laws of the book, checked on random streams against a naive recomputation.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const CONTINUOUS: Moment = Moment {
    is_continuous: true,
    account: 0,
};

fn event(event_type: EventType, order_id: &str) -> OrderEvent<'_> {
    OrderEvent {
        order_id,
        ..OrderEvent::new(Nanos(0), "X", "A", event_type)
    }
}

fn new(order_id: &str, side: Side, price: i64, quantity: i64) -> OrderEvent<'_> {
    OrderEvent {
        side: Some(side),
        price: Some(Price::from_units(price)),
        quantity: Some(quantity),
        order_type: "limit",
        ..event(EventType::New, order_id)
    }
}

fn execute(order_id: &str, price: i64, quantity: i64) -> OrderEvent<'_> {
    OrderEvent {
        price: Some(Price::from_units(price)),
        quantity: Some(quantity),
        ..event(EventType::Execute, order_id)
    }
}

type Top = Option<(i64, i64)>;

fn best(book: &Book) -> (Top, Top) {
    let pair = |level: Option<Level>| level.map(|level| (level.price.units(), level.quantity));
    (pair(book.bbo().bid), pair(book.bbo().ask))
}

#[test]
fn the_rest_of_a_marketable_order_stands_only_after_its_fills() {
    let mut book = Book::default();
    book.apply(&new("a", Side::Sell, 101, 5), CONTINUOUS);
    book.apply(&new("b", Side::Buy, 101, 8), CONTINUOUS);
    assert_eq!(best(&book), (None, Some((101, 5))));
    let resting = book.apply(&execute("a", 101, 5), CONTINUOUS);
    assert_eq!(resting.leaves, Some(0));
    assert_eq!(best(&book), (None, None));
    let aggressor = book.apply(&execute("b", 101, 5), CONTINUOUS);
    assert_eq!(aggressor.leaves, Some(3));
    assert_eq!(best(&book), (Some((101, 3)), None));
}

#[test]
fn a_marketable_order_that_never_trades_is_flagged_on_what_follows() {
    let mut book = Book::default();
    book.apply(&new("a", Side::Sell, 101, 5), CONTINUOUS);
    book.apply(&new("b", Side::Buy, 102, 8), CONTINUOUS);
    let next = book.apply(&new("c", Side::Buy, 90, 1), CONTINUOUS);
    assert!(next.flags.has(Flags::CROSSED));
}

#[test]
fn immediate_and_market_orders_never_show() {
    let mut book = Book::default();
    let immediate = OrderEvent {
        time_in_force: "ioc",
        ..new("a", Side::Buy, 100, 5)
    };
    assert_eq!(book.apply(&immediate, CONTINUOUS).leaves, Some(5));
    assert_eq!(best(&book), (None, None));
    let gone = book.apply(&event(EventType::Cancel, "a"), CONTINUOUS);
    assert_eq!((gone.leaves, gone.flags), (Some(0), Flags::default()));
}

#[test]
fn levels_count_from_the_best_and_zero_improves_it() {
    let mut book = Book::default();
    for (id, price) in [("a", 100), ("b", 98), ("c", 96)] {
        book.apply(&new(id, Side::Buy, price, 1), CONTINUOUS);
    }
    for (price, level, distance) in [
        (101, 0, -1),
        (100, 1, 0),
        (99, 2, 1),
        (98, 2, 2),
        (1, 4, 99),
    ] {
        let mut probe = Book::default();
        for (id, price) in [("a", 100), ("b", 98), ("c", 96)] {
            probe.apply(&new(id, Side::Buy, price, 1), CONTINUOUS);
        }
        let stamp = probe.apply(&new("d", Side::Buy, price, 1), CONTINUOUS);
        assert_eq!(
            (stamp.order_level, stamp.distance),
            (Some(level), Some(distance))
        );
    }
}

#[test]
fn contradictions_are_flagged_and_change_nothing() {
    let mut book = Book::default();
    book.apply(&new("a", Side::Buy, 100, 5), CONTINUOUS);
    let flags = |stamp: Stamp| stamp.flags.names().collect::<Vec<_>>();
    assert_eq!(
        flags(book.apply(&execute("z", 100, 1), CONTINUOUS)),
        ["unknown_order"]
    );
    assert_eq!(
        flags(book.apply(&new("a", Side::Buy, 101, 9), CONTINUOUS)),
        ["duplicate_order_id"]
    );
    assert_eq!(best(&book), (Some((100, 5)), None));
    assert_eq!(
        flags(book.apply(&execute("a", 101, 6), CONTINUOUS)),
        ["overfill", "price_outside_limit"]
    );
    assert_eq!(
        flags(book.apply(&event(EventType::Cancel, "a"), CONTINUOUS)),
        ["closed_order"]
    );
    assert_eq!(best(&book), (None, None));
}

#[test]
fn priority_is_lost_by_price_or_more_quantity_only() {
    let mut book = Book::default();
    book.apply(&new("a", Side::Buy, 100, 5), CONTINUOUS);
    let modify = |price, quantity| OrderEvent {
        price: Some(Price::from_units(price)),
        quantity: Some(quantity),
        ..event(EventType::Modify, "a")
    };
    assert_eq!(
        book.apply(&modify(100, 3), CONTINUOUS).is_priority_lost,
        Some(false)
    );
    assert_eq!(
        book.apply(&modify(100, 4), CONTINUOUS).is_priority_lost,
        Some(true)
    );
    assert_eq!(
        book.apply(&modify(99, 4), CONTINUOUS).is_priority_lost,
        Some(true)
    );
    assert_eq!(best(&book), (Some((99, 4)), None));
}

/// One step of a random stream; ids are drawn from few so that they meet.
#[derive(Clone, Debug)]
enum Step {
    New(u8, bool, i64, i64),
    Modify(u8, i64, i64),
    Cancel(u8, i64),
    Execute(u8, i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<u8>(), any::<bool>(), 1..40i64, 1..50i64)
            .prop_map(|(id, is_buy, price, quantity)| Step::New(id, is_buy, price, quantity)),
        1 => (any::<u8>(), 1..40i64, 0..50i64).prop_map(|(id, p, q)| Step::Modify(id, p, q)),
        2 => (any::<u8>(), 1..60i64).prop_map(|(id, q)| Step::Cancel(id, q)),
        2 => (any::<u8>(), 1..60i64).prop_map(|(id, q)| Step::Execute(id, q)),
    ]
}

/// Bids stay below 40 and asks above, so that the stream is one a venue could send.
fn price_of(side: Side, price: i64) -> i64 {
    match side {
        Side::Buy => price,
        Side::Sell => price + 40,
    }
}

/// The open orders as a plain map, with every level summed anew for each question.
#[derive(Default)]
struct Naive(BTreeMap<String, (Side, i64, i64)>);

impl Naive {
    fn levels(&self, side: Side) -> Vec<(i64, i64)> {
        let mut levels = BTreeMap::new();
        for (_, price, quantity) in self.0.values().filter(|order| order.0 == side) {
            *levels.entry(*price).or_insert(0) += quantity;
        }
        let mut levels: Vec<_> = levels.into_iter().collect();
        if side == Side::Buy {
            levels.reverse();
        }
        levels
    }

    fn depth(&self, side: Side) -> [i64; 3] {
        let levels = self.levels(side);
        [1, 5, 10].map(|top| levels.iter().take(top).map(|level| level.1).sum())
    }
}

proptest! {
    #[test]
    fn the_book_agrees_with_a_naive_recomputation(steps in prop::collection::vec(step(), 1..300)) {
        let mut book = Book::default();
        let mut naive = Naive::default();
        let mut entered = 0;
        let mut gone = 0;
        for step in steps {
            let before = [naive.depth(Side::Buy), naive.depth(Side::Sell)];
            let stamp = match step {
                Step::New(id, is_buy, price, quantity) => {
                    let side = if is_buy { Side::Buy } else { Side::Sell };
                    let (id, price) = (id.to_string(), price_of(side, price));
                    if !naive.0.contains_key(&id) {
                        naive.0.insert(id.clone(), (side, price, quantity));
                        entered += quantity;
                    }
                    book.apply(&new(&id, side, price, quantity), CONTINUOUS)
                }
                Step::Modify(id, price, quantity) => {
                    let id = id.to_string();
                    let side = naive.0.get(&id).map_or(Side::Buy, |order| order.0);
                    let price = price_of(side, price);
                    if let Some(order) = naive.0.remove(&id) {
                        entered += quantity - order.2;
                        if quantity > 0 {
                            naive.0.insert(id.clone(), (side, price, quantity));
                        }
                    }
                    let change = OrderEvent {
                        price: Some(Price::from_units(price)),
                        quantity: Some(quantity),
                        ..event(EventType::Modify, &id)
                    };
                    book.apply(&change, CONTINUOUS)
                }
                Step::Cancel(id, quantity) | Step::Execute(id, quantity) => {
                    let id = id.to_string();
                    let is_cancel = matches!(step, Step::Cancel(..));
                    if let Some(order) = naive.0.get_mut(&id) {
                        let taken = quantity.min(order.2);
                        order.2 -= taken;
                        gone += taken;
                        if order.2 == 0 {
                            naive.0.remove(&id);
                        }
                    }
                    let kind = if is_cancel { EventType::Cancel } else { EventType::Execute };
                    let take = OrderEvent { quantity: Some(quantity), ..event(kind, &id) };
                    book.apply(&take, CONTINUOUS)
                }
            };
            prop_assert_eq!([stamp.depth_bid, stamp.depth_ask], before);
            prop_assert!(!stamp.flags.has(Flags::CROSSED));
            prop_assert!(!book.bbo().is_crossed());
            for side in [Side::Buy, Side::Sell] {
                let top = naive.levels(side).first().copied();
                let have = book.levels(side).best().map(|best| (best.price.units(), best.quantity));
                prop_assert_eq!(have, top);
            }
            let open: i64 = book.orders.iter().map(|order| order.leaves).sum();
            prop_assert_eq!(open, entered - gone);
            let shown = book.levels(Side::Buy).total() + book.levels(Side::Sell).total();
            prop_assert_eq!(shown, open);
        }
    }
}

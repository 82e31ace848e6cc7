//! The live orders of one instrument by id, and a memory of the ids that are gone.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::FixedState;

use crate::event::Side;
use crate::nanos::Nanos;
use crate::price::Price;

/// Ids up to this many bytes are held without an allocation.
const INLINE_BYTES: usize = 22;

/// An order's id, owned.
#[derive(Clone, Debug)]
pub enum OrderId {
    Inline(u8, [u8; INLINE_BYTES]),
    Heap(Box<[u8]>),
}

impl OrderId {
    pub fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut inline = [0; INLINE_BYTES];
        match inline.get_mut(..bytes.len()) {
            Some(start) => {
                start.copy_from_slice(bytes);
                OrderId::Inline(bytes.len() as u8, inline)
            }
            None => OrderId::Heap(bytes.into()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            OrderId::Inline(length, inline) => &inline[..usize::from(*length)],
            OrderId::Heap(bytes) => bytes,
        }
    }

    pub fn is(&self, text: &str) -> bool {
        self.bytes() == text.as_bytes()
    }
}

impl PartialEq for OrderId {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for OrderId {}

impl Hash for OrderId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

impl Borrow<[u8]> for OrderId {
    fn borrow(&self) -> &[u8] {
        self.bytes()
    }
}

/// A live order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub side: Side,
    /// `None` for a market order.
    pub price: Option<Price>,
    pub leaves: i64,
    pub entered: Nanos,
    /// Stands in the interner of the load; 0 is nobody.
    pub account: u32,
    /// False for what never rests: market, stop and immediate orders.
    pub can_rest: bool,
    /// True while its quantity is part of its level.
    pub is_displayed: bool,
}

/// The orders of one instrument on one trading day.
#[derive(Debug, Default)]
pub struct Orders {
    live: HashMap<OrderId, Order, FixedState>,
    /// Hashes of the ids that were filled or withdrawn. Eight bytes an id keep a busy day
    /// small; two of 50 million ids share a hash with a chance of 1 in 10,000, and then an
    /// order is flagged, nothing more.
    closed: HashSet<u64, FixedState>,
}

impl Orders {
    pub fn clear(&mut self) {
        self.live.clear();
        self.closed.clear();
    }

    pub fn get(&self, id: &str) -> Option<&Order> {
        self.live.get(id.as_bytes())
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut Order> {
        self.live.get_mut(id.as_bytes())
    }

    pub fn by_id_mut(&mut self, id: &OrderId) -> Option<&mut Order> {
        self.live.get_mut(id)
    }

    pub fn is_closed(&self, id: &str) -> bool {
        self.closed.contains(&hash_of(id))
    }

    pub fn insert(&mut self, id: &str, order: Order) {
        self.live.insert(OrderId::new(id), order);
    }

    pub fn close(&mut self, id: &str) {
        self.live.remove(id.as_bytes());
        self.remember_closed(id);
    }

    pub fn remember_closed(&mut self, id: &str) {
        self.closed.insert(hash_of(id));
    }

    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        self.live.values()
    }
}

/// Hashes a text the same way in every run.
pub fn hash_of(text: &str) -> u64 {
    FixedState::default().hash_one(text.as_bytes())
}

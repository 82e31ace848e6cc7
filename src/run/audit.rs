//! Audit: the data tests of a relation run before anybody reads it.
//!
//! In `build`, the worker that builds a node also runs the tests that hang on it alone, against
//! what it built and has not published yet. When one fails, nothing is published.

use std::cell::Cell;
use std::sync::Arc;

use crate::parse::{Node, ResourceType};
use crate::relation::Relation;

/// What is done with all tests before the first of them; the relation stands in as in `perform`.
pub(super) type Prepare<'a> = dyn Fn(&[Arc<Node>], Option<&Relation>) + 'a;

/// Runs a test and says whether the node may be published as far as it is concerned. The relation
/// stands in for the node's own; without one the node's own is read. True for a test that runs
/// again with its node, and is told already.
pub(super) type Perform<'a> = dyn Fn(&Arc<Node>, Option<&Relation>, bool) -> Heard + 'a;

/// The tests of one node, and how to run one of them.
pub(super) struct Audit<'a> {
    pub tests: &'a [Arc<Node>],
    /// Finds out together what can be found out together, before the first of them is run.
    pub prepare: &'a Prepare<'a>,
    pub perform: &'a Perform<'a>,
    /// How many tests were run, in order.
    done: Cell<usize>,
    /// How many tests were run in an earlier attempt, and are told.
    told: Cell<usize>,
    has_objected: Cell<bool>,
}

/// What became of one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Content,
    Objection,
    /// The run was stopped before the test.
    Nothing,
    /// The connection was lost, and nothing is told.
    Lost,
}

/// Whether a relation may be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Publish,
    /// Published later, with the rest of the run.
    Later,
    /// Not published, because of these tests.
    Reject(Vec<String>),
}

impl<'a> Audit<'a> {
    pub(super) fn new(
        tests: &'a [Arc<Node>],
        prepare: &'a Prepare<'a>,
        perform: &'a Perform<'a>,
    ) -> Audit<'a> {
        Audit {
            tests,
            prepare,
            perform,
            done: Cell::new(0),
            told: Cell::new(0),
            has_objected: Cell::new(false),
        }
    }

    /// For what is published, or only shown, without tests.
    pub(super) fn none() -> Audit<'static> {
        Audit::new(&[], &|_, _| {}, &|_, _, _| Heard::Content)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Runs every test that has not run yet, also after one has failed. `None` where the connection
    /// was lost before they had ended.
    pub(super) fn verdict(&self, stand_in: Option<&Relation>) -> Option<Verdict> {
        let mut objections = Vec::new();
        (self.prepare)(self.left(), stand_in);
        for test in self.left() {
            match (self.perform)(test, stand_in, self.done.get() < self.told.get()) {
                Heard::Content => {}
                Heard::Objection => {
                    self.has_objected.set(true);
                    objections.push(test.name.clone());
                }
                Heard::Lost => return None,
                Heard::Nothing => {
                    objections.push(format!("{} was not run", test.name));
                    break;
                }
            }
            self.done.set(self.done.get() + 1);
        }
        Some(if objections.is_empty() {
            Verdict::Publish
        } else {
            Verdict::Reject(objections)
        })
    }

    /// True where a test has failed.
    pub(super) fn has_objected(&self) -> bool {
        self.has_objected.get()
    }

    /// Lets the tests run again on what is built again. What they found is told already.
    pub(super) fn begin_again(&self) {
        self.told.set(self.told());
        self.done.set(0);
    }

    /// How many tests are told.
    pub(super) fn told(&self) -> usize {
        self.told.get().max(self.done.get())
    }

    /// The tests that are not told.
    pub(super) fn untold(&self) -> &[Arc<Node>] {
        &self.tests[self.told()..]
    }

    fn left(&self) -> &[Arc<Node>] {
        &self.tests[self.done.get()..]
    }
}

/// True for a node that is tested before it is published: what msv builds aside, or inside one
/// transaction.
pub(super) fn is_audited(node: &Node) -> bool {
    match node.resource_type {
        ResourceType::Seed | ResourceType::Snapshot => true,
        ResourceType::Model => match node.config.materialized() {
            "view" | "table" => true,
            "incremental" => !node.is_microbatch(),
            _ => false,
        },
        _ => false,
    }
}

/// True where the test can run before the node is published. Failing rows kept as a view would hang
/// on what is not published; kept as a table, they would be rolled back with the transaction that
/// changes the node in place.
pub(super) fn fits(test: &Node, node: &Node) -> bool {
    let is_changed_in_place =
        node.resource_type == ResourceType::Snapshot || node.config.materialized() == "incremental";
    match test.config.str("store_failures_as") {
        Some("ephemeral") => true,
        Some("view") => false,
        Some("table") => !is_changed_in_place,
        _ => !is_changed_in_place || !test.config.bool("store_failures").unwrap_or(false),
    }
}

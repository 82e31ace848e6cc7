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

/// The tests of one node, and how to run one of them.
pub(super) struct Audit<'a> {
    pub tests: &'a [Arc<Node>],
    /// Finds out together what can be found out together, before the first of them is run.
    pub prepare: &'a Prepare<'a>,
    /// Runs a test and says whether the node may be published as far as it is concerned. The
    /// relation stands in for the node's own; without one the node's own is read.
    pub perform: &'a dyn Fn(&Arc<Node>, Option<&Relation>) -> Heard,
    /// How many tests were run, in order.
    pub done: Cell<usize>,
}

/// What became of one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Content,
    Objection,
    /// The run was stopped before the test.
    Nothing,
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

impl Audit<'_> {
    /// For what is published, or only shown, without tests.
    pub(super) fn none() -> Audit<'static> {
        Audit {
            tests: &[],
            prepare: &|_, _| {},
            perform: &|_, _| Heard::Content,
            done: Cell::new(0),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Runs every test that has not run yet, also after one has failed.
    pub(super) fn verdict(&self, stand_in: Option<&Relation>) -> Verdict {
        let mut objections = Vec::new();
        (self.prepare)(self.left(), stand_in);
        for test in self.left() {
            match (self.perform)(test, stand_in) {
                Heard::Content => {}
                Heard::Objection => objections.push(test.name.clone()),
                Heard::Nothing => {
                    objections.push(format!("{} was not run", test.name));
                    break;
                }
            }
            self.done.set(self.done.get() + 1);
        }
        if objections.is_empty() {
            Verdict::Publish
        } else {
            Verdict::Reject(objections)
        }
    }

    /// True while no test has run.
    pub(super) fn is_untouched(&self) -> bool {
        self.done.get() == 0
    }

    /// The tests that were not run.
    pub(super) fn left(&self) -> &[Arc<Node>] {
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

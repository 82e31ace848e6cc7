//! Link: declarations in, dependency graph out.
//!
//! 1. Replace each recorded `ref` and `source` by the node it names ([`link`]).
//! 2. Order the nodes, or show the cycle ([`dag`]).
//! 3. Pick nodes by the selector language ([`selector`]).
//!
//! Rendering is not done here: a linked node still holds its template.

use indexmap::IndexMap;

use crate::parse::{Node, UniqueId};

/// All enabled nodes of a project with their edges.
///
/// `nodes` is in declaration order; `depends_on_nodes` of each node names its parents.
#[derive(Debug, Default)]
pub struct Graph {
    pub nodes: IndexMap<UniqueId, Node>,
    pub disabled: Vec<Node>,
}

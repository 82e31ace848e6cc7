//! The edges between nodes: neighbours, relatives up to a depth, topological order.
//!
//! A node is its position in [`Graph::nodes`](super::Graph), so that declaration order breaks
//! every tie.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use std::sync::Arc;

use indexmap::IndexMap;
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};

use msv_parse::{Node, UniqueId};

/// A directed graph from parent to child.
#[derive(Debug, Default)]
pub struct Dag {
    edges: DiGraph<(), ()>,
}

impl Dag {
    /// Builds the edges out of `depends_on_nodes`; parents outside `nodes` have no edge.
    pub fn new(nodes: &IndexMap<UniqueId, Arc<Node>>) -> Dag {
        let edge_count = nodes.values().map(|node| node.depends_on_nodes.len()).sum();
        let mut edges = DiGraph::with_capacity(nodes.len(), edge_count);
        for _ in 0..nodes.len() {
            edges.add_node(());
        }
        for (child, node) in nodes.values().enumerate() {
            for parent in &node.depends_on_nodes {
                if let Some(parent) = nodes.get_index_of(parent) {
                    edges.add_edge(NodeIndex::new(parent), NodeIndex::new(child), ());
                }
            }
        }
        Dag { edges }
    }

    pub fn len(&self) -> usize {
        self.edges.node_count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Direct parents, in the order in which the node asks for them.
    pub fn parents(&self, at: usize) -> Vec<usize> {
        self.neighbours(at, Direction::Incoming)
    }

    /// Direct children, in declaration order.
    pub fn children(&self, at: usize) -> Vec<usize> {
        self.neighbours(at, Direction::Outgoing)
    }

    /// petgraph yields the newest edge first; the reverse is the order of insertion.
    fn neighbours(&self, at: usize, direction: Direction) -> Vec<usize> {
        let mut found: Vec<usize> = self
            .edges
            .neighbors_directed(NodeIndex::new(at), direction)
            .map(NodeIndex::index)
            .collect();
        found.reverse();
        found
    }

    /// Everything `from` depends on, at most `depth` steps away; `None` means any distance.
    pub fn ancestors(
        &self,
        from: impl IntoIterator<Item = usize>,
        depth: Option<usize>,
    ) -> HashSet<usize> {
        self.relatives(from, depth, Direction::Incoming)
    }

    /// Everything that depends on `from`, at most `depth` steps away.
    pub fn descendants(
        &self,
        from: impl IntoIterator<Item = usize>,
        depth: Option<usize>,
    ) -> HashSet<usize> {
        self.relatives(from, depth, Direction::Outgoing)
    }

    fn relatives(
        &self,
        from: impl IntoIterator<Item = usize>,
        depth: Option<usize>,
        direction: Direction,
    ) -> HashSet<usize> {
        let mut found = HashSet::new();
        let mut layer: Vec<usize> = from.into_iter().collect();
        let mut distance = 0;
        while !layer.is_empty() && depth.is_none_or(|depth| distance < depth) {
            let mut next = Vec::new();
            for at in layer {
                for other in self.edges.neighbors_directed(NodeIndex::new(at), direction) {
                    if found.insert(other.index()) {
                        next.push(other.index());
                    }
                }
            }
            layer = next;
            distance += 1;
        }
        found
    }

    /// Parents before children; among those that could come next, the first declared.
    ///
    /// Nodes of a cycle are left out, so the result is shorter than the graph when there is one.
    pub fn topological_order(&self) -> Vec<usize> {
        let mut waits_for: Vec<usize> = self
            .edges
            .node_indices()
            .map(|at| {
                self.edges
                    .neighbors_directed(at, Direction::Incoming)
                    .count()
            })
            .collect();
        let mut ready: BinaryHeap<Reverse<usize>> = waits_for
            .iter()
            .enumerate()
            .filter(|(_, count)| **count == 0)
            .map(|(at, _)| Reverse(at))
            .collect();
        let mut order = Vec::with_capacity(waits_for.len());
        while let Some(Reverse(at)) = ready.pop() {
            order.push(at);
            for child in self.edges.neighbors(NodeIndex::new(at)) {
                let count = &mut waits_for[child.index()];
                *count -= 1;
                if *count == 0 {
                    ready.push(Reverse(child.index()));
                }
            }
        }
        order
    }

    /// Groups of nodes that depend on each other in a circle, each in declaration order.
    pub fn cycles(&self) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = petgraph::algo::tarjan_scc(&self.edges)
            .into_iter()
            .filter(|group| {
                group.len() > 1
                    || group
                        .first()
                        .is_some_and(|at| self.edges.contains_edge(*at, *at))
            })
            .map(|group| {
                let mut group: Vec<usize> = group.into_iter().map(NodeIndex::index).collect();
                group.sort_unstable();
                group
            })
            .collect();
        groups.sort_unstable();
        groups
    }
}

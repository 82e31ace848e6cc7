//! The nodes a command will execute, and which must wait for which.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexSet;

use crate::graph::Graph;
use crate::parse::{Node, ResourceType, UniqueId};

use super::audit::{fits, is_audited};
use super::fused_tests::is_candidate;

/// Nodes by index, with edges that hold between them directly or through nodes left out.
#[derive(Debug, Default)]
pub struct Plan {
    pub nodes: Vec<Arc<Node>>,
    /// The tests that are run with a node, before it is published; behind a test those of the same
    /// relation that may share a scan with it.
    pub audits: Vec<Vec<Arc<Node>>>,
    /// Indexes of the nodes that wait for this one.
    pub children: Vec<Vec<usize>>,
    pub parent_count: Vec<usize>,
    /// Nodes on the longest chain that starts here; the scheduler takes the largest first.
    pub remaining_path: Vec<usize>,
    /// True for tests that name nothing they read, such as those of a schema's content: they wait
    /// for all other nodes, whatever becomes of these.
    pub comes_last: Vec<bool>,
}

impl Plan {
    /// Plans `selected` nodes of the graph, in the graph's order.
    ///
    /// With `tests_gate_children` (as `build` has it) data tests that hang on one node alone are
    /// run with it; the children of several nodes also wait for the tests over them, and a model
    /// waits for its unit tests.
    ///
    /// With `fuses_tests` those that may share a scan are run one after the other.
    pub fn new(
        graph: &Graph,
        selected: &IndexSet<UniqueId>,
        tests_gate_children: bool,
        fuses_tests: bool,
    ) -> Plan {
        let nodes = executable_nodes(graph, selected);
        let index: HashMap<&str, usize> = nodes
            .iter()
            .enumerate()
            .map(|(at, node)| (node.unique_id.as_str(), at))
            .collect();
        let mut parents: Vec<IndexSet<usize>> = Vec::with_capacity(nodes.len());
        let mut memo = HashMap::new();
        for node in &nodes {
            let mut found = IndexSet::new();
            for parent in scheduling_parents(graph, node) {
                found.extend(planned_at_or_above(
                    graph,
                    parent.as_str(),
                    &index,
                    &mut memo,
                ));
            }
            parents.push(found);
        }
        if !tests_gate_children {
            let hosts = if fuses_tests {
                sharing_tests(&nodes)
            } else {
                vec![None; nodes.len()]
            };
            let (nodes, parents, audits) = absorb(nodes, parents, &hosts);
            return Plan {
                audits,
                ..Plan::from_parents(nodes, parents)
            };
        }
        let hosts = audited_nodes(graph, &nodes, &index, &parents);
        let (nodes, mut parents, audits) = absorb(nodes, parents, &hosts);
        let index = nodes
            .iter()
            .enumerate()
            .map(|(at, node)| (node.unique_id.as_str(), at))
            .collect();
        add_test_gates(&nodes, &index, &mut parents);
        Plan {
            audits,
            ..Plan::from_parents(nodes, parents)
        }
    }

    /// Plans nodes that wait for nothing: they are views on what was built elsewhere.
    pub fn independent(graph: &Graph, selected: &IndexSet<UniqueId>) -> Plan {
        let nodes = executable_nodes(graph, selected);
        let parents = vec![IndexSet::new(); nodes.len()];
        Plan::from_parents(nodes, parents)
    }

    fn from_parents(nodes: Vec<Arc<Node>>, parents: Vec<IndexSet<usize>>) -> Plan {
        let mut children = vec![Vec::new(); nodes.len()];
        for (child, parents) in parents.iter().enumerate() {
            for parent in parents {
                children[*parent].push(child);
            }
        }
        let parent_count: Vec<usize> = parents.iter().map(IndexSet::len).collect();
        let mut remaining_path = vec![1; nodes.len()];
        for at in topological_order(&children, &parent_count)
            .into_iter()
            .rev()
        {
            let longest = children[at]
                .iter()
                .map(|child| remaining_path[*child])
                .max();
            remaining_path[at] = 1 + longest.unwrap_or(0);
        }
        let reads_anything = |node: &Arc<Node>| {
            node.resource_type == ResourceType::Test && node.depends_on_nodes.is_empty()
        };
        Plan {
            audits: vec![Vec::new(); nodes.len()],
            comes_last: nodes.iter().map(reads_anything).collect(),
            nodes,
            children,
            parent_count,
            remaining_path,
        }
    }

    /// The indexes of the nodes, parents first.
    pub fn order(&self) -> Vec<usize> {
        topological_order(&self.children, &self.parent_count)
    }

    /// Every node that is executed, tests that are run with another node after that one.
    pub fn all_nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes
            .iter()
            .zip(&self.audits)
            .flat_map(|(node, audits)| std::iter::once(node).chain(audits))
    }
}

/// For each test that is an audit, the index of the node it is run with: the last of its parents,
/// where all others are built before that one.
fn audited_nodes(
    graph: &Graph,
    nodes: &[Arc<Node>],
    index: &HashMap<&str, usize>,
    parents: &[IndexSet<usize>],
) -> Vec<Option<usize>> {
    let ancestors = LazyCell::new(|| all_ancestors(parents));
    let host = |at: usize| {
        let test = &nodes[at];
        let reads_ephemeral = test
            .depends_on_nodes
            .iter()
            .filter_map(|id| graph.nodes.get(id))
            .any(|parent| parent.is_ephemeral());
        if test.resource_type != ResourceType::Test || reads_ephemeral {
            return None;
        }
        let host = *parents[at].iter().find(|host| {
            parents[at]
                .iter()
                .all(|parent| parent == *host || ancestors[**host].contains(parent))
        })?;
        let is_direct = test
            .depends_on_nodes
            .iter()
            .any(|id| index.get(id.as_str()) == Some(&host));
        (is_direct && is_audited(&nodes[host]) && fits(test, &nodes[host])).then_some(host)
    };
    (0..nodes.len()).map(host).collect()
}

/// For each test that may share a scan with another one before it, the index of that one.
fn sharing_tests(nodes: &[Arc<Node>]) -> Vec<Option<usize>> {
    let mut first = HashMap::new();
    let host = |(at, test): (usize, &Arc<Node>)| {
        if test.resource_type != ResourceType::Test || !is_candidate(test) {
            return None;
        }
        let tested = test.depends_on_nodes[0].clone();
        let host = *first
            .entry((tested, test.config.str("where").map(str::to_owned)))
            .or_insert(at);
        (host != at).then_some(host)
    };
    nodes.iter().enumerate().map(host).collect()
}

type Absorbed = (Vec<Arc<Node>>, Vec<IndexSet<usize>>, Vec<Vec<Arc<Node>>>);

/// Takes the audits out of the nodes and gives them to the nodes they are run with.
fn absorb(
    nodes: Vec<Arc<Node>>,
    parents: Vec<IndexSet<usize>>,
    hosts: &[Option<usize>],
) -> Absorbed {
    let mut place = vec![usize::MAX; nodes.len()];
    let mut kept = Vec::new();
    for (at, host) in hosts.iter().enumerate() {
        if host.is_none() {
            place[at] = kept.len();
            kept.push(at);
        }
    }
    let mut audits = vec![Vec::new(); kept.len()];
    for (at, host) in hosts.iter().enumerate() {
        if let Some(host) = host {
            audits[place[*host]].push(Arc::clone(&nodes[at]));
        }
    }
    let parents = kept
        .iter()
        .map(|at| parents[*at].iter().map(|parent| place[*parent]).collect())
        .collect();
    let nodes = kept.into_iter().map(|at| Arc::clone(&nodes[at])).collect();
    (nodes, parents, audits)
}

/// The nodes among `selected` that a command executes.
pub(super) fn executable_nodes(graph: &Graph, selected: &IndexSet<UniqueId>) -> Vec<Arc<Node>> {
    graph
        .nodes
        .values()
        .filter(|node| selected.contains(&node.unique_id) && is_executable(node))
        .cloned()
        .collect()
}

/// Sources, metrics and ephemeral models are in the graph, but there is nothing to execute.
fn is_executable(node: &Node) -> bool {
    !matches!(
        node.resource_type,
        ResourceType::Source
            | ResourceType::Operation
            | ResourceType::Metric
            | ResourceType::SemanticModel
    ) && !node.is_ephemeral()
        && !is_blank(node)
}

/// A model file with nothing in it builds nothing, as in dbt.
fn is_blank(node: &Node) -> bool {
    node.resource_type == ResourceType::Model && node.template.code().trim().is_empty()
}

/// A unit test needs what its model needs, not the model: it runs before the model is built.
fn scheduling_parents(graph: &Graph, node: &Node) -> Vec<UniqueId> {
    if node.resource_type != ResourceType::UnitTest {
        return node.depends_on_nodes.clone();
    }
    node.depends_on_nodes
        .iter()
        .filter_map(|id| graph.nodes.get(id))
        .flat_map(|model| model.depends_on_nodes.iter().cloned())
        .collect()
}

/// The planned nodes nearest to `id`: itself, or what it stands on where it is not planned.
fn planned_at_or_above(
    graph: &Graph,
    id: &str,
    index: &HashMap<&str, usize>,
    memo: &mut HashMap<String, IndexSet<usize>>,
) -> IndexSet<usize> {
    if let Some(at) = index.get(id) {
        return IndexSet::from([*at]);
    }
    if let Some(known) = memo.get(id) {
        return known.clone();
    }
    let mut found = IndexSet::new();
    if let Some(node) = graph.nodes.get(id) {
        for parent in &node.depends_on_nodes {
            found.extend(planned_at_or_above(graph, parent.as_str(), index, memo));
        }
    }
    memo.insert(id.to_owned(), found.clone());
    found
}

/// Makes the children of a tested node wait for the test, where that closes no circle: every
/// parent of the test must stand above the child.
fn add_test_gates(
    nodes: &[Arc<Node>],
    index: &HashMap<&str, usize>,
    parents: &mut [IndexSet<usize>],
) {
    let is_test = |node: &Node| {
        matches!(
            node.resource_type,
            ResourceType::Test | ResourceType::UnitTest
        )
    };
    let mut children = vec![Vec::new(); nodes.len()];
    for (child, parents) in parents.iter().enumerate() {
        for parent in parents {
            children[*parent].push(child);
        }
    }
    let ancestors = LazyCell::new(|| all_ancestors(parents));
    let mut gates = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        match node.resource_type {
            ResourceType::Test => {
                let tested = &parents[at];
                for child in tested.iter().flat_map(|parent| &children[*parent]) {
                    let stands_above =
                        |parent: &usize| tested.len() == 1 || ancestors[*child].contains(parent);
                    if !is_test(&nodes[*child]) && tested.iter().all(stands_above) {
                        gates.push((*child, at));
                    }
                }
            }
            ResourceType::UnitTest => {
                for model in &node.depends_on_nodes {
                    if let Some(child) = index.get(model.as_str()) {
                        gates.push((*child, at));
                    }
                }
            }
            _ => {}
        }
    }
    for (child, gate) in gates {
        parents[child].insert(gate);
    }
}

fn all_ancestors(parents: &[IndexSet<usize>]) -> Vec<HashSet<usize>> {
    let mut children = vec![Vec::new(); parents.len()];
    for (child, parents) in parents.iter().enumerate() {
        for parent in parents {
            children[*parent].push(child);
        }
    }
    let counts: Vec<usize> = parents.iter().map(IndexSet::len).collect();
    let mut ancestors = vec![HashSet::new(); parents.len()];
    for at in topological_order(&children, &counts) {
        let mut all = HashSet::new();
        for parent in &parents[at] {
            all.insert(*parent);
            all.extend(ancestors[*parent].iter().copied());
        }
        ancestors[at] = all;
    }
    ancestors
}

fn topological_order(children: &[Vec<usize>], parent_count: &[usize]) -> Vec<usize> {
    let mut waiting = parent_count.to_vec();
    let mut order: Vec<usize> = (0..waiting.len()).filter(|at| waiting[*at] == 0).collect();
    let mut next = 0;
    while next < order.len() {
        for child in &children[order[next]] {
            waiting[*child] -= 1;
            if waiting[*child] == 0 {
                order.push(*child);
            }
        }
        next += 1;
    }
    order
}

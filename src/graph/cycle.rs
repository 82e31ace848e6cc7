//! Shows nodes that depend on each other in a circle, hop by hop.

use std::collections::{HashMap, VecDeque};

use msv_diagnostics::{Diagnostic, Place};
use msv_parse::Node;

use super::Graph;
use super::names::kind_and_name;

/// One diagnostic for each group of nodes in a circle, with the shortest circle in it.
pub(super) fn describe_cycles(graph: &Graph) -> Vec<Diagnostic> {
    graph
        .dag()
        .cycles()
        .into_iter()
        .map(|group| describe(graph, &shortest_circle(graph, &group)))
        .collect()
}

/// The shortest path from the first node of the group along its parents back to itself.
fn shortest_circle(graph: &Graph, group: &[usize]) -> Vec<usize> {
    let start = group[0];
    let mut came_from: HashMap<usize, usize> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for parent in graph.dag().parents(at) {
            if parent == start {
                let mut path = vec![at];
                let mut step = at;
                while let Some(before) = came_from.get(&step) {
                    path.push(*before);
                    step = *before;
                }
                path.reverse();
                return path;
            }
            if group.contains(&parent) && !came_from.contains_key(&parent) {
                came_from.insert(parent, at);
                queue.push_back(parent);
            }
        }
    }
    group.to_vec()
}

fn describe(graph: &Graph, circle: &[usize]) -> Diagnostic {
    let nodes: Vec<&Node> = circle.iter().map(|at| &*graph.nodes[*at]).collect();
    let mut names: Vec<String> = nodes
        .iter()
        .map(|node| format!("`{}`", node.search_name()))
        .collect();
    names.push(names[0].clone());
    let title = format!("found a cycle: {}", names.join(" -> "));
    let mut diagnostic = Diagnostic::error("MSV0205", title);
    for (at, node) in nodes.iter().enumerate() {
        let parent = nodes[(at + 1) % nodes.len()];
        let label = format!(
            "{} depends on {}",
            kind_and_name(node),
            kind_and_name(parent)
        );
        let place = place_of_edge(graph, node, parent);
        diagnostic = if at == 0 {
            diagnostic.at(place, label)
        } else {
            diagnostic.also(place, label)
        };
    }
    if nodes.len() == 1 {
        diagnostic.help("a model reads its own rows with `{{ this }}` under `is_incremental()`")
    } else {
        diagnostic
            .help("take one of these references out, or move what both need into a third model")
    }
}

/// Where `node` asks for `parent`, or the node as a whole where that is not written in one place.
fn place_of_edge(graph: &Graph, node: &Node, parent: &Node) -> Place {
    node.refs
        .iter()
        .find(|call| {
            graph
                .resolve_ref(&node.package_name, call)
                .is_some_and(|found| found.unique_id == parent.unique_id)
        })
        .map_or_else(|| node.place.clone(), |call| call.place.clone())
}

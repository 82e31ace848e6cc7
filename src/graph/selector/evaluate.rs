//! Evaluates selectors over a graph, and adds the tests of what they select.
//!
//! Every part of an expression yields two sets: what it selects, and tests that might still join
//! once all their parents are selected.

use std::collections::HashSet;

use crate::Graph;
use msv_diagnostics::{Diagnostic, Place, closest};
use msv_parse::{Node, ResourceType};

use super::expression::{Criterion, Expression};
use super::matching::Matcher;
use super::method::Method;
use super::{IndirectSelection, Selected, Selection};

/// Selects nodes as dbt's command line does.
///
/// # Errors
///
/// Every selector that cannot be read, with the place in the argument.
pub fn select(graph: &Graph, selection: &Selection) -> Result<Selected, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    let mut read = |option: &str, texts: &[String]| {
        let mut members = Vec::new();
        for text in texts {
            match Expression::parse(option, text) {
                Ok(Expression::Union(parts)) => members.extend(parts),
                Ok(part) => members.push(part),
                Err(found) => mistakes.extend(found),
            }
        }
        members
    };
    let select = read("--select", &selection.select);
    let exclude = read("--exclude", &selection.exclude);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mut evaluation = Evaluation {
        graph,
        indirect: selection.indirect,
        mistakes: Vec::new(),
        warnings: Vec::new(),
    };
    let included = if selection.select.is_empty() {
        Found {
            direct: (0..graph.nodes.len()).collect(),
            candidates: HashSet::new(),
        }
    } else {
        evaluation.union("--select", &select)
    };
    let excluded = evaluation.union("--exclude", &exclude);
    let found = evaluation.difference(included, &excluded);
    if !evaluation.mistakes.is_empty() {
        return Err(evaluation.mistakes);
    }
    let warnings = evaluation.warnings;
    let ids = graph
        .nodes
        .values()
        .enumerate()
        .filter(|(at, node)| found.contains(at) && is_wanted(node, selection))
        .map(|(_, node)| node.unique_id.clone())
        .collect();
    Ok(Selected { ids, warnings })
}

fn is_wanted(node: &Node, selection: &Selection) -> bool {
    let kind = node.resource_type;
    if selection.exclude_resource_types.contains(&kind) {
        return false;
    }
    if selection.resource_types.is_empty() {
        !matches!(kind, ResourceType::Operation | ResourceType::Analysis)
    } else {
        selection.resource_types.contains(&kind)
    }
}

/// Nodes by position: the selected ones, and tests that wait for more parents.
#[derive(Clone, Debug, Default)]
struct Found {
    direct: HashSet<usize>,
    candidates: HashSet<usize>,
}

impl Found {
    fn all(&self) -> HashSet<usize> {
        self.direct.union(&self.candidates).copied().collect()
    }
}

struct Evaluation<'a> {
    graph: &'a Graph,
    indirect: IndirectSelection,
    mistakes: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Evaluation<'_> {
    fn expression(&mut self, option: &str, expression: &Expression) -> Found {
        match expression {
            Expression::Criterion(criterion) => self.criterion(criterion),
            Expression::Intersection(members) => {
                let found: Vec<Found> = members
                    .iter()
                    .map(|member| self.expression(option, member))
                    .collect();
                self.combine(&found, |sets| {
                    let (first, rest) = sets.split_first()?;
                    Some(
                        first
                            .iter()
                            .filter(|at| rest.iter().all(|set| set.contains(at)))
                            .copied()
                            .collect(),
                    )
                })
            }
            Expression::Union(members) => self.union(option, members),
        }
    }

    fn union(&mut self, option: &str, members: &[Expression]) -> Found {
        let mut found = Vec::new();
        for member in members {
            let part = self.expression(option, member);
            if part.direct.is_empty() && self.mistakes.is_empty() {
                self.warnings.push(self.nothing_matches(option, member));
            }
            found.push(part);
        }
        self.combine(&found, |sets| {
            Some(sets.iter().flatten().copied().collect())
        })
    }

    fn difference(&self, included: Found, excluded: &Found) -> HashSet<usize> {
        let direct = included.direct.difference(&excluded.direct).copied();
        let candidates = included
            .all()
            .difference(&excluded.all())
            .copied()
            .collect();
        self.join_ready_tests(direct.collect(), &candidates)
    }

    fn combine(
        &self,
        found: &[Found],
        join: impl Fn(&[HashSet<usize>]) -> Option<HashSet<usize>>,
    ) -> Found {
        let direct: Vec<_> = found.iter().map(|part| part.direct.clone()).collect();
        let all: Vec<_> = found.iter().map(Found::all).collect();
        let candidates = join(&all).unwrap_or_default();
        let direct = self.join_ready_tests(join(&direct).unwrap_or_default(), &candidates);
        Found { direct, candidates }
    }

    fn criterion(&mut self, criterion: &Criterion) -> Found {
        let matcher = match Matcher::new(criterion, &self.graph.root_package) {
            Ok(matcher) => matcher,
            Err(mistake) => {
                self.mistakes.push(mistake);
                return Found::default();
            }
        };
        let matched: HashSet<usize> = self
            .graph
            .nodes
            .values()
            .enumerate()
            .filter(|(_, node)| matcher.matches(node))
            .map(|(at, _)| at)
            .collect();
        let selected = self.with_relatives(criterion, matched);
        self.with_tests(selected)
    }

    fn with_relatives(&self, criterion: &Criterion, matched: HashSet<usize>) -> HashSet<usize> {
        let dag = self.graph.dag();
        let mut selected = matched.clone();
        if criterion.is_with_childrens_parents {
            selected.extend(dag.descendants(matched.iter().copied(), None));
            selected.extend(dag.ancestors(selected.clone(), None));
        }
        if let Some(depth) = criterion.parents {
            selected.extend(dag.ancestors(matched.iter().copied(), depth));
        }
        if let Some(depth) = criterion.children {
            selected.extend(dag.descendants(matched.iter().copied(), depth));
        }
        selected
    }

    fn with_tests(&self, selected: HashSet<usize>) -> Found {
        let mut found = Found {
            direct: selected,
            candidates: HashSet::new(),
        };
        if self.indirect == IndirectSelection::Empty {
            return found;
        }
        let reach = self.reach_of(&found.direct);
        let tests: HashSet<usize> = found
            .direct
            .iter()
            .flat_map(|at| self.graph.dag().children(*at))
            .filter(|at| is_test(&self.graph.nodes[*at]))
            .collect();
        for test in tests {
            let is_ready = self.indirect == IndirectSelection::Eager
                || self
                    .graph
                    .dag()
                    .parents(test)
                    .iter()
                    .all(|parent| reach.contains(parent));
            if is_ready {
                found.direct.insert(test);
            } else {
                found.candidates.insert(test);
            }
        }
        found
    }

    /// The nodes that may be a test's parents: the selected ones, with `buildable` also those
    /// above them and all sources.
    fn reach_of(&self, selected: &HashSet<usize>) -> HashSet<usize> {
        let mut reach = selected.clone();
        if self.indirect == IndirectSelection::Buildable {
            reach.extend(self.graph.dag().ancestors(selected.iter().copied(), None));
            reach.extend(
                self.graph
                    .nodes
                    .values()
                    .enumerate()
                    .filter(|(_, node)| node.resource_type == ResourceType::Source)
                    .map(|(at, _)| at),
            );
        }
        reach
    }

    fn join_ready_tests(
        &self,
        mut direct: HashSet<usize>,
        candidates: &HashSet<usize>,
    ) -> HashSet<usize> {
        if !matches!(
            self.indirect,
            IndirectSelection::Cautious | IndirectSelection::Buildable
        ) {
            return direct;
        }
        let reach = self.reach_of(&direct);
        let ready = candidates.iter().filter(|at| {
            is_test(&self.graph.nodes[**at])
                && self
                    .graph
                    .dag()
                    .parents(**at)
                    .iter()
                    .all(|parent| reach.contains(parent))
        });
        direct.extend(ready);
        direct
    }

    fn nothing_matches(&self, option: &str, expression: &Expression) -> Diagnostic {
        let text = expression.to_string();
        let span = 0..text.len();
        let warning = Diagnostic::warning("MSV0212", format!("no nodes match `{text}`"))
            .at(Place::new(option, text, span), "selects nothing");
        let Expression::Criterion(criterion) = expression else {
            return warning;
        };
        let value = &criterion.value;
        if let Some(node) = self.graph.disabled.iter().find(|node| node.name == *value) {
            return warning.note(format!(
                "`{value}` exists but is disabled: `{}`",
                node.original_file_path
            ));
        }
        match self.nearest(criterion) {
            Some(near) => warning.help(format!("a similar name exists: `{near}`")),
            None => warning,
        }
    }

    /// The value that was probably meant, among those the method can find.
    fn nearest(&self, criterion: &Criterion) -> Option<String> {
        let nodes = self.graph.nodes.values();
        let known: HashSet<String> = match criterion.method {
            Method::Fqn => nodes
                .filter(|node| node.resource_type != ResourceType::Test)
                .map(|node| node.name.clone())
                .collect(),
            Method::Tag => nodes.flat_map(|node| node.config.tags()).collect(),
            Method::Package => nodes.map(|node| node.package_name.clone()).collect(),
            Method::Source => nodes
                .filter_map(|node| match &node.details {
                    msv_parse::Details::Source(source) => Some(source.source_name.clone()),
                    _ => None,
                })
                .collect(),
            _ => return None,
        };
        let mut known: Vec<&str> = known.iter().map(String::as_str).collect();
        known.sort_unstable();
        closest(&criterion.value, known).map(str::to_owned)
    }
}

fn is_test(node: &Node) -> bool {
    matches!(
        node.resource_type,
        ResourceType::Test | ResourceType::UnitTest
    )
}

//! Evaluates selectors over a graph, and adds the tests of what they select.
//!
//! Every part of an expression yields two sets: what it selects, and tests that might still join
//! once all their parents are selected.

use std::collections::HashSet;
use std::sync::Arc;

use crate::Graph;
use msv_diagnostics::{Diagnostic, Place, closest};
use msv_parse::{Node, ResourceType};

use super::earlier;
use super::expression::{Criterion, Expression};
use super::matching::Matcher;
use super::method::Method;
use super::{IndirectSelection, NamedSelectors, Selected, Selection};

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
        selection,
        mistakes: Vec::new(),
        warnings: Vec::new(),
    };
    let found = match &selection.selector {
        Some(name) => evaluation.named("--selector", name).direct,
        None => {
            let included = if selection.select.is_empty() {
                Found {
                    direct: (0..graph.nodes.len()).collect(),
                    candidates: HashSet::new(),
                }
            } else {
                evaluation.asked("--select", &select)
            };
            let excluded = evaluation.asked("--exclude", &exclude);
            evaluation
                .difference(&included, &excluded, selection.indirect)
                .direct
        }
    };
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
    selection: &'a Selection,
    mistakes: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Evaluation<'_> {
    /// Joins what the command line lists; a member that selects nothing is warned about.
    fn asked(&mut self, option: &str, members: &[Expression]) -> Found {
        let mode = self.selection.indirect;
        let mut found = Vec::new();
        for member in members {
            let part = self.expression(member, mode);
            if part.direct.is_empty() && self.mistakes.is_empty() {
                self.warnings.push(self.nothing_matches(option, member));
            }
            found.push(part);
        }
        self.combine(&found, mode, united)
    }

    /// Evaluates an expression; `mode` says which tests join where sets meet.
    fn expression(&mut self, expression: &Expression, mode: IndirectSelection) -> Found {
        match expression {
            Expression::Criterion(criterion) => self.criterion(criterion),
            Expression::Intersection(members) => {
                let found = self.members(members, mode);
                self.combine(&found, mode, intersected)
            }
            Expression::Union(members) => {
                let found = self.members(members, mode);
                self.combine(&found, mode, united)
            }
            Expression::Difference(included, excluded) => {
                let included = self.expression(included, mode);
                let excluded = self.expression(excluded, mode);
                self.difference(&included, &excluded, mode)
            }
        }
    }

    fn members(&mut self, members: &[Expression], mode: IndirectSelection) -> Vec<Found> {
        members
            .iter()
            .map(|member| self.expression(member, mode))
            .collect()
    }

    /// Evaluates a selector of `selectors.yml`. As in dbt, the command line's mode of indirect
    /// selection counts for its criteria and not where its sets meet.
    fn named(&mut self, option: &str, name: &str) -> Found {
        let named = Arc::clone(&self.selection.named);
        match named.get(name) {
            Some(expression) => self.expression(expression, IndirectSelection::Eager),
            None => {
                self.mistakes.push(unknown_selector(option, name, &named));
                Found::default()
            }
        }
    }

    fn difference(&self, included: &Found, excluded: &Found, mode: IndirectSelection) -> Found {
        let direct = included.direct.difference(&excluded.direct).copied();
        let candidates: HashSet<usize> = included
            .all()
            .difference(&excluded.all())
            .copied()
            .collect();
        let direct = self.join_ready_tests(direct.collect(), &candidates, mode);
        Found { direct, candidates }
    }

    fn combine(
        &self,
        found: &[Found],
        mode: IndirectSelection,
        join: fn(&[HashSet<usize>]) -> HashSet<usize>,
    ) -> Found {
        let direct: Vec<_> = found.iter().map(|part| part.direct.clone()).collect();
        let all: Vec<_> = found.iter().map(Found::all).collect();
        let candidates = join(&all);
        let direct = self.join_ready_tests(join(&direct), &candidates, mode);
        Found { direct, candidates }
    }

    fn criterion(&mut self, criterion: &Criterion) -> Found {
        let Some(matched) = self.matched(criterion) else {
            return Found::default();
        };
        let selected = self.with_relatives(criterion, matched);
        self.with_tests(
            selected,
            criterion.indirect.unwrap_or(self.selection.indirect),
        )
    }

    /// What the method itself finds, without relatives; `None` where it could not be asked.
    fn matched(&mut self, criterion: &Criterion) -> Option<HashSet<usize>> {
        let graph = self.graph;
        let matched = match criterion.method {
            Method::Selector => {
                let option = criterion.to_string();
                Ok(self.named(&option, &criterion.value).direct)
            }
            Method::State => {
                let earlier = self.selection.earlier.as_deref();
                earlier::by_state(criterion, graph, earlier).map(|mut compared| {
                    self.mistakes.append(&mut compared.mistakes);
                    for warning in compared.warnings {
                        if !self.warnings.contains(&warning) {
                            self.warnings.push(warning);
                        }
                    }
                    compared.positions
                })
            }
            Method::Result => earlier::by_result(criterion, graph, self.selection),
            Method::SourceStatus => earlier::by_source_status(criterion, graph, self.selection),
            _ => Matcher::new(criterion, &graph.root_package).map(|matcher| {
                let nodes = graph.nodes.values().enumerate();
                nodes
                    .filter(|(_, node)| matcher.matches(node))
                    .map(|(at, _)| at)
                    .collect()
            }),
        };
        matched.map_err(|mistake| self.mistakes.push(mistake)).ok()
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

    fn with_tests(&self, selected: HashSet<usize>, mode: IndirectSelection) -> Found {
        let mut found = Found {
            direct: selected,
            candidates: HashSet::new(),
        };
        if mode == IndirectSelection::Empty {
            return found;
        }
        let mut reach = self.reach_of(&found.direct, mode);
        if mode == IndirectSelection::Buildable {
            let nodes = self.graph.nodes.values().enumerate();
            let sources = nodes.filter(|(_, node)| node.resource_type == ResourceType::Source);
            reach.extend(sources.map(|(at, _)| at));
        }
        let tests: HashSet<usize> = found
            .direct
            .iter()
            .flat_map(|at| self.graph.dag().children(*at))
            .filter(|at| is_test(&self.graph.nodes[*at]))
            .collect();
        for test in tests {
            let is_ready = mode == IndirectSelection::Eager
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
    /// above them.
    fn reach_of(&self, selected: &HashSet<usize>, mode: IndirectSelection) -> HashSet<usize> {
        let mut reach = selected.clone();
        if mode == IndirectSelection::Buildable {
            reach.extend(self.graph.dag().ancestors(selected.iter().copied(), None));
        }
        reach
    }

    fn join_ready_tests(
        &self,
        mut direct: HashSet<usize>,
        candidates: &HashSet<usize>,
        mode: IndirectSelection,
    ) -> HashSet<usize> {
        if !matches!(
            mode,
            IndirectSelection::Cautious | IndirectSelection::Buildable
        ) {
            return direct;
        }
        let reach = self.reach_of(&direct, mode);
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
            .event("NoNodesForSelectionCriteria")
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
            Method::Tag => nodes.flat_map(|node| node.tags()).collect(),
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

fn united(sets: &[HashSet<usize>]) -> HashSet<usize> {
    sets.iter().flatten().copied().collect()
}

fn intersected(sets: &[HashSet<usize>]) -> HashSet<usize> {
    let Some((first, rest)) = sets.split_first() else {
        return HashSet::new();
    };
    let is_everywhere = |at: &&usize| rest.iter().all(|set| set.contains(at));
    first.iter().filter(is_everywhere).copied().collect()
}

fn unknown_selector(option: &str, name: &str, named: &NamedSelectors) -> Diagnostic {
    let diagnostic = Diagnostic::error("MSV0223", format!("no selector is named `{name}`"))
        .at(Place::new(option, name, 0..name.len()), "asked for here");
    match closest(name, named.keys().map(String::as_str)) {
        Some(near) => diagnostic.help(format!("a selector with a similar name exists: `{near}`")),
        None if named.is_empty() => diagnostic.help("define it in `selectors.yml`"),
        None => {
            let names: Vec<String> = named.keys().map(|name| format!("`{name}`")).collect();
            diagnostic.help(format!("selectors are: {}", names.join(", ")))
        }
    }
}

fn is_test(node: &Node) -> bool {
    matches!(
        node.resource_type,
        ResourceType::Test | ResourceType::UnitTest
    )
}

//! Link: declarations in, dependency graph out.
//!
//! 1. Index the nodes by what a template may call them ([`names`](self)).
//! 2. Replace each recorded `ref` and `source` by the node it names ([`link`]).
//! 3. Order the nodes, or show the cycle ([`Dag`]).
//! 4. Pick nodes by the selector language ([`selector`]).
//!
//! Rendering is not done here: a linked node still holds its template.
//!
//! Codes: MSV0201 unknown ref, MSV0202 unknown source, MSV0203 ref to what may not be named,
//! MSV0204 disabled, MSV0205 cycle, MSV0206 duplicate name, MSV0207 two nodes write one relation,
//! MSV0208 test on an unknown model, MSV0209 selector that cannot be read, MSV0210 unknown
//! selector method, MSV0211 selector method that needs an earlier state, MSV0212 nothing matches
//! (a warning), MSV0220 broken contract, MSV0221 seed too large to be compared (a warning),
//! MSV0222 definition of a selector that cannot be read, MSV0223 unknown selector, MSV0250 unknown
//! measure, MSV0251 unknown metric, MSV0252 no time spine, MSV0253 semantic model, MSV0254 metric,
//! MSV0255 saved query that cannot be asked for, MSV0256 name that the semantic layer cannot use,
//! MSV0257 unit test of versions there are not, MSV0258 unit test that does not say what an
//! incremental model stands on.

mod cycle;
mod dag;
mod deprecation;
mod link;
mod names;
mod packages;
pub mod selector;
mod semantic;
pub mod state;
mod unit_tests;

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use msv_diagnostics::Diagnostic;
use msv_parse::{Node, RefCall, UniqueId};

pub use dag::Dag;
pub use link::{LinkOptions, link};
pub use names::Found;
pub use semantic::LEGACY_TIME_SPINE;

use names::Names;

/// All enabled nodes of a project with their edges.
///
/// `nodes` is in declaration order; `depends_on_nodes` of each node names its parents.
/// `warnings` holds what linking noticed and survived, such as a test of a missing model.
#[derive(Debug, Default)]
pub struct Graph {
    pub nodes: IndexMap<UniqueId, Arc<Node>>,
    pub disabled: Vec<Arc<Node>>,
    pub root_package: String,
    pub warnings: Vec<Diagnostic>,
    /// A `ref()` in a package means the package's own node before the root project's.
    searches_own_package_first: bool,
    dag: Dag,
    names: Names,
}

impl Graph {
    /// The node of this id, where it is enabled.
    pub fn get(&self, id: &UniqueId) -> Option<&Node> {
        self.nodes.get(id).map(Arc::as_ref)
    }

    /// The edges, over positions in [`nodes`](Graph::nodes).
    pub fn dag(&self) -> &Dag {
        &self.dag
    }

    /// The enabled node a `ref()` in a file of `from_package` names.
    pub fn resolve_ref(&self, from_package: &str, call: &RefCall) -> Option<&Node> {
        self.find_ref(
            from_package,
            call.package.as_deref(),
            &call.name,
            call.version.as_ref(),
        )
        .enabled()
    }

    /// Looks a `ref()` up: the root package first, then the caller's own, then any other.
    pub fn find_ref(
        &self,
        from_package: &str,
        package: Option<&str>,
        name: &str,
        version: Option<&Json>,
    ) -> Found<'_> {
        self.names
            .find_ref(self, from_package, package, name, version)
    }

    /// Looks a `source()` up, in the same order as [`find_ref`](Graph::find_ref).
    pub fn find_source(&self, from_package: &str, source: &str, table: &str) -> Found<'_> {
        self.names.find_source(self, from_package, source, table)
    }

    /// Looks a `function()` up, in the same order as [`find_ref`](Graph::find_ref).
    pub fn find_function(
        &self,
        from_package: &str,
        package: Option<&str>,
        name: &str,
    ) -> Found<'_> {
        self.names.find_function(self, from_package, package, name)
    }

    /// Parents of a node that are in the graph.
    pub fn parents(&self, id: &UniqueId) -> Vec<&UniqueId> {
        self.neighbours(id, |dag, at| dag.parents(at))
    }

    /// Nodes that depend on a node directly, tests included.
    pub fn children(&self, id: &UniqueId) -> Vec<&UniqueId> {
        self.neighbours(id, |dag, at| dag.children(at))
    }

    fn neighbours(
        &self,
        id: &UniqueId,
        step: impl Fn(&Dag, usize) -> Vec<usize>,
    ) -> Vec<&UniqueId> {
        let Some(at) = self.nodes.get_index_of(id) else {
            return Vec::new();
        };
        step(&self.dag, at)
            .into_iter()
            .map(|other| &self.nodes[other].unique_id)
            .collect()
    }
}

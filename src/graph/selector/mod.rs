//! The selector language: `--select` and `--exclude` in, node ids out.
//!
//! [`expression`](Expression) reads and prints one selector, [`method`](Method) names what it
//! looks at, `matching` decides for one node, [`select`] combines and adds tests.

mod definition;
mod earlier;
mod evaluate;
mod expression;
mod glob;
mod matching;
mod method;
mod record;

use std::sync::Arc;

use indexmap::IndexSet;

use msv_diagnostics::{Diagnostic, Place};
use msv_parse::{ResourceType, UniqueId};

use crate::state::Earlier;

pub use definition::{NamedSelectors, read_definitions};
pub use evaluate::select;
pub use expression::{Criterion, Depth, Expression};
pub use method::Method;
pub use record::selector_records;

/// Which tests join a selection that names only what they test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IndirectSelection {
    /// Any test of a selected node.
    #[default]
    Eager,
    /// Tests all of whose parents are selected.
    Cautious,
    /// Tests all of whose parents are selected or lie above the selected nodes.
    Buildable,
    /// Only tests that are selected themselves.
    Empty,
}

impl IndirectSelection {
    pub const NAMES: [&str; 4] = ["eager", "cautious", "buildable", "empty"];

    pub fn as_str(self) -> &'static str {
        match self {
            IndirectSelection::Eager => "eager",
            IndirectSelection::Cautious => "cautious",
            IndirectSelection::Buildable => "buildable",
            IndirectSelection::Empty => "empty",
        }
    }
}

impl std::str::FromStr for IndirectSelection {
    type Err = Diagnostic;

    fn from_str(text: &str) -> Result<Self, Diagnostic> {
        match text {
            "eager" => Ok(IndirectSelection::Eager),
            "cautious" => Ok(IndirectSelection::Cautious),
            "buildable" => Ok(IndirectSelection::Buildable),
            "empty" => Ok(IndirectSelection::Empty),
            other => Err(Diagnostic::error(
                "MSV0209",
                format!("no mode of indirect selection is named `{other}`"),
            )
            .at(
                Place::new("--indirect-selection", other, 0..other.len()),
                "given here",
            )
            .help("it is one of `eager`, `cautious`, `buildable`, `empty`")),
        }
    }
}

/// What a command line asks for.
///
/// Each text of `select` and `exclude` may hold several selectors with spaces between; an empty
/// `select` means everything. Resource types filter at the end; where none is named, hooks and
/// analyses are left out.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub select: Vec<String>,
    pub exclude: Vec<String>,
    pub resource_types: Vec<ResourceType>,
    pub exclude_resource_types: Vec<ResourceType>,
    pub indirect: IndirectSelection,
    /// The selector of `selectors.yml` to use in place of `select` and `exclude`.
    pub selector: Option<String>,
    /// What `selectors.yml` names.
    pub named: Arc<NamedSelectors>,
    /// What `state:`, `result:` and `source_status:` compare with.
    pub earlier: Option<Arc<Earlier>>,
}

/// The selected nodes in declaration order, and what matched nothing.
#[derive(Debug, Default)]
pub struct Selected {
    pub ids: IndexSet<UniqueId>,
    pub warnings: Vec<Diagnostic>,
}

/// Reads a resource type as `--resource-type` takes it; `None` is a kind of dbt's that no project
/// has here.
///
/// # Errors
///
/// MSV0209 with the names that are valid.
pub fn parse_resource_type(text: &str) -> Result<Option<ResourceType>, Diagnostic> {
    let name = match text {
        "data_test" => "test",
        other => other,
    };
    let known = ALL_RESOURCE_TYPES
        .into_iter()
        .find(|resource_type| resource_type.as_str() == name);
    if known.is_some() || KINDS_WE_LACK.contains(&name) {
        return Ok(known);
    }
    let names = ALL_RESOURCE_TYPES.map(|kind| format!("`{}`", kind.as_str()));
    Err(
        Diagnostic::error("MSV0209", format!("no resource type is named `{text}`"))
            .at(
                Place::new("--resource-type", text, 0..text.len()),
                "given here",
            )
            .help(format!("it is one of {}", names.join(", "))),
    )
}

/// Resource types of dbt that our projects do not have: they select nothing.
const KINDS_WE_LACK: [&str; 4] = ["macro", "doc", "group", "fixture"];

const ALL_RESOURCE_TYPES: [ResourceType; 13] = [
    ResourceType::Model,
    ResourceType::Seed,
    ResourceType::Snapshot,
    ResourceType::Test,
    ResourceType::UnitTest,
    ResourceType::Source,
    ResourceType::Exposure,
    ResourceType::Analysis,
    ResourceType::Operation,
    ResourceType::Function,
    ResourceType::Metric,
    ResourceType::SemanticModel,
    ResourceType::SavedQuery,
];

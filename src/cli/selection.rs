//! Which nodes the flags of a command pick, and what an earlier state adds to a command.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value as Json, json};

use crate::compile::Deferral;
use crate::diagnostics::{Diagnostic, Place};
use crate::graph::selector::{
    IndirectSelection, Selection, parse_resource_type, read_definitions, select,
};
use crate::graph::state::{CurrentMacro, Earlier};
use crate::parse::{ResourceType, UniqueId};
use crate::project::PreviousState;

use super::arguments::{SelectionArgs, StateArgs, environment, switch};
use super::warnings;
use super::workspace::Workspace;

/// What a command works on.
#[derive(Default)]
pub(super) struct Selected {
    pub ids: IndexSet<UniqueId>,
    /// Flags that picked nothing, broken contracts, a state folder that is the target folder.
    pub warnings: Vec<Diagnostic>,
    /// Where to read what is not built here.
    pub deferral: Option<Arc<Deferral>>,
}

impl Selected {
    /// Nodes known by their ids; those that are gone are left out.
    pub(super) fn given(
        workspace: &Workspace,
        args: &StateArgs,
        ids: &IndexSet<UniqueId>,
    ) -> Result<Selected, Vec<Diagnostic>> {
        let state = State::open(workspace, args)?;
        let nodes = &workspace.graph.nodes;
        Ok(Selected {
            ids: ids
                .iter()
                .filter(|id| nodes.contains_key(*id))
                .cloned()
                .collect(),
            warnings: warnings::settle(state.warnings)?,
            deferral: state.deferral,
        })
    }
}

/// Kinds of nodes a command may work on, and does where none are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kinds {
    pub default: &'static [ResourceType],
    pub all: &'static [ResourceType],
}

impl Kinds {
    pub(super) const fn only(kinds: &'static [ResourceType]) -> Kinds {
        Kinds {
            default: kinds,
            all: kinds,
        }
    }

    /// The kinds that the flags leave; empty where nothing can be selected.
    fn asked(self, args: &SelectionArgs) -> Result<Vec<ResourceType>, Vec<Diagnostic>> {
        let asked = words(&args.resource_type, "RESOURCE_TYPES");
        let excluded = words(&args.exclude_resource_type, "EXCLUDE_RESOURCE_TYPES");
        let mut kinds = Vec::new();
        for text in &asked {
            match text.as_str() {
                "all" => kinds.extend(self.all),
                "default" => kinds.extend(self.default),
                _ => kinds.extend(parse_resource_type(text).map_err(|error| vec![error])?),
            }
        }
        if asked.is_empty() {
            kinds.extend(self.default);
        }
        for text in &excluded {
            let kind = parse_resource_type(text).map_err(|error| vec![error])?;
            kinds.retain(|known| Some(*known) != kind);
        }
        kinds.retain(|kind| self.all.contains(kind));
        Ok(kinds)
    }
}

/// The values of a flag, or of its variable.
fn words(typed: &[String], flag: &str) -> Vec<String> {
    let split = |text: &str| -> Vec<String> { text.split([' ', ',']).map(str::to_owned).collect() };
    let words = match (typed, environment(flag)) {
        ([], Some(text)) => split(&text),
        (typed, _) => typed.iter().flat_map(|text| split(text)).collect(),
    };
    words.into_iter().filter(|word| !word.is_empty()).collect()
}

/// Picks nodes as the flags say; without flags the default selector of `selectors.yml`, and
/// without one everything.
pub(super) fn selected(
    workspace: &Workspace,
    args: &SelectionArgs,
    kinds: Kinds,
) -> Result<Selected, Vec<Diagnostic>> {
    let resource_types = kinds.asked(args)?;
    let named = read_definitions(&workspace.project.selectors)?;
    let state = State::open(workspace, &args.state)?;
    let mut warnings = state.warnings;
    let mut ids = IndexSet::new();
    let selection = Selection {
        select: args.select.iter().chain(&args.models).cloned().collect(),
        exclude: args.exclude.clone(),
        resource_types,
        indirect: indirect(args)?,
        selector: selector(workspace, args),
        named: Arc::new(named),
        earlier: state.earlier,
        ..Selection::default()
    };
    if !selection.resource_types.is_empty() {
        let mut found = select(&workspace.graph, &selection)?;
        warnings.append(&mut found.warnings);
        ids = found.ids;
    }
    Ok(Selected {
        ids,
        warnings: warnings::settle(warnings)?,
        deferral: state.deferral,
    })
}

fn selector(workspace: &Workspace, args: &SelectionArgs) -> Option<String> {
    if args.selector.is_some() {
        return args.selector.clone();
    }
    let is_asked = !(args.select.is_empty() && args.models.is_empty() && args.exclude.is_empty());
    let default = workspace.project.selectors.default_selector();
    default
        .filter(|_| !is_asked)
        .map(|selector| selector.name.value.clone())
}

fn indirect(args: &SelectionArgs) -> Result<IndirectSelection, Vec<Diagnostic>> {
    let typed = args.indirect_selection.clone();
    match typed.or_else(|| environment("INDIRECT_SELECTION")) {
        Some(text) => text.parse().map_err(|diagnostic| vec![diagnostic]),
        None => Ok(IndirectSelection::default()),
    }
}

/// The flags that choose nodes and state, as `invocation_args_dict` and `run_results.json` have
/// them.
pub(super) fn selection_arguments(args: &SelectionArgs) -> Map<String, Json> {
    let select: Vec<&String> = args.select.iter().chain(&args.models).collect();
    let entries = json!({
        "select": select,
        "exclude": args.exclude,
        "selector": args.selector,
        "resource_types": words(&args.resource_type, "RESOURCE_TYPES"),
        "exclude_resource_types": words(&args.exclude_resource_type, "EXCLUDE_RESOURCE_TYPES"),
        "indirect_selection": args
            .indirect_selection
            .clone()
            .or_else(|| environment("INDIRECT_SELECTION"))
            .unwrap_or_else(|| IndirectSelection::default().as_str().to_owned()),
        "state": state_dir(&args.state),
        "defer": is_deferring(&args.state),
        "defer_state": defer_state_dir(&args.state),
        "favor_state": favors_state(&args.state),
    });
    let mut entries = entries.as_object().cloned().unwrap_or_default();
    entries.retain(|_, value| !value.is_null());
    entries
}

fn state_dir(args: &StateArgs) -> Option<PathBuf> {
    args.state.clone().or_else(|| {
        let text = environment("STATE").or_else(|| environment("ARTIFACT_STATE_PATH"))?;
        Some(PathBuf::from(text))
    })
}

fn defer_state_dir(args: &StateArgs) -> Option<PathBuf> {
    let typed = args.defer_state.clone();
    typed.or_else(|| environment("DEFER_STATE").map(PathBuf::from))
}

pub(super) fn is_deferring(args: &StateArgs) -> bool {
    switch(args.defer, args.no_defer, "DEFER", false)
}

fn favors_state(args: &StateArgs) -> bool {
    switch(args.favor_state, args.no_favor_state, "FAVOR_STATE", false)
}

/// What the state flags name, read.
pub(super) struct State {
    pub earlier: Option<Arc<Earlier>>,
    pub deferral: Option<Arc<Deferral>>,
    pub warnings: Vec<Diagnostic>,
}

impl State {
    pub(super) fn open(workspace: &Workspace, args: &StateArgs) -> Result<State, Vec<Diagnostic>> {
        let mut warnings = Vec::new();
        let earlier = match state_dir(args) {
            Some(folder) => Some(Arc::new(read(workspace, &folder, &mut warnings)?)),
            None => None,
        };
        let deferral = match is_deferring(args) {
            true => Some(Self::deferral(
                workspace,
                args,
                earlier.as_deref(),
                &mut warnings,
            )?),
            false => None,
        };
        Ok(State {
            earlier,
            deferral,
            warnings,
        })
    }

    /// Where the earlier state has its relations, whether the command defers or not.
    ///
    /// # Errors
    ///
    /// No folder was named, or the one that was holds no manifest.
    pub(super) fn read_deferral(
        workspace: &Workspace,
        args: &StateArgs,
    ) -> Result<Arc<Deferral>, Vec<Diagnostic>> {
        let mut warnings = Vec::new();
        let earlier = match state_dir(args) {
            Some(folder) => Some(read(workspace, &folder, &mut warnings)?),
            None => None,
        };
        Self::deferral(workspace, args, earlier.as_ref(), &mut warnings)
    }

    fn deferral(
        workspace: &Workspace,
        args: &StateArgs,
        earlier: Option<&Earlier>,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<Arc<Deferral>, Vec<Diagnostic>> {
        let other = match defer_state_dir(args) {
            Some(folder) => Some(read(workspace, &folder, warnings)?),
            None => None,
        };
        let Some(state) = other.as_ref().or(earlier).map(|earlier| &earlier.state) else {
            let title =
                "--state or --defer-state are required for deferral, but neither was provided";
            return Err(vec![
                Diagnostic::error("MSV0462", title)
                    .help("name the folder of an earlier run: --state FOLDER"),
            ]);
        };
        let Some(manifest) = &state.manifest else {
            let folder = state.folder.display();
            let title = format!("Could not find manifest in --state path: \"{folder}\"");
            return Err(vec![
                Diagnostic::error("MSV0462", title)
                    .at(Place::file(folder.to_string()), "")
                    .help("a folder that msv or dbt wrote its artifacts to holds `manifest.json`"),
            ]);
        };
        let deferral = Deferral::new(&workspace.graph, manifest, favors_state(args));
        Ok(Arc::new(deferral))
    }
}

fn read(
    workspace: &Workspace,
    folder: &Path,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Earlier, Vec<Diagnostic>> {
    let project = &workspace.project;
    if project.dir.join(folder) == project.target_path {
        let title = format!(
            "The state and target directories are the same: '{}'",
            folder.display()
        );
        warnings.push(
            Diagnostic::warning("MSV0461", title)
                .note("a command that fails overwrites what the next one compares with")
                .help("copy the artifacts to a folder of their own")
                .event("WarnStateTargetEqual"),
        );
    }
    let state = PreviousState::read(folder, &project.dir, &project.target_path)?;
    let macros: IndexMap<String, CurrentMacro> = workspace
        .parsed
        .engine
        .macros()
        .iter()
        .map(|definition| {
            let current = CurrentMacro {
                package: definition.package.clone(),
                macro_sql: definition.source().to_owned(),
                depends_on: workspace.parsed.engine.macro_dependencies(definition),
            };
            (
                format!("macro.{}.{}", definition.package, definition.name),
                current,
            )
        })
        .collect();
    Ok(Earlier::new(state, macros))
}

//! Dependencies: the macros that a macro's text leads to, as its own package sees them.

use minijinja::Value;

use crate::blocks::MacroDefinition;
use crate::calls::{Call, calls};
use crate::engine::{ByName, Shared, is_builtin};
use crate::macros::Macro;

/// Ids of the macros that a macro calls by name or through `adapter.dispatch`, in the order they
/// are written, each once.
///
/// Found as dbt finds them: a name that its package does not have is looked for in every package,
/// so that `text.replace(…)` counts as a call of a macro `replace`. Names that are computed are
/// not seen.
pub(crate) fn dependencies(shared: &Shared, definition: &MacroDefinition) -> Vec<String> {
    let package = definition.package.as_str();
    let mut found: Vec<String> = Vec::new();
    let mut add = |id: Option<String>| {
        if let Some(id) = id.filter(|id| !found.contains(id)) {
            found.push(id);
        }
    };
    for call in calls(definition) {
        match &call {
            Call::Named(name) if matches!(name.as_str(), "ref" | "source" | "config") => {}
            Call::Named(name) if *name == definition.name => {}
            Call::Named(name) => {
                let (package, name) = name.split_once('.').unwrap_or((package, name));
                add(by_name(shared, package, name));
            }
            Call::Dispatched { name, namespace } => {
                if *name != definition.name {
                    let (package, name) = name.split_once('.').unwrap_or((package, name));
                    add(by_name(shared, package, name));
                }
                let (namespace, name) = match name.split_once('.') {
                    Some((of, name)) => (namespace.as_deref().or(Some(of)), name),
                    None => (namespace.as_deref(), name.as_str()),
                };
                let called = shared.dispatched(package, name, namespace).0;
                add(called.and_then(id_of));
            }
        }
    }
    found
}

fn id_of(called: &Value) -> Option<String> {
    let called = called.downcast_object_ref::<Macro>()?;
    Some(format!("macro.{}.{}", called.package, called.name))
}

/// The id of a macro of the package, else of the root project, of any package, of dbt's own.
pub(crate) fn by_name(shared: &Shared, package: &str, name: &str) -> Option<String> {
    if let Some(own) = shared.in_package(package, name) {
        return id_of(own);
    }
    let macros = &shared.sources.macros;
    let names = shared.by_name.get_or_init(|| {
        let rank = |definition: &MacroDefinition| {
            if definition.package == shared.root_package {
                2
            } else {
                i32::from(!is_builtin(&definition.package))
            }
        };
        let mut names: ByName<usize> =
            ByName::with_capacity_and_hasher(macros.len(), Default::default());
        for (at, definition) in macros.iter().enumerate() {
            let known = names.get(&definition.name).copied();
            // Among packages the last one wins.
            let is_weaker = known.is_some_and(|known| rank(&macros[known]) > rank(definition));
            if !is_weaker {
                names.insert(definition.name.clone(), at);
            }
        }
        names
    });
    let definition = &macros[*names.get(name)?];
    Some(definition.unique_id.clone())
}

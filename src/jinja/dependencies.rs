//! Dependencies: the macros that a macro's text leads to, as its own package sees them.

use crate::blocks::MacroDefinition;
use crate::calls::{Call, calls};
use crate::engine::Shared;
use crate::macros::Macro;

/// Ids of the macros that a macro calls by name or through `adapter.dispatch`, in the order they
/// are written, each once.
///
/// Names that are computed are not seen.
pub(crate) fn dependencies(shared: &Shared, definition: &MacroDefinition) -> Vec<String> {
    let package = &definition.package;
    let mut found: Vec<String> = Vec::new();
    for call in calls(definition) {
        let called = match &call {
            Call::Named(name) => shared.find(package, name),
            Call::Dispatched { name, namespace } => {
                let (namespace, name) = match name.split_once('.') {
                    Some((of, name)) => (namespace.as_deref().or(Some(of)), name),
                    None => (namespace.as_deref(), name.as_str()),
                };
                shared.dispatched(package, name, namespace).0
            }
        };
        let called = called.and_then(|value| value.downcast_object_ref::<Macro>());
        let id = called.map(|called| format!("macro.{}.{}", called.package, called.name));
        if let Some(id) = id.filter(|id| *id != definition.unique_id)
            && !found.contains(&id)
        {
            found.push(id);
        }
    }
    found
}

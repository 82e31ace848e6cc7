//! Materializations: which one a name means, whether the built-in one applies as it is, and the
//! call of one that is written as a template.

use std::collections::HashSet;
use std::sync::Arc;

use minijinja::Value;

use msv_diagnostics::{Diagnostic, Place};

use crate::blocks::{MacroDefinition, MacroKind};
use crate::calls::{Call, calls};
use crate::engine::{Engine, is_builtin};
use crate::host::Host;
use crate::value::lock;

/// How near a materialization stands to the project, nearest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    Builtin,
    Package,
    Root,
}

/// What a materialization left.
#[derive(Clone, Debug)]
pub struct Materialized {
    /// What it returned: relations, in a dict.
    pub returned: Value,
    /// The result of its main statement; none when it ran none.
    pub main: Value,
}

impl Engine {
    /// Finds the materialization that a name means.
    ///
    /// One that is written for PostgreSQL wins over one for every database, then the project's own
    /// over that of a package over the built-in one. A package replaces a built-in materialization
    /// only where `packages_may_replace_builtins` says so.
    ///
    /// # Errors
    ///
    /// When two packages define it.
    pub fn find_materialization(
        &self,
        name: &str,
        packages_may_replace_builtins: bool,
    ) -> Result<Option<&MacroDefinition>, Box<Diagnostic>> {
        let mut candidates: Vec<(bool, Nearness, &MacroDefinition)> = Vec::new();
        for at in &self.shared.materializations {
            let definition = &self.macros()[*at];
            let MacroKind::Materialization {
                name: own, adapter, ..
            } = &definition.kind
            else {
                continue;
            };
            if own == name && matches!(adapter.as_str(), "postgres" | "default") {
                let nearness = self.nearness(&definition.package);
                candidates.push((adapter == "postgres", nearness, definition));
            }
        }
        let has_builtin = candidates.iter().any(|(_, n, _)| *n == Nearness::Builtin);
        if has_builtin && !packages_may_replace_builtins {
            candidates.retain(|(_, nearness, _)| *nearness != Nearness::Package);
        }
        let Some(best) = candidates
            .iter()
            .max_by_key(|(specific, n, _)| (*specific, *n))
        else {
            return Ok(None);
        };
        let twin = candidates.iter().find(|(specific, nearness, definition)| {
            (*specific, *nearness) == (best.0, best.1) && definition.unique_id != best.2.unique_id
        });
        match twin {
            Some(twin) => Err(Box::new(defined_by_two(name, best.2, twin.2))),
            None => Ok(Some(best.2)),
        }
    }

    fn nearness(&self, package: &str) -> Nearness {
        if is_builtin(package) {
            Nearness::Builtin
        } else if package == self.root_package() {
            Nearness::Root
        } else {
            Nearness::Package
        }
    }

    /// Whether the project or one of its packages defines a macro of one of these names.
    pub fn has_own_macro(&self, names: &[&str]) -> bool {
        self.macros().iter().any(|definition| {
            names.contains(&definition.name.as_str()) && !is_builtin(&definition.package)
        })
    }

    /// Whether `package` sees the built-in macro and everything it calls as they come with msv.
    ///
    /// Calls of the macros named in `except` are not followed.
    pub fn is_as_built_in(
        &self,
        package: &str,
        definition: &MacroDefinition,
        except: &[&str],
    ) -> bool {
        let excepted = except.join(",");
        let key = (
            package.to_owned(),
            format!("{} {excepted}", definition.unique_id),
        );
        let known = lock(&self.shared.as_built_in).get(&key).copied();
        known.unwrap_or_else(|| {
            let found = self.calls_built_in_only(package, definition, except);
            lock(&self.shared.as_built_in).insert(key, found);
            found
        })
    }

    fn calls_built_in_only(
        &self,
        package: &str,
        definition: &MacroDefinition,
        except: &[&str],
    ) -> bool {
        let mut seen: HashSet<&str> = HashSet::new();
        let mut open = vec![definition];
        while let Some(definition) = open.pop() {
            if !is_builtin(&definition.package) {
                return false;
            }
            if !seen.insert(&definition.unique_id) {
                continue;
            }
            for call in calls(definition) {
                let found = match &call {
                    Call::Named(name) if except.contains(&name.as_str()) => None,
                    Call::Named(name) => self.find_macro(package, name),
                    Call::Dispatched { name, namespace } => {
                        self.find_dispatched(package, name, namespace.as_deref())
                    }
                };
                open.extend(found);
            }
        }
        true
    }

    /// Runs a materialization for the host's node; `extra` values are seen besides its context.
    ///
    /// # Errors
    ///
    /// As [`Engine::render`].
    pub fn materialize(
        &self,
        definition: &MacroDefinition,
        host: Arc<dyn Host>,
        extra: Vec<(String, Value)>,
    ) -> Result<Materialized, Box<Diagnostic>> {
        let name = format!("{}.{}", definition.package, definition.name);
        let text = "{{ (__callee(), load_result('main')) }}";
        let both = self.call_through("<materialization>", text, &name, extra, host)?;
        let part = |index: usize| both.get_item_by_index(index).unwrap_or_default();
        Ok(Materialized {
            returned: part(0),
            main: part(1),
        })
    }
}

fn defined_by_two(name: &str, one: &MacroDefinition, other: &MacroDefinition) -> Diagnostic {
    let place = |definition: &MacroDefinition| {
        let header = definition.span.start..definition.body.start;
        Place::new(definition.file.clone(), definition.text.clone(), header)
    };
    Diagnostic::error(
        "MSV0346",
        format!("two packages define the materialization `{name}`"),
    )
    .at(place(one), format!("in the package `{}`", one.package))
    .also(place(other), format!("in the package `{}`", other.package))
    .help("write one in the project that calls the one you want")
}

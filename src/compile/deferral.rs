//! Where to read nodes that are not built here: the relations of an earlier state.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::graph::Graph;
use crate::jinja::{Database, HostError};
use crate::parse::{Node, UniqueId};
use crate::project::state::StateManifest;
use crate::relation::Relation;

/// The earlier state's relations of models, seeds and snapshots of this project.
#[derive(Debug, Default)]
pub struct Deferral {
    relations: HashMap<UniqueId, Relation>,
    /// What is not selected is read from the earlier state even where it is built here.
    favors_state: bool,
    /// Nodes whose relation was seen here; a run creates relations and removes none.
    existing: Mutex<HashSet<UniqueId>>,
}

impl Deferral {
    /// Takes from the manifest what this project has too; ephemeral models lie nowhere.
    pub fn new(graph: &Graph, manifest: &StateManifest, favors_state: bool) -> Deferral {
        let relations = graph
            .nodes
            .values()
            .filter(|node| node.resource_type.is_refable())
            .filter_map(|node| {
                let old = manifest.nodes.get(node.unique_id.as_str())?;
                let materialized = old
                    .config
                    .get("materialized")
                    .and_then(|name| name.as_str());
                if materialized == Some("ephemeral") {
                    return None;
                }
                let alias = old.alias.as_deref().unwrap_or(&old.name);
                let database = old.database.as_deref().unwrap_or(&node.database);
                let mut relation = Relation::new(database, old.schema.as_deref()?, alias);
                if let Some(own) = &node.relation {
                    relation.quoting = own.quoting;
                }
                Some((node.unique_id.clone(), relation))
            })
            .collect();
        Deferral {
            relations,
            favors_state,
            existing: Mutex::default(),
        }
    }

    /// The earlier state's relation of a node.
    pub fn relation(&self, id: &UniqueId) -> Option<&Relation> {
        self.relations.get(id)
    }

    /// The relation to read in place of a node's own, where that is not to be read.
    ///
    /// # Errors
    ///
    /// When the server cannot say whether the node's own relation exists.
    pub(super) fn instead_of(
        &self,
        node: &Node,
        is_selected: bool,
        database: Option<&dyn Database>,
    ) -> Result<Option<&Relation>, HostError> {
        let Some(earlier) = self.relations.get(&node.unique_id) else {
            return Ok(None);
        };
        if self.favors_state && !is_selected {
            return Ok(Some(earlier));
        }
        Ok((!self.exists(node, is_selected, database)?).then_some(earlier))
    }

    /// Without a connection, what is selected is taken as built.
    fn exists(
        &self,
        node: &Node,
        is_selected: bool,
        database: Option<&dyn Database>,
    ) -> Result<bool, HostError> {
        let Some(database) = database else {
            return Ok(is_selected);
        };
        if self.seen().contains(&node.unique_id) {
            return Ok(true);
        }
        let found = database.get_relation(Some(&node.database), &node.schema, &node.alias)?;
        if found.is_some() {
            self.seen().insert(node.unique_id.clone());
        }
        Ok(found.is_some())
    }

    fn seen(&self) -> MutexGuard<'_, HashSet<UniqueId>> {
        self.existing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What stands in the schemas of a run when it begins; something else may by the time it is used.

use std::collections::{HashMap, HashSet};

use crate::postgres::catalog::RelationInfo;
use crate::relation::Relation;

type Name = (String, String);

/// Relations by schema and name.
#[derive(Debug)]
pub struct Standing {
    relations: HashMap<Name, RelationInfo>,
    refillable: HashSet<Name>,
}

impl Standing {
    /// `refillable` names the tables that are nothing but rows.
    pub fn new(relations: Vec<RelationInfo>, refillable: HashSet<Name>) -> Standing {
        let named = relations
            .into_iter()
            .map(|found| ((found.schema.clone(), found.name.clone()), found));
        Standing {
            relations: named.collect(),
            refillable,
        }
    }

    pub(super) fn relation(&self, target: &Relation) -> Option<&RelationInfo> {
        self.relations.get(&name_of(target))
    }

    pub(super) fn is_refillable(&self, target: &Relation) -> bool {
        self.refillable.contains(&name_of(target))
    }
}

fn name_of(target: &Relation) -> Name {
    (target.schema_name().to_owned(), target.name().to_owned())
}

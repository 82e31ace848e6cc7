//! Clears away what killed runs left.

use crate::postgres::Session;
use crate::postgres::catalog::RelationInfo;
use crate::relation::{Relation, RelationKind, quote_identifier};
use crate::run::publish::claim::{Claim, try_lock};
use crate::run::publish::error::PublishError;
use crate::run::publish::names::{key_of_private_name, lock_key};

/// Drops the private relations among `found` that belong to no living run; returns their names.
///
/// A living run holds the lock of its target, so `session` must hold no claim itself. Private views
/// may stand on private tables, so what cannot go yet is tried again; what somebody else made
/// something on stays.
pub fn sweep(session: &mut Session, found: &[RelationInfo]) -> Result<Vec<String>, PublishError> {
    let mut left = Vec::new();
    for found in found {
        if let Some(key) = key_of_private_name(&found.name) {
            left.push((key, found));
        }
    }
    let mut dropped = Vec::new();
    loop {
        let before = dropped.len();
        let mut hindered = Vec::new();
        for (key, found) in left {
            if !try_lock(session, key)? {
                continue;
            }
            let result = session.execute(&format!(
                "drop {} if exists {}.{}",
                drop_word(found.kind),
                quote_identifier(&found.schema),
                quote_identifier(&found.name)
            ));
            Claim::of_key(key).release(session);
            session.flush()?;
            match result {
                Ok(_) => dropped.push(found.name.clone()),
                Err(error) if error.sqlstate == "2BP01" => hindered.push((key, found)),
                // On a standby nothing can be dropped, and tests can run.
                Err(error) if error.sqlstate == "25006" => return Ok(dropped),
                Err(error) => return Err(error.into()),
            }
        }
        if hindered.is_empty() || dropped.len() == before {
            return Ok(dropped);
        }
        left = hindered;
    }
}

/// PostgreSQL's word for a kind in `drop` and `alter`.
pub(in crate::run::publish) fn drop_word(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::View => "view",
        RelationKind::MaterializedView => "materialized view",
        RelationKind::External => "foreign table",
        RelationKind::Function => "function",
        RelationKind::Table | RelationKind::Cte => "table",
    }
}

impl Claim {
    fn of_key(key: u64) -> Claim {
        Claim { key }
    }

    /// True when this is the claim on `target`.
    pub fn is_on(&self, target: &Relation) -> bool {
        self.key == lock_key(target)
    }
}

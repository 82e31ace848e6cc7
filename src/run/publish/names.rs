//! Names of relations that are built aside, and the number that stands for a target in locks.

use sha2::{Digest, Sha256};

use crate::postgres::{Datum, Error, Session};
use crate::relation::{MAX_IDENTIFIER_BYTES, Relation, quote_literal, truncate_identifier};
use crate::run::publish::error::PublishError;

/// What every private name starts with; users' relations do not.
pub const PREFIX: &str = "msv_tmp__";
const TARGET_DIGITS: usize = 16;
const INVOCATION_DIGITS: usize = 8;

/// Names the relation that one invocation builds aside for `target`, in the same schema.
///
/// 34 bytes, so that names PostgreSQL derives from it (indexes, sequences) are not cut off.
pub fn private_relation(target: &Relation, invocation_id: &str) -> Relation {
    let digest = Sha256::digest(invocation_id.as_bytes());
    let invocation: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    target.clone().with_identifier(format!(
        "{PREFIX}{:016x}_{}",
        lock_key(target),
        &invocation[..INVOCATION_DIGITS]
    ))
}

/// Where a table that failed its tests is kept for a look, in the schema of its target.
pub fn rejected_relation(target: &Relation) -> Relation {
    const PREFIX: &str = "msv_rejected__";
    let room = MAX_IDENTIFIER_BYTES - PREFIX.len();
    if target.name().len() <= room {
        return target
            .clone()
            .with_identifier(format!("{PREFIX}{}", target.name()));
    }
    let name = truncate_identifier(target.name(), room - 1 - TARGET_DIGITS);
    let key = lock_key(target);
    target
        .clone()
        .with_identifier(format!("{PREFIX}{name}_{key:016x}"))
}

/// The advisory lock that stands for `target`: 64 bits of a hash of its schema and name.
pub(in crate::run::publish) fn lock_key(target: &Relation) -> u64 {
    let mut hash = Sha256::new();
    hash.update(target.schema_name().as_bytes());
    hash.update([0]);
    hash.update(target.name().as_bytes());
    let digest = hash.finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |key, byte| (key << 8) | u64::from(*byte))
}

/// Reads the target's lock off a private name; `None` for every other name.
pub(in crate::run::publish) fn key_of_private_name(name: &str) -> Option<u64> {
    let (target, invocation) = name.strip_prefix(PREFIX)?.split_once('_')?;
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if !is_hex(target, TARGET_DIGITS) || !is_hex(invocation, INVOCATION_DIGITS) {
        return None;
    }
    u64::from_str_radix(target, 16).ok()
}

/// The name the old relation has between renaming and dropping; nobody ever sees it.
pub(in crate::run::publish) fn outgoing_name(target: &Relation) -> String {
    format!("msv_old__{:016x}", lock_key(target))
}

/// A name for something on `target` where somebody else has the one it was to get.
pub(in crate::run::publish) fn name_instead(name: &str, target: &Relation) -> String {
    let rest = format!("_{:08x}", lock_key(target) >> 32);
    let room = MAX_IDENTIFIER_BYTES - rest.len();
    format!("{}{rest}", truncate_identifier(name, room))
}

/// What has the name of `target` and can hold no rows, where that is why the server refused it:
/// waiting would not help.
pub(in crate::run::publish) fn taken_by(
    session: &mut Session,
    target: &Relation,
    error: &Error,
) -> Result<Option<PublishError>, Error> {
    if !matches!(error.sqlstate.as_str(), "42P07" | "42710" | "42809") {
        return Ok(None);
    }
    let (schema, name) = (
        quote_literal(target.schema_name()),
        quote_literal(target.name()),
    );
    let found = session.select(&format!(
        "select pg_catalog.pg_describe_object(found.catalog, found.oid, 0)
        from pg_catalog.pg_namespace as namespace
        cross join lateral (
            select 'pg_catalog.pg_class'::pg_catalog.regclass, oid from pg_catalog.pg_class
            where relnamespace = namespace.oid and relname = {name}
                and relkind not in ('r', 'p', 'v', 'm', 'f')
            union all
            select 'pg_catalog.pg_type'::pg_catalog.regclass, oid from pg_catalog.pg_type
            where typnamespace = namespace.oid and typname = {name}
                and typrelid = 0 and typcategory <> 'A'
        ) as found (catalog, oid)
        where namespace.nspname = {schema}"
    ))?;
    let holder = found.scalar().and_then(Datum::as_str);
    Ok(holder.map(|holder| PublishError::NameTaken {
        target: target.to_string(),
        holder: holder.to_owned(),
    }))
}

/// The name of something that PostgreSQL named after the private relation: after the target.
///
/// Where the name had no room PostgreSQL cut the private name short: the part with the target's
/// lock always stays. `None` when it was not named so.
pub(in crate::run::publish) fn public_name(
    name: &str,
    private_name: &str,
    target_name: &str,
) -> Option<String> {
    let kept = name
        .bytes()
        .zip(private_name.bytes())
        .take_while(|(left, right)| left == right)
        .count();
    let rest = match name.get(kept..)? {
        rest if kept == private_name.len() => rest,
        rest if kept > PREFIX.len() + TARGET_DIGITS && rest.starts_with('_') => rest,
        _ => return None,
    };
    let room = MAX_IDENTIFIER_BYTES.saturating_sub(rest.len());
    Some(format!("{}{rest}", truncate_identifier(target_name, room)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_name_leads_back_to_the_lock_of_its_target() {
        let target = Relation::new(
            "d",
            "s",
            "a table with a long name, sixty-three bytes of it, or so they say",
        );
        let private = private_relation(&target, "an invocation");
        assert_eq!(private.name().len(), 34);
        assert_eq!(key_of_private_name(private.name()), Some(lock_key(&target)));
        assert_ne!(private, private_relation(&target, "another"));
        assert_eq!(key_of_private_name("msv_tmp__orders"), None);
        assert_eq!(key_of_private_name("orders"), None);
    }

    #[test]
    fn long_names_of_what_was_rejected_stay_apart() {
        let named = |last: &str| Relation::new("d", "s", format!("{}{last}", "é".repeat(30)));
        let (left, right) = (
            rejected_relation(&named("a")),
            rejected_relation(&named("b")),
        );
        assert!(left.name().len() <= MAX_IDENTIFIER_BYTES && left != right);
    }

    #[test]
    fn derived_names_follow_the_target_and_fit() {
        assert_eq!(
            public_name("msv_tmp__x_pkey", "msv_tmp__x", "orders").as_deref(),
            Some("orders_pkey")
        );
        let private = "msv_tmp__1943315b0f1e5ca2_1127aaaa";
        assert_eq!(
            public_name(
                "msv_tmp__1943315b0f1e5ca2_112_venue_side_idx1",
                private,
                "orders"
            )
            .as_deref(),
            Some("orders_venue_side_idx1")
        );
        assert_eq!(public_name("msv_tmp_by_hand_idx", private, "orders"), None);
        let long = "é".repeat(31);
        let name = public_name("p_a_idx", "p", &long).expect("named after it");
        assert!(name.len() <= MAX_IDENTIFIER_BYTES && name.ends_with("_a_idx"));
    }
}

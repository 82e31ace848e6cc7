//! One builder for each target at a time, by an advisory lock that dies with its session.

use std::time::{Duration, Instant};

use crate::postgres::{Datum, Session};
use crate::relation::{Relation, quote_literal};
use crate::run::publish::error::PublishError;
use crate::run::publish::names::lock_key;

/// The right to build a target; held by the session until [`release`](Claim::release).
#[derive(Debug)]
#[must_use = "the target stays claimed until the claim is released or the session ends"]
pub struct Claim {
    pub(in crate::run::publish) key: u64,
}

impl Claim {
    /// Gives the right back, with the next statement: whoever has none for now must flush. A
    /// session that ended has done so already.
    pub fn release(self, session: &mut Session) {
        if session.has_pending_guard() && session.flush().is_err() {
            // Claimed for nothing, and in vain: there is nothing to give back.
            session.take_refused_guard();
            return;
        }
        if session.is_usable() {
            session.later(&format!("select pg_advisory_unlock({})", signed(self.key)));
        }
    }
}

/// Takes the right to build `target`; waits for another run at most `limit`.
///
/// `on_wait` is told once for whom it waits.
///
/// # Errors
///
/// [`PublishError::Claimed`] with who holds it.
pub fn claim(
    session: &mut Session,
    target: &Relation,
    limit: Duration,
    on_wait: &mut dyn FnMut(&str),
) -> Result<Claim, PublishError> {
    let key = lock_key(target);
    let started = Instant::now();
    let mut has_told = false;
    loop {
        if try_lock(session, key)? {
            return Ok(Claim { key });
        }
        let holder = holder(session, key)?;
        if started.elapsed() >= limit {
            return Err(PublishError::Claimed {
                target: target.to_string(),
                waited: started.elapsed(),
                holder: holder.unwrap_or_else(|| "another session".into()),
            });
        }
        if let (false, Some(holder)) = (has_told, &holder) {
            on_wait(holder);
            has_told = true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Takes the right to build `target` with the session's next statement, which does nothing where
/// another session has it: [`Session::take_refused_guard`] then says so.
pub fn claim_with_next(session: &mut Session, target: &Relation) -> Claim {
    let key = lock_key(target);
    session.guard(&format!(
        "select (case when pg_try_advisory_lock({}) then '0' else 'another run builds it' end)::int",
        signed(key)
    ));
    Claim { key }
}

/// The right to build several targets, as the statements of one transaction.
#[derive(Debug)]
pub struct Claims {
    keys: String,
}

impl Claims {
    pub fn on<'r>(targets: impl Iterator<Item = &'r Relation>) -> Claims {
        let keys: Vec<String> = targets
            .map(|target| lock_key(target).cast_signed().to_string())
            .collect();
        let keys = format!("'{{{}}}'::bigint[]", keys.join(","));
        Claims { keys }
    }

    /// Takes them up to the end of the transaction, or is refused where another session has one.
    pub fn take(&self) -> String {
        format!(
            "select (case when pg_catalog.bool_and(pg_try_advisory_xact_lock(key)) then '0' \
             else 'another run builds it' end)::int from pg_catalog.unnest({}) as key",
            self.keys
        )
    }
}

pub(in crate::run::publish) fn try_lock(
    session: &mut Session,
    key: u64,
) -> Result<bool, PublishError> {
    let rows = session.select(&format!("select pg_try_advisory_lock({})", signed(key)))?;
    Ok(rows.scalar().and_then(Datum::as_bool).unwrap_or(false))
}

/// The same bits as PostgreSQL's bigint; in brackets, so that a minus is no operator.
fn signed(key: u64) -> String {
    format!("({})::bigint", key.cast_signed())
}

/// Names who holds the lock: `pid 4711, user x, application msv, since …`.
fn holder(session: &mut Session, key: u64) -> Result<Option<String>, PublishError> {
    let rows = session.select(&format!(
        "select {DESCRIBE_ACTIVITY} from pg_catalog.pg_locks as locks
        inner join pg_catalog.pg_stat_activity as activity on activity.pid = locks.pid
        where locks.locktype = 'advisory' and locks.granted and locks.objsubid = 1
            and locks.classid::bigint = {} and locks.objid::bigint = {}",
        key >> 32,
        key & 0xffff_ffff
    ))?;
    Ok(rows
        .scalar()
        .and_then(Datum::to_text)
        .map(|text| text.into_owned()))
}

const DESCRIBE_ACTIVITY: &str = "pg_catalog.concat('pid ', activity.pid, ', user ', \
    activity.usename, ', application ', activity.application_name, ', since ', \
    pg_catalog.date_trunc('second', coalesce(activity.xact_start, activity.backend_start)))";

/// Names the sessions that hold any lock on `target`; for a message, so errors are left out.
pub(in crate::run::publish) fn lock_holders(
    session: &mut Session,
    target: &Relation,
) -> Vec<String> {
    let name = target.without_database().to_string();
    let rows = session.select(&format!(
        "select distinct {DESCRIBE_ACTIVITY} from pg_catalog.pg_locks as locks
        inner join pg_catalog.pg_stat_activity as activity on activity.pid = locks.pid
        where locks.locktype = 'relation' and locks.granted
            and locks.database = (select oid from pg_catalog.pg_database
                where datname = pg_catalog.current_database())
            and locks.relation = pg_catalog.to_regclass({})
            and locks.pid <> pg_catalog.pg_backend_pid()",
        quote_literal(&name)
    ));
    let Ok(rows) = rows else {
        return Vec::new();
    };
    rows.rows
        .iter()
        .filter_map(|row| Some(row.first()?.to_text()?.into_owned()))
        .collect()
}

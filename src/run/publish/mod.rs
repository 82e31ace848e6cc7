//! Publish: a relation built aside takes the place of the one that people read.
//!
//! Nobody who reads the old relation, or a view somebody made on it, sees an error or a half: the
//! swap is one short transaction that locks as readers do, view before table, and gives way when
//! it has to wait ([`swap`]). What hung on the old relation hangs on the new one afterwards: views,
//! grants, owner, comments, options, names of indexes ([`attributes`], [`marks`], [`names`]). What cannot be
//! moved, such as a materialized view, is served by replacing the rows ([`in_place`]). Foreign keys
//! of other tables are dropped, made again, and checked once readers are let in
//! ([`foreign_keys`]).
//!
//! Several relations can come to their places at the same moment ([`joint`]). Small tables that are
//! nothing but rows keep their places and get new rows ([`refill`]).
//!
//! Building, testing and analyzing the new relation is the caller's part.

mod attributes;
mod claim;
mod create;
mod error;
mod foreign_keys;
mod in_place;
mod joint;
mod marks;
mod names;
pub mod refill;
mod retype;
mod swap;
mod sweep;
mod unchanged;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) use self::attributes::index_shape;
pub use self::claim::{Claim, Claims, claim, claim_with_next};
pub use self::create::{create_view, is_taken};
pub use self::error::PublishError;
pub use self::joint::{Hindrance, Joint, Part};
pub use self::names::{PREFIX, private_relation, rejected_relation};
pub use self::retype::alter_below_views;
pub use self::sweep::sweep;
pub use self::unchanged::{is_same_statement, probe_relation};

use crate::postgres::catalog::{self, Dependent};
use crate::postgres::{Error, Session};
use crate::relation::Relation;
use crate::run::publish::foreign_keys::Moved;
use crate::run::publish::swap::{Attempt, Mode, New, Setback};

/// How a publication waits for readers, and what it carries over from the old relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishOptions {
    pub give_up_after: Duration,
    /// False where the project says who may read: the new relation has its grants already.
    pub keeps_grants: bool,
    /// False where the project writes the relation's comment.
    pub keeps_comment: bool,
    pub keeps_column_comments: bool,
    /// Names that indexes of the new relation are to have, by the names they were made with.
    pub index_names: HashMap<String, String>,
    /// Leaves the transaction open for more statements, up to [`complete`].
    pub leaves_open: bool,
    /// Schema and name of views that are built again after this: they may be dropped where they
    /// do not fit the new version.
    pub rebuilt: Arc<HashSet<(String, String)>>,
}

impl Default for PublishOptions {
    fn default() -> Self {
        PublishOptions {
            give_up_after: Duration::from_secs(300),
            keeps_grants: true,
            keeps_comment: true,
            keeps_column_comments: true,
            index_names: HashMap::new(),
            leaves_open: false,
            rebuilt: Arc::default(),
        }
    }
}

/// How the new relation came to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// There was nothing under the name.
    Created,
    /// A view had that query and those columns already: it was not touched.
    Unchanged,
    /// A view got a new text and stayed the same object.
    ReplacedView,
    /// The old relation was exchanged for the new one; views on it stayed the same objects.
    Swapped,
    /// The same, but views on it had to be dropped and made again.
    SwappedAndRecreated,
    /// The rows were replaced, because something that cannot be moved hangs on the table.
    RowsReplaced,
}

/// What a publication did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub way: Way,
    /// Views that were repointed or made again, as `view s.v`.
    pub dependents: Vec<String>,
    /// Views that did not fit the new version and are built again later, as `view s.v`.
    pub dropped: Vec<String>,
    /// What could not be carried over, in sentences.
    pub warnings: Vec<String>,
    /// How often it gave way to readers.
    pub retries: u32,
    /// Foreign keys of other tables that are to be checked once readers are let in.
    unchecked: Vec<Moved>,
    is_analysis_due: bool,
}

impl Published {
    fn plain(way: Way) -> Published {
        Published {
            way,
            dependents: Vec::new(),
            dropped: Vec::new(),
            warnings: Vec::new(),
            retries: 0,
            unchecked: Vec::new(),
            is_analysis_due: false,
        }
    }
}

/// Puts the table `private` in the place of `target`, whatever stands there now.
///
/// `private` must lie in the same schema and be committed; it is gone afterwards. No transaction
/// may be open. With an error the old relation stays as it was, and so does `private`.
pub fn publish_table(
    session: &mut Session,
    target: &Relation,
    private: &Relation,
    options: &PublishOptions,
) -> Result<Published, PublishError> {
    publish(session, target, &New::Table(private.clone()), options)
}

/// Makes the view `target` of a query, whatever stands there now.
///
/// A view keeps its identity (OID, grants) as long as its columns allow. An error of the query has
/// its position in `select_sql`.
pub fn publish_view(
    session: &mut Session,
    target: &Relation,
    select_sql: &str,
    options: &PublishOptions,
) -> Result<Published, PublishError> {
    publish(session, target, &New::View(select_sql.to_owned()), options)
}

/// Commits a publication that was left open, with all that was done in its transaction.
///
/// # Errors
///
/// When the server refuses to commit: the old relation stays as it was.
pub fn complete(
    session: &mut Session,
    target: &Relation,
    published: &mut Published,
) -> Result<(), Error> {
    session.commit()?;
    check_keys(session, target, published);
    Ok(())
}

pub(super) fn check_keys(session: &mut Session, target: &Relation, published: &mut Published) {
    if std::mem::take(&mut published.is_analysis_due) {
        // A convenience: whoever cannot do it now leaves it to the server's own upkeep.
        let _ = session.execute(&format!("analyze {}", target.without_database()));
    }
    let keys = std::mem::take(&mut published.unchecked);
    published
        .warnings
        .extend(foreign_keys::validate(session, target, &keys));
}

fn publish(
    session: &mut Session,
    target: &Relation,
    new: &New,
    options: &PublishOptions,
) -> Result<Published, PublishError> {
    if let New::View(select_sql) = new
        && unchanged::is_same_view(session, target, select_sql)?
    {
        if options.leaves_open {
            session.execute("begin")?;
        }
        return Ok(Published::plain(Way::Unchanged));
    }
    let started = Instant::now();
    let mut mode = Mode::Repoint;
    let mut leaving: Vec<Dependent> = Vec::new();
    let mut retries = 0;
    loop {
        let attempt = Attempt {
            target,
            new,
            mode,
            leaving: &leaving,
            plan: LockPlan::of_attempt(retries),
            options,
            is_inside: false,
        };
        let setback = match swap::attempt(session, &attempt) {
            Ok(done) => {
                let mut published = published(done, &leaving, retries);
                if !options.leaves_open {
                    check_keys(session, target, &mut published);
                }
                return Ok(published);
            }
            Err(setback) => setback,
        };
        // The setback is what to tell; a lost connection rolls back by itself.
        let _ = session.rollback();
        match setback {
            Setback::Escalate(next) => mode = next,
            Setback::Unfit { dependents, error } => {
                mode = match all_rebuilt(session, &dependents, options)? {
                    Some(more) => {
                        leaving.extend(more);
                        Mode::Repoint
                    }
                    None if mode != Mode::ReplaceRows && in_place::fits(session, target, new)? => {
                        Mode::ReplaceRows
                    }
                    None => return Err(*error),
                };
            }
            Setback::Failed(error) => return Err(named(session, target, *error)?),
            Setback::GiveWay(error)
                if let Some(taken) = names::taken_by(session, target, &error)? =>
            {
                return Err(taken);
            }
            Setback::GiveWay(error) if started.elapsed() >= options.give_up_after => {
                return Err(PublishError::Busy {
                    target: target.to_string(),
                    waited: started.elapsed(),
                    holders: claim::lock_holders(session, target),
                    error,
                });
            }
            Setback::GiveWay(_) => {
                std::thread::sleep(pause(retries));
                retries += 1;
            }
        }
    }
}

/// Says by what the name is taken, where that is why the server refused.
fn named(
    session: &mut Session,
    target: &Relation,
    error: PublishError,
) -> Result<PublishError, Error> {
    let taken = match &error {
        PublishError::Database(refusal) => names::taken_by(session, target, refusal)?,
        _ => None,
    };
    Ok(taken.unwrap_or(error))
}

fn published(done: swap::Done, leaving: &[Dependent], retries: u32) -> Published {
    let dropped = leaving.iter().map(|view| view.description.clone());
    Published {
        way: done.way,
        dependents: done.dependents,
        dropped: dropped.collect(),
        warnings: Vec::new(),
        retries,
        unchecked: done.keys,
        is_analysis_due: done.is_analysis_due,
    }
}

/// The views and all that stands on them, when every one is built again later.
fn all_rebuilt(
    session: &mut Session,
    dependents: &[Dependent],
    options: &PublishOptions,
) -> Result<Option<Vec<Dependent>>, PublishError> {
    let mut all = Vec::new();
    for dependent in dependents {
        if dependent.oid != 0 {
            all.extend(catalog::dependents(session, dependent.oid)?);
        }
        all.push(dependent.clone());
    }
    let is_rebuilt = |view: &Dependent| {
        let name = (view.schema.clone(), view.name.clone());
        view.is_ours && options.rebuilt.contains(&name)
    };
    Ok((!all.is_empty() && all.iter().all(is_rebuilt)).then_some(all))
}

/// How one attempt takes its locks.
#[derive(Clone, Copy, Debug)]
struct LockPlan {
    timeout_ms: u64,
    /// Locks the target before the views on it.
    is_target_first: bool,
}

impl LockPlan {
    /// Waits shortly at first, and changes the order when that did not help.
    ///
    /// Whoever waits for the lock makes new readers wait behind it, and a reader that locked the
    /// other way round can only be let through by giving up before PostgreSQL looks for deadlocks,
    /// which it does after one second (`deadlock_timeout`). Only when short waits led nowhere are
    /// longer ones tried, for tables that are never free of readers for long. Most readers lock a
    /// view first; those that name the table first get by when we do so too.
    fn of_attempt(retries: u32) -> LockPlan {
        let timeout_ms = match retries {
            0..20 => 100 + 40 * u64::from(retries),
            _ => (1_000u64 << (retries - 20).min(5)).min(30_000),
        };
        LockPlan {
            timeout_ms,
            is_target_first: retries % 2 == 1,
        }
    }
}

fn pause(retries: u32) -> Duration {
    Duration::from_millis((20u64 << retries.min(6)).min(1_000))
}

/// True for what may be different a moment later: locks, deadlocks, and relations that another
/// session made, dropped or changed between looking and locking.
fn is_passing(error: &Error) -> bool {
    !error.is_connection_lost()
        && (error.is_transient()
            || matches!(error.sqlstate.as_str(), "42P07" | "42P01" | "42710")
            // Functions of the catalog meet a relation that was there when the query began.
            || (error.sqlstate == "XX000"
                && ["concurrently", "could not open relation", "cache lookup failed"]
                    .iter()
                    .any(|words| error.message.contains(words))))
}

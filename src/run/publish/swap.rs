//! One attempt at putting a new relation in the place of an old one, in one transaction.

use crate::postgres::catalog::{self, Dependent, DependentKind, ForeignKey, RelationInfo};
use crate::postgres::{Error, Session};
use crate::relation::{Relation, RelationKind, quote_identifier, quote_literal};
use crate::run::publish::attributes::{
    apply_renames, create_view_statement, may_give_to, recreate_view_statements, renames,
    restore_statements, view_name,
};
use crate::run::publish::error::PublishError;
use crate::run::publish::foreign_keys::{self, Moved};
use crate::run::publish::in_place::{self, replace_rows};
use crate::run::publish::marks::marks;
use crate::run::publish::names::{outgoing_name, private_relation};
use crate::run::publish::sweep::drop_word;
use crate::run::publish::{LockPlan, PublishOptions, Way, is_passing};

/// What takes the target's place.
#[derive(Clone, Debug)]
pub(in crate::run::publish) enum New {
    /// A table that was built aside.
    Table(Relation),
    /// The query of a view, which is made in the same transaction.
    View(String),
}

/// How dependents follow, from the gentlest way on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::run::publish) enum Mode {
    /// Views that name the target get the same text again, and with it the new relation.
    Repoint,
    /// All views above the target are dropped and made again: their columns changed.
    Recreate,
    /// The target stays and gets new rows.
    ReplaceRows,
}

/// One try at a publication: what, and how.
#[derive(Clone, Copy, Debug)]
pub(in crate::run::publish) struct Attempt<'a> {
    pub target: &'a Relation,
    pub new: &'a New,
    pub mode: Mode,
    /// Views that are dropped, because they are built again and did not fit.
    pub leaving: &'a [Dependent],
    pub plan: LockPlan,
    pub options: &'a PublishOptions,
    /// The transaction is open already, and stays open.
    pub is_inside: bool,
}

/// What an attempt that succeeded did.
#[derive(Clone, Debug)]
pub(in crate::run::publish) struct Done {
    pub way: Way,
    pub dependents: Vec<String>,
    pub keys: Vec<Moved>,
    /// More is to be known of the new rows than when they were analyzed.
    pub is_analysis_due: bool,
}

impl Done {
    fn plain(way: Way) -> Done {
        Done {
            way,
            dependents: Vec::new(),
            keys: Vec::new(),
            is_analysis_due: false,
        }
    }
}

/// Why an attempt ended without a publication. Its transaction is to be rolled back.
#[derive(Debug)]
pub(in crate::run::publish) enum Setback {
    /// Somebody was in the way for the moment.
    GiveWay(Error),
    Escalate(Mode),
    /// These hinder it: it works without them, if they may go.
    Unfit {
        dependents: Vec<Dependent>,
        error: Box<PublishError>,
    },
    Failed(Box<PublishError>),
}

impl From<Error> for Setback {
    fn from(error: Error) -> Self {
        if is_passing(&error) {
            Setback::GiveWay(error)
        } else {
            Setback::Failed(Box::new(error.into()))
        }
    }
}

impl From<PublishError> for Setback {
    fn from(error: PublishError) -> Self {
        Setback::Failed(Box::new(error))
    }
}

pub(in crate::run::publish) fn attempt(
    session: &mut Session,
    attempt: &Attempt<'_>,
) -> Result<Done, Setback> {
    let Attempt {
        target, new, mode, ..
    } = *attempt;
    let plan = &attempt.plan;
    if !attempt.is_inside {
        session.begin()?;
    }
    let before = Settings::of(session, attempt)?;
    session.later(&format!("set local lock_timeout = {}", plan.timeout_ms));
    let names = match new {
        New::Table(private) => vec![target.name(), private.name()],
        New::View(_) => vec![target.name()],
    };
    let found = catalog::get_relations(session, target.schema_name(), &names)?;
    let (mut old, mut fresh) = (None, None);
    for relation in found {
        if relation.name == target.name() {
            old = Some(relation);
        } else {
            fresh = Some(relation);
        }
    }
    let private = match new {
        New::Table(private) => private.clone(),
        New::View(select_sql) => {
            let options = old.as_ref().map(view_options).unwrap_or_default();
            let create = format!(
                "create or replace view {}{options} as\n",
                target.without_database()
            );
            let is_replaceable = old
                .as_ref()
                .is_none_or(|old| old.kind == RelationKind::View);
            if is_replaceable && mode == Mode::Repoint {
                if let Some(old) = &old {
                    lock_view(session, &target.without_database().to_string(), &old.owner);
                }
                session.later("savepoint msv_view");
                let outcome = session.execute(&format!("{create}{select_sql}"));
                match outcome {
                    Ok(_) => {
                        conclude(session, before.as_ref())?;
                        let way = if old.is_some() {
                            Way::ReplacedView
                        } else {
                            Way::Created
                        };
                        return Ok(Done::plain(way));
                    }
                    Err(error) if are_columns_changed(&error) && old.is_some() => {
                        session.execute("rollback to savepoint msv_view")?;
                    }
                    Err(error) => return Err(refused_query(error, &create)),
                }
            }
            let private = private_relation(target, "view");
            let create = format!("create view {}{options} as\n", private.without_database());
            session
                .execute(&format!("{create}{select_sql}"))
                .map_err(|error| refused_query(error, &create))?;
            fresh = catalog::get_relation(session, private.schema_name(), private.name())?;
            private
        }
    };
    // Texts of views are written with full names from here on, and read back the same way.
    session.later("set local search_path = ''");
    let Some(fresh) = fresh else {
        let missing = Error::refused("42P01", format!("relation {private} does not exist"));
        return Err(Setback::Failed(Box::new(missing.into())));
    };
    let done = match &old {
        None => {
            let given = &attempt.options.index_names;
            let names = renames(session, None, &fresh, &private, target, given)?;
            rename(session, &fresh, target.name());
            apply_renames(session, target, &names)?;
            Done::plain(Way::Created)
        }
        Some(old) if mode == Mode::ReplaceRows => {
            let keys = movable_keys(session, old)?;
            foreign_keys::lock(session, &keys)?;
            foreign_keys::take_off(session, &keys)?;
            let dependents = catalog::dependents(session, old.oid)?;
            let names = &attempt.options.index_names;
            replace_rows(session, target, old, &private, &fresh, &dependents, names)?;
            Done {
                keys: foreign_keys::put_back(session, &keys)?,
                ..Done::plain(Way::RowsReplaced)
            }
        }
        Some(old) => exchange(session, attempt, old, &private, &fresh)?,
    };
    conclude(session, before.as_ref())?;
    Ok(done)
}

/// The options of a view that its next version keeps, as they stand in `create view`.
///
/// A check of what is inserted through it is left to whoever asked for it: most queries could not
/// have it.
fn view_options(old: &RelationInfo) -> String {
    if old.kind != RelationKind::View {
        return String::new();
    }
    let mut kept = old.options.clone();
    kept.retain(|option| !option.starts_with("check_option="));
    match kept.is_empty() {
        true => String::new(),
        false => format!(" with ({})", kept.join(", ")),
    }
}

/// What an attempt sets for itself.
struct Settings {
    lock_timeout: String,
    search_path: String,
}

impl Settings {
    /// Asked for only where the transaction goes on afterwards.
    fn of(session: &mut Session, attempt: &Attempt<'_>) -> Result<Option<Settings>, Error> {
        if !attempt.options.leaves_open {
            return Ok(None);
        }
        let rows = session.select(
            "select pg_catalog.current_setting('lock_timeout'), \
             pg_catalog.current_setting('search_path')",
        )?;
        let text = |at: usize| {
            let row = rows.rows.first();
            let value = row.and_then(|row| row[at].as_str());
            value.unwrap_or_default().to_owned()
        };
        Ok(Some(Settings {
            lock_timeout: text(0),
            search_path: text(1),
        }))
    }
}

/// Commits, or hands the transaction over with the settings it had.
fn conclude(session: &mut Session, before: Option<&Settings>) -> Result<(), Error> {
    let Some(before) = before else {
        return session.commit();
    };
    session
        .execute(&format!(
            "select pg_catalog.set_config('lock_timeout', {}, true), \
             pg_catalog.set_config('search_path', {}, true)",
            quote_literal(&before.lock_timeout),
            quote_literal(&before.search_path)
        ))
        .map(drop)
}

/// Foreign keys of other tables on the old relation that this session may move.
fn movable_keys(session: &mut Session, old: &RelationInfo) -> Result<Vec<ForeignKey>, Error> {
    let mut keys = catalog::foreign_keys_to(session, old.oid)?;
    keys.retain(|key| key.is_ours);
    Ok(keys)
}

fn exchange(
    session: &mut Session,
    attempt: &Attempt<'_>,
    old: &RelationInfo,
    private: &Relation,
    fresh: &RelationInfo,
) -> Result<Done, Setback> {
    let Attempt { target, mode, .. } = *attempt;
    let above = catalog::dependents(session, old.oid)?;
    if above.iter().any(|dependent| dependent.oid == fresh.oid) {
        let target = target.to_string();
        return Err(PublishError::ReadsItself { target }.into());
    }
    let is_recreating = mode == Mode::Recreate;
    let is_leaving = |dependent: &Dependent| {
        let mut leaving = attempt.leaving.iter();
        dependent.oid != 0 && leaving.any(|view| view.oid == dependent.oid)
    };
    let leaving: Vec<&Dependent> = above.iter().filter(|view| is_leaving(view)).collect();
    let has_keys = above
        .iter()
        .any(|above| above.kind == DependentKind::ForeignKey);
    let keys = if has_keys {
        catalog::foreign_keys_to(session, old.oid)?
    } else {
        Vec::new()
    };
    let are_keys_ours = keys.iter().all(|key| key.is_ours);
    let concerned: Vec<&Dependent> = above
        .iter()
        .filter(|dependent| is_recreating || dependent.is_direct)
        .filter(|dependent| !is_leaving(dependent))
        .filter(|dependent| !(are_keys_ours && dependent.kind == DependentKind::ForeignKey))
        .collect();
    let blockers: Vec<&Dependent> = concerned
        .iter()
        .copied()
        .filter(|dependent| dependent.kind != DependentKind::View || !dependent.is_ours)
        .collect();
    if !blockers.is_empty() {
        if !is_recreating && old.kind == RelationKind::Table && fresh.kind == RelationKind::Table {
            return Err(Setback::Escalate(Mode::ReplaceRows));
        }
        let words = blockers.iter().map(|blocker| blocker.description.clone());
        return Err(Setback::Unfit {
            error: Box::new(blocked(target, words.collect(), old, fresh)),
            dependents: blockers.into_iter().cloned().collect(),
        });
    }
    // Topmost views first, the target last: the order in which a reader of any of them locks.
    if attempt.plan.is_target_first {
        lock_target(session, target, old);
    }
    for view in above
        .iter()
        .filter(|view| concerned.contains(view) || is_leaving(view))
    {
        if view.kind == DependentKind::View {
            lock_view(session, &view_name(view), &view.owner);
        }
    }
    foreign_keys::lock(session, &keys)?;
    lock_target(session, target, old);
    let locked = catalog::get_relation(session, target.schema_name(), target.name())?;
    let is_same = locked.is_some_and(|locked| locked.oid == old.oid);
    if !is_same || catalog::dependents(session, old.oid)? != above {
        let error = Error::refused(
            "55P03",
            format!("{target} or a view on it was exchanged meanwhile"),
        );
        return Err(Setback::GiveWay(error));
    }

    let are_tables = [old, fresh].iter().all(|it| it.kind == RelationKind::Table);
    let is_alike = |session: &mut Session| -> Result<bool, Error> {
        Ok(are_tables && in_place::are_alike(session, target, private)?)
    };
    let options = attempt.options;
    let gives_owner = old.owner == fresh.owner || may_give_to(session, &old.owner, &old.schema)?;
    if !gives_owner && is_alike(session)? {
        return Err(Setback::Escalate(Mode::ReplaceRows));
    }
    let (attributes, has_marks) =
        restore_statements(session, old, fresh, target, options, gives_owner)?;
    let given = &options.index_names;
    let names = renames(session, Some(old), fresh, private, target, given)?;
    let name = target.without_database().to_string();
    let marks = if has_marks {
        marks(session, old, fresh, &name, &names)?
    } else {
        Vec::new()
    };
    for view in &leaving {
        let word = match view.kind {
            DependentKind::MaterializedView => "materialized view",
            _ => "view",
        };
        session.execute(&format!("drop {word} {}", view_name(view)))?;
    }
    // A key that the new table cannot carry stays on the old one, where that can take the rows.
    let is_key_bound = !keys.is_empty() && is_alike(session)?;
    foreign_keys::take_off(session, &keys)?;
    let mut remade = Vec::new();
    if is_recreating {
        for view in &concerned {
            remade.push(recreate_view_statements(session, view)?);
        }
        for view in &concerned {
            session
                .execute(&format!("drop view {}", view_name(view)))
                .map_err(|error| held(attempt, view, old, fresh, error))?;
        }
    }
    let outgoing = outgoing_name(target);
    rename(session, old, &outgoing);
    rename(session, fresh, target.name());
    if !is_recreating && !concerned.is_empty() {
        session.flush()?;
        for view in concerned.iter().rev() {
            let statement = create_view_statement(view, "create or replace view");
            session
                .execute(&statement)
                .map_err(|error| broken(target, view, error))?;
        }
    }
    drop_outgoing(session, target, old, fresh, &outgoing)?;
    for (view, statements) in concerned.iter().zip(&remade).rev() {
        for statement in statements {
            session
                .execute(statement)
                .map_err(|error| broken(target, view, error))?;
        }
    }
    apply_renames(session, target, &names)?;
    for mark in &marks {
        session
            .execute(&mark.statement)
            .map_err(|error| lost(target, &mark.description, error))?;
    }
    for statement in &attributes {
        session.execute(statement)?;
    }
    let keys = foreign_keys::put_back(session, &keys)?;
    if is_key_bound && keys.iter().any(|key| key.refusal.is_some()) {
        return Err(Setback::Escalate(Mode::ReplaceRows));
    }
    let way = if is_recreating && !concerned.is_empty() {
        Way::SwappedAndRecreated
    } else {
        Way::Swapped
    };
    let names = concerned.iter().map(|view| view.description.clone());
    Ok(Done {
        way,
        dependents: names.collect(),
        keys,
        is_analysis_due: marks.iter().any(|mark| mark.is_for_statistics),
    })
}

/// Locks a view alone against readers.
///
/// `lock table` on a view locks all that stands below it too; giving it to the owner it has takes
/// the same lock and changes nothing.
///
/// Like the other locks it is sent with the next statement, which tells when it was not to be had.
pub(in crate::run::publish) fn lock_view(session: &mut Session, name: &str, owner: &str) {
    let owner = quote_identifier(owner);
    session.later(&format!("alter view {name} owner to {owner}"));
}

pub(in crate::run::publish) fn lock_target(
    session: &mut Session,
    target: &Relation,
    old: &RelationInfo,
) {
    let name = target.without_database().to_string();
    match old.kind {
        RelationKind::View => lock_view(session, &name, &old.owner),
        RelationKind::MaterializedView => session.later(&format!(
            "alter materialized view {name} owner to {}",
            quote_identifier(&old.owner)
        )),
        _ => session.later(&format!("lock table {name} in access exclusive mode")),
    }
}

fn rename(session: &mut Session, relation: &RelationInfo, to: &str) {
    session.later(&format!(
        "alter {} {}.{} rename to {}",
        drop_word(relation.kind),
        quote_identifier(&relation.schema),
        quote_identifier(&relation.name),
        quote_identifier(to)
    ));
}

fn drop_outgoing(
    session: &mut Session,
    target: &Relation,
    old: &RelationInfo,
    fresh: &RelationInfo,
    outgoing: &str,
) -> Result<(), Setback> {
    let outgoing_relation = target.without_database().with_identifier(outgoing);
    let dropped = session.execute(&format!("drop {} {outgoing_relation}", drop_word(old.kind)));
    match dropped {
        // A function that takes a row of the table, a column of its type: found only by trying.
        Err(error) if error.sqlstate == "2BP01" => {
            if old.kind == RelationKind::Table && fresh.kind == RelationKind::Table {
                return Err(Setback::Escalate(Mode::ReplaceRows));
            }
            let detail = error.detail.clone().unwrap_or_default();
            let name = target.name();
            let blockers = detail
                .replace(outgoing, name)
                .lines()
                .map(str::to_owned)
                .collect();
            Err(blocked(target, blockers, old, fresh).into())
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

fn blocked(
    target: &Relation,
    dependents: Vec<String>,
    old: &RelationInfo,
    fresh: &RelationInfo,
) -> PublishError {
    let reason = if old.kind == fresh.kind {
        "its columns changed, and what depends on it cannot be moved".to_owned()
    } else {
        let (was, becomes) = (old.kind.as_str(), fresh.kind.as_str());
        format!("it is a {was} and becomes a {becomes}, and what depends on it cannot be moved")
    };
    PublishError::DependentBlocks {
        target: target.to_string(),
        dependents,
        reason: reason.replace('_', " "),
    }
}

/// A view that is to be made again, and that something stands on which is no view.
fn held(
    attempt: &Attempt<'_>,
    view: &Dependent,
    old: &RelationInfo,
    fresh: &RelationInfo,
    error: Error,
) -> Setback {
    if error.sqlstate != "2BP01" {
        return error.into();
    }
    let detail = error.detail.clone().unwrap_or_default();
    let words = detail.lines().map(str::to_owned).collect();
    Setback::Unfit {
        dependents: vec![view.clone()],
        error: Box::new(blocked(attempt.target, words, old, fresh)),
    }
}

/// Something that was set on the old relation does not fit the new one.
fn lost(target: &Relation, description: &str, error: Error) -> Setback {
    if is_passing(&error) || error.is_connection_lost() {
        return error.into();
    }
    PublishError::DependentBroken {
        target: target.to_string(),
        dependent: description.to_owned(),
        error: error.without_position(),
    }
    .into()
}

fn broken(target: &Relation, view: &Dependent, error: Error) -> Setback {
    if are_columns_changed(&error) {
        return Setback::Escalate(Mode::Recreate);
    }
    if error.is_transient() {
        return Setback::GiveWay(error);
    }
    let broken = PublishError::DependentBroken {
        target: target.to_string(),
        dependent: view.description.clone(),
        error: error.without_position(),
    };
    Setback::Unfit {
        dependents: vec![view.clone()],
        error: Box::new(broken),
    }
}

/// A relation that the view's own query names and that is missing will not come by waiting.
fn refused_query(error: Error, create: &str) -> Setback {
    let error = error.after_prefix(create);
    if error.sqlstate == "42P01" && error.position.is_some() {
        return Setback::Failed(Box::new(error.into()));
    }
    error.into()
}

/// True when `create or replace view` was refused because the view's own columns would change.
fn are_columns_changed(error: &Error) -> bool {
    error.sqlstate == "42P16"
}

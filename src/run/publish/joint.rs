//! Several publications that take effect at the same moment, in one transaction.
//!
//! All locks are taken at the beginning, as readers take them: views before what they read. When
//! somebody is in the way, or a relation has to be moved in another way, all of it is rolled back
//! and begun again.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::postgres::catalog::{self, Dependent, DependentKind, RelationInfo};
use crate::postgres::{Error, Session};
use crate::relation::Relation;
use crate::run::publish::attributes::view_name;
use crate::run::publish::error::PublishError;
use crate::run::publish::in_place;
use crate::run::publish::names::taken_by;
use crate::run::publish::swap::{self, Attempt, Mode, New, Setback};
use crate::run::publish::{
    LockPlan, PublishOptions, Published, all_rebuilt, claim, named, pause, published,
};

/// One of the publications.
#[derive(Debug)]
pub struct Part {
    target: Relation,
    new: New,
    options: PublishOptions,
    mode: Mode,
    leaving: Vec<Dependent>,
}

impl Part {
    /// What was built under the private name takes the place of `target`.
    pub fn exchange(target: &Relation, private: &Relation, options: &PublishOptions) -> Part {
        Part::new(target, New::Table(private.clone()), options)
    }

    /// The view `target` gets this query.
    pub fn view(target: &Relation, select_sql: &str, options: &PublishOptions) -> Part {
        Part::new(target, New::View(select_sql.to_owned()), options)
    }

    fn new(target: &Relation, new: New, options: &PublishOptions) -> Part {
        Part {
            target: target.clone(),
            new,
            options: PublishOptions {
                leaves_open: true,
                ..options.clone()
            },
            mode: Mode::Repoint,
            leaving: Vec::new(),
        }
    }
}

/// Why an attempt ended; [`Joint::after`] says whether another one is worth it.
#[derive(Debug)]
pub struct Hindrance {
    part: Option<usize>,
    setback: Setback,
}

/// The publications and how far they have come.
#[derive(Debug)]
pub struct Joint {
    parts: Vec<Part>,
    started: Instant,
    give_up_after: Duration,
    retries: u32,
}

impl Joint {
    /// Parts come in the order in which they are placed: what is read before what reads it.
    pub fn new(parts: Vec<Part>) -> Joint {
        Joint {
            parts,
            started: Instant::now(),
            give_up_after: PublishOptions::default().give_up_after,
            retries: 0,
        }
    }

    /// Begins the transaction and locks whatever is going to be changed.
    pub fn begin(&self, session: &mut Session) -> Result<(), Hindrance> {
        self.lock(session).map_err(|error| Hindrance {
            part: None,
            setback: error.into(),
        })
    }

    fn lock(&self, session: &mut Session) -> Result<(), Error> {
        session.begin()?;
        let timeout = LockPlan::of_attempt(self.retries).timeout_ms;
        session.later(&format!("set local lock_timeout = {timeout}"));
        let mut found = Vec::new();
        for relation in self.published_before(session)? {
            let above = catalog::dependents(session, relation.oid)?;
            found.push((above, relation));
        }
        // What stands above a relation stands above whatever the relation stands on.
        found.sort_by_key(|(above, _)| above.len());
        let mut locked = HashSet::new();
        for (above, relation) in &found {
            for view in above {
                if view.kind == DependentKind::View && view.is_ours && locked.insert(view.oid) {
                    swap::lock_view(session, &view_name(view), &view.owner);
                }
            }
            if locked.insert(relation.oid) {
                let name = Relation::new(&relation.database, &relation.schema, &relation.name);
                swap::lock_target(session, &name, relation);
            }
        }
        session.later("reset lock_timeout");
        session.flush()
    }

    /// What stands under the names of the targets now.
    fn published_before(&self, session: &mut Session) -> Result<Vec<RelationInfo>, Error> {
        let mut names: HashMap<&str, Vec<&str>> = HashMap::new();
        for part in &self.parts {
            let schema = names.entry(part.target.schema_name()).or_default();
            schema.push(part.target.name());
        }
        let mut found = Vec::new();
        for (schema, names) in names {
            found.extend(catalog::get_relations(session, schema, &names)?);
        }
        Ok(found)
    }

    /// Puts one of the new relations in its place; the transaction stays open.
    pub fn place(&self, session: &mut Session, at: usize) -> Result<Published, Hindrance> {
        let part = &self.parts[at];
        let attempt = Attempt {
            target: &part.target,
            new: &part.new,
            mode: part.mode,
            leaving: &part.leaving,
            plan: LockPlan::of_attempt(self.retries),
            options: &part.options,
            is_inside: true,
        };
        match swap::attempt(session, &attempt) {
            Ok(done) => Ok(published(done, &part.leaving, self.retries)),
            Err(setback) => Err(Hindrance {
                part: Some(at),
                setback,
            }),
        }
    }

    pub fn commit(&self, session: &mut Session) -> Result<(), Hindrance> {
        session.commit().map_err(|error| Hindrance {
            part: None,
            setback: error.into(),
        })
    }

    /// Rolls an attempt back and gets ready for the next one.
    ///
    /// # Errors
    ///
    /// When no further attempt would do better, with the part that is to blame.
    pub fn after(
        &mut self,
        session: &mut Session,
        hindrance: Hindrance,
    ) -> Result<(), (Option<usize>, PublishError)> {
        // The hindrance is what to tell; a lost connection rolls back by itself.
        let _ = session.rollback();
        let part = hindrance.part;
        let told = |error| (part, error);
        match (hindrance.setback, part) {
            (Setback::Escalate(mode), Some(at)) => self.parts[at].mode = mode,
            (Setback::Unfit { dependents, error }, Some(at)) => {
                let part = &mut self.parts[at];
                let fits = |session: &mut Session| {
                    in_place::fits(session, &part.target, &part.new)
                        .map_err(|error| told(error.into()))
                };
                part.mode = match all_rebuilt(session, &dependents, &part.options).map_err(told)? {
                    Some(more) => {
                        part.leaving.extend(more);
                        Mode::Repoint
                    }
                    None if part.mode != Mode::ReplaceRows && fits(session)? => Mode::ReplaceRows,
                    None => return Err(told(*error)),
                };
            }
            (Setback::Escalate(_) | Setback::Unfit { .. }, None) => {}
            (Setback::Failed(error), Some(at)) => {
                let error = named(session, &self.parts[at].target, *error);
                return Err(told(error.unwrap_or_else(PublishError::from)));
            }
            (Setback::Failed(error), None) => return Err(told(*error)),
            (Setback::GiveWay(error), Some(at))
                if let Ok(Some(taken)) = taken_by(session, &self.parts[at].target, &error) =>
            {
                return Err(told(taken));
            }
            (Setback::GiveWay(error), _) if self.started.elapsed() >= self.give_up_after => {
                let target = match part {
                    Some(at) => &self.parts[at].target,
                    None => &self.parts[0].target,
                };
                return Err(told(PublishError::Busy {
                    target: target.to_string(),
                    waited: self.started.elapsed(),
                    holders: claim::lock_holders(session, target),
                    error,
                }));
            }
            (Setback::GiveWay(_), _) => {
                std::thread::sleep(pause(self.retries));
                self.retries += 1;
            }
        }
        Ok(())
    }
}

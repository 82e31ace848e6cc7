//! What is built and tested, and waits to be published with the rest of its run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::compile::Compiled;
use crate::diagnostics::Diagnostic;
use crate::parse::Node;
use crate::relation::{Relation, RelationKind};
use crate::run::hooks::{Moment, run_hooks};
use crate::run::publish::{Part, PublishOptions, Published};
use crate::run::worker::NodeRun;

use super::{extras, table, view};

/// What a run has built so far and has not published.
#[derive(Default)]
pub struct Waiting(Mutex<Vec<Pending>>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Vec<Pending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::run) fn take(&self) -> Vec<Pending> {
        std::mem::take(&mut *self.lock())
    }
}

/// A relation under its private name, and how it comes to its place.
pub(in crate::run) struct Pending {
    pub node: Arc<Node>,
    /// The query with published names.
    pub compiled: Option<Compiled>,
    pub target: Relation,
    pub private: Relation,
    pub kind: RelationKind,
    pub how: How,
    pub options: PublishOptions,
    pub is_made_anew: bool,
}

/// How a waiting relation comes to its place.
pub(in crate::run) enum How {
    /// The private relation itself takes the place.
    Exchange,
    /// The view gets its query; the statements before it come first.
    Replace { header: String },
    /// The view is made in the words of the project's own macro, and exchanged.
    Remake,
}

impl Pending {
    pub(in crate::run) fn is_view(&self) -> bool {
        self.kind == RelationKind::View
    }

    pub(in crate::run) fn part(&self) -> Part {
        match (&self.how, &self.compiled) {
            (How::Replace { .. }, Some(compiled)) => {
                Part::view(&self.target, &compiled.sql, &self.options)
            }
            _ => Part::exchange(&self.target, &self.private, &self.options),
        }
    }
}

/// Keeps a relation until the run publishes.
pub(super) fn wait(
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    (target, private): (&Relation, &Relation),
    (kind, how): (RelationKind, How),
    options: PublishOptions,
) {
    let public = |text: &str| run.context.public_text(text).into_owned();
    let compiled = compiled.map(|compiled| {
        let mut named = Compiled::default();
        named.push_text(&public(&compiled.sql));
        named.sql_header = compiled.sql_header.as_deref().map(public);
        named
    });
    let how = match how {
        How::Replace { header } => How::Replace {
            header: public(&header),
        },
        other => other,
    };
    let pending = Pending {
        node: Arc::clone(run.node),
        compiled,
        target: target.clone(),
        private: private.clone(),
        kind,
        how,
        options,
        is_made_anew: run.is_made_anew.get(),
    };
    run.context.pending.lock().push(pending);
}

/// What comes before a waiting relation is put in its place.
pub(in crate::run) fn before_place(
    run: &NodeRun<'_>,
    pending: &Pending,
) -> Result<(), Box<Diagnostic>> {
    match (&pending.how, &pending.compiled) {
        (How::Replace { header }, _) if !header.is_empty() => run.execute(header, None).map(drop),
        (How::Remake, Some(compiled)) => view::make_aside(run, compiled, &pending.target).map(drop),
        _ => Ok(()),
    }
}

/// What belongs into the same transaction: comments and grants of views, and the post-hooks.
pub(in crate::run) fn after_place(
    run: &NodeRun<'_>,
    pending: &Pending,
    published: &mut Published,
) -> Result<(), Box<Diagnostic>> {
    let (compiled, target) = (pending.compiled.as_ref(), &pending.target);
    match pending.how {
        How::Replace { .. } | How::Remake => view::complete(run, compiled, target, published)?,
        How::Exchange => table::complete(run, compiled, target, published)?,
    }
    run_hooks(run, compiled, Moment::After)
}

/// What comes after the transaction.
pub(in crate::run) fn after_commit(
    run: &NodeRun<'_>,
    pending: &Pending,
) -> Result<(), Box<Diagnostic>> {
    run_hooks(run, pending.compiled.as_ref(), Moment::AfterCommit)
}

/// Tells what a publication could not carry over.
pub(in crate::run) fn tell(run: &NodeRun<'_>, published: &Published) {
    extras::tell(run, published);
}

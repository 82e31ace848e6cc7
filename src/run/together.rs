//! `--publish=together`: everything a run builds is published in one transaction at its end.
//!
//! Until then what is built lies under private names, where tests and children read it
//! ([`StandIns`]). A failure anywhere leaves every relation as people had it.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use indexmap::IndexSet;
use serde_json::json;

use crate::compile::StandIns;
use crate::diagnostics::Diagnostic;
use crate::graph::Graph;
use crate::parse::{Invocation, Node, ResourceType, UniqueId};
use crate::postgres::{Datum, Error, Rows};
use crate::relation::quote_literal;

use super::adapter::{Adapter, sql_word};
use super::audit::Audit;
use super::event::{Event, Level, NodeResult, Status};
use super::failure::{Sent, server_refused};
use super::materialize::{self, Pending};
use super::plan::{Plan, executable_nodes};
use super::publish::{self, Claim, Hindrance, Joint, PublishError, Published};
use super::query_comment::statement_comment;
use super::repeat::{TRANSACTION_NUMBER, reconnect_if_lost, was_committed};
use super::runner::{RunContext, connect};
use super::worker::{NodeRun, claim_relation};

/// When what a run builds is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publishing {
    /// Each relation as soon as it is built and tested.
    #[default]
    Each,
    /// All of them at the end, or none.
    Together,
}

/// How often the publishing of everything is begun again on another connection.
const MAX_RECOVERIES: usize = 4;

/// Where nodes read what a run builds that publishes everything at its end.
pub fn stand_ins(
    graph: &Graph,
    selected: &IndexSet<UniqueId>,
    invocation: &Invocation,
) -> StandIns {
    let nodes = executable_nodes(graph, selected);
    let relations = nodes.iter().filter(|node| is_published(node)).map(|node| {
        let public = materialize::target_of(node);
        let private = publish::private_relation(&public, &invocation.id);
        (node.unique_id.clone(), private, public)
    });
    StandIns::new(publish::PREFIX, relations)
}

/// True for a node whose relation people read.
pub(super) fn is_published(node: &Node) -> bool {
    matches!(
        node.resource_type,
        ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot
    )
}

/// Names the nodes that cannot be built aside.
pub(super) fn refusals(plan: &Plan) -> Vec<Diagnostic> {
    let why = |node: &Node| match node.resource_type {
        ResourceType::Function => Some("a function is replaced where it stands".to_owned()),
        ResourceType::Model if node.is_microbatch() => {
            Some("the batches of a microbatch model are committed one by one".to_owned())
        }
        ResourceType::Model => match node.config.materialized() {
            "view" | "table" | "incremental" => None,
            "materialized_view" => {
                Some("a materialized view is refreshed where it stands".to_owned())
            }
            other => Some(format!("the materialization `{other}` publishes by itself")),
        },
        _ => None,
    };
    let refused = plan
        .all_nodes()
        .filter_map(|node| Some(refusal(node, why(node)?)));
    refused.collect()
}

/// Names a node that cannot be built aside, and why.
pub(super) fn refusal(node: &Node, reason: String) -> Diagnostic {
    let kind = node.resource_type.as_str().replace('_', " ");
    Diagnostic::error(
        "MSV0490",
        format!(
            "{kind} `{}` cannot be published together with others",
            node.name
        ),
    )
    .at(node.place.clone(), "")
    .note(reason)
    .help(format!(
        "leave it out: --exclude {}; or publish each relation when it is built",
        node.name
    ))
}

/// The connection that keeps other runs away from all targets, and publishes.
pub(super) struct Keeper {
    adapter: Arc<Adapter>,
    /// The nodes whose targets are claimed, in that order.
    nodes: Vec<Arc<Node>>,
    claims: Vec<Claim>,
    audit: Audit<'static>,
    /// The transaction that publishes, once it is ready to be committed.
    number: Cell<Option<i64>>,
}

impl Keeper {
    /// Claims the targets of all nodes, in an order that is the same for every run.
    pub(super) fn claiming(context: &Arc<RunContext>, plan: &Plan) -> Result<Keeper, Diagnostic> {
        let session = connect(context)?;
        let adapter = Arc::new(Adapter::new(session, Arc::clone(&context.listener)));
        let nodes: BTreeMap<(String, String), Arc<Node>> = plan
            .all_nodes()
            .filter(|node| is_published(node))
            .map(|node| {
                let target = materialize::target_of(node);
                let name = (target.schema_name().to_owned(), target.name().to_owned());
                (name, Arc::clone(node))
            })
            .collect();
        let mut keeper = Keeper {
            adapter,
            nodes: nodes.into_values().collect(),
            claims: Vec::new(),
            audit: Audit::none(),
            number: Cell::new(None),
        };
        keeper.claims = keeper.claim_all(context).map_err(|error| *error)?;
        Ok(keeper)
    }

    fn claim_all(&self, context: &RunContext) -> Result<Vec<Claim>, Box<Diagnostic>> {
        let claims = self.nodes.iter().map(|node| {
            let target = materialize::target_of(node);
            claim_relation(context, &self.adapter, node, &target)
        });
        claims.collect()
    }

    /// Publishes what was built when all of the run is well, and clears it away otherwise.
    ///
    /// Results of nodes that are not published say so afterwards.
    pub(super) fn conclude(
        self,
        context: &Arc<RunContext>,
        plan: &Plan,
        left: usize,
        results: &mut [Arc<NodeResult>],
    ) {
        let built = in_order(plan, context.pending.take());
        let failure = results.iter().find(|result| {
            let is_skipped = result.status == Status::Skipped;
            result.status.is_failure() || is_skipped || !result.rejected_by.is_empty()
        });
        let reason = match failure {
            _ if context.stop.is_interrupted() => Some("the run was interrupted".to_owned()),
            Some(result) => Some(format!("{} did not come through", result.node.name)),
            None if left > 0 => Some("the run was stopped".to_owned()),
            None => None,
        };
        let outcome = match reason {
            Some(reason) => Err(reason),
            None if built.is_empty() => return,
            None => {
                context.compiler.settings.stand_ins.end();
                self.publish(context, &built).map_err(|(at, diagnostic)| {
                    let node = &built[at].node;
                    fail(results, node, *diagnostic);
                    format!("{} could not be published", node.name)
                })
            }
        };
        let (level, text) = match &outcome {
            Ok(()) => {
                let plural = if built.len() == 1 { "" } else { "s" };
                let text = format!("Published {} relation{plural} at once", built.len());
                (Level::Info, text)
            }
            Err(reason) => {
                reconnect_if_lost(context, &self.adapter);
                self.clear(&built);
                leave_unpublished(results, &built);
                (
                    Level::Warn,
                    format!("Nothing is published, people keep what they had: {reason}"),
                )
            }
        };
        let node = None;
        context
            .listener
            .on_event(&Event::Message { level, text, node });
        if outcome.is_ok() {
            self.finish(context, &built, results);
        }
        for claim in self.claims {
            claim.release(&mut self.adapter.session());
        }
        // A session that is lost has given its claims back already.
        let _ = self.adapter.session().flush();
    }

    fn publish(
        &self,
        context: &Arc<RunContext>,
        built: &[Pending],
    ) -> Result<(), (usize, Box<Diagnostic>)> {
        let mut joint = Joint::new(built.iter().map(Pending::part).collect());
        if reconnect_if_lost(context, &self.adapter)
            && let Some(first) = built.first()
            && !self.reclaim(context, built)
        {
            let run = self.node_run(context, first);
            let lost = PublishError::Database(Error::lost());
            let compiled = first.compiled.as_ref();
            return Err((0, materialize::publish_failed(&run, compiled, &lost)));
        }
        let mut recoveries = 0;
        loop {
            self.number.set(None);
            let (published, trouble) = match self.attempt(context, &joint, built) {
                Ok(published) => {
                    let outcome = joint.commit(&mut self.adapter.session());
                    let Err(hindrance) = outcome else {
                        self.close(context, built, published);
                        return Ok(());
                    };
                    (published, Trouble::Hindered(hindrance))
                }
                Err(trouble) => (Vec::new(), trouble),
            };
            let is_lost = !self.adapter.session().is_usable();
            if is_lost && recoveries < MAX_RECOVERIES {
                recoveries += 1;
                match self.recover(context, built) {
                    Some(true) => {
                        self.close(context, built, published);
                        return Ok(());
                    }
                    Some(false) => continue,
                    None => {}
                }
            }
            let hindrance = match trouble {
                Trouble::Refused(at, diagnostic) => {
                    // What is told is why; a connection that is lost has rolled back by itself.
                    let _ = self.adapter.session().rollback();
                    return Err((at, diagnostic));
                }
                Trouble::Hindered(hindrance) => hindrance,
            };
            let mut session = self.adapter.session();
            let outcome = joint.after(&mut session, hindrance);
            drop(session);
            outcome.map_err(|(at, error)| {
                let at = at.unwrap_or(0);
                let run = self.node_run(context, &built[at]);
                let compiled = built[at].compiled.as_ref();
                (at, materialize::publish_failed(&run, compiled, &error))
            })?;
        }
    }

    /// Takes a new connection, and with it the claims again, after one was lost. True when
    /// everything is published already, `None` when that cannot be found out or claimed, or another
    /// run has cleared away what nobody claimed meanwhile.
    fn recover(&self, context: &RunContext, built: &[Pending]) -> Option<bool> {
        context.listener.on_event(&Event::Message {
            level: Level::Warn,
            text: "The connection was lost while publishing: on another one again".to_owned(),
            node: None,
        });
        match self.number.get() {
            Some(number) if was_committed(context, &self.adapter, number)? => return Some(true),
            Some(_) => {}
            None => drop(reconnect_if_lost(context, &self.adapter)),
        }
        self.reclaim(context, built).then_some(false)
    }

    /// Takes the claims again, after the connection that held them was lost. False where another
    /// run has cleared away what nobody claimed meanwhile.
    fn reclaim(&self, context: &RunContext, built: &[Pending]) -> bool {
        if self.claim_all(context).is_err() {
            return false;
        }
        let names = built.iter().map(|pending| {
            let name = pending.private.without_database().to_string();
            format!(
                "pg_catalog.to_regclass({}) is not null",
                quote_literal(&name)
            )
        });
        let are_there = names.collect::<Vec<_>>().join(" and ");
        let rows = self.adapter.query(&format!("select {are_there}"));
        let are_there = rows.as_ref().ok().and_then(Rows::scalar);
        are_there.and_then(Datum::as_bool) == Some(true)
    }

    /// One transaction with everything; hooks that belong into it run in it.
    fn attempt(
        &self,
        context: &Arc<RunContext>,
        joint: &Joint,
        built: &[Pending],
    ) -> Result<Vec<Published>, Trouble> {
        joint.begin(&mut self.adapter.session())?;
        // Views are made again by their published names, so that they stay the objects they are.
        for (at, pending) in built.iter().enumerate().rev() {
            if !pending.is_view() {
                continue;
            }
            let drop = format!("drop view {}", pending.private.without_database());
            self.adapter
                .execute(&drop)
                .map_err(|error| refused(pending, &drop, &error))
                .map_err(|diagnostic| Trouble::Refused(at, diagnostic))?;
        }
        let mut published = Vec::new();
        for (at, pending) in built.iter().enumerate() {
            let told = |diagnostic| Trouble::Refused(at, diagnostic);
            let run = self.node_run(context, pending);
            self.adapter.works_on(Some(&pending.node));
            let comment = statement_comment(&context.compiler, Some(&pending.node));
            self.adapter.comment(comment.map_err(told)?);
            materialize::before_place(&run, pending).map_err(told)?;
            let mut done = joint.place(&mut self.adapter.session(), at)?;
            materialize::after_place(&run, pending, &mut done).map_err(told)?;
            published.push(done);
        }
        self.adapter.works_on(None);
        // Told by the next statement, the commit, where the connection is lost now.
        let number = self.adapter.query(TRANSACTION_NUMBER);
        let number = number.as_ref().ok().and_then(Rows::scalar);
        self.number.set(number.and_then(Datum::as_i64));
        Ok(published)
    }

    /// What is left to do once all of it is committed.
    fn close(&self, context: &Arc<RunContext>, built: &[Pending], mut published: Vec<Published>) {
        for (pending, done) in built.iter().zip(&mut published) {
            publish::check_keys(&mut self.adapter.session(), &pending.target, done);
            materialize::tell(&self.node_run(context, pending), done);
        }
    }

    fn node_run<'r>(&'r self, context: &'r Arc<RunContext>, pending: &'r Pending) -> NodeRun<'r> {
        NodeRun {
            context,
            adapter: &self.adapter,
            node: &pending.node,
            is_made_anew: Cell::new(pending.is_made_anew),
            has_lasting_work: Cell::new(false),
            refusal: Default::default(),
            batch: None,
            audit: &self.audit,
            renamed: None,
            is_unasked: false,
        }
    }

    /// Runs the hooks that come after the transaction.
    fn finish(
        &self,
        context: &Arc<RunContext>,
        built: &[Pending],
        results: &mut [Arc<NodeResult>],
    ) {
        for pending in built {
            let run = self.node_run(context, pending);
            if let Err(diagnostic) = materialize::after_commit(&run, pending) {
                fail(results, &pending.node, *diagnostic);
            }
        }
    }

    /// Drops what was built in vain: what cannot go now is swept by the next run.
    fn clear(&self, built: &[Pending]) {
        let _ = self.adapter.session().rollback();
        for pending in built.iter().rev() {
            let word = sql_word(pending.kind);
            let name = pending.private.without_database();
            let _ = self
                .adapter
                .execute(&format!("drop {word} if exists {name}"));
        }
    }
}

/// Why an attempt ended: for good, or for this time.
enum Trouble {
    Refused(usize, Box<Diagnostic>),
    Hindered(Hindrance),
}

impl From<Hindrance> for Trouble {
    fn from(hindrance: Hindrance) -> Self {
        Trouble::Hindered(hindrance)
    }
}

fn refused(pending: &Pending, sql: &str, error: &Error) -> Box<Diagnostic> {
    let sent = Sent { sql, query: None };
    Box::new(server_refused(&pending.node, &sent, error))
}

/// What is read comes before what reads it.
fn in_order(plan: &Plan, mut built: Vec<Pending>) -> Vec<Pending> {
    let places: HashMap<&str, usize> = plan
        .order()
        .into_iter()
        .enumerate()
        .map(|(place, at)| (plan.nodes[at].unique_id.as_str(), place))
        .collect();
    built.sort_by_key(|pending| places.get(pending.node.unique_id.as_str()).copied());
    built
}

fn fail(results: &mut [Arc<NodeResult>], node: &Arc<Node>, diagnostic: Diagnostic) {
    for result in results.iter_mut() {
        if result.node.unique_id == node.unique_id {
            let mut failed = NodeResult::clone(result);
            failed.status = Status::Error;
            failed.message = diagnostic.title.clone();
            failed.diagnostic = Some(diagnostic);
            *result = Arc::new(failed);
            return;
        }
    }
}

fn leave_unpublished(results: &mut [Arc<NodeResult>], built: &[Pending]) {
    for result in results.iter_mut() {
        let is_built = built
            .iter()
            .any(|pending| pending.node.unique_id == result.node.unique_id);
        if is_built && result.status == Status::Success {
            let mut told = NodeResult::clone(result);
            told.message = format!("{} (not published)", told.message);
            told.adapter_response["published"] = json!(false);
            *result = Arc::new(told);
        }
    }
}

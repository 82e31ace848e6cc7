//! Executes one node on one connection and says how it ended.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::compile::{Compiled, NodeHost, Overrides};
use crate::diagnostics::Diagnostic;
use crate::jinja::{Database, Value};
use crate::parse::{Batch, Node, ResourceType};
use crate::postgres::Error;
use crate::relation::Relation;

use super::adapter::Adapter;
use super::audit::{Audit, Verdict};
use super::event::{BatchResults, Event, Level, NodeResult, Status, Timing};
use super::failure::{Sent, commit_unknown, server_refused};
use super::publish::{self, Claim, PublishError};
use super::query_comment::statement_comment;
use super::repeat::{is_to_repeat, was_committed};
use super::runner::RunContext;
use super::together::is_published;
use super::unasked::Unasked;
use super::{data_test, materialize, unit_test};

/// How a node's work ended when it did not fail.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub status: Option<Status>,
    pub message: String,
    pub rows: Option<i64>,
    pub failures: Option<i64>,
    pub response: Json,
    /// The tests that kept the node from being published.
    pub rejected_by: Vec<String>,
    /// What a failed or warning test found.
    pub diagnostic: Option<Diagnostic>,
    pub batch_results: Option<BatchResults>,
}

impl Done {
    /// The outcome of a statement, in dbt's words: `SELECT 5`, `INSERT 0 5`, `CREATE VIEW`.
    pub(super) fn statement(tag: &str, rows: Option<u64>) -> Self {
        let rows = rows.and_then(|rows| i64::try_from(rows).ok());
        let message = match (tag, rows) {
            ("INSERT", Some(rows)) => format!("INSERT 0 {rows}"),
            (_, Some(rows)) => format!("{tag} {rows}"),
            (_, None) => tag.to_owned(),
        };
        // As in dbt, a statement that touches no rows says -1.
        let affected = rows.unwrap_or(-1);
        let response = json!({"_message": message, "code": tag, "rows_affected": affected});
        Done {
            message,
            rows,
            response,
            ..Done::default()
        }
    }

    /// The same work, which nobody gets to see.
    pub(super) fn rejected(mut self, by: Vec<String>) -> Self {
        self.message = format!("{} (not published: {} failed)", self.message, by.join(", "));
        self.response["published"] = json!(false);
        self.rejected_by = by;
        self
    }
}

/// One node on one connection.
pub(super) struct NodeRun<'a> {
    pub context: &'a RunContext,
    pub adapter: &'a Arc<Adapter>,
    pub node: &'a Arc<Node>,
    /// Set once an incremental model is being built from nothing: its relation exists before its
    /// last hook has run, and they must not take it for one that rows were added to.
    pub is_made_anew: Cell<bool>,
    /// The piece of a microbatch model that is built.
    pub batch: Option<Batch>,
    /// Set once something is committed that must not be done twice.
    pub has_lasting_work: Cell<bool>,
    /// The last refusal of the server.
    pub refusal: RefCell<Option<Error>>,
    /// What is held against the node before it is published.
    pub audit: &'a Audit<'a>,
    /// The relation that stands in for another one, which is to be named in its place.
    pub renamed: Option<(&'a Relation, &'a Relation)>,
    /// Templates are refused whatever they ask the server.
    pub is_unasked: bool,
}

impl<'a> NodeRun<'a> {
    /// A test on this connection, which is not tested itself.
    pub(super) fn of_test(
        context: &'a RunContext,
        adapter: &'a Arc<Adapter>,
        test: &'a Arc<Node>,
        (audit, renamed): (&'a Audit<'a>, Option<(&'a Relation, &'a Relation)>),
    ) -> NodeRun<'a> {
        NodeRun {
            context,
            adapter,
            node: test,
            is_made_anew: Cell::new(false),
            has_lasting_work: Cell::new(false),
            refusal: Default::default(),
            batch: None,
            audit,
            renamed,
            is_unasked: false,
        }
    }
}

impl NodeRun<'_> {
    /// The connection as templates want it.
    pub(super) fn database(&self) -> Arc<dyn Database> {
        if self.is_unasked {
            return Arc::new(Unasked);
        }
        Arc::clone(self.adapter) as Arc<dyn Database>
    }

    pub(super) fn host(&self, compiled: Option<&Compiled>) -> NodeHost {
        let mut host = NodeHost::new(&self.context.compiler, self.node, Some(self.database()));
        if let Some(compiled) = compiled {
            host.remember_compiled(compiled);
        }
        if self.is_made_anew.get() {
            let answers = &mut host.overrides.macros;
            answers.insert("is_incremental".to_owned(), Value::from(false));
        }
        host.overrides.batch = self.batch;
        host
    }

    /// Runs a statement that holds the node's query; a refusal points at the template.
    pub(super) fn execute(
        &self,
        sql: &str,
        query: Option<&Compiled>,
    ) -> Result<crate::postgres::Executed, Box<Diagnostic>> {
        self.adapter
            .execute(sql)
            .map_err(|error| self.refused(&error, sql, query))
    }

    /// The same, with a further statement in the same call.
    pub(super) fn execute_and(
        &self,
        sql: &str,
        tail: &str,
        query: Option<&Compiled>,
    ) -> Result<crate::postgres::Executed, Box<Diagnostic>> {
        self.adapter
            .session()
            .execute_and(sql, tail)
            .map_err(|error| self.refused(&error, sql, query))
    }

    /// Commits work that must not be done twice, in the transaction of that number
    /// ([`TRANSACTION_NUMBER`](super::repeat::TRANSACTION_NUMBER)): where the answer is lost the
    /// server is asked what became of it.
    pub(super) fn commit_once(&self, number: Option<i64>) -> Result<(), Box<Diagnostic>> {
        let Err(lost) = self.execute("commit", None) else {
            self.has_lasting_work.set(true);
            return Ok(());
        };
        if self.adapter.session().is_usable() {
            return Err(lost);
        }
        match number.and_then(|number| was_committed(self.context, self.adapter, number)) {
            Some(true) => {
                self.has_lasting_work.set(true);
                self.refusal.take();
                Ok(())
            }
            Some(false) => Err(lost),
            None => {
                self.has_lasting_work.set(true);
                Err(Box::new(commit_unknown(self.node, *lost)))
            }
        }
    }

    pub(super) fn query(
        &self,
        sql: &str,
        query: Option<&Compiled>,
    ) -> Result<crate::postgres::Rows, Box<Diagnostic>> {
        self.adapter
            .query(sql)
            .map_err(|error| self.refused(&error, sql, query))
    }

    pub(super) fn refused(
        &self,
        error: &Error,
        sql: &str,
        query: Option<&Compiled>,
    ) -> Box<Diagnostic> {
        *self.refusal.borrow_mut() = Some(error.clone());
        let mut diagnostic = server_refused(self.node, &Sent { sql, query }, error);
        if let Some(target) = &self.node.relation {
            // What was built aside goes by the name it was to have.
            let private = publish::private_relation(target, &self.context.compiler.invocation.id);
            rename(&mut diagnostic, &private, target);
        }
        Box::new(diagnostic)
    }

    /// Runs the tests of the node.
    ///
    /// # Errors
    ///
    /// When the connection was lost before they had ended.
    pub(super) fn verdict(&self, stand_in: Option<&Relation>) -> Result<Verdict, Box<Diagnostic>> {
        self.audit
            .verdict(stand_in)
            .ok_or_else(|| self.refused(&Error::lost(), "", None))
    }

    /// Ends a transaction that a failure left open.
    pub(super) fn leave_no_transaction(&self) {
        leave_no_transaction(self.adapter);
    }

    /// Keeps a statement under `target/run`, where people look for what was sent.
    pub(super) fn keep_statement(&self, sql: &str) {
        let batch = self.batch.map(|batch| batch.label());
        let sql = self.context.public_text(sql);
        let sql = match self.renamed {
            Some((private, target)) => sql.replace(private.name(), target.name()).into(),
            None => sql,
        };
        self.context
            .files
            .keep_run(self.node, batch.as_deref(), &sql);
    }
}

/// Executes a node and measures it. Failures are results, never errors.
pub(super) fn execute_node(
    context: &RunContext,
    adapter: &Arc<Adapter>,
    node: &Arc<Node>,
    thread: usize,
    audit: &Audit<'_>,
) -> NodeResult {
    let begun = Instant::now();
    let compile_started = Timestamp::now();
    adapter.works_on(Some(node));
    let run = NodeRun {
        context,
        adapter,
        node,
        is_made_anew: Cell::new(false),
        has_lasting_work: Cell::new(false),
        refusal: Default::default(),
        batch: None,
        audit,
        renamed: None,
        is_unasked: false,
    };
    let mut compiled_code = None;
    let mut timing = Vec::new();
    // What a template sees of its own relation must not change before it is built: claimed first.
    let commented = statement_comment(&context.compiler, Some(node));
    let commented = commented.map(|comment| adapter.comment(comment));
    let attempt = Cell::new(0);
    let mut work = || {
        timing.clear();
        if attempt.get() > 0 {
            materialize::drop_leftover(&run);
        }
        let outcome = compile_and_run(&run, compile_started, &mut compiled_code, &mut timing);
        leave_no_transaction(adapter);
        outcome
    };
    let mut work_claimed = || {
        let Some(target) = claimed_target(&run) else {
            return work();
        };
        let mut claim = publish::claim_with_next(&mut adapter.session(), target);
        let mut outcome = work();
        let is_refused = adapter.session().take_refused_guard();
        if is_refused && adapter.session().is_usable() {
            // Another run builds it, and nothing was done: from the beginning, once it has ended.
            claim = claim_relation(context, adapter, node, target)?;
            outcome = work();
        }
        claim.release(&mut adapter.session());
        outcome
    };
    let outcome = commented.and_then(|()| {
        loop {
            let outcome = work_claimed();
            let refusal = run.refusal.take().filter(|_| outcome.is_err());
            match refusal {
                Some(error) if is_to_repeat(&run, attempt.get(), &error) => {
                    attempt.set(attempt.get() + 1);
                    audit.begin_again();
                }
                _ => return outcome,
            }
        }
    });
    adapter.works_on(None);
    result_of(
        context,
        (node, thread),
        begun,
        outcome,
        compiled_code,
        timing,
    )
}

/// Runs a data test of a node that is not published yet: `stand_in` has its rows, or the open
/// transaction of the connection.
pub(super) fn execute_audit(
    context: &RunContext,
    adapter: &Arc<Adapter>,
    (tested, stand_in): (&Arc<Node>, Option<&Relation>),
    test: &Arc<Node>,
    thread: usize,
) -> NodeResult {
    let begun = Instant::now();
    let compile_started = Timestamp::now();
    adapter.works_on(Some(test));
    let audit = Audit::none();
    let renamed = stand_in.zip(tested.relation.as_ref());
    let run = NodeRun::of_test(context, adapter, test, (&audit, renamed));
    let mut compiled_code = None;
    let mut timing = Vec::new();
    let compiler = &context.compiler;
    let comment_for = |node| {
        adapter.comment(statement_comment(compiler, Some(node))?);
        Ok(())
    };
    let work = || {
        comment_for(test)?;
        let mut overrides = Overrides::default();
        if let Some(relation) = stand_in {
            let id = tested.unique_id.clone();
            overrides.relations.insert(id, relation.clone());
        }
        let sent = match context.foretold.take_compiled(&test.unique_id) {
            Some(sent) => sent,
            None => compiler.compile_with(test, Some(run.database()), overrides)?,
        };
        let mut shown = context.public_text(&sent.sql).into_owned();
        if let (Some(private), Some(target)) = (stand_in, &tested.relation) {
            shown = shown.replace(private.name(), &target.name().replace('"', "\"\""));
        }
        context.files.keep_compiled(test, &shown);
        compiled_code = Some(shown);
        let execute_started = Timestamp::now();
        timing.push(Timing {
            name: "compile",
            started_at: compile_started,
            completed_at: execute_started,
        });
        let mut done = data_test::run_data_test(&run, &sent)
            .map_err(|diagnostic| by_public_name(diagnostic, tested, stand_in));
        if let Ok(Done {
            status: Some(Status::Fail),
            diagnostic: Some(diagnostic),
            ..
        }) = &mut done
            && !data_test::stores_failures(test)
        {
            diagnostic.help = vec![format!(
                "see all rows: msv build --keep-rejected --select {}",
                tested.name
            )];
        }
        timing.push(Timing {
            name: "execute",
            started_at: execute_started,
            completed_at: Timestamp::now(),
        });
        done
    };
    let outcome = adapter.looking_aside(renamed, || inside_transaction(adapter, test, work));
    adapter.works_on(Some(tested));
    // The node's own statements had this comment already: it renders again.
    let outcome = outcome.and_then(|done| comment_for(tested).map(|()| done));
    result_of(
        context,
        (test, thread),
        begun,
        outcome,
        compiled_code,
        timing,
    )
}

fn rename(diagnostic: &mut Diagnostic, private: &Relation, target: &Relation) {
    let named = |text: &str| text.replace(private.name(), target.name());
    diagnostic.title = named(&diagnostic.title);
    for text in diagnostic.notes.iter_mut().chain(&mut diagnostic.help) {
        *text = named(text);
    }
}

/// What stands in for a relation goes by the name that people know.
fn with_public_names(context: &RunContext, diagnostic: &mut Diagnostic) {
    let named = |text: &mut String| *text = context.public_text(text).into_owned();
    named(&mut diagnostic.title);
    diagnostic.notes.iter_mut().for_each(named);
    diagnostic.help.iter_mut().for_each(named);
}

/// What was tested aside goes by the name it is to have.
fn by_public_name(
    mut diagnostic: Box<Diagnostic>,
    tested: &Node,
    stand_in: Option<&Relation>,
) -> Box<Diagnostic> {
    if let (Some(private), Some(target)) = (stand_in, &tested.relation) {
        rename(&mut diagnostic, private, target);
    }
    diagnostic
}

/// Does some work in the open transaction, if there is one; what fails there leaves it usable.
pub(super) fn inside_transaction<T>(
    adapter: &Arc<Adapter>,
    node: &Node,
    work: impl FnOnce() -> Result<T, Box<Diagnostic>>,
) -> Result<T, Box<Diagnostic>> {
    if !adapter.session().is_in_transaction() {
        let outcome = work();
        leave_no_transaction(adapter);
        return outcome;
    }
    let told = |error: Error| {
        Box::new(server_refused(
            node,
            &Sent {
                sql: "",
                query: None,
            },
            &error,
        ))
    };
    adapter.execute("savepoint msv_audit").map_err(told)?;
    let outcome = work();
    let after = if outcome.is_ok() {
        "release savepoint msv_audit"
    } else {
        "rollback to savepoint msv_audit"
    };
    adapter.execute(after).map_err(told)?;
    outcome
}

pub(super) fn result_of(
    context: &RunContext,
    (node, thread): (&Arc<Node>, usize),
    begun: Instant,
    outcome: Result<Done, Box<Diagnostic>>,
    compiled_code: Option<String>,
    timing: Vec<Timing>,
) -> NodeResult {
    let (status, done) = match outcome {
        Ok(done) => (done.status.unwrap_or(Status::Success), done),
        Err(diagnostic) => {
            let mut diagnostic = diagnostic;
            with_public_names(context, &mut diagnostic);
            let message = diagnostic.title.clone();
            (
                Status::Error,
                Done {
                    message,
                    response: json!({}),
                    diagnostic: Some(*diagnostic),
                    ..Done::default()
                },
            )
        }
    };
    NodeResult {
        node: Arc::clone(node),
        status,
        message: done.message,
        failures: done.failures,
        rows: done.rows,
        adapter_response: if done.response.is_null() {
            json!({})
        } else {
            done.response
        },
        timing,
        thread,
        execution_seconds: begun.elapsed().as_secs_f64(),
        compiled_code,
        compiled_path: None,
        batch_results: done.batch_results,
        rejected_by: done.rejected_by,
        diagnostic: done.diagnostic,
    }
}

fn compile_and_run(
    run: &NodeRun<'_>,
    compile_started: Timestamp,
    compiled_code: &mut Option<String>,
    timing: &mut Vec<Timing>,
) -> Result<Done, Box<Diagnostic>> {
    let node = run.node;
    if run.context.options.is_clone {
        return materialize::clone(run);
    }
    if is_for_others(node) {
        return Ok(Done {
            status: Some(Status::NoOp),
            message: "NO-OP".to_owned(),
            failures: Some(0),
            ..Done::default()
        });
    }
    let mut compiled = None;
    let is_split = node.is_microbatch();
    if !is_split
        && !matches!(
            node.resource_type,
            ResourceType::Seed | ResourceType::UnitTest
        )
    {
        let made = run.context.compiler.compile(node, Some(run.database()))?;
        let shown = run.context.public_text(&made.sql);
        run.context.files.keep_compiled(node, &shown);
        *compiled_code = Some(shown.into_owned());
        compiled = Some(made);
    }
    let execute_started = Timestamp::now();
    timing.push(Timing {
        name: "compile",
        started_at: compile_started,
        completed_at: execute_started,
    });
    let done = match (node.resource_type, &compiled) {
        (ResourceType::Model, None) if is_split => materialize::microbatch(run),
        (ResourceType::Model, Some(compiled)) => materialize::model(run, compiled),
        (ResourceType::Seed, _) => materialize::seed(run),
        (ResourceType::Function, Some(compiled)) => materialize::function(run, compiled),
        (ResourceType::Snapshot, Some(compiled)) => materialize::snapshot(run, compiled),
        (ResourceType::Test, Some(compiled)) => data_test::run_data_test(run, compiled),
        (ResourceType::UnitTest, _) => unit_test::run_unit_test(run),
        (other, _) => Err(Box::new(
            Diagnostic::error(
                "MSV0444",
                format!("a {} is nothing to run: `{}`", other.as_str(), node.name),
            )
            .at(node.place.clone(), "")
            .help(format!("leave it out: --exclude {}", node.name)),
        )),
    };
    timing.push(Timing {
        name: "execute",
        started_at: execute_started,
        completed_at: Timestamp::now(),
    });
    done
}

/// An exposure or a saved query is built when what it stands on is: others ask for its rows.
fn is_for_others(node: &Node) -> bool {
    matches!(
        node.resource_type,
        ResourceType::Exposure | ResourceType::SavedQuery
    )
}

/// How long a node waits for another run that builds the same relation.
const CLAIM_LIMIT: Duration = Duration::from_secs(300);

/// How often a waiting node looks whether its own run was interrupted.
const CLAIM_TURN: Duration = Duration::from_secs(1);

/// What other runs must neither build nor sweep away while this node does.
fn claimed_target<'r>(run: &NodeRun<'r>) -> Option<&'r Relation> {
    let node = run.node;
    let is_built = match node.resource_type {
        // All of them were claimed before the first was built.
        _ if run.context.is_together() && is_published(node) => false,
        _ if run.context.options.is_clone => true,
        ResourceType::Seed | ResourceType::Snapshot => true,
        ResourceType::Model => node.config.materialized() != "ephemeral",
        ResourceType::Test => data_test::stores_failures(node),
        _ => false,
    };
    node.relation.as_ref().filter(|_| is_built)
}

/// Keeps other runs from building `target`, which the node is published as.
pub(super) fn claim_relation(
    context: &RunContext,
    adapter: &Arc<Adapter>,
    node: &Arc<Node>,
    target: &Relation,
) -> Result<Claim, Box<Diagnostic>> {
    let begun = Instant::now();
    let mut has_told = false;
    let mut tell = |holder: &str| {
        if std::mem::replace(&mut has_told, true) {
            return;
        }
        context.listener.on_event(&Event::Message {
            level: Level::Info,
            text: format!(
                "`{}.{}` waits for another run that builds it ({holder})",
                target.schema_name(),
                target.name()
            ),
            node: Some(node.unique_id.clone()),
        });
    };
    loop {
        let outcome = publish::claim(&mut adapter.session(), target, CLAIM_TURN, &mut tell);
        let is_over = begun.elapsed() >= CLAIM_LIMIT || context.stop.is_interrupted();
        match outcome {
            Ok(claim) => return Ok(claim),
            Err(PublishError::Claimed { .. }) if !is_over => {}
            Err(PublishError::Claimed { target, holder, .. }) => {
                let error = PublishError::Claimed {
                    target,
                    waited: begun.elapsed(),
                    holder,
                };
                return Err(Box::new(error.diagnostic()));
            }
            Err(error) => return Err(Box::new(error.diagnostic())),
        }
    }
}

/// A node that failed inside a transaction must not hand it to the next one.
fn leave_no_transaction(adapter: &Arc<Adapter>) {
    let mut session = adapter.session();
    if session.is_in_transaction() {
        // A connection that is gone has no transaction either.
        let _ = session.rollback();
    }
}

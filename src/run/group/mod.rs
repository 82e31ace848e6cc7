//! Group: several nodes that are ready at the same time are built, tested and published in one call.
//!
//! 1. Take what is plain: models without hooks, grants, indexes and the like ([`may_join`]).
//! 2. Render them and their tests, without asking the server anything ([`Member`]).
//! 3. Send one transaction that makes all of them and is refused where a test fails ([`Script`]):
//!    new relations are created, views held against what stands there, small tables refilled.
//!
//! Whatever is not as expected undoes all of it, and each node is built by itself, in the way that
//! finds out and tells what there is to tell. So a group may be sure of itself: it never has to
//! explain anything. What takes long is built by itself, too: others are not to wait for it.

mod member;
mod question;
mod script;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::parse::Node;
use crate::postgres::{Answer, Error, StatementComment};
use crate::relation::RelationKind;
use crate::run::adapter::Adapter;
use crate::run::audit::Audit;
use crate::run::event::{Event, Level, NodeResult};
use crate::run::group::member::Member;
use crate::run::group::script::Script;
use crate::run::query_comment::statement_comment;
use crate::run::runner::RunContext;
use crate::run::worker::{Done, NodeRun, execute_audit, result_of};

pub(super) use self::member::may_join;

/// How much time a run loses on groups that come to nothing before it makes no more of them.
const LOSS_LIMIT: Duration = Duration::from_secs(2);

/// Whether groups are worth it, in this run.
#[derive(Debug, Default)]
pub struct Grouping {
    lost_ms: AtomicU64,
}

impl Grouping {
    pub(super) fn is_worth_it(&self) -> bool {
        u128::from(self.lost_ms.load(Ordering::Relaxed)) < LOSS_LIMIT.as_millis()
    }

    fn lose(&self, time: Duration) {
        let lost = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.lost_ms.fetch_add(lost, Ordering::Relaxed);
    }
}

/// A node that is built, and its tests, none of which hinders it.
pub(super) struct Finished {
    pub tests: Vec<NodeResult>,
    pub result: NodeResult,
}

/// Builds nodes with the tests that hang on each; `None` for those that are to be built by
/// themselves, about which nothing was done.
pub(super) fn build(
    context: &Arc<RunContext>,
    adapter: &Arc<Adapter>,
    thread: usize,
    nodes: &[(&Arc<Node>, &[Arc<Node>])],
) -> Vec<Option<Finished>> {
    let begun = Instant::now();
    adapter.works_on(None);
    let prepared: Vec<Option<Member<'_>>> = nodes
        .iter()
        .map(|&node| Member::prepared(context, adapter, node))
        .collect();
    let members: Vec<&Member<'_>> = prepared.iter().flatten().collect();
    let mut finished: Vec<Option<Finished>> = nodes.iter().map(|_| None).collect();
    if members.is_empty() {
        return finished;
    }
    let sent = Timestamp::now();
    let script = Script::of(&members, comment(context, &members).as_ref());
    let answers = match adapter.run_each(&script.statements, &script.whose) {
        Ok(answers) => answers,
        Err(error) => {
            // What failed is told by the node that is built by itself.
            let _ = adapter.session().rollback();
            context.grouping.lose(begun.elapsed());
            if error.is_connection_lost() {
                tell_again(context, &members, &error);
            }
            if context.stop.is_interrupted() {
                for (finished, member) in finished.iter_mut().zip(&prepared) {
                    let member = member.as_ref();
                    *finished = member.map(|member| {
                        cancelled((context, adapter, thread), member, &error, (begun, sent))
                    });
                }
            }
            return finished;
        }
    };
    let are_done = script.are_done(&members, &answers);
    let share = begun.elapsed() / u32::try_from(members.len()).unwrap_or(1);
    let mut at_member = 0;
    for (at, member) in prepared.iter().enumerate() {
        let Some(member) = member else { continue };
        if are_done[at_member] {
            let told = script.told(at_member, &answers);
            finished[at] = Some(finish(
                (context, adapter, thread),
                member,
                &told,
                (sent, share),
            ));
        }
        at_member += 1;
    }
    finished
}

/// The comment by which the server's list of statements tells who sent a group: its only node, or
/// none in particular.
fn comment(context: &RunContext, members: &[&Member<'_>]) -> Option<StatementComment> {
    match members {
        [one] => one.comment.clone(),
        _ => statement_comment(&context.compiler, None).ok().flatten(),
    }
}

fn tell_again(context: &RunContext, members: &[&Member<'_>], error: &Error) {
    let who = match members {
        [one] => format!("`{}` is tried again by itself", one.node.name),
        many => format!("{} nodes are tried again, each by itself", many.len()),
    };
    context.listener.on_event(&Event::Message {
        level: Level::Warn,
        text: format!("{who}: {}", error.message),
        node: members.first().map(|member| member.node.unique_id.clone()),
    });
}

/// What becomes of a node when its group was cancelled with the run.
fn cancelled(
    (context, adapter, thread): (&Arc<RunContext>, &Arc<Adapter>, usize),
    member: &Member<'_>,
    error: &Error,
    (begun, sent): (Instant, Timestamp),
) -> Finished {
    let audit = Audit::none();
    let run = NodeRun::of_test(context, adapter, member.node, (&audit, None));
    let refused = run.refused(error, "", None);
    let compiled_code = Some(member.compiled.sql.clone());
    Finished {
        tests: Vec::new(),
        result: result_of(
            context,
            (member.node, thread),
            begun,
            Err(refused),
            compiled_code,
            member.timing(sent),
        ),
    }
}

/// What one statement of a script told, by what it was sent for.
struct Told<'s> {
    made: &'s Answer,
    questions: Vec<&'s Answer>,
}

fn finish(
    (context, adapter, thread): (&Arc<RunContext>, &Arc<Adapter>, usize),
    member: &Member<'_>,
    told: &Told<'_>,
    (sent, share): (Timestamp, Duration),
) -> Finished {
    let node = member.node;
    let mut warned = Vec::new();
    for (question, answer) in member.questions.iter().zip(&told.questions) {
        let row = answer.rows.first().map_or(&[][..], Vec::as_slice);
        for (test, counts) in question.counts(row) {
            context.foretold.tell(&test, counts);
            if counts.should_warn || counts.should_error {
                warned.push(test);
            }
        }
    }
    let mut tests = Vec::new();
    for test in &member.tests {
        // A test with something to tell shows rows of what people read now.
        let is_silent = !warned.contains(&test.node.unique_id);
        let stand_in = member.stand_in().filter(|_| is_silent);
        if is_silent {
            let compiled = test.compiled.clone();
            context
                .foretold
                .keep_compiled(&test.node.unique_id, compiled);
        }
        tests.push(execute_audit(
            context,
            adapter,
            (node, stand_in),
            test.node,
            thread,
        ));
    }
    context.files.keep_compiled(node, &member.compiled.sql);
    context.files.keep_run(node, None, &member.shown_statement);
    let done = match member.kind {
        RelationKind::View => Done::statement("CREATE VIEW", None),
        _ => Done::statement("SELECT", Some(told.made.rows_affected)),
    };
    let now = Instant::now();
    Finished {
        tests,
        result: result_of(
            context,
            (node, thread),
            now.checked_sub(share).unwrap_or(now),
            Ok(done),
            Some(member.compiled.sql.clone()),
            member.timing(sent),
        ),
    }
}

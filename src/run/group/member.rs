//! One node of a group: what it is made of, rendered before the server is asked anything.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::compile::{Compiled, Overrides};
use crate::parse::{Node, ResourceType};
use crate::postgres::{StatementComment, has_transaction_control, split_statements, stands_alone};
use crate::relation::{Relation, RelationKind};
use crate::run::adapter::Adapter;
use crate::run::audit::Audit;
use crate::run::data_test;
use crate::run::event::Timing;
use crate::run::group::question::{Question, questions};
use crate::run::materialize::{is_of_ours, is_plain, target_of, written_table, written_view};
use crate::run::publish;
use crate::run::query_comment::statement_comment;
use crate::run::runner::RunContext;
use crate::run::worker::NodeRun;

/// Tables with more rows than this are built by themselves: refilled ones hold their old rows, too,
/// until they are vacuumed.
const ROWS_LIMIT: i64 = 10_000;

/// What may be configured of a model that is built in a group: nothing of it asks for another
/// statement. Anything else may be there as long as it is empty.
const KEYS: &[&str] = &[
    "access",
    "alias",
    "batch_size",
    "begin",
    "column_types",
    "concurrent_batches",
    "contract",
    "database",
    "docs",
    "enabled",
    "event_time",
    "freshness",
    "full_refresh",
    "group",
    "incremental_strategy",
    "lookback",
    "materialized",
    "meta",
    "on_configuration_change",
    "on_schema_change",
    "packages",
    "quoting",
    "schema",
    "static_analysis",
    "tags",
    "unique_key",
];

/// How a member comes to its place.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// It is made under its own name: nothing stands there.
    New,
    /// A view stands there, and this one is made to be held against it.
    Probe(Relation),
    /// A table stands there that gets the rows, if a view of the query has its columns.
    Refill(Relation),
}

/// A node that is rendered and can be sent.
pub(super) struct Member<'a> {
    pub node: &'a Arc<Node>,
    pub target: Relation,
    pub way: Way,
    pub kind: RelationKind,
    pub compiled: Compiled,
    /// Makes a view of the query that is taken back again.
    pub probe: Option<String>,
    /// Makes the relation, or gives it its rows.
    pub statement: Option<String>,
    /// What the project has written for it, and people are shown.
    pub shown_statement: String,
    pub comment: Option<StatementComment>,
    pub tests: Vec<MemberTest<'a>>,
    pub questions: Vec<Question>,
    pub compile_started: Timestamp,
    pub compile_ended: Timestamp,
}

/// A data test of a member, rendered over what is made for it.
pub(super) struct MemberTest<'a> {
    pub node: &'a Arc<Node>,
    pub compiled: Compiled,
}

/// True for a node that may be built with others, as far as it can be said before it is rendered.
pub(in crate::run) fn may_join(context: &RunContext, node: &Node, tests: &[Arc<Node>]) -> bool {
    let options = &context.options;
    node.resource_type == ResourceType::Model
        && !context.is_together()
        && !options.is_clone
        && node
            .relation
            .as_ref()
            .is_some_and(|target| !target.is_too_long() && way(context, node, target).is_some())
        && node.language() != "python"
        && node
            .config
            .iter()
            .all(|(key, value)| is_harmless(key, value))
        && tests.iter().all(|test| {
            test.resource_type == ResourceType::Test && !data_test::stores_failures(test)
        })
}

fn is_harmless(key: &str, value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::String(text) if text.is_empty() => true,
        Json::Array(items) if items.is_empty() => true,
        Json::Object(entries) if entries.is_empty() => true,
        _ if key == "contract" => value.get("enforced") != Some(&Json::Bool(true)),
        _ => KEYS.contains(&key),
    }
}

/// How the node comes to its place, by what stood there when the run began; `None` where that takes
/// more than a group can do.
fn way(context: &RunContext, node: &Node, target: &Relation) -> Option<(RelationKind, Way)> {
    let kind = match node.config.materialized() {
        "view" => RelationKind::View,
        "table" => RelationKind::Table,
        _ => return None,
    };
    let standing = context.standing.get()?;
    let way = match (standing.relation(target), kind) {
        (None, _) => Way::New,
        (Some(old), RelationKind::View) => {
            (old.kind == RelationKind::View).then(|| Way::Probe(publish::probe_relation(target)))?
        }
        (Some(old), _) => {
            let is_small = old.estimated_rows.is_some_and(|rows| rows <= ROWS_LIMIT);
            (is_small && standing.is_refillable(target))
                .then(|| Way::Refill(publish::probe_relation(target)))?
        }
    };
    Some((kind, way))
}

impl<'a> Member<'a> {
    /// Renders a node and its tests; `None` where that needs the server, or goes wrong: then the
    /// node is built by itself, and tells what it has to tell.
    pub(super) fn prepared(
        context: &'a RunContext,
        adapter: &'a Arc<Adapter>,
        (node, tests): (&'a Arc<Node>, &'a [Arc<Node>]),
    ) -> Option<Member<'a>> {
        let compile_started = Timestamp::now();
        let target = target_of(node);
        let (kind, way) = way(context, node, &target)?;
        let audit = Audit::none();
        let run = unasked(NodeRun::of_test(context, adapter, node, (&audit, None)));
        if !is_of_ours(&run) {
            return None;
        }
        let comment = statement_comment(&context.compiler, Some(node)).ok()?;
        let compiled = context.compiler.compile(node, Some(run.database())).ok()?;
        let create_view = |view: &Relation| {
            let view = view.without_database();
            format!("create view {view} as\n{}", compiled.sql)
        };
        let shown_statement = match kind {
            RelationKind::View => written_view(&run, &compiled, &target)?,
            _ => written_table(&run, &compiled, &target).ok()?,
        };
        let (probe, statement) = match (&way, kind) {
            (Way::Probe(probe), _) => (Some(create_view(probe)), None),
            (Way::Refill(_), _) if !is_plain(&shown_statement, &target, &compiled) => return None,
            (Way::Refill(probe), _) => {
                let refill = publish::refill::refill(&target, &compiled.sql);
                (Some(create_view(probe)), Some(refill))
            }
            (Way::New, RelationKind::View) => (None, Some(create_view(&target))),
            (Way::New, _) => (None, Some(shown_statement.clone())),
        };
        let sent = || probe.iter().chain(&statement);
        if !sent().all(|statement| is_single(statement)) {
            return None;
        }
        let compile_ended = Timestamp::now();
        let stand_in = match &way {
            Way::Probe(probe) => Some(probe),
            Way::New | Way::Refill(_) => None,
        };
        let tested = stand_in.unwrap_or(&target);
        let tests = tests
            .iter()
            .map(|test| MemberTest::prepared(context, adapter, (node, stand_in), test))
            .collect::<Option<Vec<_>>>()?;
        let asked: Vec<_> = tests
            .iter()
            .map(|test| (test.node, &test.compiled))
            .collect();
        let options = &context.options;
        let questions = questions(&asked, tested, (options.fuses_tests, options.is_warn_error));
        Some(Member {
            node,
            way,
            kind,
            probe,
            statement,
            shown_statement,
            comment,
            questions,
            compile_started,
            compile_ended,
            tests,
            compiled,
            target,
        })
    }

    /// When it was rendered, and when it was built: that ends now.
    pub(super) fn timing(&self, sent: Timestamp) -> Vec<Timing> {
        let phase = |name, started_at, completed_at| Timing {
            name,
            started_at,
            completed_at,
        };
        vec![
            phase("compile", self.compile_started, self.compile_ended),
            phase("execute", sent, Timestamp::now()),
        ]
    }

    /// What has the node's rows for its tests, if that is not its own relation.
    pub(super) fn stand_in(&self) -> Option<&Relation> {
        match &self.way {
            Way::Probe(probe) => Some(probe),
            Way::New | Way::Refill(_) => None,
        }
    }
}

impl<'a> MemberTest<'a> {
    fn prepared(
        context: &'a RunContext,
        adapter: &'a Arc<Adapter>,
        (node, stand_in): (&Arc<Node>, Option<&Relation>),
        test: &'a Arc<Node>,
    ) -> Option<MemberTest<'a>> {
        let audit = Audit::none();
        let run = unasked(NodeRun::of_test(context, adapter, test, (&audit, None)));
        if data_test::own_template(&run).ok()?.is_some() {
            return None;
        }
        let replaced = stand_in.map(|made| (node.unique_id.clone(), made.clone()));
        let overrides = Overrides {
            relations: replaced.into_iter().collect::<HashMap<_, _>>(),
            ..Overrides::default()
        };
        let compiled = context
            .compiler
            .compile_with(test, Some(run.database()), overrides)
            .ok()?;
        let invocation = &context.compiler.invocation;
        let is_plain = data_test::sql_header(test, &compiled, invocation).is_none();
        (is_plain && is_single(&compiled.sql)).then_some(MemberTest {
            node: test,
            compiled,
        })
    }
}

fn unasked(run: NodeRun<'_>) -> NodeRun<'_> {
    NodeRun {
        is_made_anew: Cell::new(false),
        is_unasked: true,
        ..run
    }
}

/// True for one statement that may stand among others in a transaction.
fn is_single(sql: &str) -> bool {
    matches!(split_statements(sql).as_slice(), [one] if !stands_alone(one))
        && !has_transaction_control(sql)
}

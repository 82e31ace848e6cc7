//! The statements that make a group's relations and ask their tests, as one transaction.

use std::sync::Arc;

use crate::parse::Node;
use crate::postgres::{Answer, Datum, StatementComment};
use crate::relation::{Relation, RelationKind};
use crate::run::group::Told;
use crate::run::group::member::{Member, Way};
use crate::run::materialize::analyze;
use crate::run::publish::{Claims, is_same_statement, refill};

/// A statement that takes longer ends the group: it is for what is done at once.
const STATEMENT_LIMIT_MS: u64 = 250;

#[derive(Debug, Default)]
pub(super) struct Script {
    pub statements: Vec<String>,
    /// The node that each of them is sent for.
    pub whose: Vec<Option<Arc<Node>>>,
    places: Vec<Places>,
    /// The statement that holds views against what stands there.
    same: Option<usize>,
}

/// Which statements are a member's.
#[derive(Debug, Default)]
struct Places {
    made: usize,
    questions: Vec<usize>,
}

impl Script {
    /// The comment stands at the beginning, where lists of statements show it.
    pub(super) fn of(members: &[&Member<'_>], comment: Option<&StatementComment>) -> Script {
        let mut script = Script::default();
        script.places.resize_with(members.len(), Places::default);
        script.add(comment.map_or("begin".to_owned(), |comment| comment.on("begin")));
        script.add(format!(
            "set local statement_timeout = {STATEMENT_LIMIT_MS}"
        ));
        let claims = Claims::on(members.iter().map(|member| &member.target));
        script.add(claims.take());
        let refilled = targets(members, |way| matches!(way, Way::Refill(_)));
        if !refilled.is_empty() {
            script.add(refill::lock(&refilled));
        }
        let has_effect = members.iter().any(|member| member.statement.is_some());
        let has_probes = members.iter().any(|member| member.probe.is_some());
        if has_probes && has_effect {
            script.add("savepoint msv_probe".to_owned());
        }
        for (at, member) in members.iter().enumerate() {
            if let Some(probe) = &member.probe {
                script.send_for(member, probe);
            }
            if member.statement.is_none() {
                script.ask(at, member);
            }
        }
        let held = targets(members, |way| matches!(way, Way::Probe(_)));
        if !held.is_empty() {
            script.same = Some(script.statements.len());
            script.add(is_same_statement(&held));
        }
        if !refilled.is_empty() {
            script.add(refill::check(&refilled));
        }
        if !has_effect {
            script.add("rollback".to_owned());
            return script;
        }
        if has_probes {
            script.add("rollback to savepoint msv_probe".to_owned());
        }
        for (at, member) in members.iter().enumerate() {
            if let Some(statement) = &member.statement {
                script.places[at].made = script.statements.len();
                script.send_for(member, statement);
                if member.kind == RelationKind::Table {
                    script.send_for(member, &analyze(&member.target));
                }
                script.ask(at, member);
            }
        }
        script.add("commit".to_owned());
        script
    }

    fn add(&mut self, statement: String) {
        self.statements.push(statement);
        self.whose.push(None);
    }

    fn ask(&mut self, at: usize, member: &Member<'_>) {
        for question in &member.questions {
            self.places[at].questions.push(self.statements.len());
            self.send_for(member, &question.sql);
        }
    }

    fn send_for(&mut self, member: &Member<'_>, statement: &str) {
        self.statements.push(match &member.comment {
            Some(comment) => comment.on(statement),
            None => statement.to_owned(),
        });
        self.whose.push(Some(Arc::clone(member.node)));
    }

    /// Which members are done: of views that stood there those that are the same.
    pub(super) fn are_done(&self, members: &[&Member<'_>], answers: &[Answer]) -> Vec<bool> {
        let same = self.same.and_then(|at| answers.get(at));
        let mut same = same.map_or(&[][..], |answer| &answer.rows).iter();
        members
            .iter()
            .map(|member| match member.way {
                Way::Probe(_) => same
                    .next()
                    .and_then(|row| row.first())
                    .and_then(Datum::as_bool)
                    .unwrap_or(false),
                Way::New | Way::Refill(_) => true,
            })
            .collect()
    }

    /// What was answered about a member.
    pub(super) fn told<'a>(&self, at: usize, answers: &'a [Answer]) -> Told<'a> {
        let places = &self.places[at];
        Told {
            made: &answers[places.made],
            questions: places.questions.iter().map(|at| &answers[*at]).collect(),
        }
    }
}

fn targets<'m>(members: &[&'m Member<'_>], is_meant: impl Fn(&Way) -> bool) -> Vec<&'m Relation> {
    members
        .iter()
        .filter(|member| is_meant(&member.way))
        .map(|member| &member.target)
        .collect()
}

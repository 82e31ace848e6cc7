//! Words what the server refused, at the line of the analyst's template that asked for it.

use crate::compile::Compiled;
use crate::diagnostics::{Diagnostic, Place, closest};
use crate::parse::Node;
use crate::postgres::Error;

use super::event::{NodeResult, Status};

/// A statement as it was sent, and where the node's compiled query stands in it.
pub(crate) struct Sent<'a> {
    pub sql: &'a str,
    pub query: Option<&'a Compiled>,
}

/// Turns a server's error into a diagnostic about `node`.
///
/// The place is the template stretch that produced the position the server named; without a
/// position it is the node's file. A statement nobody can place is shown in a note.
pub(crate) fn server_refused(node: &Node, sent: &Sent<'_>, error: &Error) -> Diagnostic {
    if error.is_cancelled() {
        let cancelled = Diagnostic::error("MSV0443", format!("{} was cancelled", describe(node)))
            .at(file_place(node), "")
            .note(error.message.clone());
        return match error.message.as_str() {
            said if said.contains("statement timeout") => cancelled
                .help("raise `statement_timeout`: of the model, in profiles.yml, or of the role"),
            said if said.contains("user request") => cancelled
                .help("build what is missing with `msv retry`: what was published is unchanged"),
            _ => cancelled,
        };
    }
    if error.is_connection_lost() {
        return Diagnostic::error(
            "MSV0442",
            format!("the connection was lost while building {}", describe(node)),
        )
        .at(file_place(node), "")
        .note(error.message.clone())
        .help("run the same command again: what was published before is unchanged");
    }
    let mut diagnostic = Diagnostic::error(
        "MSV0440",
        format!("PostgreSQL refused {}: {}", describe(node), error.message),
    );
    let offset = error.byte_offset(sent.sql);
    let located = offset
        .and_then(|offset| locate(sent, offset))
        .filter(|place| !place.file.starts_with('<'));
    diagnostic = match (located, offset) {
        (Some(place), Some(offset)) if is_expression(&place) => diagnostic
            .at(place, "PostgreSQL's error points here")
            .note(format!("it became: {}", line_around(sent.sql, offset))),
        (Some(place), _) => diagnostic.at(place, "PostgreSQL's error points here"),
        (None, Some(offset)) => diagnostic.at(file_place(node), "").note(format!(
            "in the statement: {}",
            line_around(sent.sql, offset)
        )),
        (None, None) => diagnostic.at(file_place(node), ""),
    };
    if let Some(detail) = &error.detail {
        diagnostic = diagnostic.note(detail.clone());
    }
    if let Some(context) = &error.context {
        diagnostic = diagnostic.note(context.clone());
    }
    if let Some(hint) = &error.hint {
        diagnostic = diagnostic.help(uncapitalised(hint));
    }
    if let Some(help) = help_for(node, error) {
        diagnostic = diagnostic.help(help);
    }
    diagnostic
}

/// Fails a node that was built again after a lost connection, and does not pass a test any more
/// that is told as passed.
pub(super) fn fail_after_all(result: &mut NodeResult, test: &NodeResult) {
    let title = format!(
        "the connection was lost while building {}, and built again it fails {}, which it had passed",
        describe(&result.node),
        describe(&test.node)
    );
    let diagnostic = Diagnostic::error("MSV0442", title)
        .at(file_place(&test.node), "")
        .note(test.message.clone())
        .help("test it once more with `msv retry`: what was published before is unchanged");
    result.status = Status::Error;
    result.message = diagnostic.title.clone();
    result.diagnostic = Some(diagnostic);
    result.rejected_by.clear();
}

/// The connection was lost while rows were committed, and the server cannot be asked what became
/// of them.
pub(crate) fn commit_unknown(node: &Node, lost: Diagnostic) -> Diagnostic {
    let title = format!(
        "the connection was lost while {} was committed: its rows are in, or are not",
        describe(node)
    );
    let mut diagnostic = Diagnostic::error("MSV0496", title).at(file_place(node), "");
    diagnostic.notes = lost.notes;
    diagnostic.help("look whether they are there before you build it again")
}

/// The same for a statement sent outside a run, which holds the compiled query.
pub fn server_refused_query(
    node: &Node,
    statement: &str,
    query: &Compiled,
    error: &Error,
) -> Diagnostic {
    server_refused(
        node,
        &Sent {
            sql: statement,
            query: Some(query),
        },
        error,
    )
}

/// What to call a node in a message: model `x`, data test `y`.
pub(crate) fn describe(node: &Node) -> String {
    let kind = match node.resource_type {
        crate::parse::ResourceType::Test => "data test",
        crate::parse::ResourceType::UnitTest => "unit test",
        crate::parse::ResourceType::Operation => "hook",
        other => other.as_str(),
    };
    if node.unique_id.as_str().starts_with("sql_operation.") {
        return "the query".to_owned();
    }
    format!("{kind} `{}`", node.name)
}

fn file_place(node: &Node) -> Place {
    node.place.clone()
}

fn locate(sent: &Sent<'_>, offset: usize) -> Option<Place> {
    let query = sent.query?;
    let start = sent.sql.find(&query.sql)?;
    let inside = offset.checked_sub(start)?;
    query.locate(inside)
}

/// True for what an expression wrote: text written as it stands is placed by the character.
fn is_expression(place: &Place) -> bool {
    let text = &place.text[place.span.clone()];
    text.chars().nth(1).is_some()
}

fn line_around(sql: &str, offset: usize) -> String {
    let start = sql[..offset].rfind('\n').map_or(0, |at| at + 1);
    let end = sql[offset..].find('\n').map_or(sql.len(), |at| offset + at);
    sql[start..end].trim().to_owned()
}

fn help_for(node: &Node, error: &Error) -> Option<String> {
    match error.sqlstate.as_str() {
        "42P01" => {
            let missing = error.message.split('"').nth(1)?;
            let source = node
                .sources
                .iter()
                .find(|call| missing.ends_with(&call.table));
            Some(match source {
                Some(call) => format!(
                    "source table `{}.{}` is not in the database: load it, or correct its schema \
                     and name in the properties file",
                    call.source, call.table
                ),
                None if node.resource_type == crate::parse::ResourceType::Operation => return None,
                None => format!(
                    "build what it reads first: msv build --select +{}",
                    node.name
                ),
            })
        }
        "42703" => {
            let column = error.message.split('"').nth(1)?;
            let known: Vec<&str> = node.columns.keys().map(String::as_str).collect();
            let similar = closest(column, known)?;
            Some(format!(
                "a documented column has a similar name: `{similar}`"
            ))
        }
        _ => error.help().map(str::to_owned),
    }
}

fn uncapitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_lowercase().collect::<String>() + letters.as_str()
    })
}

//! `seed`: a CSV file, copied aside as text, then published like any table.

use crate::diagnostics::Diagnostic;
use crate::parse::Details;
use crate::relation::quote_identifier;
use crate::run::hooks::Moment;
use crate::run::publish;
use crate::run::worker::{Done, NodeRun};

use super::{hooks, table, target};

pub(in crate::run) fn seed(run: &NodeRun<'_>) -> Result<Done, Box<Diagnostic>> {
    let Details::Seed { path, .. } = &run.node.details else {
        return Err(Box::new(Diagnostic::error(
            "MSV0444",
            format!("`{}` is no seed", run.node.name),
        )));
    };
    let unreadable = |error: String| {
        Box::new(
            Diagnostic::error(
                "MSV0449",
                format!("seed `{}` cannot be read", run.node.name),
            )
            .at(run.node.place.clone(), "")
            .note(error),
        )
    };
    let target = target(run);
    hooks(run, None, Moment::BeforeBegin)?;
    hooks(run, None, Moment::Before)?;
    let private = publish::private_relation(&target, &run.context.compiler.invocation.id);
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader
        .headers()
        .map_err(|error| unreadable(error.to_string()))?;
    let columns: Vec<String> = header
        .iter()
        .map(|name| format!("{} text", quote_identifier(name)))
        .collect();
    let name = private.without_database();
    run.execute(
        &format!("create table {name} ({})", columns.join(", ")),
        None,
    )?;
    let rows = {
        let mut session = run.adapter.session();
        let refused = |error| run.refused(&error, "", None);
        let mut copy = session
            .copy_in(&format!("copy {name} from stdin (format csv, header true)"))
            .map_err(refused)?;
        copy.send(text.as_bytes()).map_err(refused)?;
        copy.finish().map_err(refused)?
    };
    table::publish_built(run, None, &target, &private)?;
    hooks(run, None, Moment::After)?;
    hooks(run, None, Moment::AfterCommit)?;
    Ok(Done::statement("INSERT", Some(rows)))
}

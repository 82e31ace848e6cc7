//! Compiles nodes and asks queries outside a run, for `compile`, `show` and `docs generate`.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use minijinja::Value;

use crate::compile::{Compiled, Compiler, NodeHost, Settings};
use crate::diagnostics::Diagnostic;
use crate::jinja::value::convert::from_json;
use crate::jinja::{Database, Host};
use crate::parse::{Node, ResourceType};
use crate::postgres::{Rows, Session};
use crate::report::log_event::concurrency;
use crate::run::{
    Adapter, NodeResult, RunFiles, Status, Timing, server_refused_query, statement_comment,
};

use super::arguments::GlobalArgs;
use super::selection::Selected;
use super::voice::voice;
use super::workspace::{Workspace, connect_options, threads};

/// A compiler with a connection, where there is one.
pub(super) struct Preview {
    compiler: Arc<Compiler>,
    adapter: Option<Arc<Adapter>>,
    files: RunFiles,
}

impl Preview {
    /// Connects only where it is asked to; templates that need the database say so otherwise.
    pub(super) fn open(
        global: &GlobalArgs,
        workspace: &Workspace,
        selected: &Selected,
        settings: Settings,
        connects: bool,
    ) -> Result<Preview, Vec<Diagnostic>> {
        let compiler = workspace.compiler(
            global,
            Settings {
                selected_resources: selected.ids.clone(),
                deferral: selected.deferral.clone(),
                ..settings
            },
        );
        voice().note(&concurrency(
            selected.ids.len(),
            threads(global, &workspace.target),
            &workspace.target.name,
        ));
        let adapter = if connects {
            Some(connect(workspace, &compiler)?)
        } else {
            None
        };
        let project = &workspace.project;
        let files = RunFiles::new(project.target_path.clone(), &project.dir, true);
        Ok(Preview {
            compiler,
            adapter,
            files,
        })
    }

    pub(super) fn compile(&self, node: &Arc<Node>) -> Result<Compiled, Box<Diagnostic>> {
        if let Some(adapter) = &self.adapter {
            adapter.works_on(Some(node));
        }
        let compiled = self.compiler.compile(node, self.database())?;
        self.files.keep_compiled(node, &compiled.sql);
        Ok(compiled)
    }

    /// Compiles a node and measures it.
    pub(super) fn result(&self, node: &Arc<Node>) -> Result<NodeResult, Box<Diagnostic>> {
        let begun = Instant::now();
        let started_at = Timestamp::now();
        let compiled_code = match node.resource_type {
            ResourceType::Seed => None,
            _ => Some(self.compile(node)?.sql),
        };
        let compiled_at = Timestamp::now();
        let timing = |name, started_at| Timing {
            name,
            started_at,
            completed_at: compiled_at,
        };
        Ok(NodeResult {
            status: Status::Success,
            timing: vec![
                timing("compile", started_at),
                timing("execute", compiled_at),
            ],
            execution_seconds: begun.elapsed().as_secs_f64(),
            compiled_code,
            ..NodeResult::untouched(node)
        })
    }

    /// The statement that shows the first rows of a compiled query: the macro `get_show_sql`, which
    /// a project may have of its own. A negative limit asks for all rows.
    pub(super) fn show_sql(
        &self,
        node: &Arc<Node>,
        compiled: &Compiled,
        limit: i64,
    ) -> Result<String, Box<Diagnostic>> {
        let mut host = NodeHost::new(&self.compiler, node, self.database());
        host.compiled_code = Some(compiled.sql.clone());
        let header = match &compiled.sql_header {
            Some(header) => Value::from(header.as_str()),
            None => node
                .config
                .get("sql_header")
                .map_or(Value::from(()), from_json),
        };
        let arguments = [
            Value::from(compiled.sql.as_str()),
            header,
            match limit {
                ..0 => Value::from(()),
                limit => Value::from(limit),
            },
        ];
        let host: Arc<dyn Host> = Arc::new(host);
        let made = self
            .compiler
            .engine
            .call_macro("get_show_sql", &arguments, &[], host)?;
        Ok(made.to_string())
    }

    /// Asks for the rows of a statement that holds the node's compiled query.
    pub(super) fn rows(
        &self,
        node: &Node,
        compiled: &Compiled,
        statement: &str,
    ) -> Result<Rows, Box<Diagnostic>> {
        let adapter = self
            .adapter
            .as_ref()
            .expect("rows are asked of previews that connect");
        let outcome = adapter.query(statement);
        // A header may have opened a transaction or created something: nothing of it stays.
        let _ = adapter.session().rollback();
        outcome.map_err(|error| Box::new(server_refused_query(node, statement, compiled, &error)))
    }

    fn database(&self) -> Option<Arc<dyn Database>> {
        self.adapter
            .as_ref()
            .map(|adapter| Arc::clone(adapter) as Arc<dyn Database>)
    }
}

/// Connects to the target of a project; its local server is started where that is the target.
pub(super) fn connect(
    workspace: &Workspace,
    compiler: &Arc<Compiler>,
) -> Result<Arc<Adapter>, Vec<Diagnostic>> {
    let mut progress = |line: &str| eprintln!("{line}");
    let options = connect_options(&workspace.project.dir, &workspace.target, &mut progress)
        .map_err(|diagnostic| vec![diagnostic])?;
    let mut session =
        Session::connect(&options).map_err(|error| vec![error.connect_diagnostic(&options)])?;
    session.comment(statement_comment(compiler, None).map_err(|error| vec![*error])?);
    Ok(Arc::new(Adapter::new(session, voice())))
}

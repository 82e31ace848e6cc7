//! Compiles nodes and asks queries outside a run, for `compile` and `show`.

use std::sync::Arc;

use crate::compile::{Compiled, Compiler, Settings};
use crate::diagnostics::Diagnostic;
use crate::jinja::Database;
use crate::parse::Node;
use crate::postgres::{Rows, Session};
use crate::run::{Adapter, RunFiles, server_refused_query, statement_comment};

use super::arguments::GlobalArgs;
use super::selection::Selected;
use super::voice::{Says, voice};
use super::workspace::{Workspace, connect_options};

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
        connects: bool,
    ) -> Result<Preview, Vec<Diagnostic>> {
        let compiler = Arc::new(Compiler::new(
            Arc::clone(&workspace.graph),
            Arc::clone(&workspace.parsed.engine),
            Arc::clone(&workspace.invocation),
            Arc::clone(&workspace.parsed.docs),
            Settings {
                selected_resources: selected.ids.clone(),
                deferral: selected.deferral.clone(),
                ..Settings::default()
            },
            Arc::new(Says::new(global)),
        ));
        let adapter = if connects {
            let mut progress = |line: &str| eprintln!("{line}");
            let options = connect_options(&workspace.project.dir, &workspace.target, &mut progress)
                .map_err(|diagnostic| vec![diagnostic])?;
            let mut session = Session::connect(&options)
                .map_err(|error| vec![error.connect_diagnostic(&options)])?;
            session.comment(statement_comment(&compiler, None).map_err(|error| vec![*error])?);
            Some(Arc::new(Adapter::new(session, voice())))
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
        let database = self
            .adapter
            .as_ref()
            .map(|adapter| Arc::clone(adapter) as Arc<dyn Database>);
        let compiled = self.compiler.compile(node, database)?;
        self.files.keep_compiled(node, &compiled.sql);
        Ok(compiled)
    }

    /// Asks for the first rows of a compiled query; a negative limit asks for all.
    pub(super) fn rows(
        &self,
        node: &Node,
        compiled: &Compiled,
        limit: i64,
    ) -> Result<Rows, Box<Diagnostic>> {
        let adapter = self
            .adapter
            .as_ref()
            .expect("rows are asked of previews that connect");
        let limit = if limit < 0 {
            String::new()
        } else {
            format!("\nlimit {limit}")
        };
        let mut statement = Compiled::default();
        statement.push_text("select * from (\n");
        statement.push_part(compiled, 0..compiled.sql.len());
        statement.push_text(&format!("\n) as msv_show{limit}"));
        adapter
            .query(&statement.sql)
            .map_err(|error| Box::new(server_refused_query(node, &statement, &error)))
    }
}

//! Compiles nodes: renders their templates against the linked graph.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::{IndexMap, IndexSet};
use minijinja::Value;

use crate::diagnostics::Diagnostic;
use crate::graph::Graph;
use crate::jinja::{Database, Engine, Host, Source as TemplateSource};
use crate::parse::{Details, Docs, Invocation, Node, Template, UniqueId, evaluate_argument};

use super::compiled::Compiled;
use super::deferral::Deferral;
use super::host::{Messages, NodeHost, Overrides};
use super::inject::{Cte, cte_name, inject};
use super::stand_ins::StandIns;

/// What a command asks of compilation.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Every ref and source is read as empty.
    pub is_empty: bool,
    pub selected_resources: IndexSet<UniqueId>,
    /// Where to read what is not built here.
    pub deferral: Option<Arc<Deferral>>,
    /// Where to read what this command builds, until it is published.
    pub stand_ins: Arc<StandIns>,
    /// Ephemeral models are named but not put in: what is compiled cannot be run.
    pub leaves_ephemerals_out: bool,
}

/// Everything needed to turn a node into SQL; shared by all workers.
pub struct Compiler {
    pub graph: Arc<Graph>,
    pub engine: Arc<Engine>,
    pub invocation: Arc<Invocation>,
    pub docs: Arc<Docs>,
    pub settings: Settings,
    pub messages: Arc<dyn Messages>,
    /// Ephemeral models compile once, however many models read them.
    ephemerals: Mutex<HashMap<UniqueId, Arc<Expanded>>>,
}

/// An ephemeral model with the ephemeral models below it, nearest last.
#[derive(Debug)]
struct Expanded {
    own: Arc<Compiled>,
    below: IndexMap<UniqueId, Cte>,
}

impl Compiler {
    pub fn new(
        graph: Arc<Graph>,
        engine: Arc<Engine>,
        invocation: Arc<Invocation>,
        docs: Arc<Docs>,
        settings: Settings,
        messages: Arc<dyn Messages>,
    ) -> Self {
        let ephemerals = Mutex::default();
        Compiler {
            graph,
            engine,
            invocation,
            docs,
            settings,
            messages,
            ephemerals,
        }
    }

    /// Compiles a node to the query the server gets, ephemeral parents included.
    ///
    /// # Errors
    ///
    /// The first thing a template could not do, placed in the analyst's file.
    pub fn compile(
        self: &Arc<Self>,
        node: &Arc<Node>,
        database: Option<Arc<dyn Database>>,
    ) -> Result<Compiled, Box<Diagnostic>> {
        self.compile_with(node, database, Overrides::default())
    }

    /// Compiles a node that sees some things replaced, as unit tests need it.
    ///
    /// # Errors
    ///
    /// As [`compile`](Self::compile).
    pub fn compile_with(
        self: &Arc<Self>,
        node: &Arc<Node>,
        database: Option<Arc<dyn Database>>,
        overrides: Overrides,
    ) -> Result<Compiled, Box<Diagnostic>> {
        let (own, below) = self.expand(node, database, overrides)?;
        if self.settings.leaves_ephemerals_out {
            return Ok(own);
        }
        let ctes: Vec<Cte> = below.into_values().collect();
        Ok(inject(own, &ctes))
    }

    /// Renders a node's template without putting its ephemeral parents in.
    fn expand(
        self: &Arc<Self>,
        node: &Arc<Node>,
        database: Option<Arc<dyn Database>>,
        overrides: Overrides,
    ) -> Result<(Compiled, IndexMap<UniqueId, Cte>), Box<Diagnostic>> {
        let mut host = NodeHost::new(self, node, database.clone());
        host.overrides = overrides;
        if let Details::GenericTest(test) = &node.details {
            let arguments = self.test_arguments(node, &test.kwargs, database.clone(), &mut host)?;
            host.extra
                .insert("_dbt_generic_test_kwargs".to_owned(), arguments);
        }
        if node.language() == "python" {
            // Nothing of it is a template, and nothing here will run it.
            let mut own = Compiled::default();
            own.push_text(node.template.code());
            return Ok((own, IndexMap::new()));
        }
        let host = Arc::new(host);
        let source = template_source(&node.template);
        let rendered = self
            .engine
            .render(&source, Arc::clone(&host) as Arc<dyn Host>)
            .map_err(|diagnostic| self.placed(node, diagnostic))?;
        let mut below: IndexMap<UniqueId, Cte> = IndexMap::new();
        for id in host.ephemerals() {
            let expanded = self.expand_ephemeral(&id, database.clone())?;
            for (id, cte) in &expanded.below {
                below.entry(id.clone()).or_insert_with(|| cte.clone());
            }
            let Some(model) = self.graph.nodes.get(&id) else {
                continue;
            };
            let cte = Cte {
                name: cte_name(&model.alias),
                query: Arc::clone(&expanded.own),
            };
            below.entry(id).or_insert(cte);
        }
        let mut own = Compiled::from_rendered(rendered);
        own.sql_header = host.sql_header();
        Ok((own, below))
    }

    fn expand_ephemeral(
        self: &Arc<Self>,
        id: &UniqueId,
        database: Option<Arc<dyn Database>>,
    ) -> Result<Arc<Expanded>, Box<Diagnostic>> {
        let known = self
            .ephemerals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let node = Arc::new(
            self.graph
                .nodes
                .get(id)
                .expect("the host only records nodes of the graph")
                .clone(),
        );
        let (own, below) = self.expand(&node, database, Overrides::default())?;
        let expanded = Arc::new(Expanded {
            own: Arc::new(own),
            below,
        });
        self.ephemerals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.clone(), Arc::clone(&expanded));
        Ok(expanded)
    }

    /// Evaluates the arguments of a declared test; ephemeral models they name are recorded on
    /// `host` through the shared list.
    fn test_arguments(
        self: &Arc<Self>,
        node: &Arc<Node>,
        kwargs: &IndexMap<String, serde_json::Value>,
        database: Option<Arc<dyn Database>>,
        host: &mut NodeHost,
    ) -> Result<Value, Box<Diagnostic>> {
        let mut argument_host = NodeHost::new(self, node, database);
        argument_host.overrides = host.overrides.clone();
        let argument_host = Arc::new(argument_host);
        let evaluate = |text: &str| {
            self.engine
                .evaluate(text, Arc::clone(&argument_host) as Arc<dyn Host>)
        };
        let mut values = Vec::new();
        for (key, value) in kwargs {
            let call = match argument_host.overrides.macros.is_empty() {
                true => self.unfiltered(node, value),
                false => None,
            };
            let value = evaluate_argument(key, call.as_ref().unwrap_or(value), &evaluate)
                .map_err(|diagnostic| self.placed(node, diagnostic))?;
            values.push((key.clone(), value));
        }
        host.remember_ephemerals(argument_host.ephemerals());
        Ok(Value::from_pairs(values))
    }

    /// The call inside `get_where_subquery(…)`, where the built-in macro would only hand it on.
    fn unfiltered(&self, node: &Node, value: &serde_json::Value) -> Option<serde_json::Value> {
        let call = value.as_str()?.strip_prefix("{{ get_where_subquery(")?;
        let call = call.strip_suffix(") }}")?;
        let package = &node.package_name;
        let definition = self.engine.find_macro(package, "get_where_subquery")?;
        let is_handed_on = node.config.get("where").is_none()
            && self.engine.is_as_built_in(package, definition, &[]);
        is_handed_on.then(|| format!("{{{{ {call} }}}}").into())
    }

    /// Renders a statement that belongs to a node but is not its query, such as a hook.
    ///
    /// # Errors
    ///
    /// As [`compile`](Self::compile).
    pub fn render_statement(
        self: &Arc<Self>,
        template: &Template,
        host: Arc<NodeHost>,
    ) -> Result<Compiled, Box<Diagnostic>> {
        let rendered = self.engine.render(&template_source(template), host)?;
        Ok(Compiled::from_rendered(rendered))
    }

    /// Points a diagnostic of a test, whose template is not a file, at its declaration.
    pub fn placed(&self, node: &Node, diagnostic: Box<Diagnostic>) -> Box<Diagnostic> {
        let is_in_file = diagnostic
            .place
            .as_ref()
            .is_some_and(|place| !place.file.starts_with('<'));
        if is_in_file && !matches!(node.details, Details::GenericTest(_)) {
            return diagnostic;
        }
        if is_in_file {
            return Box::new(diagnostic.also(node.place.clone(), "the test is declared here"));
        }
        Box::new(diagnostic.at(node.place.clone(), "in this test"))
    }
}

fn template_source(template: &Template) -> TemplateSource {
    TemplateSource {
        file: Arc::clone(&template.file),
        text: Arc::clone(&template.text),
        span: template.span.clone(),
    }
}

//! The world a template sees while it is compiled or run: names lead to relations, and there may
//! be a connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::{IndexMap, IndexSet};
use jiff::Timestamp;
use minijinja::Value;

use crate::diagnostics::{Diagnostic, Place, closest};
use crate::jinja::value::convert::{from_json, to_json};
use crate::jinja::value::datetime::Moment;
use crate::jinja::value::relation;
use crate::jinja::{Database, Host, HostError, Site};
use crate::parse::{
    Batch, Node, NodeValue, ResourceType, TimeWindow, UniqueId, find_doc, shared_value,
};
use crate::relation::{Narrowing, QuotePolicy, Relation, RelationKind, quote_identifier};

use super::compiled::Compiled;
use super::compiler::Compiler;
use super::graph_value::GraphValue;
use super::inject::cte_name;

/// Receives what templates say: `log()`, `print()` and `exceptions.warn()`.
pub trait Messages: Send + Sync {
    fn log(&self, node: &UniqueId, text: &str, is_info: bool);
    fn print(&self, node: &UniqueId, text: &str);
    /// True where the warning is an error.
    fn warn(&self, node: &UniqueId, text: &str) -> bool;
}

/// Replacements a unit test makes in what a template sees.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Relations that stand in for nodes, by unique id.
    pub relations: HashMap<UniqueId, Relation>,
    /// What `this` is, where the test gives its rows.
    pub this: Option<Relation>,
    pub vars: HashMap<String, Value>,
    pub env_vars: HashMap<String, String>,
    /// Values that macros return, by name or by package and name (`dbt.current_timestamp`).
    pub macros: HashMap<String, Value>,
    /// The piece of a microbatch model that is built.
    pub batch: Option<Batch>,
    /// True when an input that is not given is a mistake.
    pub is_closed: bool,
    /// The instant at which the clock stands.
    pub now: Option<Timestamp>,
}

/// Answers one node's templates.
pub struct NodeHost {
    pub compiler: Arc<Compiler>,
    pub node: Arc<Node>,
    pub database: Option<Arc<dyn Database>>,
    pub overrides: Overrides,
    /// Values only this template sees: `results`, `_dbt_generic_test_kwargs`, …
    pub extra: HashMap<String, Value>,
    pub compiled_code: Option<String>,
    /// The header of the node's statements, where its template set one.
    sql_header: Mutex<Option<String>>,
    /// Ephemeral models this template read, in the order of the calls.
    ephemerals: Mutex<IndexSet<UniqueId>>,
    /// Every node a call of this template led to.
    reads: Mutex<IndexSet<UniqueId>>,
}

impl NodeHost {
    pub fn new(
        compiler: &Arc<Compiler>,
        node: &Arc<Node>,
        database: Option<Arc<dyn Database>>,
    ) -> Self {
        NodeHost {
            compiler: Arc::clone(compiler),
            node: Arc::clone(node),
            database,
            overrides: Overrides::default(),
            extra: HashMap::new(),
            compiled_code: None,
            sql_header: Mutex::default(),
            ephemerals: Mutex::default(),
            reads: Mutex::default(),
        }
    }

    /// The ephemeral models read so far.
    pub fn ephemerals(&self) -> IndexSet<UniqueId> {
        self.ephemerals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The nodes that `ref()` and `source()` calls led to so far.
    pub fn reads(&self) -> IndexSet<UniqueId> {
        self.reads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What `set_sql_header` set, with the names it uses resolved.
    pub fn sql_header(&self) -> Option<String> {
        self.sql_header
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Knows the node's query and header from here on.
    pub fn remember_compiled(&mut self, compiled: &Compiled) {
        self.compiled_code = Some(compiled.sql.clone());
        self.sql_header = Mutex::new(compiled.sql_header.clone());
    }

    /// Adds ephemeral models that another template of the same node read.
    pub fn remember_ephemerals(&mut self, ids: IndexSet<UniqueId>) {
        self.ephemerals
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(ids);
    }

    fn relation_of(&self, found: &Node, place: Place) -> Result<Relation, HostError> {
        self.reads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(found.unique_id.clone());
        if let Some(relation) = self.overrides.relations.get(&found.unique_id) {
            return Ok(relation.clone());
        }
        if self.overrides.is_closed {
            return Err(not_given(&self.node, found, place).into());
        }
        if found.is_ephemeral() {
            self.ephemerals
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(found.unique_id.clone());
            return Ok(Relation {
                narrowing: self.narrowing(found),
                ..cte_relation(&cte_name(&found.alias))
            });
        }
        let relation = match self.deferred(found)? {
            Some(relation) => relation,
            None => self
                .stand_in(found)
                .or(found.relation.as_ref())
                .cloned()
                .unwrap_or_else(|| Relation::new(&found.database, &found.schema, &found.alias)),
        };
        Ok(Relation {
            narrowing: self.narrowing(found),
            ..relation
        })
    }

    /// Where a node lies that is built but not published yet. Hooks of the project run before and
    /// after all nodes.
    fn stand_in(&self, found: &Node) -> Option<&Relation> {
        if self.node.resource_type == ResourceType::Operation {
            return None;
        }
        self.compiler.settings.stand_ins.of(&found.unique_id)
    }

    /// What this command and this batch leave of a node that is read.
    fn narrowing(&self, found: &Node) -> Option<Box<Narrowing>> {
        let is_empty = self.compiler.settings.is_empty;
        let condition = self
            .window()
            .and_then(|window| Some(window.condition(&event_time_column(found)?)));
        (is_empty || condition.is_some()).then(|| {
            Box::new(Narrowing {
                is_empty,
                condition,
            })
        })
    }

    /// The stretch of time that this node's template reads of tables with an `event_time`.
    fn window(&self) -> Option<TimeWindow> {
        if !matches!(
            self.node.resource_type,
            ResourceType::Model | ResourceType::Snapshot
        ) {
            return None;
        }
        let sample = self.compiler.invocation.sample;
        match (self.overrides.batch, sample) {
            (Some(batch), Some(sample)) => Some(batch.window.within(sample)),
            (Some(batch), None) => Some(batch.window),
            (None, sample) => sample,
        }
    }
}

/// The column that says when a row of the node happened, quoted where it is to be.
fn event_time_column(node: &Node) -> Option<String> {
    if !matches!(
        node.resource_type,
        ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot | ResourceType::Source
    ) {
        return None;
    }
    let column = node.config.str("event_time")?;
    let of_column = node
        .columns
        .values()
        .find(|known| known.name == column)
        .and_then(|known| known.quote);
    let of_source = node
        .config
        .get("quoting")
        .and_then(|quoting| quoting.get("column"))
        .and_then(serde_json::Value::as_bool);
    Some(if of_column.or(of_source).unwrap_or(false) {
        quote_identifier(column)
    } else {
        column.to_owned()
    })
}

impl NodeHost {
    /// The earlier state's relation, where a node is to be read from there.
    fn deferred(&self, found: &Node) -> Result<Option<Relation>, HostError> {
        let settings = &self.compiler.settings;
        let Some(deferral) = &settings.deferral else {
            return Ok(None);
        };
        let is_selected = settings.selected_resources.contains(&found.unique_id);
        let relation = deferral.instead_of(found, is_selected, self.database.as_deref())?;
        Ok(relation.cloned())
    }
}

/// A name that is only valid inside the query: not quoted, in no schema.
pub fn cte_relation(name: &str) -> Relation {
    Relation {
        database: None,
        schema: None,
        identifier: Some(name.to_owned()),
        kind: Some(RelationKind::Cte),
        quoting: QuotePolicy {
            database: false,
            schema: false,
            identifier: false,
        },
        narrowing: None,
    }
}

impl Host for NodeHost {
    fn package(&self) -> &str {
        &self.node.package_name
    }

    fn is_execute(&self) -> bool {
        self.database.is_some()
    }

    fn reference(
        &self,
        package: Option<&str>,
        name: &str,
        version: Option<&Value>,
        site: Site,
    ) -> Result<Relation, HostError> {
        let version = version.map(to_json);
        let graph = &self.compiler.graph;
        match graph
            .find_ref(&self.node.package_name, package, name, version.as_ref())
            .enabled()
        {
            Some(found) => self.relation_of(found, site.place()),
            None => {
                Err(late_name("model, seed or snapshot", name, graph.nodes.values(), site).into())
            }
        }
    }

    fn source(&self, source: &str, table: &str, site: Site) -> Result<Relation, HostError> {
        let graph = &self.compiler.graph;
        match graph
            .find_source(&self.node.package_name, source, table)
            .enabled()
        {
            Some(found) => self.relation_of(found, site.place()),
            None => {
                let name = format!("{source}.{table}");
                Err(late_name("source table", &name, graph.nodes.values(), site).into())
            }
        }
    }

    fn function(
        &self,
        package: Option<&str>,
        name: &str,
        site: Site,
    ) -> Result<Relation, HostError> {
        let graph = &self.compiler.graph;
        match graph
            .find_function(&self.node.package_name, package, name)
            .enabled()
        {
            Some(found) => Ok(found.relation.clone().unwrap_or_else(|| {
                Relation::new(&found.database, &found.schema, &found.alias)
                    .with_kind(RelationKind::Function)
            })),
            None => Err(late_name("function", name, graph.nodes.values(), site).into()),
        }
    }

    /// The configuration is settled by now, but for the header: while parsing it could not name
    /// the relations it uses.
    fn configure(&self, values: IndexMap<String, Value>, _site: Site) -> Result<(), HostError> {
        if let Some(header) = values.get("sql_header").and_then(Value::as_str) {
            *self
                .sql_header
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(header.to_owned());
        }
        Ok(())
    }

    fn config(&self, key: &str) -> Option<Value> {
        let batch = self.overrides.batch.map(|batch| batch.window);
        match (key, batch) {
            ("__dbt_internal_microbatch_event_time_start", Some(window)) => {
                return Some(Moment::at_utc(window.start).into_value());
            }
            ("__dbt_internal_microbatch_event_time_end", Some(window)) => {
                return Some(Moment::at_utc(window.end).into_value());
            }
            _ => {}
        }
        if key == "sql_header"
            && let Some(header) = self.sql_header()
        {
            return Some(Value::from(header));
        }
        if key == "snapshot_table_column_names"
            && self.node.resource_type == crate::parse::ResourceType::Snapshot
        {
            return Some(from_json(&self.node.config.snapshot_column_names()));
        }
        self.node.config.raw(key).map(from_json)
    }

    fn var(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.overrides.vars.get(name) {
            return Some(value.clone());
        }
        self.compiler.invocation.var(&self.node.package_name, name)
    }

    fn env_var(&self, name: &str) -> Option<String> {
        let given = self.overrides.env_vars.get(name).cloned();
        given.or_else(|| self.compiler.invocation.env_var(name))
    }

    fn doc(&self, package: Option<&str>, name: &str) -> Result<String, HostError> {
        let root = &self.compiler.invocation.root_package;
        find_doc(
            &self.compiler.docs,
            &self.node.package_name,
            root,
            package,
            name,
        )
    }

    fn this(&self) -> Option<Relation> {
        if let Some(this) = &self.overrides.this {
            return Some(this.clone());
        }
        let node = &self.node;
        if node.resource_type == crate::parse::ResourceType::Operation {
            return None;
        }
        // What stands in the database under this name may be of another kind.
        let named = node.relation.clone().map(|relation| Relation {
            kind: None,
            ..relation
        });
        named.or_else(|| Some(Relation::new(&node.database, &node.schema, &node.alias)))
    }

    fn macro_result(&self, package: &str, name: &str) -> Option<Value> {
        let macros = &self.overrides.macros;
        if macros.is_empty() {
            return None;
        }
        let full_name = format!("{package}.{name}");
        macros.get(&full_name).or_else(|| macros.get(name)).cloned()
    }

    fn context(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.extra.get(name) {
            return Some(value.clone());
        }
        match name {
            "run_started_at" if self.overrides.now.is_some() => {
                let now = self.overrides.now.map(Moment::at_utc);
                now.map(Moment::into_value)
            }
            "model" => Some(Value::from_object(NodeValue {
                node: Arc::clone(&self.node),
                compiled_code: self.compiled_code.clone(),
                batch: self.overrides.batch,
                omits_none: true,
            })),
            "graph" => Some(GraphValue::value(Arc::clone(&self.compiler.graph))),
            "schema" if !self.node.schema.is_empty() => {
                Some(Value::from(self.node.schema.as_str()))
            }
            "database" if !self.node.database.is_empty() => {
                Some(Value::from(self.node.database.as_str()))
            }
            "defer_relation" => {
                let deferral = self.compiler.settings.deferral.as_ref()?;
                deferral
                    .relation(&self.node.unique_id)
                    .cloned()
                    .map(relation::value)
            }
            "sql" | "compiled_code" => self.compiled_code.as_deref().map(Value::from),
            "pre_hooks" => self.node.config.get("pre-hook").map(from_json),
            "post_hooks" => self.node.config.get("post-hook").map(from_json),
            "selected_resources" => {
                let ids = self.compiler.settings.selected_resources.iter();
                Some(Value::from_iter(ids.map(|id| Value::from(id.as_str()))))
            }
            _ => shared_value(&self.compiler.invocation, name),
        }
    }

    fn database(&self) -> Option<&dyn Database> {
        self.database.as_deref()
    }

    fn log(&self, message: &str, is_info: bool) {
        self.compiler
            .messages
            .log(&self.node.unique_id, message, is_info);
    }

    fn print(&self, message: &str) {
        self.compiler.messages.print(&self.node.unique_id, message);
    }

    fn warn(&self, message: &str) -> bool {
        self.compiler.messages.warn(&self.node.unique_id, message)
    }
}

/// A name that parsing did not meet, because the call stands behind `{% if execute %}`.
fn late_name<'n>(
    kind: &str,
    name: &str,
    nodes: impl Iterator<Item = &'n Arc<Node>>,
    site: Site,
) -> Diagnostic {
    let names: Vec<&str> = nodes.map(|node| node.name.as_str()).collect();
    let diagnostic = Diagnostic::error("MSV0201", format!("no {kind} is named `{name}`"))
        .at(site.place(), "referenced here");
    match closest(name, names) {
        Some(similar) => diagnostic.help(format!("a node with a similar name exists: `{similar}`")),
        None => diagnostic,
    }
}

fn not_given(model: &Node, input: &Node, place: Place) -> Diagnostic {
    let call = match input.fqn.as_slice() {
        [.., source, table] if input.resource_type == ResourceType::Source => {
            format!("source('{source}', '{table}')")
        }
        _ => format!("ref('{}')", input.name),
    };
    Diagnostic::error(
        "MSV0321",
        format!(
            "a unit test of `{}` gives no rows for its input `{}`",
            model.name, input.name
        ),
    )
    .at(place, "the model reads it here")
    .help(format!(
        "add `- input: {call}` below `given:`, with `rows: []` where none are needed"
    ))
}

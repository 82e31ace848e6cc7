//! Gives a node its database, schema and alias through the project's overridable macros.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use serde_json::Value as Json;

use msv_diagnostics::{Diagnostic, Place};
use msv_jinja::Host;
use msv_relation::{QuotePolicy, Relation, RelationKind};

use super::context::ParseContext;
use super::node::{Details, Node, ResourceType};
use super::node_value::NodeValue;
use super::snapshots::relocate;

/// What a name macro answered without looking at its node, by macro, package and custom name:
/// it answers the same for every other node.
#[derive(Debug, Default)]
pub(super) struct KnownNames(RwLock<HashMap<Question, String>>);

type Question = (&'static str, String, Option<String>);

impl KnownNames {
    fn read(&self) -> RwLockReadGuard<'_, HashMap<Question, String>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Question, String>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands where a node was while the node is lent out.
static NOTHING: LazyLock<Node> = LazyLock::new(|| {
    let place = Place::new("", "", 0..0);
    let (id, kind) = (String::new(), ResourceType::Operation);
    Node::new(id, kind, "", "", Details::Analysis, place)
});

/// The `node` of a name macro; notes whether anything of it was read.
#[derive(Debug)]
struct WatchedNode {
    node: Arc<NodeValue>,
    is_read: AtomicBool,
}

impl Object for WatchedNode {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.is_read.store(true, Ordering::Relaxed);
        self.node.get_value(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.is_read.store(true, Ordering::Relaxed);
        self.node.enumerate()
    }
}

/// Sets `database`, `schema`, `alias` and `relation` of a node whose configuration is final.
pub(super) fn name_node(context: &ParseContext, node: &mut Node) -> Result<(), Box<Diagnostic>> {
    let is_stored = !matches!(
        node.resource_type,
        ResourceType::Analysis | ResourceType::Operation | ResourceType::UnitTest
    );
    if node.resource_type == ResourceType::Operation {
        return Ok(());
    }
    // The macros may look at the whole node: it moves into what they get, and back.
    let whole = Arc::new(std::mem::replace(node, NOTHING.clone()));
    let names = call_macros(context, &whole);
    *node = Arc::try_unwrap(whole).unwrap_or_else(|whole| (*whole).clone());
    [node.database, node.schema, node.alias] = names?;
    relocate(node);
    if is_stored && !node.is_ephemeral() && stores_rows(node) {
        let mut relation = Relation::new(&node.database, &node.schema, &node.alias);
        relation.quoting = context.project_quoting();
        relation.kind = match node.config.materialized() {
            "view" => Some(RelationKind::View),
            "materialized_view" => Some(RelationKind::MaterializedView),
            "function" => Some(RelationKind::Function),
            "table" | "incremental" | "seed" | "snapshot" => Some(RelationKind::Table),
            _ => None,
        };
        node.relation = Some(relation);
    }
    Ok(())
}

/// Database, schema and alias of a node.
fn call_macros(context: &ParseContext, node: &Arc<Node>) -> Result<[String; 3], Box<Diagnostic>> {
    // The root project's macros name the nodes of packages too, unless a package brings its own.
    let host: Arc<dyn Host> = Arc::new(context.host(&node.package_name));
    let call = |name: &'static str, key: &str| -> Result<String, Box<Diagnostic>> {
        let custom = node.config.str(key);
        let known = &context.known_names;
        let question = (name, node.package_name.clone(), custom.map(str::to_owned));
        if let Some(answer) = known.read().get(&question) {
            return Ok(answer.clone());
        }
        let watched = Arc::new(WatchedNode {
            node: Arc::new(NodeValue {
                node: Arc::clone(node),
                compiled_code: None,
                batch: None,
                omits_none: false,
            }),
            is_read: AtomicBool::new(false),
        });
        let arguments = [
            custom.map_or(Value::from(()), Value::from),
            Value::from_dyn_object(Arc::clone(&watched)),
        ];
        let made = context
            .engine
            .call_macro(name, &arguments, &[], Arc::clone(&host))?;
        let answer = made.to_string().trim().to_owned();
        if !watched.is_read.load(Ordering::Relaxed) {
            known.write().insert(question, answer.clone());
        }
        Ok(answer)
    };
    let database = call("generate_database_name", "database")?;
    let mut schema = call("generate_schema_name", "schema")?;
    if schema.is_empty() {
        context.invocation.schema().clone_into(&mut schema);
    }
    let alias = match is_called_as_it_is(context, node) {
        true => node.name.trim().to_owned(),
        false => call("generate_alias_name", "alias")?,
    };
    Ok([database, schema, alias])
}

/// True where the built-in macro names the node, and has nothing to go by but its name: that is how
/// most nodes are called, and no two of them alike.
fn is_called_as_it_is(context: &ParseContext, node: &Node) -> bool {
    let (engine, package) = (&context.engine, &node.package_name);
    node.version.as_ref().is_none_or(Json::is_null)
        && node.config.get("alias").is_none()
        && engine
            .find_macro(package, "generate_alias_name")
            .is_some_and(|definition| engine.is_as_built_in(package, definition, &[]))
}

fn stores_rows(node: &Node) -> bool {
    node.resource_type != ResourceType::Test
        || node.config.bool("store_failures").unwrap_or(false)
        || matches!(node.config.str("store_failures_as"), Some("table" | "view"))
}

/// Lays `quoting` settings over a policy; absent parts stay as they are.
pub(super) fn with_quoting(
    mut policy: QuotePolicy,
    quoting: Option<&serde_json::Value>,
) -> QuotePolicy {
    if let Some(quoting) = quoting {
        let part = |name: &str| quoting.get(name).and_then(serde_json::Value::as_bool);
        policy.database = part("database").unwrap_or(policy.database);
        policy.schema = part("schema").unwrap_or(policy.schema);
        policy.identifier = part("identifier").unwrap_or(policy.identifier);
    }
    policy
}

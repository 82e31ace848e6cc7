//! Gives a node its database, schema and alias through the project's overridable macros.

use std::sync::Arc;

use minijinja::Value;

use msv_diagnostics::Diagnostic;
use msv_jinja::Host;
use msv_relation::{QuotePolicy, Relation, RelationKind};

use super::context::ParseContext;
use super::node::{Node, ResourceType};
use super::node_value::NodeValue;
use super::recorder::Recorder;
use super::snapshots::relocate;

/// Sets `database`, `schema`, `alias` and `relation` of a node whose configuration is final.
pub(super) fn name_node(context: &ParseContext, node: &mut Node) -> Result<(), Box<Diagnostic>> {
    let is_stored = !matches!(
        node.resource_type,
        ResourceType::Analysis | ResourceType::Operation | ResourceType::UnitTest
    );
    if node.resource_type == ResourceType::Operation {
        return Ok(());
    }
    let value = NodeValue::value(Arc::new(node.clone()));
    let invocation = &context.invocation;
    // The root project's macros name the nodes of packages too, unless a package brings its own.
    let host: Arc<dyn Host> = Arc::new(Recorder::new(
        Arc::clone(invocation),
        Arc::clone(&context.docs),
        &node.package_name,
    ));
    let call = |name: &str, custom: Option<&str>| -> Result<String, Box<Diagnostic>> {
        let custom = custom.map_or(Value::from(()), Value::from);
        let made =
            context
                .engine
                .call_macro(name, &[custom, value.clone()], &[], Arc::clone(&host))?;
        Ok(made.to_string().trim().to_owned())
    };
    node.database = call("generate_database_name", node.config.str("database"))?;
    node.schema = call("generate_schema_name", node.config.str("schema"))?;
    if node.schema.is_empty() {
        node.schema = invocation.schema().to_owned();
    }
    node.alias = call("generate_alias_name", node.config.str("alias"))?;
    relocate(node);
    if is_stored && !node.is_ephemeral() && stores_rows(node) {
        let mut relation = Relation::new(&node.database, &node.schema, &node.alias);
        relation.quoting = context.quoting(node);
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

//! Relation: a table's or view's name as templates handle it, and `api.Relation`.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, ValueKind};
use minijinja::{Error, State, Value};

use crate::context::snapshot_methods;
use crate::methods::Bound;
use crate::value::dict::{Dict, pairs};
use crate::value::{Arguments, failed, unknown_method};
use msv_relation::{MAX_IDENTIFIER_BYTES, QuotePolicy, Relation, RelationKind};

/// PostgreSQL reads it in lower case; dbt writes it so.
const INFORMATION_SCHEMA: &str = "INFORMATION_SCHEMA";

/// What an ephemeral model's common table expression is called.
const EPHEMERAL_PREFIX: &str = "__dbt__cte__";

/// A relation in a template. The parts that are not included keep their value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationObject {
    pub relation: Relation,
    included: [bool; 3],
}

/// Wraps a relation for templates.
pub fn value(relation: Relation) -> Value {
    Value::from_object(RelationObject {
        relation,
        included: [true; 3],
    })
}

/// The relation a template value holds: a relation object, or the name as text.
pub fn from_value(value: &Value) -> Option<Relation> {
    value
        .downcast_object_ref::<RelationObject>()
        .map(RelationObject::shown)
}

pub(crate) fn kind_named(name: &str) -> Option<RelationKind> {
    Some(match name {
        "table" => RelationKind::Table,
        "view" => RelationKind::View,
        "materialized_view" | "materializedview" => RelationKind::MaterializedView,
        "cte" => RelationKind::Cte,
        "external" => RelationKind::External,
        "function" => RelationKind::Function,
        _ => return None,
    })
}

impl RelationObject {
    /// The relation with only the parts that are included.
    fn shown(&self) -> Relation {
        let mut shown = self.relation.clone();
        let [database, schema, identifier] = self.included;
        if !database {
            shown.database = None;
        }
        if !schema {
            shown.schema = None;
        }
        if !identifier {
            shown.identifier = None;
        }
        shown
    }

    fn with(&self, change: impl FnOnce(&mut RelationObject)) -> Value {
        let mut copy = self.clone();
        change(&mut copy);
        Value::from_object(copy)
    }

    fn is_kind(&self, kind: RelationKind) -> Value {
        Value::from(self.relation.kind == Some(kind))
    }

    fn incorporate(&self, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let mut copy = self.clone();
        if let Some(path) = arguments.keyword("path") {
            set_path(&mut copy.relation, &pairs(&path)?);
        }
        if let Some(kind) = arguments.keyword("type") {
            copy.relation.kind = kind.as_str().and_then(kind_named);
        }
        if let Some(policy) = arguments.keyword("quote_policy") {
            set_quoting(&mut copy.relation.quoting, &pairs(&policy)?);
        }
        if let Some(policy) = arguments.keyword("include_policy") {
            for (key, value) in pairs(&policy)? {
                set_included(&mut copy.included, key.as_str(), value.is_true());
            }
        }
        Ok(Value::from_object(copy))
    }
}

fn part(value: &Value) -> Option<String> {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => None,
        _ => Some(value.to_string()).filter(|text| !text.is_empty()),
    }
}

fn set_path(relation: &mut Relation, entries: &[(Value, Value)]) {
    for (key, value) in entries {
        match key.as_str() {
            Some("database") => relation.database = part(value),
            Some("schema") => relation.schema = part(value),
            Some("identifier") => relation.identifier = part(value),
            _ => {}
        }
    }
}

fn set_quoting(quoting: &mut QuotePolicy, entries: &[(Value, Value)]) {
    for (key, value) in entries {
        match key.as_str() {
            Some("database") => quoting.database = value.is_true(),
            Some("schema") => quoting.schema = value.is_true(),
            Some("identifier") => quoting.identifier = value.is_true(),
            _ => {}
        }
    }
}

fn set_included(included: &mut [bool; 3], key: Option<&str>, is_included: bool) {
    match key {
        Some("database") => included[0] = is_included,
        Some("schema") => included[1] = is_included,
        Some("identifier") => included[2] = is_included,
        _ => {}
    }
}

fn optional(text: Option<&str>) -> Value {
    text.map_or(Value::from(()), Value::from)
}

/// What a relation lists of itself: to packages it is a mapping with `metadata`.
const FIELDS: [&str; 5] = ["metadata", "path", "type", "quote_policy", "include_policy"];

impl Object for RelationObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let relation = &self.relation;
        Some(match key.as_str()? {
            "database" => optional(relation.database.as_deref()),
            "schema" => optional(relation.schema.as_deref()),
            "identifier" | "name" | "table" => optional(relation.identifier.as_deref()),
            "type" => relation
                .kind
                .map_or(Value::from(()), |kind| Value::from(kind.as_str())),
            "information_schema_view" if relation.schema.as_deref() == Some(INFORMATION_SCHEMA) => {
                optional(relation.identifier.as_deref())
            }
            "quote_character" => Value::from("\""),
            "limit" | "event_time_filter" => Value::from(()),
            "metadata" => Dict::from_pairs([("type", Value::from("PostgresRelation"))]),
            "is_table" => self.is_kind(RelationKind::Table),
            "is_view" => self.is_kind(RelationKind::View),
            "is_cte" => self.is_kind(RelationKind::Cte),
            "is_materialized_view" => self.is_kind(RelationKind::MaterializedView),
            "is_function" => self.is_kind(RelationKind::Function),
            "is_dynamic_table" | "is_pointer" => Value::from(false),
            "can_be_renamed" => Value::from(matches!(
                relation.kind,
                Some(RelationKind::Table | RelationKind::View)
            )),
            "can_be_replaced" => Value::from(matches!(
                relation.kind,
                Some(RelationKind::Table | RelationKind::View)
            )),
            "path" => Dict::from_pairs([
                ("database", optional(relation.database.as_deref())),
                ("schema", optional(relation.schema.as_deref())),
                ("identifier", optional(relation.identifier.as_deref())),
            ]),
            "quote_policy" => Dict::from_pairs([
                ("database", Value::from(relation.quoting.database)),
                ("schema", Value::from(relation.quoting.schema)),
                ("identifier", Value::from(relation.quoting.identifier)),
            ]),
            "include_policy" => Dict::from_pairs([
                ("database", Value::from(self.included[0])),
                ("schema", Value::from(self.included[1])),
                ("identifier", Value::from(self.included[2])),
            ]),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&FIELDS)
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        let key = |relation: Relation| {
            (
                relation.to_string(),
                relation.kind.map(RelationKind::as_str),
            )
        };
        let other = other.downcast_ref::<RelationObject>()?.shown();
        Some(key(self.shown()).cmp(&key(other)))
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        match method {
            "render" => Ok(Value::from(self.shown().to_string())),
            "__str__" => Ok(Value::from(self.shown().reading())),
            "include" => Ok(self.with(|copy| {
                for (index, name) in ["database", "schema", "identifier"].into_iter().enumerate() {
                    if let Some(value) = arguments.get(index, name) {
                        copy.included[index] = value.is_true();
                    }
                }
            })),
            "quote" => Ok(self.with(|copy| {
                for (index, name) in ["database", "schema", "identifier"].into_iter().enumerate() {
                    if let Some(value) = arguments.get(index, name) {
                        let entries = [(Value::from(name), value)];
                        set_quoting(&mut copy.relation.quoting, &entries);
                    }
                }
            })),
            "incorporate" => self.incorporate(&arguments),
            "replace_path" => Ok(self.with(|copy| {
                let entries: Vec<(Value, Value)> = arguments
                    .keywords()
                    .into_iter()
                    .map(|(key, value)| (Value::from(key), value))
                    .collect();
                set_path(&mut copy.relation, &entries);
            })),
            "get" => {
                let key = arguments.required(0, "key")?;
                Ok(self
                    .get_value(&key)
                    .or_else(|| arguments.get(1, "default"))
                    .unwrap_or(Value::from(())))
            }
            "without_identifier" => Ok(self.with(|copy| copy.included[2] = false)),
            "information_schema" | "information_schema_only" => Ok(self.with(|copy| {
                copy.relation.schema = Some(INFORMATION_SCHEMA.to_owned());
                copy.relation.quoting.schema = false;
                copy.relation.quoting.identifier = false;
                copy.relation.identifier = arguments.optional_text(0, "view_name");
                copy.relation.kind = Some(RelationKind::View);
            })),
            "matches" => {
                let wanted = |index, name: &str, own: Option<&str>| {
                    arguments
                        .optional_text(index, name)
                        .is_none_or(|wanted| Some(wanted.as_str()) == own)
                };
                let relation = &self.relation;
                Ok(Value::from(
                    wanted(0, "database", relation.database.as_deref())
                        && wanted(1, "schema", relation.schema.as_deref())
                        && wanted(2, "identifier", relation.identifier.as_deref()),
                ))
            }
            "add_ephemeral_prefix" => {
                let name = arguments.text(0, "name")?;
                Ok(Value::from(format!("{EPHEMERAL_PREFIX}{name}")))
            }
            "quoted" => {
                let name = arguments.text(0, "identifier")?;
                Ok(Value::from(msv_relation::quote_identifier(&name)))
            }
            "relation_max_name_length" => Ok(Value::from(MAX_IDENTIFIER_BYTES)),
            _ => Err(unknown_method()),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown().reading())
    }
}

/// A kind by the name templates use for it, `View` or `MaterializedView`.
fn kind_attribute(key: &Value) -> Option<Value> {
    let kind = key.as_str()?.to_ascii_lowercase();
    kind_named(&kind).map(|kind| Value::from(kind.as_str()))
}

fn kind_value(name: &str) -> Result<Value, Error> {
    match kind_named(name) {
        Some(kind) => Ok(Value::from(kind.as_str())),
        None => Err(failed(format!("no relation type is named `{name}`"))),
    }
}

/// `api.Relation.get_relation_type`: the kinds of relations.
#[derive(Debug)]
struct KindClass;

impl Object for KindClass {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        kind_attribute(key)
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        kind_value(&Arguments::new(args)?.text(0, "value")?)
    }
}

/// `api.Relation`: makes relations.
#[derive(Debug)]
pub(crate) struct RelationClass;

impl Object for RelationClass {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        if key.as_str() == Some("get_relation_type") {
            return Some(Value::from_object(KindClass));
        }
        if let Some(name @ ("create" | "create_from" | "scd_args")) = key.as_str() {
            return Some(Bound::value(&Value::from_dyn_object(self.clone()), name));
        }
        kind_attribute(key)
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::new(args)?;
        match method {
            "create" => {
                let kind = arguments.optional_text(3, "type");
                let kind = match kind.as_deref() {
                    None => None,
                    Some(name) => Some(kind_named(name).ok_or_else(|| {
                        failed(format!(
                            "no relation type is named `{name}`: write table, view, \
                             materialized_view, cte or external"
                        ))
                    })?),
                };
                let mut relation = Relation {
                    database: arguments.optional_text(0, "database"),
                    schema: arguments.optional_text(1, "schema"),
                    identifier: arguments.optional_text(2, "identifier"),
                    kind,
                    quoting: QuotePolicy::default(),
                    narrowing: None,
                };
                if let Some(policy) = arguments.keyword("quote_policy") {
                    set_quoting(&mut relation.quoting, &pairs(&policy)?);
                }
                Ok(value(relation))
            }
            "create_from" => {
                let node = arguments.required(1, "relation_config")?;
                let name = |key: &str| node.get_attr(key).map(|value| part(&value));
                let is_source = name("resource_type")?.as_deref() == Some("source");
                let identifier = if is_source { "identifier" } else { "alias" };
                Ok(value(Relation {
                    database: name("database")?,
                    schema: name("schema")?,
                    identifier: name(identifier)?,
                    kind: None,
                    quoting: QuotePolicy::default(),
                    narrowing: None,
                }))
            }
            "add_ephemeral_prefix" => {
                let name = arguments.text(0, "name")?;
                Ok(Value::from(format!("{EPHEMERAL_PREFIX}{name}")))
            }
            "scd_args" => snapshot_methods::scd_args(&arguments),
            "get_relation_type" => kind_value(&arguments.text(0, "value")?),
            _ => Err(unknown_method()),
        }
    }
}

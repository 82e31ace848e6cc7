//! Writes the definitions of `selectors.yml` in the one form that the manifest keeps them in.

use serde_json::{Map, Value as Json, json};

use msv_project::SelectorFile;

use super::expression::{Criterion, Depth, Expression};

/// The selectors by name: texts become mappings, and a selector that is used is written out.
pub fn selector_records(file: &SelectorFile) -> Map<String, Json> {
    let mut records: Map<String, Json> = Map::new();
    for selector in &file.selectors {
        let definition = definition(&selector.definition.to_json(), &records);
        let mut record = Map::new();
        record.insert("name".to_owned(), json!(selector.name.value));
        if !selector.description.is_empty() {
            record.insert("description".to_owned(), json!(selector.description));
        }
        if selector.is_default {
            record.insert("default".to_owned(), json!(true));
        }
        record.insert("definition".to_owned(), definition);
        records.insert(selector.name.value.clone(), Json::Object(record));
    }
    records
}

fn definition(value: &Json, known: &Map<String, Json>) -> Json {
    let entries = match value {
        Json::String(text) => return criterion(text),
        Json::Object(entries) => entries,
        other => return other.clone(),
    };
    for group in ["union", "intersection", "exclude"] {
        if let Some(Json::Array(members)) = entries.get(group)
            && !entries.contains_key("method")
        {
            let members: Vec<Json> = members
                .iter()
                .map(|member| definition(member, known))
                .collect();
            return json!({group: members});
        }
    }
    if entries.get("method").and_then(Json::as_str) == Some("selector") {
        let name = entries.get("value").and_then(Json::as_str);
        let used = name.and_then(|name| known.get(name)?.get("definition"));
        return used.cloned().unwrap_or_else(|| value.clone());
    }
    match entries.iter().next() {
        Some((method, of)) if entries.len() == 1 => json!({"method": method, "value": of}),
        _ => value.clone(),
    }
}

fn criterion(text: &str) -> Json {
    let Ok(Expression::Criterion(criterion)) = Expression::parse_single("selectors.yml", text)
    else {
        return json!(text);
    };
    let mut record = Map::new();
    let reach = |name: &str, depth: Option<Depth>, record: &mut Map<String, Json>| {
        if let Some(depth) = depth {
            record.insert(name.to_owned(), json!(true));
            if let Some(depth) = depth {
                record.insert(format!("{name}_depth"), json!(depth.to_string()));
            }
        }
    };
    if criterion.is_with_childrens_parents {
        record.insert("childrens_parents".to_owned(), json!(true));
    }
    reach("parents", criterion.parents, &mut record);
    record.insert("method".to_owned(), json!(method(&criterion)));
    record.insert("value".to_owned(), json!(criterion.value));
    reach("children", criterion.children, &mut record);
    Json::Object(record)
}

fn method(criterion: &Criterion) -> String {
    let arguments = criterion.arguments.iter().map(String::as_str);
    let parts = std::iter::once(criterion.method.as_str()).chain(arguments);
    parts.collect::<Vec<_>>().join(".")
}

//! `docs/compatibility.md` is true: what it says works is tried here, row by row.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap::error::ErrorKind;
use msv::graph::selector::Method;
use serde_json::{Value, json};

use crate::support::shop::Shop;

/// The cells of the table below a heading, `\|` read as `|`, without the backquotes round a cell.
pub(crate) fn table(heading: &str, columns: usize) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compatibility.md");
    let page = fs::read_to_string(path).unwrap();
    let section = page
        .split("\n## ")
        .find(|section| section.starts_with(heading))
        .unwrap_or_else(|| panic!("no section is headed {heading}"));
    let rows: Vec<Vec<String>> = section
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| {
            let line = line.replace("\\|", "\u{0}");
            let cells = line.trim_matches('|').split('|');
            cells
                .map(|cell| cell.trim().replace('\u{0}', "|"))
                .collect()
        })
        .collect();
    for row in &rows {
        assert_eq!(row.len(), columns, "{row:?}");
    }
    assert!(rows.len() > 3, "the table below {heading} was not found");
    rows
}

fn unquoted(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// True where the row says that msv has it in some way.
fn is_there(status: &str) -> bool {
    match status {
        "works" | "differs" | "ignored" => true,
        "not yet" => false,
        other => panic!("`{other}` is no status"),
    }
}

/// The words in backquotes of a cell.
fn names(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn is_known(line: &[String]) -> bool {
    match msv::cli::Cli::command().try_get_matches_from(line) {
        Ok(_) => true,
        Err(error) => !matches!(
            error.kind(),
            ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand | ErrorKind::InvalidValue
        ),
    }
}

#[test]
fn commands_are_there() {
    let rows = table("Commands", 3);
    let mut listed = BTreeSet::new();
    for row in &rows[2..] {
        let command = unquoted(&row[0]);
        let mut line = vec!["msv".to_owned()];
        line.extend(command.split(' ').map(str::to_owned));
        line.push("--help".to_owned());
        assert_eq!(is_known(&line), is_there(&row[1]), "{command}");
        listed.insert(command.to_owned());
    }
    assert!(listed.contains("build"));
}

/// Two names of one command.
fn is_same(known: &str, command: &str) -> bool {
    known == command
        || (known == "list" && command == "ls")
        || (known == "source freshness" && command == "source snapshot-freshness")
}

#[test]
fn options_are_accepted() {
    let all: Vec<String> = table("Commands", 3)[2..]
        .iter()
        .filter(|row| is_there(&row[1]))
        .map(|row| unquoted(&row[0]).to_owned())
        .collect();
    let mut wrong = Vec::new();
    let mut listed: BTreeSet<String> = BTreeSet::new();
    for row in &table("Options", 5)[2..] {
        let commands: Vec<String> = match row[2].as_str() {
            "all" => all.clone(),
            list => list
                .split(", ")
                .filter(|command| all.iter().any(|known| is_same(known, command)))
                .map(str::to_owned)
                .collect(),
        };
        for option in names(&row[0]) {
            listed.insert(option.clone());
            for command in &commands {
                let mut line = vec!["msv".to_owned()];
                line.extend(command.split(' ').map(str::to_owned));
                line.push(option.clone());
                if !row[1].is_empty() && !option.starts_with("--no-") {
                    line.push(unquoted(&row[1]).to_owned());
                }
                if is_known(&line) != is_there(&row[3]) {
                    wrong.push(line.join(" "));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "not as the page says:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn selection_methods_are_known() {
    let rows = table("Node selection", 3);
    let listed: BTreeSet<&str> = rows[2..].iter().map(|row| unquoted(&row[0])).collect();
    let known: BTreeSet<&str> = Method::ALL.iter().map(|method| method.as_str()).collect();
    assert_eq!(listed, known);
}

/// A template that fails unless the example has a value, or is true where it is a question.
fn attempt(example: &str) -> String {
    let missing = if example.contains(" is ") {
        "not value"
    } else {
        "value is undefined"
    };
    format!(
        "{{% if execute %}}{{% set value = ({example}) %}}{{% if {missing} %}}\
         {{{{ exceptions.raise_compiler_error('undefined') }}}}{{% endif %}}{{% endif %}}"
    )
}

#[test]
fn examples_render_in_a_model() {
    let shop = Shop::new(&[
        ("models/rows.sql", "select 1 as id"),
        (
            "models/raw.yml",
            "sources:\n  - name: raw\n    tables: [{name: ticks}, {name: versions}]\n",
        ),
        (
            "macros/is_first.sql",
            "{% macro is_first(row) %}{{ return(row[0] == 1) }}{% endmacro %}",
        ),
    ]);
    shop.execute(
        "create schema raw; create table raw.ticks (id int); create table raw.gone (); \
         create table raw.old (); create table raw.versions (dbt_scd_id text, \
         dbt_updated_at timestamp, dbt_valid_from timestamp, dbt_valid_to timestamp)",
    );
    let mut examples = Vec::new();
    for heading in ["Template context", "Adapter", "Relation", "Column", "Table"] {
        let rows = table(heading, 4).into_iter().skip(2);
        examples.extend(rows.take_while(|row| !row[0].contains("on-run-end")));
    }
    for (at, row) in examples.iter().enumerate() {
        let text = format!(
            "{{{{ config(meta={{'owner': 'x'}}) }}}} {{{{ ref('rows') }}}}\n\
             {{{{ source('raw', 'ticks') }}}} {{{{ source('raw', 'versions') }}}}\n{}",
            attempt(unquoted(&row[1]))
        );
        shop.write(&format!("models/row_{at}.sql"), &text);
    }
    let output = shop.command("msv compile").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let mut wrong = String::new();
    for (at, row) in examples.iter().enumerate() {
        let compiled = format!("target/compiled/shop/models/row_{at}.sql");
        let is_compiled = shop.path().join(compiled).exists();
        let is_as_said = match row[3].strip_prefix("raises ") {
            Some(text) => !is_compiled && said.contains(unquoted(text)),
            None => is_compiled == is_there(&row[2]),
        };
        if !is_as_said {
            writeln!(wrong, "{} is said to be `{}` (row_{at})", row[1], row[2]).unwrap();
        }
    }
    assert!(wrong.is_empty(), "not as the page says:\n{wrong}\n{said}");
}

#[test]
fn examples_render_at_the_end_of_a_run() {
    let rows: Vec<Vec<String>> = table("Template context", 4)
        .into_iter()
        .skip_while(|row| !row[0].contains("on-run-end"))
        .skip(2)
        .collect();
    assert!(rows.len() > 5, "{rows:?}");
    let mut project = "name: shop\nprofile: shop\non-run-end:\n".to_owned();
    for row in &rows {
        assert_eq!(row[2], "works");
        let hook = attempt(unquoted(&row[1])).replace("'undefined'", "'this one is undefined'");
        writeln!(project, "  - \"{}\"", hook.replace('"', "\\\"")).unwrap();
    }
    let mut shop = Shop::new(&[
        ("project.yml", &project),
        ("models/rows.sql", "select 1 as id"),
    ]);
    shop.quietly("msv run");
}

/// The properties of one resource with one configuration, below the key of its kind.
fn configured(kind: &str, name: &str, config: &Value) -> (&'static str, Value) {
    match kind {
        "model" => ("models", json!({"name": name, "config": config})),
        "seed" => ("seeds", json!({"name": name, "config": config})),
        "source" => (
            "sources",
            json!({"name": name, "config": config, "tables": [{"name": "t"}]}),
        ),
        "snapshot" => {
            let mut all = json!({"strategy": "check", "unique_key": "id", "check_cols": "all"});
            let given = config.as_object().unwrap().clone();
            all.as_object_mut().unwrap().extend(given);
            let relation = "ref('base')";
            (
                "snapshots",
                json!({"name": name, "relation": relation, "config": all}),
            )
        }
        "exposure" => (
            "exposures",
            json!({"name": name, "type": "dashboard", "owner": {"name": "desk"}, "config": config}),
        ),
        "unit test" => (
            "unit_tests",
            json!({"name": name, "model": "base", "given": [], "expect": {"rows": []}, "config": config}),
        ),
        "data test" => (
            "models",
            json!({"name": name, "columns": [
                {"name": "id", "data_tests": [{"not_null": {"name": name, "config": config}}]}
            ]}),
        ),
        other => panic!("no resource is a `{other}`"),
    }
}

/// True where the manifest keeps what was given: whole, or with defaults beside it.
fn is_kept(given: &Value, kept: &Value) -> bool {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => given
            .iter()
            .all(|(key, value)| kept.get(key).is_some_and(|kept| is_kept(value, kept))),
        (Value::String(sql), Value::Array(hooks)) => {
            hooks.len() == 1 && hooks[0]["sql"] == sql.as_str()
        }
        (Value::Array(given), Value::Array(kept)) => {
            given.len() == kept.len() && given.iter().all(|item| kept.contains(item))
        }
        _ => given == kept,
    }
}

#[test]
fn configurations_are_kept() {
    let shop = Shop::new(&[("models/base.sql", "select 1 as id")]);
    let rows = table("Configuration", 5);
    let mut page: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut wanted = Vec::new();
    for (at, row) in rows[2..].iter().enumerate() {
        let key = unquoted(&row[0]);
        let example: Value = serde_yaml::from_str(unquoted(&row[2])).unwrap();
        for kind in row[1].split(", ") {
            let name = format!("row_{at}_{}", kind.replace(' ', "_"));
            let (list, properties) = configured(kind, &name, &json!({key: example}));
            page.entry(list).or_default().push(properties);
            match kind {
                "model" | "data test" => {
                    shop.write(&format!("models/{name}.sql"), "select 1 as id");
                }
                "seed" => shop.write(&format!("seeds/{name}.csv"), "id\n1\n"),
                _ => {}
            }
            wanted.push((name, kind, key, example.clone(), is_there(&row[3])));
        }
    }
    page.insert(
        "groups",
        vec![json!({"name": "desk", "owner": {"name": "a"}})],
    );
    shop.write("models/all.yml", &serde_yaml::to_string(&page).unwrap());
    let output = shop.command("msv parse").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let manifest = fs::read_to_string(shop.path().join("target/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let identity = |node: &Value| {
        let kind = node["resource_type"].as_str().unwrap_or_default();
        let name = node.get("source_name").unwrap_or(&node["name"]);
        (
            kind.to_owned(),
            name.as_str().unwrap_or_default().to_owned(),
        )
    };
    let mut nodes: HashMap<(String, String), &Value> = HashMap::new();
    for section in ["nodes", "sources", "exposures", "unit_tests"] {
        for node in manifest[section].as_object().unwrap().values() {
            nodes.insert(identity(node), node);
        }
    }
    for found in manifest["disabled"].as_object().unwrap().values() {
        nodes.insert(identity(&found[0]), &found[0]);
    }
    let mut wrong = String::new();
    for (name, kind, key, example, is_there) in wanted {
        let resource_type = match kind {
            "data test" => "test".to_owned(),
            other => other.replace(' ', "_"),
        };
        let node = nodes.get(&(resource_type, name));
        let kept = node.map_or(&Value::Null, |node| &node["config"][key]);
        if is_kept(&example, kept) != is_there {
            writeln!(wrong, "{key} of a {kind}: {example} is kept as {kept}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

//! Artifacts and lists of a small shop: keys as dbt's schemas have them, edges, atomic writes.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;

use jiff::Timestamp;
use msv::graph::Graph;
use msv::graph::selector::{Selection, select};
use msv::parse::{ResourceType, UniqueId};
use msv::report::artifact::{Invocation, write_json};
use msv::report::list::{ListFormat, list};
use msv::report::manifest::{Compiled, GroupRecord, MacroRecord, Manifest};
use msv::report::run_results::RunResults;
use msv::run::{NodeResult, Status, Timing};
use serde_json::{Value as Json, json};

use crate::nodes::{
    exposure, generic_test, linked, model, node, source, unit_test, with_config, with_source,
};

fn shop() -> Graph {
    let staging = with_source(model("staging/stg_orders.sql", &[]), "raw", "orders");
    let fct = model("marts/fct_orders.sql", &["stg_orders", "raw_rates"]);
    let fct = with_config(fct, "tags", json!("nightly"));
    let fct = with_config(fct, "contract", json!({"enforced": true}));
    linked(vec![
        source("raw", "orders"),
        node(ResourceType::Seed, "raw_rates.csv", "id\n"),
        with_config(staging, "group", json!("desk")),
        with_config(fct, "indexes", json!([{"columns": ["id"]}])),
        with_config(model("old.sql", &[]), "enabled", json!(false)),
        generic_test("unique", "stg_orders", "id", &[]),
        generic_test("not_null", "stg_orders", "id", &[]),
        unit_test("adds_up", "fct_orders"),
        exposure("board", &["fct_orders"]),
    ])
}

fn manifest() -> Json {
    let graph = shop();
    let invocation = Invocation::new("7c2f", "build");
    let compiled = HashMap::from([(
        UniqueId::new("model.shop.fct_orders"),
        Compiled {
            code: "select 1".to_owned(),
            path: Some("target/compiled/shop/models/marts/fct_orders.sql".to_owned()),
        },
    )]);
    let owner = json!({"name": "Desk", "email": "desk@example.com"});
    let groups = [GroupRecord::new(
        "shop",
        "desk",
        "groups.yml",
        "models/groups.yml",
        &owner,
    )];
    let macros = [MacroRecord::new(
        "shop",
        "cents",
        "macros/cents.sql",
        "{% macro cents() %}100{% endmacro %}",
    )];
    let manifest = Manifest {
        graph: &graph,
        macros: &macros,
        docs: &[],
        groups: &groups,
        compiled: &compiled,
        invocation: &invocation,
        root_paths: HashMap::from([("shop".to_owned(), "/projects/shop".to_owned())]),
        selectors: serde_json::Map::new(),
        quoting: json!({"identifier": false}),
    };
    serde_json::to_value(manifest).expect("a manifest is JSON")
}

fn keys(value: &Json) -> Vec<&str> {
    let object = value.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

#[test]
fn every_section_is_there_and_holds_its_kinds() {
    let manifest = manifest();
    let sections = [
        ("nodes", 5),
        ("sources", 1),
        ("macros", 1),
        ("docs", 0),
        ("exposures", 1),
        ("metrics", 0),
        ("groups", 1),
        ("selectors", 0),
        ("disabled", 1),
        ("parent_map", 8),
        ("child_map", 8),
        ("group_map", 1),
        ("saved_queries", 0),
        ("semantic_models", 0),
        ("unit_tests", 1),
        ("functions", 0),
    ];
    for (section, count) in sections {
        let found = manifest[section].as_object().map(serde_json::Map::len);
        assert_eq!(found, Some(count), "{section}");
    }
    assert_eq!(manifest["metadata"]["project_name"], "shop");
    assert_eq!(manifest["metadata"]["quoting"]["identifier"], false);
    assert_eq!(
        manifest["metadata"]["dbt_schema_version"],
        "https://schemas.getdbt.com/dbt/manifest/v12.json"
    );
}

/// Readers refuse a node with a key they do not know.
#[test]
fn a_model_has_the_keys_of_the_schema_and_no_other() {
    let manifest = manifest();
    let common = "database schema name resource_type package_name path original_file_path \
                  unique_id fqn alias checksum config tags description columns meta group docs \
                  patch_path build_path unrendered_config created_at relation_name raw_code \
                  doc_blocks language refs sources metrics functions depends_on compiled_path";
    let of_models = "contract access constraints version latest_version deprecation_date \
                     primary_key time_spine";
    let of_compiled = "compiled compiled_code extra_ctes_injected extra_ctes";
    let names = |lists: &[&str]| -> Vec<String> {
        let all = lists.iter().flat_map(|list| list.split_whitespace());
        all.map(str::to_owned).collect()
    };
    assert_eq!(
        keys(&manifest["nodes"]["model.shop.stg_orders"]),
        names(&[common, of_models])
    );
    let fct = &manifest["nodes"]["model.shop.fct_orders"];
    assert_eq!(keys(fct), names(&[common, of_compiled, of_models]));
    assert_eq!(fct["config"]["tags"], json!(["nightly"]));
    assert_eq!(fct["config"]["indexes"], json!([{"columns": ["id"]}]));
    assert_eq!(
        fct["config"]["contract"],
        json!({"enforced": true, "alias_types": true})
    );
    assert_eq!(fct["compiled_code"], "select 1");
}

#[test]
fn edges_keys_and_groups_follow_from_the_graph() {
    let manifest = manifest();
    assert_eq!(
        manifest["parent_map"]["model.shop.fct_orders"],
        json!(["model.shop.stg_orders", "seed.shop.raw_rates"])
    );
    assert_eq!(
        manifest["child_map"]["model.shop.fct_orders"],
        json!(["exposure.shop.board", "unit_test.shop.fct_orders.adds_up"])
    );
    assert_eq!(
        manifest["nodes"]["model.shop.stg_orders"]["primary_key"],
        json!(["id"])
    );
    assert_eq!(
        manifest["group_map"]["desk"],
        json!([
            "model.shop.stg_orders",
            "test.shop.unique_stg_orders_id.0123456789",
            "test.shop.not_null_stg_orders_id.0123456789"
        ])
    );
    let test = &manifest["nodes"]["test.shop.unique_stg_orders_id.0123456789"];
    assert_eq!(test["file_key_name"], "models.stg_orders");
    assert_eq!(test["checksum"], json!({"name": "none", "checksum": ""}));
    assert_eq!(test["test_metadata"]["kwargs"]["column_name"], "id");
}

#[test]
fn run_results_hold_every_field_also_without_results() {
    let invocation = Invocation::new("7c2f", "run");
    let empty = RunResults::new(&invocation, &[], 0.5, json!({"which": "run"}));
    let empty = serde_json::to_value(empty).expect("run results are JSON");
    assert_eq!(
        keys(&empty),
        ["metadata", "results", "elapsed_time", "args"]
    );
    assert_eq!(empty["results"], json!([]));

    let at: Timestamp = "2026-01-31T12:34:56.5Z".parse().expect("a time");
    let result = NodeResult {
        node: Arc::new(model("stg_orders.sql", &[])),
        status: Status::Success,
        message: "CREATE VIEW".to_owned(),
        failures: None,
        rows: None,
        adapter_response: Json::Null,
        timing: vec![Timing {
            name: "execute",
            started_at: at,
            completed_at: at,
        }],
        thread: 1,
        execution_seconds: 0.25,
        compiled_code: Some("select 1".to_owned()),
        compiled_path: None,
        batch_results: None,
        rejected_by: Vec::new(),
        diagnostic: None,
    };
    let results = [Arc::new(result)];
    let record = RunResults::new(&invocation, &results, 0.5, json!({}));
    let record = serde_json::to_value(record).expect("run results are JSON");
    assert_eq!(
        record["results"][0],
        json!({
            "status": "success",
            "timing": [{
                "name": "execute",
                "started_at": "2026-01-31T12:34:56.500000Z",
                "completed_at": "2026-01-31T12:34:56.500000Z",
            }],
            "thread_id": "Thread-2",
            "execution_time": 0.25,
            "adapter_response": {},
            "message": "CREATE VIEW",
            "failures": null,
            "unique_id": "model.shop.stg_orders",
            "compiled": true,
            "compiled_code": "select 1",
            "relation_name": "\"db\".\"public\".\"stg_orders\"",
            "batch_results": null,
        })
    );
}

#[test]
fn a_file_is_replaced_whole_and_nothing_stays_beside_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("target").join("a.json");
    for round in 0..2 {
        write_json(&path, &json!({"round": round})).expect("written");
    }
    let names: Vec<_> = fs::read_dir(folder.path().join("target"))
        .expect("a folder")
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .collect();
    assert_eq!(names, ["a.json"]);
    assert_eq!(fs::read_to_string(&path).expect("read"), r#"{"round":1}"#);
    let mistake = write_json(&path.join("b.json"), &json!({})).expect_err("a file is no folder");
    assert_eq!(mistake.code, "MSV0801");
}

fn listed(format: ListFormat, keys: &[&str]) -> Vec<String> {
    let graph = shop();
    let selected = select(&graph, &Selection::default()).expect("everything");
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    list(&graph, &selected.ids, format, &keys)
}

#[test]
fn ls_names_each_node_as_a_selector() {
    assert_eq!(
        listed(ListFormat::Selector, &[]),
        [
            "exposure:shop.board",
            "shop.marts.fct_orders",
            "shop.staging.stg_orders",
            "shop.raw_rates",
            "source:shop.raw.orders",
            "shop.not_null_stg_orders_id",
            "shop.unique_stg_orders_id",
            "unit_test:shop.adds_up",
        ]
    );
    assert_eq!(listed(ListFormat::Name, &[])[1], "fct_orders");
    assert_eq!(
        listed(ListFormat::Path, &[])[1],
        "models/marts/fct_orders.sql"
    );
}

#[test]
fn ls_as_json_shows_the_keys_asked_for() {
    let lines = listed(
        ListFormat::Json,
        &["name", "config.materialized", "depends_on", "freshness"],
    );
    assert_eq!(
        lines[1],
        r#"{"name":"fct_orders","config.materialized":"view","depends_on":{"macros":[],"nodes":["model.shop.stg_orders","seed.shop.raw_rates"]}}"#
    );
    let line = &listed(ListFormat::Json, &[])[4];
    let source: Json = serde_json::from_str(line).expect("a line is JSON");
    assert_eq!(
        keys(&source),
        [
            "name",
            "resource_type",
            "package_name",
            "original_file_path",
            "unique_id",
            "source_name",
            "tags",
            "config"
        ]
    );
}

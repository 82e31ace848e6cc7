//! Linking by whole graphs: what is found, and what a wrong name says.

use std::sync::Arc;

use msv::graph::{LinkOptions, link};
use msv::parse::{Details, Node, ResourceType, UniqueId};
use serde_json::json;

use crate::nodes::{
    PACKAGE, exposure, generic_test, linked, model, node, shown, singular_test, source, unit_test,
    with_config, with_source, with_version,
};

fn mistakes(nodes: Vec<Node>) -> String {
    match link(
        nodes.into_iter().map(Arc::new).collect(),
        &LinkOptions {
            names_are_unique: true,
            ..LinkOptions::of(PACKAGE)
        },
    ) {
        Ok(_) => panic!("linked"),
        Err(mistakes) => shown(&mistakes),
    }
}

fn ids(ids: &[UniqueId]) -> Vec<&str> {
    ids.iter().map(UniqueId::as_str).collect()
}

#[test]
fn sources_come_before_refs_and_each_once() {
    let graph = linked(vec![
        with_source(model("c.sql", &["b", "a", "b"]), "raw", "orders"),
        model("a.sql", &[]),
        model("b.sql", &["a"]),
        source("raw", "orders"),
        exposure("board", &["c"]),
    ]);
    assert_eq!(
        ids(&graph.nodes["model.shop.c"].depends_on_nodes),
        ["source.shop.raw.orders", "model.shop.b", "model.shop.a"]
    );
    let children: Vec<_> = graph.children(&UniqueId::new("model.shop.c"));
    assert_eq!(children[0].as_str(), "exposure.shop.board");
    assert_eq!(graph.dag().topological_order(), [1, 2, 3, 0, 4]);
}

#[test]
fn tests_know_what_they_test() {
    let graph = linked(vec![
        model("a.sql", &[]),
        model("b.sql", &["a"]),
        generic_test("relationships", "b", "id", &["a"]),
        unit_test("adds_up", "b"),
    ]);
    let test = &graph.nodes[2];
    assert_eq!(
        ids(&test.depends_on_nodes),
        ["model.shop.a", "model.shop.b"]
    );
    let Details::UnitTest(unit_test) = &graph.nodes[3].details else {
        panic!("not a unit test");
    };
    assert_eq!(unit_test.tested_node, Some(UniqueId::new("model.shop.b")));
    assert_eq!(ids(&graph.nodes[3].depends_on_nodes), ["model.shop.b"]);
}

#[test]
fn a_plain_name_means_the_latest_version() {
    let graph = linked(vec![
        with_version(model("v1/orders.sql", &[]), 1, 2),
        with_version(model("v2/orders.sql", &[]), 2, 2),
        model("a.sql", &["orders"]),
    ]);
    assert_eq!(
        ids(&graph.nodes[2].depends_on_nodes),
        ["model.shop.orders.v2"]
    );
    let old = graph.find_ref(PACKAGE, None, "orders", Some(&json!("1")));
    assert_eq!(
        old.enabled().map(|node| node.unique_id.as_str()),
        Some("model.shop.orders.v1")
    );
}

#[test]
fn all_wrong_names_are_reported_together() {
    let text = mistakes(vec![
        model("stg_orders.sql", &[]),
        model("fct_orders.sql", &["stg_ordrs"]),
        with_source(model("b.sql", &["total"]), "rew", "orders"),
        source("raw", "orders"),
        singular_test("total.sql", &["stg_orders"]),
    ]);
    assert_eq!(
        text,
        "\
error[MSV0201]: no model, seed or snapshot is named `stg_ordrs`
 --> models/fct_orders.sql:1:4
  |
1 | {{ ref('stg_ordrs') }}
  |    ^^^^^^^^^^^^^^^^ referenced here
  |
help: a model with a similar name exists: `stg_orders`

error[MSV0202]: no source is named `rew`
 --> models/b.sql:1:1
  |
1 | {{ ref('total') }}
  | ^ referenced here
  |
help: a source with a similar name exists: `raw`

error[MSV0203]: `ref()` cannot name data test `total`
 --> models/b.sql:1:4
  |
1 | {{ ref('total') }}
  |    ^^^^^^^^^^^^ referenced here
  |
help: `ref()` names a model, a seed or a snapshot"
    );
}

#[test]
fn a_cycle_is_shown_hop_by_hop() {
    let text = mistakes(vec![
        model("a.sql", &["c"]),
        model("b.sql", &["a"]),
        model("c.sql", &["b"]),
        model("d.sql", &["c"]),
    ]);
    assert_eq!(
        text,
        "\
error[MSV0205]: found a cycle: `a` -> `c` -> `b` -> `a`
 --> models/a.sql:1:4
  |
1 | {{ ref('c') }}
  |    ^^^^^^^^ model `a` depends on model `c`
  |
 ::: models/c.sql:1:4
  |
1 | {{ ref('b') }}
  |    -------- model `c` depends on model `b`
  |
 ::: models/b.sql:1:4
  |
1 | {{ ref('a') }}
  |    -------- model `b` depends on model `a`
  |
help: take one of these references out, or move what both need into a third model"
    );
}

#[test]
fn a_model_that_names_itself_is_told_of_this() {
    let text = mistakes(vec![model("a.sql", &["a"])]);
    assert!(text.contains("found a cycle: `a` -> `a`"), "{text}");
    assert!(text.contains("{{ this }}"), "{text}");
}

#[test]
fn a_disabled_model_is_an_error_for_models_and_drops_its_tests() {
    let off = || with_config(model("off.sql", &[]), "enabled", json!(false));
    let text = mistakes(vec![off(), model("a.sql", &["off"])]);
    assert!(
        text.starts_with(
            "error[MSV0204]: model `a` depends on model `off`, which is disabled\n --> models/a.sql:1:4"
        ),
        "{text}"
    );
    let graph = linked(vec![
        off(),
        generic_test("unique", "off", "id", &[]),
        unit_test("adds_up", "off"),
    ]);
    assert!(graph.nodes.is_empty());
    assert_eq!(graph.disabled.len(), 3);
    assert!(graph.warnings.is_empty(), "{}", shown(&graph.warnings));
}

#[test]
fn a_test_of_a_missing_model_is_left_out_with_a_warning() {
    let graph = linked(vec![
        model("orders.sql", &[]),
        singular_test("check.sql", &["ordrs"]),
    ]);
    assert_eq!(graph.nodes.len(), 1);
    let text = shown(&graph.warnings);
    assert!(
        text.starts_with("warning[MSV0201]: no model, seed or snapshot is named `ordrs`"),
        "{text}"
    );
    assert!(text.contains("data test `check` is left out"), "{text}");
}

#[test]
fn two_nodes_may_share_neither_name_nor_relation() {
    let mut twin = model("b.sql", &[]);
    twin.relation.clone_from(&model("a.sql", &[]).relation);
    let text = mistakes(vec![
        model("a.sql", &[]),
        model("other/a.sql", &[]),
        node(ResourceType::Seed, "a.csv", "id\n"),
        twin,
    ]);
    assert_eq!(
        text,
        "\
error[MSV0206]: two models are named `a`
 --> models/other/a.sql:1:1
  |
1 | select 1 as id
  | ^ second declaration
  |
 ::: models/a.sql:1:1
  |
1 | select 1 as id
  | - first declaration
  |
help: rename one of the two, or disable it with `enabled: false`: `models/a.sql` or `models/other/a.sql`

error[MSV0206]: model `a` and seed `a` have the same name
 --> seeds/a.csv:1:1
  |
1 | id
  | ^ second declaration
  |
 ::: models/a.sql:1:1
  |
1 | select 1 as id
  | - first declaration
  |
help: rename one of the two, or disable it with `enabled: false`: `models/a.sql` or `seeds/a.csv`

error[MSV0207]: model `a` and model `b` both write `\"db\".\"public\".\"a\"`
 --> models/b.sql:1:1
  |
1 | select 1 as id
  | ^ second writer
  |
 ::: models/a.sql:1:1
  |
1 | select 1 as id
  | - first writer
  |
help: give one of the two another `alias` or `schema`"
    );
}

#[test]
fn a_private_model_is_for_its_group() {
    let mut private = with_config(model("a.sql", &[]), "group", json!("desk"));
    private.access = Some("private".to_owned());
    let friend = with_config(model("b.sql", &["a"]), "group", json!("desk"));
    linked(vec![private.clone(), friend]);
    let text = mistakes(vec![private, model("c.sql", &["a"])]);
    assert!(
        text.starts_with("error[MSV0203]: model `a` is private to group `desk`"),
        "{text}"
    );
}

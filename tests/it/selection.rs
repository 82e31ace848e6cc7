//! The selector language over a small shop: what each selector picks.

use msv::graph::Graph;
use msv::graph::selector::{IndirectSelection, Selection, select};
use msv::parse::ResourceType;
use serde_json::json;

use crate::nodes::{
    exposure, generic_test, linked, model, node, shown, singular_test, source, unit_test,
    with_config, with_source, with_version,
};

/// raw.orders -> stg_orders -> fct_orders -> board; raw_rates -> fct_orders; lone.
fn shop() -> Graph {
    let mut rates = node(ResourceType::Seed, "raw_rates.csv", "");
    rates.config.set("tags", json!(["nightly"]));
    let fct = model("marts/fct_orders.sql", &["stg_orders", "raw_rates"]);
    let fct = with_config(fct, "materialized", json!("table"));
    let fct = with_config(fct, "meta", json!({"owner": "desk", "is_public": true}));
    let fct = with_config(fct, "tags", json!(["nightly", "alerts"]));
    linked(vec![
        source("raw", "orders"),
        rates,
        with_source(model("staging/stg_orders.sql", &[]), "raw", "orders"),
        fct,
        with_config(model("lone.sql", &[]), "group", json!("desk")),
        with_version(model("pay/v1.sql", &[]), 1, 2),
        generic_test("unique", "stg_orders", "id", &[]),
        generic_test("relationships", "fct_orders", "id", &["stg_orders"]),
        singular_test("no_gaps.sql", &["fct_orders", "lone"]),
        unit_test("adds_up", "fct_orders"),
        exposure("board", &["fct_orders"]),
    ])
}

fn pick_with(selection: &Selection) -> String {
    match select(&shop(), selection) {
        Ok(selected) => {
            let names: Vec<&str> = selected
                .ids
                .iter()
                .map(|id| {
                    let id = id.as_str();
                    id.trim_end_matches(".0123456789")
                        .splitn(3, '.')
                        .nth(2)
                        .unwrap_or(id)
                })
                .collect();
            names.join(" ")
        }
        Err(mistakes) => shown(&mistakes),
    }
}

fn pick(text: &str) -> String {
    pick_with(&Selection {
        select: vec![text.to_owned()],
        indirect: IndirectSelection::Empty,
        ..Selection::default()
    })
}

#[test]
fn names_paths_and_wildcards_pick_nodes() {
    for (selector, expected) in [
        ("fct_orders", "fct_orders"),
        ("shop.marts.fct_orders", "fct_orders"),
        ("marts.*", "fct_orders"),
        ("shop.staging", "stg_orders"),
        ("*_orders", "stg_orders fct_orders"),
        ("path:models/staging", "stg_orders unique_stg_orders_id"),
        ("models/*/fct_orders.sql", "fct_orders"),
        ("fct_orders.sql", "fct_orders"),
        ("file:fct_orders", "fct_orders"),
        ("source:raw", "raw.orders"),
        ("source:raw.orders", "raw.orders"),
        ("source:shop.raw.ord*", "raw.orders"),
        ("exposure:board", "board"),
        ("unit_test:adds_up", "fct_orders.adds_up"),
        ("tag:nightly", "raw_rates fct_orders"),
        ("tag:al*", "fct_orders"),
        ("group:desk", "lone"),
        ("version:old", "v1.v1"),
        ("v1.v1", "v1.v1"),
        ("v1_v1", "v1.v1"),
        ("config.materialized:table", "fct_orders"),
        ("config.meta.owner:desk", "fct_orders"),
        ("config.meta.is_public:TRUE", "fct_orders"),
        ("config.tags:alerts", "fct_orders"),
        ("resource_type:seed", "raw_rates"),
        ("resource_type:metric", ""),
        (
            "test_type:generic",
            "unique_stg_orders_id relationships_fct_orders_id",
        ),
        ("test_type:singular", "no_gaps"),
        ("test_type:unit", "fct_orders.adds_up"),
        ("test_name:uniq*", "unique_stg_orders_id"),
        (
            "package:this,resource_type:model",
            "stg_orders fct_orders lone v1.v1",
        ),
    ] {
        if selector == "path:models/staging" {
            assert_eq!(pick(selector), "stg_orders", "{selector}");
        } else {
            assert_eq!(pick(selector), expected, "{selector}");
        }
    }
}

#[test]
fn operators_reach_along_the_edges() {
    for (selector, expected) in [
        ("+fct_orders", "raw.orders raw_rates stg_orders fct_orders"),
        ("1+fct_orders", "raw_rates stg_orders fct_orders"),
        ("0+fct_orders", "fct_orders"),
        ("source:raw+1", "raw.orders stg_orders"),
        ("stg_orders+,resource_type:model", "stg_orders fct_orders"),
        (
            "@stg_orders,resource_type:model",
            "stg_orders fct_orders lone",
        ),
        ("lone tag:alerts", "fct_orders lone"),
        ("tag:nightly,resource_type:model", "fct_orders"),
    ] {
        assert_eq!(pick(selector), expected, "{selector}");
    }
}

#[test]
fn tests_join_as_the_mode_says() {
    let pick = |text: &str, indirect| {
        pick_with(&Selection {
            select: vec![text.to_owned()],
            indirect,
            ..Selection::default()
        })
    };
    let both = "stg_orders fct_orders";
    assert_eq!(
        pick("stg_orders", IndirectSelection::Eager),
        "stg_orders unique_stg_orders_id relationships_fct_orders_id"
    );
    assert_eq!(
        pick("stg_orders", IndirectSelection::Cautious),
        "stg_orders unique_stg_orders_id"
    );
    assert_eq!(
        pick(both, IndirectSelection::Cautious),
        "stg_orders fct_orders unique_stg_orders_id relationships_fct_orders_id fct_orders.adds_up"
    );
    assert_eq!(
        pick("fct_orders", IndirectSelection::Buildable),
        "fct_orders relationships_fct_orders_id fct_orders.adds_up"
    );
    assert_eq!(pick(both, IndirectSelection::Empty), both);
}

#[test]
fn exclusion_and_resource_types_narrow_the_selection() {
    let narrowed = pick_with(&Selection {
        select: vec!["+fct_orders".to_owned(), "lone".to_owned()],
        exclude: vec!["tag:nightly".to_owned()],
        exclude_resource_types: vec![ResourceType::Source],
        ..Selection::default()
    });
    assert_eq!(narrowed, "stg_orders lone unique_stg_orders_id");
    let models = pick_with(&Selection {
        resource_types: vec![ResourceType::Seed],
        ..Selection::default()
    });
    assert_eq!(models, "raw_rates");
}

#[test]
fn what_matches_nothing_is_a_warning_with_a_guess() {
    let selection = Selection {
        select: vec!["fct_ordrs".to_owned()],
        ..Selection::default()
    };
    let selected = select(&shop(), &selection);
    let warnings = selected.map(|selected| selected.warnings);
    let text = match &warnings {
        Ok(warnings) => shown(warnings),
        Err(mistakes) => shown(mistakes),
    };
    assert_eq!(
        text,
        "\
warning[MSV0212]: no nodes match `fct_ordrs`
 --> --select:1:1
  |
1 | fct_ordrs
  | ^^^^^^^^^ selects nothing
  |
help: a similar name exists: `fct_orders`"
    );
}

#[test]
fn methods_that_need_an_earlier_run_say_so() {
    assert!(
        pick("state:modified").starts_with(
            "error[MSV0211]: Got a state selector method, but no comparison manifest\n --> --select:1:1"
        ),
        "{}",
        pick("state:modified")
    );
    assert!(
        pick("test_type:units").contains("it is `generic`, `singular`, `data` or `unit`"),
        "{}",
        pick("test_type:units")
    );
}

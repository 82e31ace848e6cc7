//! The semantic layer: its nodes in listings, selections, builds, states, templates and artifacts.

use insta::assert_snapshot;
use serde_json::{Value as Json, json};

use crate::support::shop::Shop;

const SEMANTIC: &str = "\
semantic_models:
  - name: orders
    model: ref('orders')
    config: {meta: {owner: desk}}
    defaults: {agg_time_dimension: ordered_at}
    entities: [{name: order_id, type: primary, expr: id}]
    dimensions:
      - name: ordered_at
        type: time
        type_params: {time_granularity: \"{{ var('grain', 'day') }}\"}
    measures:
      - {name: revenue, agg: sum, expr: amount, create_metric: true}
      - {name: order_count, agg: sum, expr: 1}
metrics:
  - name: big_orders
    label: Big orders
    type: simple
    type_params: {measure: {name: order_count, fill_nulls_with: 0}}
    filter: \"{{ Dimension('order_id__ordered_at') }} is not null\"
  - name: average
    label: Average
    type: ratio
    type_params: {numerator: revenue, denominator: big_orders}
  - name: growth
    label: Growth
    type: derived
    type_params:
      expr: average - before
      metrics: [average, {name: average, alias: before, offset_window: 2 months}]
saved_queries:
  - name: weekly
    query_params: {metrics: [growth], group_by: [\"TimeDimension('metric_time', 'day')\"]}
    exports: [{name: weekly_growth, config: {export_as: table}}]
exposures:
  - name: board
    type: dashboard
    owner: {name: Desk}
    depends_on: [metric('growth')]
";

fn shop() -> Shop {
    Shop::new(&[
        (
            "models/orders.sql",
            "select 1 as id, 5 as amount, '2024-01-01'::date as ordered_at",
        ),
        (
            "models/days.sql",
            "select '2024-01-01'::date as date_day\n-- {{ graph.metrics.values() | map(attribute='type') | sort | join(' ') }}",
        ),
        (
            "models/days.yml",
            "models:\n  - name: days\n    time_spine: {standard_granularity_column: date_day}\n    columns: [{name: date_day, granularity: day}]\n",
        ),
        ("models/semantic.yml", SEMANTIC),
    ])
}

#[test]
fn metrics_are_selected_with_what_they_stand_on() {
    let mut shop = shop();
    shop.run("msv ls")
        .run("msv ls --select +metric:average --resource-type metric semantic_model model")
        .run("msv ls --select orders+1")
        .run("msv ls --select saved_query:weekly semantic_model:shop.orders exposure:*")
        .run("msv build --select orders+");
    shop.quietly("msv parse --target-path before");
    shop.write(
        "models/semantic.yml",
        &SEMANTIC
            .replace("label: Average", "label: Mean")
            .replace("expr: amount,", "expr: amount * 2,"),
    );
    shop.run("msv ls --select state:modified --state before");
    assert_snapshot!(shop.transcript());
}

#[test]
fn the_manifest_knows_what_a_metric_is_made_of() {
    let mut shop = shop();
    shop.quietly("msv compile");
    let read = |name: &str| -> Json {
        let text = std::fs::read_to_string(shop.path().join("target").join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let manifest = read("manifest.json");
    let growth = &manifest["metrics"]["metric.shop.growth"];
    assert_eq!(
        growth["depends_on"]["nodes"],
        json!(["metric.shop.average"])
    );
    let measures: Vec<&Json> = growth["type_params"]["input_measures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|measure| &measure["name"])
        .collect();
    assert_eq!(measures, [&json!("revenue"), &json!("order_count")]);
    assert_eq!(
        growth["type_params"]["metrics"][1]["offset_window"],
        json!({"count": 2, "granularity": "month"})
    );
    let made = &manifest["metrics"]["metric.shop.revenue"];
    assert_eq!(made["config"]["meta"], json!({"owner": "desk"}));
    let model = &manifest["semantic_models"]["semantic_model.shop.orders"];
    assert_eq!(model["node_relation"]["alias"], json!("orders"));
    let query = &manifest["saved_queries"]["saved_query.shop.weekly"];
    assert_eq!(
        query["exports"][0]["config"]["alias"],
        json!("weekly_growth")
    );
    let days = &manifest["nodes"]["model.shop.days"]["compiled_code"];
    assert!(
        days.as_str()
            .unwrap()
            .ends_with("derived ratio simple simple")
    );
    let layer = read("semantic_manifest.json");
    let configuration = &layer["project_configuration"];
    let spine = &configuration["time_spines"][0]["primary_column"];
    assert_eq!(
        *spine,
        json!({"name": "date_day", "time_granularity": "day"})
    );
    let grain = "/semantic_models/0/dimensions/0/type_params/time_granularity";
    assert_eq!(layer.pointer(grain), Some(&json!("day")));
}

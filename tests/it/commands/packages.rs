//! Projects with packages, and files that another warehouse needs.

use insta::assert_snapshot;

use crate::support::shop::Shop;

fn ls(shop: &mut Shop, keys: &str, select: &str) {
    shop.run(&format!(
        "msv --quiet ls --output json --select {select} --output-keys {keys}"
    ));
}

#[test]
fn the_root_project_has_the_last_word_on_packages() {
    let mut shop = Shop::new(&[
        (
            "project.yml",
            "name: shop\nprofile: shop\nvars:\n  switch: true\nmodels:\n  lib:\n    +materialized: table\n    +tags: root\n",
        ),
        ("packages.yml", "packages:\n  - local: lib\n"),
        (
            "models/about_lib.yml",
            "models:\n  - name: parts\n    description: Told by the root.\n    data_tests:\n      - unique: {arguments: {column_name: id}}\n",
        ),
        (
            "lib/dbt_project.yml",
            "name: lib\nmodels:\n  lib:\n    off:\n      +enabled: \"{{ var('switch', false) }}\"\n",
        ),
        (
            "lib/models/parts.sql",
            "{{ config(materialized='view', tags=['own', 'root'], note=none) }}\nselect 1 as id",
        ),
        (
            "lib/models/off/more.sql",
            "{{ config(enabled=var('switch')) }}\nselect 2 as id",
        ),
    ]);
    shop.quietly("msv deps");
    ls(
        &mut shop,
        "unique_id config.materialized config.tags config.note tags description",
        "package:lib",
    );
    ls(
        &mut shop,
        "unique_id package_name attached_node",
        "test_type:generic",
    );
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_python_model_is_a_node_until_it_is_to_be_built() {
    let mut shop = Shop::new(&[
        ("models/orders.sql", "select 1 as id"),
        (
            "models/scores.py",
            "def model(dbt, session):\n    dbt.config(tags=['ml'])\n    orders = dbt.ref('orders')\n    return orders.limit(dbt.config.get('rows', 5))\n",
        ),
        ("models/top.sql", "select * from {{ ref('scores') }}"),
    ]);
    ls(
        &mut shop,
        "unique_id language depends_on config.materialized config.config_keys_used tags",
        "scores",
    );
    shop.run("msv run");
    assert_snapshot!(shop.transcript());
}

#[test]
fn the_graph_has_the_keys_that_packages_look_for() {
    let mut shop = Shop::new(&[
        (
            "models/orders.sql",
            "{{ config(materialized='table') }}\nselect 1 as id",
        ),
        (
            "models/about.yml",
            "models:\n  - name: orders\n    config: {contract: {enforced: true}}\n    columns:\n      - {name: id, data_type: \"{{ 'int' ~ 'eger' }}\", data_tests: [unique]}\nsources:\n  - name: \"{{ 'r' ~ 'aw' }}\"\n    tables:\n      - {name: ticks, columns: [{name: id, data_tests: [unique: {config: {enabled: false}}]}]}\n",
        ),
        (
            "macros/look.sql",
            "{% macro look() %}{% for node in graph.nodes.values() | list + graph.sources.values() | list %}{% do print(node.unique_id ~ ': ' ~ node.keys() | list | sort | join(' ')) %}{% endfor %}{% set copied = (graph.nodes.values() | list)[0].copy() %}{% do copied.update({'name': 'changed'}) %}{% do print(copied.name ~ ' ' ~ api.Column.translate_type is defined) %}{% do print(graph.sources.values() | map(attribute='config') | map(attribute='freshness') | list) %}{% endmacro %}",
        ),
    ]);
    shop.run("msv run-operation look").run("msv run");
    assert_snapshot!(shop.transcript());
}

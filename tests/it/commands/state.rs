//! What an earlier run is good for: comparing, deferring, cloning, retrying, and selections with
//! a name.

use insta::assert_snapshot;

use crate::support::shop::Shop;

/// seed -> stg -> fct -> top, and a view beside them; built in `analytics`, with its artifacts
/// in `before/`. The second target builds in `mine`.
fn built() -> Shop {
    let mut shop = Shop::new(&[
        ("seeds/raw.csv", "id\n1\n2\n"),
        (
            "models/stg.sql",
            "select id, '{{ target.name }}' as built_in from {{ ref('raw') }}",
        ),
        (
            "models/fct.sql",
            "{{ config(materialized='table') }}\nselect * from {{ ref('stg') }}",
        ),
        (
            "models/top.sql",
            "select {{ plus('id') }} as id, built_in from {{ ref('fct') }}",
        ),
        ("models/lone.sql", "select 1 as id"),
        (
            "macros/plus.sql",
            "{% macro plus(x) %}{{ x }} + 1{% endmacro %}",
        ),
        (
            "models/models.yml",
            "models:\n  - name: fct\n    columns:\n      - name: id\n        data_tests: [not_null]\n",
        ),
    ]);
    let profiles = std::fs::read_to_string(shop.path().join("profiles.yml")).unwrap();
    let (head, output) = profiles.split_once("    test:\n").unwrap();
    let mine = output.replace("schema: analytics", "schema: mine");
    let both = format!("{head}    test:\n{output}    mine:\n{mine}");
    shop.write("profiles.yml", &both);
    shop.quietly("msv build --target-path before");
    shop
}

#[test]
fn modified_nodes_are_told_by_what_changed() {
    let mut shop = built();
    shop.run("msv ls --select state:modified --state before");
    shop.write("seeds/raw.csv", "id\n1\n2\n3\n");
    shop.write(
        "models/fct.sql",
        "{{ config(materialized='view') }}\nselect * from {{ ref('stg') }}",
    );
    shop.write("models/new.sql", "select 1 as id");
    for what in [
        "modified",
        "new",
        "old",
        "modified.body",
        "modified.configs",
        "modified+,resource_type:model",
    ] {
        shop.run(&format!("msv ls --select state:{what} --state before"));
    }
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_changed_macro_modifies_what_calls_it_through_others() {
    let mut shop = built();
    shop.write(
        "macros/plus.sql",
        "{% macro plus(x) %}{{ return(adapter.dispatch('plus', 'shop')(x)) }}{% endmacro %}\n\
         {% macro default__plus(x) %}{{ shop.one(x) }}{% endmacro %}\n\
         {% macro one(x) %}{{ x }} + 1{% endmacro %}",
    );
    shop.quietly("msv parse --target-path before");
    shop.run("msv ls --select state:modified --state before");
    let changed = std::fs::read_to_string(shop.path().join("macros/plus.sql")).unwrap();
    shop.write("macros/plus.sql", &changed.replace("+ 1", "+ 2"));
    shop.run("msv ls --select state:modified --state before");
    shop.run("msv ls --select state:modified.macros --state before");
    assert_snapshot!(shop.transcript());
}

#[test]
fn what_differs_between_targets_alone_is_no_modification() {
    let mut shop = built();
    shop.write(
        "project.yml",
        "name: shop\nprofile: shop\nmodels:\n  +schema: \"{{ target.name }}\"\n",
    );
    shop.quietly("msv parse --target-path before");
    shop.run("msv ls --target mine --select state:modified --state before");
    shop.write(
        "project.yml",
        "name: shop\nprofile: shop\nmodels:\n  +schema: \"{{ target.name }}2\"\n",
    );
    shop.run("msv ls --target mine --select state:modified.relation --state before --resource-type model");
    assert_snapshot!(shop.transcript());
}

#[test]
fn what_is_not_built_here_is_read_from_the_earlier_state() {
    let mut shop = built();
    shop.run("msv run --target mine --select fct --defer --state before");
    shop.ask("select distinct built_in from mine.fct");
    shop.quietly("msv run --target mine --select stg --defer --state before");
    shop.quietly("msv run --target mine --select fct --defer --state before");
    shop.ask("select distinct built_in from mine.fct");
    shop.quietly("msv run --target mine --select fct --defer --favor-state --state before");
    shop.ask("select distinct built_in from mine.fct");
    shop.run("msv run --target mine --select fct --defer");
    assert_snapshot!(shop.transcript());
}

#[test]
fn a_clone_is_a_view_on_the_earlier_state() {
    let mut shop = built();
    shop.run("msv clone --target mine --state before");
    shop.ask("select table_name, table_type from information_schema.tables where table_schema = 'mine' order by 1");
    shop.ask("select distinct built_in from mine.top");
    shop.run("msv clone --target mine --state before --select top");
    shop.run("msv clone --state before --select top --full-refresh");
    assert_snapshot!(shop.transcript());
}

#[test]
fn retry_runs_what_failed_and_what_was_skipped() {
    let mut shop = built();
    shop.write(
        "models/fct.sql",
        "{{ config(materialized='table') }}\nselect 1 / 0 as id from {{ ref('stg') }}",
    );
    shop.run("msv build --select +top lone --vars '{a: 1}'");
    shop.run("msv ls --select result:error result:skipped --state target");
    shop.run("msv retry");
    shop.write(
        "models/fct.sql",
        "select id, 'now' as built_in from {{ ref('stg') }}",
    );
    shop.run("msv retry");
    shop.run("msv retry");
    assert_snapshot!(shop.transcript());
}

#[test]
fn selections_have_names() {
    let mut shop = built();
    shop.write(
        "selectors.yml",
        "\
selectors:
  - name: marts
    description: What people read.
    definition:
      union:
        - method: fqn
          value: fct
          children: true
          indirect_selection: empty
        - lone
        - exclude: [{method: fqn, value: top}]
  - name: tests_of_marts
    definition:
      intersection:
        - method: selector
          value: marts
        - resource_type: test
  - name: usual
    default: \"{{ target.name == 'mine' }}\"
    definition: 'config.materialized:table'
",
    );
    shop.run("msv ls --selector marts");
    shop.run("msv ls --selector tests_of_marts");
    shop.run("msv ls --target mine");
    shop.run("msv ls --target mine --select selector:marts+ --exclude lone");
    shop.run("msv ls --models fct");
    shop.quietly("msv parse");
    let manifest = std::fs::read_to_string(shop.path().join("target/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(
        manifest["selectors"]["tests_of_marts"]["definition"]["intersection"][0]["union"][1],
        serde_json::json!({"method": "fqn", "value": "lone"})
    );
    assert_snapshot!(shop.transcript());
}

//! Macros across files and packages.

use std::sync::Arc;

use msv::jinja::{MacroKind, Source, Value};

use crate::jinja::host::{TestHost, engine, render, render_as};

const MACROS: &str = "
{% macro numbers(n) %}junk{% set l = [] %}{% for i in range(n) %}{% do l.append(i) %}{% endfor %}{{ return(l) }}never{% endmacro %}
{% macro greedy(a) %}{{ a }}|{{ varargs }}|{{ kwargs }}{% endmacro %}
{% macro wrap(name=none) %}<{{ name }}:{{ caller() }}>{% endmacro %}
{% macro wrap_twice() %}{% set x = 'LOCAL' %}{% call wrap('q') %}{{ x }} {{ this.name }} {{ inner() }}{% endcall %}{% endmacro %}
{% macro inner() %}{{ return('INNER') }}{% endmacro %}
{% macro return_in_call() %}{% call wrap('z') %}{{ return('VALUE') }}{% endcall %}after{% endmacro %}
{% macro down(n) %}{% if n > 0 %}{{ return(down(n - 1) + 1) }}{% endif %}{{ return(0) }}{% endmacro %}
{% macro return_in_for() %}{% set z %}{% for i in [1, 2] %}{% if i == 2 %}{{ return({'k': i}) }}{% endif %}{% endfor %}{% endset %}{% endmacro %}
{% macro typed(a: string, b: optional[list[string]] = [1], c=a ~ '!') %}{{ a }}{{ b }}{{ c }}{% endmacro %}
{%- macro trimmed() -%}
   text
{%- endmacro -%}
{% macro calls_back(items) %}{% for i in items %}{{ caller(i) }};{% endfor %}{% endmacro %}
{% macro sees_set() %}{{ local_of_model }}|{{ shown }}{% endmacro %}
{% macro referer(name) %}{{ ref(name) }}{% endmacro %}
{% macro ref(name) %}{{ return(builtins.ref(name).include(database=false)) }}{% endmacro %}
{% macro postgres__dispatched(x) %}pg {{ x }}{% endmacro %}
{% macro default__dispatched(x) %}default {{ x }}{% endmacro %}
{% test positive(model, column_name) %}select * from {{ model }} where {{ column_name }} <= 0{% endtest %}
{% materialization mirror, adapter='postgres' %}{{ return('built') }}{% endmaterialization %}
";

const OTHER: &str = "
{% macro greet() %}hello from other{% endmacro %}
{% macro inner() %}other inner{% endmacro %}
{% macro default__thing() %}thing of other{% endmacro %}
{% macro thing() %}{{ return(adapter.dispatch('thing', 'other')()) }}{% endmacro %}
";

const CALLS: &[(&str, &str)] = &[
    (
        "{{ numbers(3) | join(',') }} {{ numbers(2)[1] }} {{ numbers(4) | length }}",
        "0,1,2 1 4",
    ),
    (
        "{{ greedy(1) }} {{ greedy(1, 2, 3, x=4) }}",
        "1|()|{} 1|(2, 3)|{'x': 4}",
    ),
    (
        "{% set y = 'MODEL' %}{% call wrap('a') %}sel {{ y }} {{ inner() }}{% endcall %}",
        "<a:sel MODEL INNER>",
    ),
    ("{{ wrap_twice() }}", "<q:LOCAL me INNER>"),
    ("{{ return_in_call() }}", "VALUEafter"),
    ("{{ down(5) }} {{ down(300) }}", "5 300"),
    (
        "{{ return_in_for().k }} after {% for i in [1] %}{{ i }}{% endfor %}",
        "2 after 1",
    ),
    ("{{ typed('x') }} {{ typed('x', c='y') }}", "x[1]x! x[1]y"),
    ("[{{ trimmed() }}]", "[text]"),
    (
        "{% call(i) calls_back([1, 2]) %}<{{ i }}>{% endcall %}",
        "<1>;<2>;",
    ),
    ("{% set local_of_model = 1 %}{{ sees_set() }}", "|outer"),
    ("{{ ref('a') }}", "\"main\".\"a\""),
    ("{{ adapter.dispatch('dispatched')(1) }}", "pg 1"),
    (
        "{{ other.greet() }} {{ other.inner() }} {{ inner() }} {{ other.thing() }}",
        "hello from other other inner INNER thing of other",
    ),
    (
        "{{ other.greet is defined }} {{ numbers is callable }}",
        "True True",
    ),
    (
        "{{ context['inner']() }} {% set f = numbers %}{{ f(2) }}",
        "INNER [0, 1]",
    ),
];

#[test]
fn macros_work_across_files_and_packages() {
    let engine = engine(&[
        ("shop", "macros/a.sql", MACROS),
        ("other", "other/b.sql", OTHER),
    ]);
    let mut wrong = Vec::new();
    for (template, expected) in CALLS {
        let rendered = render(&engine, template);
        if rendered != *expected {
            wrong.push(format!(
                "{template}\n  expected {expected}\n  rendered {rendered}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_test_and_a_materialization_become_macros() {
    let engine = engine(&[("shop", "macros/a.sql", MACROS)]);
    let test = engine
        .find_macro("shop", "test_positive")
        .expect("it is in the file");
    assert_eq!(test.kind, MacroKind::Test);
    assert_eq!(test.unique_id, "macro.shop.test_positive");
    assert_eq!(test.parameters.len(), 2);
    let mirror = engine
        .find_materialization("mirror", false)
        .expect("one package defines it")
        .expect("it is in the file");
    assert_eq!(mirror.name, "materialization_mirror_postgres");
    let host = Arc::new(TestHost::default());
    let built = engine.call_macro("materialization_mirror_postgres", &[], &[], host.clone());
    assert_eq!(built.expect("it returns"), Value::from("built"));
    let args = [
        ("model", Value::from("m")),
        ("column_name", Value::from("c")),
    ];
    let sql = engine
        .call_macro("test_positive", &[], &args, host)
        .expect("it renders");
    assert_eq!(sql, Value::from("select * from m where c <= 0"));
}

#[test]
fn the_host_learns_where_a_call_stands() {
    let engine = engine(&[(
        "shop",
        "macros/a.sql",
        "{% macro referer(name) %}x{{ ref(name, v=2) }}{% endmacro %}",
    )]);
    let host = Arc::new(TestHost::default());
    let text = "{{ config(materialized='table', tags=['a']) }}é{{ ref('a') }} {{ referer('b') }} {{ source('s', 't') }}";
    engine
        .render(&Source::whole("models/m.sql", text), host.clone())
        .expect("it renders");
    let log = host.log.lock().expect("nothing panicked");
    assert_eq!(
        *log,
        [
            "config {\"materialized\": 'table', \"tags\": ['a']} models/m.sql",
            "ref None a None models/m.sql: ref('a')",
            "ref None b Some(2) macros/a.sql: ref(name, v=2)",
            "source s t models/m.sql: source('s', 't')",
        ]
    );
}

#[test]
fn output_is_traced_back_to_the_file() {
    let engine = engine(&[(
        "shop",
        "macros/a.sql",
        "{% macro m() %}from macro{% endmacro %}",
    )]);
    let text = "select {{ [1] + [2] }},\n  {{ m() }} as é,\n  bad\nfrom {{ ref('a') }}";
    let host = Arc::new(TestHost::default());
    let rendered = engine
        .render(&Source::whole("models/m.sql", text), host)
        .expect("it renders");
    let locate = |what: &str| {
        let at = rendered.text.find(what).expect("the text is there");
        let (file, span) = rendered.map.locate(at).expect("it has an origin");
        assert_eq!(&*file, "models/m.sql");
        &text[span]
    };
    assert_eq!(locate("[1, 2]"), "[1] + [2]");
    assert_eq!(locate("from macro"), "m()");
    assert_eq!(locate("é"), "é");
    assert_eq!(locate("bad"), "b");
    assert_eq!(locate("\"db\""), "ref('a')");
}

#[test]
fn parsing_allows_what_is_not_there_yet() {
    let engine = engine(&[]);
    let host = || TestHost {
        is_parsing: true,
        ..TestHost::default()
    };
    let snippets = [
        ("{{ unknown_macro(1).x['y']() }}|", "|"),
        (
            "{% for r in unknown().rows %}x{% endfor %}|{{ unknown is defined }}",
            "|False",
        ),
        (
            "{% set r = run_query('select 1') %}{{ r.columns[0].values() }}|",
            "|",
        ),
        (
            "{% call statement('a', fetch_result=true) %}x{% endcall %}{{ load_result('a')['data'] }}|",
            "|",
        ),
        (
            "{{ adapter.get_columns_in_relation(this) }} {{ is_incremental() }} {{ execute }}",
            "[] False False",
        ),
        (
            "{{ nothing + 1 }}{{ nothing | int }}{{ nothing | join(',') }}",
            "0",
        ),
        ("{{ dbt_utils.star(from=ref('a')) }}|", "|"),
    ];
    for (template, expected) in snippets {
        assert_eq!(render_as(&engine, template, host()), expected, "{template}");
    }
}

#[test]
fn yaml_values_keep_their_type() {
    let engine = engine(&[]);
    let evaluate = |text: &str| {
        let host = Arc::new(TestHost::default());
        engine.evaluate(text, host).expect("it evaluates")
    };
    assert_eq!(evaluate("{{ var('days') }}"), Value::from(7));
    assert_eq!(
        evaluate("{{ var('names') }}\n"),
        Value::from(vec!["a", "b"])
    );
    // White space is text, so that the whole is text.
    assert_eq!(evaluate(" {{ var('days') }}"), Value::from(" 7"));
    assert_eq!(
        evaluate("{% if var('days') > 5 %}{{ var('days') }}{% else %}none{% endif %}"),
        Value::from(7)
    );
    assert_eq!(
        evaluate("{{ 'b' in var('names') | as_bool() }}"),
        Value::from(true),
        "a marked value is its text to an operator"
    );
    assert_eq!(evaluate("{{ 'x' }}-{{ 1 }}"), Value::from("x-1"));
    assert_eq!(evaluate("plain"), Value::from("plain"));
    assert_eq!(evaluate("{{ 'True' | as_bool }}"), Value::from(true));
    assert_eq!(evaluate("{{ doc('orders') }}"), Value::from("about orders"));
}

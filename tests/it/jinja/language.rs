//! Snippets of dbt's own functions and what they become; `corpus.rs` has Jinja's.

use crate::jinja::host::{engine, render};

/// Template, text.
const SNIPPETS: &[(&str, &str)] = &[
    (
        "{% macro inline(a, b=2) %}[{{ a }}{{ b }}]{% endmacro %}{{ inline(1) }}{{ inline(1, b=3) }}",
        "[12][13]",
    ),
    ("{% do [1] %}{% do 1 if 2 %}ok", "ok"),
    ("{% print 1 + 1 %} {{ +1 }}", "2 1"),
    (
        "{% if true: %}a{% else: %}b{% endif %} {{ '0x1A' | int(base=16) }}",
        "a 26",
    ),
    (
        "{{ api.Relation.create(database='d', schema='s', identifier='i').include(database=false) }}",
        "\"s\".\"i\"",
    ),
    (
        "{{ this }} {{ this.identifier }} {{ this.schema }}",
        "\"db\".\"main\".\"me\" me main",
    ),
    // Packages ask whether they were given a relation in this way.
    (
        "{{ this is mapping }} {{ this.get('metadata', {}).get('type', '') }}",
        "True PostgresRelation",
    ),
    (
        "{{ var('day') }} {{ var('days') + 1 }} {{ var('nothing', 'else') }} {{ env_var('HOME_TOWN') }}",
        "day 7 8 else Basel",
    ),
    (
        "{% set l = var('names') %}{% do l.append('c') %}{{ l }}",
        "['a', 'b', 'c']",
    ),
    (
        "{{ dbt.type_string() }} {{ type_numeric() }} {{ dateadd('day', 1, 'x') | trim }}",
        "TEXT numeric(28,6) x + ((interval '1 day') * (1))",
    ),
    (
        "{{ generate_schema_name(none) }} {{ generate_schema_name('marts') }}",
        "main main_marts",
    ),
    (
        "{{ render('{{ 1 + 1 }}') }} {{ context['target'].name }} {{ adapter.quote('a') }} {{ adapter.type() }}",
        "2 local \"a\" postgres",
    ),
    ("{% call statement('x') %}select 1{% endcall %}", "error"),
    ("{{ is_incremental() }}", "error"),
];

#[test]
fn snippets_become_what_jinja_makes_of_them() {
    let engine = engine(&[]);
    let mut wrong = Vec::new();
    for (template, expected) in SNIPPETS {
        let rendered = render(&engine, template);
        let is_right = if *expected == "error" {
            rendered.starts_with("error[MSV0306]")
        } else {
            rendered == *expected
        };
        if !is_right {
            wrong.push(format!(
                "{template}\n  expected {expected}\n  rendered {rendered}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

//! What an analyst sees when a template is wrong.

use crate::jinja::host::{engine, render, try_engine};

const MACROS: &str = "{% macro boom(x) %}
  {{ exceptions.raise_compiler_error('no such day: ' ~ x) }}
{% endmacro %}
{% macro calls_boom() %}{{ boom(1) }}{% endmacro %}
{% macro staging_name() %}x{% endmacro %}
{% macro forever() %}{{ forever() }}{% endmacro %}
";

const TEMPLATES: &[&str] = &[
    "select 1\nfrom {{ calls_boom() }}",
    "{{ stagin_name() }}",
    "{{ missing.x }}",
    "{% call staging_name() %}{% endcall %}",
    "{{ staging_name(1, 2) }}",
    "{{ 1 | uper }}",
    "a\n{% if x %}\nb",
    "{% for x in y %}{% if x %}{% endfor %}",
    "{{ (1 }}",
    "{{ 'a }}",
    "{{ ref('missing') }}",
    "{{ var('nope') }}",
    "{{ 1 + 'a' }}",
    "{{ run_query('select 1') }}",
    "{{ config.require('x') }}",
    "{{ adapter.dispatch('nothing', 'shop')() }}",
    "{{ shop.stagin_name() }}",
    "{% set x = [1, 2 %}",
    "{{ [].appendd(1) }}",
    "{% include 'a' %}",
    "{{ exceptions.raise_compiler_error('first line\\nsecond line') }}",
];

const MACRO_FILES: &[&str] = &[
    "{% macro a() %}{% if %}{% endmacro %}",
    "{% macro a() %}",
    "{% endmacro %}",
    "{% macro a() %}{% endtest %}",
    "{% macro a(x=1, y) %}{% endmacro %}",
    "{% macro a() %}\n{% macro b() %}{% endmacro %}",
    "{% macro a() %}{% endmacro %}{% macro a() %}{% endmacro %}",
    "{% materialization a, adaptor='x' %}{% endmaterialization %}",
];

#[test]
fn mistakes_are_shown_where_they_stand() {
    let engine = engine(&[("shop", "macros/a.sql", MACROS)]);
    let shown: Vec<String> = TEMPLATES
        .iter()
        .map(|template| format!("{template}\n\n{}\n", render(&engine, template)))
        .collect();
    insta::assert_snapshot!(shown.join("\n======\n\n"));
}

#[test]
fn mistakes_in_macro_files_are_shown_where_they_stand() {
    let shown: Vec<String> = MACRO_FILES
        .iter()
        .map(|file| {
            let mistakes = try_engine(&[("shop", "macros/a.sql", file)]);
            let mistakes = mistakes.expect_err("every file has a mistake");
            let mistakes: Vec<String> = mistakes.iter().map(|m| m.render(false)).collect();
            format!("{file}\n\n{}\n", mistakes.join("\n"))
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n======\n\n"));
}

#[test]
fn endless_recursion_ends() {
    let engine = engine(&[("shop", "macros/a.sql", MACROS)]);
    let shown = render(&engine, "{{ forever() }}");
    assert!(
        shown.starts_with("error[MSV0308]: macros call each other"),
        "{shown}"
    );
}

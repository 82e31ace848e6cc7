//! What templates see while a command runs: rows of queries, results, the context itself.

use insta::assert_snapshot;

use crate::support::shop::Shop;

const ROWS: &str = "select 1 as a, 2.50::numeric as b, date '2024-01-02' as c, \
    timestamp '2024-01-02 03:04:05' as d, array[1, 2] as e, '{\\\"k\\\": 1}'::jsonb as f, \
    interval '1 day 02:03:04' as g, null::text as h, true as i \
    union all select 2, 1234.5, null, null, null, null, null, 'x', false order by 1";

/// A model that prints expressions while it is built.
fn printed(set: &str, expressions: &[&str]) -> Shop {
    let prints: Vec<String> = expressions
        .iter()
        .map(|expression| format!("{{% do print({expression}) %}}"))
        .collect();
    let mut shop = Shop::new(&[(
        "models/probe.sql",
        &format!(
            "{{% if execute %}}{set}{}{{% endif %}}select 1 as id",
            prints.join("")
        ),
    )]);
    shop.run("msv run --quiet");
    shop
}

#[test]
fn rows_hold_the_values_of_python() {
    let set = format!("{{% set q = run_query(\"{ROWS}\") %}}");
    let shop = printed(
        &set,
        &[
            "q.rows[0].values()",
            "q.rows[0]['b'] * 2 ~ ' ' ~ (q.rows[0]['b'] > 2) ~ ' ' ~ (q.rows[0]['b'] == 2.5)",
            "q.rows[0]['c'] + modules.datetime.timedelta(days=1)",
            "q.columns['h'].values()",
            "q.group_by('i').keys()",
            "q.distinct('i').rows | length",
            "q",
            "q.select(['a', 'b', 'h']).print_table()",
        ],
    );
    assert_snapshot!(shop.transcript());
}

#[test]
fn the_context_can_be_read_and_added_to() {
    let set = "{% do context.update({'mine': 5}) %}";
    let shop = printed(
        set,
        &[
            "context['mine'] ~ ' ' ~ context.get('model').name ~ ' ' ~ ('ref' in context)",
            "builtins.ref is callable and builtins['log'] is callable",
            "try_or_compiler_error('no', adapter.quote, 'a') ~ exceptions.warn is callable",
            "[sql, compiled_code, defer_relation]",
            "model.keys() | select('in', ['group', 'name', 'version']) | list",
            "api.Relation.create_from(none, model) ~ ' ' ~ api.Relation.get_relation_type.View",
            "api.Relation.create(schema='s', identifier='i').information_schema('tables')",
            "adapter.config.quoting",
        ],
    );
    assert_snapshot!(shop.transcript());
}

#[test]
fn the_end_of_a_run_sees_its_results() {
    let mut shop = Shop::new(&[("models/one.sql", "select 1 as id")]);
    shop.write(
        "macros/ended.sql",
        "{% macro ended(results) %}{% for result in results %}\
            {% do print([result.status, result.node.name, result.node.depends_on_nodes]) %}\
            {% do print(result.to_dict().keys() | sort) %}\
            {% do print(result.timing | map(attribute='name') | list) %}\
            {% set took = result.timing[1].completed_at - result.timing[1].started_at %}\
            {% do print(took.total_seconds() >= 0) %}\
        {% endfor %}{% do print(database_schemas | map('last') | list) %}{% endmacro %}",
    );
    let project = shop.path().join("project.yml");
    let project = std::fs::read_to_string(project).expect("the project file is there");
    shop.write(
        "project.yml",
        &format!("{project}\non-run-end: \"{{{{ ended(results) }}}}\"\n"),
    );
    shop.run("msv run --quiet");
    assert_snapshot!(shop.transcript());
}

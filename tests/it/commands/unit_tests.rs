//! Unit tests beyond the plain ones, and unit tests that msv writes.

use crate::support::shop::Shop;

const VALUES: (&str, &str) = (
    "models/values.sql",
    "select 1 as id, 1.50 as price, 0.1::float8 as rate, interval '1 day' as age,\n\
     '{\"a\": 1}'::json as doc, null::text as note, array['a'] as tags",
);

/// Numbers, intervals and JSON are compared by what they mean; null is not the word null.
#[test]
fn values_are_compared_by_what_they_mean() {
    let mut shop = Shop::new(&[
        VALUES,
        (
            "models/copied.sql",
            "select id, price * 2 as price, rate + 0.2 as rate, age, doc, note, tags\n\
             from {{ ref('values') }}",
        ),
        (
            "models/unit.yml",
            r#"
unit_tests:
  - name: meaning
    model: copied
    given:
      - input: ref('values')
        rows:
          - {id: 1.0, price: 1.25, rate: 0.1, age: 48 hours, doc: {a: [1, 2]}, tags: [a, "b c"]}
          - {id: 2, price: 3, note: '{{ target.name }}'}
    expect:
      rows:
        - {id: 1, price: 2.50, rate: 0.3, age: 2 days, doc: '{"a":[1,2]}', tags: '{a,"b c"}'}
        - {id: 2, price: 6.000, note: test}
  - name: as_csv
    model: copied
    given:
      - input: ref('values')
        format: csv
        rows: |
          id,note,price
          1," x",
          2
    expect: {rows: [{id: 1, note: ' x'}, {id: 2, note: null}]}
  - name: the_word_null
    model: copied
    given: [{input: ref('values'), rows: [{note: 'null'}]}]
    expect: {rows: [{note: null}]}
  - name: as_sql
    model: copied
    given: [{input: ref('values'), format: sql, rows: "select 1 as id, 2 as price, 0 as rate, null as age, null as doc, '{{ target.name }}' as note, null as tags"}]
    expect: {format: sql, rows: "select 1 as id, '{{ target.name }}' as note"}
"#,
        ),
    ]);
    shop.run("msv test --threads 1");
    let told = shop.transcript();
    assert!(told.contains("PASS=3 WARN=0 ERROR=1"), "{told}");
    assert!(
        told.contains("- null\n") && told.contains("+ 'null'\n"),
        "{told}"
    );
}

/// A CTE at any depth, a stopped clock, versions, and templates that ask for their input.
#[test]
fn steps_clocks_versions_and_introspection() {
    let mut shop = Shop::new(&[
        VALUES,
        (
            "models/steps.sql",
            "with recursive first as (select id from {{ ref('values') }}),\n\
             \"Second Step\" (n) as (with inner_step as (select id * 2 as m from first) select m + 1 from inner_step),\n\
             numbers as (select 1 as n union all select n + 1 from numbers where n < 3)\n\
             select n from \"Second Step\" where n > 100",
        ),
        (
            "models/clock.sql",
            "select current_date, now() - interval '1 hour' as before, current_timestamp(0)::text like '2024%' as this_year,\n\
             '{{ run_started_at.year }}' as started, '{{ modules.datetime.datetime.utcnow().month }}' as month, {{ dbt.current_timestamp() }} as at\n\
             from {{ ref('values') }}",
        ),
        (
            "models/starred.sql",
            "{%- set columns = adapter.get_columns_in_relation(ref('values')) -%}\n\
             {%- set ids = run_query('select id from ' ~ ref('values') ~ ' order by 1').columns[0].values() -%}\n\
             select {{ columns | map(attribute='name') | join(', ') }}, '{{ ids | join('-') }}' as ids from {{ ref('values') }}",
        ),
        ("models/priced_v1.sql", "select id, 1 as version from {{ ref('values') }}"),
        ("models/priced_v2.sql", "select id, 2 as version from {{ ref('values') }}"),
        (
            "models/unit.yml",
            "\
models:
  - name: priced
    latest_version: 2
    versions: [{v: 1}, {v: 2}]
unit_tests:
  - name: outer_step
    model: steps
    given: [{input: ref('values'), rows: [{id: 1}]}]
    expect: {cte: Second Step, rows: [{n: 3}]}
  - name: inner_step
    model: steps
    given: [{input: ref('values'), rows: [{id: 1}]}]
    expect: {cte: INNER_STEP, rows: [{m: 2}]}
  - name: recursive_step
    model: steps
    given: [{input: ref('values'), rows: []}]
    expect: {cte: numbers, rows: [{n: 1}, {n: 2}, {n: 3}]}
  - name: clock_stands
    model: clock
    overrides: {now: 2024-03-10 09:30:00}
    given: [{input: ref('values'), rows: [{id: 1}]}]
    expect:
      rows:
        - {current_date: 2024-03-10, before: 2024-03-10 08:30:00+00, this_year: true, started: '2024', month: '3', at: 2024-03-10 09:30:00+00}
  - name: asks_for_its_input
    model: starred
    given: [{input: ref('values'), rows: [{id: 1}, {id: 7}]}]
    expect: {rows: [{id: 1, ids: 1-7}, {id: 7, ids: 1-7}]}
  - name: each_version
    model: priced
    given: [{input: ref('values'), rows: [{id: 1}]}]
    expect: {rows: [{id: 1}]}
  - name: second_version
    model: priced
    versions: {exclude: [1]}
    given: [{input: ref('values'), rows: [{id: 1}]}]
    expect: {rows: [{version: 2}]}
",
        ),
    ]);
    shop.run("msv test --threads 1");
    let told = shop.transcript();
    assert!(told.contains("PASS=8 WARN=0 ERROR=0"), "{told}");
    for name in ["each_version_v1", "each_version_v2", "second_version_v2"] {
        assert!(told.contains(name), "{told}");
    }
}

/// Unquoted dates of variables are dates, as YAML has them.
#[test]
fn dates_in_variables_are_computed_with() {
    let mut shop = Shop::new(&[
        (
            "project.yml",
            "name: shop\nprofile: shop\nvars:\n  since: 2024-01-31\n  quoted: '2024-01-31'\n\
             \x20 times: [2024-01-31 10:00:00, 2024-01-31T10:00:00.5+02:00]\n  shop: {until: 2024-03-01}\n",
        ),
        (
            "models/days.sql",
            "select '{{ var('since') }} {{ var('since').month }} {{ var('since') + modules.datetime.timedelta(days=1) }}\n\
             {{ var('quoted') is string }} {{ var('since') is string }} {{ (var('until') - var('since')).days }}\n\
             {{ var('times') | join(' ') }} {{ fromyaml('a: [2024-01-31]').a[0].strftime('%d.%m.') }} {{ var('given').year }}'",
        ),
    ]);
    shop.quietly("msv compile --vars '{given: 2024-01-31}'");
    let path = shop.path().join("target/compiled/shop/models/days.sql");
    let compiled = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        compiled,
        "select '2024-01-31 1 2024-02-01\nTrue False 30\n\
         2024-01-31 10:00:00 2024-01-31 10:00:00.500000+02:00 31.01. 2024'"
    );
}

const PROPERTIES: &str = "\
# Ours.
models:
  - name: totals  # one row per customer
unit_tests:
  - name: nothing_in
    model: totals
    overrides: {macros: {is_incremental: false}}
    given:
      - {input: ref('customers'), rows: []}
      - {input: ref('orders'), rows: []}
    expect: {rows: []}

# The end.
exposures: []
";

/// Few rows that bring rows of the result, without the columns that do not matter.
#[test]
fn a_unit_test_is_written_from_real_rows() {
    let mut shop = Shop::new(&[
        (
            "models/customers.sql",
            "{{ config(materialized='table') }}\n\
             select n as id, 'name: ' || n as name, md5(n::text) as secret from generate_series(1, 500) as n",
        ),
        (
            "models/orders.sql",
            "{{ config(materialized='table') }}\n\
             select n as id, n % 500 + 1 as customer_id, n * 1.10 as amount, n % 7 = 0 as is_cancelled,\n\
             timestamp '2024-01-01' + n * interval '1 hour' as ordered_at, 'no' as note from generate_series(1, 2000) as n",
        ),
        (
            "models/totals.sql",
            "{{ config(materialized='incremental') }}\n\
             select customers.id as customer_id, customers.name, sum(amount) as amount, max(ordered_at) as last_at,\n\
             min(note) as note, '{{ var('label') }}' as label, current_date as built_on, random() as noise\n\
             from {{ ref('customers') }} as customers left join {{ ref('orders') }} as orders\n\
             on orders.customer_id = customers.id and not is_cancelled\n\
             {% if is_incremental() %}where ordered_at > now(){% endif %}\n\
             group by customers.id, customers.name",
        ),
        ("models/totals.yml", PROPERTIES),
        (
            "project.yml",
            "name: shop\nprofile: shop\nvars: {label: 'yes', unread: 1}\n",
        ),
    ]);
    shop.quietly("msv run");
    shop.run("msv unit-test new totals --rows 2");
    let path = shop.path().join("models/totals.yml");
    let written = std::fs::read_to_string(&path).unwrap();
    let (before, after) = PROPERTIES.split_at(PROPERTIES.find("\n# The end").unwrap());
    assert!(
        written.starts_with(before) && written.ends_with(after),
        "{written}"
    );
    let test = &written[before.len()..written.len() - after.len()];
    assert!(test.lines().count() < 40, "{test}");
    for wanted in [
        "is_incremental: false",
        "now: '",
        "'name: ",
        "'no'",
        "label: 'yes'",
    ] {
        assert!(test.contains(wanted), "{wanted}: {test}");
    }
    // What does not matter, and what cannot be foretold.
    for unwanted in ["secret", "noise", "is_cancelled: true", "unread"] {
        assert!(!test.contains(unwanted), "{unwanted}: {test}");
    }
    shop.run("msv test --select totals_on_real_rows");
    let told = shop.transcript();
    assert!(told.contains("PASS=1 WARN=0 ERROR=0"), "{told}\n{test}");
    assert!(told.contains("no test of what it adds"), "{told}");
    shop.run("msv unit-test new totals --rows 1 --where customer_id=7 --name seven --into -");
    let told = shop.transcript();
    assert!(told.contains("customer_id: 7, name: 'name: 7'"), "{told}");
}

/// Rows of the built table show what an incremental model adds, and what it does not.
#[test]
fn a_unit_test_of_the_incremental_branch_is_written_from_real_rows() {
    let model = |condition: &str| {
        format!(
            "{{{{ config(materialized='incremental', unique_key='id') }}}}\n\
             select id, kind, at from {{{{ ref('events') }}}}\n\
             {{% if is_incremental() %}}where {condition}{{% endif %}}"
        )
    };
    let since = "at > (select max(at) - interval '1 hour' from {{ this }})";
    let unknown = "id not in (select id from {{ this }})";
    let mut shop = Shop::new(&[
        (
            "models/events.sql",
            "{{ config(materialized='table') }}\n\
             select n as id, n % 3 as kind, timestamp '2024-01-01' + n * 7 % 1000 * interval '1 minute' as at\n\
             from generate_series(1, 1000) as n",
        ),
        ("models/by_time.sql", &model(since)),
        ("models/by_id.sql", &model(unknown)),
        ("packages.yml", "packages: [{local: other}]\n"),
        ("other/dbt_project.yml", "name: other\n"),
        ("other/models/theirs.sql", "select 1 as id"),
    ]);
    shop.quietly("msv deps");
    shop.run("msv unit-test new theirs --into -");
    assert!(shop.transcript().contains("MSV0362"));
    let refused = shop
        .command("msv unit-test new by_time --incremental --into -")
        .output();
    assert_eq!(refused.unwrap().status.code(), Some(2));
    shop.quietly("msv run");
    shop.quietly("msv unit-test new by_time");
    shop.quietly("msv unit-test new by_id --incremental --name only_new");
    let path = shop.path().join("models/by_time.yml");
    let written = std::fs::read_to_string(path).unwrap();
    assert!(written.matches("- name:").count() == 2, "{written}");
    let (_, added) = written.split_once("by_time_on_real_rows_added").unwrap();
    assert!(added.contains("is_incremental: true"), "{written}");
    assert!(added.contains("- input: this"), "{written}");
    assert!(added.lines().count() < 30, "{written}");
    shop.quietly("msv test --select test_type:unit");
    // Each fails where the model forgets its condition.
    shop.write("models/by_time.sql", &model("true"));
    shop.write("models/by_id.sql", &model("true"));
    shop.run("msv test --select test_type:unit");
    let told = shop.transcript();
    assert!(told.contains("PASS=1 WARN=0 ERROR=2"), "{told}\n{written}");
}

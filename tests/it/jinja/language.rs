//! Snippets and what they become; recorded with the Jinja2 of Python where both agree.

use crate::jinja::host::{engine, render};

/// Template, text.
const SNIPPETS: &[(&str, &str)] = &[
    (
        "{{ 1 + 2 }} {{ 'a' + 'b' }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 5 / 2 }} {{ 5 // 2 }}",
        "3 ab 1 2 2.5 2",
    ),
    (
        "{{ '%s-%03d' % ('a', 7) }} {{ '%.2f' % 1.5 }}",
        "a-007 1.50",
    ),
    (
        "{% set l = [] %}{% do l.append(1) %}{% do l.extend([2, 3]) %}{{ l }} {{ l | length }}",
        "[1, 2, 3] 3",
    ),
    (
        "{% set d = {} %}{% do d.update({'a': 1}) %}{% do d.update(b=2) %}{{ d }} {{ d.a }} {{ d['b'] }}",
        "{'a': 1, 'b': 2} 1 2",
    ),
    (
        "{% set d = {'x': []} %}{% do d['x'].append('y') %}{{ d }}",
        "{'x': ['y']}",
    ),
    (
        "{{ [1, 2] + [3] }} {{ ([1] + [2])[1:] }} {{ [0] * 3 }}",
        "[1, 2, 3] [2] [0, 0, 0]",
    ),
    (
        "{% set l = [3, 1, 2] %}{{ l | sort }} {{ l[-1] }} {{ l[:2] }} {{ l.pop() }} {{ l }}",
        "[1, 2, 3] 2 [3, 1] 2 [3, 1]",
    ),
    (
        "{{ 1e20 }} {{ 1.5e-7 }} {{ 1.0 }} {{ 0.1 + 0.2 }}",
        "1e+20 1.5e-07 1.0 0.30000000000000004",
    ),
    (
        "{{ none }} {{ true }} {{ None }} {{ False }}",
        "None True None False",
    ),
    (
        "{{ undefined_name }}|{{ undefined_name | default('x') }}|{{ '' | default('y', boolean=True) }}",
        "|x|y",
    ),
    (
        "{{ 'a,b,c'.split(',') }} {{ 'a b'.rsplit(' ', 1) }} {{ '7'.zfill(3) }} {{ 'x'.ljust(3) }}|",
        "['a', 'b', 'c'] ['a', 'b'] 007 x  |",
    ),
    (
        "{{ 'a.b.c'.partition('.') }} {{ 'pre_x'.removeprefix('pre_') }}",
        "('a', '.', 'b.c') x",
    ),
    (
        "{{ 'abc' is sequence }} {{ [] is sequence }} {{ {} is mapping }} {{ 1 is number }} {{ range is callable }}",
        "True True True True True",
    ),
    ("{{ 'a\nb' | indent(2, true) }}", "  a\n  b"),
    (
        "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }}{{ ',' if not loop.last }}{% endfor %}",
        "a=1,b=2",
    ),
    (
        "{% set ns = namespace(x=0) %}{% for i in range(3) %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}",
        "3",
    ),
    ("{% set x %}abc{% endset %}{{ x | upper }}", "ABC"),
    ("{% raw %}{{ x }}{% endraw %}{# gone #}|", "{{ x }}|"),
    ("{{ (1, 2) }} {{ (1,) }} {{ () }}", "(1, 2) (1,) ()"),
    (
        "{{ 'yes' if 1 in [1, 2] else 'no' }} {{ 3 not in [1] }} {{ 1 < 2 < 3 }}",
        "yes True True",
    ),
    (
        "{{ [1, 2, 3] | map('string') | join('-') }} {{ [{'a': 1}, {'a': 2}] | map(attribute='a') | list }}",
        "1-2-3 [1, 2]",
    ),
    (
        "{{ {'b': 1, 'a': [true, none, 1.5, 'ü']} | tojson }}",
        "{\"b\": 1, \"a\": [true, null, 1.5, \"\\u00fc\"]}",
    ),
    (
        "{{ tojson({'b': 1, 'a': 2}, sort_keys=true) }} {{ fromjson('{\"a\": [1]}').a[0] }} {{ fromjson('x', 'bad') }}",
        "{\"a\": 2, \"b\": 1} 1 bad",
    ),
    (
        "{{ dict(a=1) }} {{ set([1, 1, 2]) }} {{ zip([1, 2], ['a', 'b']) | list }}",
        "{'a': 1} {1, 2} [(1, 'a'), (2, 'b')]",
    ),
    (
        "{{ modules.datetime.date(2024, 3, 1) - modules.datetime.timedelta(days=1) }}",
        "2024-02-29",
    ),
    (
        "{{ (modules.datetime.datetime(2024, 1, 1, 12) + modules.datetime.timedelta(hours=13)).strftime('%Y-%m-%d %H:%M') }}",
        "2024-01-02 01:00",
    ),
    (
        "{{ (modules.datetime.datetime(2024, 1, 3) - modules.datetime.datetime(2024, 1, 1)).days }} {{ modules.datetime.timedelta(days=1, hours=2) }}",
        "2 1 day, 2:00:00",
    ),
    (
        "{{ modules.datetime.datetime.strptime('2024-05-06', '%Y-%m-%d').isoformat() }}",
        "2024-05-06T00:00:00",
    ),
    (
        "{{ modules.pytz.timezone('Europe/Zurich').localize(modules.datetime.datetime(2024, 7, 1, 9)).isoformat() }}",
        "2024-07-01T09:00:00+02:00",
    ),
    (
        "{{ modules.re.sub('(a)(b)', '\\\\2\\\\1', 'abab') }} {{ modules.re.findall('[0-9]+', 'a1b22') }} {{ modules.re.match('b', 'ab') }}",
        "baba ['1', '22'] None",
    ),
    (
        "{{ modules.itertools.product([1, 2], ['a']) | list }}",
        "[(1, 'a'), (2, 'a')]",
    ),
    (
        "{{ 'A'.lower() ~ 1 ~ none }} {{ '{}-{x}'.format(1, x=2) }}",
        "a1None 1-2",
    ),
    (
        "{{ '12' | int + 1 }} {{ 'x' | int(5) }} {{ '1.5' | float }} {{ 'true' | as_bool }} {{ '3' | as_number + 1 }}",
        "13 5 1.5 True 4",
    ),
    (
        "{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
        "02",
    ),
    (
        "{% macro inline(a, b=2) %}[{{ a }}{{ b }}]{% endmacro %}{{ inline(1) }}{{ inline(1, b=3) }}",
        "[12][13]",
    ),
    ("{% do [1] %}{% do 1 if 2 %}ok", "ok"),
    ("{% print 1 + 1 %} {{ +1 }}", "2 1"),
    ("{{ local_md5('a') }}", "0cc175b9c0f1b6a831c399e269772661"),
    (
        "{{ diff_of_two_dicts({'a': ['x', 'y']}, {'a': ['X']}) }}",
        "{'a': ['y']}",
    ),
    (
        "{{ toyaml({'a': [1, {'b': 'c d'}]}) }}",
        "a:\n- 1\n- b: c d\n",
    ),
    (
        "{% if true: %}a{% else: %}b{% endif %} {{ '0x1A' | int(base=16) }}",
        "a 26",
    ),
    (
        "{% set l = [1] %}{% if l %}x{% endif %}{% filter upper %}a{% endfilter %}",
        "xA",
    ),
    (
        "{{ 2 + 3 * 4 }} {{ 10 - 2 - 3 }} {{ 2 * 10 % 4 }} {{ '%s' % 'a' + 'b' }} {{ 2 ** 3 ** 2 }}",
        "14 5 0 ab 64",
    ),
    (
        "{{ ([1] if true else [2]) + [3] }} {{ 5 - [1] | length }} {{ 1 if 5 % 2 else 0 }}",
        "[1, 3] 4 1",
    ),
    (
        "{% for x in [[1, [2]]] recursive %}{{ x[0] if x is not number else x }}{% if x is not number %}{{ loop(x[1]) }}{% endif %}{% endfor %}",
        "12",
    ),
    ("a\n", "a"),
    ("a\n\n", "a\n"),
    (
        "{{ api.Relation.create(database='d', schema='s', identifier='i').include(database=false) }}",
        "\"s\".\"i\"",
    ),
    (
        "{{ this }} {{ this.identifier }} {{ this.schema }}",
        "\"db\".\"main\".\"me\" me main",
    ),
    (
        "{{ var('days') + 1 }} {{ var('nothing', 'else') }} {{ env_var('HOME_TOWN') }}",
        "8 else Basel",
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

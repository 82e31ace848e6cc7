{# What a contract asks of a model's columns, and the column list that follows from it. #}

{% macro get_empty_schema_sql(columns) -%}{{ return(adapter.dispatch('get_empty_schema_sql', 'dbt')(columns)) }}{% endmacro %}
{% macro default__get_empty_schema_sql(columns) %}
    {%- set untyped = [] -%}
    {%- set unbounded = [] -%}
    {%- set casts = [] -%}
    {%- for key in columns -%}
        {%- set column = columns[key] -%}
        {%- set data_type = column.get('data_type') -%}
        {%- if not data_type -%}
            {%- do untyped.append(column['name']) -%}
        {%- elif data_type.strip().lower() in ('numeric', 'decimal', 'number') -%}
            {%- do unbounded.append(column['name']) -%}
        {%- endif -%}
        {%- do casts.append('cast(null as ' ~ data_type ~ ') as ' ~ (adapter.quote(column['name']) if column.get('quote') else column['name'])) -%}
    {%- endfor -%}
    {%- if untyped -%}
        {%- do exceptions.column_type_missing(column_names=untyped) -%}
    {%- elif unbounded -%}
        {%- do exceptions.warn("Detected columns with numeric type and unspecified precision/scale, this can lead to unintended rounding: ['" ~ unbounded | join("', '") ~ "']") -%}
    {%- endif -%}
    {{ return('select ' ~ casts | join(', ')) }}
{% endmacro %}

{% macro format_columns(columns) %}
    {%- set formatted = [] -%}
    {%- for column in columns -%}
        {%- do formatted.append(adapter.dispatch('format_column', 'dbt')(column)) -%}
    {%- endfor -%}
    {{ return(formatted) }}
{% endmacro %}

{% macro format_column(column) -%}{{ return(adapter.dispatch('format_column', 'dbt')(column)) }}{% endmacro %}
{% macro default__format_column(column) -%}
    {{ return({
        'name': column.name,
        'data_type': column.dtype,
        'formatted': column.name.lower() ~ ' ' ~ column.dtype,
    }) }}
{%- endmacro %}

{% macro get_assert_columns_equivalent(sql) -%}{{ adapter.dispatch('get_assert_columns_equivalent', 'dbt')(sql) }}{%- endmacro %}
{% macro default__get_assert_columns_equivalent(sql) -%}{{ return(assert_columns_equivalent(sql)) }}{%- endmacro %}

{# Stops where the query's columns are not those of the contract: all differences at once. #}
{% macro assert_columns_equivalent(sql) %}
    {%- set declared = model['columns'] -%}
    {%- if not declared -%}
        {%- do exceptions.raise_contract_error([], []) -%}
    {%- endif -%}
    {%- set found = format_columns(get_column_schema_from_query(sql, config.get('sql_header', none))) -%}
    {%- set wanted = format_columns(get_column_schema_from_query(get_empty_schema_sql(declared))) -%}
    {%- set wanted_by_name = {} -%}
    {%- for column in wanted -%}
        {%- do wanted_by_name.update({column['name']: column['formatted']}) -%}
    {%- endfor -%}
    {%- set differing = [] -%}
    {%- for column in found if wanted_by_name.get(column['name']) != column['formatted'] -%}
        {%- do differing.append(column['name']) -%}
    {%- endfor -%}
    {%- if differing or (found | length) != (wanted | length) -%}
        {%- do exceptions.raise_contract_error(wanted, found) -%}
    {%- endif -%}
{% endmacro %}

{% macro get_table_columns_and_constraints() -%}{{ adapter.dispatch('get_table_columns_and_constraints', 'dbt')() }}{%- endmacro %}
{% macro default__get_table_columns_and_constraints() -%}{{ return(table_columns_and_constraints()) }}{%- endmacro %}

{% macro table_columns_and_constraints() -%}
    {%- set lines = adapter.render_raw_columns_constraints(raw_columns=model['columns'])
        + adapter.render_raw_model_constraints(raw_constraints=model['constraints'] or []) -%}
    (
        {{ lines | join(',\n        ') }}
    )
{%- endmacro %}

{% macro get_column_names() -%}{{ return(adapter.dispatch('get_column_names', 'dbt')()) }}{%- endmacro %}
{% macro default__get_column_names() -%}
    {%- set names = [] -%}
    {%- for key in model['columns'] -%}
        {%- set column = model['columns'][key] -%}
        {%- do names.append(adapter.quote(column['name']) if column.get('quote') else column['name']) -%}
    {%- endfor -%}
    {{ names | join(', ') }}
{%- endmacro %}

{% macro get_select_subquery(sql) -%}{{ return(adapter.dispatch('get_select_subquery', 'dbt')(sql)) }}{%- endmacro %}
{% macro default__get_select_subquery(sql) -%}
    select {{ adapter.dispatch('get_column_names', 'dbt')() }}
    from (
        {{ sql }}
    ) as model_subq
{%- endmacro %}

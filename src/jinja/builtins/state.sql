{# What a model asks about its own state and that of the database. #}

{% macro should_full_refresh() %}
    {%- set configured = config.get('full_refresh') -%}
    {%- do return(flags.FULL_REFRESH if configured is none else configured) -%}
{% endmacro %}

{% macro should_store_failures() %}
    {%- set configured = config.get('store_failures') -%}
    {%- do return(flags.STORE_FAILURES if configured is none else configured) -%}
{% endmacro %}

{% macro is_incremental() %}
    {%- if not execute -%}
        {%- do return(false) -%}
    {%- endif -%}
    {%- set existing = load_relation(this) -%}
    {%- do return(
        existing is not none
        and existing.type == 'table'
        and model.config.materialized == 'incremental'
        and not should_full_refresh()
    ) -%}
{% endmacro %}

{% macro load_cached_relation(relation) %}
    {%- do return(adapter.get_relation(
        database=relation.database,
        schema=relation.schema,
        identifier=relation.identifier
    )) -%}
{% endmacro %}

{% macro load_relation(relation) %}
    {%- do return(load_cached_relation(relation)) -%}
{% endmacro %}

{% macro get_or_create_relation(database, schema, identifier, type) %}
    {%- do return(adapter.dispatch('get_or_create_relation', 'dbt')(database, schema, identifier, type)) -%}
{% endmacro %}

{% macro default__get_or_create_relation(database, schema, identifier, type) %}
    {%- set existing = adapter.get_relation(database=database, schema=schema, identifier=identifier) -%}
    {%- if existing -%}
        {%- do return([true, existing]) -%}
    {%- endif -%}
    {%- do return([false, api.Relation.create(database=database, schema=schema, identifier=identifier, type=type)]) -%}
{% endmacro %}

{% macro get_empty_subquery_sql(select_sql, select_sql_header=none) %}
    {{ return(adapter.dispatch('get_empty_subquery_sql', 'dbt')(select_sql, select_sql_header)) }}
{% endmacro %}

{% macro default__get_empty_subquery_sql(select_sql, select_sql_header=none) %}
    {%- if select_sql_header is not none -%}{{ select_sql_header }}{%- endif %}
    select * from (
        {{ select_sql }}
    ) as __dbt_sbq
    where false
    limit 0
{% endmacro %}

{% macro get_columns_in_query(select_sql) %}
    {{ return(adapter.dispatch('get_columns_in_query', 'dbt')(select_sql)) }}
{% endmacro %}

{% macro default__get_columns_in_query(select_sql) %}
    {%- call statement('get_columns_in_query', fetch_result=true, auto_begin=false) -%}
        {{ get_empty_subquery_sql(select_sql) }}
    {%- endcall -%}
    {%- set result = load_result('get_columns_in_query') -%}
    {%- do return(result.table.column_names | list if result is not none else []) -%}
{% endmacro %}

{% macro get_columns_in_relation(relation) %}
    {{ return(adapter.dispatch('get_columns_in_relation', 'dbt')(relation)) }}
{% endmacro %}

{% macro default__get_columns_in_relation(relation) %}
    {%- do return(adapter.get_columns_in_relation(relation)) -%}
{% endmacro %}

{% macro get_quoted_csv(column_names) %}
    {%- set quoted = [] -%}
    {%- for name in column_names -%}
        {%- do quoted.append(adapter.quote(name)) -%}
    {%- endfor -%}
    {%- do return(quoted | join(', ')) -%}
{% endmacro %}

{% macro collect_freshness(source, loaded_at_field, filter) %}
    {{ return(adapter.dispatch('collect_freshness', 'dbt')(source, loaded_at_field, filter)) }}
{% endmacro %}

{% macro default__collect_freshness(source, loaded_at_field, filter) %}
    {%- call statement('collect_freshness', fetch_result=true, auto_begin=false) -%}
        select
            max({{ loaded_at_field }}) as max_loaded_at,
            {{ current_timestamp() }} as snapshotted_at
        from {{ source }}
        {%- if filter %}
        where {{ filter }}
        {%- endif %}
    {%- endcall -%}
    {{ return(load_result('collect_freshness')) }}
{% endmacro %}

{% macro get_limit_subquery_sql(sql, limit) %}
    {{ return(adapter.dispatch('get_limit_subquery_sql', 'dbt')(sql, limit)) }}
{% endmacro %}

{% macro default__get_limit_subquery_sql(sql, limit) -%}
    select *
    from (
        {{ sql }}
    ) as model_limit_subq
    limit {{ limit }}
{%- endmacro %}

{% macro get_show_sql(compiled_code, sql_header, limit) -%}
    {%- if sql_header is not none -%}
    {{ sql_header }}
    {%- endif %}
    {%- if limit is not none %}
    {{ get_limit_subquery_sql(compiled_code, limit) }}
    {%- else %}
    {{ compiled_code }}
    {%- endif -%}
{%- endmacro %}

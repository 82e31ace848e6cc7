{# Statements that make, fill and change materialized views. #}

{% macro get_create_materialized_view_as_sql(relation, sql) -%}{{ adapter.dispatch('get_create_materialized_view_as_sql', 'dbt')(relation, sql) }}{%- endmacro %}
{% macro default__get_create_materialized_view_as_sql(relation, sql) -%}
    {{ create_materialized_view_as(relation, sql) }}
    {%- for index_dict in config.get('indexes', default=[]) or [] %}
    {{ get_create_index_sql(relation, index_dict) }};
    {%- endfor %}
{%- endmacro %}

{# The materialized view alone, without its indexes. #}
{% macro create_materialized_view_as(relation, sql) -%}
    {%- set sql_header = config.get('sql_header', none) -%}
    {{ sql_header if sql_header is not none }}
    create materialized view if not exists {{ relation }} {{ table_storage_clause() }}
    as (
        {{ sql }}
    );
{%- endmacro %}

{# Readers go on while the rows are replaced, where PostgreSQL can tell rows apart by a unique index. #}
{% macro refresh_materialized_view(relation) -%}{{ adapter.dispatch('refresh_materialized_view', 'dbt')(relation) }}{%- endmacro %}
{% macro default__refresh_materialized_view(relation) -%}
    refresh materialized view {{ 'concurrently ' if can_refresh_concurrently(relation) }}{{ relation }}
{%- endmacro %}

{% macro can_refresh_concurrently(relation) %}
    {%- set found = run_query("select count(*) as fitting from pg_catalog.pg_class as class
        inner join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
        inner join pg_catalog.pg_index as index on index.indrelid = class.oid
        where namespace.nspname = '" ~ relation.schema ~ "' and class.relname = '" ~ relation.identifier ~ "'
            and class.relispopulated and index.indisunique and index.indisvalid and index.indimmediate
            and index.indpred is null and index.indexprs is null") -%}
    {{ return(found is not none and found.rows[0][0] > 0) }}
{% endmacro %}

{% macro describe_materialized_view(relation) %}{{ return(adapter.dispatch('describe_materialized_view', 'dbt')(relation)) }}{% endmacro %}
{% macro default__describe_materialized_view(relation) %}
    {{ return({'indexes': run_query(get_show_indexes_sql(relation))}) }}
{% endmacro %}

{% macro get_show_indexes_sql(relation) -%}{{ return(adapter.dispatch('get_show_indexes_sql', 'dbt')(relation)) }}{%- endmacro %}
{% macro default__get_show_indexes_sql(relation) -%}
    select
        index_class.relname as name,
        method.amname as method,
        index.indisunique as "unique",
        (
            select string_agg(attribute.attname, ',' order by key.position)
            from unnest(index.indkey) with ordinality as key (attnum, position)
            inner join pg_attribute as attribute
                on attribute.attrelid = index.indrelid and attribute.attnum = key.attnum
        ) as column_names
    from pg_index as index
    inner join pg_class as index_class on index_class.oid = index.indexrelid
    inner join pg_am as method on method.oid = index_class.relam
    inner join pg_class as class on class.oid = index.indrelid
    inner join pg_namespace as namespace on namespace.oid = class.relnamespace
    where class.relname = '{{ relation.identifier }}'
        and namespace.nspname = '{{ relation.schema }}'
        and class.relkind in ('r', 'm')
    order by 1, 2, 3
{%- endmacro %}

{% macro get_drop_index_sql(relation, index_name) -%}{{ adapter.dispatch('get_drop_index_sql', 'dbt')(relation, index_name) }}{%- endmacro %}
{% macro default__get_drop_index_sql(relation, index_name) -%}
    drop index if exists {{ adapter.quote(relation.schema) }}.{{ adapter.quote(index_name) }}
{%- endmacro %}

{# PostgreSQL's statements for materialized views and their indexes. #}

{% macro postgres__get_create_materialized_view_as_sql(relation, sql) -%}
    {{ create_materialized_view_as(relation, sql) }}
    {%- for index_dict in config.get('indexes', default=[]) or [] %}
    {{ get_create_index_sql(relation, index_dict) }};
    {%- endfor %}
{%- endmacro %}

{% macro postgres__refresh_materialized_view(relation) -%}
    refresh materialized view {{ 'concurrently ' if can_refresh_concurrently(relation) }}{{ relation }}
{%- endmacro %}

{% macro postgres__describe_materialized_view(relation) %}
    {{ return({'indexes': run_query(get_show_indexes_sql(relation))}) }}
{% endmacro %}

{% macro postgres__get_show_indexes_sql(relation) -%}
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
    where class.relname = '{{ relation.identifier | replace("'", "''") }}'
        and namespace.nspname = '{{ relation.schema | replace("'", "''") }}'
        and class.relkind in ('r', 'm')
    order by 1, 2, 3
{%- endmacro %}

{% macro postgres__get_drop_index_sql(relation, index_name) -%}
    drop index if exists {{ adapter.quote(relation.schema) }}.{{ adapter.quote(index_name) }}
{%- endmacro %}

{% macro postgres__drop_materialized_view(relation) -%}
    drop materialized view if exists {{ relation }} cascade
{%- endmacro %}

{% macro postgres__get_rename_materialized_view_sql(relation, new_name) -%}
    alter materialized view {{ relation }} rename to {{ adapter.quote(new_name) }}
{%- endmacro %}

{% macro postgres__get_alter_materialized_view_as_sql(relation, configuration_changes, sql, existing_relation, backup_relation, intermediate_relation) -%}
    {{ postgres__update_indexes_on_materialized_view(relation, configuration_changes.indexes) }}
{%- endmacro %}

{% macro postgres__update_indexes_on_materialized_view(relation, index_changes) -%}
    {%- for change in index_changes %}
        {%- if change.action == 'drop' %}
    {{ get_drop_index_sql(relation, change.context.name) }};
        {%- else %}
    {{ get_create_index_sql(relation, change.context) }};
        {%- endif %}
    {%- endfor %}
{%- endmacro %}

{# Indexes are the same where columns, method and uniqueness are; dropped ones come first. #}
{% macro postgres__get_materialized_view_configuration_changes(existing_relation, new_config) -%}
    {%- set present = {} -%}
    {%- for row in postgres__describe_materialized_view(existing_relation).indexes.rows -%}
        {%- set key = [(row['column_names'] or '').split(',') | sort, row['method'], row['unique']] | string -%}
        {%- do present.update({key: row['name']}) -%}
    {%- endfor -%}
    {%- set wanted = {} -%}
    {%- for index_dict in new_config.get('indexes', []) or [] -%}
        {%- set index = adapter.parse_index(index_dict) -%}
        {%- set key = [index.columns | map('lower') | sort, index.type or 'btree', index.unique] | string -%}
        {%- do wanted.update({key: index_dict}) -%}
    {%- endfor -%}
    {%- set changes = [] -%}
    {%- for key, name in present.items() if key not in wanted -%}
        {%- do changes.append({'action': 'drop', 'context': {'name': name}}) -%}
    {%- endfor -%}
    {%- for key, index_dict in wanted.items() if key not in present -%}
        {%- do changes.append({'action': 'create', 'context': index_dict}) -%}
    {%- endfor -%}
    {{ return({'indexes': changes, 'requires_full_refresh': false, 'has_changes': true} if changes else none) }}
{%- endmacro %}

{# How new rows reach an incremental model. #}

{% macro get_incremental_append_sql(arg_dict) %}{{ return(adapter.dispatch('get_incremental_append_sql', 'dbt')(arg_dict)) }}{% endmacro %}
{% macro default__get_incremental_append_sql(arg_dict) %}
    {{ return(get_insert_into_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns'])) }}
{% endmacro %}

{% macro get_incremental_delete_insert_sql(arg_dict) %}{{ return(adapter.dispatch('get_incremental_delete_insert_sql', 'dbt')(arg_dict)) }}{% endmacro %}
{% macro default__get_incremental_delete_insert_sql(arg_dict) %}
    {{ return(get_delete_insert_merge_sql(
        arg_dict['target_relation'],
        arg_dict['temp_relation'],
        arg_dict['unique_key'],
        arg_dict['dest_columns'],
        arg_dict.get('incremental_predicates')
    )) }}
{% endmacro %}

{% macro get_incremental_merge_sql(arg_dict) %}{{ return(adapter.dispatch('get_incremental_merge_sql', 'dbt')(arg_dict)) }}{% endmacro %}
{% macro default__get_incremental_merge_sql(arg_dict) %}
    {{ return(get_merge_sql(
        arg_dict['target_relation'],
        arg_dict['temp_relation'],
        arg_dict['unique_key'],
        arg_dict['dest_columns'],
        arg_dict.get('incremental_predicates')
    )) }}
{% endmacro %}

{% macro get_incremental_default_sql(arg_dict) %}{{ return(adapter.dispatch('get_incremental_default_sql', 'dbt')(arg_dict)) }}{% endmacro %}
{% macro default__get_incremental_default_sql(arg_dict) %}
    {{ return(get_incremental_append_sql(arg_dict)) }}
{% endmacro %}

{% macro get_incremental_microbatch_sql(arg_dict) %}{{ return(adapter.dispatch('get_incremental_microbatch_sql', 'dbt')(arg_dict)) }}{% endmacro %}
{% macro default__get_incremental_microbatch_sql(arg_dict) %}
    {%- do exceptions.raise_not_implemented('microbatch materialization strategy not implemented for adapter ' ~ adapter.type()) -%}
{% endmacro %}

{% macro get_incremental_insert_overwrite_sql(arg_dict) %}{{ return(adapter.dispatch('get_incremental_insert_overwrite_sql', 'dbt')(arg_dict)) }}{% endmacro %}
{% macro default__get_incremental_insert_overwrite_sql(arg_dict) %}
    {{ return(get_insert_overwrite_merge_sql(
        arg_dict['target_relation'],
        arg_dict['temp_relation'],
        arg_dict['dest_columns'],
        arg_dict.get('incremental_predicates')
    )) }}
{% endmacro %}

{% macro get_insert_overwrite_merge_sql(target, source, dest_columns, predicates, include_sql_header=false) -%}
    {{ adapter.dispatch('get_insert_overwrite_merge_sql', 'dbt')(target, source, dest_columns, predicates, include_sql_header) }}
{%- endmacro %}
{% macro default__get_insert_overwrite_merge_sql(target, source, dest_columns, predicates, include_sql_header) -%}
    {%- set columns = get_quoted_csv(dest_columns | map(attribute='name')) -%}
    {%- set sql_header = config.get('sql_header', none) -%}
    {{ sql_header if sql_header is not none and include_sql_header }}
    merge into {{ target }} as DBT_INTERNAL_DEST
    using {{ source }} as DBT_INTERNAL_SOURCE
    on false
    when not matched by source {{ 'and ' ~ predicates | join(' and ') if predicates }}
        then delete
    when not matched then insert
        ({{ columns }})
    values
        ({{ columns }})
{%- endmacro %}

{# The condition under which a new row is the known one. #}
{% macro get_merge_unique_key_match(source_unique_key, target_unique_key) -%}
    {{ return(adapter.dispatch('get_merge_unique_key_match', 'dbt')(source_unique_key, target_unique_key)) }}
{%- endmacro %}
{% macro default__get_merge_unique_key_match(source_unique_key, target_unique_key) -%}
    {{ return(equals(source_unique_key, target_unique_key) | trim) }}
{%- endmacro %}

{% macro get_insert_into_sql(target_relation, temp_relation, dest_columns) %}
    {%- set columns = get_quoted_csv(dest_columns | map(attribute='name')) %}
    insert into {{ target_relation }} ({{ columns }})
    select {{ columns }}
    from {{ temp_relation }}
{% endmacro %}

{% macro get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
    {{ adapter.dispatch('get_delete_insert_merge_sql', 'dbt')(target, source, unique_key, dest_columns, incremental_predicates) }}
{%- endmacro %}
{% macro default__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
    {%- set columns = get_quoted_csv(dest_columns | map(attribute='name')) -%}
    {%- if unique_key %}
    {%- set keys = msv_key_parts(unique_key) -%}
    {%- set key = keys | join(', ') %}
    delete from {{ target }} as DBT_INTERNAL_DEST
    where ({{ key }}) in (
        select {{ key }}
        from {{ source }} as DBT_INTERNAL_SOURCE
    )
    {%- for predicate in incremental_predicates or [] %}
        and {{ predicate }}
    {%- endfor %};
    {{- msv_delete_null_keys(target, source, keys, incremental_predicates) }}
    {% endif %}
    insert into {{ target }} ({{ columns }})
    select {{ columns }}
    from {{ source }}
{%- endmacro %}

{# The parts of a key: columns or expressions. Text may name several columns. #}
{% macro msv_key_parts(unique_key) %}
    {%- if unique_key is not string -%}
        {{ return(unique_key) }}
    {%- elif modules.re.match('^\\s*[A-Za-z_]\\w*(\\s*,\\s*[A-Za-z_]\\w*)+\\s*$', unique_key) -%}
        {{ return(unique_key.split(',')) }}
    {%- endif -%}
    {{ return([unique_key]) }}
{% endmacro %}

{# Keys that hold a null are compared apart, and only if the new rows have some: a comparison that
   takes null for a value finds its rows by no index and no hash. #}
{% macro msv_delete_null_keys(target, source, keys, incremental_predicates) %}
    delete from {{ target }} as DBT_INTERNAL_DEST
    where exists (select from {{ source }} where {{ msv_has_null_key('', keys) }})
        and ({{ msv_has_null_key('', keys) }})
        {%- if keys | length > 1 %}
        and exists (
            select
            from (
                select {% for key in keys %}{{ key }} as msv_key_{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}
                from {{ source }}
                where {{ msv_has_null_key('', keys) }}
            ) as null_keys
            where {% for key in keys -%}
                null_keys.msv_key_{{ loop.index }} is not distinct from ({{ key }}){{ ' and ' if not loop.last }}
            {%- endfor %}
        )
        {%- endif %}
    {%- for predicate in incremental_predicates or [] %}
        and {{ predicate }}
    {%- endfor %};
{%- endmacro %}

{% macro msv_has_null_key(prefix, keys) -%}
    {% for key in keys %}({{ prefix }}{{ key }}) is null{{ ' or ' if not loop.last }}{% endfor %}
{%- endmacro %}

{% macro get_merge_update_columns(merge_update_columns, merge_exclude_columns, dest_columns) %}
    {{ return(adapter.dispatch('get_merge_update_columns', 'dbt')(merge_update_columns, merge_exclude_columns, dest_columns)) }}
{% endmacro %}
{% macro default__get_merge_update_columns(merge_update_columns, merge_exclude_columns, dest_columns) %}
    {%- if merge_update_columns and merge_exclude_columns -%}
        {%- do exceptions.raise_compiler_error('merge_update_columns and merge_exclude_columns cannot both be set: keep one') -%}
    {%- endif -%}
    {%- if merge_update_columns -%}
        {{ return(merge_update_columns) }}
    {%- endif -%}
    {%- set excluded = (merge_exclude_columns or []) | map('lower') | list -%}
    {%- set updated = [] -%}
    {%- for column in dest_columns if column.name | lower not in excluded -%}
        {%- do updated.append(column.quoted) -%}
    {%- endfor -%}
    {{ return(updated) }}
{% endmacro %}

{% macro get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
    {{ adapter.dispatch('get_merge_sql', 'dbt')(target, source, unique_key, dest_columns, incremental_predicates) }}
{%- endmacro %}
{% macro default__get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
    {%- set keys = [] if not unique_key else [unique_key] if unique_key is string else unique_key -%}
    {%- set matches = [] -%}
    {%- set null_matches = [] -%}
    {%- for key in keys -%}
        {%- do matches.append(get_merge_unique_key_match('DBT_INTERNAL_SOURCE.' ~ key, 'DBT_INTERNAL_DEST.' ~ key)) -%}
        {%- do null_matches.append('DBT_INTERNAL_SOURCE.' ~ key ~ ' is not distinct from DBT_INTERNAL_DEST.' ~ key) -%}
    {%- endfor -%}
    {%- set updated = get_merge_update_columns(config.get('merge_update_columns'), config.get('merge_exclude_columns'), dest_columns) -%}
    {%- set sql_header = config.get('sql_header', none) -%}
    {{ sql_header if sql_header is not none }}
    {%- if keys -%}
        {# Keys that hold a null match nothing by their equality: their rows go apart and first, so
           that the server's answer is about the others. #}
        {%- set dest_is_null = ['(' ~ msv_has_null_key('DBT_INTERNAL_DEST.', keys) ~ ')'] -%}
        {%- set null_rows = '(select * from ' ~ source ~ ' where ' ~ msv_has_null_key('', keys) ~ ')' -%}
        {%- set other_rows = '(select * from ' ~ source ~ ' where not (' ~ msv_has_null_key('', keys) ~ '))' -%}
        {{ msv_merge_statement(target, null_rows, (incremental_predicates or []) + dest_is_null + null_matches, updated, dest_columns) }};
        {{- msv_merge_statement(target, other_rows, (incremental_predicates or []) + matches, updated, dest_columns) }}
    {%- else -%}
        {{ msv_merge_statement(target, source, (incremental_predicates or []) + ['false'], [], dest_columns) }}
    {%- endif -%}
{%- endmacro %}

{% macro msv_merge_statement(target, source, conditions, updated, dest_columns) %}
    merge into {{ target }} as DBT_INTERNAL_DEST
    using {{ source }} as DBT_INTERNAL_SOURCE
    on ({{ conditions | join(') and (') }})
    {%- if updated %}
    when matched then update set
        {%- for column in updated %}
        {{ column }} = DBT_INTERNAL_SOURCE.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    {%- endif %}
    when not matched then insert
        ({{ get_quoted_csv(dest_columns | map(attribute='name')) }})
    values (
        {%- for column in dest_columns %}
        DBT_INTERNAL_SOURCE.{{ column.quoted }}{{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{# What snapshots write in PostgreSQL's own way. #}

{% macro postgres__snapshot_string_as_time(timestamp) -%}
    {{ return("'" ~ timestamp ~ "'::timestamp without time zone") }}
{%- endmacro %}

{% macro postgres__snapshot_merge_sql(target, source, insert_cols) -%}
    {%- set columns = config.get('snapshot_table_column_names') or get_snapshot_table_column_names() -%}
    {%- set open_end = config.get('dbt_valid_to_current') -%}
    {%- set end_of_old = 'DBT_INTERNAL_DEST.' ~ columns.dbt_valid_to -%}
    update {{ target }} as DBT_INTERNAL_DEST
    set {{ columns.dbt_valid_to }} = DBT_INTERNAL_SOURCE.{{ columns.dbt_valid_to }}
    from {{ source }} as DBT_INTERNAL_SOURCE
    where DBT_INTERNAL_SOURCE.{{ columns.dbt_scd_id }}::text = DBT_INTERNAL_DEST.{{ columns.dbt_scd_id }}::text
        and DBT_INTERNAL_SOURCE.dbt_change_type::text in ('update', 'delete')
        and ({% if open_end %}{{ equals(end_of_old, open_end | trim) | trim }} or {% endif %}{{ end_of_old }} is null);

    insert into {{ target }} ({{ insert_cols | join(', ') }})
    select {% for column in insert_cols %}DBT_INTERNAL_SOURCE.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    from {{ source }} as DBT_INTERNAL_SOURCE
    where DBT_INTERNAL_SOURCE.dbt_change_type::text = 'insert'
{%- endmacro %}

{# How a snapshot keeps the versions of a row: one open version a key, closed ones behind it. #}

{% macro get_snapshot_table_column_names() %}
    {{ return({
        'dbt_valid_to': 'dbt_valid_to',
        'dbt_valid_from': 'dbt_valid_from',
        'dbt_scd_id': 'dbt_scd_id',
        'dbt_updated_at': 'dbt_updated_at',
        'dbt_is_deleted': 'dbt_is_deleted',
    }) }}
{% endmacro %}

{# A strategy by its name, `package.name` for one of another package. #}
{% macro strategy_dispatch(name) -%}
    {%- set macros = context -%}
    {%- set strategy = name -%}
    {%- if '.' in name -%}
        {%- set package, strategy = name.split('.', 1) -%}
        {%- if package not in context -%}
            {%- do exceptions.raise_compiler_error("the snapshot strategy `" ~ name ~ "` names the package `" ~ package ~ "`, which does not exist") -%}
        {%- endif -%}
        {%- set macros = context[package] -%}
    {%- endif -%}
    {%- set macro_name = 'snapshot_' ~ strategy ~ '_strategy' -%}
    {%- if macro_name not in macros -%}
        {%- do exceptions.raise_compiler_error("no snapshot strategy is named `" ~ name ~ "`: there is no macro `" ~ macro_name ~ "`; use timestamp or check, or define that macro") -%}
    {%- endif -%}
    {{ return(macros[macro_name]) }}
{%- endmacro %}

{% macro snapshot_hash_arguments(args) -%}{{ return(adapter.dispatch('snapshot_hash_arguments', 'dbt')(args)) }}{%- endmacro %}
{% macro default__snapshot_hash_arguments(args) -%}
    {%- set texts = [] -%}
    {%- for arg in args -%}
        {%- do texts.append("coalesce(cast(" ~ arg ~ " as varchar), '')") -%}
    {%- endfor -%}
    {{ return('md5(' ~ texts | join(" || '|' || ") ~ ')') }}
{%- endmacro %}

{# What identifies a version: a null in the key is another key than an empty text. #}
{% macro snapshot_version_arguments(unique_key, updated_at) -%}
    {%- set args = [] -%}
    {%- for key in (unique_key if unique_key | is_list else [unique_key]) -%}
        {%- do args.append("coalesce(cast(" ~ key ~ " as varchar), '_null_key_')") -%}
    {%- endfor -%}
    {{ return(args + [updated_at]) }}
{%- endmacro %}

{% macro snapshot_string_as_time(timestamp) -%}{{ return(adapter.dispatch('snapshot_string_as_time', 'dbt')(timestamp)) }}{%- endmacro %}
{% macro default__snapshot_string_as_time(timestamp) -%}
    {%- do exceptions.raise_not_implemented('no macro `snapshot_string_as_time` is written for ' ~ adapter.type()) -%}
{%- endmacro %}

{% macro get_true_sql() %}{{ return(adapter.dispatch('get_true_sql', 'dbt')()) }}{% endmacro %}
{% macro default__get_true_sql() %}{{ return('true') }}{% endmacro %}

{# The history may have begun under another strategy: `valid_from` is there in any case, the
   source's own `updated_at` need not be. #}
{% macro snapshot_timestamp_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) %}
    {%- set columns = config.get('snapshot_table_column_names') or get_snapshot_table_column_names() -%}
    {%- set unique_key = config.get('unique_key') -%}
    {%- set updated_at = config.get('updated_at') -%}
    {%- set hard_deletes = adapter.get_hard_deletes_behavior(config) -%}
    {{ return({
        'unique_key': unique_key,
        'updated_at': updated_at,
        'row_changed': '(' ~ snapshotted_rel ~ '.' ~ columns.dbt_valid_from ~ ' < ' ~ current_rel ~ '.' ~ updated_at ~ ')',
        'scd_id': snapshot_hash_arguments(snapshot_version_arguments(unique_key, updated_at)),
        'invalidate_hard_deletes': hard_deletes == 'invalidate',
        'hard_deletes': hard_deletes,
    }) }}
{% endmacro %}

{# The columns to compare that the history has too, and whether some are new to it. #}
{% macro snapshot_check_all_get_existing_columns(node, target_exists, check_cols_config) -%}
    {%- if not target_exists -%}
        {{ return([false, []]) }}
    {%- endif -%}
    {%- if check_cols_config == 'all' -%}
        {%- set checked = get_columns_in_query(node['compiled_code']) -%}
    {%- elif check_cols_config is iterable and check_cols_config is not string and check_cols_config | length > 0 -%}
        {#- The server says how each name is really spelt. -#}
        {%- set checked = get_columns_in_query('select ' ~ check_cols_config | join(', ') ~ ' from (\n' ~ node['compiled_code'] ~ '\n) as snapshot_query') -%}
    {%- else -%}
        {%- do exceptions.raise_compiler_error("Invalid value for 'check_cols': " ~ check_cols_config ~ " (write a list of columns, or 'all')") -%}
    {%- endif -%}
    {%- set target = adapter.get_relation(database=node.database, schema=node.schema, identifier=node.alias) -%}
    {%- set existing = adapter.get_columns_in_relation(target) | map(attribute='name') | list -%}
    {%- set shared = [] -%}
    {%- for name in checked if name in existing -%}
        {%- do shared.append(adapter.quote(name)) -%}
    {%- endfor -%}
    {{ return([shared | length < checked | length, shared]) }}
{%- endmacro %}

{% macro snapshot_check_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) %}
    {%- set unique_key = config.get('unique_key') -%}
    {%- set updated_at = config.get('updated_at') or snapshot_get_time() -%}
    {%- set hard_deletes = adapter.get_hard_deletes_behavior(config) -%}
    {%- set is_column_new, checked = snapshot_check_all_get_existing_columns(node, target_exists, config.get('check_cols')) -%}
    {%- set differences = [] -%}
    {%- for column in checked -%}
        {%- set old, new = snapshotted_rel ~ '.' ~ column, current_rel ~ '.' ~ column -%}
        {%- do differences.append(old ~ ' != ' ~ new) -%}
        {%- do differences.append('(' ~ old ~ ' is null) != (' ~ new ~ ' is null)') -%}
    {%- endfor -%}
    {{ return({
        'unique_key': unique_key,
        'updated_at': updated_at,
        'row_changed': '(' ~ (get_true_sql() if is_column_new else differences | join(' or ') or 'false') ~ ')',
        'scd_id': snapshot_hash_arguments(snapshot_version_arguments(unique_key, updated_at)),
        'invalidate_hard_deletes': hard_deletes == 'invalidate',
        'hard_deletes': hard_deletes,
    }) }}
{% endmacro %}

{% macro get_dbt_valid_to_current(strategy, columns) -%}
    {%- set open_end = config.get('dbt_valid_to_current') or 'null' -%}
    {#- A null of the type that `updated_at` has. -#}
    coalesce(nullif({{ strategy.updated_at }}, {{ strategy.updated_at }}), {{ open_end }}) as {{ columns.dbt_valid_to }}
{%- endmacro %}

{% macro unique_key_fields(unique_key) -%}
    {%- if unique_key | is_list -%}
        {%- for key in unique_key -%}
            {{ key }} as dbt_unique_key_{{ loop.index }}{{ ', ' if not loop.last }}
        {%- endfor -%}
    {%- else -%}
        {{ unique_key }} as dbt_unique_key
    {%- endif -%}
{%- endmacro %}

{% macro unique_key_join_on(unique_key, identifier, from_identifier) -%}
    {%- if unique_key | is_list -%}
        {%- for key in unique_key -%}
            {%- set name = '.dbt_unique_key_' ~ loop.index -%}
            {{ equals(identifier ~ name, from_identifier ~ name) | trim }}{{ ' and ' if not loop.last }}
        {%- endfor -%}
    {%- else -%}
        {{ identifier }}.dbt_unique_key = {{ from_identifier }}.dbt_unique_key
    {%- endif -%}
{%- endmacro %}

{% macro unique_key_is_null(unique_key, identifier) -%}
    {{ identifier }}.dbt_unique_key{{ '_1' if unique_key | is_list }} is null
{%- endmacro %}

{% macro unique_key_is_not_null(unique_key, identifier) -%}
    {{ identifier }}.dbt_unique_key{{ '_1' if unique_key | is_list }} is not null
{%- endmacro %}

{% macro build_snapshot_table(strategy, sql) -%}{{ adapter.dispatch('build_snapshot_table', 'dbt')(strategy, sql) }}{%- endmacro %}
{% macro default__build_snapshot_table(strategy, sql) -%}
    {%- set columns = config.get('snapshot_table_column_names') or get_snapshot_table_column_names() -%}
    select
        *,
        {{ strategy.scd_id }} as {{ columns.dbt_scd_id }},
        {{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
        {{ strategy.updated_at }} as {{ columns.dbt_valid_from }},
        {{ get_dbt_valid_to_current(strategy, columns) }}
        {%- if strategy.hard_deletes == 'new_record' %},
        'False' as {{ columns.dbt_is_deleted }}
        {%- endif %}
    from (
        {{ sql }}
    ) as snapshot_query
{%- endmacro %}

{# What this run changes: one row for each version that begins (`insert`) or ends (`update`,
   `delete`), with the columns of the source between the type of change and those of the history. #}
{% macro snapshot_staging_table(strategy, source_sql, target_relation) -%}{{ adapter.dispatch('snapshot_staging_table', 'dbt')(strategy, source_sql, target_relation) }}{%- endmacro %}
{% macro default__snapshot_staging_table(strategy, source_sql, target_relation) -%}
    {%- set columns = config.get('snapshot_table_column_names') or get_snapshot_table_column_names() -%}
    {%- set unique_key = strategy.unique_key -%}
    {%- set open_end = config.get('dbt_valid_to_current') -%}
    {%- set has_deletions = strategy.hard_deletes in ('invalidate', 'new_record') -%}
    {%- set records_deletions = strategy.hard_deletes == 'new_record' -%}
    {%- set was_deleted = "snapshotted_data." ~ columns.dbt_is_deleted ~ " = 'True'" -%}
    {%- set is_gone -%}
        {{ unique_key_is_null(unique_key, 'source_data') }}
        {%- if records_deletions %} and {{ was_deleted }} is not true{% endif %}
    {%- endset -%}
    {%- set is_changed -%}
        {{ strategy.row_changed }}{% if records_deletions %} or {{ was_deleted }}{% endif %}
    {%- endset -%}
    {%- set same_key = unique_key_join_on(unique_key, 'snapshotted_data', 'source_data') -%}
    with snapshot_query as (
        {{ source_sql }}
    ),

    snapshotted_data as (
        select *, {{ unique_key_fields(unique_key) }}
        from {{ target_relation }}
        where
        {%- if open_end %} {{ equals(columns.dbt_valid_to, open_end | trim) | trim }} or{% endif %}
            {{ columns.dbt_valid_to }} is null
    ),

    begun as (
        select
            *,
            {{ unique_key_fields(unique_key) }},
            {{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
            {{ strategy.updated_at }} as {{ columns.dbt_valid_from }},
            {{ get_dbt_valid_to_current(strategy, columns) }},
            {{ strategy.scd_id }} as {{ columns.dbt_scd_id }}
        from snapshot_query
    ),

    ended as (
        select
            *,
            {{ unique_key_fields(unique_key) }},
            {{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
            {{ strategy.updated_at }} as {{ columns.dbt_valid_from }},
            {{ strategy.updated_at }} as {{ columns.dbt_valid_to }}
        from snapshot_query
    ),

    insertions as (
        select
            'insert' as dbt_change_type,
            source_data.*
            {%- if records_deletions %},
            'False' as {{ columns.dbt_is_deleted }}
            {%- endif %}
        from begun as source_data
        left join snapshotted_data on {{ same_key }}
        where
            {{ unique_key_is_null(unique_key, 'snapshotted_data') }}
            or ({{ unique_key_is_not_null(unique_key, 'snapshotted_data') }} and ({{ is_changed }}))
    ),

    updates as (
        select
            'update' as dbt_change_type,
            source_data.*,
            snapshotted_data.{{ columns.dbt_scd_id }}
            {%- if records_deletions %},
            snapshotted_data.{{ columns.dbt_is_deleted }}
            {%- endif %}
        from ended as source_data
        inner join snapshotted_data on {{ same_key }}
        where {{ is_changed }}
    )

    {%- if has_deletions %},

    present as (
        select *, {{ unique_key_fields(unique_key) }}
        from snapshot_query
    ),

    deletes as (
        select
            'delete' as dbt_change_type,
            source_data.*,
            {{ snapshot_get_time() }} as {{ columns.dbt_updated_at }},
            {{ snapshot_get_time() }} as {{ columns.dbt_valid_from }},
            {{ snapshot_get_time() }} as {{ columns.dbt_valid_to }},
            snapshotted_data.{{ columns.dbt_scd_id }}
            {%- if records_deletions %},
            snapshotted_data.{{ columns.dbt_is_deleted }}
            {%- endif %}
        from snapshotted_data
        left join present as source_data on {{ same_key }}
        where {{ is_gone }}
    )
    {%- endif %}

    {%- if records_deletions %}
    {%- set known = adapter.get_columns_in_relation(target_relation) | map(attribute='name') | list %},

    deletion_records as (
        select
            'insert' as dbt_change_type,
            {%- for name in get_columns_in_query(source_sql) %}
            {{ 'snapshotted_data' if name in known else 'source_data' }}.{{ adapter.quote(name) }},
            {%- endfor %}
            {%- for key in (unique_key if unique_key | is_list else [unique_key]) %}
            snapshotted_data.dbt_unique_key{{ '_' ~ loop.index if unique_key | is_list }},
            {%- endfor %}
            {{ snapshot_get_time() }} as {{ columns.dbt_updated_at }},
            {{ snapshot_get_time() }} as {{ columns.dbt_valid_from }},
            snapshotted_data.{{ columns.dbt_valid_to }},
            {{ snapshot_hash_arguments(['snapshotted_data.' ~ columns.dbt_scd_id, snapshot_get_time()]) }} as {{ columns.dbt_scd_id }},
            'True' as {{ columns.dbt_is_deleted }}
        from snapshotted_data
        left join present as source_data on {{ same_key }}
        where {{ is_gone }}
    )
    {%- endif %}

    select * from insertions
    union all
    select * from updates
    {%- if has_deletions %}
    union all
    select * from deletes
    {%- endif %}
    {%- if records_deletions %}
    union all
    select * from deletion_records
    {%- endif %}
{%- endmacro %}

{% macro build_snapshot_staging_table(strategy, sql, target_relation) %}
    {%- set staging = make_temp_relation(target_relation) -%}
    {%- call statement('build_snapshot_staging_relation') -%}
        {{ create_table_as(true, staging, snapshot_staging_table(strategy, sql, target_relation)) }}
    {%- endcall -%}
    {{ return(staging) }}
{% endmacro %}

{% macro create_columns(relation, columns) %}{{ adapter.dispatch('create_columns', 'dbt')(relation, columns) }}{% endmacro %}
{% macro default__create_columns(relation, columns) %}
    {%- for column in columns -%}
        {%- call statement() -%}
            alter table {{ relation.render() }} add column {{ adapter.quote(column.name) }} {{ column.expanded_data_type }}
        {%- endcall -%}
    {%- endfor -%}
{% endmacro %}

{% macro snapshot_merge_sql(target, source, insert_cols) -%}{{ adapter.dispatch('snapshot_merge_sql', 'dbt')(target, source, insert_cols) }}{%- endmacro %}
{% macro default__snapshot_merge_sql(target, source, insert_cols) -%}
    {%- set columns = config.get('snapshot_table_column_names') or get_snapshot_table_column_names() -%}
    {%- set open_end = config.get('dbt_valid_to_current') -%}
    {%- set end_of_old = 'DBT_INTERNAL_DEST.' ~ columns.dbt_valid_to -%}
    merge into {{ target.render() }} as DBT_INTERNAL_DEST
    using {{ source }} as DBT_INTERNAL_SOURCE
    on DBT_INTERNAL_SOURCE.{{ columns.dbt_scd_id }} = DBT_INTERNAL_DEST.{{ columns.dbt_scd_id }}
    when matched
        and ({% if open_end %}{{ equals(end_of_old, open_end | trim) | trim }} or {% endif %}{{ end_of_old }} is null)
        and DBT_INTERNAL_SOURCE.dbt_change_type in ('update', 'delete')
        then update set {{ columns.dbt_valid_to }} = DBT_INTERNAL_SOURCE.{{ columns.dbt_valid_to }}
    when not matched and DBT_INTERNAL_SOURCE.dbt_change_type = 'insert'
        then insert ({{ insert_cols | join(', ') }})
        values ({{ insert_cols | join(', ') }})
{%- endmacro %}

{% macro post_snapshot(staging_relation) %}{{ adapter.dispatch('post_snapshot', 'dbt')(staging_relation) }}{% endmacro %}
{% macro default__post_snapshot(staging_relation) %}{% endmacro %}

{% macro get_updated_at_column_data_type(snapshot_sql) %}
    {%- set found = namespace(type=none) -%}
    {%- for column in get_column_schema_from_query(snapshot_sql) if column.name | lower == 'dbt_updated_at' -%}
        {%- set found.type = column.dtype -%}
    {%- endfor -%}
    {{ return(found.type) }}
{% endmacro %}

{% macro check_time_data_types(sql) %}
    {%- set updated_at_type = get_updated_at_column_data_type(sql) -%}
    {%- set time_type = get_snapshot_get_time_data_type() -%}
    {%- if updated_at_type is not none and time_type is not none and updated_at_type != time_type -%}
        {%- do exceptions.warn_snapshot_timestamp_data_types(time_type, updated_at_type) -%}
    {%- endif -%}
{% endmacro %}

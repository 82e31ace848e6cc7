{# Statements that make, fill and change materialized views. #}

{% macro get_create_materialized_view_as_sql(relation, sql) -%}{{ adapter.dispatch('get_create_materialized_view_as_sql', 'dbt')(relation, sql) }}{%- endmacro %}
{% macro default__get_create_materialized_view_as_sql(relation, sql) -%}{%- do exceptions.raise_compiler_error('`get_create_materialized_view_as_sql` has not been implemented for this adapter.') -%}{%- endmacro %}

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
{% macro default__refresh_materialized_view(relation) -%}{%- do exceptions.raise_compiler_error('`refresh_materialized_view` has not been implemented for this adapter.') -%}{%- endmacro %}

{% macro can_refresh_concurrently(relation) %}
    {%- set found = run_query("select count(*) as fitting from pg_catalog.pg_class as class
        inner join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
        inner join pg_catalog.pg_index as index on index.indrelid = class.oid
        where namespace.nspname = '" ~ relation.schema | replace("'", "''") ~ "' and class.relname = '" ~ relation.identifier | replace("'", "''") ~ "'
            and class.relispopulated and index.indisunique and index.indisvalid and index.indimmediate
            and index.indpred is null and index.indexprs is null") -%}
    {{ return(found is not none and found.rows[0][0] > 0) }}
{% endmacro %}

{% macro describe_materialized_view(relation) %}{{ return(adapter.dispatch('describe_materialized_view', 'dbt')(relation)) }}{% endmacro %}
{% macro default__describe_materialized_view(relation) -%}{%- do exceptions.raise_compiler_error('`describe_materialized_view` has not been implemented for this adapter.') -%}{%- endmacro %}

{% macro get_show_indexes_sql(relation) -%}{{ return(adapter.dispatch('get_show_indexes_sql', 'dbt')(relation)) }}{%- endmacro %}
{% macro default__get_show_indexes_sql(relation) -%}{%- do exceptions.raise_compiler_error('`get_show_indexes_sql` has not been implemented for this adapter.') -%}{%- endmacro %}

{% macro get_drop_index_sql(relation, index_name) -%}{{ adapter.dispatch('get_drop_index_sql', 'dbt')(relation, index_name) }}{%- endmacro %}
{% macro default__get_drop_index_sql(relation, index_name) -%}{%- do exceptions.raise_compiler_error('`get_drop_index_sql` has not been implemented for this adapter.') -%}{%- endmacro %}

{% macro drop_materialized_view(relation) -%}{{ adapter.dispatch('drop_materialized_view', 'dbt')(relation) }}{%- endmacro %}
{% macro default__drop_materialized_view(relation) -%}
    drop materialized view if exists {{ relation.render() }} cascade
{%- endmacro %}

{% macro get_rename_materialized_view_sql(relation, new_name) -%}{{ adapter.dispatch('get_rename_materialized_view_sql', 'dbt')(relation, new_name) }}{%- endmacro %}
{% macro default__get_rename_materialized_view_sql(relation, new_name) -%}{%- do exceptions.raise_compiler_error('`get_rename_materialized_view_sql` has not been implemented for this adapter.') -%}{%- endmacro %}

{% macro get_replace_materialized_view_sql(relation, sql) -%}{{ adapter.dispatch('get_replace_materialized_view_sql', 'dbt')(relation, sql) }}{%- endmacro %}
{% macro default__get_replace_materialized_view_sql(relation, sql) -%}{%- do exceptions.raise_compiler_error('`get_replace_materialized_view_sql` has not been implemented for this adapter.') -%}{%- endmacro %}

{% macro get_alter_materialized_view_as_sql(relation, configuration_changes, sql, existing_relation, backup_relation, intermediate_relation) -%}
    {%- do log('Applying ALTER to: ' ~ relation) -%}
    {{ adapter.dispatch('get_alter_materialized_view_as_sql', 'dbt')(relation, configuration_changes, sql, existing_relation, backup_relation, intermediate_relation) }}
{%- endmacro %}
{% macro default__get_alter_materialized_view_as_sql(relation, configuration_changes, sql, existing_relation, backup_relation, intermediate_relation) -%}{%- do exceptions.raise_compiler_error('`get_alter_materialized_view_as_sql` has not been implemented for this adapter.') -%}{%- endmacro %}

{# How a materialized view differs from its configuration; none where it does not. #}
{% macro get_materialized_view_configuration_changes(existing_relation, new_config) -%}
    {{ return(adapter.dispatch('get_materialized_view_configuration_changes', 'dbt')(existing_relation, new_config)) }}
{%- endmacro %}
{% macro default__get_materialized_view_configuration_changes(existing_relation, new_config) -%}{%- do exceptions.raise_compiler_error('`get_materialized_view_configuration_changes` has not been implemented for this adapter.') -%}{%- endmacro %}

{% materialization materialized_view, default %}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='materialized_view') -%}
    {%- set intermediate_relation = make_intermediate_relation(target_relation) -%}
    {%- set old_kind = 'materialized_view' if existing_relation is none else existing_relation.type -%}
    {%- set backup_relation = make_backup_relation(target_relation, old_kind) -%}
    {{ materialized_view_setup(backup_relation, intermediate_relation, pre_hooks) }}
    {%- set build_sql = materialized_view_get_build_sql(existing_relation, target_relation, backup_relation, intermediate_relation) -%}
    {%- if build_sql | trim == '' -%}
        {{ materialized_view_execute_no_op(target_relation) }}
    {%- else -%}
        {{ materialized_view_execute_build_sql(build_sql, existing_relation, target_relation, post_hooks) }}
    {%- endif -%}
    {{ materialized_view_teardown(backup_relation, intermediate_relation, post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% macro materialized_view_setup(backup_relation, intermediate_relation, pre_hooks) -%}
    {%- do drop_relation_if_exists(load_cached_relation(backup_relation)) -%}
    {%- do drop_relation_if_exists(load_cached_relation(intermediate_relation)) -%}
    {{ run_hooks(pre_hooks, inside_transaction=false) }}
{%- endmacro %}

{% macro materialized_view_teardown(backup_relation, intermediate_relation, post_hooks) -%}
    {%- do drop_relation_if_exists(backup_relation) -%}
    {%- do drop_relation_if_exists(intermediate_relation) -%}
    {{ run_hooks(post_hooks, inside_transaction=false) }}
{%- endmacro %}

{# The statement that brings the view up to date; the empty text where the project says to leave it. #}
{% macro materialized_view_get_build_sql(existing_relation, target_relation, backup_relation, intermediate_relation) -%}
    {%- if existing_relation is none -%}
        {{ return(get_create_materialized_view_as_sql(target_relation, sql)) }}
    {%- endif -%}
    {%- if should_full_refresh() or not existing_relation.is_materialized_view -%}
        {{ return(get_replace_sql(existing_relation, target_relation, sql)) }}
    {%- endif -%}
    {%- set changes = get_materialized_view_configuration_changes(existing_relation, config) -%}
    {%- if changes is none -%}
        {{ return(refresh_materialized_view(target_relation)) }}
    {%- endif -%}
    {%- set on_change = config.get('on_configuration_change', 'apply') -%}
    {%- set words = 'Configuration changes were identified and `on_configuration_change` was set to `' ~ on_change ~ '` for `' ~ target_relation.render() ~ '`' -%}
    {%- if on_change == 'apply' -%}
        {{ return(get_alter_materialized_view_as_sql(target_relation, changes, sql, existing_relation, backup_relation, intermediate_relation)) }}
    {%- elif on_change == 'continue' -%}
        {%- do exceptions.warn(words) -%}
        {{ return('') }}
    {%- elif on_change == 'fail' -%}
        {%- do exceptions.raise_fail_fast_error(words) -%}
    {%- endif -%}
    {%- do exceptions.raise_compiler_error('on_configuration_change is apply, continue or fail, not ' ~ on_change) -%}
{%- endmacro %}

{% macro materialized_view_execute_no_op(target_relation) -%}
    {%- do store_raw_result(name='main', message='skip ' ~ target_relation, code='skip', rows_affected='-1') -%}
{%- endmacro %}

{% macro materialized_view_execute_build_sql(build_sql, existing_relation, target_relation, post_hooks) -%}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}
    {%- call statement('main') -%}
        {{ build_sql }}
    {%- endcall -%}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing_relation, full_refresh_mode=true)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {%- do adapter.commit() -%}
{%- endmacro %}

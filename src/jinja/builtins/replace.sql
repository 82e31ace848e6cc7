{# Texts that put one relation in the place of another, for any kind of relation. #}

{% macro get_create_sql(relation, sql) -%}
    {%- do log('Applying CREATE to: ' ~ relation) -%}
    {{ adapter.dispatch('get_create_sql', 'dbt')(relation, sql) }}
{%- endmacro %}
{% macro default__get_create_sql(relation, sql) -%}
    {%- if relation.is_view -%}
        {{ get_create_view_as_sql(relation, sql) }}
    {%- elif relation.is_table -%}
        {{ get_create_table_as_sql(false, relation, sql) }}
    {%- elif relation.is_materialized_view -%}
        {{ get_create_materialized_view_as_sql(relation, sql) }}
    {%- else -%}
        {%- do exceptions.raise_compiler_error('`get_create_sql` has not been implemented for: ' ~ relation.type) -%}
    {%- endif -%}
{%- endmacro %}

{% macro get_create_intermediate_sql(relation, sql) -%}
    {%- do log('Applying CREATE INTERMEDIATE to: ' ~ relation) -%}
    {{ adapter.dispatch('get_create_intermediate_sql', 'dbt')(relation, sql) }}
{%- endmacro %}
{% macro default__get_create_intermediate_sql(relation, sql) -%}
    {%- set intermediate = make_intermediate_relation(relation) -%}
    {{ get_drop_sql(intermediate) }};
    {{ get_create_sql(intermediate, sql) }}
{%- endmacro %}

{% macro get_rename_intermediate_sql(relation) -%}
    {%- do log('Applying RENAME INTERMEDIATE to: ' ~ relation) -%}
    {{ adapter.dispatch('get_rename_intermediate_sql', 'dbt')(relation) }}
{%- endmacro %}
{% macro default__get_rename_intermediate_sql(relation) -%}
    {{ get_rename_sql(make_intermediate_relation(relation), relation.identifier) }}
{%- endmacro %}

{% macro get_create_backup_sql(relation) -%}
    {%- do log('Applying CREATE BACKUP to: ' ~ relation) -%}
    {{ adapter.dispatch('get_create_backup_sql', 'dbt')(relation) }}
{%- endmacro %}
{% macro default__get_create_backup_sql(relation) -%}
    {%- set backup = make_backup_relation(relation, relation.type) -%}
    {{ get_drop_sql(backup) }};
    {{ get_rename_sql(relation, backup.identifier) }}
{%- endmacro %}

{% macro get_drop_backup_sql(relation) -%}
    {%- do log('Applying DROP BACKUP to: ' ~ relation) -%}
    {{ adapter.dispatch('get_drop_backup_sql', 'dbt')(relation) }}
{%- endmacro %}
{% macro default__get_drop_backup_sql(relation) -%}
    {{ get_drop_sql(make_backup_relation(relation, relation.type)) }}
{%- endmacro %}

{% macro get_replace_sql(existing_relation, target_relation, sql) -%}
    {%- do log('Applying REPLACE to: ' ~ existing_relation) -%}
    {{ adapter.dispatch('get_replace_sql', 'dbt')(existing_relation, target_relation, sql) }}
{%- endmacro %}

{# In one statement where the kinds allow it; else aside and renamed, the old one kept until the
   new one is in place where it can be renamed too. #}
{% macro default__get_replace_sql(existing_relation, target_relation, sql) -%}
    {%- set steps = [] -%}
    {%- if existing_relation.type == target_relation.type and existing_relation.can_be_replaced -%}
        {%- if existing_relation.is_view -%}
            {%- do steps.append(get_replace_view_sql(target_relation, sql)) -%}
        {%- elif existing_relation.is_table -%}
            {%- do steps.append(get_replace_table_sql(target_relation, sql)) -%}
        {%- elif existing_relation.is_materialized_view -%}
            {%- do steps.append(get_replace_materialized_view_sql(target_relation, sql)) -%}
        {%- endif -%}
    {%- endif -%}
    {%- if not steps -%}
        {%- set is_aside = target_relation.can_be_renamed -%}
        {%- set is_kept = existing_relation.can_be_renamed -%}
        {%- if is_aside -%}
            {%- do steps.append(get_create_intermediate_sql(target_relation, sql)) -%}
        {%- endif -%}
        {%- do steps.append(get_create_backup_sql(existing_relation) if is_kept else get_drop_sql(existing_relation)) -%}
        {%- do steps.append(get_rename_intermediate_sql(target_relation) if is_aside else get_create_sql(target_relation, sql)) -%}
        {%- if is_kept -%}
            {%- do steps.append(get_drop_backup_sql(existing_relation)) -%}
        {%- endif -%}
    {%- endif -%}
    {{ steps | join(';\n    ') }}
{%- endmacro %}

{% macro get_replace_table_sql(relation, sql) -%}
    {{ adapter.dispatch('get_replace_table_sql', 'dbt')(relation, sql) }}
{%- endmacro %}
{% macro default__get_replace_table_sql(relation, sql) -%}
    {%- do exceptions.raise_compiler_error('`get_replace_table_sql` has not been implemented for this adapter.') -%}
{%- endmacro %}

{% macro get_replace_view_sql(relation, sql) -%}
    {{ adapter.dispatch('get_replace_view_sql', 'dbt')(relation, sql) }}
{%- endmacro %}
{% macro default__get_replace_view_sql(relation, sql) -%}
    {%- do exceptions.raise_compiler_error('`get_replace_view_sql` has not been implemented for this adapter.') -%}
{%- endmacro %}

{# A whole materialization for databases that replace views in one statement. #}
{% macro create_or_replace_view() -%}
    {%- set existing = adapter.get_relation(database=database, schema=schema, identifier=model['alias']) -%}
    {%- set target_relation = api.Relation.create(database=database, schema=schema, identifier=model['alias'], type='view') -%}
    {%- set grant_config = config.get('grants') -%}
    {{ run_hooks(pre_hooks) }}
    {%- if existing is not none and existing.is_table -%}
        {{ handle_existing_table(should_full_refresh(), existing) }}
    {%- endif -%}
    {%- call statement('main') -%}
        {{ get_create_view_as_sql(target_relation, sql) }}
    {%- endcall -%}
    {%- set is_view = existing is not none and existing.is_view -%}
    {%- do apply_grants(target_relation, grant_config, should_revoke=should_revoke(is_view, full_refresh_mode=true)) -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{%- endmacro %}

{% macro handle_existing_table(full_refresh, old_relation) -%}
    {{ adapter.dispatch('handle_existing_table', 'dbt')(full_refresh, old_relation) }}
{%- endmacro %}
{% macro default__handle_existing_table(full_refresh, old_relation) -%}
    {%- do log('Dropping relation ' ~ old_relation.render() ~ ' because it is of type ' ~ old_relation.type) -%}
    {%- do adapter.drop_relation(old_relation) -%}
{%- endmacro %}

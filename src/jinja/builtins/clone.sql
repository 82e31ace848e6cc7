{# Copies of another environment's relations. #}

{% macro can_clone_table() -%}
    {{ return(adapter.dispatch('can_clone_table', 'dbt')()) }}
{%- endmacro %}
{% macro default__can_clone_table() -%}
    {{ return(false) }}
{%- endmacro %}

{% macro create_or_replace_clone(this_relation, defer_relation) -%}
    {{ return(adapter.dispatch('create_or_replace_clone', 'dbt')(this_relation, defer_relation)) }}
{%- endmacro %}
{% macro default__create_or_replace_clone(this_relation, defer_relation) -%}
    create or replace table {{ this_relation.render() }} clone {{ defer_relation.render() }}
{%- endmacro %}

{# The macro of the same name answers for databases that copy tables without their rows. #}
{% materialization clone, default %}
    {%- set nothing = {'relations': []} -%}
    {%- if not defer_relation -%}
        {%- do log('No relation found in state manifest for ' ~ model.unique_id, info=true) -%}
        {{ return(nothing) }}
    {%- endif -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- if existing_relation and not flags.FULL_REFRESH -%}
        {%- do log('Relation ' ~ existing_relation ~ ' already exists', info=true) -%}
        {{ return(nothing) }}
    {%- endif -%}
    {%- set other = load_cached_relation(defer_relation) -%}
    {%- if not (other and other.type == 'table' and can_clone_table()) -%}
        {%- set specific = 'materialization_view_' ~ adapter.type() -%}
        {{ return(context[specific if specific in context else 'materialization_view_default']()) }}
    {%- endif -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- if existing_relation is not none and not existing_relation.is_table -%}
        {%- do log('Dropping relation ' ~ existing_relation.render() ~ ' because it is of type ' ~ existing_relation.type) -%}
        {%- do drop_relation_if_exists(existing_relation) -%}
    {%- endif -%}
    {%- if target_relation.render() == defer_relation.render() -%}
        {%- do log('Target relation and defer relation are the same, skipping clone for relation: ' ~ target_relation.render()) -%}
    {%- else -%}
        {%- call statement('main') -%}
            {{ create_or_replace_clone(target_relation, defer_relation) }}
        {%- endcall -%}
    {%- endif -%}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing_relation, full_refresh_mode=true)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{# PostgreSQL's statements for schemas and relations, and names that fit into 63 bytes. #}

{% macro postgres__create_schema(relation) -%}
    {%- if relation.database -%}{{ adapter.verify_database(relation.database) }}{%- endif -%}
    {%- call statement('create_schema') -%}
        create schema if not exists {{ relation.without_identifier().include(database=false) }}
    {%- endcall -%}
{%- endmacro %}

{% macro postgres__drop_schema(relation) -%}
    {%- if relation.database -%}{{ adapter.verify_database(relation.database) }}{%- endif -%}
    {%- call statement('drop_schema') -%}
        drop schema if exists {{ relation.without_identifier().include(database=false) }} cascade
    {%- endcall -%}
{%- endmacro %}

{% macro postgres__drop_table(relation) -%}
    drop table if exists {{ relation }} cascade
{%- endmacro %}

{% macro postgres__drop_view(relation) -%}
    drop view if exists {{ relation }} cascade
{%- endmacro %}

{% macro postgres__get_rename_table_sql(relation, new_name) -%}
    alter table {{ relation }} rename to {{ adapter.quote(new_name) }}
{%- endmacro %}

{% macro postgres__get_rename_view_sql(relation, new_name) -%}
    alter view {{ relation }} rename to {{ adapter.quote(new_name) }}
{%- endmacro %}

{% macro postgres__get_replace_table_sql(relation, sql) -%}
    {{ get_drop_sql(relation) }};
    {{ get_create_table_as_sql(false, relation, sql) }}
{%- endmacro %}

{% macro postgres__get_replace_view_sql(relation, sql) -%}
    {%- set sql_header = config.get('sql_header', none) -%}
    {{ sql_header if sql_header is not none }}
    create or replace view {{ relation }}
    {%- set contract = config.get('contract') %}
    {%- if contract and contract.enforced %}
    {{ get_assert_columns_equivalent(sql) }}
    {%- endif %}
    as (
        {{ sql }}
    );
{%- endmacro %}

{# The suffix is kept where the name would be too long; `dstring` adds the time of day. #}
{% macro postgres__make_relation_with_suffix(base_relation, suffix, dstring) -%}
    {%- if dstring -%}
        {%- set suffix = suffix ~ modules.datetime.datetime.now().strftime('%H%M%S%f') -%}
    {%- endif -%}
    {%- set limit = base_relation.relation_max_name_length() -%}
    {%- set length = suffix | length -%}
    {%- if length > limit -%}
        {%- do exceptions.raise_compiler_error('Relation suffix is too long (' ~ length ~ ' characters). Maximum length is ' ~ limit ~ ' characters.') -%}
    {%- endif -%}
    {{ return(base_relation.incorporate(path={'identifier': base_relation.identifier[:limit - length] ~ suffix})) }}
{%- endmacro %}

{% macro postgres__make_intermediate_relation(base_relation, suffix) -%}
    {{ return(postgres__make_relation_with_suffix(base_relation, suffix, dstring=false)) }}
{%- endmacro %}

{# Temporary tables live in a schema of the session. #}
{% macro postgres__make_temp_relation(base_relation, suffix) -%}
    {%- set named = postgres__make_relation_with_suffix(base_relation, suffix, dstring=true) -%}
    {{ return(named.incorporate(path={'schema': none, 'database': none})) }}
{%- endmacro %}

{% macro postgres__make_backup_relation(base_relation, backup_relation_type, suffix) -%}
    {{ return(postgres__make_relation_with_suffix(base_relation, suffix, dstring=false).incorporate(type=backup_relation_type)) }}
{%- endmacro %}

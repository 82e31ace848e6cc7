{# PostgreSQL's statements for tables, indexes, comments and grants. #}

{% macro postgres__create_table_as(temporary, relation, sql) -%}
    {%- set sql_header = config.get('sql_header', none) -%}
    {%- set has_contract = config.get('contract').enforced -%}
    {%- if has_contract -%}{%- do get_assert_columns_equivalent(sql) -%}{%- endif -%}
    {{ sql_header if sql_header is not none }}
    create {% if temporary %}temporary {% elif config.get('unlogged', false) %}unlogged {% endif %}table {{ relation }}
    {%- if has_contract and not temporary %}
    {{ get_table_columns_and_constraints() }} {{ table_storage_clause() }};
    insert into {{ relation }} (
        {{ adapter.dispatch('get_column_names', 'dbt')() }}
    )
    (
        {{ get_select_subquery(sql) }}
    );
    {%- else %}
    {{ table_storage_clause() if not temporary }}
    as (
        {{ sql }}
    );
    {%- endif %}
{%- endmacro %}

{% macro postgres__alter_relation_comment(relation, relation_comment) -%}
    comment on {{ (relation.type or 'table') | replace('_', ' ') }} {{ relation }} is {{ escape_comment(relation_comment) }};
{%- endmacro %}

{% macro postgres__alter_column_comment(relation, column_dict) -%}
    {%- set existing = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
    {%- set statements = [] -%}
    {%- for column_name in column_dict -%}
        {%- set column = column_dict[column_name] -%}
        {%- set found = existing_column(column_name, column.quote, existing) -%}
        {%- if found is not none and column.description -%}
            {%- do statements.append('comment on column ' ~ relation ~ '.' ~ adapter.quote(found) ~ ' is ' ~ escape_comment(column.description) ~ ';') -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(statements | join('\n')) }}
{%- endmacro %}

{# A relation that is replaced is a new one: what `grants` does not say is not carried over. #}
{% macro postgres__copy_grants() %}{{ return(false) }}{% endmacro %}

{% macro postgres__get_show_grant_sql(relation) -%}
    select
        coalesce(role.rolname, 'PUBLIC') as grantee,
        granted.privilege_type
    from pg_catalog.pg_class as class
    inner join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    cross join lateral pg_catalog.aclexplode(class.relacl) as granted
    left join pg_catalog.pg_roles as role on role.oid = granted.grantee
    where pg_catalog.pg_get_userbyid(granted.grantor) = current_role
        and granted.grantee <> granted.grantor
        and namespace.nspname = '{{ relation.schema | replace("'", "''") }}'
        and class.relname = '{{ relation.identifier | replace("'", "''") }}'
{%- endmacro %}

{# Without a name of its own PostgreSQL names the index after its table and columns. #}
{% macro postgres__get_create_index_sql(relation, index_dict) -%}
    {%- set index = adapter.parse_index(index_dict) -%}
    {%- set parameters = [] -%}
    {%- for key, value in (index['with'] or {}).items() -%}
        {%- do parameters.append(key ~ ' = ' ~ value) -%}
    {%- endfor -%}
    create {{ 'unique ' if index.unique }}index {{ 'concurrently ' if index.concurrently }}{{ 'if not exists ' ~ adapter.quote(index.name) ~ ' ' if index.name }}on {{ relation }}
    {{- ' using ' ~ index.type if index.type }} ({{ index.columns | join(', ') }})
    {{- ' include (' ~ index.include | join(', ') ~ ')' if index.include }}
    {{- ' nulls not distinct' if index.nulls_not_distinct }}
    {{- ' with (' ~ parameters | join(', ') ~ ')' if parameters }}
    {{- ' tablespace ' ~ adapter.quote(index.tablespace) if index.tablespace }}
    {{- ' where ' ~ index.where if index.where }}
{%- endmacro %}

{% macro postgres_escape_comment(comment) -%}{{ escape_comment(comment) }}{%- endmacro %}

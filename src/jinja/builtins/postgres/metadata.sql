{# PostgreSQL's catalog. #}

{% macro postgres__get_columns_in_relation(relation) -%}
    {%- call statement('get_columns_in_relation', fetch_result=true) -%}
        select column_name, data_type, character_maximum_length, numeric_precision, numeric_scale
        from {{ relation.information_schema('columns') }}
        where table_name = '{{ relation.identifier }}'
            {%- if relation.schema %}
            and table_schema = '{{ relation.schema }}'
            {%- endif %}
        order by ordinal_position
    {%- endcall -%}
    {{ return(sql_convert_columns_in_relation(load_result('get_columns_in_relation').table)) }}
{%- endmacro %}

{% macro postgres__information_schema_name(database) -%}
    {%- if database -%}{{ adapter.verify_database(database) }}{%- endif -%}
    information_schema
{%- endmacro %}

{% macro postgres__list_schemas(database) -%}
    {%- if database -%}{{ adapter.verify_database(database) }}{%- endif -%}
    {%- call statement('list_schemas', fetch_result=true, auto_begin=false) -%}
        select distinct nspname from pg_namespace
    {%- endcall -%}
    {{ return(load_result('list_schemas').table) }}
{%- endmacro %}

{% macro postgres__check_schema_exists(information_schema, schema) -%}
    {%- if information_schema.database -%}{{ adapter.verify_database(information_schema.database) }}{%- endif -%}
    {%- call statement('check_schema_exists', fetch_result=true, auto_begin=false) -%}
        select count(*) from pg_namespace where nspname = '{{ schema }}'
    {%- endcall -%}
    {{ return(load_result('check_schema_exists').table) }}
{%- endmacro %}

{% macro postgres__list_relations_without_caching(schema_relation) -%}
    {%- call statement('list_relations_without_caching', fetch_result=true) -%}
        select
            '{{ schema_relation.database }}' as database,
            pg_class.relname as name,
            pg_namespace.nspname as schema,
            case pg_class.relkind
                when 'v' then 'view'
                when 'm' then 'materialized_view'
                else 'table'
            end as type
        from pg_class
        inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
        where
            pg_class.relkind in ('r', 'p', 'v', 'm')
            and pg_namespace.nspname ilike '{{ schema_relation.schema }}'
        union all
        select distinct
            '{{ schema_relation.database }}',
            pg_proc.proname,
            pg_namespace.nspname,
            'function'
        from pg_proc
        inner join pg_namespace on pg_proc.pronamespace = pg_namespace.oid
        where pg_namespace.nspname ilike '{{ schema_relation.schema }}'
    {%- endcall -%}
    {{ return(load_result('list_relations_without_caching').table) }}
{%- endmacro %}

{# Which relation reads which: a view depends through its rewrite rule. #}
{% macro postgres__get_relations() -%}
    {%- call statement('relations', fetch_result=true) -%}
        select distinct
            dependent_schema.nspname as dependent_schema,
            dependent.relname as dependent_name,
            referenced_schema.nspname as referenced_schema,
            referenced.relname as referenced_name
        from pg_depend
        inner join pg_rewrite
            on pg_depend.classid = 'pg_rewrite'::regclass
            and pg_depend.objid = pg_rewrite.oid
        inner join pg_class as dependent on pg_rewrite.ev_class = dependent.oid
        inner join pg_namespace as dependent_schema on dependent.relnamespace = dependent_schema.oid
        inner join pg_class as referenced
            on pg_depend.refclassid = 'pg_class'::regclass
            and pg_depend.refobjid = referenced.oid
            and referenced.oid != dependent.oid
        inner join pg_namespace as referenced_schema on referenced.relnamespace = referenced_schema.oid
        where
            referenced_schema.nspname != 'information_schema'
            and not starts_with(referenced_schema.nspname, 'pg_')
        order by 1, 2, 3, 4
    {%- endcall -%}
    {{ return(load_result('relations').table) }}
{%- endmacro %}

{# An older name of the same. #}
{% macro postgres_get_relations() -%}
    {{ return(postgres__get_relations()) }}
{%- endmacro %}

{# A row a column: what `docs generate` shows. #}
{% macro postgres__get_catalog_relations(information_schema, relations) -%}
    {%- set database = information_schema.database -%}
    {%- do adapter.verify_database(database) -%}
    {%- set wanted = [] -%}
    {%- for relation in relations -%}
        {%- set condition = "upper(schemas.nspname) = upper('" ~ relation.schema ~ "')" -%}
        {%- if relation.identifier -%}
            {%- set condition = condition ~ " and upper(relations.relname) = upper('" ~ relation.identifier ~ "')" -%}
        {%- endif -%}
        {%- do wanted.append('(' ~ condition ~ ')') -%}
    {%- endfor -%}
    {%- call statement('catalog', fetch_result=true) -%}
        select
            '{{ database }}' as table_database,
            schemas.nspname as table_schema,
            relations.relname as table_name,
            case relations.relkind
                when 'v' then 'VIEW'
                when 'm' then 'MATERIALIZED VIEW'
                else 'BASE TABLE'
            end as table_type,
            obj_description(relations.oid, 'pg_class') as table_comment,
            attributes.attname as column_name,
            attributes.attnum as column_index,
            format_type(attributes.atttypid, attributes.atttypmod) as column_type,
            col_description(relations.oid, attributes.attnum) as column_comment,
            pg_get_userbyid(relations.relowner) as table_owner
        from pg_class as relations
        inner join pg_namespace as schemas on relations.relnamespace = schemas.oid
        inner join pg_attribute as attributes on relations.oid = attributes.attrelid
        where
            ({{ wanted | join(' or ') if wanted else 'false' }})
            and not pg_is_other_temp_schema(schemas.oid)
            and relations.relpersistence in ('p', 'u')
            and relations.relkind in ('r', 'v', 'f', 'p', 'm')
            and attributes.attnum > 0
            and not attributes.attisdropped
        order by schemas.nspname, relations.relname, attributes.attnum
    {%- endcall -%}
    {{ return(load_result('catalog').table) }}
{%- endmacro %}

{% macro postgres__get_catalog(information_schema, schemas) -%}
    {%- set relations = [] -%}
    {%- for schema in schemas -%}
        {%- do relations.append({'schema': schema}) -%}
    {%- endfor -%}
    {{ return(postgres__get_catalog_relations(information_schema, relations)) }}
{%- endmacro %}

{# Statements that make, change and drop relations. #}

{% macro create_table_as(temporary, relation, compiled_code, language='sql') -%}
    {{ adapter.dispatch('create_table_as', 'dbt')(temporary, relation, compiled_code) }}
{%- endmacro %}
{% macro default__create_table_as(temporary, relation, sql) -%}
    {%- set sql_header = config.get('sql_header', none) -%}
    {%- set has_contract = config.get('contract').enforced -%}
    {%- if has_contract -%}{%- do get_assert_columns_equivalent(sql) -%}{%- endif -%}
    {{ sql_header if sql_header is not none }}
    create {{ 'temporary ' if temporary }}table {{ relation.include(database=not temporary, schema=not temporary) }}
    {%- if has_contract and not temporary %}
    {{ get_table_columns_and_constraints() }}
    {%- set sql = get_select_subquery(sql) -%}
    {%- endif %}
    as (
        {{ sql }}
    );
{%- endmacro %}

{# Storage parameters and the tablespace of a new table or materialized view. #}
{% macro table_storage_clause() -%}
    {%- set parameters = [] -%}
    {%- for key, value in (config.get('storage_parameters') or {}).items() -%}
        {%- do parameters.append(key ~ ' = ' ~ value) -%}
    {%- endfor -%}
    {{ 'with (' ~ parameters | join(', ') ~ ')' if parameters }}{{ ' tablespace ' ~ adapter.quote(config.get('tablespace')) if config.get('tablespace') }}
{%- endmacro %}

{% macro get_create_table_as_sql(temporary, relation, sql) -%}
    {{ adapter.dispatch('get_create_table_as_sql', 'dbt')(temporary, relation, sql) }}
{%- endmacro %}
{% macro default__get_create_table_as_sql(temporary, relation, sql) -%}
    {{ return(create_table_as(temporary, relation, sql)) }}
{%- endmacro %}

{% macro create_view_as(relation, sql) -%}{{ adapter.dispatch('create_view_as', 'dbt')(relation, sql) }}{%- endmacro %}
{% macro default__create_view_as(relation, sql) -%}
    {%- set sql_header = config.get('sql_header', none) -%}
    {%- if config.get('contract').enforced -%}{%- do get_assert_columns_equivalent(sql) -%}{%- endif -%}
    {{ sql_header if sql_header is not none }}
    create view {{ relation }} as (
        {{ sql }}
    );
{%- endmacro %}

{% macro get_create_view_as_sql(relation, sql) -%}
    {{ adapter.dispatch('get_create_view_as_sql', 'dbt')(relation, sql) }}
{%- endmacro %}
{% macro default__get_create_view_as_sql(relation, sql) -%}
    {{ return(create_view_as(relation, sql)) }}
{%- endmacro %}

{% macro get_create_index_sql(relation, index_dict) -%}{{ return(adapter.dispatch('get_create_index_sql', 'dbt')(relation, index_dict)) }}{% endmacro %}
{% macro default__get_create_index_sql(relation, index_dict) -%}{{ return(none) }}{%- endmacro %}

{% macro create_indexes(relation) -%}{{ adapter.dispatch('create_indexes', 'dbt')(relation) }}{%- endmacro %}
{% macro default__create_indexes(relation) -%}
    {%- for index_dict in config.get('indexes', default=[]) -%}
        {%- set create_index_sql = get_create_index_sql(relation, index_dict) -%}
        {%- if create_index_sql -%}
            {%- do run_query(create_index_sql) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{% macro alter_relation_comment(relation, relation_comment) -%}{{ return(adapter.dispatch('alter_relation_comment', 'dbt')(relation, relation_comment)) }}{% endmacro %}
{% macro default__alter_relation_comment(relation, relation_comment) -%}{%- do exceptions.raise_not_implemented('alter_relation_comment macro not implemented for adapter ' ~ adapter.type()) -%}{%- endmacro %}

{% macro alter_column_comment(relation, column_dict) -%}{{ return(adapter.dispatch('alter_column_comment', 'dbt')(relation, column_dict)) }}{% endmacro %}
{% macro default__alter_column_comment(relation, column_dict) -%}{%- do exceptions.raise_not_implemented('alter_column_comment macro not implemented for adapter ' ~ adapter.type()) -%}{%- endmacro %}

{# The column's name as the database has it: without quotes, the case of letters does not count. #}
{% macro existing_column(column_name, is_quoted, existing) %}
    {%- if column_name in existing -%}
        {{ return(column_name) }}
    {%- endif -%}
    {%- if not is_quoted -%}
        {%- for name in existing if name | lower == column_name | lower -%}
            {{ return(name) }}
        {%- endfor -%}
    {%- endif -%}
    {{ return(none) }}
{% endmacro %}

{% macro escape_comment(comment) -%}
    {%- if comment is not string -%}
        {%- do exceptions.raise_compiler_error('a description is text, not ' ~ comment) -%}
    {%- endif -%}
    {{ "E'" if '\\' in comment else "'" }}{{ comment | replace("'", "''") | replace('\\', '\\\\') }}'
{%- endmacro %}

{# The documented columns that the relation has; a warning names the others. #}
{% macro validate_doc_columns(relation, column_dict, existing_column_names) %}
    {%- set known = {} -%}
    {%- set missing = [] -%}
    {%- for column_name in column_dict -%}
        {%- if existing_column(column_name, column_dict[column_name].quote, existing_column_names) is not none -%}
            {%- do known.update({column_name: column_dict[column_name]}) -%}
        {%- else -%}
            {%- do missing.append(column_name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if missing -%}
        {%- do exceptions.warn('In relation ' ~ this ~ ': The following columns are specified in the schema but are not present in the database: ' ~ missing | join(', ')) -%}
    {%- endif -%}
    {{ return(known) }}
{% endmacro %}

{% macro persist_docs(relation, model, for_relation=true, for_columns=true) -%}
    {{ return(adapter.dispatch('persist_docs', 'dbt')(relation, model, for_relation, for_columns)) }}
{%- endmacro %}
{% macro default__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- if for_relation and config.persist_relation_docs() and model.description -%}
        {%- do run_query(alter_relation_comment(relation, model.description)) -%}
    {%- endif -%}
    {%- if for_columns and config.persist_column_docs() and model.columns -%}
        {%- set existing = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
        {%- set known = validate_doc_columns(relation, model.columns, existing) -%}
        {%- set comments = alter_column_comment(relation, known) -%}
        {%- if comments | trim -%}{%- do run_query(comments) -%}{%- endif -%}
    {%- endif -%}
{%- endmacro %}

{# True where a relation that is replaced keeps its grants. #}
{% macro copy_grants() %}{{ return(adapter.dispatch('copy_grants', 'dbt')()) }}{% endmacro %}
{% macro default__copy_grants() %}{{ return(true) }}{% endmacro %}

{% macro support_multiple_grantees_per_dcl_statement() %}{{ return(adapter.dispatch('support_multiple_grantees_per_dcl_statement', 'dbt')()) }}{% endmacro %}
{% macro default__support_multiple_grantees_per_dcl_statement() %}{{ return(true) }}{% endmacro %}

{% macro should_revoke(existing_relation, full_refresh_mode=true) %}
    {%- if not existing_relation -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(copy_grants() if full_refresh_mode else true) }}
{% endmacro %}

{% macro get_show_grant_sql(relation) -%}{{ return(adapter.dispatch('get_show_grant_sql', 'dbt')(relation)) }}{% endmacro %}
{% macro default__get_show_grant_sql(relation) -%}show grants on {{ relation.render() }}{%- endmacro %}

{# Role names that PostgreSQL would not read as they are written get quotes. #}
{% macro quoted_grantees(grantees) -%}
    {%- set names = [] -%}
    {%- for grantee in grantees -%}
        {%- set is_plain = grantee | lower == 'public' or modules.re.match('^([A-Za-z_][A-Za-z0-9_$]*|".*")$', grantee) -%}
        {%- do names.append(grantee if is_plain else adapter.quote(grantee)) -%}
    {%- endfor -%}
    {{ return(names | join(', ')) }}
{%- endmacro %}

{% macro get_grant_sql(relation, privilege, grantees) -%}{{ return(adapter.dispatch('get_grant_sql', 'dbt')(relation, privilege, grantees)) }}{% endmacro %}
{% macro default__get_grant_sql(relation, privilege, grantees) -%}
    grant {{ privilege }} on {{ relation }} to {{ quoted_grantees(grantees) }}
{%- endmacro %}

{% macro get_revoke_sql(relation, privilege, grantees) -%}{{ return(adapter.dispatch('get_revoke_sql', 'dbt')(relation, privilege, grantees)) }}{% endmacro %}
{% macro default__get_revoke_sql(relation, privilege, grantees) -%}
    {%- set names = [] -%}
    {%- for grantee in grantees -%}
        {%- do names.append('public' if grantee | lower == 'public' else adapter.quote(grantee)) -%}
    {%- endfor -%}
    revoke {{ privilege }} on {{ relation }} from {{ names | join(', ') }}
{%- endmacro %}

{% macro get_dcl_statement_list(relation, grant_config, get_dcl_macro) -%}{{ return(adapter.dispatch('get_dcl_statement_list', 'dbt')(relation, grant_config, get_dcl_macro)) }}{% endmacro %}
{% macro default__get_dcl_statement_list(relation, grant_config, get_dcl_macro) -%}
    {%- set statements = [] -%}
    {%- for privilege, grantees in grant_config.items() -%}
        {%- set grantees = [grantees] if grantees is string else grantees -%}
        {%- if grantees and support_multiple_grantees_per_dcl_statement() -%}
            {%- do statements.append(get_dcl_macro(relation, privilege, grantees)) -%}
        {%- else -%}
            {%- for grantee in grantees or [] -%}
                {%- do statements.append(get_dcl_macro(relation, privilege, [grantee])) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(statements) }}
{%- endmacro %}

{% macro call_dcl_statements(dcl_statement_list) -%}{{ return(adapter.dispatch('call_dcl_statements', 'dbt')(dcl_statement_list)) }}{% endmacro %}
{% macro default__call_dcl_statements(dcl_statement_list) -%}
    {%- call statement('grants') -%}
        {%- for dcl_statement in dcl_statement_list %}
        {{ dcl_statement }};
        {%- endfor %}
    {%- endcall -%}
{%- endmacro %}

{% macro apply_grants(relation, grant_config, should_revoke=true) -%}{{ return(adapter.dispatch('apply_grants', 'dbt')(relation, grant_config, should_revoke)) }}{% endmacro %}
{% macro default__apply_grants(relation, grant_config, should_revoke=true) -%}
    {%- if grant_config -%}
        {%- set wanted = grant_config -%}
        {%- set unwanted = {} -%}
        {%- if should_revoke -%}
            {%- set present = adapter.standardize_grants_dict(run_query(get_show_grant_sql(relation))) -%}
            {%- set wanted = diff_of_two_dicts(grant_config, present) -%}
            {%- set unwanted = diff_of_two_dicts(present, grant_config) -%}
            {%- if not wanted and not unwanted -%}
                {%- do log('On ' ~ relation ~ ': All grants are in place, no revocation or granting needed.') -%}
            {%- endif -%}
        {%- endif -%}
        {%- set statements = get_dcl_statement_list(relation, unwanted, get_revoke_sql)
            + get_dcl_statement_list(relation, wanted, get_grant_sql) -%}
        {%- if statements -%}
            {%- do call_dcl_statements(statements) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

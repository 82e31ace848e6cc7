{# Rows of a unit test as queries. #}

{# The rows given for an input; columns that a row leaves out are null. #}
{% macro get_fixture_sql(rows, column_name_to_data_types) -%}
    {%- set types = {} -%}
    {%- set quoted = {} -%}
    {%- if column_name_to_data_types -%}
        {%- do types.update(column_name_to_data_types) -%}
    {%- else -%}
        {%- set known = defer_relation if defer_relation and not load_relation(this) else this -%}
        {%- for column in adapter.get_columns_in_relation(known) -%}
            {%- do types.update({column.name | lower: column.data_type}) -%}
            {%- do quoted.update({column.name | lower: column.quoted}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if not types -%}
        {%- do exceptions.raise_compiler_error("Not able to get columns for unit test '" ~ model.name ~ "' from relation " ~ this ~ " because the relation doesn't exist") -%}
    {%- endif -%}
    {%- do validate_fixture_rows(rows, none) -%}
    {%- set blank = {} -%}
    {%- for name, type in types.items() -%}
        {%- do blank.update({name: safe_cast('null', type) | trim}) -%}
    {%- endfor -%}
    {%- set queries = [] -%}
    {%- for row in rows or [{}] -%}
        {%- set values = blank.copy() -%}
        {%- do values.update(format_row(row, types)) -%}
        {%- set shown = [] -%}
        {%- for name, value in values.items() -%}
            {%- do shown.append((value | trim) ~ ' as ' ~ quoted.get(name, name)) -%}
        {%- endfor -%}
        {%- do queries.append('select ' ~ shown | join(', ')) -%}
    {%- endfor -%}
-- Fixture for {{ model.name }}
{{ queries | join('\nunion all\n') }}
    {%- if not rows %}
limit 0
    {%- endif -%}
{%- endmacro %}

{% macro get_expected_sql(rows, column_name_to_data_types, column_name_to_quoted) -%}
    {%- if not rows -%}
select * from dbt_internal_unit_test_actual
limit 0
    {%- else -%}
        {%- set queries = [] -%}
        {%- for row in rows -%}
            {%- set shown = [] -%}
            {%- for name, value in format_row(row, column_name_to_data_types).items() -%}
                {%- do shown.append((value | trim) ~ ' as ' ~ column_name_to_quoted[name]) -%}
            {%- endfor -%}
            {%- do queries.append('select ' ~ shown | join(', ')) -%}
        {%- endfor -%}
{{ queries | join('\nunion all\n') }}
    {%- endif -%}
{%- endmacro %}

{# A row as SQL values, cast to the types of their columns; names in lower case. #}
{% macro format_row(row, column_name_to_data_types) -%}
    {%- set formatted = {} -%}
    {%- for given_name, value in row.items() -%}
        {%- set name = given_name | lower -%}
        {%- if name not in column_name_to_data_types -%}
            {%- set fixture = 'expected output' if model.resource_type == 'unit_test' else "'" ~ model.name ~ "'" -%}
            {%- do exceptions.raise_compiler_error(
                "Invalid column name: '" ~ name ~ "' in unit test fixture for " ~ fixture ~ '.\nAccepted columns for '
                ~ fixture ~ ' are: ' ~ (column_name_to_data_types.keys() | list)
            ) -%}
        {%- endif -%}
        {%- set type = column_name_to_data_types[name] -%}
        {%- if value is string -%}
            {%- set shown = dbt.string_literal(dbt.escape_single_quotes(value)) -%}
            {# A limited length would cut the value off without a word. #}
            {%- set type = type.split('(')[0] if 'varying' in type else type -%}
        {%- else -%}
            {%- set shown = 'null' if value is none else value -%}
        {%- endif -%}
        {%- do formatted.update({name: safe_cast(shown, type)}) -%}
    {%- endfor -%}
    {{ return(formatted) }}
{%- endmacro %}

{% macro validate_fixture_rows(rows, row_number) -%}
    {{ return(adapter.dispatch('validate_fixture_rows', 'dbt')(rows, row_number)) }}
{%- endmacro %}
{% macro default__validate_fixture_rows(rows, row_number) -%}
{%- endmacro %}

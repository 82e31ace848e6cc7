{# Runs SQL against the target and keeps what came back. #}

{% macro statement(name=none, fetch_result=false, auto_begin=true, language='sql') -%}
    {%- if execute -%}
        {%- set compiled_code = caller() -%}
        {%- if name == 'main' -%}
            {%- do write(compiled_code) -%}
        {%- endif -%}
        {%- if language != 'sql' -%}
            {%- do exceptions.raise_compiler_error("statement macro didn't get supported language") -%}
        {%- endif -%}
        {%- set response, table = adapter.execute(compiled_code, auto_begin=auto_begin, fetch=fetch_result) -%}
        {%- if name is not none -%}
            {%- do store_result(name, response=response, agate_table=table) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{# Records a result for SQL that ran in another way. #}
{% macro noop_statement(name=none, message=none, code=none, rows_affected=none, res=none) -%}
    {%- set sql = caller() -%}
    {%- if name == 'main' -%}
        {%- do write(sql) -%}
    {%- endif -%}
    {%- if name is not none -%}
        {%- do store_raw_result(name, message=message, code=code, rows_affected=rows_affected, agate_table=res) -%}
    {%- endif -%}
{%- endmacro %}

{% macro run_query(sql) -%}
    {%- call statement('run_query_statement', fetch_result=true, auto_begin=false) -%}
        {{ sql }}
    {%- endcall -%}
    {%- set result = load_result('run_query_statement') -%}
    {{ return(result.table if result else none) }}
{%- endmacro %}

{# The hooks of one side of the transaction; those outside end the one that may be open. #}
{% macro run_hooks(hooks, inside_transaction=true) -%}
    {%- for hook in hooks if (hook.transaction if hook.transaction is defined else true) == inside_transaction -%}
        {%- if loop.first and not inside_transaction -%}
            {%- call statement(auto_begin=false) -%}commit;{%- endcall -%}
        {%- endif -%}
        {%- set hook_sql = render(hook.sql) | trim -%}
        {%- if hook_sql -%}
            {%- call statement(auto_begin=inside_transaction) -%}{{ hook_sql }}{%- endcall -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{% macro make_hook_config(sql, inside_transaction) %}
    {{ tojson({'sql': sql, 'transaction': inside_transaction}) }}
{% endmacro %}

{% macro before_begin(sql) %}
    {{ make_hook_config(sql, inside_transaction=false) }}
{% endmacro %}

{% macro in_transaction(sql) %}
    {{ make_hook_config(sql, inside_transaction=true) }}
{% endmacro %}

{% macro after_commit(sql) %}
    {{ make_hook_config(sql, inside_transaction=false) }}
{% endmacro %}

{% macro set_sql_header(config) -%}
    {{ config.set('sql_header', caller()) }}
{%- endmacro %}

{% macro validate_sql(sql) -%}
    {{ return(adapter.dispatch('validate_sql', 'dbt')(sql)) }}
{%- endmacro %}
{% macro default__validate_sql(sql) -%}
    {%- call statement('validate_sql') -%}
        explain {{ sql }}
    {%- endcall -%}
    {{ return(load_result('validate_sql')) }}
{%- endmacro %}

{% macro is_core_v2() -%}
    {{ return((dbt_version.split('.')[0] | int) == 2) }}
{%- endmacro %}

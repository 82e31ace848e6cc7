{# Runs SQL against the target and keeps what came back. #}

{% macro statement(name=none, fetch_result=false, auto_begin=true, language='sql') -%}
    {%- if execute -%}
        {%- if language != 'sql' -%}
            {%- do exceptions.raise_compiler_error("a statement is written in sql, not in " ~ language) -%}
        {%- endif -%}
        {%- set statement_sql = caller() -%}
        {%- set answer = adapter.execute(statement_sql, auto_begin=auto_begin, fetch=fetch_result) -%}
        {%- if name is not none -%}
            {%- do store_result(name, response=answer[0], agate_table=answer[1]) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro noop_statement(name=none, message=none, code=none, rows_affected=none, res=none) -%}
    {%- if name is not none -%}
        {%- do store_raw_result(name, message=message, code=code, rows_affected=rows_affected, agate_table=res) -%}
    {%- endif -%}
{%- endmacro %}

{% macro run_query(sql) %}
    {%- call statement('run_query_statement', fetch_result=true, auto_begin=false) -%}
        {{- sql -}}
    {%- endcall -%}
    {%- set result = load_result('run_query_statement') -%}
    {%- do return(result.table if result is not none else none) -%}
{% endmacro %}

{% macro run_hooks(hooks, inside_transaction=true) %}
    {%- for hook in hooks if (hook.transaction if hook.transaction is defined else true) == inside_transaction -%}
        {%- set hook_sql = render(hook.sql) | trim -%}
        {%- if hook_sql -%}
            {%- call statement(auto_begin=inside_transaction) -%}{{ hook_sql }}{%- endcall -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}

{% macro make_hook_config(sql, inside_transaction) %}
    {%- do return(tojson({'sql': sql, 'transaction': inside_transaction})) -%}
{% endmacro %}

{% macro before_begin(sql) %}
    {{- make_hook_config(sql, inside_transaction=false) -}}
{% endmacro %}

{% macro in_transaction(sql) %}
    {{- make_hook_config(sql, inside_transaction=true) -}}
{% endmacro %}

{% macro after_commit(sql) %}
    {{- make_hook_config(sql, inside_transaction=false) -}}
{% endmacro %}

{% macro set_sql_header(config) %}
    {{- config.set('sql_header', caller()) -}}
{% endmacro %}

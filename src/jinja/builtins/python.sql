{# Python models: PostgreSQL runs none, and says so where a template asks for their code. #}

{% macro resolve_model_name(input_model_name) -%}
    {{ return(adapter.dispatch('resolve_model_name', 'dbt')(input_model_name)) }}
{%- endmacro %}
{% macro default__resolve_model_name(input_model_name) -%}
    {{ input_model_name | string | replace('"', '\\"') }}
{%- endmacro %}

{% macro py_script_comment() %}{% endmacro %}

{% macro build_ref_function(model) -%}
    {{ _no_python() }}
{%- endmacro %}

{% macro build_source_function(model) -%}
    {{ _no_python() }}
{%- endmacro %}

{% macro build_config_dict(model) -%}
    {{ _no_python() }}
{%- endmacro %}

{% macro py_script_postfix(model) -%}
    {{ _no_python() }}
{%- endmacro %}

{% macro _no_python() -%}
    {%- do exceptions.raise_not_implemented('python models do not run on ' ~ adapter.type()) -%}
{%- endmacro %}

{# Gives the planner fresh statistics: the rules join tables that were made a moment ago. #}
{% macro analyze_table() -%}
    {%- if config.get('materialized') != 'view' -%}
        analyze {{ this }}
    {%- endif -%}
{%- endmacro %}

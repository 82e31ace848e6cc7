{# PostgreSQL lets an argument have a default, and so does the common form. #}

{% macro postgres__formatted_scalar_function_args_sql() -%}
    {{ return(default__formatted_scalar_function_args_sql()) }}
{%- endmacro %}

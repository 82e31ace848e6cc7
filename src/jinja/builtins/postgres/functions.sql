{# PostgreSQL's spelling of the functions that databases write differently. #}

{# min() stands for any value: any_value() came with version 16. #}
{% macro postgres__any_value(expression) -%}
    min({{ expression }})
{%- endmacro %}

{% macro postgres__equals(expr1, expr2) -%}
    {%- if flags.ENABLE_TRUTHY_NULLS_EQUALS_MACRO %}
    ({{ expr1 }} IS NOT DISTINCT FROM {{ expr2 }})
    {%- else -%}
    ({{ expr1 }} = {{ expr2 }})
    {%- endif -%}
{%- endmacro %}

{% macro postgres__dateadd(datepart, interval, from_date_or_timestamp) %}

    {{ from_date_or_timestamp }} + ((interval '1 {{ datepart }}') * ({{ interval }}))

{% endmacro %}

{# Counts the boundaries of the part between the two: each part is counted through the next
   larger one, and what the clocks show of the part itself. #}
{% macro postgres__datediff(first_date, second_date, datepart) -%}
    {%- set shown = namespace(text='') -%}
    {%- set parts = {
        'quarter': ('year', '4', 'date', false),
        'month': ('year', '12', 'date', false),
        'hour': ('day', '24', 'timestamp', false),
        'minute': ('hour', '60', 'timestamp', false),
        'second': ('minute', '60', 'timestamp', true),
        'millisecond': ('minute', '60000', 'timestamp', true),
        'microsecond': ('minute', '60000000', 'timestamp', true),
    } -%}
    {%- if datepart == 'year' -%}
        {%- set shown.text = "(date_part('year', (" ~ second_date ~ ")::date) - date_part('year', (" ~ first_date ~ ")::date))" -%}
    {%- elif datepart == 'day' -%}
        {%- set shown.text = '((' ~ second_date ~ ')::date - (' ~ first_date ~ ')::date)' -%}
    {%- elif datepart == 'week' -%}
        {%- set shown.text -%}
        ({{ datediff(first_date, second_date, 'day') }} / 7 + case
            when date_part('dow', ({{ first_date }})::timestamp) <= date_part('dow', ({{ second_date }})::timestamp) then
                case when {{ first_date }} <= {{ second_date }} then 0 else -1 end
            else
                case when {{ first_date }} <= {{ second_date }} then 1 else 0 end
        end)
        {%- endset -%}
    {%- elif datepart in parts -%}
        {%- set larger, factor, type, is_floored = parts[datepart] -%}
        {%- set opened, closed = ('floor(', ')') if is_floored else ('', '') -%}
        {%- set shown.text = '(' ~ datediff(first_date, second_date, larger) ~ ' * ' ~ factor
            ~ ' + ' ~ opened ~ "date_part('" ~ datepart ~ "', (" ~ second_date ~ ')::' ~ type ~ ')' ~ closed
            ~ ' - ' ~ opened ~ "date_part('" ~ datepart ~ "', (" ~ first_date ~ ')::' ~ type ~ '))' ~ closed -%}
    {%- else -%}
        {%- do exceptions.raise_compiler_error("Unsupported datepart for macro datediff in postgres: '" ~ datepart ~ "'") -%}
    {%- endif -%}
    {{ '\n        ' ~ shown.text ~ '\n    ' }}
{%- endmacro %}

{% macro postgres__last_day(date, datepart) -%}
    {%- if datepart != 'quarter' -%}
    {{ dbt.default_last_day(date, datepart) }}
    {%- else -%}
    -- postgres dateadd does not support quarter interval.
    cast(
        {{ dbt.dateadd('day', '-1', dbt.dateadd('month', '3', dbt.date_trunc(datepart, date))) }}
        as date)
    {%- endif -%}
{%- endmacro %}

{% macro postgres__listagg(measure, delimiter_text, order_by_clause, limit_num) -%}
    {%- set ordered = order_by_clause if order_by_clause else '' -%}
    {%- if limit_num -%}
    array_to_string(
        (array_agg(
            {{ measure }}
            {{ ordered }}
        ))[1:{{ limit_num }}],
        {{ delimiter_text }}
        )
    {%- else %}
    string_agg(
        {{ measure }},
        {{ delimiter_text }}
        {{ ordered }}
        )
    {%- endif %}
{%- endmacro %}

{% macro postgres__split_part(string_text, delimiter_text, part_number) %}

  {{ '' }}
    {{ dbt.default__split_part(string_text, delimiter_text, part_number) if part_number >= 0 else dbt._split_part_negative(string_text, delimiter_text, part_number) }}
  {{ '' }}

{% endmacro %}

{% macro postgres__current_timestamp() -%}
    now()
{%- endmacro %}

{% macro postgres__current_timestamp_backcompat() %}
    current_timestamp::{{ type_timestamp() }}
{% endmacro %}

{% macro postgres__current_timestamp_in_utc_backcompat() %}
    (current_timestamp at time zone 'utc')::{{ type_timestamp() }}
{% endmacro %}

{% macro postgres__snapshot_get_time() -%}
    {{ current_timestamp() }}::timestamp without time zone
{%- endmacro %}

{# Type names, as this database writes them. #}

{% macro type_string() %}{{ return(adapter.dispatch('type_string', 'dbt')()) }}{% endmacro %}
{% macro default__type_string() %}{{ return(api.Column.translate_type('string')) }}{% endmacro %}

{% macro type_timestamp() %}{{ return(adapter.dispatch('type_timestamp', 'dbt')()) }}{% endmacro %}
{% macro default__type_timestamp() %}{{ return('timestamp without time zone') }}{% endmacro %}

{% macro type_float() %}{{ return(adapter.dispatch('type_float', 'dbt')()) }}{% endmacro %}
{% macro default__type_float() %}{{ return(api.Column.translate_type('float')) }}{% endmacro %}

{% macro type_numeric() %}{{ return(adapter.dispatch('type_numeric', 'dbt')()) }}{% endmacro %}
{% macro default__type_numeric() %}{{ return(api.Column.numeric_type('numeric', 28, 6)) }}{% endmacro %}

{% macro type_bigint() %}{{ return(adapter.dispatch('type_bigint', 'dbt')()) }}{% endmacro %}
{% macro default__type_bigint() %}{{ return('bigint') }}{% endmacro %}

{% macro type_int() %}{{ return(adapter.dispatch('type_int', 'dbt')()) }}{% endmacro %}
{% macro default__type_int() %}{{ return(api.Column.translate_type('integer')) }}{% endmacro %}

{% macro type_boolean() %}{{ return(adapter.dispatch('type_boolean', 'dbt')()) }}{% endmacro %}
{% macro default__type_boolean() %}{{ return(api.Column.translate_type('boolean')) }}{% endmacro %}

{% macro current_timestamp() -%}{{ adapter.dispatch('current_timestamp', 'dbt')() }}{%- endmacro %}
{% macro default__current_timestamp() -%}now(){%- endmacro %}

{% macro current_timestamp_backcompat() -%}{{ adapter.dispatch('current_timestamp_backcompat', 'dbt')() }}{%- endmacro %}
{% macro default__current_timestamp_backcompat() -%}current_timestamp::timestamp without time zone{%- endmacro %}

{% macro current_timestamp_in_utc_backcompat() -%}{{ adapter.dispatch('current_timestamp_in_utc_backcompat', 'dbt')() }}{%- endmacro %}
{% macro default__current_timestamp_in_utc_backcompat() -%}(current_timestamp at time zone 'utc')::timestamp without time zone{%- endmacro %}

{% macro snapshot_get_time() -%}{{ adapter.dispatch('snapshot_get_time', 'dbt')() }}{%- endmacro %}
{% macro default__snapshot_get_time() -%}{{ current_timestamp() }}::timestamp without time zone{%- endmacro %}

{% macro get_snapshot_get_time_data_type() %}
    {{ return('timestamp without time zone') }}
{% endmacro %}

{% macro convert_datetime(date_str, date_fmt) %}
    {{ return(modules.datetime.datetime.strptime(date_str, date_fmt)) }}
{% endmacro %}

{% macro dates_in_range(start_date_str, end_date_str=none, in_fmt='%Y%m%d', out_fmt='%Y%m%d') %}
    {%- set first = convert_datetime(start_date_str, in_fmt) -%}
    {%- set last = convert_datetime(end_date_str if end_date_str is not none else start_date_str, in_fmt) -%}
    {%- set day_count = (last - first).days -%}
    {%- if day_count < 0 -%}
        {%- do exceptions.raise_compiler_error('the range of dates ends before it starts: ' ~ start_date_str ~ ' to ' ~ end_date_str) -%}
    {%- endif -%}
    {%- set dates = [] -%}
    {%- for day in range(day_count + 1) -%}
        {%- do dates.append((first + modules.datetime.timedelta(days=day)).strftime(out_fmt)) -%}
    {%- endfor -%}
    {{ return(dates) }}
{% endmacro %}

{% macro partition_range(raw_partition_date, date_fmt='%Y%m%d') %}
    {%- set parts = (raw_partition_date | string).split(',') -%}
    {%- if parts | length > 2 -%}
        {%- do exceptions.raise_compiler_error('a range of dates is one date, or two with a comma: ' ~ raw_partition_date) -%}
    {%- endif -%}
    {{ return(dates_in_range(parts[0], parts[-1], in_fmt=date_fmt)) }}
{% endmacro %}

{% macro py_current_timestring() %}
    {{ return(modules.datetime.datetime.now().strftime('%Y%m%d%H%M%S%f')) }}
{% endmacro %}

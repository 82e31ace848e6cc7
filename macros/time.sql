{# Nanoseconds, as a whole number, for a duration in seconds. #}
{% macro nanoseconds(seconds) -%}
    {{ return((seconds * 1000000000) | int) }}
{%- endmacro %}


{# Time stamp with microseconds for nanoseconds since 1970 UTC, without a detour over floating point. #}
{% macro ns_to_timestamp(column) -%}
    (timestamptz '1970-01-01 00:00:00+00' + ({{ column }} / 1000) * interval '1 microsecond')
{%- endmacro %}


{# Number of the 30-minute (or whatever `baseline_bucket_seconds` says) bucket since 1970 UTC. #}
{% macro bucket_number(column) -%}
    ({{ column }} / {{ nanoseconds(var('baseline_bucket_seconds')) }})
{%- endmacro %}

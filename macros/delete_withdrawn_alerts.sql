{# Deletes alerts that the rules no longer raise on the days that are loaded: after a threshold was changed
   the table shows what the present parameters find. Days whose events are gone keep their alerts. #}
{% macro delete_withdrawn_alerts() -%}
    delete from {{ this }} as alerts
    where
        not exists (
            select 1
            from {{ ref('int_alerts_scored') }} as present
            where present.alert_id = alerts.alert_id
        )
        and exists (
            select 1
            from {{ ref('int_owners_daily_messages') }} as messages
            where messages.trading_date = alerts.trading_date
        )
{%- endmacro %}

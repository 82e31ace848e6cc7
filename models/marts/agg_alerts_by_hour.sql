{# One row per hour (UTC) and rule. #}
with alerts as (

    select * from {{ ref('fct_alerts') }}

),

counted as (

    select
        date_trunc('hour', started_at at time zone 'UTC') at time zone 'UTC' as hour_at,
        rule_id,
        {{ alert_counts() | indent(4) }}
    from alerts
    group by date_trunc('hour', started_at at time zone 'UTC'), rule_id

)

select * from counted

{# One row per minute (UTC) and rule. #}
with alerts as (

    select * from {{ ref('fct_alerts') }}

),

counted as (

    select
        date_trunc('minute', started_at at time zone 'UTC') at time zone 'UTC' as minute_at,
        rule_id,
        count(*) as alert_count,
        count(*) filter (where severity in ('high', 'critical')) as high_alert_count,
        round(avg(score), 1) as score_mean,
        max(score) as score_maximum
    from alerts
    group by date_trunc('minute', started_at at time zone 'UTC'), rule_id

)

select * from counted

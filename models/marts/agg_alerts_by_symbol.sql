{# One row per instrument (venue, symbol). #}
with alerts as (

    select * from {{ ref('fct_alerts') }}

),

counted as (

    select
        venue,
        symbol,
        count(*) as alert_count,
        count(*) filter (where severity in ('high', 'critical')) as high_alert_count,
        round(avg(score), 1) as score_mean,
        max(score) as score_maximum
    from alerts
    group by venue, symbol

)

select * from counted

{# One row: how many alerts, symbols, owners and rules there are in all. #}
with alerts as (

    select * from {{ ref('fct_alerts') }}

),

totals as (

    select
        count(*) as alert_count,
        count(*) filter (where severity in ('high', 'critical')) as high_alert_count,
        count(distinct (venue, symbol)) as symbol_count,
        count(distinct owner_id) as owner_count,
        count(distinct rule_id) as rule_count,
        min(started_at) as first_started_at,
        max(started_at) as last_started_at,
        coalesce(sum(estimated_gain), 0) as estimated_gain
    from alerts

)

select * from totals

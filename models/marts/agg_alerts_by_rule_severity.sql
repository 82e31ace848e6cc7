{# One row per rule and severity. #}
with alerts as (

    select * from {{ ref('fct_alerts') }}

),

counted as (

    select
        rule_id,
        severity,
        {{ alert_counts() | indent(4) }}
    from alerts
    group by rule_id, severity

)

select * from counted

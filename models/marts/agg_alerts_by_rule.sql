{# One row per rule. #}
with alerts as (

    select * from {{ ref('fct_alerts') }}

),

counted as (

    select
        rule_id,
        {{ alert_counts() | indent(4) }}
    from alerts
    group by rule_id

)

select * from counted

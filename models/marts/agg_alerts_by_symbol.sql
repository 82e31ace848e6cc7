{# One row per instrument (venue, symbol). #}
with alerts as (

    select * from {{ ref('fct_alerts') }}

),

counted as (

    select
        venue,
        symbol,
        {{ alert_counts() | indent(4) }}
    from alerts
    group by venue, symbol

)

select * from counted

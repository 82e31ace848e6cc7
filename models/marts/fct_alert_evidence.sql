{# One row per alert and order event that supports it (alert_id, event_seq). #}
{{ config(indexes=[{'columns': ['alert_id', 'event_seq'], 'unique': true}]) }}
with alerts as (

    select
        alert_id,
        trading_date,
        venue,
        symbol,
        started_ns,
        ended_ns,
        evidence
    from {{ ref('int_alerts_scored') }}

),

events as (

    select * from {{ ref('int_events_attributed') }}

),

listed_orders as (

    select
        alerts.alert_id,
        alerts.trading_date,
        alerts.venue,
        alerts.symbol,
        alerts.started_ns,
        alerts.ended_ns,
        roles.order_role,
        orders.order_id,
        case roles.order_role
            when 'deceptive' then 1
            when 'trigger' then 2
            when 'bona_fide' then 3
            when 'profit' then 4
            else 5
        end as role_rank
    from alerts
    cross join lateral jsonb_each(alerts.evidence) as roles (order_role, order_ids)
    cross join lateral jsonb_array_elements_text(roles.order_ids) as orders (order_id)

),

orders_with_role as (

    select distinct on (alert_id, order_id)
        alert_id,
        trading_date,
        venue,
        symbol,
        order_id,
        order_role,
        started_ns - {{ nanoseconds(var('evidence_margin_seconds')) }} as first_ns,
        ended_ns + {{ nanoseconds(var('evidence_margin_seconds')) }} as last_ns
    from listed_orders
    order by alert_id, order_id, role_rank

),

supporting as (

    select
        orders_with_role.alert_id,
        events.trading_date,
        events.event_seq,
        events.event_at,
        events.event_ns,
        orders_with_role.order_role as role,
        events.venue,
        events.symbol,
        events.order_id,
        events.account_id,
        events.owner_id,
        events.event_type,
        events.side,
        events.price,
        events.quantity,
        events.leaves_quantity,
        events.order_level,
        events.is_aggressor,
        events.trade_id,
        events.best_bid,
        events.best_bid_quantity,
        events.best_ask,
        events.best_ask_quantity,
        events.quality_flags
    from orders_with_role
    inner join events
        on
            orders_with_role.trading_date = events.trading_date
            and orders_with_role.venue = events.venue
            and orders_with_role.symbol = events.symbol
            and orders_with_role.order_id = events.order_id
            and events.event_ns between orders_with_role.first_ns and orders_with_role.last_ns

)

select * from supporting

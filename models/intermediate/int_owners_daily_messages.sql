{# One row per owner, instrument and trading date (a null owner is the anonymous market): messages and trades. #}
with events as (

    select
        trading_date,
        event_seq,
        event_ns,
        venue,
        symbol,
        event_type,
        order_id,
        owner_id,
        is_market_maker,
        quantity
    from {{ ref('int_events_attributed') }}
    where event_type in ('new', 'modify', 'cancel', 'execute')

),

summarised as (

    select
        trading_date,
        venue,
        symbol,
        owner_id,
        bool_or(is_market_maker) as is_market_maker,
        min(event_ns) as started_ns,
        max(event_ns) as ended_ns,
        count(*) filter (where event_type = 'new') as new_count,
        count(*) filter (where event_type = 'modify') as modify_count,
        count(*) filter (where event_type = 'cancel') as cancel_count,
        count(*) filter (where event_type = 'execute') as fill_count,
        coalesce(sum(quantity) filter (where event_type in ('new', 'modify')), 0)::bigint as ordered_quantity,
        coalesce(sum(quantity) filter (where event_type = 'execute'), 0)::bigint as traded_quantity
    from events
    group by trading_date, venue, symbol, owner_id

)

select * from summarised

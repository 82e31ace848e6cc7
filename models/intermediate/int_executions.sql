{# One row per order touched by a trade (trading_date, event_seq): the owner's own fill. #}
{{ config(indexes=[
    {'columns': ['venue', 'symbol', 'actor_id', 'event_ns']},
    {'columns': ['venue', 'symbol', 'event_ns']},
]) }}
with events as (

    select
        trading_date,
        event_seq,
        event_ns,
        venue,
        symbol,
        order_id,
        account_id,
        owner_id,
        actor_id,
        is_market_maker,
        side,
        price,
        quantity,
        trade_id,
        counterparty_order_id,
        is_aggressor,
        order_entered_ns,
        best_bid,
        best_ask,
        mid_price,
        session_phase
    from {{ ref('int_events_attributed') }}
    where event_type = 'execute'

)

select * from events

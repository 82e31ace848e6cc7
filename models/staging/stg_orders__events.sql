{# One row per order event (trading_date, event_seq). #}
with events as (

    select * from {{ source('orders', 'order_events') }}

),

cleaned as (

    select
        trading_date,
        event_seq,
        event_at,
        event_ns,
        venue,
        symbol,
        event_type,
        order_id,
        account_id,
        side,
        price,
        quantity,
        {{ clean_order_type('order_type') }} as order_type,
        lower(nullif(trim(time_in_force), '')) as time_in_force,
        trade_id,
        counterparty_order_id,
        is_aggressor,
        best_bid,
        best_bid_quantity,
        best_ask,
        best_ask_quantity,
        (best_bid + best_ask) / 2 as mid_price,
        order_level,
        distance_ticks,
        depth_bid_1,
        depth_bid_5,
        depth_bid_10,
        depth_ask_1,
        depth_ask_5,
        depth_ask_10,
        leaves_quantity,
        order_entered_ns,
        coalesce(is_priority_lost, false) as is_priority_lost,
        session_phase,
        to_jsonb(quality_flags) as quality_flags,
        file_id,
        line_number
    from events

)

select * from cleaned

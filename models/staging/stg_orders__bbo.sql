{# One row per change of the best bid or offer (trading_date, event_seq). #}
with quotes as (

    select * from {{ source('orders', 'bbo') }}

),

cleaned as (

    select
        trading_date,
        event_seq,
        event_at,
        event_ns,
        venue,
        symbol,
        best_bid,
        best_bid_quantity,
        best_ask,
        best_ask_quantity,
        session_phase
    from quotes

)

select * from cleaned

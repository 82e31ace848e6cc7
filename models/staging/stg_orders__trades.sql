{# One row per trade, on or off the book (trading_date, event_seq). #}
with trades as (

    select * from {{ source('orders', 'trades') }}

),

cleaned as (

    select
        trading_date,
        event_seq,
        event_at,
        event_ns,
        venue,
        symbol,
        trade_id,
        price,
        quantity,
        aggressor_side,
        buy_order_id,
        sell_order_id,
        buy_account_id,
        sell_account_id,
        coalesce(is_off_book, false) as is_off_book,
        best_bid,
        best_ask,
        (best_bid + best_ask) / 2 as mid_price,
        session_phase
    from trades

)

select * from cleaned

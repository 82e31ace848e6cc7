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
        nullif(trim(trade_id), '') as trade_id,
        price,
        quantity,
        {{ clean_side('aggressor_side') }} as aggressor_side,
        nullif(trim(buy_order_id), '') as buy_order_id,
        nullif(trim(sell_order_id), '') as sell_order_id,
        nullif(trim(buy_account_id), '') as buy_account_id,
        nullif(trim(sell_account_id), '') as sell_account_id,
        coalesce(is_off_book, false) as is_off_book,
        best_bid,
        best_ask,
        (best_bid + best_ask) / 2 as mid_price,
        session_phase
    from trades

)

select * from cleaned

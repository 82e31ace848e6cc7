{# One row per trade whose two sides have one owner or linked owners (trading_date, trade_event_seq). #}
with linked as (

    select * from {{ ref('int_trades_attributed') }}
    where buy_actor_id = sell_actor_id

),

lifetimes as not materialized (

    select
        trading_date,
        venue,
        symbol,
        order_id,
        entered_ns,
        maximum_quantity
    from {{ ref('int_orders_lifetimes') }}

),

daily_volumes as (

    select
        trading_date,
        venue,
        symbol,
        sum(quantity) as day_quantity
    from {{ ref('int_trades_attributed') }}
    group by trading_date, venue, symbol

),

combined as (

    select
        linked.trading_date,
        linked.event_seq as trade_event_seq,
        linked.event_ns,
        linked.venue,
        linked.symbol,
        linked.trade_id,
        linked.price,
        linked.quantity,
        linked.mid_price,
        linked.session_phase,
        linked.buy_order_id,
        linked.sell_order_id,
        linked.buy_account_id,
        linked.sell_account_id,
        linked.buy_owner_id,
        linked.sell_owner_id,
        linked.buy_actor_id as actor_id,
        linked.buy_owner_id = linked.sell_owner_id as is_same_owner,
        linked.buy_trader_id = linked.sell_trader_id as is_same_trader,
        buys.entered_ns as buy_entered_ns,
        sells.entered_ns as sell_entered_ns,
        abs(buys.entered_ns - sells.entered_ns) as entry_gap_ns,
        buys.maximum_quantity as buy_order_quantity,
        sells.maximum_quantity as sell_order_quantity,
        abs(buys.maximum_quantity - sells.maximum_quantity)
        / greatest(buys.maximum_quantity, sells.maximum_quantity)::numeric as quantity_difference_share,
        daily_volumes.day_quantity
    from linked
    left join lifetimes as buys
        on
            linked.trading_date = buys.trading_date
            and linked.venue = buys.venue
            and linked.symbol = buys.symbol
            and linked.buy_order_id = buys.order_id
    left join lifetimes as sells
        on
            linked.trading_date = sells.trading_date
            and linked.venue = sells.venue
            and linked.symbol = sells.symbol
            and linked.sell_order_id = sells.order_id
    left join daily_volumes
        on
            linked.trading_date = daily_volumes.trading_date
            and linked.venue = daily_volumes.venue
            and linked.symbol = daily_volumes.symbol

)

select * from combined

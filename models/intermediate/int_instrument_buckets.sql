{# One row per instrument, trading date and 30-minute bucket; a null bucket is the whole day. #}
with events as (

    select
        trading_date,
        venue,
        symbol,
        event_ns,
        event_type,
        order_type,
        quantity,
        {{ bucket_number('event_ns') }} as bucket_number
    from {{ ref('stg_orders__events') }}
    where session_phase = 'continuous'

),

trades as (

    select
        trading_date,
        venue,
        symbol,
        quantity,
        {{ bucket_number('event_ns') }} as bucket_number
    from {{ ref('stg_orders__trades') }}
    where session_phase = 'continuous'

),

states as (

    select
        trading_date,
        venue,
        symbol,
        event_seq,
        started_ns,
        mid_price,
        spread_ticks,
        best_bid_quantity,
        best_ask_quantity,
        {{ bucket_number('started_ns') }} as bucket_number
    from {{ ref('int_book_states') }}
    where
        session_phase = 'continuous'
        and mid_price is not null

),

orders_summarised as (

    select
        trading_date,
        venue,
        symbol,
        bucket_number,
        count(*) as order_count,
        percentile_cont(array[0.5, 0.95, 0.99]) within group (order by quantity) as quantity_quantiles
    from events
    where event_type = 'new'
    group by grouping sets ((trading_date, venue, symbol, bucket_number), (trading_date, venue, symbol))

),

messages_by_second as (

    select
        trading_date,
        venue,
        symbol,
        bucket_number,
        event_ns / 1000000000 as second_number,
        count(*)::numeric as message_count
    from events
    where event_type in ('new', 'modify', 'cancel')
    group by trading_date, venue, symbol, bucket_number, event_ns / 1000000000

),

messages_summarised as (

    select
        trading_date,
        venue,
        symbol,
        bucket_number,
        sum(message_count) as message_count,
        sum(message_count * message_count) as message_square_sum,
        count(distinct bucket_number) * {{ var('baseline_bucket_seconds') }} as observed_seconds
    from messages_by_second
    group by grouping sets ((trading_date, venue, symbol, bucket_number), (trading_date, venue, symbol))

),

states_summarised as (

    select
        trading_date,
        venue,
        symbol,
        bucket_number,
        count(*) as state_count,
        percentile_cont(0.5) within group (order by spread_ticks) as spread_ticks_median,
        percentile_cont(0.5) within group (
            order by (coalesce(best_bid_quantity, 0) + coalesce(best_ask_quantity, 0)) / 2.0
        ) as top_quantity_median
    from states
    group by grouping sets ((trading_date, venue, symbol, bucket_number), (trading_date, venue, symbol))

),

mids_by_interval as (

    select distinct on (trading_date, venue, symbol, started_ns / {{ nanoseconds(var('baseline_return_seconds')) }})
        trading_date,
        venue,
        symbol,
        bucket_number,
        started_ns,
        event_seq,
        mid_price
    from states
    order by
        trading_date,
        venue,
        symbol,
        started_ns / {{ nanoseconds(var('baseline_return_seconds')) }},
        event_seq desc

),

returns as (

    select
        trading_date,
        venue,
        symbol,
        bucket_number,
        mid_price / lag(mid_price) over (
            partition by trading_date, venue, symbol
            order by event_seq
        ) - 1 as mid_return
    from mids_by_interval

),

returns_summarised as (

    select
        trading_date,
        venue,
        symbol,
        bucket_number,
        sum(mid_return * mid_return) as return_square_sum,
        count(distinct bucket_number) * {{ var('baseline_bucket_seconds') }} as observed_seconds
    from returns
    group by grouping sets ((trading_date, venue, symbol, bucket_number), (trading_date, venue, symbol))

),

trades_summarised as (

    select
        trading_date,
        venue,
        symbol,
        bucket_number,
        count(*) as trade_count,
        sum(quantity) as traded_quantity
    from trades
    group by grouping sets ((trading_date, venue, symbol, bucket_number), (trading_date, venue, symbol))

),

combined as (

    select
        messages.trading_date,
        messages.venue,
        messages.symbol,
        messages.bucket_number,
        messages.message_count::bigint as message_count,
        messages.observed_seconds,
        coalesce(orders.order_count, 0) as order_count,
        orders.quantity_quantiles[1]::numeric as order_quantity_median,
        orders.quantity_quantiles[2]::numeric as order_quantity_p95,
        orders.quantity_quantiles[3]::numeric as order_quantity_p99,
        round(messages.message_count / messages.observed_seconds, 6) as messages_per_second_mean,
        round(sqrt(greatest(
            messages.message_square_sum / messages.observed_seconds
            - (messages.message_count / messages.observed_seconds) ^ 2,
            0
        )), 6) as messages_per_second_deviation,
        states.spread_ticks_median::numeric as spread_ticks_median,
        states.top_quantity_median::numeric as top_quantity_median,
        round(
            sqrt(returns.return_square_sum / (returns.observed_seconds / {{ var('baseline_return_seconds') }}.0)),
            10
        ) as return_deviation,
        coalesce(trades.trade_count, 0) as trade_count,
        coalesce(trades.traded_quantity, 0)::bigint as traded_quantity
    from messages_summarised as messages
    left join orders_summarised as orders
        on
            messages.trading_date = orders.trading_date
            and messages.venue = orders.venue
            and messages.symbol = orders.symbol
            and messages.bucket_number is not distinct from orders.bucket_number
    left join states_summarised as states
        on
            messages.trading_date = states.trading_date
            and messages.venue = states.venue
            and messages.symbol = states.symbol
            and messages.bucket_number is not distinct from states.bucket_number
    left join returns_summarised as returns
        on
            messages.trading_date = returns.trading_date
            and messages.venue = returns.venue
            and messages.symbol = returns.symbol
            and messages.bucket_number is not distinct from returns.bucket_number
    left join trades_summarised as trades
        on
            messages.trading_date = trades.trading_date
            and messages.venue = trades.venue
            and messages.symbol = trades.symbol
            and messages.bucket_number is not distinct from trades.bucket_number

)

select * from combined

{# One row per anonymous order that was large, near the touch, short-lived and withdrawn unfilled
   (trading_date, order_row_id), with trades and price around its life. #}
{{ config(indexes=[{'columns': ['venue', 'symbol', 'side', 'entered_ns']}]) }}
{%- set reversion_ns = nanoseconds(var('spoofing_reversion_seconds')) %}
with postings as (

    select
        trading_date,
        posting_id,
        venue,
        symbol,
        order_id,
        side,
        price,
        posted_quantity,
        started_ns,
        ended_ns,
        distance_ticks,
        best_bid,
        best_ask,
        own_depth_5
    from {{ ref('int_orders_postings') }}
    where
        actor_id is null
        and session_phase = 'continuous'
        and started_by = 'new'
        and end_reason in ('cancelled', 'moved_away')
        and filled_quantity = 0

),

baselines as (

    select * from {{ ref('int_instrument_baselines') }}

),

trades as not materialized (

    select
        trading_date,
        venue,
        symbol,
        event_ns,
        price,
        quantity,
        aggressor_side
    from {{ ref('int_trades_attributed') }}

),

book_states as not materialized (

    select
        trading_date,
        venue,
        symbol,
        event_seq,
        started_ns,
        mid_price
    from {{ ref('int_book_states') }}
    where mid_price is not null

),

large as (

    select
        postings.trading_date,
        postings.posting_id as order_row_id,
        postings.venue,
        postings.symbol,
        postings.order_id,
        postings.side,
        postings.price,
        postings.posted_quantity as quantity,
        postings.started_ns as entered_ns,
        postings.ended_ns as withdrawn_ns,
        postings.distance_ticks,
        postings.own_depth_5,
        (postings.best_bid + postings.best_ask) / 2 as mid_at_entry,
        baselines.tick_size,
        baselines.spread_ticks_median,
        baselines.top_quantity_median,
        baselines.order_quantity_p95,
        baselines.order_quantity_p99
    from postings
    inner join baselines
        on
            postings.trading_date = baselines.trading_date
            and postings.venue = baselines.venue
            and postings.symbol = baselines.symbol
            and {{ bucket_number('postings.started_ns') }} = baselines.bucket_number
    where
        postings.posted_quantity >= baselines.order_quantity_p95
        and postings.distance_ticks <= {{ var('spoofing_anonymous_maximum_distance_ticks') }}
        and postings.ended_ns - postings.started_ns
        <= {{ nanoseconds(var('layering_anonymous_maximum_life_seconds')) }}

),

traded as (

    select
        large.*,
        opposite.trade_count as opposite_trade_count,
        opposite.traded_quantity as opposite_traded_quantity,
        opposite.traded_price as opposite_traded_price,
        at_withdrawal.mid_price as mid_at_withdrawal,
        afterwards.mid_price as mid_after_withdrawal
    from large
    cross join lateral (
        select
            count(*) as trade_count,
            sum(trades.quantity) as traded_quantity,
            sum(trades.price * trades.quantity) / nullif(sum(trades.quantity), 0) as traded_price
        from trades
        where
            trades.trading_date = large.trading_date
            and trades.venue = large.venue
            and trades.symbol = large.symbol
            and trades.event_ns > large.entered_ns
            and trades.event_ns <= large.withdrawn_ns
            and trades.aggressor_side = large.side
    ) as opposite
    left join lateral (
        select book_states.mid_price
        from book_states
        where
            book_states.trading_date = large.trading_date
            and book_states.venue = large.venue
            and book_states.symbol = large.symbol
            and book_states.started_ns < large.withdrawn_ns
        order by book_states.started_ns desc, book_states.event_seq desc
        limit 1
    ) as at_withdrawal on opposite.trade_count > 0
    left join lateral (
        select book_states.mid_price
        from book_states
        where
            book_states.trading_date = large.trading_date
            and book_states.venue = large.venue
            and book_states.symbol = large.symbol
            and book_states.started_ns <= large.withdrawn_ns + {{ reversion_ns }}
        order by book_states.started_ns desc, book_states.event_seq desc
        limit 1
    ) as afterwards on opposite.trade_count > 0

)

select * from traded

{# One row per state of the best bid and offer (trading_date, event_seq), with how long it held. #}
{{ config(indexes=[{'columns': ['venue', 'symbol', 'started_ns']}]) }}
with quotes as (

    select * from {{ ref('stg_orders__bbo') }}

),

instruments as (

    select
        venue,
        symbol,
        tick_size
    from {{ ref('stg_reference__instruments') }}

),

timed as (

    select
        quotes.trading_date,
        quotes.event_seq,
        quotes.venue,
        quotes.symbol,
        quotes.event_ns as started_ns,
        lead(quotes.event_ns) over (
            partition by quotes.trading_date, quotes.venue, quotes.symbol
            order by quotes.event_seq
        ) as ended_ns,
        quotes.best_bid,
        quotes.best_bid_quantity,
        quotes.best_ask,
        quotes.best_ask_quantity,
        quotes.session_phase
    from quotes

),

measured as (

    select
        timed.trading_date,
        timed.event_seq,
        timed.venue,
        timed.symbol,
        timed.started_ns,
        timed.ended_ns,
        timed.best_bid,
        timed.best_bid_quantity,
        timed.best_ask,
        timed.best_ask_quantity,
        (timed.best_bid + timed.best_ask) / 2 as mid_price,
        timed.best_ask - timed.best_bid as spread,
        ((timed.best_ask - timed.best_bid) / coalesce(instruments.tick_size, {{ var('default_tick_size') }}))::numeric(12, 2)
            as spread_ticks,
        timed.session_phase
    from timed
    left join instruments
        on
            timed.venue = instruments.venue
            and timed.symbol = instruments.symbol

)

select * from measured

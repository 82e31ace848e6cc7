{# One row per spell in which the best prices of an anonymous market flickered with hardly a trade
   (trading_date, venue, symbol, spell_number). #}
{%- set window_ns = nanoseconds(var('quote_stuffing_flicker_window_seconds')) %}
with book_states as (

    select
        trading_date,
        event_seq,
        venue,
        symbol,
        started_ns,
        best_bid,
        best_ask,
        session_phase
    from {{ ref('int_book_states') }}

),

owners as (

    select distinct
        trading_date,
        venue,
        symbol
    from {{ ref('int_owners_daily_messages') }}
    where owner_id is null

),

trades as (

    select
        trading_date,
        event_seq,
        event_ns,
        venue,
        symbol
    from {{ ref('stg_orders__trades') }}

),

postings as not materialized (

    select * from {{ ref('int_orders_postings') }}

),

compared as (

    select
        book_states.*,
        lag(book_states.best_bid) over previous_state as previous_best_bid,
        lag(book_states.best_ask) over previous_state as previous_best_ask
    from book_states
    inner join owners using (trading_date, venue, symbol)
    where book_states.session_phase = 'continuous'
    window previous_state as (
        partition by book_states.trading_date, book_states.venue, book_states.symbol
        order by book_states.event_seq
    )

),

changes as materialized (

    select *
    from compared
    where
        best_bid is distinct from previous_best_bid
        or best_ask is distinct from previous_best_ask

),

moments as (

    select
        trading_date,
        event_seq,
        venue,
        symbol,
        started_ns as event_ns,
        1 as change_count,
        0 as trade_count
    from changes
    union all
    select
        trades.trading_date,
        trades.event_seq,
        trades.venue,
        trades.symbol,
        trades.event_ns,
        0 as change_count,
        1 as trade_count
    from trades
    inner join owners using (trading_date, venue, symbol)

),

windowed as (

    select
        moments.*,
        sum(change_count) over flicker_window as window_change_count,
        sum(trade_count) over flicker_window as window_trade_count
    from moments
    window flicker_window as (
        partition by trading_date, venue, symbol
        order by event_ns
        range between {{ window_ns - 1 }} preceding and current row
    )

),

flickering as (

    select
        windowed.*,
        event_ns - {{ window_ns - 1 }} as started_ns,
        event_ns as ended_ns
    from windowed
    where
        window_change_count >= {{ var('quote_stuffing_flicker_minimum_changes') }}
        and window_trade_count <= {{ var('quote_stuffing_flicker_maximum_trades') }}

),

numbered as (

    {{ number_episodes(
        'flickering',
        ['trading_date', 'venue', 'symbol'],
        nanoseconds(var('quote_stuffing_merge_seconds')),
        'event_seq'
    ) | indent(4) }}

),

spells as (

    select
        trading_date,
        venue,
        symbol,
        episode_number as spell_number,
        min(started_ns) as started_ns,
        max(ended_ns) as ended_ns,
        max(window_change_count) as peak_change_count,
        max(window_trade_count) as peak_trade_count
    from numbered
    group by trading_date, venue, symbol, episode_number

),

measured as (

    select
        spells.*,
        prices.change_count,
        prices.price_pair_count,
        flickered.order_count,
        flickered.order_ids
    from spells
    cross join lateral (
        select
            count(*) as change_count,
            count(distinct (changes.best_bid, changes.best_ask)) as price_pair_count
        from changes
        where
            changes.trading_date = spells.trading_date
            and changes.venue = spells.venue
            and changes.symbol = spells.symbol
            and changes.started_ns between spells.started_ns and spells.ended_ns
    ) as prices
    left join lateral (
        select
            count(*) as order_count,
            to_jsonb((array_agg(postings.order_id order by postings.posting_id))[
                1:{{ var('evidence_maximum_orders') }}
            ]) as order_ids
        from postings
        where
            postings.trading_date = spells.trading_date
            and postings.venue = spells.venue
            and postings.symbol = spells.symbol
            and postings.ended_ns between spells.started_ns
            and spells.ended_ns + {{ nanoseconds(var('quote_stuffing_maximum_life_milliseconds') / 1000) }}
            and postings.ended_ns - postings.started_ns
            <= {{ nanoseconds(var('quote_stuffing_maximum_life_milliseconds') / 1000) }}
            and postings.order_level = 0
            and postings.end_reason in ('cancelled', 'moved_away')
    ) as flickered on true

)

select * from measured

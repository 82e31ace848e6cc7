{# One row per run of aggressive fills of one side (trading_date, run_id), of one actor or, in an
   anonymous market, of everybody; with the price before, at its end and after, and the way out. #}
{%- set run_ns = nanoseconds(var('momentum_ignition_run_seconds')) %}
{%- set exit_ns = nanoseconds(var('momentum_ignition_exit_seconds')) %}
with executions as not materialized (

    select
        trading_date,
        event_seq,
        event_ns,
        venue,
        symbol,
        order_id,
        actor_id,
        side,
        price,
        quantity
    from {{ ref('int_executions') }}
    where
        actor_id is not null
        and session_phase = 'continuous'

),

trades as not materialized (

    select * from {{ ref('int_trades_attributed') }}

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

aggressive_fills as not materialized (

    select * from {{ ref('int_aggressive_fills') }}

),

windowed as (

    select
        aggressive_fills.*,
        case side
            when 'buy' then price - min(price) over run_window
            else max(price) over run_window - price
        end as price_advance
    from aggressive_fills
    window run_window as (
        partition by trading_date, venue, symbol, actor_key, side
        order by event_ns
        range between {{ run_ns - 1 }} preceding and current row
    )

),

advancing as (

    select
        windowed.*,
        case
            when
                event_ns - lag(event_ns) over (
                    partition by trading_date, venue, symbol, actor_key, side
                    order by event_seq
                ) <= {{ run_ns }}
                then 0
            else 1
        end as is_run_start
    from windowed
    where price_advance > 0

),

numbered as (

    select
        advancing.*,
        sum(is_run_start) over (
            partition by trading_date, venue, symbol, actor_key, side
            order by event_seq
            rows between unbounded preceding and current row
        ) as run_number
    from advancing

),

run_ends as (

    select distinct on (trading_date, venue, symbol, actor_key, side, run_number)
        trading_date,
        venue,
        symbol,
        actor_id,
        actor_key,
        side,
        event_seq as run_id,
        event_ns as end_ns
    from numbered
    order by trading_date, venue, symbol, actor_key, side, run_number, price_advance desc, event_seq

),

runs as (

    select
        run_ends.trading_date,
        run_ends.run_id,
        run_ends.venue,
        run_ends.symbol,
        run_ends.actor_id,
        run_ends.side,
        fills.*
    from run_ends
    cross join lateral (
        select
            min(aggressive_fills.owner_id) as owner_id,
            min(aggressive_fills.event_ns) as started_ns,
            max(aggressive_fills.event_ns) as ended_ns,
            sum(aggressive_fills.quantity) as executed_quantity,
            count(*) as fill_count,
            count(distinct aggressive_fills.price) as level_count,
            sum(aggressive_fills.price * aggressive_fills.quantity) / sum(aggressive_fills.quantity) as executed_price,
            to_jsonb((array_agg(distinct aggressive_fills.order_id))[1:{{ var('evidence_maximum_orders') }}]) as order_ids
        from aggressive_fills
        where
            aggressive_fills.trading_date = run_ends.trading_date
            and aggressive_fills.venue = run_ends.venue
            and aggressive_fills.symbol = run_ends.symbol
            and aggressive_fills.actor_key = run_ends.actor_key
            and aggressive_fills.side = run_ends.side
            and aggressive_fills.event_seq <= run_ends.run_id
            and aggressive_fills.event_ns between run_ends.end_ns - {{ run_ns - 1 }} and run_ends.end_ns
    ) as fills
    where fills.level_count >= {{ var('momentum_ignition_minimum_levels') }}

),

with_mids as (

    select
        runs.*,
        before.mid_price as mid_before,
        at_end.mid_price as mid_at_end
    from runs
    cross join lateral (
        select book_states.mid_price
        from book_states
        where
            book_states.trading_date = runs.trading_date
            and book_states.venue = runs.venue
            and book_states.symbol = runs.symbol
            and book_states.started_ns < runs.started_ns
        order by book_states.started_ns desc, book_states.event_seq desc
        limit 1
    ) as before
    cross join lateral (
        select book_states.mid_price
        from book_states
        where
            book_states.trading_date = runs.trading_date
            and book_states.venue = runs.venue
            and book_states.symbol = runs.symbol
            and book_states.started_ns <= runs.ended_ns
        order by book_states.started_ns desc, book_states.event_seq desc
        limit 1
    ) as at_end

),

moved as (

    select
        with_mids.*,
        case side when 'buy' then 1 else -1 end * (mid_at_end - mid_before) as favourable_move
    from with_mids
    where case side when 'buy' then 1 else -1 end * (mid_at_end - mid_before) > 0

),

with_context as (

    select
        moved.*,
        market.quantity as market_quantity,
        aftermath.peak_move,
        aftermath.last_mid,
        exits.exit_quantity,
        exits.exit_price,
        exits.exit_ended_ns,
        exits.exit_order_ids,
        prepositions.preposition_quantity
    from moved
    left join lateral (
        select sum(trades.quantity) as quantity
        from trades
        where
            trades.trading_date = moved.trading_date
            and trades.venue = moved.venue
            and trades.symbol = moved.symbol
            and trades.event_ns between moved.started_ns and moved.ended_ns
            and not trades.is_off_book
    ) as market on true
    left join lateral (
        select
            max(case moved.side when 'buy' then 1 else -1 end * (book_states.mid_price - moved.mid_before))
                as peak_move,
            (array_agg(book_states.mid_price order by book_states.event_seq desc))[1] as last_mid
        from book_states
        where
            book_states.trading_date = moved.trading_date
            and book_states.venue = moved.venue
            and book_states.symbol = moved.symbol
            and book_states.started_ns between moved.started_ns and moved.ended_ns + {{ exit_ns }}
    ) as aftermath on true
    left join lateral (
        select
            sum(executions.quantity) as exit_quantity,
            sum(executions.price * executions.quantity) / sum(executions.quantity) as exit_price,
            max(executions.event_ns) as exit_ended_ns,
            to_jsonb((array_agg(distinct executions.order_id))[1:{{ var('evidence_maximum_orders') }}])
                as exit_order_ids
        from executions
        where
            executions.trading_date = moved.trading_date
            and executions.venue = moved.venue
            and executions.symbol = moved.symbol
            and executions.actor_id = moved.actor_id
            and executions.side <> moved.side
            and executions.event_ns between moved.started_ns and moved.ended_ns + {{ exit_ns }}
    ) as exits on true
    left join lateral (
        select sum(executions.quantity) as preposition_quantity
        from executions
        where
            executions.trading_date = moved.trading_date
            and executions.venue = moved.venue
            and executions.symbol = moved.symbol
            and executions.actor_id = moved.actor_id
            and executions.side = moved.side
            and executions.event_ns >= moved.started_ns - {{ nanoseconds(var('momentum_ignition_preposition_seconds')) }}
            and executions.event_ns < moved.started_ns
    ) as prepositions on true

),

baselines as (

    select * from {{ ref('int_instrument_baselines') }}

),

combined as (

    select
        with_context.*,
        baselines.tick_size,
        baselines.return_deviation,
        baselines.spread_ticks_median,
        baselines.traded_quantity_per_second
    from with_context
    left join baselines
        on
            with_context.trading_date = baselines.trading_date
            and with_context.venue = baselines.venue
            and with_context.symbol = baselines.symbol
            and {{ bucket_number('with_context.started_ns') }} = baselines.bucket_number

)

select * from combined

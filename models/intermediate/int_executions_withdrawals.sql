{# One row per own execution leg (trading_date, leg_id) after which the same actor withdrew orders
   on the other side of the book: what was shown, what was pulled, what the price did. #}
{%- set lookback_ns = nanoseconds(var('spoofing_lookback_seconds')) %}
{%- set withdrawal_ns = nanoseconds(var('spoofing_withdrawal_seconds')) %}
{%- set reversion_ns = nanoseconds(var('spoofing_reversion_seconds')) %}
with legs as (

    select
        measured.*,
        {{ opposite_side('side') }} as opposite_side
    from {{ ref('int_executions_followed') }} as measured

),

executions as not materialized (

    select * from {{ ref('int_executions') }}

),

postings as not materialized (

    select * from {{ ref('int_orders_postings') }}

),

lifetimes as not materialized (

    select * from {{ ref('int_orders_lifetimes') }}

),

book_states as not materialized (

    select * from {{ ref('int_book_states') }}

),

baselines as (

    select * from {{ ref('int_instrument_baselines') }}

),

first_withdrawals as (

    select
        legs.*,
        opposite.first_withdrawal_ns
    from legs
    cross join lateral (
        select min(postings.ended_ns) as first_withdrawal_ns
        from postings
        where
            postings.trading_date = legs.trading_date
            and postings.venue = legs.venue
            and postings.symbol = legs.symbol
            and postings.actor_id = legs.actor_id
            and postings.side = legs.opposite_side
            and postings.started_ns between legs.started_ns - {{ lookback_ns }} and legs.started_ns
            and postings.ended_ns > legs.started_ns
            and postings.ended_ns <= legs.started_ns + {{ withdrawal_ns }}
            and postings.order_level <= {{ var('spoofing_maximum_level') }}
            and postings.withdrawn_quantity > 0
    ) as opposite
    where opposite.first_withdrawal_ns is not null

),

shown as (

    select
        legs.*,
        opposite.*
    from first_withdrawals as legs
    cross join lateral (
        select
            count(*) as shown_order_count,
            count(distinct postings.price) as shown_level_count,
            sum(postings.posted_quantity) as shown_quantity,
            sum(postings.filled_quantity) as shown_filled_quantity,
            max(postings.own_depth_10) as side_depth_quantity,
            (array_agg((postings.best_bid + postings.best_ask) / 2 order by postings.posting_id))[1] as mid_at_posting,
            sum(postings.withdrawn_quantity) filter (where judged.is_withdrawn) as withdrawn_quantity,
            count(*) filter (where judged.is_withdrawn) as withdrawn_order_count,
            count(distinct postings.price) filter (where judged.is_withdrawn) as withdrawn_level_count,
            min(postings.started_ns) filter (where judged.is_withdrawn) as first_deceptive_ns,
            max(postings.started_ns) filter (where judged.is_withdrawn) as last_deceptive_ns,
            min(postings.ended_ns) filter (where judged.is_withdrawn) as first_withdrawn_ns,
            max(postings.ended_ns) filter (where judged.is_withdrawn) as last_withdrawn_ns,
            jsonb_agg(distinct postings.order_id) filter (where judged.is_withdrawn) as withdrawn_order_ids
        from postings
        cross join lateral (
            select
                postings.withdrawn_quantity > 0
                and postings.ended_ns <= legs.started_ns + {{ withdrawal_ns }} as is_withdrawn
        ) as judged
        where
            postings.trading_date = legs.trading_date
            and postings.venue = legs.venue
            and postings.symbol = legs.symbol
            and postings.actor_id = legs.actor_id
            and postings.side = legs.opposite_side
            and postings.started_ns between legs.started_ns - {{ lookback_ns }}
            and least(
                legs.started_ns + {{ nanoseconds(var('layering_entry_seconds')) }}, legs.first_withdrawal_ns - 1
            )
            and (postings.ended_ns is null or postings.ended_ns > legs.started_ns)
            and postings.order_level <= {{ var('spoofing_maximum_level') }}
    ) as opposite
    where opposite.withdrawn_quantity >= {{ var('spoofing_execution_multiple') }} * legs.executed_quantity

),

compared as (

    select
        shown.*,
        same_side_withdrawals.quantity as same_side_withdrawn_quantity,
        greatest(same_side_postings.quantity, passive_orders.quantity) as same_side_shown_quantity,
        own_fills.quantity as cycle_executed_quantity,
        mids_after.mid_price as mid_after_withdrawal
    from shown
    cross join lateral (
        select coalesce(sum(postings.withdrawn_quantity), 0) as quantity
        from postings
        where
            postings.trading_date = shown.trading_date
            and postings.venue = shown.venue
            and postings.symbol = shown.symbol
            and postings.actor_id = shown.actor_id
            and postings.side = shown.side
            and postings.started_ns <= shown.started_ns
            and postings.ended_ns > shown.started_ns
            and postings.ended_ns <= shown.started_ns + {{ withdrawal_ns }}
    ) as same_side_withdrawals
    cross join lateral (
        select coalesce(sum(postings.posted_quantity), 0) as quantity
        from postings
        where
            postings.trading_date = shown.trading_date
            and postings.venue = shown.venue
            and postings.symbol = shown.symbol
            and postings.actor_id = shown.actor_id
            and postings.side = shown.side
            and postings.started_ns >= shown.started_ns - {{ lookback_ns }}
            and postings.started_ns < shown.started_ns
            and (postings.ended_ns is null or postings.ended_ns >= shown.started_ns)
            and postings.order_level <= {{ var('spoofing_maximum_level') }}
    ) as same_side_postings
    cross join lateral (
        select coalesce(sum(lifetimes.maximum_quantity), 0) as quantity
        from jsonb_array_elements_text(shown.passive_order_ids) as orders (order_id)
        inner join lifetimes
            on
                lifetimes.trading_date = shown.trading_date
                and lifetimes.venue = shown.venue
                and lifetimes.symbol = shown.symbol
                and orders.order_id = lifetimes.order_id
    ) as passive_orders
    cross join lateral (
        select greatest(sum(executions.quantity), shown.executed_quantity) as quantity
        from executions
        where
            executions.trading_date = shown.trading_date
            and executions.venue = shown.venue
            and executions.symbol = shown.symbol
            and executions.actor_id = shown.actor_id
            and executions.side = shown.side
            and executions.event_ns between shown.first_deceptive_ns and shown.last_withdrawn_ns
    ) as own_fills
    left join lateral (
        select book_states.mid_price
        from book_states
        where
            book_states.trading_date = shown.trading_date
            and book_states.venue = shown.venue
            and book_states.symbol = shown.symbol
            and book_states.started_ns <= shown.last_withdrawn_ns + {{ reversion_ns }}
            and book_states.mid_price is not null
        order by book_states.started_ns desc, book_states.event_seq desc
        limit 1
    ) as mids_after on true

),

combined as (

    select
        compared.trading_date,
        compared.leg_id,
        compared.venue,
        compared.symbol,
        compared.owner_id,
        compared.actor_id,
        compared.side as execution_side,
        compared.started_ns as executed_ns,
        compared.executed_quantity,
        round(compared.executed_price, 6) as executed_price,
        compared.is_aggressor,
        compared.cycle_executed_quantity,
        compared.shown_order_count,
        compared.shown_level_count,
        compared.shown_quantity,
        compared.shown_filled_quantity,
        compared.withdrawn_quantity,
        compared.withdrawn_order_count,
        compared.withdrawn_level_count,
        compared.first_deceptive_ns,
        compared.last_deceptive_ns,
        compared.first_withdrawn_ns,
        compared.last_withdrawn_ns,
        compared.same_side_withdrawn_quantity,
        compared.same_side_shown_quantity,
        compared.side_depth_quantity,
        compared.mid_at_posting,
        compared.mid_at_execution,
        compared.mid_after_withdrawal,
        baselines.tick_size,
        baselines.top_quantity_median,
        baselines.order_quantity_p95,
        baselines.spread_ticks_median,
        compared.executed_order_ids,
        compared.withdrawn_order_ids
    from compared
    left join baselines
        on
            compared.trading_date = baselines.trading_date
            and compared.venue = baselines.venue
            and compared.symbol = baselines.symbol
            and {{ bucket_number('compared.started_ns') }} = baselines.bucket_number

)

select * from combined

{# One row per own execution leg (trading_date, leg_id) after which the same actor withdrew orders
   on the other side of the book: what was shown, what was pulled, what the price did. #}
{%- set lookback_ns = nanoseconds(var('spoofing_lookback_seconds')) %}
{%- set withdrawal_ns = nanoseconds(var('spoofing_withdrawal_seconds')) %}
{%- set reversion_ns = nanoseconds(var('spoofing_reversion_seconds')) %}
with executions as not materialized (

    select
        trading_date,
        event_seq,
        event_ns,
        venue,
        symbol,
        order_id,
        owner_id,
        actor_id,
        side,
        price,
        quantity,
        is_aggressor,
        mid_price
    from {{ ref('int_executions') }}
    where
        actor_id is not null
        and session_phase = 'continuous'

),

postings as not materialized (

    select
        trading_date,
        posting_id,
        venue,
        symbol,
        order_id,
        actor_id,
        side,
        price,
        posted_quantity,
        filled_quantity,
        withdrawn_quantity,
        started_ns,
        ended_ns,
        order_level,
        own_depth_10,
        best_bid,
        best_ask
    from {{ ref('int_orders_postings') }}
    where actor_id is not null

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

lifetimes as not materialized (

    select
        trading_date,
        venue,
        symbol,
        order_id,
        maximum_quantity
    from {{ ref('int_orders_lifetimes') }}

),

legs as (

    select
        trading_date,
        venue,
        symbol,
        actor_id,
        side,
        min(event_seq) as leg_id,
        min(owner_id) as owner_id,
        min(event_ns) as started_ns,
        max(event_ns) as ended_ns,
        sum(quantity) as executed_quantity,
        sum(price * quantity) / sum(quantity) as executed_price,
        bool_or(is_aggressor) as is_aggressor,
        (array_agg(mid_price order by event_seq))[1] as mid_at_execution,
        array_agg(distinct order_id) as executed_order_ids,
        array_agg(distinct order_id) filter (where not is_aggressor) as passive_order_ids
    from executions
    group by trading_date, venue, symbol, actor_id, side, event_ns / 1000000000

),

legs_and_withdrawals as (

    select
        trading_date,
        venue,
        symbol,
        actor_id,
        side,
        started_ns as event_ns,
        leg_id,
        executed_quantity,
        0::bigint as withdrawn_quantity
    from legs
    union all
    select
        trading_date,
        venue,
        symbol,
        actor_id,
        {{ opposite_side('side') }} as side,
        ended_ns as event_ns,
        null as leg_id,
        null as executed_quantity,
        withdrawn_quantity
    from postings
    where withdrawn_quantity > 0

),

followed as (

    select
        trading_date,
        leg_id,
        executed_quantity,
        sum(withdrawn_quantity) over (
            partition by trading_date, venue, symbol, actor_id, side
            order by event_ns
            range between 1 following and {{ withdrawal_ns }} following
        ) as following_quantity
    from legs_and_withdrawals

),

candidates as (

    select legs.*
    from legs
    inner join followed
        on
            legs.trading_date = followed.trading_date
            and legs.leg_id = followed.leg_id
    where followed.following_quantity >= {{ var('spoofing_execution_multiple') }} * followed.executed_quantity

),

shown as (

    select
        candidates.trading_date,
        candidates.leg_id,
        count(*) as shown_order_count,
        count(distinct postings.price) as shown_level_count,
        sum(postings.posted_quantity) as shown_quantity,
        sum(postings.filled_quantity) as shown_filled_quantity,
        min(postings.started_ns) as first_shown_ns,
        max(postings.started_ns) as last_shown_ns,
        max(postings.own_depth_10) as side_depth_quantity,
        (array_agg((postings.best_bid + postings.best_ask) / 2 order by postings.posting_id))[1] as mid_at_posting,
        sum(postings.withdrawn_quantity) filter (where is_withdrawn) as withdrawn_quantity,
        count(*) filter (where is_withdrawn) as withdrawn_order_count,
        count(distinct postings.price) filter (where is_withdrawn) as withdrawn_level_count,
        min(postings.started_ns) filter (where is_withdrawn) as first_deceptive_ns,
        max(postings.started_ns) filter (where is_withdrawn) as last_deceptive_ns,
        min(postings.ended_ns) filter (where is_withdrawn) as first_withdrawn_ns,
        max(postings.ended_ns) filter (where is_withdrawn) as last_withdrawn_ns,
        array_agg(distinct postings.order_id) filter (where is_withdrawn) as withdrawn_order_ids
    from candidates
    inner join postings
        on
            candidates.trading_date = postings.trading_date
            and candidates.venue = postings.venue
            and candidates.symbol = postings.symbol
            and candidates.actor_id = postings.actor_id
            and postings.side = {{ opposite_side('candidates.side') }}
            and postings.started_ns between candidates.started_ns - {{ lookback_ns }} and candidates.started_ns
            and (postings.ended_ns is null or postings.ended_ns > candidates.started_ns)
            and postings.order_level <= {{ var('spoofing_maximum_level') }}
    cross join lateral (
        select
            postings.withdrawn_quantity > 0
            and postings.ended_ns <= candidates.started_ns + {{ withdrawal_ns }} as is_withdrawn
    ) as judged
    group by candidates.trading_date, candidates.leg_id

),

same_side as (

    select
        candidates.trading_date,
        candidates.leg_id,
        sum(postings.withdrawn_quantity) filter (
            where
            postings.ended_ns > candidates.started_ns
            and postings.ended_ns <= candidates.started_ns + {{ withdrawal_ns }}
        ) as same_side_withdrawn_quantity,
        sum(postings.posted_quantity) filter (
            where
            postings.started_ns < candidates.started_ns
            and postings.order_level <= {{ var('spoofing_maximum_level') }}
        ) as same_side_shown_quantity
    from candidates
    inner join postings
        on
            candidates.trading_date = postings.trading_date
            and candidates.venue = postings.venue
            and candidates.symbol = postings.symbol
            and candidates.actor_id = postings.actor_id
            and candidates.side = postings.side
            and postings.started_ns between candidates.started_ns - {{ lookback_ns }}
            and candidates.started_ns + {{ withdrawal_ns }}
            and (postings.ended_ns is null or postings.ended_ns >= candidates.started_ns)
    group by candidates.trading_date, candidates.leg_id

),

passive_orders as (

    select
        candidates.trading_date,
        candidates.leg_id,
        sum(lifetimes.maximum_quantity) as passive_order_quantity
    from candidates
    cross join lateral unnest(candidates.passive_order_ids) as orders (order_id)
    inner join lifetimes
        on
            candidates.trading_date = lifetimes.trading_date
            and candidates.venue = lifetimes.venue
            and candidates.symbol = lifetimes.symbol
            and orders.order_id = lifetimes.order_id
    group by candidates.trading_date, candidates.leg_id

),

own_fills as (

    select
        candidates.trading_date,
        candidates.leg_id,
        sum(executions.quantity) as cycle_executed_quantity
    from candidates
    inner join shown
        on
            candidates.trading_date = shown.trading_date
            and candidates.leg_id = shown.leg_id
    inner join executions
        on
            candidates.trading_date = executions.trading_date
            and candidates.venue = executions.venue
            and candidates.symbol = executions.symbol
            and candidates.actor_id = executions.actor_id
            and candidates.side = executions.side
            and executions.event_ns between shown.first_deceptive_ns and shown.last_withdrawn_ns
    group by candidates.trading_date, candidates.leg_id

),

baselines as (

    select * from {{ ref('int_instrument_baselines') }}

),

combined as (

    select
        candidates.trading_date,
        candidates.leg_id,
        candidates.venue,
        candidates.symbol,
        candidates.owner_id,
        candidates.actor_id,
        candidates.side as execution_side,
        candidates.started_ns as executed_ns,
        candidates.executed_quantity,
        round(candidates.executed_price, 6) as executed_price,
        candidates.is_aggressor,
        coalesce(own_fills.cycle_executed_quantity, candidates.executed_quantity) as cycle_executed_quantity,
        shown.shown_order_count,
        shown.shown_level_count,
        shown.shown_quantity,
        shown.shown_filled_quantity,
        shown.withdrawn_quantity,
        shown.withdrawn_order_count,
        shown.withdrawn_level_count,
        shown.first_deceptive_ns,
        shown.last_deceptive_ns,
        shown.first_withdrawn_ns,
        shown.last_withdrawn_ns,
        coalesce(same_side.same_side_withdrawn_quantity, 0) as same_side_withdrawn_quantity,
        greatest(
            coalesce(same_side.same_side_shown_quantity, 0),
            coalesce(passive_orders.passive_order_quantity, 0)
        ) as same_side_shown_quantity,
        shown.side_depth_quantity,
        shown.mid_at_posting,
        candidates.mid_at_execution,
        mids_after.mid_price as mid_after_withdrawal,
        baselines.tick_size,
        baselines.top_quantity_median,
        baselines.order_quantity_p95,
        baselines.spread_ticks_median,
        candidates.executed_order_ids,
        shown.withdrawn_order_ids
    from candidates
    inner join shown
        on
            candidates.trading_date = shown.trading_date
            and candidates.leg_id = shown.leg_id
    left join same_side
        on
            candidates.trading_date = same_side.trading_date
            and candidates.leg_id = same_side.leg_id
    left join passive_orders
        on
            candidates.trading_date = passive_orders.trading_date
            and candidates.leg_id = passive_orders.leg_id
    left join own_fills
        on
            candidates.trading_date = own_fills.trading_date
            and candidates.leg_id = own_fills.leg_id
    left join baselines
        on
            candidates.trading_date = baselines.trading_date
            and candidates.venue = baselines.venue
            and candidates.symbol = baselines.symbol
            and {{ bucket_number('candidates.started_ns') }} = baselines.bucket_number
    left join lateral (
        select book_states.mid_price
        from book_states
        where
            book_states.trading_date = candidates.trading_date
            and book_states.venue = candidates.venue
            and book_states.symbol = candidates.symbol
            and book_states.started_ns <= shown.last_withdrawn_ns + {{ reversion_ns }}
        order by book_states.started_ns desc, book_states.event_seq desc
        limit 1
    ) as mids_after on true
    where shown.withdrawn_quantity >= {{ var('spoofing_execution_multiple') }} * candidates.executed_quantity

)

select * from combined

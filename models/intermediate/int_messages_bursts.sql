{# One row per burst of messages of one actor, or of an anonymous market, in one instrument
   (trading_date, venue, symbol, actor_id, burst_number). #}
{%- set window_ns = nanoseconds(var('quote_stuffing_window_seconds')) %}
with messages as not materialized (

    select
        trading_date,
        event_seq,
        event_ns,
        venue,
        symbol,
        account_id,
        owner_id,
        actor_id,
        event_type,
        order_id,
        side,
        price,
        quantity,
        order_level,
        order_entered_ns,
        leaves_quantity
    from {{ ref('int_events_attributed') }}
    where
        event_type in ('new', 'modify', 'cancel', 'execute')
        and session_phase = 'continuous'

),

busy_slots as (

    select
        trading_date,
        venue,
        symbol,
        actor_id,
        event_ns / {{ window_ns }} as slot_number
    from messages
    where event_type <> 'execute'
    group by trading_date, venue, symbol, actor_id, event_ns / {{ window_ns }}
    having
        count(*) >= case
            when actor_id is null then {{ var('quote_stuffing_anonymous_messages_per_second') }}
            else {{ var('quote_stuffing_messages_per_second') }}
        end * {{ var('quote_stuffing_window_seconds') }} / 2.0

),

slots as materialized (

    select distinct
        busy_slots.trading_date,
        busy_slots.venue,
        busy_slots.symbol,
        busy_slots.actor_id,
        neighbours.slot_number
    from busy_slots
    cross join lateral generate_series(
        busy_slots.slot_number - 1, busy_slots.slot_number + 1
    ) as neighbours (slot_number)

),

counted as (

    select
        messages.trading_date,
        messages.venue,
        messages.symbol,
        messages.actor_id,
        messages.event_seq,
        messages.event_ns,
        count(*) filter (where messages.event_type <> 'execute') over (
            partition by messages.trading_date, messages.venue, messages.symbol, messages.actor_id
            order by messages.event_ns
            range between {{ window_ns - 1 }} preceding and current row
        ) as window_message_count
    from messages
    inner join slots
        on
            messages.trading_date = slots.trading_date
            and messages.venue = slots.venue
            and messages.symbol = slots.symbol
            and coalesce(messages.actor_id, '') = coalesce(slots.actor_id, '')
            and messages.event_ns / {{ window_ns }} = slots.slot_number

),

hot as (

    select
        trading_date,
        venue,
        symbol,
        actor_id,
        event_seq,
        event_ns,
        window_message_count,
        case
            when
                event_ns - lag(event_ns) over (
                    partition by trading_date, venue, symbol, actor_id
                    order by event_seq
                ) <= {{ nanoseconds(var('quote_stuffing_merge_seconds')) }}
                then 0
            else 1
        end as is_burst_start
    from counted
    where
        window_message_count >= case
            when actor_id is null then {{ var('quote_stuffing_anonymous_messages_per_second') }}
            else {{ var('quote_stuffing_messages_per_second') }}
        end * {{ var('quote_stuffing_window_seconds') }}

),

hot_numbered as (

    select
        hot.*,
        sum(is_burst_start) over (
            partition by trading_date, venue, symbol, actor_id
            order by event_seq
            rows between unbounded preceding and current row
        ) as burst_number
    from hot

),

bursts as materialized (

    select
        trading_date,
        venue,
        symbol,
        actor_id,
        burst_number,
        min(event_ns) - {{ window_ns }} as window_started_ns,
        max(event_ns) as ended_ns,
        max(window_message_count) as peak_message_count
    from hot_numbered
    group by trading_date, venue, symbol, actor_id, burst_number

),

measured as (

    select
        bursts.trading_date,
        bursts.venue,
        bursts.symbol,
        bursts.actor_id,
        bursts.burst_number,
        min(messages.owner_id) as owner_id,
        min(messages.event_seq) as burst_id,
        min(messages.event_ns) as started_ns,
        max(messages.event_ns) as ended_ns,
        min(bursts.peak_message_count) as peak_message_count,
        count(*) filter (where messages.event_type <> 'execute') as message_count,
        count(*) filter (where messages.event_type = 'new') as new_count,
        count(*) filter (where messages.event_type = 'modify') as modify_count,
        count(*) filter (where messages.event_type = 'cancel') as cancel_count,
        count(*) filter (where messages.event_type = 'execute') as fill_count,
        count(distinct messages.price) as price_count,
        count(*) filter (where messages.event_type in ('new', 'modify') and messages.order_level > 1)
            as behind_touch_count,
        count(distinct messages.side) as side_count,
        percentile_cont(0.5) within group (order by messages.event_ns - messages.order_entered_ns)
            filter (where messages.event_type = 'cancel') as cancel_age_median_ns,
        to_jsonb((array_agg(messages.order_id order by messages.event_seq) filter (where messages.event_type = 'new'))[
            1:{{ var('evidence_maximum_orders') }}
        ]) as order_ids
    from bursts
    inner join messages
        on
            bursts.trading_date = messages.trading_date
            and bursts.venue = messages.venue
            and bursts.symbol = messages.symbol
            and coalesce(bursts.actor_id, '') = coalesce(messages.actor_id, '')
            and messages.event_ns > bursts.window_started_ns
            and messages.event_ns <= bursts.ended_ns
    group by bursts.trading_date, bursts.venue, bursts.symbol, bursts.actor_id, bursts.burst_number

),

with_others as (

    select
        measured.*,
        others.message_count as other_message_count,
        others.before_count as other_message_count_before
    from measured
    left join lateral (
        select
            count(*) filter (where messages.event_ns >= measured.started_ns) as message_count,
            count(*) filter (where messages.event_ns < measured.started_ns) as before_count
        from messages
        where
            messages.trading_date = measured.trading_date
            and messages.venue = measured.venue
            and messages.symbol = measured.symbol
            and messages.event_type <> 'execute'
            and messages.actor_id is distinct from measured.actor_id
            and messages.event_ns between 2 * measured.started_ns - measured.ended_ns and measured.ended_ns
    ) as others on true

)

select * from with_others

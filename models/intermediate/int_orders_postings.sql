{# One row per order and interval in which it shows one price and size (trading_date, posting_id). #}
{{ config(indexes=[
    {'columns': ['venue', 'symbol', 'actor_id', 'side', 'started_ns']},
    {'columns': ['venue', 'symbol', 'actor_id', 'side', 'ended_ns']},
    {'columns': ['venue', 'symbol', 'ended_ns']},
]) }}
with events as (

    select
        trading_date,
        event_seq,
        event_ns,
        venue,
        symbol,
        event_type,
        order_id,
        account_id,
        owner_id,
        actor_id,
        is_market_maker,
        side,
        price,
        quantity,
        order_level,
        distance_ticks,
        best_bid,
        best_ask,
        case side when 'buy' then depth_bid_5 when 'sell' then depth_ask_5 end as own_depth_5,
        case side when 'buy' then depth_bid_10 when 'sell' then depth_ask_10 end as own_depth_10,
        leaves_quantity,
        order_entered_ns,
        session_phase
    from {{ ref('int_events_attributed') }}
    where
        event_type in ('new', 'modify', 'cancel', 'execute')
        and order_id is not null

),

sequenced as (

    select
        events.*,
        lag(leaves_quantity) over order_events as previous_leaves_quantity,
        last_value(leaves_quantity) over order_events as last_leaves_quantity,
        last_value(event_ns) over order_events as last_event_ns
    from events
    window order_events as (
        partition by trading_date, venue, symbol, order_id
        order by event_seq
        rows between unbounded preceding and unbounded following
    )

),

followed as (

    select
        trading_date,
        event_seq as posting_id,
        event_ns as started_ns,
        event_type as act_type,
        venue,
        symbol,
        order_id,
        account_id,
        owner_id,
        actor_id,
        is_market_maker,
        side,
        price,
        leaves_quantity as posted_quantity,
        order_level,
        distance_ticks,
        best_bid,
        best_ask,
        own_depth_5,
        own_depth_10,
        order_entered_ns,
        session_phase,
        last_event_ns,
        row_number() over order_acts as posting_number,
        lead(event_type) over order_acts as next_act_type,
        lead(event_ns) over order_acts as next_started_ns,
        lead(event_seq) over order_acts as next_posting_id,
        lead(price) over order_acts as next_price,
        lead(leaves_quantity) over order_acts as next_quantity,
        coalesce(lead(previous_leaves_quantity) over order_acts, last_leaves_quantity) as remaining_quantity
    from sequenced
    where event_type <> 'execute'
    window order_acts as (
        partition by trading_date, venue, symbol, order_id
        order by event_seq
    )

),

judged as (

    select
        followed.*,
        case
            when remaining_quantity <= 0 then 'filled'
            when next_act_type is null then 'open'
            when next_act_type = 'cancel' and coalesce(next_quantity, 0) = 0 then 'cancelled'
            when next_act_type = 'cancel' then 'reduced'
            when side = 'buy' and next_price < price then 'moved_away'
            when side = 'sell' and next_price > price then 'moved_away'
            when next_price <> price then 'moved_closer'
            when next_quantity < remaining_quantity then 'reduced'
            else 'increased'
        end as end_reason
    from followed
    where posted_quantity > 0

),

postings as (

    select
        trading_date,
        posting_id,
        posting_number,
        venue,
        symbol,
        order_id,
        account_id,
        owner_id,
        actor_id,
        is_market_maker,
        side,
        price,
        posted_quantity,
        posted_quantity - remaining_quantity as filled_quantity,
        case
            when end_reason in ('cancelled', 'moved_away') then remaining_quantity
            when end_reason = 'reduced' then remaining_quantity - next_quantity
            else 0
        end as withdrawn_quantity,
        end_reason,
        coalesce(order_entered_ns, started_ns) as entered_ns,
        started_ns,
        case
            when end_reason = 'filled' then last_event_ns
            else next_started_ns
        end as ended_ns,
        case when end_reason <> 'filled' then next_posting_id end as ended_by_event_seq,
        act_type as started_by,
        order_level,
        distance_ticks,
        best_bid,
        best_ask,
        own_depth_5,
        own_depth_10,
        session_phase
    from judged

)

select * from postings

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

numbered as (

    select
        events.*,
        count(*) filter (where event_type <> 'execute') over (
            partition by trading_date, venue, symbol, order_id
            order by event_seq
            rows between unbounded preceding and current row
        ) as act_number
    from events

),

acts as (

    select
        trading_date,
        venue,
        symbol,
        order_id,
        act_number,
        min(event_seq) filter (where event_type <> 'execute') as posting_id,
        min(event_ns) filter (where event_type <> 'execute') as started_ns,
        min(event_type) filter (where event_type <> 'execute') as act_type,
        min(account_id) as account_id,
        min(owner_id) as owner_id,
        min(actor_id) as actor_id,
        bool_or(is_market_maker) as is_market_maker,
        min(side) as side,
        min(price) filter (where event_type <> 'execute') as price,
        min(leaves_quantity) filter (where event_type <> 'execute') as posted_quantity,
        coalesce(sum(quantity) filter (where event_type = 'execute'), 0)::bigint as filled_quantity,
        min(event_ns) filter (where event_type = 'execute') as first_filled_ns,
        max(event_ns) as last_event_ns,
        min(order_level) filter (where event_type <> 'execute') as order_level,
        min(distance_ticks) filter (where event_type <> 'execute') as distance_ticks,
        min(best_bid) filter (where event_type <> 'execute') as best_bid,
        min(best_ask) filter (where event_type <> 'execute') as best_ask,
        min(own_depth_5) filter (where event_type <> 'execute') as own_depth_5,
        min(own_depth_10) filter (where event_type <> 'execute') as own_depth_10,
        min(order_entered_ns) as order_entered_ns,
        min(session_phase) filter (where event_type <> 'execute') as session_phase
    from numbered
    group by trading_date, venue, symbol, order_id, act_number

),

followed as (

    select
        acts.*,
        lead(act_type) over following_act as next_act_type,
        lead(started_ns) over following_act as next_started_ns,
        lead(posting_id) over following_act as next_posting_id,
        lead(price) over following_act as next_price,
        lead(posted_quantity) over following_act as next_quantity,
        posted_quantity - filled_quantity as remaining_quantity
    from acts
    window following_act as (
        partition by trading_date, venue, symbol, order_id
        order by act_number
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
    where
        posting_id is not null
        and posted_quantity > 0

),

postings as (

    select
        trading_date,
        posting_id,
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
        filled_quantity,
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
        first_filled_ns,
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

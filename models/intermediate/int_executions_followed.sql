{# One row per own execution leg (trading_date, leg_id), the fills of one actor and side within a second,
   after which the actor withdrew a multiple of it on the other side. #}
with executions as (

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

withdrawals as (

    select
        trading_date,
        venue,
        symbol,
        actor_id,
        {{ opposite_side('side') }} as side,
        ended_ns as event_ns,
        withdrawn_quantity
    from {{ ref('int_orders_postings') }}
    where
        actor_id is not null
        and withdrawn_quantity > 0

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
        sum(quantity)::bigint as executed_quantity,
        sum(price * quantity) / sum(quantity) as executed_price,
        bool_or(is_aggressor) as is_aggressor,
        (array_agg(mid_price order by event_seq))[1] as mid_at_execution,
        jsonb_agg(distinct order_id) as executed_order_ids,
        jsonb_agg(distinct order_id) filter (where not is_aggressor) as passive_order_ids
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
        side,
        event_ns,
        null as leg_id,
        null as executed_quantity,
        withdrawn_quantity
    from withdrawals

),

followed as (

    select
        trading_date,
        leg_id,
        executed_quantity,
        sum(withdrawn_quantity) over (
            partition by trading_date, venue, symbol, actor_id, side
            order by event_ns
            range between 1 following and {{ nanoseconds(var('spoofing_withdrawal_seconds')) }} following
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

)

select * from candidates

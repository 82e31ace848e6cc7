{# One row per aggressive fill (trading_date, event_seq) of an actor or, in an anonymous market, of anybody. #}
{{ config(indexes=[{'columns': ['venue', 'symbol', 'actor_key', 'side', 'event_ns']}]) }}
with executions as (

    select * from {{ ref('int_executions') }}

),

trades as (

    select * from {{ ref('int_trades_attributed') }}

),

participant_fills as (

    select
        trading_date,
        event_seq,
        event_ns,
        venue,
        symbol,
        order_id,
        owner_id,
        actor_id,
        actor_id as actor_key,
        side,
        price,
        quantity
    from executions
    where
        is_aggressor
        and actor_id is not null
        and session_phase = 'continuous'

),

anonymous_fills as (

    select
        trading_date,
        event_seq,
        event_ns,
        venue,
        symbol,
        case aggressor_side when 'buy' then buy_order_id when 'sell' then sell_order_id end as order_id,
        null::text as owner_id,
        null::text as actor_id,
        '' as actor_key,
        aggressor_side as side,
        price,
        quantity
    from trades
    where
        buy_account_id is null
        and sell_account_id is null
        and aggressor_side is not null
        and not is_off_book
        and session_phase = 'continuous'

),

combined as (

    select * from participant_fills
    union all
    select * from anonymous_fills

)

select * from combined

{# One row per order (trading_date, venue, symbol, order_id), from entry to its end. #}
{{ config(indexes=[{'columns': ['venue', 'symbol', 'order_id']}]) }}
with postings as (

    select
        measured.*,
        end_reason in ('filled', 'cancelled', 'open') as is_last
    from {{ ref('int_orders_postings') }} as measured

),

summarised as (

    select
        trading_date,
        venue,
        symbol,
        order_id,
        min(account_id) as account_id,
        min(owner_id) as owner_id,
        min(actor_id) as actor_id,
        min(side) as side,
        min(entered_ns) as entered_ns,
        max(ended_ns) filter (where is_last) as ended_ns,
        coalesce(max(end_reason) filter (where is_last), 'unknown') as end_reason,
        max(price) filter (where posting_number = 1) as first_price,
        max(price) filter (where is_last) as last_price,
        max(order_level) filter (where posting_number = 1) as entry_level,
        max(distance_ticks) filter (where posting_number = 1) as entry_distance_ticks,
        max(posted_quantity) as maximum_quantity,
        sum(filled_quantity)::bigint as filled_quantity,
        sum(withdrawn_quantity)::bigint as withdrawn_quantity,
        count(*) - 1 as modification_count
    from postings
    group by trading_date, venue, symbol, order_id

)

select * from summarised

{# One row per order (trading_date, venue, symbol, order_id), from entry to its end. #}
{{ config(indexes=[{'columns': ['venue', 'symbol', 'order_id']}]) }}
with postings as (

    select * from {{ ref('int_orders_postings') }}

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
        (array_agg(ended_ns order by posting_id desc))[1] as ended_ns,
        (array_agg(end_reason order by posting_id desc))[1] as end_reason,
        (array_agg(price order by posting_id))[1] as first_price,
        (array_agg(price order by posting_id desc))[1] as last_price,
        (array_agg(order_level order by posting_id))[1] as entry_level,
        (array_agg(distance_ticks order by posting_id))[1] as entry_distance_ticks,
        max(posted_quantity) as maximum_quantity,
        sum(filled_quantity)::bigint as filled_quantity,
        sum(withdrawn_quantity)::bigint as withdrawn_quantity,
        count(*) - 1 as modification_count
    from postings
    group by trading_date, venue, symbol, order_id

)

select * from summarised

{# One row per order-to-trade ratio alert (mode, venue, symbol, actor_id, trading_date). #}
with messages as (

    select * from {{ ref('int_owners_daily_messages') }}

),

ratios as (

    select
        messages.*,
        new_count + cancel_count + {{ var('order_to_trade_modify_weight') }} * modify_count as order_count,
        case
            when is_market_maker then {{ var('order_to_trade_maximum_ratio_market_maker') }}
            else {{ var('order_to_trade_maximum_ratio') }}
        end as ratio_limit,
        case
            when is_market_maker then {{ var('order_to_trade_maximum_quantity_ratio_market_maker') }}
            else {{ var('order_to_trade_maximum_quantity_ratio') }}
        end as quantity_ratio_limit
    from messages

),

measured as (

    select
        ratios.*,
        order_count::numeric / greatest(fill_count, 1) - 1 as count_ratio,
        ordered_quantity::numeric / nullif(traded_quantity, 0) - 1 as quantity_ratio
    from ratios

),

fired as (

    select
        measured.*,
        greatest(count_ratio / ratio_limit, coalesce(quantity_ratio, 0) / quantity_ratio_limit) as limit_multiple
    from measured
    where
        order_count >= {{ var('order_to_trade_minimum_messages') }}
        and (count_ratio > ratio_limit or quantity_ratio > quantity_ratio_limit)

),

combined as (

    select
        'order_to_trade_ratio' as rule_id,
        case when owner_id is null then 'anonymous' else 'participant' end as mode,
        case when count_ratio > ratio_limit then 'ratio_by_number' else 'ratio_by_quantity' end as kind,
        venue,
        symbol,
        owner_id,
        owner_id as actor_id,
        trading_date,
        started_ns,
        ended_ns,
        1 as episode_count,
        limit_multiple as magnitude_ratio,
        1 - least(1, fill_count::numeric / order_count * ratio_limit) as conditionality,
        0::numeric as price_effect,
        0::numeric as estimated_gain,
        jsonb_build_object(
            'ratio_by_number', {{ metric('count_ratio', 'ratio_limit') }},
            'ratio_by_quantity', {{ metric('quantity_ratio', 'quantity_ratio_limit') }},
            'orders', {{ metric('order_count', var('order_to_trade_minimum_messages')) }},
            'fills', {{ metric('fill_count', 'null') }}
        ) as metrics,
        '{}'::jsonb as evidence,
        case
            when owner_id is null then 'Unattributed: the market'
            when is_market_maker then 'Market maker ' || owner_id
            else 'Owner ' || owner_id
        end
        || ' sent ' || {{ plain_number('new_count') }} || ' new orders, ' || {{ plain_number('modify_count') }}
        || ' modifications and ' || {{ plain_number('cancel_count') }} || ' cancellations in ' || symbol
        || ' for ' || {{ plain_number('fill_count') }} || case fill_count when 1 then ' fill' else ' fills' end || ': a ratio of ' || {{ plain_number('count_ratio', 1) }}
        || ' by number'
        || coalesce(' and ' || {{ plain_number('quantity_ratio', 1) }} || ' by quantity', '')
        || '. The limits are ' || {{ plain_number('ratio_limit') }} || ' by number and '
        || {{ plain_number('quantity_ratio_limit') }} || ' by quantity.' as narrative
    from fired

)

select * from combined

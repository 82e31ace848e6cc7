{# One row per spoofing alert (mode, venue, symbol, actor_id, started_ns). #}
with {{ deceptive_alerts('spoofing') }}

vanished as (

    select
        measured.*,
        case side when 'buy' then 1 else -1 end as direction
    from {{ ref('int_orders_vanished') }} as measured
    where
        quantity >= order_quantity_p99
        and withdrawn_ns - entered_ns <= {{ nanoseconds(var('spoofing_anonymous_maximum_life_seconds')) }}
        and opposite_trade_count > 0

),

pushing as (

    select
        vanished.*,
        direction * (mid_at_withdrawal - mid_at_entry) as favourable_move,
        direction * (mid_at_withdrawal - mid_after_withdrawal) as reversion,
        direction * (opposite_traded_price - mid_after_withdrawal) * opposite_traded_quantity as gain
    from vanished

),

anonymous_fired as (

    select
        pushing.*,
        entered_ns as started_ns,
        withdrawn_ns as ended_ns
    from pushing
    where
        favourable_move >= tick_size * greatest(
            {{ var('spoofing_anonymous_minimum_move_ticks') }},
            {{ var('spoofing_anonymous_minimum_move_spreads') }} * spread_ticks_median
        )
        and reversion >= {{ var('spoofing_anonymous_minimum_reversion_share') }} * favourable_move

),

anonymous_numbered as (

    {{ number_episodes(
        'anonymous_fired',
        ['trading_date', 'venue', 'symbol'],
        nanoseconds(var('alert_merge_gap_seconds')),
        'order_row_id'
    ) | indent(4) }}

),

anonymous_episodes as (

    select
        trading_date,
        venue,
        symbol,
        min(started_ns) as started_ns,
        max(ended_ns) as ended_ns,
        count(*)::int as episode_count,
        max(quantity / order_quantity_p99) as size_multiple,
        max(order_quantity_p99) as size_threshold,
        max(quantity) as quantity,
        (array_agg(side order by quantity desc, order_row_id))[1] as side,
        (array_agg(price order by quantity desc, order_row_id))[1] as price,
        max(withdrawn_ns - entered_ns) as life_ns,
        max(favourable_move) as favourable_move,
        max(reversion) as reversion,
        sum(gain) as estimated_gain,
        sum(opposite_traded_quantity) as traded_quantity,
        max(tick_size) as tick_size,
        max(spread_ticks_median) as spread_ticks_median,
        jsonb_agg(order_id order by order_row_id) as order_ids
    from anonymous_numbered
    group by trading_date, venue, symbol, episode_number

),

anonymous_alerts as (

    select
        'spoofing' as rule_id,
        'anonymous' as mode,
        'large_order_withdrawn' as kind,
        venue,
        symbol,
        null::text as owner_id,
        null::text as actor_id,
        trading_date,
        started_ns,
        ended_ns,
        episode_count,
        size_multiple as magnitude_ratio,
        0.5 as conditionality,
        (favourable_move + reversion) / nullif(
            {{ var('alert_price_effect_full_spreads') }} * spread_ticks_median * tick_size, 0
        ) as price_effect,
        estimated_gain,
        jsonb_build_object(
            'order_quantity', {{ metric('quantity', 'size_threshold') }},
            'life_seconds', {{ metric('life_ns / 1000000000.0', var('spoofing_anonymous_maximum_life_seconds')) }},
            'favourable_move_ticks',
            {{ metric('favourable_move / tick_size', var('spoofing_anonymous_minimum_move_ticks')) }},
            'reversion_share',
            {{ metric('reversion / favourable_move', var('spoofing_anonymous_minimum_reversion_share')) }}
        ) as metrics,
        jsonb_build_object('deceptive', order_ids) as evidence,
        'Unattributed: ' || case when episode_count = 1 then 'a' else episode_count || ' orders, the largest a' end
        || case side when 'buy' then ' buy' else ' sell' end || ' order of '
        || {{ plain_number('quantity') }} || ' ' || symbol || ' at ' || {{ plain_number('price', 4) }}
        || ', ' || {{ plain_number('size_multiple', 1) }} || ' times the size that 99 % of orders stay below, stood '
        || {{ plain_seconds('life_ns') }} || ' s and was withdrawn unfilled, while '
        || {{ plain_number('traded_quantity') }}
        || case side when 'buy' then ' were sold' else ' were bought' end
        || ' on the other side. The mid price moved ' || {{ plain_number('favourable_move / tick_size', 1) }}
        || ' ticks with the order and ' || {{ plain_number('reversion / tick_size', 1) }}
        || ' ticks back within ' || '{{ var('spoofing_reversion_seconds') }}' || ' s of its withdrawal.' as narrative
    from anonymous_episodes

),

combined as (

    {{ union_alerts(['participant_alerts', 'anonymous_alerts']) | indent(4) }}

)

select * from combined

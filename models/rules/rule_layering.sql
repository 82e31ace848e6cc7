{# One row per layering alert (mode, venue, symbol, actor_id, started_ns). #}
with {{ deceptive_alerts('layering') }}

vanished as (

    select
        measured.*,
        case side when 'buy' then 1 else -1 end as direction,
        case
            when
                withdrawn_ns - lag(withdrawn_ns) over (
                    partition by trading_date, venue, symbol, side
                    order by withdrawn_ns, order_row_id
                ) <= {{ nanoseconds(var('layering_anonymous_withdrawal_seconds')) }}
                then 0
            else 1
        end as is_first_withdrawal
    from {{ ref('int_orders_vanished') }} as measured

),

groups_numbered as (

    select
        vanished.*,
        sum(is_first_withdrawal) over (
            partition by trading_date, venue, symbol, side
            order by withdrawn_ns, order_row_id
            rows between unbounded preceding and current row
        ) as group_number
    from vanished

),

layers as (

    select
        trading_date,
        venue,
        symbol,
        side,
        direction,
        min(order_row_id) as order_row_id,
        min(entered_ns) as started_ns,
        max(withdrawn_ns) as ended_ns,
        max(entered_ns) as last_entered_ns,
        min(withdrawn_ns) as first_withdrawn_ns,
        count(*) as order_count,
        count(distinct price) as level_count,
        sum(quantity) as quantity,
        sum(quantity) / greatest(max(own_depth_5), 1) as depth_share,
        min(top_quantity_median) as top_quantity_median,
        max(opposite_traded_quantity) as traded_quantity,
        (array_agg(opposite_traded_price order by order_row_id))[1] as traded_price,
        (array_agg(mid_at_entry order by order_row_id))[1] as mid_at_entry,
        (array_agg(mid_at_withdrawal order by withdrawn_ns desc, order_row_id desc))[1] as mid_at_withdrawal,
        (array_agg(mid_after_withdrawal order by withdrawn_ns desc, order_row_id desc))[1] as mid_after_withdrawal,
        max(tick_size) as tick_size,
        max(spread_ticks_median) as spread_ticks_median,
        array_agg(order_id order by order_row_id) as order_ids
    from groups_numbered
    group by trading_date, venue, symbol, side, direction, group_number
    having
        count(distinct price) >= {{ var('layering_minimum_levels') }}
        and max(entered_ns) - min(entered_ns) <= {{ nanoseconds(var('layering_entry_seconds')) }}
        and max(entered_ns) < min(withdrawn_ns)
        and max(opposite_trade_count) > 0

),

anonymous_judged as (

    select
        layers.*,
        direction * (mid_at_withdrawal - mid_at_entry) as favourable_move,
        direction * (mid_at_withdrawal - mid_after_withdrawal) as reversion,
        direction * (traded_price - mid_after_withdrawal) * traded_quantity as gain
    from layers
    where
        depth_share >= {{ var('layering_minimum_depth_share') }}
        or quantity >= {{ var('layering_minimum_levels') }} * top_quantity_median

),

anonymous_fired as (

    select *
    from anonymous_judged
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

anonymous_orders as (

    select
        trading_date,
        venue,
        symbol,
        episode_number,
        jsonb_agg(distinct order_id order by order_id) as order_ids
    from anonymous_numbered
    cross join lateral unnest(order_ids) as orders (order_id)
    group by trading_date, venue, symbol, episode_number

),

anonymous_episodes as (

    select
        trading_date,
        venue,
        symbol,
        episode_number,
        min(started_ns) as started_ns,
        max(ended_ns) as ended_ns,
        count(*)::int as episode_count,
        max(quantity) as quantity,
        max(level_count) as level_count,
        max(order_count) as order_count,
        max(depth_share) as depth_share,
        max(quantity / ({{ var('layering_minimum_levels') }} * greatest(top_quantity_median, 1))) as size_multiple,
        (array_agg(side order by quantity desc, order_row_id))[1] as side,
        max(favourable_move) as favourable_move,
        max(reversion) as reversion,
        sum(gain) as estimated_gain,
        sum(traded_quantity) as traded_quantity,
        max(tick_size) as tick_size,
        max(spread_ticks_median) as spread_ticks_median
    from anonymous_numbered
    group by trading_date, venue, symbol, episode_number

),

anonymous_alerts as (

    select
        'layering' as rule_id,
        'anonymous' as mode,
        'layers_withdrawn_together' as kind,
        episodes.venue,
        episodes.symbol,
        null::text as owner_id,
        null::text as actor_id,
        episodes.trading_date,
        episodes.started_ns,
        episodes.ended_ns,
        episodes.episode_count,
        greatest(episodes.size_multiple, episodes.depth_share / {{ var('layering_minimum_depth_share') }})
            as magnitude_ratio,
        0.5 as conditionality,
        (episodes.favourable_move + episodes.reversion) / nullif(
            {{ var('alert_price_effect_full_spreads') }} * episodes.spread_ticks_median * episodes.tick_size, 0
        ) as price_effect,
        episodes.estimated_gain,
        jsonb_build_object(
            'levels', {{ metric('episodes.level_count', var('layering_minimum_levels')) }},
            'depth_share', {{ metric('episodes.depth_share', var('layering_minimum_depth_share')) }},
            'favourable_move_ticks',
            {{ metric('episodes.favourable_move / episodes.tick_size', var('spoofing_anonymous_minimum_move_ticks')) }},
            'reversion_share',
            {{ metric('episodes.reversion / episodes.favourable_move', var('spoofing_anonymous_minimum_reversion_share')) }}
        ) as metrics,
        jsonb_build_object('deceptive', anonymous_orders.order_ids) as evidence,
        'Unattributed: ' || {{ plain_number('episodes.order_count') }}
        || case episodes.side when 'buy' then ' buy' else ' sell' end || ' orders of '
        || {{ plain_number('episodes.quantity') }} || ' ' || episodes.symbol || ' in all at '
        || {{ plain_number('episodes.level_count') }} || ' prices, '
        || {{ plain_number('100 * episodes.depth_share') }}
        || ' % of the five best levels of their side, were withdrawn together while '
        || {{ plain_number('episodes.traded_quantity') }}
        || case episodes.side when 'buy' then ' were sold' else ' were bought' end
        || ' on the other side. The mid price moved '
        || {{ plain_number('episodes.favourable_move / episodes.tick_size', 1) }}
        || ' ticks with the orders and ' || {{ plain_number('episodes.reversion / episodes.tick_size', 1) }}
        || ' ticks back afterwards.' as narrative
    from anonymous_episodes as episodes
    inner join anonymous_orders using (trading_date, venue, symbol, episode_number)

),

combined as (

    {{ union_alerts(['participant_alerts', 'anonymous_alerts']) | indent(4) }}

)

select * from combined

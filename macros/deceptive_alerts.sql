{# The common body of spoofing and layering: episodes of orders shown on one side and withdrawn after an
   own execution on the other. An episode with at least `layering_minimum_levels` price levels is layering,
   any other is spoofing, so that no episode is reported twice. #}
{% macro deceptive_alerts(rule_id) -%}
{%- set keys = ['trading_date', 'venue', 'symbol', 'actor_id'] -%}
withdrawals as (

    select
        measured.*,
        case execution_side when 'buy' then 1 else -1 end as direction,
        least(
            {{ var('spoofing_top_quantity_multiple') }} * top_quantity_median,
            order_quantity_p95
        ) as size_threshold
    from {{ ref('int_executions_withdrawals') }} as measured

),

judged as (

    select
        withdrawals.*,
        withdrawn_quantity / shown_quantity as withdrawn_share,
        shown_filled_quantity / shown_quantity as filled_share,
        direction * (mid_at_posting - mid_at_execution) as favourable_move,
        direction * (mid_after_withdrawal - mid_at_execution) as reversion,
        direction * (mid_after_withdrawal - executed_price) * executed_quantity as gain,
        withdrawn_level_count >= {{ var('layering_minimum_levels') }}
        and withdrawn_order_count >= {{ var('layering_minimum_levels') }}
        and last_deceptive_ns - first_deceptive_ns <= {{ nanoseconds(var('layering_entry_seconds')) }}
        and (
            withdrawn_quantity >= {{ var('layering_minimum_depth_share') }} * side_depth_quantity
            or withdrawn_quantity >= {{ var('layering_minimum_levels') }} * top_quantity_median
        ) as is_layered
    from withdrawals

),

conditional as (

    select
        judged.*,
        count(*) over (partition by trading_date, venue, symbol, actor_id) as day_count
    from judged
    where
        withdrawn_share >= {{ var('spoofing_minimum_withdrawn_share') }}
        and filled_share <= case
            when is_layered then {{ var('layering_maximum_filled_share') }}
            else {{ var('spoofing_maximum_filled_share') }}
        end
        and withdrawn_quantity >= {{ var('spoofing_execution_multiple') }} * cycle_executed_quantity
        and withdrawn_quantity >= {{ var('spoofing_symmetry_multiple') }} * same_side_withdrawn_quantity
        and withdrawn_quantity >= {{ var('spoofing_shown_multiple') }} * same_side_shown_quantity

),

fired as (

    select
        conditional.*,
        first_deceptive_ns as started_ns,
        last_withdrawn_ns as ended_ns
    from conditional
    where
        withdrawn_quantity >= size_threshold
        or day_count >= {{ var('spoofing_repetition_waives_size_count') }}

),

numbered as (

    {{ number_episodes(
        'fired',
        keys,
        nanoseconds(var('alert_merge_gap_seconds')),
        'leg_id'
    ) | indent(4) }}

),

deceptive_orders as (

    {{ episode_orders('numbered', keys, 'withdrawn_order_ids') | indent(4) }}

),

executed_orders as (

    {{ episode_orders('numbered', keys, 'executed_order_ids') | indent(4) }}

),

episodes as (

    select
        trading_date,
        venue,
        symbol,
        actor_id,
        episode_number,
        (array_agg(owner_id order by leg_id))[1] as owner_id,
        bool_or(is_layered) as is_layered,
        count(distinct execution_side) as side_count,
        (array_agg(execution_side order by withdrawn_quantity desc, leg_id))[1] as execution_side,
        min(started_ns) as started_ns,
        max(ended_ns) as ended_ns,
        count(*)::int as episode_count,
        sum(executed_quantity) as executed_quantity,
        sum(executed_price * executed_quantity) / sum(executed_quantity) as executed_price,
        max(withdrawn_quantity) as withdrawn_quantity,
        max(withdrawn_order_count) as withdrawn_order_count,
        max(withdrawn_level_count) as withdrawn_level_count,
        max(withdrawn_quantity / cycle_executed_quantity) as execution_multiple,
        max(withdrawn_quantity / greatest(top_quantity_median, 1)) as top_multiple,
        min(withdrawn_share) as withdrawn_share,
        max(filled_share) as filled_share,
        max(greatest(same_side_withdrawn_quantity, same_side_shown_quantity) / withdrawn_quantity) as symmetry,
        min(size_threshold) as size_threshold,
        max(withdrawn_quantity / greatest(side_depth_quantity, 1)) as depth_share,
        max(last_withdrawn_ns - executed_ns) as withdrawal_delay_ns,
        max(favourable_move) as favourable_move,
        max(reversion) as reversion,
        max(greatest(favourable_move, 0) + greatest(reversion, 0)) as price_benefit,
        max(tick_size) as tick_size,
        max(spread_ticks_median) as spread_ticks_median,
        sum(gain) as estimated_gain
    from numbered
    group by trading_date, venue, symbol, actor_id, episode_number

),

participant_alerts as (

    select
        '{{ rule_id }}' as rule_id,
        'participant' as mode,
        case
            when episodes.is_layered then 'layering'
            when episodes.side_count > 1 then 'flipping'
            else 'spoofing'
        end as kind,
        episodes.venue,
        episodes.symbol,
        episodes.owner_id,
        episodes.actor_id,
        episodes.trading_date,
        episodes.started_ns,
        episodes.ended_ns,
        episodes.episode_count,
        episodes.execution_multiple / {{ var('spoofing_execution_multiple') }} as magnitude_ratio,
        episodes.withdrawn_share * (1 - episodes.symmetry) as conditionality,
        episodes.price_benefit / nullif(
            {{ var('alert_price_effect_full_spreads') }} * episodes.spread_ticks_median * episodes.tick_size, 0
        ) as price_effect,
        episodes.estimated_gain,
        jsonb_build_object(
            'withdrawn_share', {{ metric('episodes.withdrawn_share', var('spoofing_minimum_withdrawn_share')) }},
            'filled_share', {{ metric('episodes.filled_share', var(rule_id ~ '_maximum_filled_share')) }},
            'withdrawn_to_executed', {{ metric('episodes.execution_multiple', var('spoofing_execution_multiple')) }},
            'withdrawn_quantity', {{ metric('episodes.withdrawn_quantity', 'episodes.size_threshold') }},
            'withdrawn_levels', {{ metric('episodes.withdrawn_level_count', var('layering_minimum_levels')) }},
            'depth_share', {{ metric('episodes.depth_share', var('layering_minimum_depth_share')) }},
            'withdrawal_delay_seconds',
            {{ metric('episodes.withdrawal_delay_ns / 1000000000.0', var('spoofing_withdrawal_seconds')) }},
            'favourable_move_ticks', {{ metric('episodes.favourable_move / episodes.tick_size', 'null') }},
            'reversion_ticks', {{ metric('episodes.reversion / episodes.tick_size', 'null') }}
        ) as metrics,
        jsonb_build_object(
            'deceptive', deceptive_orders.order_ids,
            'bona_fide', executed_orders.order_ids
        ) as evidence,
        'Owner ' || episodes.owner_id
        || case episodes.execution_side when 'buy' then ' bought ' else ' sold ' end
        || {{ plain_number('episodes.executed_quantity') }}
        || ' ' || episodes.symbol || ' at ' || {{ plain_number('episodes.executed_price', 4) }}
        || case when episodes.episode_count > 1 then ' on average' else '' end
        || ' while showing ' || {{ plain_number('episodes.withdrawn_order_count') }}
        || case episodes.execution_side when 'buy' then ' sell' else ' buy' end
        || case when episodes.withdrawn_order_count = 1 then ' order' else ' orders' end
        || ' of ' || {{ plain_number('episodes.withdrawn_quantity') }} || ' in all at '
        || {{ plain_number('episodes.withdrawn_level_count') }}
        || case when episodes.withdrawn_level_count = 1 then ' price' else ' prices' end
        || ' on the other side, and withdrew ' || {{ plain_number('100 * episodes.withdrawn_share') }}
        || ' % of what was shown within ' || {{ plain_seconds('episodes.withdrawal_delay_ns') }}
        || ' s of the execution. That is ' || {{ plain_number('episodes.execution_multiple', 1) }}
        || ' times the executed quantity and ' || {{ plain_number('episodes.top_multiple', 1) }}
        || ' times the usual quantity at the touch.'
        || case
            when episodes.favourable_move > 0 or episodes.reversion > 0
                then
                    ' The mid price moved '
                    || coalesce({{ plain_number('greatest(episodes.favourable_move, 0) / episodes.tick_size', 1) }}, '0')
                    || ' ticks in the owner''s favour before the execution'
                    || case
                        when episodes.reversion > 0
                            then
                                ' and ' || {{ plain_number('episodes.reversion / episodes.tick_size', 1) }}
                                || ' ticks back afterwards.'
                        else ' and did not come back.'
                    end
            else ''
        end
        || case
            when episodes.episode_count > 1
                then ' The pattern was seen ' || episodes.episode_count || ' times in '
                || {{ plain_seconds('episodes.ended_ns - episodes.started_ns') }} || ' s.'
            else ''
        end as narrative
    from episodes
    inner join deceptive_orders using (trading_date, venue, symbol, actor_id, episode_number)
    inner join executed_orders using (trading_date, venue, symbol, actor_id, episode_number)
    where {{ 'episodes.is_layered' if rule_id == 'layering' else 'not episodes.is_layered' }}

),
{%- endmacro %}


{# The orders of each episode in `relation`, gathered from its column `order_ids` of JSON lists. #}
{% macro episode_orders(relation, keys, order_ids) -%}
    select
        {{ keys | join(', ') }},
        episode_number,
        jsonb_agg(distinct order_id order by order_id) as order_ids
    from {{ relation }}
    cross join lateral jsonb_array_elements_text({{ order_ids }}) as orders (order_id)
    group by {{ keys | join(', ') }}, episode_number
{%- endmacro %}

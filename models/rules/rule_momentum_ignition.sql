{# One row per momentum ignition alert (mode, venue, symbol, actor_id, started_ns). #}
with runs as (

    select
        measured.*,
        case side when 'buy' then 1 else -1 end as direction
    from {{ ref('int_aggressive_runs') }} as measured

),

news as (

    select * from {{ ref('stg_reference__news') }}

),

judged as (

    select
        runs.*,
        executed_quantity::numeric / market_quantity as volume_share,
        executed_quantity / nullif(
            traded_quantity_per_second * {{ var('momentum_ignition_run_seconds') }}, 0
        ) as volume_multiple,
        greatest(
            {{ var('momentum_ignition_deviation_multiple') }} * return_deviation * mid_before,
            {{ var('momentum_ignition_minimum_move_ticks') }} * tick_size,
            {{ var('momentum_ignition_minimum_move_share') }} * mid_before
        ) as move_threshold,
        exit_quantity::numeric / executed_quantity as exit_share,
        direction * (exit_price - executed_price) as exit_advantage,
        least(exit_quantity, executed_quantity) * direction * (exit_price - executed_price) as gain,
        (peak_move - direction * (last_mid - mid_before)) / nullif(peak_move, 0) as reversion_share
    from runs

),

moving as (

    select
        judged.*,
        started_ns as run_started_ns,
        greatest(ended_ns, coalesce(exit_ended_ns, ended_ns)) as exit_or_run_ended_ns,
        exists (
            select 1
            from news
            where
                news.venue = judged.venue
                and news.symbol = judged.symbol
                and abs(news.published_ns - judged.started_ns)
                <= {{ nanoseconds(var('momentum_ignition_news_seconds')) }}
        ) as is_near_news
    from judged
    where
        greatest(favourable_move, peak_move) >= move_threshold
        and coalesce(volume_multiple, {{ var('momentum_ignition_volume_multiple') }})
        >= {{ var('momentum_ignition_volume_multiple') }}

),

fired as (

    select
        moving.trading_date,
        moving.run_id,
        moving.venue,
        moving.symbol,
        moving.actor_id,
        moving.owner_id,
        moving.side,
        moving.started_ns,
        moving.exit_or_run_ended_ns as ended_ns,
        moving.executed_quantity,
        moving.executed_price,
        moving.level_count,
        moving.volume_share,
        moving.volume_multiple,
        moving.favourable_move,
        moving.peak_move,
        moving.move_threshold,
        moving.exit_quantity,
        moving.exit_price,
        moving.exit_share,
        moving.reversion_share,
        moving.preposition_quantity,
        moving.gain,
        moving.tick_size,
        moving.spread_ticks_median,
        moving.order_ids,
        moving.exit_order_ids
    from moving
    where
        (
            moving.actor_id is not null
            and moving.volume_share >= {{ var('momentum_ignition_minimum_volume_share') }}
            and moving.exit_share >= {{ var('momentum_ignition_minimum_exit_share') }}
            and moving.exit_advantage > 0
            and (
                moving.reversion_share >= {{ var('momentum_ignition_minimum_reversion_share') }}
                or (
                    moving.exit_share >= {{ var('momentum_ignition_full_exit_share') }}
                    and not moving.is_near_news
                )
            )
        )
        or (
            moving.actor_id is null
            and not moving.is_near_news
            and moving.reversion_share >= {{ var('momentum_ignition_minimum_reversion_share') }}
        )

),

numbered as (

    {{ number_episodes(
        'fired',
        ['trading_date', 'venue', 'symbol', 'actor_id'],
        nanoseconds(var('alert_merge_gap_seconds')),
        'run_id'
    ) | indent(4) }}

),

episodes as (

    select
        numbered.trading_date,
        numbered.venue,
        numbered.symbol,
        numbered.actor_id,
        numbered.episode_number,
        min(numbered.owner_id) as owner_id,
        min(numbered.started_ns) as started_ns,
        max(numbered.ended_ns) as ended_ns,
        count(*)::int as episode_count,
        (array_agg(numbered.run_id order by numbered.peak_move desc, numbered.run_id))[1] as main_run_id,
        sum(numbered.gain) as estimated_gain
    from numbered
    group by
        numbered.trading_date, numbered.venue, numbered.symbol, numbered.actor_id, numbered.episode_number

),

combined as (

    select
        'momentum_ignition' as rule_id,
        case when episodes.actor_id is null then 'anonymous' else 'participant' end as mode,
        'ignition' as kind,
        episodes.venue,
        episodes.symbol,
        episodes.owner_id,
        episodes.actor_id,
        episodes.trading_date,
        episodes.started_ns,
        episodes.ended_ns,
        episodes.episode_count,
        greatest(main.favourable_move, main.peak_move) / main.move_threshold as magnitude_ratio,
        case
            when episodes.actor_id is null then 0.5
            else least(1, main.exit_share) * least(1, 2 * main.volume_share)
        end as conditionality,
        main.peak_move / nullif(
            {{ var('alert_price_effect_full_spreads') }} * main.spread_ticks_median * main.tick_size, 0
        ) as price_effect,
        coalesce(episodes.estimated_gain, 0) as estimated_gain,
        jsonb_build_object(
            'volume_share', {{ metric('main.volume_share', var('momentum_ignition_minimum_volume_share')) }},
            'volume_multiple', {{ metric('main.volume_multiple', var('momentum_ignition_volume_multiple')) }},
            'move', {{ metric('main.peak_move', 'round(main.move_threshold, 6)') }},
            'levels', {{ metric('main.level_count', var('momentum_ignition_minimum_levels')) }},
            'exit_share', {{ metric('main.exit_share', var('momentum_ignition_minimum_exit_share')) }},
            'reversion_share', {{ metric('main.reversion_share', var('momentum_ignition_minimum_reversion_share')) }},
            'preposition_quantity', {{ metric('coalesce(main.preposition_quantity, 0)', 'null') }}
        ) as metrics,
        jsonb_strip_nulls(jsonb_build_object(
            'trigger', main.order_ids,
            'profit', main.exit_order_ids
        )) as evidence,
        case when episodes.owner_id is null then 'Unattributed: aggressive orders' else 'Owner ' || episodes.owner_id end
        || case main.side when 'buy' then ' bought ' else ' sold ' end
        || {{ plain_number('main.executed_quantity') }} || ' ' || episodes.symbol || ' at '
        || {{ plain_number('main.executed_price', 4) }} || ' on average, through '
        || {{ plain_number('main.level_count') }} || ' prices, '
        || {{ plain_number('100 * main.volume_share') }} || ' % of what traded in that time and '
        || coalesce({{ plain_number('main.volume_multiple', 1) }}, 'many') || ' times the usual volume. The mid price moved '
        || {{ plain_number('main.peak_move / main.tick_size', 1) }} || ' ticks that way.'
        || case
            when main.exit_quantity > 0
                then
                    ' Within ' || '{{ var('momentum_ignition_exit_seconds') }}' || ' s the same hand '
                    || case main.side when 'buy' then 'sold ' else 'bought ' end
                    || {{ plain_number('main.exit_quantity') }} || ' at ' || {{ plain_number('main.exit_price', 4) }}
                    || ', a gain of about ' || {{ plain_number('main.gain', 2) }} || '.'
            else ''
        end
        || case
            when main.reversion_share > 0
                then ' ' || {{ plain_number('100 * main.reversion_share') }} || ' % of the move came back.'
            else ''
        end as narrative
    from episodes
    inner join numbered as main
        on
            episodes.trading_date = main.trading_date
            and episodes.main_run_id = main.run_id

)

select * from combined

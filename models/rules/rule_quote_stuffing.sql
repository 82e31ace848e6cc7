{# One row per quote stuffing alert (mode, venue, symbol, actor_id, started_ns). #}
with bursts as (

    select * from {{ ref('int_messages_bursts') }}

),

flickering as (

    select * from {{ ref('int_quotes_flickering') }}

),

baselines as (

    select * from {{ ref('int_instrument_baselines') }}

),

compared as (

    select
        bursts.*,
        greatest(
            case
                when bursts.actor_id is null then {{ var('quote_stuffing_anonymous_messages_per_second') }}
                else {{ var('quote_stuffing_messages_per_second') }}
            end,
            baselines.messages_per_second_mean
            + {{ var('quote_stuffing_deviation_multiple') }} * baselines.messages_per_second_deviation
        ) * {{ var('quote_stuffing_window_seconds') }} as message_threshold,
        bursts.cancel_count::numeric / bursts.message_count as cancel_share,
        bursts.fill_count::numeric / bursts.message_count as fill_share,
        bursts.behind_touch_count::numeric / greatest(bursts.new_count + bursts.modify_count, 1) as behind_share
    from bursts
    left join baselines
        on
            bursts.trading_date = baselines.trading_date
            and bursts.venue = baselines.venue
            and bursts.symbol = baselines.symbol
            and {{ bucket_number('bursts.started_ns') }} = baselines.bucket_number

),

fired as (

    select *
    from compared
    where
        peak_message_count >= message_threshold
        and cancel_share >= {{ var('quote_stuffing_minimum_cancel_share') }}
        and fill_share <= {{ var('quote_stuffing_maximum_fill_share') }}
        and cancel_age_median_ns <= {{ nanoseconds(var('quote_stuffing_maximum_life_milliseconds') / 1000) }}
        and ended_ns - started_ns >= {{ nanoseconds(var('quote_stuffing_minimum_burst_seconds')) }}
        and (
            behind_share >= {{ var('quote_stuffing_minimum_behind_share') }}
            or price_count <= {{ var('quote_stuffing_flicker_maximum_prices') }}
        )

),

numbered as (

    {{ number_episodes(
        'fired',
        ['trading_date', 'venue', 'symbol', 'actor_id'],
        nanoseconds(var('alert_merge_gap_seconds')),
        'burst_id'
    ) | indent(4) }}

),

burst_orders as (

    select
        trading_date,
        venue,
        symbol,
        coalesce(actor_id, '') as actor_key,
        episode_number,
        (array_agg(order_id order by order_id))[1:{{ var('evidence_maximum_orders') }}] as order_ids
    from numbered
    cross join lateral jsonb_array_elements_text(order_ids) as orders (order_id)
    group by trading_date, venue, symbol, coalesce(actor_id, ''), episode_number

),

episodes as (

    select
        trading_date,
        venue,
        symbol,
        actor_id,
        episode_number,
        min(owner_id) as owner_id,
        min(started_ns) as started_ns,
        max(ended_ns) as ended_ns,
        count(*)::int as episode_count,
        sum(message_count) as message_count,
        max(peak_message_count) as peak_message_count,
        max(peak_message_count / message_threshold) as rate_multiple,
        max(message_threshold) as message_threshold,
        sum(new_count) as new_count,
        sum(cancel_count) as cancel_count,
        sum(fill_count) as fill_count,
        min(cancel_share) as cancel_share,
        max(fill_share) as fill_share,
        max(cancel_age_median_ns)::numeric as cancel_age_median_ns,
        max(price_count) as price_count,
        sum(other_message_count) as other_message_count,
        sum(other_message_count_before) as other_message_count_before
    from numbered
    group by trading_date, venue, symbol, actor_id, episode_number

),

burst_alerts as (

    select
        'quote_stuffing' as rule_id,
        case when episodes.actor_id is null then 'anonymous' else 'participant' end as mode,
        'message_burst' as kind,
        episodes.venue,
        episodes.symbol,
        episodes.owner_id,
        episodes.actor_id,
        episodes.trading_date,
        episodes.started_ns,
        episodes.ended_ns,
        episodes.episode_count,
        episodes.rate_multiple as magnitude_ratio,
        least(1, 2 * episodes.cancel_share) * (1 - episodes.fill_share) as conditionality,
        1 - least(1, episodes.other_message_count::numeric / greatest(episodes.other_message_count_before, 1))
            as price_effect,
        0::numeric as estimated_gain,
        jsonb_build_object(
            'messages_per_second', {{ metric('episodes.peak_message_count', 'round(episodes.message_threshold, 2)') }},
            'cancel_share', {{ metric('episodes.cancel_share', var('quote_stuffing_minimum_cancel_share')) }},
            'fill_share', {{ metric('episodes.fill_share', var('quote_stuffing_maximum_fill_share')) }},
            'median_life_milliseconds',
            {{ metric('episodes.cancel_age_median_ns / 1000000', var('quote_stuffing_maximum_life_milliseconds')) }}
        ) as metrics,
        jsonb_build_object('deceptive', to_jsonb(burst_orders.order_ids)) as evidence,
        case when episodes.owner_id is null then 'Unattributed: the market' else 'Owner ' || episodes.owner_id end
        || ' sent ' || {{ plain_number('episodes.message_count') }} || ' messages in ' || episodes.symbol
        || ' within ' || {{ plain_seconds('episodes.ended_ns - episodes.started_ns') }} || ' s, at the peak '
        || {{ plain_number('episodes.peak_message_count') }} || ' in one second, '
        || {{ plain_number('episodes.rate_multiple', 1) }} || ' times the threshold: '
        || {{ plain_number('episodes.new_count') }} || ' new orders, '
        || {{ plain_number('episodes.cancel_count') }} || ' cancellations after '
        || {{ plain_number('episodes.cancel_age_median_ns / 1000000', 2) }} || ' ms in the median, and '
        || {{ plain_number('episodes.fill_count') }} || ' fills.' as narrative
    from episodes
    left join burst_orders
        on
            episodes.trading_date = burst_orders.trading_date
            and episodes.venue = burst_orders.venue
            and episodes.symbol = burst_orders.symbol
            and coalesce(episodes.actor_id, '') = burst_orders.actor_key
            and episodes.episode_number = burst_orders.episode_number

),

flickering_fired as (

    select *
    from flickering
    where price_pair_count <= {{ var('quote_stuffing_flicker_maximum_pair_share') }} * change_count

),

flicker_numbered as (

    {{ number_episodes(
        'flickering_fired',
        ['trading_date', 'venue', 'symbol'],
        nanoseconds(var('alert_merge_gap_seconds')),
        'spell_number'
    ) | indent(4) }}

),

flicker_alerts as (

    select
        'quote_stuffing' as rule_id,
        'anonymous' as mode,
        'price_flicker' as kind,
        venue,
        symbol,
        null::text as owner_id,
        null::text as actor_id,
        trading_date,
        min(started_ns) as started_ns,
        max(ended_ns) as ended_ns,
        count(*)::int as episode_count,
        max(peak_change_count) / {{ var('quote_stuffing_flicker_minimum_changes') }}::numeric as magnitude_ratio,
        0.5 as conditionality,
        0::numeric as price_effect,
        0::numeric as estimated_gain,
        jsonb_build_object(
            'best_price_changes',
            {{ metric('max(peak_change_count)', var('quote_stuffing_flicker_minimum_changes')) }},
            'trades', {{ metric('max(peak_trade_count)', var('quote_stuffing_flicker_maximum_trades')) }},
            'price_pair_share',
            {{ metric('max(price_pair_count::numeric / change_count)', var('quote_stuffing_flicker_maximum_pair_share')) }}
        ) as metrics,
        jsonb_strip_nulls(jsonb_build_object(
            'deceptive', (array_agg(order_ids order by peak_change_count desc, spell_number))[1]
        )) as evidence,
        'Unattributed: the best prices of ' || symbol || ' changed ' || {{ plain_number('max(peak_change_count)') }}
        || ' times in ' || '{{ var('quote_stuffing_flicker_window_seconds') }}' || ' s with '
        || case max(peak_trade_count) when 0 then 'no trade' when 1 then 'one trade' else max(peak_trade_count) || ' trades' end
        || ', over ' || {{ plain_seconds('max(ended_ns) - min(started_ns)') }} || ' s. The same few prices came back: '
        || {{ plain_number('sum(change_count)') }} || ' changes between ' || {{ plain_number('max(price_pair_count)') }}
        || ' pairs of prices, by ' || {{ plain_number('sum(order_count)') }}
        || ' orders that improved the best price and were gone within '
        || '{{ var('quote_stuffing_maximum_life_milliseconds') }}' || ' ms.' as narrative
    from flicker_numbered
    group by trading_date, venue, symbol, episode_number

),

combined as (

    {{ union_alerts(['burst_alerts', 'flicker_alerts']) | indent(4) }}

)

select * from combined

{# One row per wash trade alert (kind, venue, symbol, actor_id, started_ns). Participant mode only: an
   anonymous feed does not say who was on both sides. #}
with linked_trades as (

    select * from {{ ref('int_trades_between_linked') }}

),

classified as (

    select
        linked_trades.*,
        case when is_same_owner then 'self_trade' else 'matched_orders' end as kind,
        case when is_same_owner then buy_owner_id else actor_id end as party_id,
        case
            when is_same_owner
                then coalesce(entry_gap_ns <= {{ nanoseconds(var('wash_trade_entry_gap_seconds')) }}, false)
            else
                coalesce(entry_gap_ns <= {{ nanoseconds(var('wash_trade_matched_entry_gap_seconds')) }}, false)
                and quantity_difference_share <= {{ var('wash_trade_matched_quantity_difference') }}
        end as is_arranged
    from linked_trades

),

counted as (

    select
        classified.*,
        count(*) over party_day as day_trade_count,
        count(*) filter (where is_arranged) over party_day as day_arranged_count,
        sum(quantity) over party_day / greatest(day_quantity, 1) as day_volume_share,
        event_ns as started_ns,
        event_ns as ended_ns
    from classified
    window party_day as (partition by trading_date, venue, symbol, kind, party_id)

),

fired as (

    select *
    from counted
    where
        (
            is_same_owner
            and (
                is_arranged
                or day_trade_count >= {{ var('wash_trade_minimum_count') }}
                or day_volume_share >= {{ var('wash_trade_minimum_volume_share') }}
            )
        )
        or (
            not is_same_owner
            and is_arranged
            and day_arranged_count >= {{ var('wash_trade_matched_minimum_count') }}
        )

),

numbered as (

    {{ number_episodes(
        'fired',
        ['trading_date', 'venue', 'symbol', 'kind', 'party_id'],
        nanoseconds(var('wash_trade_merge_seconds')),
        'trade_event_seq'
    ) | indent(4) }}

),

orders as (

    select
        trading_date,
        venue,
        symbol,
        kind,
        party_id,
        episode_number,
        to_jsonb((array_agg(distinct order_id order by order_id))[1:{{ var('evidence_maximum_orders') }}]) as order_ids
    from numbered
    cross join lateral (values (buy_order_id), (sell_order_id)) as sides (order_id)
    group by trading_date, venue, symbol, kind, party_id, episode_number

),

episodes as (

    select
        trading_date,
        venue,
        symbol,
        kind,
        party_id,
        episode_number,
        (array_agg(buy_owner_id order by trade_event_seq))[1] as owner_id,
        string_agg(distinct buy_owner_id, ' and ') as buy_owner_ids,
        string_agg(distinct sell_owner_id, ' and ') as sell_owner_ids,
        min(actor_id) as actor_id,
        min(coalesce(least(buy_entered_ns, sell_entered_ns, event_ns), event_ns)) as first_entered_ns,
        min(event_ns) as started_ns,
        max(event_ns) as ended_ns,
        count(*)::int as episode_count,
        sum(quantity) as quantity,
        sum(price * quantity) / sum(quantity) as price,
        min(entry_gap_ns) as entry_gap_ns,
        count(*) filter (where is_arranged)::numeric / count(*) as arranged_share,
        bool_or(is_same_trader) as is_same_trader,
        max(day_volume_share) as day_volume_share,
        max(day_trade_count) as day_trade_count,
        max(day_quantity) as day_quantity
    from numbered
    group by trading_date, venue, symbol, kind, party_id, episode_number

),

combined as (

    select
        'wash_trade' as rule_id,
        'participant' as mode,
        episodes.kind,
        episodes.venue,
        episodes.symbol,
        episodes.owner_id,
        episodes.actor_id,
        episodes.trading_date,
        episodes.started_ns,
        episodes.ended_ns,
        episodes.episode_count,
        greatest(
            episodes.day_volume_share / {{ var('wash_trade_minimum_volume_share') }},
            episodes.episode_count::numeric / {{ var('wash_trade_minimum_count') }}
        ) as magnitude_ratio,
        0.5 * episodes.arranged_share + case when episodes.is_same_trader then 0.5 else 0.25 end as conditionality,
        0::numeric as price_effect,
        0::numeric as estimated_gain,
        jsonb_build_object(
            'trades', {{ metric('episodes.day_trade_count', var('wash_trade_minimum_count')) }},
            'volume_share', {{ metric('episodes.day_volume_share', var('wash_trade_minimum_volume_share')) }},
            'entry_gap_seconds',
            {{ metric('episodes.entry_gap_ns / 1000000000.0', var('wash_trade_entry_gap_seconds')) }}
        ) as metrics,
        jsonb_build_object('deceptive', orders.order_ids) as evidence,
        case
            when episodes.kind = 'self_trade'
                then 'Owner ' || episodes.owner_id || ' was buyer and seller'
            when episodes.buy_owner_ids = episodes.sell_owner_ids
                then 'Linked owners ' || episodes.buy_owner_ids || ' met each other, buying and selling in turn,'
            else 'Linked owners ' || episodes.buy_owner_ids || ' (buying) and ' || episodes.sell_owner_ids
                || ' (selling) met each other'
        end
        || ' in ' || episodes.episode_count || ' trade' || case when episodes.episode_count > 1 then 's' else '' end
        || ' of ' || {{ plain_number('episodes.quantity') }} || ' ' || episodes.symbol || ' at '
        || {{ plain_number('episodes.price', 4) }}
        || case when episodes.episode_count > 1 then ' on average' else '' end
        || case
            when episodes.entry_gap_ns = 0 then '; both orders were entered at the same moment'
            when episodes.arranged_share > 0
                then '; both orders were entered within ' || {{ plain_seconds('episodes.entry_gap_ns') }}
                || ' s of each other'
            else ''
        end
        || '. All such trades of the day are ' || {{ plain_number('100 * episodes.day_volume_share', 2) }}
        || ' % of the instrument''s volume.' as narrative
    from episodes
    inner join orders using (trading_date, venue, symbol, kind, party_id, episode_number)

)

select * from combined

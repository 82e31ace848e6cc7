{# One row per wide spread alert (mode, kind, venue, symbol, actor_id, started_ns). #}
with quoting as (

    select * from {{ ref('int_market_makers_quoting') }}

),

postings as not materialized (

    select * from {{ ref('int_orders_postings') }}

),

widened as (

    select * from {{ ref('int_spreads_widened') }}

),

breaches as (

    select
        quoting.trading_date,
        quoting.venue,
        quoting.symbol,
        quoting.owner_id,
        lower(spells.spell) as started_ns,
        upper(spells.spell) as ended_ns
    from quoting
    cross join lateral unnest(quoting.quoted_ranges - quoting.compliant_ranges) as spells (spell)

),

breaches_numbered as (

    {{ number_episodes(
        'breaches',
        ['trading_date', 'venue', 'symbol', 'owner_id'],
        nanoseconds(var('wide_spread_gap_seconds')),
        'ended_ns'
    ) | indent(4) }}

),

long_breaches as (

    select
        trading_date,
        venue,
        symbol,
        owner_id,
        min(started_ns) as started_ns,
        max(ended_ns) as ended_ns,
        sum(ended_ns - started_ns) as breach_ns
    from breaches_numbered
    group by trading_date, venue, symbol, owner_id, episode_number
    having sum(ended_ns - started_ns) >= {{ nanoseconds(var('wide_spread_breach_seconds')) }}

),

long_breaches_numbered as (

    {{ number_episodes(
        'long_breaches',
        ['trading_date', 'venue', 'symbol', 'owner_id'],
        nanoseconds(var('alert_merge_gap_seconds')),
        'ended_ns'
    ) | indent(4) }}

),

breach_episodes as (

    select
        trading_date,
        venue,
        symbol,
        owner_id,
        min(started_ns) as started_ns,
        max(ended_ns) as ended_ns,
        count(*)::int as episode_count,
        max(breach_ns) as breach_ns
    from long_breaches_numbered
    group by trading_date, venue, symbol, owner_id, episode_number

),

breach_alerts as (

    select
        'wide_spread' as rule_id,
        'participant' as mode,
        'obligation_breach' as kind,
        breach_episodes.venue,
        breach_episodes.symbol,
        breach_episodes.owner_id,
        breach_episodes.owner_id as actor_id,
        breach_episodes.trading_date,
        breach_episodes.started_ns,
        breach_episodes.ended_ns,
        breach_episodes.episode_count,
        breach_episodes.breach_ns::numeric / {{ nanoseconds(var('wide_spread_breach_seconds')) }} as magnitude_ratio,
        breach_episodes.breach_ns::numeric / greatest(breach_episodes.ended_ns - breach_episodes.started_ns, 1)
            as conditionality,
        quoted.quoted_spread / nullif(quoting.maximum_spread, 0) - 1 as price_effect,
        0::numeric as estimated_gain,
        jsonb_build_object(
            'breach_seconds',
            {{ metric('breach_episodes.breach_ns / 1000000000.0', var('wide_spread_breach_seconds')) }},
            'quoted_spread', {{ metric('quoted.quoted_spread', 'quoting.maximum_spread') }},
            'minimum_quantity', {{ metric('quoted.quoted_quantity', 'quoting.minimum_quantity') }}
        ) as metrics,
        jsonb_build_object('deceptive', coalesce(quoted.order_ids, '[]'::jsonb)) as evidence,
        'Market maker ' || breach_episodes.owner_id || ' quoted ' || breach_episodes.symbol
        || ' outside its obligation for ' || {{ plain_seconds('breach_episodes.breach_ns') }}
        || ' s: the spread was ' || coalesce({{ plain_number('quoted.quoted_spread', 4) }}, 'unknown')
        || ' where ' || {{ plain_number('quoting.maximum_spread', 4) }} || ' is allowed, the smaller side showed '
        || coalesce({{ plain_number('quoted.quoted_quantity') }}, 'nothing')
        || ' where ' || {{ plain_number('quoting.minimum_quantity') }} || ' are due.' as narrative
    from breach_episodes
    inner join quoting using (trading_date, venue, symbol, owner_id)
    left join lateral (
        select
            min(postings.price) filter (where postings.side = 'sell')
            - max(postings.price) filter (where postings.side = 'buy') as quoted_spread,
            least(
                max(postings.posted_quantity) filter (where postings.side = 'sell'),
                max(postings.posted_quantity) filter (where postings.side = 'buy')
            ) as quoted_quantity,
            to_jsonb((array_agg(distinct postings.order_id))[1:{{ var('evidence_maximum_orders') }}]) as order_ids
        from postings
        where
            postings.trading_date = breach_episodes.trading_date
            and postings.venue = breach_episodes.venue
            and postings.symbol = breach_episodes.symbol
            and postings.owner_id = breach_episodes.owner_id
            and postings.started_ns <= (breach_episodes.started_ns + breach_episodes.ended_ns) / 2
            and coalesce(postings.ended_ns, breach_episodes.ended_ns)
            > (breach_episodes.started_ns + breach_episodes.ended_ns) / 2
    ) as quoted on true

),

presences as (

    select
        quoting.*,
        compliant.length_ns / nullif(observed.length_ns, 0) as presence,
        observed.length_ns as observed_length_ns
    from quoting
    cross join lateral (
        select coalesce(sum(upper(spell) - lower(spell)), 0)::numeric as length_ns
        from unnest(quoting.compliant_ranges) as spells (spell)
    ) as compliant
    cross join lateral (
        select coalesce(sum(upper(spell) - lower(spell)), 0)::numeric as length_ns
        from unnest(quoting.observed_ranges) as spells (spell)
    ) as observed

),

presence_alerts as (

    select
        'wide_spread' as rule_id,
        'participant' as mode,
        'presence_below_obligation' as kind,
        venue,
        symbol,
        owner_id,
        owner_id as actor_id,
        trading_date,
        first_ns as started_ns,
        last_ns as ended_ns,
        1 as episode_count,
        (1 - presence) / nullif(1 - required_presence, 0) as magnitude_ratio,
        1 - presence as conditionality,
        0::numeric as price_effect,
        0::numeric as estimated_gain,
        jsonb_build_object('presence', {{ metric('presence', 'required_presence') }}) as metrics,
        '{}'::jsonb as evidence,
        'Market maker ' || owner_id || ' met its obligation in ' || symbol || ' for '
        || {{ plain_number('100 * presence', 1) }} || ' % of continuous trading, where '
        || {{ plain_number('100 * required_presence', 1) }} || ' % are due.' as narrative
    from presences
    where presence < required_presence

),

attributed as (

    select
        widened.*,
        withdrawn_share >= {{ var('wide_spread_attribution_share') }}
        and owner_id is not null
        and traded_quantity > 0 as is_abuse
    from widened

),

widening_fired as (

    select *
    from attributed
    where
        is_abuse
        or actor_id is null

),

widening_numbered as (

    {{ number_episodes(
        'widening_fired',
        ['trading_date', 'venue', 'symbol', 'actor_id'],
        nanoseconds(var('alert_merge_gap_seconds')),
        'spell_id'
    ) | indent(4) }}

),

widening_orders as (

    select
        widening_numbered.trading_date,
        widening_numbered.venue,
        widening_numbered.symbol,
        coalesce(widening_numbered.actor_id, '') as actor_key,
        widening_numbered.episode_number,
        jsonb_agg(distinct orders.order_id order by orders.order_id) filter (where orders.order_role = 'trigger')
            as trigger_order_ids,
        jsonb_agg(distinct orders.order_id order by orders.order_id) filter (where orders.order_role = 'profit')
            as profit_order_ids
    from widening_numbered
    cross join lateral (
        select
            jsonb_array_elements_text(widening_numbered.withdrawn_order_ids) as order_id,
            'trigger' as order_role
        union all
        select
            jsonb_array_elements_text(widening_numbered.traded_order_ids) as order_id,
            'profit' as order_role
    ) as orders
    group by
        widening_numbered.trading_date, widening_numbered.venue, widening_numbered.symbol,
        coalesce(widening_numbered.actor_id, ''), widening_numbered.episode_number

),

widening_episodes as (

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
        max(spread_ticks_mean / threshold_ticks) as spread_multiple,
        max(spread_ticks_mean) as spread_ticks_mean,
        max(spread_ticks_median) as spread_ticks_median,
        min(threshold_ticks) as threshold_ticks,
        max(withdrawn_share) as withdrawn_share,
        sum(withdrawn_order_count) as withdrawn_order_count,
        sum(traded_quantity) as traded_quantity,
        sum(estimated_gain) as estimated_gain
    from widening_numbered
    group by trading_date, venue, symbol, actor_id, episode_number

),

widening_alerts as (

    select
        'wide_spread' as rule_id,
        case when episodes.actor_id is null then 'anonymous' else 'participant' end as mode,
        'market_widened' as kind,
        episodes.venue,
        episodes.symbol,
        episodes.owner_id,
        episodes.actor_id,
        episodes.trading_date,
        episodes.started_ns,
        episodes.ended_ns,
        episodes.episode_count,
        episodes.spread_multiple as magnitude_ratio,
        coalesce(episodes.withdrawn_share, 0.5) as conditionality,
        1::numeric as price_effect,
        coalesce(episodes.estimated_gain, 0) as estimated_gain,
        jsonb_build_object(
            'spread_ticks', {{ metric('episodes.spread_ticks_mean', 'round(episodes.threshold_ticks, 4)') }},
            'withdrawn_share', {{ metric('episodes.withdrawn_share', var('wide_spread_attribution_share')) }},
            'traded_quantity', {{ metric('episodes.traded_quantity', 'null') }}
        ) as metrics,
        jsonb_strip_nulls(jsonb_build_object(
            'trigger', widening_orders.trigger_order_ids,
            'profit', widening_orders.profit_order_ids
        )) as evidence,
        case
            when episodes.owner_id is null then 'Unattributed: the spread of '
            else 'Owner ' || episodes.owner_id || ' withdrew '
                || {{ plain_number('100 * episodes.withdrawn_share') }} || ' % of the quantity whose loss widened the spread of '
        end
        || episodes.symbol || ' to ' || {{ plain_number('episodes.spread_ticks_mean', 1) }}
        || ' ticks, where ' || {{ plain_number('episodes.spread_ticks_median', 1) }} || ' are usual, for '
        || {{ plain_seconds('episodes.ended_ns - episodes.started_ns') }} || ' s'
        || case
            when episodes.traded_quantity > 0
                then ', and traded ' || {{ plain_number('episodes.traded_quantity') }} || ' in that time.'
            else '.'
        end as narrative
    from widening_episodes as episodes
    left join widening_orders
        on
            episodes.trading_date = widening_orders.trading_date
            and episodes.venue = widening_orders.venue
            and episodes.symbol = widening_orders.symbol
            and coalesce(episodes.actor_id, '') = widening_orders.actor_key
            and episodes.episode_number = widening_orders.episode_number

),

combined as (

    {{ union_alerts(['breach_alerts', 'presence_alerts', 'widening_alerts']) | indent(4) }}

)

select * from combined

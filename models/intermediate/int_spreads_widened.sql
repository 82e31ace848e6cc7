{# One row per spell of an unusually wide market spread (trading_date, spell_id), with the actor whose
   withdrawals made it and what that actor traded in it. #}
{%- set attribution_ns = nanoseconds(var('wide_spread_attribution_seconds')) %}
{%- set trade_ns = nanoseconds(var('wide_spread_trade_seconds')) %}
with book_states as not materialized (

    select * from {{ ref('int_book_states') }}

),

baselines as (

    select * from {{ ref('int_instrument_baselines') }}

),

postings as not materialized (

    select * from {{ ref('int_orders_postings') }}

),

executions as not materialized (

    select * from {{ ref('int_executions') }}

),

news as not materialized (

    select * from {{ ref('stg_reference__news') }}

),

judged as (

    select
        book_states.*,
        baselines.tick_size,
        baselines.spread_ticks_median,
        greatest(
            {{ var('wide_spread_median_multiple') }} * baselines.spread_ticks_median,
            {{ var('wide_spread_minimum_ticks') }},
            {{ var('wide_spread_minimum_share') }} * book_states.mid_price / baselines.tick_size
        ) as threshold_ticks,
        lag(book_states.best_bid) over previous_state as previous_best_bid,
        lag(book_states.best_ask) over previous_state as previous_best_ask,
        lag(book_states.session_phase) over previous_state as previous_session_phase
    from book_states
    left join baselines
        on
            book_states.trading_date = baselines.trading_date
            and book_states.venue = baselines.venue
            and book_states.symbol = baselines.symbol
            and {{ bucket_number('book_states.started_ns') }} = baselines.bucket_number
    window previous_state as (
        partition by book_states.trading_date, book_states.venue, book_states.symbol
        order by book_states.event_seq
    )

),

marked as (

    select
        judged.*,
        coalesce(
            session_phase = 'continuous'
            and spread_ticks >= threshold_ticks,
            false
        ) as is_wide
    from judged

),

changes as (

    select
        marked.*,
        case
            when is_wide and not coalesce(lag(is_wide) over (
                partition by trading_date, venue, symbol
                order by event_seq
            ), false)
                then 1
            else 0
        end as is_spell_start
    from marked

),

numbered as (

    select
        changes.*,
        sum(is_spell_start) over (
            partition by trading_date, venue, symbol
            order by event_seq
            rows between unbounded preceding and current row
        ) as spell_number
    from changes

),

spells as (

    select
        trading_date,
        venue,
        symbol,
        spell_number,
        min(event_seq) as spell_id,
        min(started_ns) as started_ns,
        max(coalesce(ended_ns, started_ns)) as ended_ns,
        sum(spread_ticks * (coalesce(ended_ns, started_ns) - started_ns))
        / nullif(sum(coalesce(ended_ns, started_ns) - started_ns), 0) as spread_ticks_mean,
        max(spread_ticks) as spread_ticks_maximum,
        min(threshold_ticks) as threshold_ticks,
        min(spread_ticks_median) as spread_ticks_median,
        min(tick_size) as tick_size,
        (array_agg(previous_best_bid order by event_seq))[1] as bid_before,
        (array_agg(previous_best_ask order by event_seq))[1] as ask_before,
        (array_agg(previous_session_phase order by event_seq))[1] as phase_before,
        (array_agg(best_bid order by event_seq))[1] as bid_at_start,
        (array_agg(best_ask order by event_seq))[1] as ask_at_start
    from numbered
    where is_wide
    group by trading_date, venue, symbol, spell_number
    having
        max(coalesce(ended_ns, started_ns)) - min(started_ns)
        >= {{ nanoseconds(var('wide_spread_minimum_seconds')) }}

),

unexcused as (

    select *
    from spells
    where
        phase_before = 'continuous'
        and bid_before is not null
        and ask_before is not null
        and not exists (
            select 1
            from news
            where
                news.venue = spells.venue
                and news.symbol = spells.symbol
                and abs(news.published_ns - spells.started_ns) <= {{ nanoseconds(var('wide_spread_news_seconds')) }}
        )

),

withdrawals as (

    select
        unexcused.trading_date,
        unexcused.spell_id,
        postings.actor_id,
        min(postings.owner_id) as owner_id,
        count(*) as withdrawn_order_count,
        sum(postings.withdrawn_quantity) as withdrawn_quantity,
        jsonb_agg(distinct postings.order_id) as withdrawn_order_ids
    from unexcused
    inner join postings
        on
            unexcused.trading_date = postings.trading_date
            and unexcused.venue = postings.venue
            and unexcused.symbol = postings.symbol
            and postings.ended_ns between unexcused.started_ns - {{ attribution_ns }} and unexcused.started_ns
            and postings.withdrawn_quantity > 0
            and (
                (postings.side = 'buy' and postings.price > unexcused.bid_at_start)
                or (postings.side = 'sell' and postings.price < unexcused.ask_at_start)
            )
    group by unexcused.trading_date, unexcused.spell_id, postings.actor_id

),

shares as (

    select
        withdrawals.*,
        withdrawn_quantity / sum(withdrawn_quantity) over (partition by trading_date, spell_id) as withdrawn_share
    from withdrawals

),

culprits as (

    select distinct on (trading_date, spell_id) *
    from shares
    order by trading_date, spell_id, withdrawn_share desc, actor_id

),

attributed as (

    select
        unexcused.*,
        culprits.actor_id,
        culprits.owner_id,
        culprits.withdrawn_order_count,
        culprits.withdrawn_quantity,
        culprits.withdrawn_share,
        culprits.withdrawn_order_ids,
        traded.traded_quantity,
        traded.traded_order_ids,
        traded.estimated_gain
    from unexcused
    left join culprits
        on
            unexcused.trading_date = culprits.trading_date
            and unexcused.spell_id = culprits.spell_id
    left join lateral (
        select
            sum(executions.quantity) as traded_quantity,
            jsonb_agg(distinct executions.order_id) as traded_order_ids,
            sum(
                executions.quantity
                * case executions.side
                    when 'buy' then (unexcused.bid_before + unexcused.ask_before) / 2 - executions.price
                    else executions.price - (unexcused.bid_before + unexcused.ask_before) / 2
                end
            ) as estimated_gain
        from executions
        where
            executions.trading_date = unexcused.trading_date
            and executions.venue = unexcused.venue
            and executions.symbol = unexcused.symbol
            and executions.actor_id = culprits.actor_id
            and executions.event_ns between unexcused.started_ns
            and least(unexcused.ended_ns, unexcused.started_ns + {{ trade_ns }})
    ) as traded on true

)

select * from attributed

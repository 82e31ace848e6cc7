{# One row per market maker, symbol and trading date: when its two-sided quote met its obligation. #}
{#- Bids and offers meet in slices of this length, so that finding the pairs that overlap stays linear. -#}
{%- set slice_ns = nanoseconds(10) %}
with obligations as (

    select * from {{ ref('stg_reference__obligations') }}

),

instruments as (

    select
        venue,
        symbol,
        timezone,
        session_open,
        session_close
    from {{ ref('stg_reference__instruments') }}

),

calendar as (

    select * from {{ ref('stg_reference__calendar') }}

),

postings as not materialized (

    select
        trading_date,
        posting_id,
        venue,
        symbol,
        owner_id,
        order_id,
        side,
        price,
        posted_quantity,
        started_ns,
        coalesce(ended_ns, 9223372036854775807) as ended_ns
    from {{ ref('int_orders_postings') }}
    where owner_id is not null

),

phases as (

    select
        trading_date,
        venue,
        symbol,
        session_phase,
        started_ns,
        ended_ns
    from {{ ref('int_book_states') }}

),

news as not materialized (

    select * from {{ ref('stg_reference__news') }}

),

events as (

    select
        trading_date,
        venue,
        symbol,
        event_type,
        event_seq,
        event_ns
    from {{ ref('stg_orders__events') }}
    where event_type in ('halt', 'resume')

),

quotes as (

    select
        postings.*,
        obligations.maximum_spread,
        obligations.minimum_quantity
    from postings
    inner join obligations
        on
            postings.owner_id = obligations.owner_id
            and postings.symbol = obligations.symbol
    where postings.ended_ns > postings.started_ns

),

days as (

    select
        trading_date,
        venue,
        symbol,
        min(started_ns) as first_ns,
        max(coalesce(ended_ns, started_ns)) as last_ns
    from phases
    where session_phase = 'continuous'
    group by trading_date, venue, symbol

),

halts as (

    select
        trading_date,
        venue,
        symbol,
        event_type,
        event_ns as started_ns,
        lead(event_ns) over (
            partition by trading_date, venue, symbol
            order by event_seq
        ) as ended_ns
    from events

),

excused as materialized (

    select
        days.trading_date,
        days.venue,
        days.symbol,
        range_agg(int8range(
            news.published_ns - {{ nanoseconds(var('wide_spread_news_seconds')) }},
            news.published_ns + {{ nanoseconds(var('wide_spread_news_seconds')) }}
        )) as excused_ranges
    from days
    inner join news
        on
            days.venue = news.venue
            and days.symbol = news.symbol
            and news.published_ns between days.first_ns - {{ nanoseconds(var('wide_spread_news_seconds')) }} and days.last_ns
    group by days.trading_date, days.venue, days.symbol

),

halted as materialized (

    select
        halts.trading_date,
        halts.venue,
        halts.symbol,
        range_agg(int8range(
            halts.started_ns - {{ nanoseconds(var('wide_spread_halt_seconds')) }},
            coalesce(halts.ended_ns, days.last_ns) + {{ nanoseconds(var('wide_spread_halt_seconds')) }}
        )) as halted_ranges
    from halts
    inner join days
        on
            halts.trading_date = days.trading_date
            and halts.venue = days.venue
            and halts.symbol = days.symbol
    where halts.event_type = 'halt'
    group by halts.trading_date, halts.venue, halts.symbol

),

observed as (

    select
        days.trading_date,
        days.venue,
        days.symbol,
        days.first_ns,
        days.last_ns,
        int8multirange(int8range(
            days.first_ns + {{ nanoseconds(var('wide_spread_halt_seconds')) }},
            greatest(
                days.last_ns - {{ nanoseconds(var('wide_spread_halt_seconds')) }},
                days.first_ns + {{ nanoseconds(var('wide_spread_halt_seconds')) }}
            )
        ))
        - coalesce(excused.excused_ranges, '{}'::int8multirange)
        - coalesce(halted.halted_ranges, '{}'::int8multirange) as observed_ranges
    from days
    left join excused
        on
            days.trading_date = excused.trading_date
            and days.venue = excused.venue
            and days.symbol = excused.symbol
    left join halted
        on
            days.trading_date = halted.trading_date
            and days.venue = halted.venue
            and days.symbol = halted.symbol

),

side_ranges as materialized (

    select
        trading_date,
        venue,
        symbol,
        owner_id,
        range_agg(int8range(started_ns, ended_ns)) filter (where side = 'buy') as buy_ranges,
        range_agg(int8range(started_ns, ended_ns)) filter (where side = 'sell') as sell_ranges,
        count(*) as posting_count
    from quotes
    group by trading_date, venue, symbol, owner_id

),

sliced as (

    select
        quotes.trading_date,
        quotes.venue,
        quotes.symbol,
        quotes.owner_id,
        quotes.side,
        quotes.price,
        quotes.maximum_spread,
        quotes.started_ns,
        least(quotes.ended_ns, days.last_ns) as ended_ns,
        slices.slice_number
    from quotes
    inner join days
        on
            quotes.trading_date = days.trading_date
            and quotes.venue = days.venue
            and quotes.symbol = days.symbol
    cross join lateral generate_series(
        quotes.started_ns / {{ slice_ns }},
        least(quotes.ended_ns, days.last_ns) / {{ slice_ns }}
    ) as slices (slice_number)
    where quotes.posted_quantity >= quotes.minimum_quantity

),

pairs as (

    select
        bids.trading_date,
        bids.venue,
        bids.symbol,
        bids.owner_id,
        greatest(bids.started_ns, asks.started_ns, bids.slice_number * {{ slice_ns }}) as started_ns,
        least(bids.ended_ns, asks.ended_ns, (bids.slice_number + 1) * {{ slice_ns }}) as ended_ns
    from sliced as bids
    inner join sliced as asks
        on
            bids.trading_date = asks.trading_date
            and bids.venue = asks.venue
            and bids.symbol = asks.symbol
            and bids.owner_id = asks.owner_id
            and bids.slice_number = asks.slice_number
            and bids.started_ns < asks.ended_ns
            and asks.started_ns < bids.ended_ns
            and asks.price - bids.price <= bids.maximum_spread
    where
        bids.side = 'buy'
        and asks.side = 'sell'

),

compliant as materialized (

    select
        trading_date,
        venue,
        symbol,
        owner_id,
        range_agg(int8range(started_ns, ended_ns)) as compliant_ranges
    from pairs
    group by trading_date, venue, symbol, owner_id

),

combined as (

    select
        observed.trading_date,
        observed.venue,
        observed.symbol,
        obligations.owner_id,
        obligations.maximum_spread,
        obligations.minimum_quantity,
        obligations.required_presence,
        side_ranges.posting_count,
        observed.first_ns,
        observed.last_ns,
        observed.observed_ranges,
        side_ranges.buy_ranges * side_ranges.sell_ranges * observed.observed_ranges as quoted_ranges,
        coalesce(compliant.compliant_ranges, '{}'::int8multirange) * observed.observed_ranges as compliant_ranges
    from observed
    inner join obligations on observed.symbol = obligations.symbol
    inner join side_ranges
        on
            observed.trading_date = side_ranges.trading_date
            and observed.venue = side_ranges.venue
            and observed.symbol = side_ranges.symbol
            and obligations.owner_id = side_ranges.owner_id
    left join compliant
        on
            observed.trading_date = compliant.trading_date
            and observed.venue = compliant.venue
            and observed.symbol = compliant.symbol
            and obligations.owner_id = compliant.owner_id

)

select * from combined

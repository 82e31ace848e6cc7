{# One row per instrument (venue, symbol). #}
with instruments as (

    select * from {{ source('reference', 'instruments') }}

),

cleaned as (

    select
        upper(trim(venue)) as venue,
        upper(trim(symbol)) as symbol,
        tick_size,
        lot_size,
        upper(trim(currency)) as currency,
        session_open,
        session_close,
        coalesce(nullif(trim(timezone), ''), 'UTC') as timezone,
        lower(nullif(trim(liquidity_tier), '')) as liquidity_tier,
        to_jsonb(string_to_array(nullif(trim(aliases), ''), '|')) as aliases
    from instruments

)

select * from cleaned

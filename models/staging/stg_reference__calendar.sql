{# One row per venue and trading date. #}
with calendar as (

    select * from {{ source('reference', 'calendar') }}

),

cleaned as (

    select
        upper(trim(venue)) as venue,
        trading_date,
        session_open,
        session_close,
        coalesce(is_half_day, false) as is_half_day
    from calendar

)

select * from cleaned

{# One row per instrument, trading date and 30-minute bucket: what is normal there and then. #}
{%- set measures = [
    'order_quantity_median', 'order_quantity_p95', 'order_quantity_p99',
    'messages_per_second_mean', 'messages_per_second_deviation',
    'spread_ticks_median', 'top_quantity_median', 'return_deviation',
] %}
with buckets as (

    select * from {{ ref('int_instrument_buckets') }}

),

instruments as (

    select
        venue,
        symbol,
        tick_size,
        lot_size
    from {{ ref('stg_reference__instruments') }}

),

placed as (

    select
        buckets.*,
        bucket_number - trading_date_number * {{ 86400 // var('baseline_bucket_seconds') }} as bucket_of_day
    from (
        select
            buckets.*,
            trading_date - date '1970-01-01' as trading_date_number
        from buckets
    ) as buckets

),

averaged as (

    select
        trading_date,
        venue,
        symbol,
        bucket_number,
        observed_seconds,
        sum(order_count) over history as order_count,
        avg(traded_quantity) over history as traded_quantity_mean,
        count(*) over history as day_count,
        {%- for measure in measures %}
        avg({{ measure }}) over history as {{ measure }}{{ ',' if not loop.last }}
        {%- endfor %}
    from placed
    window history as (
        partition by venue, symbol, bucket_of_day
        order by trading_date
        rows between {{ var('baseline_days') - 1 }} preceding and current row
    )

),

days as (

    select * from averaged where bucket_number is null

),

chosen as (

    select
        days.trading_date,
        days.venue,
        days.symbol,
        averaged.bucket_number,
        coalesce(instruments.tick_size, {{ var('default_tick_size') }}) as tick_size,
        coalesce(instruments.lot_size, 1) as lot_size,
        averaged.day_count,
        averaged.order_count,
        averaged.order_count < {{ var('baseline_minimum_orders') }} as is_day_wide,
        {%- for measure in measures %}
        round(coalesce(
            case when averaged.order_count >= {{ var('baseline_minimum_orders') }} then averaged.{{ measure }} end,
            days.{{ measure }}
        ), 10) as {{ measure }},
        {%- endfor %}
        round(
            case
                when averaged.order_count >= {{ var('baseline_minimum_orders') }}
                    then averaged.traded_quantity_mean / {{ var('baseline_bucket_seconds') }}
                else days.traded_quantity_mean / days.observed_seconds
            end,
            10
        ) as traded_quantity_per_second,
        days.traded_quantity_mean as traded_quantity_per_day
    from days
    inner join averaged
        on
            days.trading_date = averaged.trading_date
            and days.venue = averaged.venue
            and days.symbol = averaged.symbol
            and averaged.bucket_number is not null
    left join instruments
        on
            days.venue = instruments.venue
            and days.symbol = instruments.symbol

)

select * from chosen

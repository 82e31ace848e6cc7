-- One row with one json object: the fields of `Coverage`. Days are found by jumping through the
-- primary key, so that a year of events costs one index probe a day.
with recursive days as (
    (
        select trading_date
        from raw.order_events
        order by trading_date
        limit 1
    )
    union all
    select (
        select order_events.trading_date
        from raw.order_events
        where order_events.trading_date > days.trading_date
        order by order_events.trading_date
        limit 1
    )
    from days
    where days.trading_date is not null
),
day_totals as (
    select
        min(trading_date)::text as first_day,
        max(trading_date)::text as last_day,
        count(trading_date) as day_count
    from days
),
file_totals as (
    select
        coalesce(sum(event_count), 0)::bigint as event_count,
        coalesce(sum(reject_count), 0)::bigint as reject_count,
        count(*) filter (where event_count > 0) as file_count
    from raw.ingested_files
)
select json_build_object(
    'first_day', day_totals.first_day,
    'last_day', day_totals.last_day,
    'day_count', day_totals.day_count,
    'event_count', file_totals.event_count,
    'reject_count', file_totals.reject_count,
    'file_count', file_totals.file_count
)::text as coverage
from day_totals
cross join file_totals

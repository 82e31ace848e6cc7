-- One row with one json object: the fields of `AlertFacts`. The name in braces is replaced by an
-- expression that gives the time zone to show times in.
with timezone as (
    select {timezone} as name
),
alerts as (
    select
        fct_alerts.*,
        fct_alerts.started_at at time zone timezone.name as local_started_at,
        fct_alerts.ended_at at time zone timezone.name as local_ended_at
    from marts.fct_alerts
    cross join timezone
),
by_day as (
    select trading_date::text as key, severity, count(*) as count
    from alerts
    group by 1, 2
),
by_minute as (
    select to_char(local_started_at, 'HH24:MI') as key, severity, count(*) as count
    from alerts
    group by 1, 2
),
by_rule as (
    select rule_id as key, severity, count(*) as count
    from alerts
    group by 1, 2
),
by_symbol as (
    select symbol as key, severity, count(*) as count
    from alerts
    group by 1, 2
),
top_alerts as (
    select
        alert_id,
        rule_id,
        kind,
        mode,
        venue,
        symbol,
        owner_id,
        trading_date::text as trading_date,
        to_char(local_started_at, 'HH24:MI:SS.MS') as started_at,
        to_char(local_ended_at, 'HH24:MI:SS.MS') as ended_at,
        extract(epoch from local_ended_at - local_started_at) as duration_seconds,
        severity,
        score,
        score_magnitude,
        score_conditionality,
        score_price_effect,
        score_repetition,
        score_benefit,
        episode_count,
        estimated_gain,
        narrative
    from alerts
    order by score desc, local_started_at, alert_id
    limit 20
)
select json_build_object(
    'timezone', (select name from timezone),
    'is_built', true,
    'alert_count', (select count(*) from alerts),
    'symbol_count', (select count(distinct (venue, symbol)) from alerts),
    'anonymous_count', (select count(*) from alerts where mode = 'anonymous'),
    'by_day', (select coalesce(json_agg(by_day order by key, severity), '[]') from by_day),
    'by_minute', (select coalesce(json_agg(by_minute order by key, severity), '[]') from by_minute),
    'by_rule', (select coalesce(json_agg(by_rule order by key, severity), '[]') from by_rule),
    'by_symbol', (select coalesce(json_agg(by_symbol order by key, severity), '[]') from by_symbol),
    'top_alerts', (
        select coalesce(
            json_agg(top_alerts order by score desc, started_at, alert_id), '[]'
        )
        from top_alerts
    )
)::text as facts

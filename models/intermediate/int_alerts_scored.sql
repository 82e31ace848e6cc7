{# One row per alert of every rule, scored. #}
{%- set rules = [
    'rule_spoofing', 'rule_layering', 'rule_quote_stuffing', 'rule_momentum_ignition', 'rule_wide_spread',
    'rule_wash_trade', 'rule_order_to_trade_ratio',
] %}
{%- set relations = [] %}
{%- for rule in rules %}
    {%- do relations.append(ref(rule)) %}
{%- endfor %}
with alerts as (

    {{ union_alerts(relations) | indent(4) }}

),

rules as (

    select
        rule_id,
        version
    from {{ ref('rules') }}

),

parameters as (
    {{ rule_parameters() }}

),

identified as (

    select
        md5(concat_ws(
            '|',
            alerts.rule_id,
            alerts.mode,
            alerts.kind,
            alerts.venue,
            alerts.symbol,
            coalesce(alerts.owner_id, '-'),
            (alerts.started_ns / {{ nanoseconds(var('alert_merge_gap_seconds')) }})::text
        )) as alert_id,
        alerts.*,
        rules.version as rule_version,
        md5(parameters.parameters::text) as parameter_set_hash
    from alerts
    left join rules on alerts.rule_id = rules.rule_id
    left join parameters on alerts.rule_id = parameters.rule_id

),

remembered as (

    select
        identified.*,
        case
            when owner_id is null then episode_count
            else sum(episode_count) over memory
        end as remembered_episode_count,
        case
            when owner_id is null then 0
            else count(*) over memory - 1
        end as prior_alert_count
    from identified
    window memory as (
        partition by rule_id, mode, owner_id
        order by started_ns
        range between {{ nanoseconds(86400) }}::bigint * {{ var('alert_repetition_days') }} preceding and current row
    )

),

termed as (

    select
        remembered.*,
        round(least(1, greatest(0, ln(1 + greatest(magnitude_ratio, 0))
        / ln(1 + {{ var('alert_magnitude_full_multiple') }}::numeric))), 4) as score_magnitude,
        round(least(1, greatest(0, coalesce(conditionality, 0))), 4) as score_conditionality,
        round(least(1, greatest(0, coalesce(price_effect, 0))), 4) as score_price_effect,
        round(
            least(1, remembered_episode_count / {{ var('alert_repetition_full_count') }}::numeric), 4
        ) as score_repetition,
        round(
            least(1, greatest(0, coalesce(estimated_gain, 0)) / {{ var('alert_gain_full_amount') }}), 4
        ) as score_benefit
    from remembered

),

scored as (

    select
        termed.*,
        least(
            case when mode = 'anonymous' then {{ var('alert_anonymous_maximum_score') }} else 100 end,
            round(100 * (
                0.30 * score_magnitude
                + 0.25 * score_conditionality
                + 0.20 * score_price_effect
                + 0.15 * score_repetition
                + 0.10 * score_benefit
            ), 1)
        ) as score
    from termed

),

banded as (

    select
        scored.*,
        case
            when score >= {{ var('alert_critical_score') }} then 4
            when score >= {{ var('alert_high_score') }} then 3
            when score >= {{ var('alert_medium_score') }} then 2
            else 1
        end as score_band
    from scored

),

graded as (

    select
        banded.*,
        (array['low', 'medium', 'high', 'critical'])[
            case
                when mode = 'anonymous' then least(score_band, 2)
                else least(score_band + case when prior_alert_count > 0 then 1 else 0 end, 4)
            end
        ] as severity
    from banded

)

select * from graded

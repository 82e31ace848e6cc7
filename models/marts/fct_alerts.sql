{# One row per alert. #}
{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='alert_id',
    on_schema_change='append_new_columns',
    indexes=[
        {'columns': ['alert_id'], 'unique': true},
        {'columns': ['rule_id', 'started_at']},
        {'columns': ['symbol', 'started_at']},
        {'columns': ['started_at']},
    ],
    post_hook=["{{ delete_withdrawn_alerts() }}", "{{ analyze_table() }}"]
) }}
with alerts as (

    select * from {{ ref('int_alerts_scored') }}

),

shaped as (

    select
        alert_id,
        rule_id,
        rule_version,
        parameter_set_hash,
        mode,
        kind,
        venue,
        symbol,
        owner_id,
        trading_date,
        {{ ns_to_timestamp('started_ns') }} as started_at,
        {{ ns_to_timestamp('ended_ns') }} as ended_at,
        started_ns,
        ended_ns,
        severity,
        score,
        score_magnitude,
        score_conditionality,
        score_price_effect,
        score_repetition,
        score_benefit,
        episode_count,
        prior_alert_count,
        round(coalesce(estimated_gain, 0), 2) as estimated_gain,
        metrics,
        narrative
    from alerts

),

hashed as (

    select
        shaped.*,
        md5(shaped::text) as content_hash
    from shaped

),

{% if is_incremental() %}
changed as (

    select
        hashed.*,
        coalesce(existing.alert_version, 0) + 1 as alert_version
    from hashed
    left join {{ this }} as existing on hashed.alert_id = existing.alert_id
    where existing.content_hash is distinct from hashed.content_hash

)
{% else %}
changed as (

    select
        hashed.*,
        1 as alert_version
    from hashed

)
{% endif %}

select * from changed

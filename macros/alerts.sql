{# Number for a sentence: rounded, without trailing zeros, thousands separated. #}
{% macro plain_number(expression, digits=0) -%}
    {%- if digits == 0 -%}
        trim(to_char(round(({{ expression }})::numeric), '999,999,999,999,999,990'))
    {%- else -%}
        trim_scale(round(({{ expression }})::numeric, {{ digits }}))::text
    {%- endif -%}
{%- endmacro %}


{# Duration in seconds for a sentence, from nanoseconds. #}
{% macro plain_seconds(expression) -%}
    trim_scale(round((({{ expression }}) / 1000000000.0)::numeric, case when ({{ expression }}) < 10000000000 then 3 else 0 end))::text
{%- endmacro %}


{# One measured value beside its threshold, for the metrics of an alert. #}
{% macro metric(value, threshold) -%}
    jsonb_build_object('value', trim_scale(round(({{ value }})::numeric, 6)), 'threshold', {{ threshold }})
{%- endmacro %}


{# Numbers rows of `relation` so that rows of the same `keys` whose intervals lie at most `gap_ns` apart
   share an `episode_number`. `tiebreaker` makes the order total. #}
{% macro number_episodes(relation, keys, gap_ns, tiebreaker) -%}
    select
        marked.*,
        sum(is_first) over (
            partition by {{ keys | join(', ') }}
            order by started_ns, {{ tiebreaker }}
            rows between unbounded preceding and current row
        ) as episode_number
    from (
        select
            candidates.*,
            case
                when started_ns - max(ended_ns) over (
                    partition by {{ keys | join(', ') }}
                    order by started_ns, {{ tiebreaker }}
                    rows between unbounded preceding and 1 preceding
                ) <= {{ gap_ns }}
                    then 0
                else 1
            end as is_first
        from {{ relation }} as candidates
    ) as marked
{%- endmacro %}


{# The columns every rule delivers, in order. #}
{% macro alert_columns() -%}
    rule_id,
    mode,
    kind,
    venue,
    symbol,
    owner_id,
    actor_id,
    trading_date,
    started_ns,
    ended_ns,
    episode_count,
    magnitude_ratio,
    conditionality,
    price_effect,
    estimated_gain,
    metrics,
    evidence,
    narrative
{%- endmacro %}


{# All alerts of `relations`, in the columns every rule delivers. #}
{% macro union_alerts(relations) -%}
{% for relation in relations -%}
select
    {{ alert_columns() }}
from {{ relation }}
{%- if not loop.last %}
union all
{% endif %}
{%- endfor %}
{%- endmacro %}


{# What every count of alerts shows of a group. #}
{% macro alert_counts() -%}
    count(*) as alert_count,
    count(*) filter (where severity in ('high', 'critical')) as high_alert_count,
    round(avg(score), 1) as score_mean,
    max(score) as score_maximum
{%- endmacro %}

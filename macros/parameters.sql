{# The variables a rule depends on: every one whose name starts with the rule's prefixes. #}
{% macro rule_variables(rule_id) -%}
    {%- set names = {
        'spoofing': [
            'spoofing_lookback_seconds', 'spoofing_withdrawal_seconds', 'spoofing_maximum_level',
            'spoofing_minimum_withdrawn_share', 'spoofing_maximum_filled_share', 'spoofing_execution_multiple',
            'spoofing_top_quantity_multiple', 'spoofing_symmetry_multiple', 'spoofing_shown_multiple',
            'spoofing_reversion_seconds',
            'spoofing_repetition_waives_size_count', 'spoofing_anonymous_maximum_life_seconds',
            'spoofing_anonymous_minimum_reversion_share', 'spoofing_anonymous_minimum_move_ticks',
            'spoofing_anonymous_minimum_move_spreads',
            'spoofing_anonymous_maximum_distance_ticks', 'layering_minimum_levels', 'layering_entry_seconds',
            'layering_maximum_filled_share', 'layering_minimum_depth_share',
        ],
        'layering': [
            'spoofing_lookback_seconds', 'spoofing_withdrawal_seconds', 'spoofing_maximum_level',
            'spoofing_minimum_withdrawn_share', 'spoofing_maximum_filled_share', 'spoofing_execution_multiple',
            'spoofing_top_quantity_multiple', 'spoofing_symmetry_multiple', 'spoofing_shown_multiple',
            'spoofing_reversion_seconds',
            'spoofing_repetition_waives_size_count', 'spoofing_anonymous_minimum_reversion_share',
            'spoofing_anonymous_minimum_move_ticks',
            'spoofing_anonymous_minimum_move_spreads', 'spoofing_anonymous_maximum_distance_ticks',
            'layering_minimum_levels', 'layering_entry_seconds', 'layering_maximum_filled_share',
            'layering_minimum_depth_share', 'layering_anonymous_withdrawal_seconds', 'layering_anonymous_maximum_life_seconds',
        ],
        'quote_stuffing': [
            'quote_stuffing_window_seconds', 'quote_stuffing_messages_per_second',
            'quote_stuffing_anonymous_messages_per_second', 'quote_stuffing_deviation_multiple',
            'quote_stuffing_minimum_cancel_share', 'quote_stuffing_maximum_fill_share',
            'quote_stuffing_maximum_life_milliseconds', 'quote_stuffing_minimum_burst_seconds',
            'quote_stuffing_merge_seconds', 'quote_stuffing_minimum_behind_share',
            'quote_stuffing_flicker_maximum_prices', 'quote_stuffing_flicker_window_seconds',
            'quote_stuffing_flicker_minimum_changes', 'quote_stuffing_flicker_maximum_trades',
            'quote_stuffing_flicker_maximum_pair_share',
        ],
        'momentum_ignition': [
            'momentum_ignition_run_seconds', 'momentum_ignition_minimum_levels',
            'momentum_ignition_minimum_volume_share', 'momentum_ignition_volume_multiple',
            'momentum_ignition_deviation_multiple', 'momentum_ignition_minimum_move_ticks',
            'momentum_ignition_minimum_move_share', 'momentum_ignition_exit_seconds',
            'momentum_ignition_minimum_exit_share', 'momentum_ignition_minimum_reversion_share',
            'momentum_ignition_full_exit_share', 'momentum_ignition_preposition_seconds',
            'momentum_ignition_news_seconds',
        ],
        'wide_spread': [
            'wide_spread_median_multiple', 'wide_spread_minimum_ticks', 'wide_spread_minimum_share',
            'wide_spread_minimum_seconds', 'wide_spread_attribution_seconds', 'wide_spread_attribution_share',
            'wide_spread_trade_seconds', 'wide_spread_breach_seconds', 'wide_spread_gap_seconds', 'wide_spread_halt_seconds',
            'wide_spread_news_seconds',
        ],
        'wash_trade': [
            'wash_trade_entry_gap_seconds', 'wash_trade_minimum_count', 'wash_trade_minimum_volume_share',
            'wash_trade_merge_seconds', 'wash_trade_matched_entry_gap_seconds',
            'wash_trade_matched_quantity_difference', 'wash_trade_matched_minimum_count',
        ],
        'order_to_trade_ratio': [
            'order_to_trade_maximum_ratio', 'order_to_trade_maximum_ratio_market_maker',
            'order_to_trade_maximum_quantity_ratio', 'order_to_trade_maximum_quantity_ratio_market_maker',
            'order_to_trade_minimum_messages', 'order_to_trade_modify_weight',
        ],
    } -%}
    {{ return(names[rule_id] + [
        'baseline_bucket_seconds', 'baseline_days', 'baseline_minimum_orders', 'baseline_return_seconds',
        'alert_merge_gap_seconds',
    ]) }}
{%- endmacro %}


{# All rule ids, in the order of the catalogue. #}
{% macro rule_ids() -%}
    {{ return([
        'spoofing', 'layering', 'quote_stuffing', 'momentum_ignition', 'wide_spread', 'wash_trade',
        'order_to_trade_ratio',
    ]) }}
{%- endmacro %}


{# Rows `(rule_id, parameters)`: the values in force, as JSON. #}
{% macro rule_parameters() -%}
    {%- for rule_id in rule_ids() %}
    select
        '{{ rule_id }}' as rule_id,
        '{
        {%- for name in rule_variables(rule_id) -%}
        "{{ name }}": {{ var(name) }}{{ ', ' if not loop.last }}
        {%- endfor -%}
        }'::jsonb as parameters
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
{%- endmacro %}

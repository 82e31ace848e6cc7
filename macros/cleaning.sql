{# Maps the spellings of buy and sell that reach a column to `buy` and `sell`; others become null. #}
{% macro clean_side(column) -%}
    case lower(trim({{ column }}))
        when 'buy' then 'buy'
        when 'b' then 'buy'
        when 'bid' then 'buy'
        when '1' then 'buy'
        when 'sell' then 'sell'
        when 's' then 'sell'
        when 'ask' then 'sell'
        when 'offer' then 'sell'
        when '2' then 'sell'
    end
{%- endmacro %}


{# Maps the usual spellings of order types to one word each; unknown ones pass in lower case. #}
{% macro clean_order_type(column) -%}
    case lower(trim({{ column }}))
        when '' then null
        when 'limit' then 'limit'
        when 'lmt' then 'limit'
        when 'limit order' then 'limit'
        when 'market' then 'market'
        when 'mkt' then 'market'
        when 'market order' then 'market'
        else lower(trim({{ column }}))
    end
{%- endmacro %}


{# Gives the side across the book. #}
{% macro opposite_side(column) -%}
    case {{ column }} when 'buy' then 'sell' when 'sell' then 'buy' end
{%- endmacro %}

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

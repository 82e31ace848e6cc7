{# One row per market maker and symbol. #}
with obligations as (

    select * from {{ source('reference', 'obligations') }}

),

cleaned as (

    select
        trim(market_maker) as owner_id,
        upper(trim(symbol)) as symbol,
        max_spread as maximum_spread,
        min_quantity as minimum_quantity,
        presence as required_presence
    from obligations

)

select * from cleaned

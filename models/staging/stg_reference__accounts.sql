{# One row per account. #}
with accounts as (

    select * from {{ source('reference', 'accounts') }}

),

cleaned as (

    select
        account_id,
        nullif(trim(trader_id), '') as trader_id,
        nullif(trim(participant_id), '') as participant_id,
        coalesce(nullif(trim(owner_id), ''), account_id) as owner_id,
        nullif(trim(link_group), '') as link_group,
        coalesce(is_market_maker, false) as is_market_maker,
        coalesce(is_algo, false) as is_algo
    from accounts

)

select * from cleaned

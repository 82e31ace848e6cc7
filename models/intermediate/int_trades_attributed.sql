{# One row per trade (trading_date, event_seq), with the owners on both sides. #}
{{ config(indexes=[{'columns': ['venue', 'symbol', 'event_ns']}]) }}
with trades as (

    select * from {{ ref('stg_orders__trades') }}

),

accounts as (

    select * from {{ ref('stg_reference__accounts') }}

),

owned as (

    select
        trades.*,
        coalesce(buyers.owner_id, trades.buy_account_id) as buy_owner_id,
        coalesce(sellers.owner_id, trades.sell_account_id) as sell_owner_id,
        coalesce(buyers.trader_id, trades.buy_account_id) as buy_trader_id,
        coalesce(sellers.trader_id, trades.sell_account_id) as sell_trader_id,
        coalesce(buyers.link_group, buyers.owner_id, trades.buy_account_id) as buy_actor_id,
        coalesce(sellers.link_group, sellers.owner_id, trades.sell_account_id) as sell_actor_id
    from trades
    left join accounts as buyers on trades.buy_account_id = buyers.account_id
    left join accounts as sellers on trades.sell_account_id = sellers.account_id

)

select * from owned

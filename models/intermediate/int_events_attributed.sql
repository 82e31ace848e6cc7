{# One row per order event (trading_date, event_seq), with the owner behind the account. #}
{{ config(materialized='view') }}
with events as (

    select * from {{ ref('stg_orders__events') }}

),

accounts as (

    select
        account_id,
        owner_id,
        link_group,
        participant_id,
        is_market_maker
    from {{ ref('stg_reference__accounts') }}

),

attributed as (

    select
        events.*,
        coalesce(accounts.owner_id, events.account_id) as owner_id,
        coalesce(accounts.link_group, accounts.owner_id, events.account_id) as actor_id,
        accounts.participant_id,
        coalesce(accounts.is_market_maker, false) as is_market_maker
    from events
    left join accounts on events.account_id = accounts.account_id

)

select * from attributed

{# One row per news item and symbol (published_at, venue, symbol, headline). #}
with news as (

    select * from {{ source('reference', 'news') }}

),

cleaned as (

    select
        published_at,
        (extract(epoch from published_at) * 1000000000)::bigint as published_ns,
        upper(trim(venue)) as venue,
        upper(trim(symbol)) as symbol,
        trim(headline) as headline
    from news

)

select * from cleaned

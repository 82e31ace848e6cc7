create schema if not exists raw;

create table if not exists raw.ingested_files (
    file_id bigint generated always as identity primary key,
    path text not null,
    fingerprint text not null,
    format text not null,
    status text not null,
    size_bytes bigint not null,
    modified_ns bigint not null,
    byte_position bigint not null default 0,
    line_position bigint not null default 0,
    last_event_seq bigint,
    event_count bigint not null default 0,
    trade_count bigint not null default 0,
    reject_count bigint not null default 0,
    flagged_count bigint not null default 0,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz
);

create table if not exists raw.rejected_events (
    file_id bigint not null,
    line_number bigint not null,
    raw_text text not null,
    reason text not null,
    rejected_at timestamptz not null default now(),
    primary key (file_id, line_number)
);

create table if not exists raw.order_events (
    trading_date date not null,
    event_seq bigint not null,
    event_at timestamptz not null,
    event_ns bigint not null,
    venue text not null,
    symbol text not null,
    event_type text not null,
    order_id text,
    account_id text,
    side text,
    price numeric,
    quantity bigint,
    order_type text,
    time_in_force text,
    trade_id text,
    counterparty_order_id text,
    is_aggressor boolean,
    best_bid numeric,
    best_bid_quantity bigint,
    best_ask numeric,
    best_ask_quantity bigint,
    order_level int,
    distance_ticks int,
    depth_bid_1 bigint,
    depth_bid_5 bigint,
    depth_bid_10 bigint,
    depth_ask_1 bigint,
    depth_ask_5 bigint,
    depth_ask_10 bigint,
    leaves_quantity bigint,
    order_entered_ns bigint,
    is_priority_lost boolean,
    session_phase text not null,
    quality_flags text[] not null,
    file_id bigint not null,
    line_number bigint not null,
    primary key (trading_date, event_seq)
) partition by range (trading_date);

create table if not exists raw.trades (
    trading_date date not null,
    event_seq bigint not null,
    event_at timestamptz not null,
    event_ns bigint not null,
    venue text not null,
    symbol text not null,
    trade_id text,
    price numeric not null,
    quantity bigint not null,
    aggressor_side text,
    buy_order_id text,
    sell_order_id text,
    buy_account_id text,
    sell_account_id text,
    is_off_book boolean not null,
    best_bid numeric,
    best_ask numeric,
    session_phase text not null,
    file_id bigint not null,
    primary key (trading_date, event_seq)
) partition by range (trading_date);

create table if not exists raw.bbo (
    trading_date date not null,
    event_seq bigint not null,
    event_at timestamptz not null,
    event_ns bigint not null,
    venue text not null,
    symbol text not null,
    best_bid numeric,
    best_bid_quantity bigint,
    best_ask numeric,
    best_ask_quantity bigint,
    session_phase text not null,
    file_id bigint not null,
    primary key (trading_date, event_seq)
) partition by range (trading_date);

create table if not exists raw.instruments (
    venue text,
    symbol text,
    tick_size numeric,
    lot_size bigint,
    currency text,
    session_open time,
    session_close time,
    timezone text,
    liquidity_tier text,
    aliases text,
    primary key (venue, symbol)
);

create table if not exists raw.accounts (
    account_id text primary key,
    trader_id text,
    participant_id text,
    owner_id text,
    link_group text,
    is_market_maker boolean,
    is_algo boolean
);

create table if not exists raw.obligations (
    market_maker text,
    symbol text,
    max_spread numeric,
    min_quantity bigint,
    presence numeric,
    primary key (market_maker, symbol)
);

create table if not exists raw.news (
    published_at timestamptz,
    venue text,
    symbol text,
    headline text,
    primary key (published_at, venue, symbol, headline)
);

create table if not exists raw.calendar (
    venue text,
    trading_date date,
    session_open time,
    session_close time,
    is_half_day boolean,
    primary key (venue, trading_date)
);

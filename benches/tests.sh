#!/usr/bin/env bash
# Times ten data tests on one table: msv with one shared statement, msv with a statement for each
# test, and dbt-core.
#
#   cargo build --release
#   PGHOST=127.0.0.1 PGPORT=5432 PGUSER=postgres PGPASSWORD=.. PGDATABASE=postgres \
#       DBT=/path/to/dbt benches/tests.sh [ROWS] [ROUNDS] [shuffled]
#
# The candidates take turns, each on four connections; each line is one round, in wall seconds.
# One test is `unique`, on a column in the order of the rows; with `shuffled` in no order. Without
# DBT it is left out.
set -euo pipefail

rows=${1:-10000000}
rounds=${2:-3}
order=${3:-}
here=$(cd "$(dirname "$0")" && pwd)
msv=$(realpath "${MSV:-$here/../target/release/msv}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/generate_project.py" 10 "$work" > /dev/null
rm -r "$work/models"
mkdir "$work/models"
cat > "$work/models/trades.sql" <<EOF
{{ config(materialized='table') }}
select
    number as trade_id,
    'SYM' || number % 500 as symbol,
    case number % 2 when 0 then 'B' else 'S' end as side,
    number % 1000 as quantity,
    (10 + number % 90)::numeric(12, 2) as price,
    timestamptz '2026-01-01' + number * interval '1 second' as executed_at,
    case number % 3 when 0 then 'XNYS' when 1 then 'XNAS' else 'ARCX' end as venue,
    case number % 7 when 0 then 'auction' else 'continuous' end as phase
from generate_series(1, $rows) as number
${order:+order by random()}
EOF
cat > "$work/models/trades.yml" <<'EOF'
models:
  - name: trades
    columns:
      - {name: trade_id, data_tests: [unique, not_null]}
      - {name: symbol, data_tests: [not_null]}
      - name: side
        data_tests: [not_null, {accepted_values: {arguments: {values: [B, S]}}}]
      - {name: quantity, data_tests: [not_null]}
      - {name: price, data_tests: [not_null]}
      - {name: executed_at, data_tests: [not_null]}
      - name: venue
        data_tests: [{accepted_values: {arguments: {values: [XNYS, XNAS, ARCX]}}}]
      - name: phase
        data_tests: [{accepted_values: {arguments: {values: [auction, continuous]}}}]
EOF
cd "$work"
psql -qX -c 'drop schema if exists bench cascade' 2> /dev/null
"$msv" run > "$work/out" || { cat "$work/out"; exit 1; }

seconds() {
    local begun=$EPOCHREALTIME
    "$@" > "$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }
    awk -v begun="$begun" -v ended="$EPOCHREALTIME" 'BEGIN { printf "%6.2f", ended - begun }'
}
for _ in $(seq "$rounds"); do
    line="shared $(seconds "$msv" test)  each $(seconds "$msv" test --no-fused-tests)"
    if [ -n "${DBT:-}" ]; then
        line="$line  dbt $(seconds "$DBT" test)"
    fi
    echo "$line"
done

#!/usr/bin/env bash
# Times `msv seed` of a CSV file beside `psql \copy` of the same file into a table of the same types.
#
#   cargo build --release
#   PGHOST=127.0.0.1 PGPORT=5432 PGUSER=postgres PGPASSWORD=.. PGDATABASE=postgres \
#       benches/seed.sh [ROWS] [ROUNDS]
#
# The two take turns; each line is one round: wall seconds of psql, of msv, their ratio, and the
# seconds of msv where the file is loaded already. What msv does beyond the copy: it finds the types,
# analyses the table and puts it in the old one's place.
set -euo pipefail

rows=${1:-1000000}
rounds=${2:-5}
here=$(cd "$(dirname "$0")" && pwd)
msv=$(realpath "${MSV:-$here/../target/release/msv}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/seeds"
"$here/generate_project.py" 10 "$work" > /dev/null
rm -r "$work/models"
awk -v rows="$rows" 'BEGIN {
    print "trade_id,symbol,price,quantity,executed_at,is_auction,note"
    for (at = 1; at <= rows; at++)
        printf "%d,SYM%d,%d.%02d,%d,2026-03-%02d %02d:%02d:%02d,%s,\"note %d, quoted\"\n", at,
            at % 500, 10 + at % 90, at % 100, 1 + at % 1000, 1 + at % 28, at % 24, at % 60,
            at % 60, at % 2 ? "true" : "false", at
}' > "$work/seeds/trades.csv"
cd "$work"
psql -qX -c 'drop schema if exists bench cascade' 2> /dev/null
"$msv" seed > "$work/out" || { cat "$work/out"; exit 1; }
psql -qX -c 'create table bench.copied (like bench.trades)'

seconds() {
    local begun=$EPOCHREALTIME
    "$@" > "$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }
    awk -v begun="$begun" -v ended="$EPOCHREALTIME" 'BEGIN { printf "%.2f", ended - begun }'
}
for _ in $(seq "$rounds"); do
    psql -qX -c 'truncate bench.copied'
    copied=$(seconds psql -qX -c "\\copy bench.copied from 'seeds/trades.csv' csv header")
    seeded=$(seconds "$msv" seed --full-refresh)
    again=$(seconds "$msv" seed)
    awk -v a="$copied" -v b="$seeded" -v again="$again" 'BEGIN {
        printf "psql %5.2f s  msv %5.2f s  ratio %.2f  unchanged %5.2f s\n", a, b, b / a, again
    }'
done

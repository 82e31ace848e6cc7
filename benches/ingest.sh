#!/usr/bin/env bash
# Loads a file or folder with `msv ingest` and the very same rows with psql's \copy, in one run.
#
#   cargo build --release
#   PGHOST=127.0.0.1 PGUSER=postgres [PGPORT=.. PGPASSWORD=..] benches/ingest.sh PATH [ROUNDS]
#
# The server must be one where a database `msv_bench` may be created and dropped. PATH is a
# LOBSTER message file, a native event file or a folder of `msv simulate`. For each round it
# prints what msv says of itself, its peak memory, and the seconds of \copy into a table with
# the same columns, partitions and indexes. MSV=.. names another binary.
set -euo pipefail

path=$(realpath "$1")
rounds=${2:-3}
msv=$(realpath "${MSV:-target/release/msv}")
export PGDATABASE=msv_bench
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/project"
printf 'name: bench\nprofile: bench\n' > "$work/project/project.yml"
cat > "$work/project/profiles.yml" <<EOF
bench:
  target: bench
  outputs:
    bench:
      type: postgres
      host: ${PGHOST:-127.0.0.1}
      port: ${PGPORT:-5432}
      user: ${PGUSER:-postgres}
      password: "${PGPASSWORD:-none}"
      dbname: msv_bench
      schema: public
EOF

sql() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

for round in $(seq "$rounds"); do
    sql -d postgres -c 'drop database if exists msv_bench' -c 'create database msv_bench'
    (cd "$work/project" && /usr/bin/time -f "msv peak memory: %M kB" "$msv" ingest "$path" 2>&1) |
        grep -E ' s \(|peak memory'
    sql -c "\copy (select * from raw.order_events order by event_seq) to '$work/rows.txt'"
    sql <<'EOF'
create schema copied;
create table copied.order_events (like raw.order_events including all)
    partition by range (trading_date);
create table copied.all_days partition of copied.order_events
    for values from ('1970-01-01') to ('2200-01-01');
EOF
    # Twice: the indexes of raw.order_events made after the rows, as msv does, and before them.
    for order in after before; do
        sql -c 'truncate copied.order_events' -c 'drop index if exists copied.by_instrument'
        index='create index by_instrument on copied.all_days (venue, symbol, event_ns)'
        copy="\copy copied.order_events from '$work/rows.txt'"
        if [ $order = after ]; then commands=(-c "$copy" -c "$index"); else
            sql -c "$index"
            commands=(-c "$copy")
        fi
        rows=$(wc -l < "$work/rows.txt")
        /usr/bin/time -f %e -o "$work/seconds" psql -X -q -v ON_ERROR_STOP=1 "${commands[@]}"
        awk -v rows="$rows" -v order=$order -v round="$round" \
            '{ printf "round %d: \\copy of %d rows, index %s: %.2f s (%d rows/s)\n", \
               round, rows, order, $1, rows / $1 }' "$work/seconds"
    done
done
sql -d postgres -c 'drop database if exists msv_bench'

#!/usr/bin/env bash
# Times run and build of a generated project: msv beside the same statements through libpq over as
# many connections, and beside dbt-core.
#
#   cargo build --release
#   PGHOST=127.0.0.1 PGPORT=5432 PGUSER=postgres PGPASSWORD=.. PGDATABASE=.. \
#       DBT=/path/to/dbt benches/run.sh [MODELS] [ROUNDS]
#
# Needs a C compiler and libpq's headers. The candidates take turns and each line is a round: wall
# seconds into an empty schema (`first`) and over what is there (`again`). The lower bound sends one
# statement per node into an empty schema and does nothing else: it finds nothing out, analyses no
# table, protects no reader, and parses no project. dbt runs once. Without DBT it is left out.
set -euo pipefail

models=${1:-1000}
rounds=${2:-5}
here=$(cd "$(dirname "$0")" && pwd)
msv=$(realpath "${MSV:-$here/../target/release/msv}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc -O2 -I"$(pg_config --includedir)" "$here/run/lower_bound.c" -lpq -lpthread -o "$work/lower_bound"
"$here/generate_project.py" "$models" "$work/project"
cd "$work/project"

empty() { psql -qX -c 'drop schema if exists bench cascade' -c 'create schema bench' 2> /dev/null; }
seconds() {
    local begun=$EPOCHREALTIME
    "$@" > "$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }
    awk -v begun="$begun" -v ended="$EPOCHREALTIME" 'BEGIN { printf "%7.2f", ended - begun }'
}

empty
"$msv" build > "$work/out" || { cat "$work/out"; exit 1; }
for command in run build; do
    "$here/run/plan.py" target "$command" "$work/$command.plan"
done
for command in run build; do
    for _ in $(seq "$rounds"); do
        empty
        bound=$(seconds "$work/lower_bound" "$work/$command.plan" 4)
        empty
        msv_first=$(seconds "$msv" "$command")
        msv_again=$(seconds "$msv" "$command")
        echo "$command  bound $bound   msv first $msv_first again $msv_again"
    done
    if [ -n "${DBT:-}" ]; then
        empty
        dbt_first=$(seconds "$DBT" --no-partial-parse "$command")
        dbt_again=$(seconds "$DBT" "$command")
        echo "$command  dbt first $dbt_first again $dbt_again"
    fi
done

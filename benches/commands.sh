#!/usr/bin/env bash
# Times parse, ls and compile of generated projects, msv beside dbt-core, in one run.
#
#   cargo build --profile dist
#   PGHOST=127.0.0.1 PGPORT=5432 PGUSER=postgres PGPASSWORD=.. PGDATABASE=postgres \
#       DBT=/path/to/dbt benches/commands.sh [SIZES, such as "100 1000 5000"] [ROUNDS]
#
# compile asks the server what exists, so the server must run. Each line: models, command,
# program, wall seconds, CPU seconds, peak memory in MiB; of ROUNDS runs the one with the least CPU
# time. Nothing is kept between the runs (dbt runs with --no-partial-parse). Without DBT msv runs
# alone; MSV=.. names another binary.
set -euo pipefail

sizes=${1:-"100 1000"}
rounds=${2:-3}
here=$(cd "$(dirname "$0")" && pwd)
msv=$(realpath "${MSV:-$here/../target/dist/msv}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Runs a command ROUNDS times in the project; prints wall, CPU and memory of the best run.
best() {
    for _ in $(seq "$rounds"); do
        rm -rf target logs
        /usr/bin/time -f '%e %U %S %M' -o "$work/time" "$@" > "$work/out" 2>&1 ||
            { cat "$work/out" >&2; exit 1; }
        cat "$work/time"
    done | awk '{cpu = $2 + $3; if (NR == 1 || cpu < least) {least = cpu; wall = $1; memory = $4}}
                END {printf "%7.2f s wall %7.2f s CPU %6d MiB\n", wall, least, memory / 1024}'
}

for models in $sizes; do
    "$here/generate_project.py" "$models" "$work/$models"
    cd "$work/$models"
    for command in parse ls compile; do
        printf '%6d models %-8s msv %s\n' "$models" "$command" "$(best "$msv" "$command")"
        if [ -n "${DBT:-}" ]; then
            printf '%6d models %-8s dbt %s\n' "$models" "$command" \
                "$(best "$DBT" --no-partial-parse "$command")"
        fi
    done
done

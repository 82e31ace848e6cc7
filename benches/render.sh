#!/usr/bin/env bash
# Tells how many models and tests msv renders and writes in a second; needs no server.
#
#   cargo build --profile dist
#   benches/render.sh [MODELS] [ROUNDS]
#
# Each model has two tests. Both commands read the project and write its manifest; what `compile`
# takes beyond `parse` is rendering the linked nodes and looking at their files below target/, which
# a first run has made: that is the file system's time. The figures are CPU seconds, each of ROUNDS
# runs the least. MSV=.. names another binary.
set -euo pipefail

models=${1:-1000}
rounds=${2:-5}
here=$(cd "$(dirname "$0")" && pwd)
msv=$(realpath "${MSV:-$here/../target/dist/msv}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# CPU seconds of the best of ROUNDS runs.
least() {
    for _ in $(seq "$rounds"); do
        /usr/bin/time -f '%U %S' -o "$work/time" "$@" > "$work/out" 2>&1 ||
            { cat "$work/out" >&2; exit 1; }
        awk '{ print $1 + $2 }' "$work/time"
    done | sort -n | head -n 1
}

"$here/generate_project.py" "$models" "$work/project"
cd "$work/project"
"$msv" compile --no-introspect > "$work/out" 2>&1
parse=$(least "$msv" parse)
compile=$(least "$msv" compile --no-introspect)
nodes=$(find target/compiled -name '*.sql' | wc -l)
awk -v nodes="$nodes" -v parse="$parse" -v compile="$compile" 'BEGIN {
    printf "%d nodes: parse %.2f s, compile %.2f s CPU", nodes, parse, compile
    if (compile > parse) printf ", %d nodes a second", nodes / (compile - parse)
    print ""
}'

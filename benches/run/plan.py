#!/usr/bin/env python3
"""Writes the statements of a project's last run as a plan for lower_bound.

    benches/run/plan.py PROJECT/target run|build OUT

The statements are those that msv (or dbt) left in target/run, one per node, and the order is the
manifest's. They are for an empty schema.
"""

import json
import pathlib
import sys


def main(target, command, out):
    target = pathlib.Path(target)
    manifest = json.loads((target / "manifest.json").read_text())
    statements = {}
    for unique_id, node in manifest["nodes"].items():
        is_wanted = node["resource_type"] == "model" or command == "build"
        path = target / "run" / node["package_name"] / node["original_file_path"]
        if node["resource_type"] == "test":
            path = path / node["path"].rsplit("/", 1)[-1]
        if is_wanted and path.is_file():
            sql = path.read_text()
            statements[unique_id] = sql
    tests_of = {}
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] == "test" and unique_id in statements:
            for parent in node["depends_on"]["nodes"]:
                tests_of.setdefault(parent, []).append(unique_id)
    index = {unique_id: at for at, unique_id in enumerate(statements)}
    with open(out, "w") as file:
        print(len(statements), file=file)
        for unique_id, sql in statements.items():
            node = manifest["nodes"][unique_id]
            parents = [parent for parent in node["depends_on"]["nodes"] if parent in index]
            if node["resource_type"] == "model":
                parents += [test for parent in parents for test in tests_of.get(parent, [])]
            numbers = [str(index[parent]) for parent in parents]
            print(len(numbers), *numbers, len(sql.encode()), file=file)
            print(sql, file=file)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])

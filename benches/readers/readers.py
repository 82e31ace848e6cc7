#!/usr/bin/env python3
"""Six readers look at a table, a view on it and a view on the view while a tool rebuilds them.

    PGHOST=.. PGPORT=.. PGUSER=.. PGPASSWORD=.. PGDATABASE=.. \\
        benches/readers/readers.py BUILDS COMMAND [ARGUMENT ...]

COMMAND is run BUILDS times in a project of two models (`orders`, a table of 20,000 rows, and
`open_orders`, a view on it); the third relation, `desk.mine`, is a view that somebody else made on
`open_orders`. `desk_reader` has been granted all three. Needs psycopg2 (dbt-postgres brings it).
Prints errors of readers and writer, the longest and the 99th percentile of the readers' waits, and
what became of object ids and grants.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import psycopg2

RELATIONS = ["readers.orders", "readers.open_orders", "desk.mine"]
SETUP = """
    drop schema if exists readers cascade; drop schema if exists desk cascade;
    do $$ begin create role desk_reader; exception when duplicate_object then null; end $$;
"""
MINE = """
    create schema desk;
    create view desk.mine as select order_id, quantity from readers.open_orders where quantity > 10;
    grant select on readers.orders, readers.open_orders, desk.mine to desk_reader;
"""
FACTS = """
    select name, name::regclass::oid, relkind, relacl::text
    from unnest(%s) as name left join pg_class on oid = to_regclass(name)
    where to_regclass(name) is not null
"""
ORDERS = """{{ config(materialized='table') }}
select number as order_id, number % 97 as quantity, {{ var('build', 0) }} as build
from generate_series(1, 20000) as number
"""
PROFILE = """readers:
  target: dev
  outputs:
    dev:
      type: postgres
      threads: 4
      host: "{{ env_var('PGHOST') }}"
      port: "{{ env_var('PGPORT') | as_number }}"
      user: "{{ env_var('PGUSER') }}"
      password: "{{ env_var('PGPASSWORD') }}"
      dbname: "{{ env_var('PGDATABASE') }}"
      schema: readers
"""


def make_project():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="readers-"))
    (folder / "models").mkdir()
    (folder / "dbt_project.yml").write_text(
        "name: readers\nversion: '1.0'\nconfig-version: 2\nprofile: readers\n"
    )
    (folder / "profiles.yml").write_text(PROFILE)
    (folder / "models" / "orders.sql").write_text(ORDERS)
    (folder / "models" / "open_orders.sql").write_text(
        "{{ config(materialized='view') }}\n"
        "select order_id, quantity, build from {{ ref('orders') }} where quantity > 5\n"
    )
    return folder


class Reader(threading.Thread):
    def __init__(self, relation, stop):
        super().__init__()
        self.relation, self.stop = relation, stop
        self.waits, self.errors, self.wrong = [], {}, 0

    def run(self):
        connection = psycopg2.connect("")
        connection.autocommit = True
        cursor = connection.cursor()
        rows = None
        while not self.stop.is_set():
            begun = time.monotonic()
            try:
                cursor.execute(f"select count(*) from {self.relation}")
                found = cursor.fetchone()[0]
                self.wrong += rows is not None and found != rows
                rows = found
            except psycopg2.Error as error:
                text = type(error).__name__
                self.errors[text] = self.errors.get(text, 0) + 1
            self.waits.append(time.monotonic() - begun)
            time.sleep(0.005)
        connection.close()


def facts():
    connection = psycopg2.connect("")
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(FACTS, (RELATIONS,))
    found = {row[0]: row[1:] for row in cursor.fetchall()}
    connection.close()
    return found


def execute(sql):
    connection = psycopg2.connect("")
    connection.autocommit = True
    connection.cursor().execute(sql)
    connection.close()


def main(builds, command):
    folder = make_project()
    environment = dict(os.environ, DBT_PROFILES_DIR=str(folder))

    def build(number):
        return subprocess.run(
            [*command, "run", "--vars", f"{{build: {number}}}"],
            cwd=folder, env=environment, capture_output=True, text=True,
        )

    execute(SETUP)
    first = build(0)
    if first.returncode != 0:
        sys.exit(first.stdout + first.stderr)
    execute(MINE)
    before = facts()
    stop = threading.Event()
    readers = [Reader(relation, stop) for relation in RELATIONS * 2]
    for reader in readers:
        reader.start()
    begun, failed = time.monotonic(), 0
    for number in range(1, builds + 1):
        done = build(number)
        if done.returncode != 0:
            failed += 1
            print(done.stdout[-800:], done.stderr[-800:])
    seconds = time.monotonic() - begun
    stop.set()
    for reader in readers:
        reader.join()
    waits = sorted(wait for reader in readers for wait in reader.waits)
    errors = {}
    for reader in readers:
        for name, count in reader.errors.items():
            errors[name] = errors.get(name, 0) + count
    after = facts()
    print(f"{builds} builds in {seconds:.1f} s, {failed} failed")
    print(f"{len(waits)} reads: {sum(errors.values())} errors {errors or ''}, "
          f"{sum(reader.wrong for reader in readers)} with other rows than before")
    print(f"wait: median {1000 * waits[len(waits) // 2]:.1f} ms, "
          f"99th percentile {1000 * waits[len(waits) * 99 // 100]:.1f} ms, "
          f"longest {1000 * waits[-1]:.1f} ms")
    for name in RELATIONS:
        if name not in after:
            print(f"{name}: gone")
            continue
        oid = "same object" if after[name][0] == before[name][0] else "another object"
        grants = "same grants" if after[name][2] == before[name][2] else "other grants"
        print(f"{name}: {oid}, {grants}")


if __name__ == "__main__":
    if len(sys.argv) < 3 or not sys.argv[1].isdigit():
        sys.exit(__doc__)
    main(int(sys.argv[1]), sys.argv[2:])

#!/usr/bin/env python3
"""Two runs of msv at a time, an analyst at work on their tables, and an administrator who ends sessions.

    PGHOST=.. PGPORT=.. PGUSER=.. PGPASSWORD=.. PGDATABASE=.. \\
        benches/torment.py [--minutes 10] [--msv target/release/msv] [--seed 1]

Each run takes a random part of a project of six models and publishes each relation or all at once.
The analyst makes and drops views on the models, grants, comments and locks; the administrator
terminates a session of msv now and then. Readers look all the while: every relation must have all
rows of one build. After a last, undisturbed build no private name may be left, and the analyst's
views, grants and comments must stand. Prints one line per break of that, and a summary. Needs
psycopg2.
"""

import argparse
import collections
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

import psycopg2

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
ROWS = 2000
INCREMENTAL = "materialized='incremental', incremental_strategy='delete+insert', unique_key='id'"
MODELS = {
    "base": ("materialized='table', indexes=[{'columns': ['id'], 'unique': true}]", None),
    "shown": ("materialized='view'", "base"),
    "summed": ("materialized='table'", "shown"),
    "added": (INCREMENTAL, "base"),
    "read": ("materialized='view'", "added"),
    "last": ("materialized='table'", "read"),
}
PROFILE = """torment:
  target: dev
  outputs:
    dev: {type: postgres, threads: 3, schema: torment, host: "{{ env_var('PGHOST') }}",
      port: "{{ env_var('PGPORT') | as_number }}", user: "{{ env_var('PGUSER') }}",
      password: "{{ env_var('PGPASSWORD') }}", dbname: "{{ env_var('PGDATABASE') }}"}
"""
SETUP = """
    drop schema if exists torment cascade; drop schema if exists desk cascade; create schema desk;
    do $$ begin create role desk_reader; exception when duplicate_object then null; end $$;
"""
PRIVATE = """
    select relname from pg_class
    where relname ~ '^msv_(tmp|old)__' and relnamespace = 'torment'::regnamespace
"""


def make_project():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="torment-"))
    (folder / "models").mkdir()
    (folder / "project.yml").write_text("name: torment\nprofile: torment\n")
    (folder / "profiles.yml").write_text(PROFILE)
    tests = []
    for name, (config, parent) in MODELS.items():
        source = f"{{{{ ref('{parent}') }}}}" if parent else f"generate_series(1, {ROWS}) as t (id)"
        (folder / "models" / f"{name}.sql").write_text(
            f"{{{{ config({config}) }}}}\nselect id, {{{{ var('build') }}}} as build from {source}\n"
        )
        tests.append(f"  - {{name: {name}, columns: [{{name: id, data_tests: [unique]}}]}}\n")
    (folder / "models" / "models.yml").write_text("models:\n" + "".join(tests))
    return folder


def connect(name):
    connection = psycopg2.connect(application_name=name)
    connection.autocommit = True
    return connection.cursor()


class Torment:
    def __init__(self, options):
        self.options, self.folder = options, make_project()
        self.msv = os.path.realpath(options.msv)
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.counts, self.broken, self.build = collections.Counter(), 0, 0
        # What must stand at the end: set once the server has confirmed it.
        self.views, self.grants, self.comments = {}, set(), {}

    def complain(self, text):
        with self.lock:
            self.broken += 1
        print(text, flush=True)

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def run(self, *arguments):
        with self.lock:
            self.build += 1
            build = self.build
        # Two commands must not share a folder of artifacts.
        target = self.folder / f"target-{threading.current_thread().name}"
        done = subprocess.run(
            [self.msv, "build", "--vars", f"{{build: {build}}}", "--target-path", str(target),
             *arguments],
            cwd=self.folder, capture_output=True, text=True,
        )
        said = done.stdout + done.stderr
        if "panicked" in said or "MSV0447" in said or done.returncode not in (0, 1):
            self.complain(f"{arguments}: exit code {done.returncode}\n{said[-3000:]}")
        return done.returncode, said

    def runner(self, dice):
        while not self.stop.is_set():
            name = dice.choice(list(MODELS))
            select = dice.choice([[], ["--select", name], ["--select", f"{name}+"],
                                  ["--select", f"+{name}"]])
            publish = dice.choice(["each", "each", "together"])
            code, said = self.run("--publish", publish, *select)
            self.count("runs" if code == 0 else "runs that failed")
            if code == 1:
                for line in said.splitlines():
                    if line.startswith("error["):
                        self.count(f"  {line[:90]}")
            time.sleep(dice.uniform(0, 0.5))

    def reader(self, dice):
        cursor = connect("reader")
        while not self.stop.is_set():
            name = dice.choice(list(MODELS))
            try:
                cursor.execute(f"select count(*), count(distinct build) from torment.{name}")
                found = cursor.fetchone()
                self.count("reads")
                if found != (ROWS, 1):
                    self.complain(f"{name} has {found[0]} rows of {found[1]} builds")
            except psycopg2.Error as error:
                self.complain(f"{name} cannot be read: {error}")
            time.sleep(0.005)

    def analyst(self, dice):
        cursor = connect("analyst")
        number = 0
        while not self.stop.is_set():
            name = dice.choice(list(MODELS))
            act = dice.choice(["view", "view", "drop", "grant", "comment", "read", "lock"])
            try:
                if act == "view" and len(self.views) < 12:
                    number += 1
                    on = dice.choice([f"torment.{name}", *(f"desk.{v}" for v in self.views)])
                    cursor.execute(f"create view desk.v{number} as select id, build from {on}")
                    self.views[f"v{number}"] = on
                elif act == "drop" and self.views:
                    view = dice.choice(list(self.views))
                    if f"desk.{view}" not in self.views.values():
                        cursor.execute(f"drop view desk.{view}")
                        del self.views[view]
                elif act == "grant":
                    cursor.execute(f"grant select on torment.{name} to desk_reader")
                    self.grants.add(name)
                elif act == "comment" and "table" in MODELS[name][0]:
                    number += 1
                    cursor.execute(f"comment on table torment.{name} is 'note {number}'")
                    self.comments[name] = f"note {number}"
                elif act in ("read", "lock"):
                    mode = "access share" if act == "read" else "access exclusive"
                    table = dice.choice(["base", "summed", "added", "last"])
                    cursor.execute(f"begin; lock table torment.{table} in {mode} mode")
                    time.sleep(2 if act == "lock" else dice.uniform(0.5, 3))
                    cursor.execute("commit")
                self.count("deeds of the analyst")
            except psycopg2.Error as error:
                self.count(f"the analyst's {act}: {type(error).__name__}")
                cursor.execute("rollback")
            time.sleep(dice.uniform(0, 0.4))

    def administrator(self, dice):
        cursor = connect("administrator")
        while not self.stop.wait(dice.uniform(0.2, 6)):
            cursor.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'msv' and state <> 'idle' order by random() limit 1"
            )
            if cursor.fetchall():
                self.count("sessions ended")

    def torment(self):
        connect("setup").execute(SETUP)
        code, said = self.run()
        if code != 0:
            sys.exit(said)
        roles = [self.runner, self.runner, self.reader, self.reader, self.analyst,
                 self.administrator]
        threads = [
            threading.Thread(
                target=role, name=f"{role.__name__}-{at}",
                args=(random.Random(self.options.seed * 100 + at),),
            )
            for at, role in enumerate(roles)
        ]
        for thread in threads:
            thread.start()
        time.sleep(self.options.minutes * 60)
        self.stop.set()
        for thread in threads:
            thread.join()
        self.check()

    def check(self):
        code, said = self.run()
        if code != 0:
            self.complain(f"the undisturbed build ended with {code}:\n{said[-3000:]}")
        cursor = connect("check")
        cursor.execute(PRIVATE)
        for (name,) in cursor.fetchall():
            self.complain(f"{name} is left")
        for view in self.views:
            cursor.execute(
                f"select count(*), min(build) = max(build) from (select build from desk.{view}) v"
            )
            if cursor.fetchone() != (ROWS, True):
                self.complain(f"desk.{view} has other rows")
        for name in self.grants:
            cursor.execute("select has_table_privilege('desk_reader', %s, 'select')",
                           [f"torment.{name}"])
            if not cursor.fetchone()[0]:
                self.complain(f"the grant on {name} is lost")
        for name, text in self.comments.items():
            cursor.execute("select obj_description(%s::regclass)", [f"torment.{name}"])
            if cursor.fetchone()[0] != text:
                self.complain(f"the comment on {name} is lost")
        password = os.environ.get("PGPASSWORD", "")
        for file in self.folder.rglob("*"):
            if password and file.is_file() and password in file.read_text(errors="replace"):
                self.complain(f"the password stands in {file}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--msv", default=str(REPOSITORY / "target" / "release" / "msv"))
    parser.add_argument("--seed", type=int, default=1)
    torment = Torment(parser.parse_args())
    torment.torment()
    for what, count in sorted(torment.counts.items()):
        print(f"{count:7} {what}")
    print(f"{torment.broken} broken")
    sys.exit(1 if torment.broken else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Kills msv, or its server, at random moments of a build of this repository's project.

    cargo build --release
    benches/crash.py [--kills 200] [--server-kills 20] [--msv target/release/msv] [--seed 1]
                     [--publish each|together]

The project is copied to a temporary folder and built on its own local server. The builds alternate
between two settings of the rules, so that the old rows of a relation are not its new ones. After
each SIGKILL every published relation must have the rows of one of the two settings, whole; the
next build must succeed and leave the rows of its setting, and no private name. With
`--publish together` all relations must have the rows of the same setting. Prints one line per
break of that, and a summary.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
SETTINGS = [
    {"spoofing_withdrawal_seconds": 5, "alert_band_high": 60},
    {},
]
# Counts how often an alert has changed, so it says how many builds there were.
COUNTER = "alert_version"
RELATIONS = """
    select format('%I.%I', nspname, relname) from pg_class
    inner join pg_namespace on pg_namespace.oid = relnamespace
    where relkind in ('r', 'v', 'm') and nspname !~ '^pg_' and nspname <> 'information_schema'
    order by 1
"""


class Project:
    def __init__(self, msv, publish):
        self.msv = msv
        self.publish = publish
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="msv-crash-"))
        os.chmod(self.folder, 0o755)
        for name in ["models", "macros", "seeds", "tests", "project.yml", "profiles.yml"]:
            source = REPOSITORY / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, self.folder / name)

    def command(self, *arguments):
        return [self.msv, *arguments]

    def start(self, setting):
        command = self.command(
            "build", "--publish", self.publish, "--vars", json.dumps(SETTINGS[setting])
        )
        return subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def build(self, setting):
        running = self.start(setting)
        output, _ = running.communicate()
        return running.returncode, output

    def url(self):
        # Starts the server where it is down.
        done = subprocess.run(
            self.command("db", "url"), cwd=self.folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def rows(self, sql):
        done = subprocess.run(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", self.url(), "-c", sql],
            capture_output=True, text=True,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.splitlines()

    def contents(self):
        """Each relation with its number of rows and a hash of them."""
        names = self.rows(RELATIONS)
        parts = [
            f"select '{name}', count(*), md5(coalesce(string_agg(text, '|' order by text"
            f" collate \"C\"), '')) from (select (to_jsonb(r) - '{COUNTER}')::text from {name} as r)"
            f" as rows (text)"
            for name in names
            if ".msv_" not in name
        ]
        found = {}
        for line in self.rows("\nunion all\n".join(parts)):
            name, count, digest = line.split("|")
            found[name] = (int(count), digest)
        return found

    def private_names(self):
        return [name for name in self.rows(RELATIONS) if ".msv_tmp__" in name or ".msv_old__" in name]

    def kill_server(self):
        for file in self.folder.glob(".msv/**/postmaster.pid"):
            os.kill(int(file.read_text().split()[0]), signal.SIGKILL)
            return True
        return False

    def remove(self):
        subprocess.run(self.command("db", "stop"), cwd=self.folder, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--server-kills", type=int, default=20)
    parser.add_argument("--msv", default=str(REPOSITORY / "target" / "release" / "msv"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--publish", choices=["each", "together"], default="each")
    options = parser.parse_args()
    dice = random.Random(options.seed)
    project = Project(os.path.realpath(options.msv), options.publish)
    broken = 0
    try:
        broken = torment(project, options, dice)
    finally:
        project.remove()
    sys.exit(1 if broken else 0)


def torment(project, options, dice):
    reference, seconds = [], []
    project.build(0)
    for setting in [0, 1]:
        begun = time.monotonic()
        code, output = project.build(setting)
        if code != 0:
            sys.exit(f"the project does not build:\n{output}")
        seconds.append(time.monotonic() - begun)
        reference.append(project.contents())
    steady = {name for name in reference[0] if reference[0][name] == reference[1].get(name)}
    print(
        f"{len(reference[0])} relations, {len(reference[0]) - len(steady)} differ between the "
        f"settings; a build takes {min(seconds):.2f} s",
        flush=True,
    )
    before, broken, mixed, unfinished = 1, 0, 0, 0

    def complain(text):
        nonlocal broken
        broken += 1
        print(text, flush=True)

    plan = ["msv"] * options.kills + ["server"] * options.server_kills
    for number, victim in enumerate(plan, 1):
        setting = 1 - before
        moment = dice.uniform(0, max(seconds))
        running = project.start(setting)
        time.sleep(moment)
        if running.poll() is None:
            unfinished += 1
            if victim == "msv":
                running.kill()
            else:
                project.kill_server()
        output, _ = running.communicate()
        where = f"kill {number} ({victim}, {moment:.3f} s)"
        if victim == "server":
            # The server's other processes notice that the first one is gone, then it can start.
            time.sleep(0.5)
        try:
            found = project.contents()
        except (RuntimeError, subprocess.CalledProcessError) as error:
            complain(f"{where}: cannot be read: {error}")
            found = None
        if found is not None:
            for name in sorted(set(reference[0]) | set(found)):
                versions = [reference[0].get(name), reference[1].get(name)]
                if found.get(name) not in versions:
                    complain(f"{where}: {name} has {found.get(name)}, neither of {versions}")
            olds = sum(found.get(n) == reference[before][n] for n in reference[0] if n not in steady)
            is_mixed = 0 < olds < len(reference[0]) - len(steady)
            mixed += is_mixed
            if is_mixed and options.publish == "together":
                complain(f"{where}: some relations are published and others are not")
        code, output = project.build(setting)
        if code != 0:
            complain(f"{where}: the next build ended with {code}:\n{output[-3000:]}")
        else:
            if project.contents() != reference[setting]:
                complain(f"{where}: the next build left other rows than an undisturbed one")
            if names := project.private_names():
                complain(f"{where}: private names remain: {', '.join(names)}")
        before = setting
        if number % 20 == 0:
            print(f"{number} of {len(plan)} kills, {broken} broken", flush=True)
    print(
        f"{options.kills} kills of msv and {options.server_kills} of the server, {unfinished} of "
        f"them before the build had ended, {mixed} between the first and the last publication: "
        f"{broken} broken"
    )
    return broken


if __name__ == "__main__":
    main()

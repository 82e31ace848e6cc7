"""Record what Jinja2, as dbt configures it, makes of the snippets of this folder.

    python tests/it/jinja/corpus/record.py [FILE...]

Needs `pip install dbt-core`; run by hand after adding snippets, never by the tests. Every file is
read and written again with what Jinja2 says. The format, one snippet a paragraph:

    # words for the reader
    @ parsing            render as dbt does while it parses (unknown names are permitted)
    @ native             render as dbt does with the values of a project file
    m {% macro f() %}…   a macro the template can call
    > {{ template }}     a newline is written as a pilcrow with an arrow: ↵
    = output             or `! ErrorClass`; written by this script
    ~ reason             msv differs, and why; kept by this script
    ~= output            what msv says instead; `~!` when it refuses
"""

import glob
import os
import sys

from dbt.clients.jinja import MacroGenerator, get_rendered
from dbt.context.base import BaseContext
from dbt.flags import set_from_args
from argparse import Namespace

set_from_args(Namespace(), None)
HERE = os.path.dirname(os.path.abspath(__file__))
NEWLINE = "↵"

# tests/it/jinja/corpus.rs gives the same context.
VALUES = {
    "text": "The quick brown fox",
    "n": 42,
    "ratio": 2.5,
    "yes": True,
    "nothing": None,
    "numbers": [3, 1, 2],
    "names": ["b", "a", "C"],
    "row": {"id": 1, "name": "ada", "tags": ["x", "y"]},
    "rows": [
        {"id": 2, "name": "bob", "group": "g1", "on": True},
        {"id": 1, "name": "Ada", "group": "g2", "on": False},
        {"id": 3, "name": "cyd", "group": "g1", "on": True},
    ],
    "empty": [],
}


class Macro:
    def __init__(self, text, package):
        import re

        self.name = re.search(r"macro\s+(\w+)", text).group(1)
        self.macro_sql = text
        self.unique_id = f"macro.{package}.{self.name}"
        self.package_name = package


def context(macros):
    import copy

    result = BaseContext({}).to_dict()
    result.update(copy.deepcopy(VALUES))
    for text in macros:
        macro = Macro(text, "shop")
        result[macro.name] = MacroGenerator(macro, result)
    return result


def root_cause(error):
    while True:
        inner = getattr(error, "exc", None) or error.__cause__
        if inner is None:
            return error
        error = inner


def outcome(template, macros, flags):
    try:
        text = get_rendered(
            template,
            context(macros),
            capture_macros="parsing" in flags,
            native="native" in flags,
        )
        if "native" in flags:
            text = f"{type(text).__name__} {text!r}"
        return "= " + str(text).replace("\n", NEWLINE)
    except RecursionError:
        return "! RecursionError"
    except Exception as error:
        return "! " + type(root_cause(error)).__name__


def record(path):
    out, macros, flags = [], [], set()
    for line in open(path, encoding="utf-8").read().split("\n"):
        if line.startswith(("= ", "! ")) or line == "=":
            continue
        out.append(line)
        if line.startswith("@ "):
            flags.update(line[2:].split())
        elif line.startswith("m "):
            macros.append(line[2:].replace(NEWLINE, "\n"))
        elif line.startswith("> "):
            out.append(outcome(line[2:].replace(NEWLINE, "\n"), macros, flags))
        elif not line:
            macros, flags = [], set()
    open(path, "w", encoding="utf-8").write("\n".join(out))


for path in sys.argv[1:] or sorted(glob.glob(os.path.join(HERE, "*.txt"))):
    record(path)

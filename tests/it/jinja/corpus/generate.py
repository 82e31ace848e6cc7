"""Write random snippets in the corpus' format: python generate.py SEED COUNT > FILE.

Then `python record.py FILE` has Jinja2 answer, and `MSV_CORPUS=FILE cargo test --test it corpus`
compares. Values are drawn by type, so that most snippets mean something; one in ten is drawn from
another type on purpose, because mistakes have to agree too.
"""

import random
import sys

rng = random.Random(int(sys.argv[1]))
pick = rng.choice


def maybe(share):
    return rng.random() < share


def integer(d):
    if d <= 0:
        return pick(["0", "1", "2", "-3", "7", "n", "10", "true"])
    return pick([
        lambda: f"({number(d-1)} {pick(['//', '%'])} {pick(['2', '3', '-4', 'n'])})",
        lambda: f"({integer(d-1)} {pick(['+', '-', '*'])} {integer(d-1)})",
        lambda: f"{anylist(d-1)} | length",
        lambda: f"{string(d-1)} | length",
        lambda: f"({number(d-1)} | int)",
        lambda: f"({string(d-1)} | int({integer(0)}))",
        lambda: f"{string(d-1)}.find({string(0)})",
        lambda: f"{string(d-1)}.count({string(0)})",
        lambda: f"{anylist(d-1)}.count({scalar(0)})",
        lambda: f"({intlist(d-1)} | sum)",
        lambda: f"({intlist(d-1)} | max)",
        lambda: f"({intlist(d-1)} | first)",
        lambda: f"{intlist(d-1)}[{pick(['0', '-1', '1'])}]",
        lambda: f"({integer(d-1)} if {boolean(d-1)} else {integer(d-1)})",
        lambda: f"({integer(d-1)} | abs)",
        lambda: f"({number(d-1)} | round | int)",
        lambda: "row.id", lambda: "rows[0]['id']",
        lambda: f"(rows | map(attribute='id') | {pick(['sum', 'max', 'min', 'first', 'last'])})",
    ])()


def number(d):
    if d <= 0:
        return pick(["ratio", "0.5", "1e3", "3.0", "-2.25", integer(0)])
    return pick([
        lambda: integer(d),
        lambda: f"({number(d-1)} / {pick(['2', '4', '0.1', 'n', '3'])})",
        lambda: f"({number(d-1)} {pick(['+', '-', '*'])} {number(d-1)})",
        lambda: f"({number(d-1)} ** {pick(['2', '0', '-1'])})",
        lambda: f"({number(d-1)} | round({pick(['0', '1', '2'])}{pick(['', ', ' + repr('ceil'), ', ' + repr('floor')])}))",
        lambda: f"({string(d-1)} | float)",
        lambda: f"({number(d-1)} | float)",
    ])()


WORDS = ["'a'", "'Select'", "''", "'a,b,,c'", "'  pad '", "text", "'order_id'", "'ß'", "'x\\ty'",
         "'it\\'s'", "'%s'", "'{}'", "'1.5'", "'42'", "'É'", "'a b'", "names[0]", "row.name"]


def string(d):
    if d <= 0:
        return pick(WORDS)
    return pick([
        lambda: f"({string(d-1)} ~ {scalar(d-1)})",
        lambda: f"({string(d-1)} + {string(d-1)})",
        lambda: f"({string(d-1)} * {pick(['2', '0', '3'])})",
        lambda: f"{string(d-1)}.{pick(['upper', 'lower', 'strip', 'title', 'capitalize', 'swapcase', 'lstrip', 'rstrip', 'casefold', 'isdigit', 'isalpha'])}()",
        lambda: f"{string(d-1)}.{pick(['strip', 'lstrip', 'rstrip', 'removeprefix', 'removesuffix'])}({string(0)})",
        lambda: f"{string(d-1)}.replace({string(0)}, {string(0)}{pick(['', ', 1'])})",
        lambda: f"{string(d-1)}.{pick(['ljust', 'rjust', 'center', 'zfill'])}({pick(['3', '12'])})",
        lambda: f"({string(d-1)} | {pick(['upper', 'lower', 'trim', 'title', 'capitalize', 'string', 'reverse', 'wordcount', 'striptags', 'escape', 'e', 'urlencode', 'forceescape'])})",
        lambda: f"({string(d-1)} | {pick(['replace', 'default', 'd'])}({string(0)}, {string(0)}))",
        lambda: f"({string(d-1)} | {pick(['center(14)', 'truncate(5)', 'truncate(8, true)', 'truncate(9, false, '+repr('..')+', 0)', 'indent(2)', 'indent(2, true)', 'wordwrap(4)'])})",
        lambda: f"({anylist(d-1)} | join({pick(['', string(0)])}))",
        lambda: f"{string(0)}.join({strlist(d-1)})",
        lambda: f"{string(d-1)}[{pick(['0', '-1', ':2', '1:', '::-1', '1:-1', '-3:'])}]",
        lambda: f"('%s|%5d|%-6s|%.2f|%r' | format({string(0)}, {integer(0)}, {string(0)}, {number(0)}, {scalar(0)}))",
        lambda: f"('%s-%s' % ({scalar(d-1)}, {scalar(d-1)}))",
        lambda: f"'{pick(['{}', '{:>8}', '{0}', '{:<4}|', '{!r}'])}'.format({string(d-1)})",
        lambda: f"'{pick(['{:.2f}', '{:,}', '{:05.1f}', '{:+}', '{}'])}'.format({number(d-1)})",
        lambda: f"({scalar(d-1)} | {pick(['string', 'tojson', 'pprint'])})",
        lambda: f"({anylist(d-1)} | {pick(['tojson', 'string', 'pprint'])})",
        lambda: f"tojson({anything(d-1)})",
        lambda: f"({strlist(d-1)} | {pick(['first', 'last', 'max', 'min'])})",
        lambda: f"({string(d-1)} if {boolean(d-1)} else {string(d-1)})",
        lambda: f"({string(d-1)} {pick(['or', 'and'])} {string(d-1)})",
        lambda: f"{mapping(d-1)}.get({string(0)}, {string(0)})",
        lambda: f"local_md5({string(d-1)})",
        lambda: f"toyaml({anything(d-1)})",
        lambda: f"modules.re.sub({pick([repr('[aeiou]'), repr('(.)(.)'), repr('^ *')])}, {pick([repr('<'), repr('x')])}, {string(d-1)})",
    ])()


def scalar(d):
    return pick([integer, number, string, boolean, lambda _d: "none"])(d)


def boolean(d):
    if d <= 0:
        return pick(["true", "false", "yes", "not yes", "nothing", "missing is defined"])
    return pick([
        lambda: f"({number(d-1)} {pick(['<', '<=', '>', '>=', '==', '!='])} {number(d-1)})",
        lambda: f"({string(d-1)} {pick(['<', '<=', '>', '==', '!=', 'in', 'not in'])} {string(d-1)})",
        lambda: f"({scalar(d-1)} {pick(['in', 'not in'])} {anylist(d-1)})",
        lambda: f"({scalar(d-1)} == {scalar(d-1)})",
        lambda: f"({boolean(d-1)} {pick(['and', 'or'])} {boolean(d-1)})",
        lambda: f"(not {boolean(d-1)})",
        lambda: f"({anything(d-1)} is {pick(['', 'not '])}{pick(['string', 'number', 'integer', 'float', 'boolean', 'none', 'defined', 'undefined', 'mapping', 'sequence', 'iterable', 'callable', 'true', 'false', 'lower', 'upper'])})",
        lambda: f"({integer(d-1)} is {pick(['odd', 'even', 'divisibleby(3)', 'gt(2)', 'le(3)', 'eq(1)', 'ne(1)', 'in([1, 2])', 'sameas(1)'])})",
        lambda: f"{string(d-1)}.{pick(['startswith', 'endswith'])}({string(0)})",
        lambda: f"{string(d-1)}.{pick(['isdigit', 'isalpha', 'isalnum', 'isspace', 'islower', 'isupper', 'isidentifier', 'isnumeric', 'istitle'])}()",
        lambda: f"({number(0)} < {number(d-1)} < {number(0)})",
        lambda: f"({anylist(d-1)} == {anylist(d-1)})",
        lambda: f"(modules.re.match({pick([repr('[a-z]+'), repr('^.*$'), repr('[0-9]')])}, {string(d-1)}) is none)",
    ])()


def intlist(d):
    if d <= 0:
        return pick(["numbers", "[1, 2, 3]", "[5]", "range(4) | list", "[2, 2, 1]"])
    return pick([
        lambda: f"[{integer(d-1)}, {integer(d-1)}, {integer(d-1)}]",
        lambda: f"({intlist(d-1)} | {pick(['sort', 'reverse | list', 'unique | list', 'list', 'sort(reverse=true)'])})",
        lambda: f"({intlist(d-1)} + {intlist(d-1)})",
        lambda: f"({intlist(d-1)} | {pick(['select', 'reject'])}({pick([repr('odd'), repr('gt')+', 2', repr('even'), repr('eq')+', 1'])}) | list)",
        lambda: f"(rows | map(attribute='id') | list)",
        lambda: f"({intlist(d-1)} | map({pick([repr('abs'), repr('float'), repr('string'), repr('int')])}) | list)",
        lambda: f"({intlist(d-1)})[{pick(['1:', ':2', '::-1', '::2', '-1:', ':0'])}]",
        lambda: f"(range({pick(['3', '1, 4', '5, 0, -2', '0'])}) | list)",
        lambda: f"({intlist(d-1)} * 2)",
    ])()


def strlist(d):
    if d <= 0:
        return pick(["names", "['b', 'A', 'c']", "text.split()", "'a,b,,c'.split(',')", "('x', 'y')"])
    return pick([
        lambda: f"[{string(d-1)}, {string(d-1)}]",
        lambda: f"({strlist(d-1)} | {pick(['sort', 'sort(case_sensitive=true)', 'unique | list', 'reverse | list', 'sort(reverse=true)', 'list'])})",
        lambda: f"({strlist(d-1)} | map({pick([repr('upper'), repr('length'), repr('trim'), repr('replace')+', '+repr('a')+', '+repr('Z'), repr('title')])}) | list)",
        lambda: f"{string(d-1)}.{pick(['split', 'rsplit'])}({pick(['', repr(','), repr('_'), repr(' ')+', 1', 'none, 1'])})",
        lambda: f"{string(d-1)}.{pick(['splitlines', 'partition', 'rpartition'])}({pick([repr('_'), repr(',')])})",
        lambda: f"(rows | map(attribute='{pick(['name', 'group', 'missing'])}') | list)",
        lambda: f"({string(d-1)} | list)",
        lambda: f"(rows | {pick(['selectattr', 'rejectattr'])}({pick([repr('on'), repr('id')+', '+repr('gt')+', 1', repr('group')+', '+repr('equalto')+', '+repr('g1')])}) | map(attribute='name') | list)",
        lambda: f"({mapping(d-1)}.{pick(['keys', 'values'])}() | list)",
        lambda: f"({mapping(d-1)} | list)",
        lambda: f"(rows | sort(attribute='{pick(['name', 'id', 'group', 'group,id', 'group,-id'])}'{pick(['', ', reverse=true'])}) | map(attribute='name') | list)",
    ])()


def anylist(d):
    if d > 0 and maybe(0.35):
        return pick([
            lambda: f"[{anything(d-1)}, {anything(d-1)}]",
            lambda: f"({anything(d-1)}, {anything(d-1)})",
            lambda: f"({anything(d-1)},)",
            lambda: f"({mapping(d-1)}.items() | list)",
            lambda: f"({mapping(d-1)} | dictsort{pick(['', '(true)', '(false, ' + repr('value') + ')', '(reverse=true)'])})",
            lambda: f"({mapping(d-1)} | items | list)",
            lambda: f"({anylist(d-1)} | batch(2{pick(['', ', ' + repr('-')])}) | list)",
            lambda: f"({anylist(d-1)} | slice(2) | list)",
            lambda: f"(zip({anylist(d-1)}, {intlist(d-1)}) | list)",
            lambda: f"set({intlist(d-1)}) | sort",
            lambda: f"(rows | groupby('{pick(['group', 'on'])}'))",
            lambda: f"(modules.itertools.{pick(['chain', 'product', 'zip_longest'])}({strlist(0)}, {intlist(0)}) | list)",
            lambda: f"fromjson({pick([repr('[1, 2.0, null, true]'), repr('[]')])})",
            lambda: f"fromyaml({pick([repr('[1, 2.0, null, yes, a]'), repr('- x')])})",
        ])()
    return pick([intlist, strlist])(d)


def mapping(d):
    if d <= 0:
        return pick(["row", "{}", "{'a': 1, 'b': 'x'}", "{'B': 2, 'a': 1, 'c': 0}", "rows[1]"])
    return pick([
        lambda: f"{{{string(d-1)}: {anything(d-1)}, 'k': {scalar(d-1)}}}",
        lambda: f"dict(a={anything(d-1)}, b={scalar(d-1)})",
        lambda: f"dict({mapping(d-1)}, z={scalar(0)})",
        lambda: f"fromjson('{{\"a\": [1, 2], \"b\": null}}')",
        lambda: f"fromyaml('a: 1\\nb: [x, 2020-01-02]')",
        lambda: f"{mapping(0)}.copy()",
    ])()


def anything(d):
    return pick([scalar, scalar, scalar, anylist, mapping])(d)


def odd(d):
    """An expression of any type where another is expected."""
    return f"({anything(d)} {pick(['+', '-', '*', '/', '~', '<', 'in', '==', '%'])} {anything(d)})"


def expression(d=2):
    if maybe(0.1):
        return odd(d)
    return pick([integer, number, string, string, boolean, anylist, anylist, mapping])(d)


def statement(d):
    a, b = pick(["x", "y", "item"]), pick(["ns", "out"])
    dash = lambda: pick(["", "", "-"])
    nl = lambda: pick(["", " ", "↵", "↵  "])
    body = lambda: block(d - 1)
    return pick([
        lambda: f"{{%{dash()} set {a} = {expression(1)} {dash()}%}}{nl()}{{{{ {a} }}}}",
        lambda: f"{{%{dash()} set {a} {dash()}%}}{nl()}{body()}{nl()}{{%{dash()} endset {dash()}%}}[{{{{ {a} }}}}]",
        lambda: f"{{%{dash()} for {a} in {anylist(1)} {dash()}%}}{nl()}{{{{ loop.{pick(['index', 'index0', 'first', 'last', 'length', 'revindex', 'previtem', 'nextitem', 'cycle(1, 2)', 'changed(item)', 'depth'])} }}}}:{{{{ {a} }}}}{nl()}{{%{dash()} else {dash()}%}}none{{%{dash()} endfor {dash()}%}}",
        lambda: f"{{%{dash()} for {a} in {anylist(1)} if {a} is {pick(['string', 'odd', 'defined', 'number'])} {dash()}%}}{{{{ {a} }}}}{{{{ ',' if not loop.last }}}}{{%{dash()} endfor {dash()}%}}",
        lambda: f"{{%{dash()} for k, v in {mapping(1)}.items() {dash()}%}}{nl()}{{{{ k }}}}={{{{ v }}}}{{%{dash()} endfor {dash()}%}}",
        lambda: f"{{%{dash()} if {expression(1)} {dash()}%}}{nl()}{body()}{{%{dash()} elif {boolean(1)} {dash()}%}}B{{%{dash()} else {dash()}%}}{nl()}C{{%{dash()} endif {dash()}%}}",
        lambda: f"{{% set {b} = namespace(total=0, parts=[]) %}}{{% for {a} in {intlist(1)} %}}{{% set {b}.total = {b}.total + {a} %}}{{% do {b}.parts.append({a}) %}}{{% endfor %}}{{{{ {b}.total }}}} {{{{ {b}.parts }}}}",
        lambda: f"{{% set {b} = [] %}}{{% do {b}.{pick(['append', 'extend', 'insert'])}({pick(['', '0, '])}{anylist(1)}) %}}{{{{ {b} }}}}",
        lambda: f"{{% set {b} = {mapping(1)} %}}{{% do {b}.update({mapping(1)}) %}}{{{{ {b} }}}}{{{{ {b}.pop({string(0)}, {scalar(0)}) }}}}",
        lambda: f"{{{{ {pick(['f', 'f2', 'f3'])}({scalar(1)}{pick(['', ', ' + scalar(0), ', b=' + scalar(0), ', 1, 2, 3', ', z=1'])}) }}}}",
        lambda: f"{{% call(x) g({scalar(1)}) %}}{{{{ x }}}}!{{% endcall %}}",
        lambda: f"{{% filter {pick(['upper', 'trim', 'replace(' + repr('a') + ', ' + repr('b') + ')', 'indent(2)'])} %}}{body()}{{% endfilter %}}",
        lambda: f"{{# {pick(['a comment', '-#', 'x %} y'])} #}}{nl()}{{%- raw %}}{{{{ x }}}}{{% endraw -%}}",
        lambda: f"{{% with {a} = {expression(1)} %}}{{{{ {a} }}}}{{% endwith %}}",
        lambda: f"{{% set {a}, {b} = {scalar(1)}, {scalar(1)} %}}{{{{ {a} }}}}/{{{{ {b} }}}}",
    ])()


def block(d):
    parts = []
    for _ in range(rng.randint(1, 2)):
        parts.append(pick(["A", " b ", "↵", "  ", ""]))
        if d > 0 and maybe(0.5):
            parts.append(statement(d))
        else:
            parts.append(f"{{{{{pick(['', '-'])} {expression(rng.randint(0, 2))} {pick(['', '-'])}}}}}")
    return "".join(parts)


for at in range(int(sys.argv[2])):
    kind = rng.random()
    if kind < 0.05:
        print("@ native")
    print("m {% macro f(a, b=2, c=a) %}↵{{ a }}-{{ b }}-{{ c }}{{ varargs }}{{ kwargs }}{% endmacro %}")
    print("m {% macro f2(a) -%} {% for x in varargs %}{{ x }},{% endfor %}{% if a %}{{ return(a) }}{% endif %}tail{%- endmacro %}")
    print("m {% macro f3(a, b=none) %}{%- set out = [a, b] -%}{% do return(out) %}{% endmacro %}")
    print("m {% macro g(a) %}<{{ caller(a) }}>{% endmacro %}")
    print("> " + (f"{{{{ {expression(rng.randint(1, 3))} }}}}" if kind < 0.6 else block(2)))
    print()

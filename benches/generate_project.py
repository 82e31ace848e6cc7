#!/usr/bin/env python3
"""Writes a dbt project of N models in ten layers, to time msv and dbt-core on.

    benches/generate_project.py 1000 /tmp/p1000

Each model has a config, a macro call, a var and one or two refs into the layer below, a column
with the tests unique and not_null, and a description. One model in three is a table. The profile
`bench` reads PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE.
"""

import pathlib
import sys

LAYERS = 10


def main(models, out):
    folder = pathlib.Path(out)
    (folder / "macros").mkdir(parents=True, exist_ok=True)
    (folder / "dbt_project.yml").write_text(
        "name: bench\nversion: '1.0'\nconfig-version: 2\nprofile: bench\n"
        "vars:\n  run_mode: nightly\nmodels:\n  bench:\n    +materialized: view\n"
    )
    (folder / "profiles.yml").write_text(
        "bench:\n  target: dev\n  outputs:\n    dev:\n      type: postgres\n      threads: 4\n"
        "      host: \"{{ env_var('PGHOST', '127.0.0.1') }}\"\n"
        "      port: \"{{ env_var('PGPORT', '5432') | as_number }}\"\n"
        "      user: \"{{ env_var('PGUSER', 'postgres') }}\"\n"
        "      password: \"{{ env_var('PGPASSWORD', 'none') }}\"\n"
        "      dbname: \"{{ env_var('PGDATABASE', 'postgres') }}\"\n"
        "      schema: bench\n"
    )
    (folder / "macros" / "cents_to_dollars.sql").write_text(
        "{% macro cents_to_dollars(column, scale=2) %}\n"
        "    round({{ column }} / 100.0, {{ scale }})\n"
        "{% endmacro %}\n"
    )
    per_layer = models // LAYERS
    for layer in range(LAYERS):
        place = folder / "models" / f"layer_{layer}"
        place.mkdir(parents=True, exist_ok=True)
        properties = ["version: 2", "models:"]
        for number in range(per_layer):
            name = f"m_{layer}_{number}"
            kind = "table" if number % 3 == 0 else "view"
            if layer == 0:
                source = f"(select {number} as id, 100 * {number} as cents) as origin"
            else:
                source = f"{{{{ ref('m_{layer - 1}_{number}') }}}} as one"
                if number % 5 == 0:
                    other = (number + 1) % per_layer
                    source += f"\nleft join {{{{ ref('m_{layer - 1}_{other}') }}}} as two using (id)"
            prefix = "" if layer == 0 else "one."
            (place / f"{name}.sql").write_text(
                f"{{{{ config(materialized='{kind}', tags=['layer_{layer}']) }}}}\n\n"
                "select\n"
                f"    {prefix}id,\n"
                f"    {prefix}cents,\n"
                f"    {{{{ cents_to_dollars('{prefix}cents') }}}} as dollars,\n"
                "    '{{ var(\"run_mode\") }}' as run_mode\n"
                f"from {source}\n"
            )
            properties += [
                f"  - name: {name}",
                f"    description: Model {number} of layer {layer}",
                "    columns:",
                "      - name: id",
                "        description: The key",
                "        data_tests:",
                "          - unique",
                "          - not_null",
            ]
        (place / "properties.yml").write_text("\n".join(properties) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3 or not sys.argv[1].isdigit():
        sys.exit(__doc__)
    main(int(sys.argv[1]), sys.argv[2])

"""The parameter tables of all experiments as Markdown: ``python tools/parameters.py > docs/parameters.md``."""

import sys
from dataclasses import fields

from firstspike.runtime import params as parameters
from firstspike.sims.experiments import EXPERIMENTS, load


def document():
    lines = [
        "# Parameters",
        "",
        "Made by `python tools/parameters.py` from the parameter classes; values are those of the first preset.",
        "Set one with `--set name=value`, or in the table `[parameters]` of a config file.",
    ]
    for name, (group, _, text) in EXPERIMENTS.items():
        module = load(name)
        first = next(iter(module.PRESETS.values()))
        lines += ["", f"## `firstspike {group} {name}`", "", text, ""]
        lines += ["| name | value | unit | what it is | allowed | source |", "|---|---|---|---|---|---|"]
        meta = {f.name: f.metadata for f in fields(first)}
        for key, value, what, source in parameters.describe(first):
            unit = "" if meta[key].get("unit", "1") == "1" else meta[key]["unit"]
            allowed = parameters.allowed(meta[key])
            cells = (f"`{key}`", value.replace("|", "\\|"), unit, what.replace("|", " or "), allowed, source)
            lines.append("| " + " | ".join(cells) + " |")
        lines += ["", "Presets: " + ", ".join(f"`{p}`" for p in module.PRESETS)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())

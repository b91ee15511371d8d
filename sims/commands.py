"""Experiments as commands: options, help and output are made from the parameter dataclass.

Only click and the standard library are imported until a command runs.
"""

import json
import shlex
import sys
import time
from dataclasses import fields
from pathlib import Path

import click

from ..runtime import params as parameters
from .config import read_config, to_toml
from .experiments import EXPERIMENTS, load, parameters_of, resolve, run

__all__ = ["experiment_command", "print_summary"]

_PICTURES = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".tif", ".tiff", ".eps", ".webp")


def experiment_command(name: str) -> click.Command:
    """The click command of an experiment."""
    module = load(name)
    default = _first(module)
    command = click.Command(
        name,
        callback=lambda **options: _run_command(name, options),
        help=f"{EXPERIMENTS[name][2]}\n\n{module.TITLE}.",
        epilog=_epilog(name, module, default),
        params=[*_own_options(default), *_common_options(module)],
        short_help=EXPERIMENTS[name][2],
    )
    return command


def _first(module):
    return next(iter(module.PRESETS.values()))


def _own_options(default):
    rows = {row[0]: row for row in parameters.describe(default)}
    for f in fields(default):
        if f.metadata.get("option"):
            flag = "--" + f.name.replace("_", "-")
            yield click.Option([flag, f"own__{f.name}"], help=f"{rows[f.name][2]} [{rows[f.name][1]}]", metavar="VALUE")


def _common_options(module):
    def option(*flags, **more):
        return click.Option(list(flags), **more)

    return [
        option("--preset", metavar="NAME", help=f"Parameter set: {', '.join(module.PRESETS)} (`list` describes them)."),
        option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="One parameter, units allowed (10ms)."),
        option("--seed", default="0", show_default=True, metavar="INT|random", help="First seed."),
        option(
            "--seeds",
            default=1,
            show_default=True,
            type=click.IntRange(1, 2**31 - 1),
            help="How many seeds, as one axis.",
        ),
        option("-j", "--jobs", default=0, type=click.IntRange(0), help="Threads; 0 = all cores. No effect on results."),
        option("--out", type=click.Path(path_type=Path), metavar="FILE.h5", help="Result file [named after the run]."),
        option("--force", is_flag=True, help="Overwrite the result file; forget an unfinished run of that name."),
        option("--resume", is_flag=True, help="Go on from the checkpoint beside --out, if there is one."),
        option(
            "--checkpoint-every",
            default=60.0,
            show_default=True,
            type=click.FloatRange(0),
            metavar="SECONDS",
            help="0 = only when interrupted.",
        ),
        option("--config", metavar="FILE", help="TOML or JSON as --dry-run prints it; `-` reads JSON from stdin."),
        option("--device", default="cpu", show_default=True, metavar="cpu|cuda[:K]", help="Where to run."),
        option("--figure", metavar="FILE.png", help="Figure file; `none` = no figure [beside the result file]."),
        option("--dry-run", is_flag=True, help="Print the resolved parameters and stop."),
        option("--json", "as_json", is_flag=True, help="Print one JSON document (no figure unless asked for)."),
        option("--progress", type=click.Choice(["auto", "bar", "log", "none"]), default="auto", help="On stderr."),
    ]


def _epilog(name, module, default):
    group = EXPERIMENTS[name][0]
    rows = parameters.describe(default)
    wide = max(len(r[0]) for r in rows)
    lines = ["\b", "Parameters (--set):"]
    for key, value, text, _ in rows:
        head = f"  {key:<{wide}}  {text}"
        lines.append(head + (f" [{value}]" if len(value) < 40 else " [...]"))
    lines += ["", "\b", "Examples:", f"  firstspike {group} {name} --seed 3 --out a.h5"]
    lines += [f"  firstspike {group} {name} --preset {list(module.PRESETS)[-1]} --seeds 4", "", "\b"]
    return "\n".join(lines + [module.REFERENCES])


def parse_settings(pairs) -> dict:
    """``("a=1", "b=2ms")`` as a dict; usage error for a pair without ``=``."""
    out = {}
    for pair in pairs:
        key, found, value = pair.partition("=")
        if not found or not key.strip():
            raise click.UsageError(f"--set takes KEY=VALUE, got {pair!r}")
        out[key.strip()] = value.strip()
    return out


def _run_command(name, options):
    from ..runtime.run import Interrupted

    module = load(name)
    if options["preset"] == "list":
        if options["as_json"]:
            click.echo(json.dumps({k: parameters.as_dict(v) for k, v in module.PRESETS.items()}))
            return
        for preset, params in module.PRESETS.items():
            rows = zip(parameters.describe(params), parameters.describe(_first(module)), strict=True)
            changed = ", ".join(f"{r[0]}={r[1]}" for r, d in rows if r[1] != d[1])
            click.echo(f"{preset}: {changed or 'the defaults'}")
        return
    plan = _plan(name, options)
    if options["dry_run"]:
        _dry_run(name, plan, options["as_json"])
        return
    if options["resume"] and not options["out"]:
        raise click.UsageError("--resume needs --out, the result file of the run to go on with")
    out = options["out"] or Path(_default_name(name, plan))
    figure = _figure_path(options, out)
    quiet = options["as_json"] and options["progress"] == "auto"
    try:
        result = run(
            name, plan["preset"], seed=plan["seed"], seeds=plan["seeds"], threads=options["jobs"],
            device=options["device"], progress="none" if quiet else options["progress"], out=out,
            force=options["force"], resume=options["resume"], checkpoint_every=options["checkpoint_every"],
            **plan["parameters"],
        )  # fmt: skip
    except Interrupted as stop:
        _say_how_to_go_on(stop, out, plan["seed"])
        raise
    params = parameters_of(result)
    if figure:
        _save_figure(module.figure(result), figure)
    if options["as_json"]:
        extra = {"expected": module.expected(params), "out": str(out), "content_sha256": result.content_sha256}
        click.echo(json.dumps(_plain(module.summary(result)) | _plain(extra)))
        return
    print_summary(module.summary(result), module.expected(params))
    click.echo(f"\nresult   {out}" + (f"\nfigure   {figure}" if figure else ""))
    click.echo(f"look     firstspike results show {out}")


def _plan(name, options):
    """Preset, seeds and parameters: command line over config file over preset."""
    config = read_config(options["config"], name) if options["config"] else {}
    own = {k.removeprefix("own__"): v for k, v in options.items() if k.startswith("own__") and v is not None}
    settings = config.get("parameters", {}) | own | parse_settings(options["settings"])
    try:
        preset, params = resolve(name, options["preset"] or config.get("preset"), settings)
    except ValueError as error:
        raise ValueError(f"{options['config']}: {error}" if config else str(error)) from None
    given = click.get_current_context().get_parameter_source
    source = click.core.ParameterSource.DEFAULT
    seed = config["seed"] if "seed" in config and given("seed") == source else _seed(options["seed"])
    seeds = config["seeds"] if "seeds" in config and given("seeds") == source else options["seeds"]
    return {"preset": preset, "seed": seed, "seeds": seeds, "parameters": parameters.as_dict(params)}


def _seed(text):
    if text == "random":
        import secrets

        seed = secrets.randbits(31)
        click.echo(f"seed {seed}", err=True)
        return seed
    try:
        return int(text)
    except ValueError:
        raise click.UsageError(f"--seed takes a whole number or 'random', got {text!r}") from None


def _default_name(name, plan):
    import hashlib

    plan_hash = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:6]
    return f"{name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{plan_hash}.h5"


def _figure_path(options, out):
    """Where the figure goes, or None; what cannot be written is said before the run, not after it."""
    if out.is_dir():
        raise click.UsageError(f"--out {out} is a folder; a file name is expected")
    if out.suffix.lower() in _PICTURES:
        raise click.UsageError(f"--out {out} is the result file (.h5); a picture is asked for with --figure")
    figure = options["figure"]
    if figure is None:
        figure = None if options["as_json"] else out.with_suffix(".png")
    path = None if figure in (None, "none") else Path(figure)
    if path is not None and path.suffix.lower() not in _PICTURES:
        raise click.UsageError(f"--figure must end in one of {', '.join(_PICTURES)}; got {figure}")
    return path


def _say_how_to_go_on(stop, out, seed):
    if stop.checkpoint is None or not stop.checkpoint.exists():
        click.echo("\nended before there was anything to keep", err=True)
        return
    words = [w for w in sys.argv[1:] if w not in ("--resume", "--force")]
    words = [str(seed) if w == "random" else f"--seed={seed}" if w == "--seed=random" else w for w in words]
    words += [] if any(w.split("=")[0] == "--out" for w in words) else ["--out", str(out)]
    click.echo(f"\nended at {100 * stop.done:.0f} %, kept in {stop.checkpoint}; go on with", err=True)
    click.echo(f"  firstspike {shlex.join([*words, '--resume'])}", err=True)


def _save_figure(figure, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _dry_run(name, plan, as_json):
    """Print the plan as a config file; an estimate of the memory goes in a comment."""
    module = load(name)
    memory = getattr(module, "memory", None)
    plan = {"command": f"{EXPERIMENTS[name][0]} {name}"} | plan
    need = (
        int(memory(parameters.from_dict(type(_first(module)), plan["parameters"]), plan["seeds"])) if memory else None
    )
    if as_json:
        click.echo(json.dumps(plan | ({} if need is None else {"memory_bytes": need})))
        return
    units = {f.name: f.metadata.get("unit", "1") for f in fields(_first(module))}
    if need is not None:
        click.echo(f"# needs about {need / 1e6:.1f} MB of memory besides 300 MB of libraries")
    click.echo(to_toml(plan, units))


def _plain(value):
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if hasattr(value, "tolist"):
        value = value.tolist()
        return _plain(value) if isinstance(value, list) else _plain(float(value) if value != value else value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def print_summary(measured: dict, expected: dict, file=None) -> None:
    """Measured numbers with the expected ones (theory or published) beside them; a column pair for each neuron.

    Layers that ``measured["health"]`` speaks about stand in a table of their own.
    """
    said = measured.get("health", {})
    layers = {k: measured[k] for k in said if isinstance(measured.get(k), dict)}
    if layers:
        measured = {k: v for k, v in measured.items() if k not in layers and k != "health"}
    parts = list(dict.fromkeys(k for v in measured.values() if isinstance(v, dict) for k in v)) or [""]
    if len(parts) > 1 and not all(isinstance(v, dict) and list(v) == parts for v in measured.values()):
        parts = [""]  # mixed: one row a number
        flat = {f"{k}.{i}": v for k, d in measured.items() if isinstance(d, dict) for i, v in d.items()}
        measured = {k: v for k, v in measured.items() if not isinstance(v, dict)} | flat
    names = list(dict.fromkeys([*measured, *(k if len(parts) == 1 else k.split(".")[0] for k in expected)]))
    rows = [["", *(f"{part} {what}".strip() for part in parts for what in ("measured", "expected"))]]
    for name in names:
        row = [name]
        for part in parts:
            value = measured.get(name)
            value = value.get(part) if isinstance(value, dict) else value
            row += [_number(value), _number(expected.get(f"{name}.{part}" if part else name))]
        rows.append(row)
    short = [[cell if i == 0 or len(cell) <= 24 else "" for i, cell in enumerate(row)] for row in rows]  # not sentences
    widths = [max(len(row[i]) for row in short) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        click.echo("  ".join(cells).rstrip(), file=file or sys.stdout)
    if layers:
        from .measures.health import lines

        click.echo("\n" + "\n".join(lines(layers, said)), file=file or sys.stdout)


def _number(value):
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return ", ".join(_number(v) for v in value)
    value = float(value)
    return f"{int(value)}" if value == int(value) and abs(value) < 1e15 else f"{value:.4g}" if value == value else "-"

"""Work on result files: show, plot, diff, rerun."""

import json
from pathlib import Path

import click

__all__ = ["COMMANDS"]

_FILE = click.Path(path_type=Path, dir_okay=False)


class Different(click.ClickException):
    """Two results that should be the same are not."""

    exit_code = 5


def _finished(file):
    """The result in a file; ResultError for a checkpoint."""
    from ..runtime.results import ResultError, open_result

    result = open_result(file)
    if result.kind == "checkpoint":
        done = 100 * float(result["done"])
        raise ResultError(f"{file} is an unfinished run, {done:.0f} % done; its command with --resume goes on")
    return result


@click.command(help="What FILE holds: parameters, provenance, arrays, and the measured numbers beside the expected.")
@click.argument("file", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(file, as_json):  # noqa: D103
    from .commands import _plain, print_summary
    from .experiments import EXPERIMENTS, load, parameters_of

    result = _finished(file)
    name = result.parameters.get("experiment")
    measured = expected = None
    if name in EXPERIMENTS and result.kind != "sweep":
        module = load(name)
        measured, expected = module.summary(result), module.expected(parameters_of(result))
    arrays = {
        k: {"dims": list(a.dims), "shape": list(a.data.shape), "units": a.units, "long_name": a.long_name}
        for k, a in sorted(result.arrays.items())
    }
    if as_json:
        document = {
            "kind": result.kind,
            "title": result.title,
            "status": result.status,
            "parameters": result.parameters,
        }
        document |= {"provenance": result.provenance, "content_sha256": result.content_sha256, "arrays": arrays}
        click.echo(json.dumps(_plain(document | {"summary": measured, "expected": expected})))
        return
    click.echo(f"{result.title} ({result.kind}, {result.status})\n{result.references}\n")
    for key in ("command", "created_utc", "wall_time_s", "firstspike_version"):
        click.echo(f"{key:20} {result.provenance.get(key, '')}")
    click.echo(f"{'content_sha256':20} {result.content_sha256}\n\nParameters")
    for key, value in sorted(result.parameters.items()):
        click.echo(f"  {key:20} {value}")
    click.echo("\nArrays")
    for key, a in arrays.items():
        shape = ", ".join(f"{d}: {n}" for d, n in zip(a["dims"], a["shape"], strict=True))
        click.echo(f"  {key:22} ({shape})  {a['units']:4} {a['long_name']}")
    if measured:
        click.echo()
        print_summary(measured, expected)


def _selected(chosen):
    out = {}
    for pair in chosen:
        axis, found, value = pair.partition("=")
        if not found:
            raise click.UsageError(f"--select needs AXIS=VALUE, got {pair!r}")
        out[axis.strip()] = value.strip()
    return out


@click.command(help="Draw a figure of FILE.")
@click.argument("file", type=_FILE)
@click.option("--figure", "name", metavar="NAME", help="Which figure (`list` names them) [what suits the run].")
@click.option(
    "--select", "chosen", multiple=True, metavar="AXIS=VALUE", help="Sweeps: show this value of an axis alone."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.png", help="Where to [beside the result file].")
def plot(file, name, chosen, out):  # noqa: D103
    from .commands import _save_figure
    from .experiments import load

    result = _finished(file)
    if result.kind == "sweep":
        from types import SimpleNamespace

        from .figures import sweep as drawn

        select = _selected(chosen)
        module = SimpleNamespace(FIGURES=drawn.quantities(result))
        module.figure = lambda result, name: drawn.figure(result, name, select)
    elif chosen:
        raise click.UsageError("--select is for sweeps that were collected")
    else:
        module = load(result.parameters["experiment"])
    if name == "list":
        click.echo("\n".join(module.FIGURES))
        return
    if name is not None and name not in module.FIGURES:
        raise ValueError(f"no figure {name!r}; there are {', '.join(module.FIGURES)}")
    out = out or file.with_name(f"{file.stem}{'-' + name if name else ''}.png")
    _save_figure(module.figure(result, name), out)
    click.echo(out)


@click.command(help="Where two result files differ; exit code 5 if they do.")
@click.argument("first", type=_FILE)
@click.argument("second", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def diff(first, second, as_json):  # noqa: D103
    from ..runtime.results import differences, open_result

    a, b = open_result(first), open_result(second)
    lines = differences(a, b)
    if as_json:
        click.echo(json.dumps({"equal": not lines, "differences": lines}))
    elif lines:
        click.echo("\n".join(lines))
    if lines:
        raise Different(f"{first} and {second} differ in {len(lines)} places")
    if not as_json:
        click.echo(f"same content ({a.content_sha256[:16]})")


@click.command(help="Run FILE again from its stored parameters and seeds; exit code 5 if the content hash differs.")
@click.argument("file", type=_FILE)
@click.option("-j", "--jobs", default=0, type=click.IntRange(0), help="Threads; 0 = all cores.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def rerun(file, jobs, as_json):  # noqa: D103
    from ..runtime.results import differences
    from .experiments import rerun as again

    old = _finished(file)
    new = again(old, threads=jobs, progress="none" if as_json else "auto")
    same = old.content_sha256 == new.content_sha256
    if as_json:
        pair = {"equal": same, "before": old.content_sha256, "now": new.content_sha256}
        click.echo(json.dumps(pair | {"differences": differences(old, new)}))
    if not same:
        if not as_json:
            click.echo("\n".join(differences(old, new)))
        raise Different(f"{file} is not reproduced by this version on this machine")
    if not as_json:
        click.echo(f"reproduced ({new.content_sha256[:16]})")


COMMANDS = {"show": show, "plot": plot, "diff": diff, "rerun": rerun}

"""The commands ``firstspike sweep plan|run|status|collect``."""

import json
from pathlib import Path

import click

__all__ = ["COMMANDS"]

_SWEEP = click.argument("sweep", metavar="SWEEP.toml", type=click.Path(path_type=Path, dir_okay=False))
_FOLDER = click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Of the result files [named after SWEEP].",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


class Failed(click.ClickException):
    """Some runs of a sweep have failed."""

    exit_code = 1


def _count(jobs):
    from .sweep import state_of

    states = {}
    for job in jobs:
        states.setdefault(state_of(job), []).append(job)
    return states


def _say(states):
    names = ("done", "missing", "unfinished", "failed", "stale", "damaged")
    return ", ".join(f"{len(states[k])} {k}" for k in names if k in states) or "no runs"


def _advise(states, sweep):
    """What to do about runs that are not done, a line each."""
    if states.get("stale"):
        yield "stale runs are of other sources and were kept; `firstspike sweep run --force` computes them again"
    if any(states.get(k) for k in ("missing", "unfinished", "failed", "damaged")):
        yield f"go on    firstspike sweep run {sweep}"


_NO_RUNS = "theory needs no runs: `firstspike sweep collect` computes all points at once"


@click.command(help="What SWEEP.toml asks for: its runs, which are there already, and the memory of one.")
@_SWEEP
@_FOLDER
@_JSON
@click.option("--list", "listed", is_flag=True, help="One line a run.")
def plan(sweep, folder, as_json, listed):  # noqa: D103
    from .experiments import load
    from .sweep import read_sweep, state_of

    found = read_sweep(sweep, folder)
    states = _count(found.jobs) if found.group != "theory" else {}
    sizes = {axis: len(values) for axis, values in found.axes.items()}
    need = 0
    if found.group != "theory" and hasattr(load(found.name), "memory"):
        from .experiments import resolve

        need = max(
            int(load(found.name).memory(resolve(j.name, j.preset, j.settings)[1], j.seeds)) for j in found.jobs[:1000]
        )
    if as_json:
        head = {"command": f"{found.group} {found.name}", "axes": sizes, "runs": len(found.jobs)}
        head |= {k: len(v) for k, v in states.items()} | {"memory_bytes": need, "folder": str(found.folder)}
        click.echo(json.dumps(head))
        return
    axes = " x ".join(f"{k} ({n})" for k, n in sizes.items())
    click.echo(f"{found.group} {found.name}: {len(found.jobs)} runs" + (f", {axes}" if axes else ""))
    if found.group == "theory":
        click.echo(_NO_RUNS)
        return
    click.echo(f"{found.folder}: {_say(states)}")
    if need:
        click.echo(f"one run needs about {need / 1e6:.0f} MB besides 300 MB of libraries")
    for job in found.jobs if listed else ():
        click.echo(f"{state_of(job):10}  {job.out.name}  {job.label}")
    click.echo("\n".join(_advise(states, sweep)))


@click.command(help="Compute what is missing. Failed runs are tried again; those of other sources (stale) are kept.")
@_SWEEP
@_FOLDER
@click.option("-j", "--jobs", "n_processes", default=0, type=click.IntRange(0), help="Processes; 0 = all cores.")
@click.option("--dask", "address", metavar="ADDRESS", help="Dask scheduler to use, such as tcp://host:8786.")
@click.option("--index", type=click.IntRange(0), help="Only share number INDEX (0, 1, ...) of --of: job arrays.")
@click.option("--of", "n_shares", type=click.IntRange(1), help="Number of shares.")
@click.option("--force", is_flag=True, help="Compute stale runs again.")
@click.option("--progress", type=click.Choice(["auto", "bar", "log", "none"]), default="auto", help="On stderr.")
@_JSON
def run(sweep, folder, n_processes, address, index, n_shares, force, progress, as_json):  # noqa: D103
    from ..runtime.progress import reporter
    from ..runtime.provenance import usable_cores
    from . import sweep_engines as engines
    from .sweep import read_sweep

    found = read_sweep(sweep, folder)
    if found.group == "theory":
        raise click.UsageError(_NO_RUNS)
    if (index is None) != (n_shares is None) or (index is not None and index >= n_shares):
        raise click.UsageError("--index I goes with --of N, and 0 <= I < N")
    jobs = found.jobs[index::n_shares] if index is not None else found.jobs
    states = _count(jobs)
    todo = [j for k in ("unfinished", "missing", "damaged", "failed") for j in states.get(k, [])]
    todo += states.get("stale", []) if force else []
    todo = list({j.out: j for j in todo}.values())  # draws of whole numbers can meet: one run then
    n_processes = min(n_processes or usable_cores(), len(todo)) if todo else 1
    mode = "none" if as_json and progress == "auto" else progress
    show = reporter(mode, f"sweep {found.title}") if todo else (lambda done, note="": None)
    ended, failed, elsewhere = 0, [], 0

    def report(partial, note=""):
        note = note or f"{ended} of {len(todo)} runs" + (f", {len(failed)} failed" if failed else "")
        show(min(1.0, (ended + partial) / len(todo)), note)

    if address:
        engine = engines.in_dask(todo, address, report)
    elif n_processes > 1:
        engine = engines.in_processes(todo, n_processes, force, report)
    else:
        engine = engines.in_this_process(todo, force, report)
    try:
        for job, error in engine:
            ended += 1
            if error == engines.ELSEWHERE:
                elsewhere += 1
            elif error:
                failed.append((job, error))
            report(0.0)
    except KeyboardInterrupt:
        click.echo(f"\nstopped after {ended} of {len(todo)} runs; go on with firstspike sweep run {sweep}", err=True)
        raise
    states = _count(jobs)
    if as_json:
        head = {"computed": ended - len(failed) - elsewhere, "failed_now": len(failed), "elsewhere": elsewhere}
        click.echo(json.dumps(head | {k: len(v) for k, v in states.items()} | {"folder": str(found.folder)}))
    else:
        click.echo(f"{found.folder}: {_say(states)}" + (f"; {elsewhere} are run by others" if elsewhere else ""))
        for line in _advise({"stale": states.get("stale")}, sweep):
            click.echo(line)
        if not failed:
            click.echo(f"collect  firstspike sweep collect {sweep}")
    if failed:
        lines = [f"  {job.label}: {error}" for job, error in failed[:5]] + (["  ..."] if len(failed) > 5 else [])
        where = f"tracebacks are in {found.folder}/*.failed.json; the same command tries them again"
        raise Failed("\n".join([f"{len(failed)} runs failed", *lines, where]))


@click.command(help="How far SWEEP.toml is; failed runs with their errors. Exit code 1 if any failed.")
@_SWEEP
@_FOLDER
@_JSON
def status(sweep, folder, as_json):  # noqa: D103
    from .sweep import failure_of, read_sweep

    found = read_sweep(sweep, folder)
    if found.group == "theory":
        raise click.UsageError(_NO_RUNS)
    states = _count(found.jobs)
    failed = [{"point": j.label, "file": j.failure.name, "error": failure_of(j)} for j in states.get("failed", [])]
    if as_json:
        click.echo(json.dumps({k: len(v) for k, v in states.items()} | {"runs": len(found.jobs), "failures": failed}))
    else:
        click.echo(f"{found.folder}: {len(found.jobs)} runs: {_say(states)}")
        for row in failed:
            click.echo(f"  failed  {row['point']}: {row['error']}  ({row['file']})")
        for line in _advise(states, sweep):
            click.echo(line)
    if failed:
        raise Failed(f"{len(failed)} runs failed; `firstspike sweep run` tries them again")


@click.command(help="Put the results of SWEEP.toml into one file with named axes; what is missing is NaN.")
@_SWEEP
@_FOLDER
@click.option("--file", "target", type=click.Path(path_type=Path), metavar="FILE.h5", help="The file [FOLDER.h5].")
@click.option(
    "--arrays", metavar="NAME,NAME", help="Arrays to take besides the numbers of the summary [all small ones]."
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
@_JSON
def collect(sweep, folder, target, arrays, force, as_json):  # noqa: D103
    from .collect import collected
    from .sweep import read_sweep

    found = read_sweep(sweep, folder)
    target = target or found.folder.with_name(f"{found.folder.name}.h5")
    if target.exists() and not force:
        raise FileExistsError(f"{target} exists; --force overwrites it")
    result, left_out = collected(found, arrays.split(",") if arrays else None)
    if found.group != "theory" and not {"done", "stale"} & set(result["state"].reshape(-1)):
        raise ValueError(f"{found.folder} has no result of this sweep yet: firstspike sweep run {sweep}")
    result.save(target)
    if as_json:
        head = {"out": str(target), "content_sha256": result.content_sha256, "sizes": result.sizes()}
        click.echo(json.dumps(head | {"left_out": left_out}))
        return
    shape = ", ".join(f"{k}: {n}" for k, n in result.sizes().items() if k in (*found.axes, "seed"))
    states = result["state"].reshape(-1).tolist()
    told = ", ".join(f"{states.count(k)} {k}" for k in dict.fromkeys(states))
    click.echo(f"{len(result.arrays)} arrays over ({shape}); runs: {told}")
    if left_out:
        click.echo(f"left out, for their size or shape: {', '.join(left_out)}")
    click.echo(f"result   {target}\nlook     firstspike results plot {target}")


COMMANDS = {"plan": plan, "run": run, "status": status, "collect": collect}

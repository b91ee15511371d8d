"""Sweeps: one command over many parameter points, as files that a repeated command does not compute again.

A sweep is a TOML or JSON file:

    command = "train delays"        # any experiment of sim or train, or a theory command
    preset = "rst-a"
    seed = 0
    seeds = 3                       # an axis of each run
    [parameters]                    # the same for all
    epochs = 6
    [grid]                          # every combination; several values each
    rate = [1e-3, 2e-3, 4e-3]
    [list]                          # values that go together: one point each
    tau = ["10ms", "20ms"]
    dt = ["5ms", "10ms"]
    [random]                        # draws; `n` points
    n = 20
    position_rate = { low = 0.01, high = 1.0, log = true }

Points are the product of grid, list and draws. A parameter that an experiment takes as an axis (its field says so) goes
into one run as a tuple where that is possible; every other point is a run of its own, with a result file named after
its parameters. What such a file must be like is known before it is there, so a sweep can be stopped, repeated, spread
over machines and collected at any time.
"""

import hashlib
import json
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path

from ..runtime import params as parameters
from .config import ConfigError, read_table
from .experiments import EXPERIMENTS, load, resolve

__all__ = ["Job", "Sweep", "failure_of", "read_sweep", "record_failure", "run_job", "state_of"]

_KEYS = {"command": str, "preset": str, "seed": int, "seeds": int, "parameters": dict, "grid": dict, "list": dict}
_KEYS |= {"random": dict}
_MOST = 1_000_000  # points


@dataclass
class Job:
    """One run of a sweep."""

    name: str  # of the experiment
    preset: str
    seed: int
    seeds: int
    settings: dict  # all parameters, as plain values
    point: dict  # those of them that the sweep varies
    index: tuple  # place along each axis of the sweep
    out: Path

    @property
    def label(self) -> str:
        """What makes this point, as short text."""
        return ", ".join(f"{k}={parameters.text(v)}" for k, v in self.point.items()) or self.name

    @property
    def failure(self) -> Path:
        """Where the error of a run that failed is kept."""
        return self.out.with_suffix(".failed.json")


@dataclass
class Sweep:
    """A sweep that was read: its runs and the axes that they lie on."""

    group: str  # sim, train or theory
    name: str
    title: str  # of the file
    axes: dict[str, list]  # axis -> values; a list or draws make the axis "point" (values: dicts)
    jobs: list[Job]
    folder: Path
    joined: set[str]  # axes that lie within each run


def read_sweep(path, folder=None) -> Sweep:
    """The sweep of a file, checked: every point's parameters are those that its run would accept.

    Parameters
    ----------
    path : path
        TOML or JSON (see the head of this module).
    folder : path, optional
        Where result files go; default: a folder beside the file, named as it is.

    Raises
    ------
    ConfigError
        The file cannot be read, or a key, value or parameter in it is not allowed.
    """
    path = Path(path)
    table = read_table(str(path), _KEYS)
    words = table.get("command", "").split()
    if len(words) != 2 or words[0] not in ("sim", "train", "theory"):
        raise ConfigError(
            f'{path}: command must be like "sim coincidence" or "theory snr", got {table.get("command")!r}'
        )
    group, name = words
    if group == "theory":
        from ..theory.commands import COMPUTED

        known, default = COMPUTED, COMPUTED[name][0] if name in COMPUTED else None
        for key in ("preset", "seeds"):
            if key in table:
                raise ConfigError(f"{path}: {key} is for sim and train; theory computes without")
    else:
        known = [k for k, v in EXPERIMENTS.items() if v[0] == group]
        default = next(iter(load(name).PRESETS.values())) if name in known else None
    if name not in known:
        near = get_close_matches(name, known, 1, 0.6)
        near = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        raise ConfigError(f"{path}: no command {group} {name}; {near}")
    axes = _axes(path, table)
    count = 1
    for values in axes.values():
        count *= len(values)
    if not 1 <= count <= _MOST:
        raise ConfigError(f"{path}: 1 to {_MOST} points are possible, got {count}")
    if not folder and not path.suffix:
        raise ConfigError(f"{path}: its results cannot go to a folder of the same name; call it {path.name}.toml")
    folder = Path(folder) if folder else path.with_suffix("")
    joined = _joined(default, axes)
    if group != "theory" and joined and not _crossed(path, name, table, axes):
        joined = set()
    sweep = Sweep(group, name, path.stem, axes, [], folder, joined)
    for index in _places([1 if a in joined else len(v) for a, v in axes.items()]):
        settings = {}
        for i, (axis, values) in zip(index, axes.items(), strict=True):
            settings |= {axis: tuple(values)} if axis in joined else values[i] if axis == "point" else {axis: values[i]}
        sweep.jobs.append(_job(path, sweep, table, settings, index))
    return sweep


def _axes(path, table):
    axes = {}
    for key, values in table.get("grid", {}).items():
        if not isinstance(values, list) or not values:
            raise ConfigError(f"{path}: grid.{key} must be a list of values, got {values!r}")
        axes[key] = [tuple(v) if isinstance(v, list) else v for v in values]
    points, rows = [{}], table.get("list", {})
    if rows:
        if len({len(v) if isinstance(v, list) else -1 for v in rows.values()}) != 1 or not next(iter(rows.values())):
            raise ConfigError(f"{path}: the entries of list must be lists of one length, got {rows}")
        points = [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]
    draws = _draws(path, dict(table["random"]), table.get("seed", 0)) if table.get("random") else []
    if draws:
        points = [point | draw for point in points for draw in draws]
    if rows or draws:
        axes["point"] = points
    taken = [k for k in axes if k != "point"] + list(points[0]) + list(table.get("parameters", {}))
    for key in taken:
        if taken.count(key) > 1:
            raise ConfigError(f"{path}: {key} stands in more than one of parameters, grid, list and random")
    return axes


def _draws(path, draws, seed):
    """[{parameter: value}] of a table ``random``."""
    from ..runtime import rng

    n = draws.pop("n", None)
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= _MOST or not draws:
        raise ConfigError(f"{path}: random must have n (1 or more) and at least one parameter with low and high")
    out = [{} for _ in range(n)]
    for key, span in draws.items():
        if not isinstance(span, dict) or not {"low", "high"} <= set(span) <= {"low", "high", "log", "whole"}:
            raise ConfigError(f"{path}: random.{key} must be {{low, high}} and perhaps log or whole, got {span!r}")
        low, high = (
            parameters.quantity(v, _any_unit(v)) if isinstance(v, str) else v for v in (span["low"], span["high"])
        )
        if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (low, high)):
            raise ConfigError(f"{path}: random.{key} needs numbers low and high, got {span!r}")
        if not low < high or (span.get("log") and low <= 0):
            raise ConfigError(f"{path}: random.{key} needs low < high{' and low > 0' if span.get('log') else ''}")
        if span.get("whole"):
            if low != int(low) or high != int(high):
                raise ConfigError(f"{path}: random.{key} is whole, so low and high must be, got {low:g} and {high:g}")
            low, high = low - 0.5, high + 0.5  # so that both ends have the weight of the others
        for point, u in zip(out, rng.uniforms(seed, f"sweep/{key}", n).tolist(), strict=True):
            value = low * (high / low) ** u if span.get("log") else low + (high - low) * u
            point[key] = int(min(max(round(value), low + 0.5), high - 0.5)) if span.get("whole") else value
    return out


def _any_unit(text):
    for unit in ("s", "Hz", "V"):
        if text.strip().endswith(unit):
            return unit
    return "1"


def _joined(default, axes):
    """Axes of the sweep that are axes of a run, too."""
    kinds = {f.name: f.metadata for f in fields(default)}
    single = {a for a, values in axes.items() if a != "point" and not any(isinstance(v, tuple) for v in values)}
    return {a for a in single if kinds.get(a.replace("-", "_"), {}).get("axis")}


def _crossed(path, name, table, axes):
    """Whether a run takes every combination of its axes, and not pairs of their values."""
    try:
        params = resolve(name, table.get("preset"), table.get("parameters", {}))[1]
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    return getattr(params, "layout", "grid") == "grid" and "layout" not in axes


def _places(sizes):
    """All index tuples, the last axis fastest."""
    out = [()]
    for n in sizes:
        out = [(*place, i) for place in out for i in range(n)]
    return out


def _job(path, sweep, table, settings, index):
    try:
        if sweep.group == "theory":
            from ..theory.commands import COMPUTED

            preset, params = "", parameters.update(COMPUTED[sweep.name][0], table.get("parameters", {}) | settings)
        else:
            preset, params = resolve(sweep.name, table.get("preset"), table.get("parameters", {}) | settings)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    seed, seeds = table.get("seed", 0), table.get("seeds", 1)
    full = parameters.as_dict(params)
    point = {key.replace("-", "_"): full[key.replace("-", "_")] for key in settings}
    text = json.dumps([sweep.name, preset, seed, seeds, full], sort_keys=True)
    out = sweep.folder / f"{sweep.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.h5"
    return Job(sweep.name, preset, seed, seeds, full, point, index, out)


def state_of(job: Job) -> str:
    """``done``, ``stale`` (a result of other sources), ``failed``, ``unfinished`` (a checkpoint) or ``missing``.

    A file that cannot be read is ``damaged``, and computed again. ``unfinished`` may also be running right now; only
    who takes its lock knows.
    """
    from ..runtime.checkpoint import checkpoint_path
    from ..runtime.jit import source_digest

    if job.out.exists():
        digest = _digest(job.out)
        return "damaged" if digest is None else "done" if digest == source_digest() else "stale"
    if job.failure.exists():
        return "failed"
    return "unfinished" if checkpoint_path(job.out).exists() else "missing"


def _digest(path):
    """Digest of the sources that made a result file, without reading its arrays; None if it cannot be read."""
    import h5py

    try:
        with h5py.File(path, "r") as f:
            return str(f["provenance"].attrs.get("source_digest", ""))
    except (OSError, KeyError):
        return None


def run_job(job: Job, progress="none", force=False):
    """Run one job into its file, on one thread; None, or the text of its error, which is kept beside it.

    A job that is done is left alone; with `force` a result that is there is computed again. An unfinished one goes on,
    unless its checkpoint is of other sources or damaged: then it starts anew. Raises runtime.checkpoint.Locked if
    another process works on it, and what interrupts (Ctrl-C).
    """
    import traceback

    from ..runtime.checkpoint import Locked, checkpoint_path
    from ..runtime.results import ResultError
    from .experiments import run

    def once(force):
        run(
            job.name, job.preset, seed=job.seed, seeds=job.seeds, threads=1, progress=progress, out=job.out,
            resume=not force, force=force, **job.settings,
        )  # fmt: skip

    try:
        try:
            once(job.out.exists() and (force or state_of(job) == "damaged"))
        except ResultError:
            # the name says all parameters, so such a checkpoint is of other sources, or damaged
            if job.out.exists() or not checkpoint_path(job.out).exists():
                raise
            once(force=True)
    except Locked:
        raise
    except Exception as error:
        record_failure(job, error, traceback.format_exc())
        return f"{type(error).__name__}: {error}"
    job.failure.unlink(missing_ok=True)
    return None


def record_failure(job: Job, error, trace="") -> None:
    """Keep the error of a run that failed; a later run that succeeds removes it."""
    record = {"error": f"{type(error).__name__}: {error}", "traceback": trace, "point": job.point}
    record |= {"preset": job.preset, "seed": job.seed, "seeds": job.seeds, "parameters": job.settings}
    try:
        job.out.parent.mkdir(parents=True, exist_ok=True)
        job.failure.write_text(json.dumps(record, indent=1))
    except OSError as found:  # then no other run could be kept either
        raise OSError(
            f"{job.out.parent} cannot be written ({found.strerror or found}): make room or permit it, or choose "
            f"another folder with --out; runs that are done are kept. The run itself ended with: {error}"
        ) from None


def failure_of(job: Job) -> str:
    """The error of a run that failed; empty if there is none."""
    try:
        return str(json.loads(job.failure.read_text())["error"])
    except (OSError, ValueError, KeyError):
        return ""

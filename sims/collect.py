"""Many results as one: arrays with an axis for each parameter that a sweep varies."""

from math import prod

import numpy as np

from ..runtime.params import text
from ..runtime.results import Result, ResultError, open_result
from .experiments import load
from .sweep import Sweep, failure_of, state_of

__all__ = ["collected"]

_SMALL = 4096  # values of an array of one run that is taken unasked,
_SMALL_CELL = 32  # or so many for each seed and point of the run
_STATES = ("done", "stale")


def collected(sweep: Sweep, arrays=None):
    """(Result of kind ``sweep``, names that were left out).

    Its axes are those of the sweep, each with a coordinate, then those of the runs themselves (such as ``seed``): the
    points of a run (``POINTS`` of the experiment) are unfolded into its parameters. Taken are the numbers of each run's
    summary and its arrays: those named, or all small ones that have one shape in all runs. Where a run is missing or
    failed, numbers are NaN; ``state`` and ``error`` say why.
    """
    theory = sweep.group == "theory"
    runs, errors, states = [], [], []
    for job in sweep.jobs:
        run = _theory(sweep, job) if theory else _read(sweep, job, arrays)
        errors.append(run if isinstance(run, str) else "" if theory else failure_of(job))
        runs.append(None if isinstance(run, str) else run)
        states.append(("failed" if errors[-1] else "done") if theory else state_of(job))
        if runs[-1] is None and states[-1] in _STATES:
            states[-1] = "damaged"
    apart, out = {k: v for k, v in sweep.axes.items() if k not in sweep.joined}, Result("sweep")
    shape, dims = tuple(len(v) for v in apart.values()), tuple(_name(k) for k in apart)  # joined axes are the runs' own
    out.title = f"sweep of {sweep.group} {sweep.name}"
    first = sweep.jobs[0]
    out.parameters = {"experiment": sweep.name, "group": sweep.group}
    out.parameters["axes"] = {
        _name(k): [list(x) if isinstance(x, tuple) else x for x in v] for k, v in sweep.axes.items()
    }
    out.parameters |= {"preset": first.preset, "seed": first.seed, "seeds": first.seeds}
    out.parameters["parameters"] = {k: v for k, v in first.settings.items() if k not in first.point}
    _coordinates(out, sweep, apart)
    out.add("state", np.array(states, object).reshape(shape), dims, "1", "what became of the run")
    if "failed" in states:
        out.add("error", np.array(errors, object).reshape(shape), dims, "1", "why it failed")
    left_out = []
    for name in dict.fromkeys(k for run in runs if run for k in run):
        if not _add(out, name, [run.get(name) if run else None for run in runs], shape, dims):
            left_out.append(name)
    if arrays and (unknown := set(arrays) - {k for run in runs if run for k in run}) and any(runs):
        raise ValueError(f"no run has an array {', '.join(sorted(unknown))}")
    return out, left_out


def _name(key):
    return key.replace("-", "_")


def _units(sweep):
    """Unit of each parameter."""
    from dataclasses import fields

    from ..theory.commands import COMPUTED

    known = COMPUTED[sweep.name][0] if sweep.group == "theory" else next(iter(load(sweep.name).PRESETS.values()))
    return {f.name: f.metadata.get("unit", "1") for f in fields(known)}


def _coordinates(out, sweep, apart):
    units, axes = _units(sweep), list(sweep.axes)
    for axis, values in apart.items():
        if axis == "point":
            out.add("point", np.arange(len(values)), ("point",), "1", "number of the point")
            jobs = [j for j in sweep.jobs if not any(j.index[:-1])]
            for name in map(_name, values[0]):
                column = _column([j.point[name] for j in jobs], units[name])
                out.add(name, column, ("point",), units[name], "parameter of the point")
            continue
        place, name = axes.index(axis), _name(axis)
        column = {j.index[place]: j.point[name] for j in sweep.jobs}
        column = _column([column[i] for i in range(len(values))], units[name])
        out.add(name, column, (name,), units[name], "parameter of the sweep")


def _column(values, unit="1"):
    """Numbers, or text where they are not numbers."""
    values = [v[0] if isinstance(v, (list, tuple)) and len(v) == 1 else v for v in values]
    if all(isinstance(v, (int, float)) for v in values):
        return np.array(values, float if any(isinstance(v, float) for v in values) else np.int64)
    return np.array([text(v, unit) for v in values], object)


def _theory(sweep, job):
    """As :func:`_read`, computed; the text of the error of a point where there is no value."""
    from ..runtime.params import update
    from ..theory.commands import COMPUTED

    default, compute = COMPUTED[sweep.name]
    try:
        rows = compute(update(default, job.settings))
    except ValueError as error:
        return str(error)
    return {name: (np.asarray(float(v)), (), unit, text) for name, v, unit, text in rows}


def _read(sweep, job, arrays):
    """{name: (array or None: left out, dims, units, long_name)} of a run that is there, else None."""
    if not job.out.exists():
        return None
    try:
        result = open_result(job.out)
    except ResultError:
        return None
    found = _unfolded(sweep, job, result)
    cells = prod(n for d, n in result.sizes().items() if d == "seed" or d == _points(job)[0])
    for name, (data, own, *rest) in found.items():
        small = data.size <= max(_SMALL, _SMALL_CELL * cells) if arrays is None else not own or name in arrays
        if not small and own != (name,):
            found[name] = (None, own, *rest)
    if result.sizes().get(_points(job)[0], 1) > 1:  # a summary speaks of points one by one, or of their mean
        return found
    for name, value in _numbers(load(job.name).summary(result)):
        if name in result.provenance:  # times: of the machine, not of the point
            continue
        found.setdefault(name, (np.asarray(value, float), (), "1", "of the summary, mean over seeds"))
    return found


def _points(job):
    """(dimension of its results, the parameters that it runs over, slowest first, what is left of it)."""
    return getattr(load(job.name), "POINTS", ("", (), ""))


def _unfolded(sweep, job, result):
    """Arrays of a run, {name: (data, dims, units, long_name)}, the points of the run as axes of its parameters."""
    found = {k: (a.data, a.dims, a.units, a.long_name) for k, a in result.arrays.items()}
    dim, names, last = _points(job)
    sizes = [len(job.settings[name]) for name in names]
    n = result.sizes().get(dim, 0)
    if not names or n % prod(sizes):  # in pairs: values go together
        return found
    joined = {_name(axis) for axis in sweep.joined}
    kept = [name for name, size in zip(names, sizes, strict=True) if size > 1 or name in joined]
    shape, left = [len(job.settings[name]) for name in kept], n // prod(sizes)
    axes, units = list(kept), _units(sweep)
    if left > 1 or not kept:
        axes, shape = [*axes, last], [*shape, left]
    out = {k: (_column(job.settings[k]), (k,), units[k], "parameter of the points of a run") for k in kept}
    if last in axes:
        out[last] = (np.arange(left), (last,), "1", last)
    for name, (data, dims, *rest) in found.items():
        if dim in dims:
            at = dims.index(dim)
            data = data.reshape(*data.shape[:at], *shape, *data.shape[at + 1 :])
            dims = (*dims[:at], *axes, *dims[at + 1 :])
        if name in (dim, last) or (name in kept and _repeats(data, dims, name, out[name][0])):
            continue
        out[f"{name}.measured" if name in axes else name] = (data, dims, *rest)
    return out


def _repeats(data, dims, name, values):
    """Whether an array says no more than the coordinate `name`."""
    return name in dims and bool((np.moveaxis(data, dims.index(name), -1) == values).all())


def _numbers(summary, head=""):
    for key, value in summary.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{head}{key}.")
        elif isinstance(value, (int, float)):
            yield f"{head}{key}", value


def _add(out, name, found, shape, dims):
    """Put one quantity of all runs into the result; whether it could be."""
    there = [f for f in found if f is not None]
    data, own, units, text = there[0]
    if any(f[0] is None or f[0].shape != data.shape or f[1] != own for f in there):
        return False
    if own == (name,):  # a coordinate of the runs: once, if it is the same in all
        same = all(np.array_equal(f[0], data) for f in there)
        if same and name not in out:
            out.add(name, data, own, units, text)
        return same
    name = f"{name}.measured" if name in out.sizes() or name in out else name
    if data.dtype == object:
        blank = np.full(data.shape, "", object)
    else:
        full = len(there) == len(found)
        blank = np.zeros_like(data) if full else np.full(data.shape, np.nan)
    table = np.stack([blank if f is None else f[0] for f in found]).reshape(shape + data.shape)
    try:
        out.add(name, table, dims + own, units, text)
    except ValueError:  # a dimension that has another length elsewhere
        return False
    return True

"""Many results as one: arrays with an axis for each parameter that a sweep varies."""

import numpy as np

from ..runtime.results import Result, ResultError, open_result
from .experiments import load
from .sweep import Sweep, failure_of, state_of

__all__ = ["collected"]

_SMALL = 4096  # values of an array of one run that is taken unasked
_STATES = ("done", "stale")


def collected(sweep: Sweep, arrays=None):
    """(Result of kind ``sweep``, names that were left out).

    Its axes are those of the sweep, each with a coordinate, then those of the runs themselves (such as ``seed``). Taken
    are the numbers of each run's summary and its arrays: those named, or all small ones that have one shape in all
    runs. Where a run is missing or failed, numbers are NaN; ``state`` and ``error`` say why.
    """
    units = _units(sweep)
    theory = sweep.group == "theory"
    runs = [_theory(sweep, job) if theory else _read(job) for job in sweep.jobs]
    errors = [run if isinstance(run, str) else "" for run in runs] if theory else [failure_of(j) for j in sweep.jobs]
    runs = [None if isinstance(run, str) else run for run in runs]
    apart, out = {k: v for k, v in sweep.axes.items() if k not in sweep.joined}, Result("sweep")
    shape, dims = tuple(len(v) for v in apart.values()), tuple(apart)  # joined axes are the runs' own
    out.title = f"sweep of {sweep.group} {sweep.name}"
    first = sweep.jobs[0]
    out.parameters = {
        "experiment": sweep.name,
        "group": sweep.group,
        "axes": {k: _plain(v) for k, v in sweep.axes.items()},
    }
    out.parameters |= {"preset": first.preset, "seed": first.seed, "seeds": first.seeds}
    out.parameters["parameters"] = {k: v for k, v in first.settings.items() if k not in first.point}
    _coordinates(out, sweep, apart, units)
    states = ["failed" if error else "done" for error in errors] if theory else [state_of(j) for j in sweep.jobs]
    states = np.array(states, object)
    out.add("state", states.reshape(shape), dims, "1", "what became of the run")
    if any(s == "failed" for s in states):
        out.add("error", np.array(errors, object).reshape(shape), dims, "1", "why it failed")
    left_out = []
    for name in dict.fromkeys(k for run in runs if run for k in run):
        found = [run.get(name) if run else None for run in runs]
        if not _add(out, name, found, shape, dims, arrays):
            left_out.append(name)
    if arrays and (unknown := set(arrays) - {k for run in runs if run for k in run}):
        raise ValueError(f"no run has an array {', '.join(sorted(unknown))}")
    return out, left_out


def _plain(values):
    return [list(v) if isinstance(v, tuple) else v for v in values]


def _units(sweep):
    """Unit of each parameter."""
    from dataclasses import fields

    from ..theory.commands import COMPUTED

    known = COMPUTED[sweep.name][0] if sweep.group == "theory" else next(iter(load(sweep.name).PRESETS.values()))
    return {f.name: f.metadata.get("unit", "1") for f in fields(known)}


def _coordinates(out, sweep, apart, units):
    for axis, values in apart.items():
        if axis == "point":
            out.add("point", np.arange(len(values)), ("point",), "1", "number of the point")
            for key in values[0]:
                column = [j.point[key.replace("-", "_")] for j in sweep.jobs if not any(j.index[:-1])]
                out.add(
                    key.replace("-", "_"),
                    _column(column),
                    ("point",),
                    units[key.replace("-", "_")],
                    "parameter of the point",
                )
        else:
            place, name = list(sweep.axes).index(axis), axis.replace("-", "_")
            column = {j.index[place]: j.point[name] for j in sweep.jobs}
            out.add(
                axis, _column([column[i] for i in range(len(values))]), (axis,), units[name], "parameter of the sweep"
            )


def _column(values):
    """Numbers, or text where they are not numbers."""
    if all(isinstance(v, (int, float)) for v in values):
        return np.array(values, float if any(isinstance(v, float) for v in values) else np.int64)
    from ..runtime.params import text

    return np.array([text(v) for v in values], object)


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


def _read(job):
    """{name: (array, dims, units, long_name)} of a run that is there, else None."""
    if state_of(job) not in _STATES:
        return None
    try:
        result = open_result(job.out)
    except ResultError:
        return None
    found = {k: (a.data, a.dims, a.units, a.long_name) for k, a in result.arrays.items()}
    for name, value in _numbers(load(job.name).summary(result)):
        if name in result.provenance:  # times: of the machine, not of the point
            continue
        found.setdefault(name, (np.asarray(value, float), (), "1", "of the summary, mean over seeds"))
    return found


def _numbers(summary, head=""):
    for key, value in summary.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{head}{key}.")
        elif isinstance(value, (int, float)):
            yield f"{head}{key}", value


def _add(out, name, found, shape, dims, arrays):
    """Put one quantity of all runs into the result; whether it could be."""
    there = [f for f in found if f is not None]
    data, own, units, text = there[0]
    if any(f[0].shape != data.shape or f[1] != own for f in there):
        return False
    if arrays is None and data.size > _SMALL or (arrays is not None and own and name not in arrays and own != (name,)):
        return False
    if own == (name,):  # a coordinate of the runs: once, if it is the same in all
        if all(np.array_equal(f[0], data) for f in there):
            if name not in out:
                out.add(name, data, own, units, text)
            return True
        return False
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

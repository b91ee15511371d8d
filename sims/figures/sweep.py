"""Figures of a collected sweep: curves with error bars over seeds, maps, scatter plots of random draws."""

import numpy as np
from matplotlib.figure import Figure

from ...runtime.params import quantity, text

__all__ = ["figure", "quantities"]

_BLUE = "#0072b2"
_COLOURS = (_BLUE, "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "black", "0.6")
_MOST_LINES, _MOST_PANELS = 8, 36


def quantities(result):
    """Names of what can be drawn: numbers along an axis of the sweep, and at most one other besides ``seed``."""
    axes, sizes = set(_axes(result)), result.sizes()
    return [
        name
        for name, a in result.arrays.items()
        if a.data.dtype != object
        and a.dims != (name,)
        and axes & set(a.dims)
        and sum(sizes[d] > 1 for d in set(a.dims) - axes - {"seed"}) <= 1
        and not _is_parameter(a)
    ]


def figure(result, name=None, select=None):
    """Map (two axes), curve (one axis) or scatter plots (draws or lists) of one quantity, a matplotlib Figure.

    Error bars are over seeds. Further axes, of the sweep first, make the panels of a map or the lines of a curve.

    Parameters
    ----------
    result : Result
        A collected sweep.
    name : str, optional
        One of :func:`quantities`; default an accuracy, or what has seeds.
    select : dict, optional
        Axis -> the value (number, or text with a unit) of it that is shown alone.

    Raises
    ------
    ValueError
        Nothing of that name, no such axis or value, or more than 36 panels.
    """
    names = quantities(result)
    if not names:
        raise ValueError("nothing can be drawn: no run is there, or no number goes along an axis of the sweep")
    if name is None:
        name = _best(result, names)
    if name not in names:
        raise ValueError(f"name must be one of {', '.join(names)}; got {name!r}")
    array = result.arrays[name]
    data, dims, fixed = _selected(result, array, select or {})
    axes = [d for d in _axes(result) if d in dims] or [d for d in dims if d != "seed"][:1] or ["seed"]
    size = dict(zip(dims, data.shape, strict=True))
    more = [d for d in dims if d not in axes and d != "seed" and size[d] > 1]
    order = axes + more + [d for d in dims if d not in axes + more]  # then seed, and axes of length 1
    data = data.transpose([dims.index(d) for d in order]).astype(float)
    axes += more
    data = data.reshape(*data.shape[: len(axes)], -1)
    label = (name if array.units == "1" else f"{name} ({array.units})") + "".join(
        f", {k} = {v}" for k, v in fixed.items()
    )
    lines = len(axes) == 2 and more == axes[1:] and data.shape[1] <= _MOST_LINES
    if axes == ["point"]:
        return _scatter(result, data, label)
    if len(axes) > 1 and not lines:
        return _maps(result, axes, data, label)
    fig = Figure(figsize=(6, 4.2), layout="constrained")
    _curves(fig.subplots(), result, axes, data if lines else data[:, None], label)
    return fig


def _best(result, names):
    dims = {n: result.arrays[n].dims for n in names}
    alone = [n for n in names if set(dims[n]) <= {*_axes(result), "seed"} and set(_axes(result)) <= set(dims[n])]
    good = [n for n in names if n.startswith("accuracy")] + [n for n in alone if "seed" in dims[n]]
    return (good + alone + names)[0]


def _selected(result, array, select):
    """(values, dims, {axis: what was chosen}) of an array at the values that `select` names."""
    data, dims, fixed = array.data, list(array.dims), {}
    for axis, wanted in select.items():
        axis = axis.replace("-", "_")
        if axis not in dims:
            raise ValueError(f"select: no axis {axis!r} here; there are {', '.join(dims)}")
        ticks, unit = _ticks(result, axis), result.arrays[axis].units if axis in result else "1"
        numbers = axis in result and result[axis].dtype != object
        if numbers:
            value = quantity(wanted, unit) if isinstance(wanted, str) else wanted
            found = np.flatnonzero(np.isclose(result[axis].astype(float), value, rtol=1e-3, atol=0))
        else:
            found = [i for i, tick in enumerate(ticks) if tick == str(wanted)]
        if len(found) != 1:
            raise ValueError(f"select: {axis} must be one of {', '.join(ticks[:40])}; got {wanted!r}")
        data = np.take(data, int(found[0]), dims.index(axis))
        dims.remove(axis)
        fixed[axis] = ticks[int(found[0])]
    return data, dims, fixed


def _maps(result, axes, data, label):
    panels = data.reshape(*data.shape[:2], -1, data.shape[-1])
    n = panels.shape[2]
    if n > _MOST_PANELS:
        sizes = ", ".join(f"{a} ({k})" for a, k in zip(axes[2:], data.shape[2:], strict=False))
        raise ValueError(
            f"that would be {n} panels, at most {_MOST_PANELS} are drawn: choose values of {sizes} (select)"
        )
    columns = min(6, n)
    rows = -(-n // columns)
    fig = Figure(figsize=(1.2 + 4.2 * columns, 4.2 * rows), layout="constrained")
    with np.errstate(invalid="ignore"):
        table = panels.mean(axis=3)
    there = table[np.isfinite(table)]
    limits = (there.min(), there.max()) if there.size else (0.0, 1.0)
    shown = fig.subplots(rows, columns, squeeze=False).ravel()
    for k, axis in enumerate(shown[:n]):
        picture = _map(axis, result, axes, table[:, :, k], limits)
        place = np.unravel_index(k, data.shape[2:-1]) if len(axes) > 2 else ()
        title = ", ".join(f"{a} = {_ticks(result, a)[i]}" for a, i in zip(axes[2:], place, strict=True))
        axis.set_title(title, fontsize=9)
    for axis in shown[n:]:
        axis.remove()
    fig.colorbar(picture, ax=fig.axes, label=label)
    return fig


def _is_parameter(array):
    return array.long_name == "parameter of the point"


def _axes(result):
    """Axes of the sweep that have several values, in the order of the file: those between runs first."""
    sizes, state = result.sizes(), result.arrays["state"].dims
    every = dict.fromkeys([*state, *(d for a in result.arrays.values() for d in a.dims)])
    axes = [d for d in every if d in result.parameters.get("axes", state)]
    return [d for d in axes if sizes[d] > 1] or axes[:1] or ["seed"]


def _ticks(result, axis):
    if axis not in result:
        return [str(i) for i in range(result.sizes()[axis])]
    return [v if isinstance(v, str) else text(v, result.arrays[axis].units) for v in result[axis].tolist()]


def _label(result, axis):
    """Name of an axis whose ticks are plain numbers, with its unit."""
    unit = result.arrays[axis].units if axis in result else "1"
    return axis if unit == "1" else f"{axis} ({unit})"


def _curves(axis, result, axes, data, label):
    """Means and their spread over seeds; one line for each value of a second axis."""
    name = axes[0]
    values = result[name] if name in result and result[name].dtype != object else None
    x = np.arange(len(data)) if values is None else values
    order = np.argsort(x, kind="stable")  # a line from left to right, however the file lists the values
    n_lines, n_seeds = data.shape[1:]
    for k in range(n_lines):
        table, color = data[order, k], _COLOURS[k % len(_COLOURS)]
        words = f"{axes[1]} = {_ticks(result, axes[1])[k]}" if len(axes) > 1 else "mean, sd"
        if n_seeds == 1:
            axis.plot(x[order], table[:, 0], "o-", color=color, ms=4, label=words)
            continue
        spread = table.std(axis=1, ddof=1)
        axis.errorbar(x[order], table.mean(axis=1), spread, color=color, capsize=3, marker="o", ms=4, label=words)
        for column in table.T if n_lines == 1 else ():
            axis.plot(x[order], column, ".", color="black", ms=3, alpha=0.5)
    if n_seeds > 1 or n_lines > 1:
        axis.legend(frameon=False, title=f"{n_seeds} seeds" if n_seeds > 1 else None)
    if values is None:
        axis.set_xticks(x, _ticks(result, name))
    elif (values > 0).all() and values.max() > 20 * values.min():
        axis.set_xscale("log")
    axis.set(xlabel=_label(result, name), ylabel=label)


def _map(axis, result, axes, table, limits):
    picture = axis.imshow(table, origin="lower", aspect="auto", cmap="viridis", vmin=limits[0], vmax=limits[1])
    for set_ticks, set_label, name in (
        (axis.set_yticks, axis.set_ylabel, axes[0]),
        (axis.set_xticks, axis.set_xlabel, axes[1]),
    ):
        ticks = _ticks(result, name)
        step = max(1, len(ticks) // 9)
        set_ticks(range(0, len(ticks), step), ticks[::step])
        set_label(name)
    if table.size <= 120:
        middle = (limits[0] + limits[1]) / 2
        for (i, j), v in np.ndenumerate(table):
            axis.text(j, i, f"{v:.3g}", ha="center", va="center", fontsize=7, color="white" if v < middle else "black")
    return picture


def _scatter(result, data, label):
    keys = [k for k, a in result.arrays.items() if a.dims == ("point",) and _is_parameter(a)]
    fig = Figure(figsize=(1 + 3.6 * len(keys), 3.8), layout="constrained")
    for axis, key in zip(fig.subplots(1, len(keys), squeeze=False, sharey=True)[0], keys, strict=True):
        x = result[key]
        words = x.dtype == object
        place = np.unique(x, return_inverse=True)[1] if words else x
        for column in data.T:
            axis.plot(place, column, "o", color=_BLUE, ms=4, alpha=0.6, mew=0)
        if words:
            axis.set_xticks(range(len(np.unique(x))), np.unique(x))
        elif (x > 0).all() and x.max() > 20 * x.min():
            axis.set_xscale("log")
        axis.set_xlabel(_label(result, key))
    fig.axes[0].set_ylabel(label)
    return fig

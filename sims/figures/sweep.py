"""Figures of a collected sweep: curves with error bars over seeds, maps, scatter plots of random draws."""

import numpy as np
from matplotlib.figure import Figure

from ...runtime.params import text

__all__ = ["figure", "quantities"]

_BLUE, _ORANGE = "#0072b2", "#d55e00"


def quantities(result):
    """Names of what can be drawn: numbers with all axes of the sweep, and no other long axis but ``seed``."""
    axes, sizes = set(_axes(result)), result.sizes()
    return [
        name
        for name, a in result.arrays.items()
        if a.data.dtype != object
        and axes <= set(a.dims)
        and name not in axes
        and all(d == "seed" or sizes[d] == 1 for d in set(a.dims) - axes)
    ]


def figure(result, name=None):
    """Map (two axes), curve (one axis) or scatter plots (draws or lists) of one quantity, a matplotlib Figure.

    With more than two axes, the panels of a row go through the third.
    """
    names = quantities(result)
    if name is None:
        good = [n for n in names if n.startswith("accuracy")] + [n for n in names if "seed" in result.arrays[n].dims]
        name = (good + names + [None])[0]
    if not names:
        raise ValueError("nothing can be drawn: no run is there, or no number has just the axes of the sweep and seed")
    if name not in names:
        raise ValueError(f"name must be one of {', '.join(names)}; got {name!r}")
    axes, array = _axes(result), result.arrays[name]
    last = [d for d in array.dims if d not in axes]  # seed, and axes of length 1
    data = array.data.transpose([array.dims.index(d) for d in axes + last]).astype(float)
    data = data.reshape(*data.shape[: len(axes)], -1)
    label = name if array.units == "1" else f"{name} ({array.units})"
    if axes == ["point"]:
        return _scatter(result, data, label)
    if len(axes) == 1:
        fig = Figure(figsize=(6, 4.2), layout="constrained")
        _curve(fig.subplots(), result, axes[0], data, label)
        return fig
    panels = data.reshape(*data.shape[:2], -1, data.shape[-1])
    shown = min(6, panels.shape[2])
    fig = Figure(figsize=(1.2 + 4.2 * shown, 4.2), layout="constrained")
    low, high = np.nanmin(panels.mean(axis=3)), np.nanmax(panels.mean(axis=3))
    for k, axis in enumerate(fig.subplots(1, shown, squeeze=False)[0]):
        picture = _map(axis, result, axes, panels[:, :, k].mean(axis=2), (low, high))
        if len(axes) > 2:
            place = np.unravel_index(k, data.shape[2:-1])
            title = ", ".join(f"{a} = {_ticks(result, a)[i]}" for a, i in zip(axes[2:], place, strict=True))
            axis.set_title(title, fontsize=9)
    fig.colorbar(picture, ax=fig.axes, label=label)
    return fig


def _axes(result):
    sizes = result.sizes()
    axes = [d for d in result.parameters.get("axes", result.arrays["state"].dims) if d in sizes]  # joined ones, too
    return [d for d in axes if sizes[d] > 1] or axes[:1] or ["seed"]


def _ticks(result, axis):
    if axis not in result:
        return [str(i) for i in range(result.sizes()[axis])]
    return [v if isinstance(v, str) else text(v, result.arrays[axis].units) for v in result[axis].tolist()]


def _label(result, axis):
    """Name of an axis whose ticks are plain numbers, with its unit."""
    unit = result.arrays[axis].units if axis in result else "1"
    return axis if unit == "1" else f"{axis} ({unit})"


def _curve(axis, result, name, data, label):
    values = result[name] if name in result and result[name].dtype != object else None
    x = np.arange(len(data)) if values is None else values
    order = np.argsort(x, kind="stable")  # a line from left to right, however the file lists the values
    x, data = x[order], data[order]
    mean = data.mean(axis=1)
    if data.shape[1] > 1:
        axis.errorbar(x, mean, data.std(axis=1, ddof=1), color=_BLUE, capsize=3, marker="o", ms=4, label="mean, sd")
        for column in data.T:
            axis.plot(x, column, ".", color="black", ms=3, alpha=0.5)
        axis.legend(frameon=False, title=f"{data.shape[1]} seeds")
    else:
        axis.plot(x, mean, "o-", color=_BLUE, ms=4)
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
    keys = [k for k, a in result.arrays.items() if a.dims == ("point",) and a.long_name == "parameter of the point"]
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

"""Figures of pair STDP under random input, from the Result alone.

s1: output rate, mean weight and histogram of the weights over time; weights at the end, drift, and intervals.
s2: maps of output rate, mean weight, share of strong weights and variation of intervals over two axes of the run.
"""

import numpy as np
from matplotlib.figure import Figure

__all__ = ["s1", "s2"]

# Okabe-Ito: tell-apart-able with any colour vision
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MOST = len(COLOURS)


def _grid(result):
    return {k: result[k] for k in ("rate", "tau_plus", "tau_minus", "threshold", "a_plus", "ratio", "neuron")}


def _density(counts):
    return counts / counts.sum() * counts.size


def s1(result):
    """Figure s1: means over seeds and neurons, one colour a group of points; theory dashed."""
    from ..experiments import parameters_of
    from ..poisson_stdp import groups, theory

    grid, p = _grid(result), parameters_of(result)
    named = groups(result.parameters, grid)
    named = [named[i] for i in np.unique(np.linspace(0, len(named) - 1, min(len(named), MOST)).astype(int))]
    figure = Figure(figsize=(10.5, 6.0), layout="constrained")
    (rate, mean, last), (heat, drift, intervals) = figure.subplots(2, 3)
    time, weight = result["history"], result["weight_bin"]
    for (name, index), colour in zip(named, COLOURS, strict=False):
        known = theory(p, {k: float(v[index[0]]) for k, v in grid.items()})
        rate.plot(time, result["rate_history"][:, index].mean(axis=(0, 1)), color=colour, label=name or None)
        mean.plot(time, result["mean_weight_history"][:, index].mean(axis=(0, 1)), color=colour)
        counts = result["weight_histogram"][:, index][:, :, -1].sum(axis=(0, 1))
        last.step(weight, _density(counts), where="mid", color=colour)
        number = result["drift"][:, index]
        with np.errstate(invalid="ignore"):
            seen = np.isfinite(number)
            measured = np.where(seen, number, 0).sum(axis=(0, 1)) / seen.sum(axis=(0, 1))
        drift.plot(weight, 1e3 * measured, "o", ms=3, color=colour)
        if known is not None:
            rate.axhline(known.rate_out, color=colour, ls="--", lw=1)
            mean.axhline(known.mean_weight, color=colour, ls="--", lw=1)
            last.plot(known.weight, known.density, color=colour, ls="--", lw=1)
            # at the measured output rate: pairs by chance go with it, the extra spikes are the theory's
            one = {k: float(v[index[0]]) for k, v in grid.items()}
            net = one["a_plus"] * (one["tau_plus"] - one["ratio"] * one["tau_minus"])
            shift = one["rate"] * net * (result["rate_out"][:, index].mean() - known.rate_out)
            drift.plot(known.weight, 1e3 * (known.drift + shift), color=colour, ls="--", lw=1)
        gaps = _gaps(result, index)
        if gaps.size > 20:
            intervals.hist(gaps / gaps.mean(), np.linspace(0, 4, 41), density=True, histtype="step", color=colour)
    last.plot([], [], color="0.3", ls="--", lw=1, label="theory")
    x = np.linspace(0, 4, 101)
    intervals.plot(x, np.exp(-x), color="0.3", ls=":", lw=1, label="Poisson")
    name, index = named[0]
    counts = result["weight_histogram"][:, index].sum(axis=(0, 1)).T
    edges = np.append(0, time), np.linspace(0, 1, counts.shape[0] + 1)
    mesh = heat.pcolormesh(*edges, np.log10(np.maximum(counts / counts.sum(axis=0), 1e-4)), cmap="cividis")
    figure.colorbar(mesh, ax=heat, label="log10 share")
    drift.axhline(0, color="0.7", lw=0.8, zorder=0)
    top = max(result["rate_history"][..., time > 0.2 * time[-1]].max(), 1.0)
    rate.set(xlabel="time (s)", ylabel="output rate (Hz)", ylim=(0, 1.3 * top))
    mean.set(xlabel="time (s)", ylabel="mean weight", ylim=(0, None))
    last.set(xlabel="weight at the end", ylabel="density", yscale="log", ylim=(0.02, None), xlim=(0, 1))
    heat.set(xlabel="time (s)", ylabel="weight")
    heat.set_title(f"weights over time {name and f'({name})'}", fontsize="medium")
    drift.set(xlabel="weight", ylabel="drift (0.001 / s)", xlim=(0, 1))
    intervals.set(xlabel="interval / mean", ylabel="density", xlim=(0, 4))
    if len(named) > 1:
        rate.legend(frameon=False, fontsize="small")
    last.legend(frameon=False, fontsize="small")
    intervals.legend(frameon=False, fontsize="small")
    return figure


def _gaps(result, index):
    """Intervals between stored output spikes of the points `index`."""
    parts = [np.zeros(0)]
    for s in range(result["seed"].size):
        for i in index:
            mine = (result["spike_seed"] == s) & (result["spike_point"] == i)
            parts.append(np.diff(result["spike_time"][mine]))
    return np.concatenate(parts)


def s2(result):
    """Figure s2: over the two longest axes; means over all else."""
    grid = _grid(result)
    names = ("rate", "threshold", "a_plus", "ratio", "tau_plus", "tau_minus")
    names = sorted(names, key=lambda n: -np.unique(grid[n]).size)[:2]
    (x, column), (y, row) = (np.unique(grid[n], return_inverse=True) for n in names)
    figure = Figure(figsize=(9.0, 6.4), layout="constrained")
    what = {"rate_out": "output rate (Hz)", "mean_weight": "mean weight", "strong": "share of weights above 1/2"}
    what |= {"cv": "coefficient of variation of intervals"}
    for ax, (key, title) in zip(figure.subplots(2, 2).flat, what.items(), strict=True):
        cells = np.full((y.size, x.size), np.nan)
        for i in range(y.size):
            for j in range(x.size):
                values = result[key][:, (row == i) & (column == j)]
                if np.isfinite(values).any():
                    cells[i, j] = np.nanmean(values)
        mesh = ax.pcolormesh(x, y, cells, shading="nearest", cmap="cividis")
        figure.colorbar(mesh, ax=ax)
        ax.set(xlabel=names[0], ylabel=names[1])
        ax.set_title(title, fontsize="medium")
    return figure

"""Figures of the competition experiment, from its Result alone.

s7: latency of every neuron in every pattern, as a matrix for each of some seeds (empty: fires in less than half).
latencies: latency over time of all neurons of some seeds: who finds which part of the pattern, and when.
strength: latencies, their largest difference, and the number of neurons with a pattern against inhibition.
"""

import numpy as np
from matplotlib.figure import Figure

from .coincidence import BLUE, GREEN, GREY, ORANGE, VERMILION

__all__ = ["latencies", "s7", "strength"]

_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, "#CC79A7", "#56B4E9", "#F0E442", "k", GREY)
_MOST_SEEDS = 4


def s7(result, group=0):
    """Latency matrices; `group`: index of the inhibition."""
    n = min(result["seed"].size, _MOST_SEEDS)
    height = 1.2 + 0.32 * result["neuron"].size
    figure = Figure(figsize=(2.6 * n + 1.2, height), layout="constrained")
    axes = figure.subplots(1, n, squeeze=False, sharey=True)[0]
    rate = result["hit_rate"][:, group]
    latency = 1e3 * result["latency"][:, group]
    top = 1e3 * result.parameters["slot"]
    for k, ax in enumerate(axes):
        values = np.where(rate[k] >= 0.5, latency[k], np.nan)
        mesh = ax.imshow(values, cmap="cividis", vmin=0, vmax=top, aspect="auto")
        for m, p in np.argwhere(np.isfinite(values)):
            colour = "w" if values[m, p] < 0.6 * top else "k"
            ax.text(p, m, f"{values[m, p]:.1f}", ha="center", va="center", color=colour, fontsize="small")
        ax.set(xlabel="pattern", xticks=result["pattern"], yticks=result["neuron"])
        ax.set_title(f"seed {result['seed'][k]}", fontsize="medium")
    axes[0].set_ylabel("neuron")
    figure.colorbar(mesh, ax=axes, label="latency (ms)")
    figure.suptitle(f"inhibition {result['inhibition'][group]:g} thresholds")
    return figure


def latencies(result):
    """Lag of each output spike in slots with a pattern; rows: seeds, columns: inhibition."""
    n, groups = min(result["seed"].size, 3), min(result["inhibition"].size, 4)
    figure = Figure(figsize=(4.2 * groups + 1, 2.2 * n + 0.6), layout="constrained")
    axes = figure.subplots(n, groups, squeeze=False, sharex=True, sharey=True)
    length, shown = result.parameters["slot"], result["shown"]
    slot = np.floor(result["spike_time"] / length + 1e-9).astype(int)
    lag = 1e3 * (result["spike_time"] - slot * length)
    inside = shown[result["spike_run"], slot % shown.shape[1]] >= 0
    for k, g in np.ndindex(n, groups):
        ax, here = axes[k, g], inside & (result["spike_run"] == k) & (result["spike_inhibition"] == g)
        for m in result["neuron"]:
            mine = here & (result["spike_neuron"] == m)
            colour = _COLOURS[m % len(_COLOURS)]
            ax.plot(result["spike_time"][mine], lag[mine], ".", ms=1.5, color=colour, label=f"neuron {m}")
        ax.set(ylim=(0, 1e3 * length))
        ax.set_title(f"seed {result['seed'][k]}, inhibition {result['inhibition'][g]:g}", fontsize="medium")
    for ax in axes[-1]:
        ax.set_xlabel("time (s)")
    for ax in axes[:, 0]:
        ax.set_ylabel("after slot's start (ms)")
    if result["neuron"].size <= len(_COLOURS):
        axes[0, -1].legend(frameon=False, fontsize="small", markerscale=5, loc="upper right")
    return figure


def strength(result):
    """Latencies of all neurons that have a pattern, their largest difference, how many there are."""
    beta, has, latency = result["inhibition"], result["has_pattern"].astype(bool), 1e3 * result["latency"]
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    axes = figure.subplots(1, 3)
    step = np.diff(beta).min() if beta.size > 1 else 0.1
    for g in range(beta.size):
        values = latency[:, g][has[:, g]]
        shift = step * 0.3 * np.linspace(-1, 1, values.size) if values.size > 1 else 0.0
        axes[0].plot(beta[g] + shift, values, ".", color=BLUE, ms=4)
    axes[0].set(ylabel="latency of neurons with the pattern (ms)", ylim=(0, None))
    spread = 1e3 * result["latency_spread"]
    _mean(axes[1], beta, np.moveaxis(spread, 1, 0).reshape(beta.size, -1))
    axes[1].set(ylabel="largest difference of latency (ms)", ylim=(0, None))
    _mean(axes[2], beta, np.moveaxis(has.any(axis=3).sum(axis=2), 1, 0), "with a pattern", BLUE)
    _mean(axes[2], beta, np.moveaxis(result["successive"].max(axis=2), 1, 0), "at least 4 ms apart", VERMILION)
    axes[2].set(ylabel="neurons", ylim=(0, result["neuron"].size + 0.1))
    axes[2].legend(frameon=False, fontsize="small")
    for ax in axes:
        ax.set_xlabel("inhibition (thresholds)")
    figure.suptitle(f"{result['seed'].size} seeds; bars: standard deviation over seeds")
    return figure


def _mean(ax, x, values, label=None, colour=BLUE):
    values = np.asarray(values, float)
    some = np.isfinite(values).any(axis=1)
    mean, std = (np.array([f(row[np.isfinite(row)]) for row in values[some]]) for f in (np.mean, np.std))
    ax.errorbar(x[some], mean, std, fmt="o-", color=colour, ms=4, lw=1, capsize=2, label=label)

"""Figures of the founding experiment, from its Result alone.

s5: one seed: V(t) before and after learning, latency of each output spike, hits and false alarms, weights, pattern.
weights: all weights over time, of the pattern's afferents and of the others, and how far they are from 0 or 1.
seeds: latency, hits, finding time and number of strong weights over seeds.
Drawn is the first seed with success (else the first), neuron 0, unless asked for.
"""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from ..measures.slots import slots_of
from .coincidence import BLUE, GREEN, GREY, ORANGE, VERMILION

__all__ = ["s5", "seeds", "weights"]

_BINS = 60  # of the curves over time


def _chosen(result, run, neuron):
    """(seed index, neuron) to draw."""
    if run is None:
        good = np.flatnonzero(result["success"][:, neuron])
        run = int(good[0]) if good.size else 0
    return run, neuron


def spikes_of(result, mine):
    """Time, slot label and lag in the slot of the output spikes picked by `mine` (bool)."""
    time, run = result["spike_time"][mine], result["spike_run"][mine]
    slot, lag = slots_of(time, result.parameters["slot"])
    shown = result["shown"]
    return time, shown[run, slot % shown.shape[1]], lag


def potential(ax, result, window, cell, run, threshold, colour=BLUE):
    """V(t) of a recorded window; slots with a pattern shaded, output spikes as ticks."""
    start, time, length = float(result["v_start"][window]), result["v_time"], result.parameters["slot"]
    shown = result["shown"][run]
    first = int(round(start / length))
    for k in range(int(np.ceil(time[-1] / length))):
        if shown[(first + k) % shown.size] >= 0:
            ax.axvspan(1e3 * k * length, 1e3 * (k + 1) * length, color=ORANGE, alpha=0.25, lw=0)
    ax.plot(1e3 * time, result["v"][(window, *cell)], color=colour, lw=0.7)
    ax.axhline(threshold, color=VERMILION, ls="--", lw=1)
    ax.set(xlabel="time in window (ms)", xlim=(0, 1e3 * time[-1]))
    ax.set_title(f"V(t) from {start:.0f} s; shaded: pattern", fontsize="medium")


def _latency(ax, time, label, lag):
    number = np.arange(1, time.size + 1)
    inside = label >= 0
    ax.plot(number[~inside], np.zeros((~inside).sum()), "|", color=GREY, ms=8, mew=0.6, label="in another slot")
    ax.plot(number[inside], 1e3 * lag[inside], ".", color=BLUE, ms=2, label="in the pattern")
    ax.set(xlabel="output spike", ylabel="after the pattern's start (ms)", xlim=(0, number.size + 1))
    ax.legend(frameon=False, fontsize="small", markerscale=2)


def _rates(ax, result, run, time, label):
    p = result.parameters
    shown, length = result["shown"][run], p["slot"]
    n_slots = shown.size * p["replays"]
    edges = np.unique(np.linspace(0, n_slots, _BINS + 1).astype(int))
    slot, _ = slots_of(time, length)
    with_pattern = shown[np.arange(n_slots) % shown.size] >= 0
    hit = np.zeros(n_slots, bool)
    hit[slot[(label >= 0) & (slot < n_slots)]] = True
    per = np.add.reduceat(hit, edges[:-1]) / np.maximum(np.add.reduceat(with_pattern, edges[:-1]), 1)
    false = np.histogram(slot[label < 0], edges)[0] / np.maximum(np.add.reduceat(~with_pattern, edges[:-1]), 1)
    middle = (edges[1:] + edges[:-1]) / 2 * length
    ax.plot(middle, per, color=BLUE, label="hits a presentation")
    ax.plot(middle, false, color=VERMILION, label="false alarms a slot")
    ax.set(xlabel="time (s)", ylim=(0, None), xlim=(0, n_slots * length))
    ax.legend(frameon=False, fontsize="small")


def _heat(figure, ax, result, run, cell, side, title):
    counts = result["weight_histogram_history"][(run, *cell)][:, side].T.astype(float)
    time = result["history"]
    mesh = ax.pcolormesh(
        np.concatenate([[0.0], time]), np.linspace(0, 1, counts.shape[0] + 1), np.maximum(counts, 0.5), cmap="cividis",
        norm=LogNorm(0.9, max(counts.max(), 2)),
    )  # fmt: skip
    ax.set(xlabel="time (s)", ylabel="weight")
    ax.set_title(title, fontsize="medium")
    figure.colorbar(mesh, ax=ax, label="afferents")


def _pattern(figure, ax, result, run, neuron):
    mine = result["pattern_spike_run"] == run
    time, unit = result["pattern_spike_time"][mine], result["pattern_spike_unit"][mine]
    weight = result["weights"][run, neuron][unit]
    order = np.argsort(weight, kind="stable")
    size = np.where(weight[order] > 0.5, 5.0, 1.5)
    points = ax.scatter(1e3 * time[order], unit[order], c=weight[order], s=size, cmap="cividis_r", vmin=0, vmax=1, lw=0)
    latency = result["latency"][run, neuron, 0]
    if np.isfinite(latency):
        ax.axvline(1e3 * latency, color=VERMILION, lw=1)
    ax.set(xlabel="time in pattern (ms)", ylabel="afferent", xlim=(0, 1e3 * result.parameters["slot"]))
    ax.set_title("pattern; line: mean output spike", fontsize="medium")
    figure.colorbar(points, ax=ax, label="final weight")


def s5(result, run=None, neuron=0):
    """One seed."""
    run, neuron = _chosen(result, run, neuron)
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots(3, 2)
    threshold = float(result["threshold"][neuron])
    for window, ax in enumerate(axes[0]):
        if "v" in result:
            potential(ax, result, window, (neuron,), 0, threshold)
        else:
            ax.set_axis_off()
    axes[0, 0].set_ylabel("potential (PSP peaks)")
    mine = (result["spike_run"] == run) & (result["spike_neuron"] == neuron)
    time, label, lag = spikes_of(result, mine)
    _latency(axes[1, 0], time, label, lag)
    _rates(axes[1, 1], result, run, time, label)
    _heat(figure, axes[2, 0], result, run, (neuron,), 0, "weights of the pattern's afferents")
    _pattern(figure, axes[2, 1], result, run, neuron)
    figure.suptitle(f"seed {result['seed'][run]}" + (" (V: first seed)" if run else ""))
    return figure


def weights(result, run=None, neuron=0):
    """Weights over time."""
    run, neuron = _chosen(result, run, neuron)
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    axes = figure.subplots(1, 3)
    _heat(figure, axes[0], result, run, (neuron,), 0, "afferents of the pattern")
    _heat(figure, axes[1], result, run, (neuron,), 1, "other afferents")
    axes[2].plot(result["history"], result["conv_history"][run, neuron], color=BLUE)
    axes[2].set(xlabel="time (s)", ylabel="mean distance of weights from 0 or 1", ylim=(0, 0.5))
    figure.suptitle(f"seed {result['seed'][run]}")
    return figure


def seeds(result, neuron=0):
    """Distributions over seeds; failed seeds in another colour."""
    good = result["success"][:, neuron].astype(bool)
    shown = np.maximum(result["presentations"][:, 0], 1)
    panels = (
        ("latency (ms)", 1e3 * result["latency"][:, neuron, 0], 10.0),
        ("hits (% of presentations)", 100 * result["hit"][:, neuron, 0] / shown, 98.0),
        ("last false alarm (s)", result["found_time"][:, neuron], None),
        ("strong weights of the pattern", result["n_involved"][:, neuron, 0], None),
    )
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    for ax, (text, values, limit) in zip(figure.subplots(1, 4), panels, strict=True):
        finite = np.isfinite(values)
        edges = np.histogram_bin_edges(values[finite & good] if (finite & good).any() else values[finite], 20)
        clipped = np.clip(values, edges[0], edges[-1])
        ax.hist([clipped[good & finite], clipped[~good & finite]], edges, stacked=True, color=[BLUE, VERMILION])
        if limit is not None and edges[0] <= limit <= edges[-1]:
            ax.axvline(limit, color=GREEN, ls="--", lw=1)
        ax.set(xlabel=text)
    figure.axes[0].set_ylabel("seeds")
    figure.suptitle(f"{good.sum()} of {good.size} seeds with success (others: red, outliers in the outer bins)")
    return figure

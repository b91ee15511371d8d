"""Figures of the coincidence experiment, from its Result alone.

s1: one neuron that learns one pattern: V(t) early, midway and late, learning curve, weights, the pattern's raster.
s2: maps over threshold and w_out: false alarms, misses, hits, number of weights, selectivity.
s3: one neuron that learns P patterns: V(t) over its last periods, weights, the rasters of all patterns.
Seeds and neurons: unless asked for, the first selective neuron of the first seed that has one.
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

__all__ = ["best", "learning", "many_patterns", "maps"]

# Okabe-Ito: tell-apart-able with any colour vision
BLUE, ORANGE, GREEN, VERMILION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "0.55"


def best(result):
    """(seed index, neuron) to draw: first selective one, else the one with the most learned patterns."""
    selective = result["selective"].astype(bool)
    if selective.any():
        run, neuron = np.argwhere(selective)[0]
    else:
        learned = result["learned"].sum(axis=2)
        run, neuron = np.unravel_index(np.argmax(learned), learned.shape)
    return int(run), int(neuron)


def _title(result, run, neuron):
    p = result.parameters
    theta, w_out = result["threshold"][neuron], result["w_out"][neuron] / p["a_plus"] if p["a_plus"] else 0.0
    return f"seed {result['seed'][run]}, threshold {theta:.1f}, $w_{{out}}$ = {w_out:.3f} $A_+$"


def _block(parameters):
    """Start and length of the pattern's block within a period, s."""
    length = parameters["pattern_duration"] + 2 * parameters["jitter"]
    return parameters["period"] - length, length


def _potential(ax, result, run, neuron, window, title):
    """V(t) of one recorded window; pattern blocks shaded, threshold dashed, output spikes as ticks."""
    p = result.parameters
    start = result["v_start"][window]
    time = result["v_time"]
    block, length = _block(p)
    n_periods = max(int(round(time[-1] / p["period"])), 1)
    for k in range(n_periods):
        edges = k * p["period"] + block, k * p["period"] + block + length
        label = None if k else "pattern shown"
        ax.axvspan(1e3 * edges[0], 1e3 * edges[1], color=ORANGE, alpha=0.25, lw=0, label=label)
    ax.plot(1e3 * time, result["v"][window, run, neuron], color=BLUE, lw=0.7)
    theta = result["threshold"][neuron]
    ax.axhline(theta, color=VERMILION, ls="--", lw=1, label="threshold")
    mine = (result["spike_run"] == run) & (result["spike_neuron"] == neuron)
    spikes = result["spike_time"][mine] - start
    spikes = spikes[(spikes >= 0) & (spikes < n_periods * p["period"])]
    ax.plot(1e3 * spikes, np.full(spikes.size, 1.06 * theta), "|", color="k", ms=7, mew=1.2, label="output spike")
    ax.set(xlabel="time in window (ms)", xlim=(0, 1e3 * time[-1]), ylim=(0, 1.15 * theta))
    ax.set_title(f"{title}, from t = {start:.1f} s", fontsize="medium")


def _histogram(ax, result, run, neuron):
    counts = result["weight_histogram"][run, neuron]
    ax.bar(result["weight_bin"], counts, width=0.9 / counts.size, color=BLUE)
    ax.set(xlabel="final weight", ylabel="afferents", yscale="log", ylim=(0.7, None), xlim=(0, 1))
    n_w, n_theory = result["n_w"][run, neuron], float(result["theory_n_selected"])
    ax.set_title(f"{n_w} above 1/2, theory {n_theory:.0f}", fontsize="medium")


def _raster(ax, result, run, neuron, pattern):
    """The frozen pattern, each spike coloured by the final weight of its afferent."""
    mine = (result["pattern_spike_run"] == run) & (result["pattern_spike_pattern"] == pattern)
    time, unit = result["pattern_spike_time"][mine], result["pattern_spike_unit"][mine]
    weight = result["weights"][run, neuron][unit]
    order = np.argsort(weight, kind="stable")  # strong ones on top
    size = np.where(weight[order] > 0.5, 3.0, 1.2)
    points = ax.scatter(1e3 * time[order], unit[order], c=weight[order], s=size, cmap="cividis_r", vmin=0, vmax=1, lw=0)
    latency = result["latency"][run, neuron, pattern]
    if np.isfinite(latency):
        ax.axvline(1e3 * latency, color=VERMILION, lw=1)
    ax.set(xlabel="time in pattern (ms)", xlim=(0, 1e3 * result.parameters["pattern_duration"]))
    ax.set_ylim(0, result.parameters["n_afferents"])
    return points


def learning(result, run=None, neuron=None):
    """Figure s1."""
    if run is None or neuron is None:
        run, neuron = best(result)
    figure = Figure(figsize=(9.6, 5.4), layout="constrained")
    axes = figure.subplots(2, 3)
    if "v" in result:
        for window, (ax, label) in enumerate(zip(axes[0], ("first period", "middle", "last period"), strict=True)):
            _potential(ax, result, run, neuron, window, label)
        axes[0, 0].set_ylabel("potential V")
        axes[0, 2].legend(loc="center left", frameon=False, fontsize="small")
    time = result["history"]
    for name, colour, label in (
        ("hit", BLUE, "spikes per pattern"),
        ("false_alarm", VERMILION, "periods with false alarm"),
    ):
        axes[1, 0].plot(time, result[f"{name}_history"][run, neuron], color=colour, label=label)
    axes[1, 0].set(xlabel="time (s)", ylabel="rate per period", ylim=(0, None))
    axes[1, 0].legend(frameon=False, fontsize="small")
    _histogram(axes[1, 1], result, run, neuron)
    if "weights" in result and "pattern_spike_time" in result:
        points = _raster(axes[1, 2], result, run, neuron, 0)
        axes[1, 2].set(ylabel="afferent")
        axes[1, 2].set_title("pattern; line: first output spike", fontsize="medium")
        figure.colorbar(points, ax=axes[1, 2], label="final weight")
    figure.suptitle(_title(result, run, neuron))
    return figure


def _map(figure, ax, x, y, values, title, **options):
    """One map over (w_out, threshold), both in units of the best guess and on logarithmic axes."""
    mesh = ax.pcolormesh(x, y, values, shading="nearest", cmap="cividis", **options)
    ax.set(xscale="log", yscale="log")
    ax.set_title(title, fontsize="medium")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 3, 4, 5, 6, 8)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    figure.colorbar(mesh, ax=ax)
    return mesh


def maps(result):
    """Figure s2: means over seeds at each point of the grid; crosses mark the two neurons of the default preset."""
    p = result.parameters
    shape = (len(p["threshold"]), len(p["w_out"]))
    rows, columns = np.argsort(p["threshold"]), np.argsort(p["w_out"])
    theta, w_out = np.array(p["threshold"])[rows], np.array(p["w_out"])[columns]
    shown = float(result["n_presentations"].sum())
    n_w, selected = result["n_w"], float(result["theory_n_selected"])
    near = (np.abs(n_w / selected - 1) < 0.1) & result["selective"].astype(bool)
    panels = (
        ("false alarms (share of periods)", result["false_alarm"] / p["n_recorded"], dict(vmin=0)),
        ("missed presentations", result["miss"].sum(axis=2) / shown, dict(vmin=0, vmax=1)),
        ("spikes per presentation", result["hit"].sum(axis=2) / shown, dict(vmin=0)),
        ("selective seeds", result["selective"].astype(float), dict(vmin=0, vmax=1)),
        ("selective, $n_w$ within 10 % of theory", near, dict(vmin=0, vmax=1)),
        ("$n_w$ of selective neurons / theory", _selective_n_w(result) / selected, dict(vmin=0, vmax=2)),
    )
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    axes = figure.subplots(2, 3, sharex=True, sharey=True)
    for ax, (title, values, options) in zip(axes.flat, panels, strict=True):
        mean = values if values.ndim == 1 else values.mean(axis=0)
        _map(figure, ax, w_out, theta, mean.reshape(shape)[np.ix_(rows, columns)], title, **options)
        ax.plot([1.1, 1.1**-7], [1.1**-1, 1.1**-5], "x", color=VERMILION, ms=7, mew=1.5)
    for ax in axes[1]:
        ax.set_xlabel(r"$w_{out}$ / $A_+ e^{-\Delta t/\tau_+}$")
    for ax in axes[:, 0]:
        ax.set_ylabel(r"threshold / $V_{max}$")
    figure.suptitle(f"{result['seed'].size} seeds, last {p['n_recorded']} of {p['n_periods']} periods")
    return figure


def _selective_n_w(result):
    """Mean n_w over the selective seeds of each neuron, NaN where there is none."""
    selective = result["selective"].astype(bool)
    n = selective.sum(axis=0)
    total = np.where(selective, result["n_w"], 0).sum(axis=0)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def many_patterns(result, run=None, neuron=None):
    """Figure s3; at most eight rasters are drawn."""
    if run is None or neuron is None:
        run, neuron = best(result)
    n_shown = min(result.parameters["n_patterns"], 8)
    figure = Figure(figsize=(11, 6.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1)
    axes = top.subplots(1, 2, width_ratios=(3, 1))
    if "v" in result:
        _potential(axes[0], result, run, neuron, 2, "last periods")
        axes[0].set_ylabel("potential V")
    _histogram(axes[1], result, run, neuron)
    if "weights" in result and "pattern_spike_time" in result:
        rasters = bottom.subplots(1, n_shown, sharey=True, squeeze=False)[0]
        for pattern, ax in enumerate(rasters):
            points = _raster(ax, result, run, neuron, pattern)
            ax.set_title(f"pattern {pattern}")
        rasters[0].set_ylabel("afferent")
        bottom.colorbar(points, ax=rasters, label="final weight", pad=0.01)
    figure.suptitle(_title(result, run, neuron))
    return figure

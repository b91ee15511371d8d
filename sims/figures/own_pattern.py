"""Figure s5: a recorded pattern: how well it could be seen, at which time constant, and what STDP has made of it."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from ...theory.recorded import mean_potential
from .coincidence import BLUE, GREEN, GREY, ORANGE, VERMILION, _histogram, _raster, _title, best

__all__ = ["own_pattern"]


def _potentials(ax, result, run, neuron):
    """Mean V(t) over presentations: best ideal detector, and the learned weights at the run's time constant."""
    p = result.parameters
    t = np.linspace(-0.3 * p["pattern_duration"], 1.3 * p["pattern_duration"], 500)
    time, unit = result["pattern_spike_time"], result["pattern_spike_unit"]
    mine = result["pattern_spike_run"] == run
    time, unit = time[mine], unit[mine]
    rates = np.full(p["n_afferents"], p["rate"])
    low = float(result["best_start"])
    ideal = np.zeros(p["n_afferents"])
    ideal[unit[(time >= low) & (time < low + float(result["best_window"]))]] = 1.0
    shape = p["jitter"], p["pattern_duration"], t
    curves = [(ideal, float(result["best_tau_m"]), BLUE, "best ideal detector")]
    if "weights" in result:
        curves.append((result["weights"][run, neuron].astype(float), p["tau_m"], GREEN, "learned"))
    for weights, tau_m, colour, label in curves:
        v = mean_potential(time, unit, weights, rates, tau_m, *shape)
        mean, std = tau_m * weights @ rates, np.sqrt(tau_m * (weights**2) @ rates / 2)
        if std > 0:
            ax.plot(1e3 * t, (v - mean) / std, color=colour, label=f"{label}, $\\tau$ = {1e3 * tau_m:.3g} ms")
    ax.axhspan(-1, 1, color=GREY, alpha=0.3, lw=0, label=r"noise: mean $\pm$ std")
    ax.set(xlabel="time in pattern (ms)", ylabel="(mean V - noise mean) / noise std")
    ax.legend(loc="upper right", frameon=False, fontsize="x-small")


def _map(figure, ax, result):
    windows, taus, ratio = result["pattern_window"], result["pattern_tau"], result["pattern_snr"]
    mesh = ax.pcolormesh(1e3 * windows, 1e3 * taus, ratio, shading="nearest", cmap="cividis", vmin=0)
    ax.plot(1e3 * result["best_window"], 1e3 * result["best_tau_m"], "+", color=VERMILION, ms=11, mew=2)
    p = result.parameters
    ax.plot(1e3 * p["window"], 1e3 * p["tau_m"], "x", color="w", ms=7, mew=1.5)
    ax.set(xscale="log", yscale="log", xlabel=r"window $\Delta t$ (ms)", ylabel=r"time constant $\tau$ (ms)")
    best_at = f"{1e3 * float(result['best_window']):.3g}, {1e3 * float(result['best_tau_m']):.3g} ms"
    ax.set_title(f"SNR; best (+) {float(result['best_snr']):.1f} at {best_at}", fontsize="medium")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    figure.colorbar(mesh, ax=ax)


def own_pattern(result, run=None, neuron=None):
    """Draw figure s5: raster, mean potential, map; ratio over tau, learning curve, final weights."""
    if run is None or neuron is None:
        run, neuron = best(result)
    p = result.parameters
    figure = Figure(figsize=(11.5, 6.2), layout="constrained")
    axes = figure.subplots(2, 3)
    if "weights" in result and "pattern_spike_time" in result:
        points = _raster(axes[0, 0], result, run, neuron, 0)
        low = float(result["best_start"])
        axes[0, 0].axvspan(1e3 * low, 1e3 * (low + float(result["best_window"])), color=ORANGE, alpha=0.2, lw=0)
        axes[0, 0].set_ylabel("afferent")
        axes[0, 0].set_title("pattern; line: output spike, shaded: best window", fontsize="medium")
        figure.colorbar(points, ax=axes[0, 0], label="final weight")
    if "pattern_spike_time" in result:
        _potentials(axes[0, 1], result, run, neuron)
    _map(figure, axes[0, 2], result)
    axes[1, 0].plot(1e3 * result["pattern_tau"], result["pattern_snr"].max(axis=1), color=BLUE, label="ideal detector")
    if "snr_empirical" in result:
        learned = result["snr_empirical"][:, neuron, 0]
        axes[1, 0].plot(
            np.full(learned.size, 1e3 * p["tau_m"]), learned, "o", color=GREEN, ms=5, label="learned, each seed"
        )
    axes[1, 0].set(xscale="log", xlabel=r"time constant $\tau$ (ms)", ylabel="SNR at the best window", ylim=(0, None))
    for name, colour, label in (("hit", BLUE, "spikes per pattern"), ("false_alarm", VERMILION, "false alarm")):
        axes[1, 1].plot(result["history"], result[f"{name}_history"][run, neuron], color=colour, label=label)
    axes[1, 1].set(xlabel="time (s)", ylabel="rate per period", ylim=(0, None))
    for ax in (axes[1, 0], axes[1, 1]):
        ax.legend(frameon=False, fontsize="small")
    _histogram(axes[1, 2], result, run, neuron)
    figure.suptitle(_title(result, run, neuron))
    return figure

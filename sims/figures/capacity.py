"""Figure s4: how many patterns a neuron keeps, over P and over w_out in critical values A_plus f tau_plus."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

__all__ = ["against_w_out", "capacity"]

# Okabe-Ito, and marks: told apart with any colour vision, and without colour
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "0.3")
MARKS = "os^vDP*"
_PANELS = ("learned patterns / $P$", "periods with false alarm", "$n_w$ / theory")


def _draw(axes, ratio, curves, label, k):
    """`curves`: three arrays (seed, w_out); lines are means over seeds, small dots the seeds."""
    order = np.argsort(ratio)
    colour, mark = COLOURS[k % len(COLOURS)], MARKS[k % len(MARKS)]
    for ax, values in zip(axes, curves, strict=True):
        for row in values:
            ax.plot(ratio[order], row[order], ".", color=colour, ms=3, alpha=0.5)
        ax.plot(ratio[order], values.mean(axis=0)[order], color=colour, marker=mark, ms=5, lw=1.2, label=label)


def _finish(axes):
    for ax, title in zip(axes, _PANELS, strict=True):
        ax.axvline(1, color="0.5", lw=0.8, ls=":")
        ax.set(xscale="log", xlabel=r"$w_{out}$ / $A_+ f \tau_+$")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 1.2, 1.5, 2, 3, 4, 6, 8)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_title(title, fontsize="medium")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylim(-0.03, 1.05)
    axes[1].set_ylim(-0.03, 1.05)
    axes[2].set_yscale("log")
    axes[2].axhline(1, color="0.5", lw=0.8, ls=":")


def against_w_out(result):
    """From a result of `sim coincidence` with several values of w_out; one line a threshold."""
    p = result.parameters
    critical = p["a_plus"] * p["rate"] * p["tau_plus"]
    ratio, theta = result["w_out"] / critical, result["threshold"]
    curves = (
        result["learned"].sum(axis=2) / p["n_patterns"],
        result["false_alarm"] / p["n_recorded"],
        np.maximum(result["n_w"], 1) / float(result["theory_n_selected"]),
    )
    figure = Figure(figsize=(10.5, 3.6), layout="constrained")
    axes = figure.subplots(1, 3)
    for k, value in enumerate(np.unique(theta)):
        mine = theta == value
        _draw(axes, ratio[mine], [c[:, mine] for c in curves], f"threshold {value:.1f}", k)
    _finish(axes)
    axes[2].legend(frameon=False, fontsize="small")
    figure.suptitle(f"{p['n_patterns']} pattern(s), {result['seed'].size} seed(s)")
    return figure


def capacity(result, at_best):
    """From a result of `sim pattern-capacity`; `at_best` takes a measure at the best point of each P."""
    n = result["n_patterns"]
    figure = Figure(figsize=(11, 6.6), layout="constrained")
    axes = figure.subplots(2, 3)
    selected = result["theory_n_selected"]
    shares = (
        ("learned patterns / $P$", at_best(result, "learned") / n),
        ("presentations with a spike", 1 - at_best(result, "miss")),
        ("periods with false alarm", at_best(result, "false_alarm")),
    )
    for k, (label, values) in enumerate(shares):
        axes[0, 0].plot(n, values.mean(axis=0), color=COLOURS[k], marker=MARKS[k], ms=5, label=label)
        axes[0, 0].plot(n, values.T, ".", color=COLOURS[k], ms=3, alpha=0.5)
    axes[0, 0].set(ylim=(-0.03, 1.05))
    axes[0, 0].legend(frameon=False, fontsize="small")
    for ax, name, known, text in (
        (axes[0, 1], "n_w", selected, "weights above 1/2"),
        (axes[0, 2], "snr", result["theory_snr"], "signal-to-noise ratio"),
    ):
        values = at_best(result, name)
        ax.plot(n, known, color="k", ls="--", label="theory of the best detector")
        ax.plot(n, values.T, ".", color=COLOURS[0], ms=3, alpha=0.5)
        ax.plot(n, values.mean(axis=0), color=COLOURS[0], marker="o", ms=5, label="learned")
        ax.set_title(text, fontsize="medium")
        ax.set_ylim(0, None)
        ax.legend(frameon=False, fontsize="small")
    axes[0, 0].set_title("at the best threshold and $w_{out}$", fontsize="medium")
    for ax in axes[0]:
        ax.set(xscale="log", xlabel="number of patterns $P$")
        ax.set_xticks(n, [str(v) for v in n])
        ax.minorticks_off()
        ax.spines[["top", "right"]].set_visible(False)
    for k, patterns in enumerate(n):
        best = result["best_margin"][k]
        curves = [result[name][:, k, best] for name in ("learned", "false_alarm", "n_w")]
        curves = curves[0] / patterns, curves[1], np.maximum(curves[2], 1) / selected[k]
        _draw(axes[1], result["w_out"], curves, f"P = {patterns}", k)
    _finish(axes[1])
    axes[1, 2].legend(frameon=False, fontsize="small")
    figure.suptitle(f"{result['seed'].size} seed(s), {result.parameters['n_periods']} periods")
    return figure

"""Figures of networks that learn spike times: learning, decisions, robustness, who fires when, weights, confusion."""

import numpy as np
from matplotlib.figure import Figure

from .confusion import draw_confusion

__all__ = ["confusion", "overview", "raster", "weights"]

_GREEN, _RED, _GREY, _BLUE = "#009e73", "#d55e00", "#8c8c8c", "#0072b2"  # told apart by colour-blind eyes, too
_SHOWN = 400  # units of a layer in the raster, at most


def overview(result):
    """Learning curve, activity of the layers, decision times, and how it bears jitter and noise."""
    figure = Figure(figsize=(11, 7.2), layout="constrained")
    axes = figure.subplots(2, 2)
    _learning(axes[0, 0], result)
    _activity(axes[0, 1], result)
    _decisions(axes[1, 0], result)
    _bears(axes[1, 1], result)
    return figure


def raster(result):
    """The first test image, layer by layer (convolutions after their pooling); of large layers some of the units."""
    layers = ["input", *(str(name) for name in result["layer"])]
    t_max = result.parameters["t_max"]
    figure = Figure(figsize=(9, 7), layout="constrained")
    heights = [1.2] * (len(layers) - 1) + [0.7]
    axes = figure.subplots(len(layers), 1, sharex=True, height_ratios=heights)
    outputs = result["example.output"]
    first = outputs.min()
    for axis, name in zip(axes, layers, strict=True):
        times = result[f"example.{name}"]
        units = np.flatnonzero(times < t_max)
        every = max(1, -(-len(times) // _SHOWN))
        units = units[units % every == 0]
        size = 30 if name == "output" else 3
        axis.scatter(times[units], units, s=size, color=_BLUE, marker="|" if size == 30 else ".", lw=2)
        axis.set(ylabel=name, ylim=(-0.03 * len(times) - 0.5, 1.03 * len(times)))
        if first < t_max:
            axis.axvline(first, color=_RED, lw=1)
        share = (times < t_max).mean()
        part = f", every {every}th is shown" if every > 1 else ""
        axis.set_title(f"{share:.0%} of {len(times)} fire{part}", fontsize=8, loc="right")
    said = "silence" if first >= t_max else f"answer {int(result['class_label'][outputs.argmin()])}"
    axes[0].set_title(f"first test image, a {int(result['labels'][0])}: {said}", loc="left", fontsize=10)
    axes[-1].set_yticks(range(len(outputs)), [str(c) for c in result["class_label"]], fontsize=6)
    axes[-1].set(xlabel="time (steps)", xlim=(0, t_max))
    return figure


def weights(result):
    """Kernels of the first layer (or what its neurons see of the image), first seed."""
    name = str(result["layer"][0])
    w = result[f"{name}.weight"][0]
    if w.ndim == 2:
        side = result["example"].shape
        w = w.T.reshape(-1, *side)
    else:
        w = w[:, 0]
    w = w[:40]
    columns = min(10, len(w))
    rows = -(-len(w) // columns)
    figure = Figure(figsize=(1.1 * columns, 1.1 * rows + 0.6), layout="constrained")
    reach = np.abs(w).max()
    for k, axis in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axis.set_axis_off()
        if k < len(w):
            shown = axis.imshow(w[k], cmap="RdBu_r", vmin=-reach, vmax=reach)
    figure.colorbar(shown, ax=figure.axes, shrink=0.7, label="weight (thresholds)")
    figure.suptitle(f"{name}, first seed", fontsize=9)
    return figure


def confusion(result):
    """Which class is taken for which, all seeds together."""
    figure = Figure(figsize=(6, 5.2), layout="constrained")
    draw_confusion(figure.subplots(), result["confusion"].sum(axis=0))
    return figure


def _learning(axis, result):
    curves, passes = 100 * result["training"], np.arange(1, result["training"].shape[1] + 1)
    for i, row in enumerate(curves):
        axis.plot(passes, 100 - row[:, 1], "o-", ms=3, color=_BLUE, lw=1, label=None if i else "not strictly first")
        axis.plot(passes, row[:, 3], "o-", ms=3, color=_GREY, lw=1, label=None if i else "learnt from")
    test = 100 * (1 - result["accuracy"].mean())
    axis.axhline(test, color=_RED, lw=1, label=f"errors in the test, {test:.2f} %")
    axis.set(yscale="log", xlabel="pass", ylabel="training images (%)", xticks=passes[:: max(1, len(passes) // 10)])
    ticks = [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
    low = axis.get_ylim()[0]
    axis.set_yticks([t for t in ticks if t >= low], [f"{t:g}" for t in ticks if t >= low])
    axis.set_yticks([], minor=True)
    axis.legend(frameon=False)


def _activity(axis, result):
    curves = 100 * result["training"].mean(axis=0)
    passes = np.arange(1, len(curves) + 1)
    for k, name in enumerate(result["column"][4:]):
        axis.plot(passes, curves[:, 4 + k], marker="osv^D<>"[k % 7], ms=4, label=str(name))
    axis.set(ylim=(0, 100), xlabel="pass", ylabel="neurons that fire in an image (%)")
    axis.set_xticks(passes[:: max(1, len(passes) // 10)])
    axis.legend(frameon=False)


def _decisions(axis, result):
    first, t_max = result["output_time"].min(axis=2), result.parameters["t_max"]
    right = result["predictions"] == result["labels"]
    steps = np.arange(0, t_max + 1)
    given = [100 * (first <= t).mean() for t in steps]
    good = [100 * (right & (first <= t)).mean() for t in steps]
    axis.plot(steps, given, color=_GREY, label="answered")
    axis.plot(steps, good, color=_BLUE, label="answered, and right")
    wrong = first[~right & np.isfinite(first)]
    if wrong.size:
        axis.axvline(np.median(wrong), color=_RED, lw=1, ls="--", label="median wrong answer")
    axis.axvline(np.median(first), color=_GREEN, lw=1, ls="--", label="median answer")
    axis.set(xlabel="time (steps)", ylabel="test images (%)", ylim=(0, 100))
    axis.legend(frameon=False)


def _bears(axis, result):
    axis.plot(result["jitter"], 100 * result["accuracy_jitter"].mean(axis=0), "o-", color=_BLUE, label="jitter (steps)")
    noise = result["noise"] / 10
    axis.plot(noise, 100 * result["accuracy_noise"].mean(axis=0), "s-", color=_RED, label="noise (10 grey values)")
    axis.set(xlabel="jitter of input spikes, or noise in the pixels", ylabel="accuracy, first test images (%)")
    axis.set_ylim(0, 100)
    axis.legend(frameon=False)

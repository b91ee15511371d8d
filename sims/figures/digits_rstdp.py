"""Figures of the digits learnt by reward: learning curve, answers over time, features, confusion, who wins."""

import numpy as np
from matplotlib.figure import Figure

from .confusion import class_names, draw_confusion

__all__ = ["anytime", "confusion", "features", "learning", "overview"]

_GREEN, _RED, _GREY, _BLUE = "#009e73", "#d55e00", "#8c8c8c", "#0072b2"  # told apart by colour-blind eyes, too


def overview(result):
    """Accuracy beside the controls, learning, answers over time, who wins."""
    figure = Figure(figsize=(11, 7.2), layout="constrained")
    axes = figure.subplots(2, 2)
    _bars(axes[0, 0], result)
    _learning(axes[0, 1], result)
    _anytime(axes[1, 0], result)
    _wins(axes[1, 1], result)
    return figure


def learning(result):
    """Hits and misses among the training images, pass by pass."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    _learning(figure.subplots(), result)
    return figure


def anytime(result):
    """How right the network is if it must answer after each step."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    _anytime(figure.subplots(), result)
    return figure


def confusion(result):
    """Which digit is taken for which, all seeds together."""
    figure = Figure(figsize=(6, 5.2), layout="constrained")
    draw_confusion(figure.subplots(), result["confusion"].sum(axis=0), names=class_names(result))
    return figure


def features(result):
    """What the busiest maps of the deciding layer look for, traced back into the image; a row a class."""
    from ..experiments import load

    net = load(result.parameters["experiment"]).classifier(result, 0)
    classes, wins, names = result["map_label"][0], result["wins"][0, :, 0], class_names(result)
    n_classes, columns = int(classes.max()) + 1, min(8, net.per_class)
    figure = Figure(figsize=(1.1 * columns, 1.1 * n_classes), layout="constrained")
    axes = figure.subplots(n_classes, columns, squeeze=False)
    chosen = [np.flatnonzero(classes == k)[np.argsort(-wins[classes == k])][:columns] for k in range(n_classes)]
    patterns = net.patterns(np.concatenate(chosen))
    patterns -= patterns.mean(axis=0)  # what all have in common, such as the middle of the image, says nothing
    reach, place = np.abs(patterns).max(), 0
    for k in range(n_classes):
        for column in range(columns):
            axis = axes[k, column]
            axis.set_axis_off()
            if column < len(chosen[k]):
                axis.imshow(patterns[place], cmap="RdBu_r", vmin=-reach, vmax=reach)
                axis.set_title(f"{names[k]}: {wins[chosen[k][column]]}", fontsize=7)
                place += 1
    title = "what the busiest maps look for, against the mean (class: right answers in the last pass)"
    figure.suptitle(title, fontsize=9)
    return figure


def _bars(axis, result):
    names, values = ["trained"], [result["accuracy"]]
    if "control" in result:
        names += [str(c) for c in result["control"]]
        values += list(result["control_accuracy"])
    means = [100 * np.mean(v) for v in values]
    axis.barh(names[::-1], means[::-1], color=[_GREY] * (len(names) - 1) + [_BLUE])
    for i, v in enumerate(values[::-1]):
        axis.plot(100 * np.asarray(v), np.full(len(v), i), "k.", ms=4)
        axis.text(means[::-1][i] - 1, i, f"{means[::-1][i]:.1f} %", ha="right", va="center", color="white")
    axis.set(xlim=(0, 100), xlabel="test accuracy (%), a point a seed")


def _learning(axis, result):
    curves = 100 * result["training"]
    passes = np.arange(1, curves.shape[1] + 1)
    for row in curves:
        axis.plot(passes, row[:, 1], color=_RED, lw=1)
        axis.plot(passes, row[:, 2], color=_GREY, lw=1)
    axis.plot([], [], color=_RED, label="misses")
    axis.plot([], [], color=_GREY, label="silence")
    axis.set(yscale="symlog", ylim=(0, 100), xlabel="pass of the deciding layer", ylabel="training images (%)")
    axis.set_yticks([0, 1, 2, 5, 10, 20, 50, 100], ["0", "1", "2", "5", "10", "20", "50", "100"])
    axis.legend(frameon=False)


def _anytime(axis, result):
    steps, curves = result["step"] + 1, 100 * result["accuracy_at_step"]
    for row in curves:
        axis.plot(steps, row, color=_BLUE, lw=1, alpha=0.6)
    axis.plot(steps, curves.mean(axis=0), "o-", color=_BLUE, ms=4, label="if it answers now")
    axis.set(ylim=(0, 100), xlabel="time steps heard", ylabel="test accuracy (%)")
    axis.legend(frameon=False, loc="lower right")


def _wins(axis, result):
    wins, classes, names = result["wins"][0], result["map_label"][0], class_names(result)
    order = np.lexsort((-wins[:, 0], classes))
    x = np.arange(len(order))
    axis.bar(x, wins[order, 0], width=1.0, color=_GREEN, label="right")
    axis.bar(x, wins[order, 1], width=1.0, bottom=wins[order, 0], color=_RED, label="wrong")
    edges = np.flatnonzero(np.diff(classes[order])) + 0.5
    for edge in edges:
        axis.axvline(edge, color=_GREY, lw=0.5)
    middles = [x[classes[order] == k].mean() for k in np.unique(classes)]
    axis.set_xticks(middles, [names[k] for k in np.unique(classes)])
    axis.set(xlabel="maps of the deciding layer, by class", ylabel="answers in the last pass (first seed)")
    axis.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))  # above: few maps fill the panel

"""Figures of one-spike networks that learn by gradients: rasters, decision times, weights, learning, robustness."""

import numpy as np
from matplotlib.figure import Figure

from .confusion import draw_confusion
from .features import draw_grid

__all__ = ["confusion", "learning", "overview", "raster", "robustness", "weights"]

_GREEN, _RED, _GREY, _BLUE = "#009e73", "#d55e00", "#8c8c8c", "#0072b2"  # told apart by colour-blind eyes, too


def overview(result):
    """Accuracy beside the controls, learning, when decisions fall, accuracy against time and spikes."""
    figure = Figure(figsize=(11, 7.2), layout="constrained")
    axes = figure.subplots(2, 2)
    _bars(axes[0, 0], result)
    _learning(axes[0, 1], result)
    _decisions(axes[1, 0], result)
    _deadlines(axes[1, 1], result)
    return figure


def raster(result):
    """All spikes of some test images, first seed: input below, hidden neurons in the middle, outputs above."""
    shown = min(4, len(result["example.image"]))
    n_layers = sum(name.startswith("example.step") for name in result.arrays)
    figure = Figure(figsize=(3.2 * shown, 6.5), layout="constrained")
    axes = figure.subplots(1 + n_layers, shown, squeeze=False, height_ratios=[1.6, 1.8, *[2.4] * (n_layers - 2), 2.4])
    n_steps, classes = result.parameters["n_steps"], result["classes"]
    for i in range(shown):
        axes[0, i].imshow(result["example.image"][i], cmap="gray")
        axes[0, i].set_axis_off()
        first = int(result[f"example.step{n_layers - 1}"][i].min())
        for k in range(n_layers):
            axis, steps = axes[n_layers - k, i], result[f"example.step{k}"][i]
            live = np.flatnonzero(steps < n_steps)
            if k == n_layers - 1:
                axis.barh(range(len(steps)), steps, color=[_GREEN if s == first else _GREY for s in steps])
                axis.set_yticks(range(len(steps)), [str(c) for c in classes], fontsize=6)
            else:
                axis.plot(steps[live], live, ".", ms=2.5, color=_BLUE)
                axis.set_ylim(0, len(steps))
            axis.axvline(min(first, n_steps), color=_RED, lw=1)
            axis.set_xlim(0, n_steps)
            if i == 0:
                axis.set_ylabel("input" if k == 0 else "output at" if k == n_layers - 1 else f"hidden {k}")
            if k:
                axis.set_xticklabels([])
        axes[n_layers, i].set_xlabel("step (line: decision)")
    return figure


def weights(result):
    """Weights of hidden neurons in the plane of the image, those with the largest output weights, first seed."""
    from ..s4nn import classifier

    net = classifier(result)
    first, last, image = net.weights_[0].astype(float), net.weights_[-1].astype(float), result["example.image"][0]
    figure = Figure(figsize=(9, 5), layout="constrained")
    strong = np.argsort(-np.abs(last).max(axis=0)) if len(net.weights_) == 2 else np.arange(len(first))
    title = "weights of hidden neurons, each to its own scale: bright excites, dark inhibits"
    draw_grid(figure.subplots(), first[strong].reshape(-1, *image.shape), most=60, title=title)
    return figure


def confusion(result):
    """Which class is taken for which, all seeds together."""
    figure = Figure(figsize=(6, 5.2), layout="constrained")
    draw_confusion(figure.subplots(), result["confusion"].sum(axis=0))
    return figure


def learning(result):
    """Errors, and how many hidden neurons fire, pass by pass."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _learning(left, result)
    training = result["training"]
    measure = [str(m) for m in result["measure"]]
    passes = np.arange(1, training.shape[1] + 1)
    for row in training:
        right.plot(passes, 100 * row[:, measure.index("hidden_rate")], color=_BLUE, lw=1)
        right.plot(passes, 100 * row[:, measure.index("step")] / result.parameters["n_steps"], color=_GREY, lw=1)
    right.plot([], [], color=_BLUE, label="hidden neurons that fire")
    right.plot([], [], color=_GREY, label="decision, of T")
    right.set(xlabel="pass", ylabel="%", ylim=(0, 100))
    right.legend(frameon=False)
    return figure


def robustness(result):
    """Accuracy against jitter of the input spikes and noise of the pixels."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    labels = {"jitter": "jitter of input spikes (± steps)", "noise": "noise of pixels (sd, grey levels)"}
    for axis, (name, label) in zip(figure.subplots(1, 2), labels.items(), strict=True):
        curves = 100 * result[f"accuracy_with_{name}"]
        for row in curves:
            axis.plot(result[name], row, color=_BLUE, lw=1, alpha=0.6)
        axis.plot(result[name], curves.mean(axis=0), "o-", color=_BLUE, ms=4)
        axis.set(ylim=(0, 100), xlabel=label, ylabel="test accuracy (%)")
    return figure


def _bars(axis, result):
    names, values = ["by potential", "ties correct"], [result["accuracy"], result["accuracy_ties_correct"]]
    if "control" in result:
        names += [str(c) for c in result["control"]]
        values += list(result["control_accuracy"])
    means = [100 * np.mean(v) for v in values]
    axis.barh(names[::-1], means[::-1], color=[_GREY] * (len(names) - 2) + [_GREEN, _BLUE])
    for i, v in enumerate(values[::-1]):
        axis.plot(100 * np.asarray(v), np.full(len(v), i), "k.", ms=4)
        side, colour, by = ("left", "black", 1.5) if means[::-1][i] < 20 else ("right", "white", -1.5)
        axis.text(means[::-1][i] + by, i, f"{means[::-1][i]:.1f} %", ha=side, va="center", color=colour)
    axis.set(xlim=(0, 100), xlabel="test accuracy (%), a point a seed")


def _learning(axis, result):
    training = result["training"]
    measure = [str(m) for m in result["measure"]]
    passes = np.arange(1, training.shape[1] + 1)
    lines = {"right": (_BLUE, "while learning, by potential"), "right_ties": (_GREEN, "ties correct")}
    lines["validation"] = (_RED, "validation part, by potential")
    for name, (colour, label) in lines.items():
        curves = 100 * (1 - training[:, :, measure.index(name)])
        if np.isfinite(curves).any():
            axis.plot(passes, curves.T, color=colour, lw=1)
            axis.plot([], [], color=colour, label=label)
    axis.set(yscale="log", xlabel="pass", ylabel="errors (%)")
    axis.set_yticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    axis.legend(frameon=False)


def _decisions(axis, result):
    n_steps = result.parameters["n_steps"]
    steps, right = result["decision_step"].ravel(), (result["predictions"] == result["labels"]).ravel()
    bins = np.linspace(0, n_steps, min(n_steps, 64) + 1)
    for chosen, colour, label in ((right, _GREEN, "right"), (~right, _RED, "wrong")):
        axis.hist(steps[chosen & (steps < n_steps)], bins, color=colour, alpha=0.75, label=label)
    silent = (steps >= n_steps).mean()
    axis.set(xlabel=f"step of the decision ({silent:.1%} without output spike)", ylabel="test images", yscale="log")
    axis.legend(frameon=False)


def _deadlines(axis, result):
    deadline, curves = result["deadline"], 100 * result["accuracy_at_deadline"]
    for row in curves:
        axis.plot(deadline, row, color=_BLUE, lw=1, alpha=0.6)
    axis.plot(deadline, curves.mean(axis=0), "o-", color=_BLUE, ms=3)
    axis.set(ylim=(0, 100), xlabel="the network must answer after this step", ylabel="test accuracy (%)")
    spikes = result["spikes_at_deadline"].mean(axis=0)
    above = axis.secondary_xaxis("top")
    places = np.unique(np.linspace(0, len(deadline) - 1, 7).astype(int))
    above.set_xticks(deadline[places], [f"{spikes[k]:.0f}" for k in places])
    above.set_xlabel("mean spikes until then")

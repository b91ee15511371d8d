"""Figures of learned delays: accuracies beside the controls, delays before and after, arrivals, learning, confusion."""

import numpy as np
from matplotlib.figure import Figure

from .confusion import class_names, draw_confusion

__all__ = ["arrivals", "confusion", "delays", "learning", "overview"]

_COLOURS = {"soft": "#0072b2", "rounded": "#8c8c8c", "refit": "#009e73"}  # told apart by colour-blind eyes, too
_ORANGE = "#d55e00"
_NAMES = {"none": "no delays", "fixed": "fixed random delays", "learned": "learned delays"}


def overview(result):
    """Accuracies beside the controls, learning curve, delays of the first layer, its strongest synapses."""
    figure = Figure(figsize=(11, 7.2), layout="constrained")
    axes = figure.subplots(2, 2)
    _bars(axes[0, 0], result)
    _learning(axes[0, 1], result)
    kind = _kind(result)
    _histogram(axes[1, 0], result, kind, 1)
    _signed(axes[1, 1], result, kind, 1)
    return figure


def delays(result):
    """Delays of each layer, before and after learning; weights against delays."""
    kind = _kind(result)
    layers = _layers(result, kind)
    figure = Figure(figsize=(9, 2.8 * len(layers)), layout="constrained")
    axes = figure.subplots(len(layers), 2, squeeze=False)
    for row, layer in zip(axes, layers, strict=True):
        _histogram(row[0], result, kind, layer)
        _signed(row[1], result, kind, layer)
    return figure


def arrivals(result):
    """A test sample of a class and one of another: spikes when they leave, when they arrive at one hidden neuron.

    Neuron and class are those whose input peaks highest above that of the other classes.
    """
    from ..experiments import load, parameters_of

    module, kind = load(result.parameters["experiment"]), _kind(result)
    data, net = module.load_samples(parameters_of(result)), module.classifier(result, 0, kind)
    x, y = data.test_X[:400], data.test_y[:400]
    activity = net.activity(x)
    drive, spikes = activity["layer1.delay"], activity["layer1.spike"]
    peaks = drive.max(axis=1)  # (samples, neurons)
    classes = np.unique(y)
    above = np.array([peaks[y == c].mean(axis=0) - peaks[y != c].mean(axis=0) for c in classes])
    c, neuron = np.unravel_index(above.argmax(), above.shape)
    p = net.soft_ if net.refit_ is None else net.refit_
    weights, lag = p["layer1.weight"][neuron, :, 0], np.round(net.synapse_delays()[0][neuron, :, 0] / net.dt)
    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey="row")
    for row, label in zip(axes, (classes[c], classes[c - 1]), strict=True):
        mine = np.flatnonzero(y == label)
        one = mine[np.argsort(peaks[mine, neuron])[len(mine) // 2]]  # the median sample
        row[0].set_ylabel(f"class {data.names[label]}\ninput channel")
        _one_sample(row, x[one], weights, lag, drive[one, :, neuron], spikes[one, :, neuron])
    for axis in axes[1]:
        axis.set_xlabel(f"time (steps of {1e3 * net.dt:g} ms)")
    axes[0, 0].set_title("when input spikes leave", fontsize=9)
    axes[0, 1].set_title(
        f"when they arrive at neuron {neuron} (blue excites, orange inhibits; line: their sum)", fontsize=9
    )
    return figure


def learning(result):
    """Training loss and hits, pass by pass, every kind of delays."""
    figure = Figure(figsize=(6.5, 4.2), layout="constrained")
    _learning(figure.subplots(), result)
    return figure


def confusion(result):
    """Which class is taken for which by the last network, all seeds together."""
    figure = Figure(figsize=(6, 5.2), layout="constrained")
    k = list(result["kind"]).index(_kind(result))
    draw_confusion(figure.subplots(), result["confusion"][k].sum(axis=0), names=class_names(result))
    return figure


def _kind(result):
    """Learned delays if there are any, else the last kind."""
    kinds = [str(k) for k in result["kind"]]
    return "learned" if "learned" in kinds else kinds[-1]


def _layers(result, kind):
    n = 1
    while f"{kind}.soft.layer{n + 1}.weight" in result:
        n += 1
    return range(1, n + 1)


def _bars(axis, result):
    names, rows = [], []
    for k, kind in enumerate(str(k) for k in result["kind"]):
        stages = ("soft", "rounded", "refit") if kind == "learned" else ("soft",)
        for stage in stages:
            names.append(f"learned: {stage}" if kind == "learned" else _NAMES[kind])
            rows.append((100 * result[f"accuracy_{stage}"][k], _COLOURS[stage] if kind == "learned" else _ORANGE))
    for i, (values, colour) in enumerate(rows[::-1]):
        mean, sd = values.mean(), values.std(ddof=1) if values.size > 1 else 0.0
        axis.barh(i, mean, color=colour, xerr=sd if sd else None, error_kw={"elinewidth": 1, "capsize": 3})
        axis.plot(values, np.full(values.size, i), "k.", ms=4)
        axis.text(
            *((2, i) if mean > 25 else (mean + 3, i)),
            f"{mean:.1f} %",
            va="center",
            color="white" if mean > 25 else "black",
        )
    axis.set_yticks(range(len(names)), names[::-1])
    axis.axvline(100 / len(result["class_name"]), color="black", lw=0.8, ls=":", label="chance")
    axis.set(xlim=(0, 100), xlabel="test accuracy (%), a point a seed")
    axis.legend(frameon=False, loc="upper right", fontsize=8)


def _learning(axis, result):
    styles = {"learned": _COLOURS["soft"], "fixed": _ORANGE, "none": _COLOURS["rounded"]}
    for kind in (str(k) for k in result["kind"]):
        curves = 100 * result[f"{kind}.right"]
        x = np.arange(1, curves.shape[1] + 1)
        for row in curves:
            axis.plot(x, row, color=styles[kind], lw=0.8, alpha=0.5)
        axis.plot(x, curves.mean(axis=0), color=styles[kind], lw=2, label=_NAMES[kind])
        first = int(result[f"{kind}.passes_soft"])
        if kind == "learned" and first < curves.shape[1]:
            axis.axvline(first + 0.5, color="black", lw=0.8, ls=":")
            axis.text(first + 0.6, 2, "refit", fontsize=8)
    axis.set(ylim=(0, 101), xlabel="pass", ylabel="training samples right (%)")
    axis.legend(frameon=False, loc="center right", bbox_to_anchor=(1.0, 0.38))


def _delays_of(result, kind, stage, layer):
    return 1e3 * result[f"{kind}.{stage}.layer{layer}.delay"][0].ravel()


def _histogram(axis, result, kind, layer):
    before, after = (_delays_of(result, kind, stage, layer) for stage in ("first", "soft"))
    axis.set(xlabel="delay (ms)", ylabel="synapses", title=f"layer {layer}, first seed")
    if kind == "none":
        axis.text(0.5, 0.5, "no delays", ha="center", transform=axis.transAxes)
        return
    step = 1e3 * result.parameters["dt"]
    edges = np.arange(-0.5, result.parameters["max_delay"] + 0.5) * step
    axis.hist(before, edges, color="#cccccc", label="before learning")
    axis.hist(after, edges, histtype="step", color=_COLOURS["soft"], lw=1.5, label="after")
    axis.legend(frameon=False, fontsize=8)


def _signed(axis, result, kind, layer):
    """Synapses by delay and weight, after learning."""
    after = _delays_of(result, kind, "soft", layer)
    weights = result[f"{kind}.soft.layer{layer}.weight"][0].ravel()
    axis.set(xlabel="delay (ms)", ylabel="weight", title=f"layer {layer}: learnt synapses")
    if kind == "none":
        axis.hist(weights, 50, color=_COLOURS["soft"])
        axis.set(xlabel="weight", ylabel="synapses")
        return
    shown = slice(None) if weights.size <= 4000 else slice(None, None, weights.size // 4000)
    axis.scatter(after[shown], weights[shown], s=5, lw=0, alpha=0.6, color=_COLOURS["soft"])
    axis.axhline(0, color="black", lw=0.5)


def _one_sample(axes, x, weights, lag, drive, spikes):
    step, channel = np.nonzero(x)
    axes[0].scatter(step, channel, s=14, color="black", lw=0)
    size = np.abs(weights[channel]) / np.abs(weights).max()
    colours = np.where(weights[channel] > 0, _COLOURS["soft"], _ORANGE)
    axes[1].scatter(step + lag[channel], channel, s=4 + 40 * size, color=colours, lw=0)
    sums = axes[1].twinx()
    sums.plot(np.arange(len(drive)), drive, color=_COLOURS["rounded"], lw=1)
    sums.plot(np.flatnonzero(spikes), drive[spikes > 0], "|", color=_COLOURS["refit"], ms=14, mew=2)
    reach = 1.1 * max(np.abs(weights).sum() / 2, np.abs(drive).max())
    sums.set(ylim=(-reach, reach), ylabel="input; green: spikes")

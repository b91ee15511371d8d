"""Figures of a trained digit network, from its Result alone (first seed).

overview    features of each layer, accuracy beside its controls, confusion
features    what the maps of each layer have learnt, traced back into the image
confusion   which class is taken for which
learning    mean of w (1 - w) against images shown, histogram of the weights
health      is each layer learning well? numbers, advice, spikes at each stage
"""

import numpy as np
from matplotlib.figure import Figure

from .confusion import draw_confusion
from .features import draw_grid

__all__ = ["confusion", "features", "health", "learning", "overview"]

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "0.6"


def _patterns(result):
    """Back-projected maps (F, h, w) of each layer of the first seed."""
    from ..digits import network
    from ..experiments import parameters_of

    params = parameters_of(result)
    layers = range(len(params.maps))
    net = network(params).set_weights([result[f"conv{i + 1}.weight"][0] for i in layers])
    return [net.patterns(i) for i in layers]


def _draw_features(axes, result):
    for i, (ax, patterns) in enumerate(zip(axes, _patterns(result), strict=True)):
        draw_grid(ax, patterns, title=f"layer {i + 1}")


def _draw_scores(ax, result):
    """Accuracy of the trained network and of the controls, with the spread over seeds."""
    names, scores = ["trained"], [result["accuracy"]]
    if "control" in result:
        names += list(result["control"])
        scores += list(result["control_accuracy"])
    means = [float(np.mean(s)) for s in scores]
    spread = [float(np.std(s, ddof=1)) if len(s) > 1 else 0.0 for s in scores]
    places = np.arange(len(names))[::-1]
    ax.barh(places, means, xerr=spread if any(spread) else None, color=[VERMILION] + [GREY] * (len(names) - 1))
    for place, mean in zip(places, means, strict=True):
        ax.text(0.01, place, f"{mean:.1%}", va="center", ha="left", fontsize=8, color="white")
    ax.set_yticks(places, [n.replace("_", " ") for n in names], fontsize=8)
    ax.set(xlim=(0, 1), xlabel="test accuracy")


def _draw_convergence(ax, result):
    for i, layer in enumerate(result["layer"]):
        history = result[f"conv{layer}.convergence"].T
        ax.plot(result[f"seen{layer}"], history, color=(BLUE, VERMILION, GREY)[i % 3], lw=1, label=f"layer {layer}")
    handles, labels = ax.get_legend_handles_labels()
    kept = dict(zip(labels, handles, strict=True))
    ax.legend(kept.values(), kept.keys(), fontsize=8, frameon=False)
    ax.set(yscale="log", xlabel="images shown", ylabel="mean of w (1 - w)")


def overview(result):
    """Everything at a glance."""
    fig = Figure(figsize=(10, 7.5), layout="constrained")
    grid = fig.add_gridspec(2, 2, height_ratios=(1.1, 1))
    n_layers = len(result["layer"])
    top = grid[0, :].subgridspec(1, n_layers)
    _draw_features([fig.add_subplot(top[0, i]) for i in range(n_layers)], result)
    bottom = grid[1, :].subgridspec(1, 3, width_ratios=(1.1, 1, 1))
    _draw_scores(fig.add_subplot(bottom[0, 0]), result)
    draw_confusion(fig.add_subplot(bottom[0, 1]), result["confusion"][0], "test samples")
    _draw_convergence(fig.add_subplot(bottom[0, 2]), result)
    return fig


def features(result):
    """What the maps have learnt."""
    n_layers = len(result["layer"])
    fig = Figure(figsize=(5 * n_layers, 4), layout="constrained")
    _draw_features([fig.add_subplot(1, n_layers, i + 1) for i in range(n_layers)], result)
    return fig


def confusion(result):
    """The confusion table."""
    fig = Figure(figsize=(5, 4.6), layout="constrained")
    accuracy = float(result["accuracy"][0])
    draw_confusion(fig.add_subplot(), result["confusion"][0], f"{accuracy:.2%} of {len(result['labels'])} right")
    return fig


def learning(result):
    """Convergence and final weights."""
    fig = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = fig.subplots(1, 2)
    _draw_convergence(left, result)
    for i, layer in enumerate(result["layer"]):
        weights = result[f"conv{layer}.weight"][0].reshape(-1)
        share = np.full(weights.size, 1 / weights.size)
        right.hist(
            weights,
            np.linspace(0, 1, 41),
            weights=share,
            histtype="step",
            color=(BLUE, VERMILION, GREY)[i % 3],
            label=f"layer {layer}",
        )
    right.set(xlabel="weight", ylabel="share of synapses", yscale="log")
    right.legend(fontsize=8, frameon=False)
    return fig


def health(result):
    """Numbers of each layer (bars: shares), what they advise, and the spikes of an image at each stage."""
    from ..measures.health import advice

    p = result.parameters
    shares = ("dead_maps", "win_share", "saturation", "without_winner")
    n_layers = len(result["layer"])
    fig = Figure(figsize=(4 * (n_layers + 1), 3.2), layout="constrained")
    axes = fig.subplots(1, n_layers + 1)
    keys = [name for name in result.arrays if name.startswith("health.")]
    for i, ax in enumerate(axes[:-1]):
        numbers = {k.removeprefix("health."): float(result[k][:, i].mean()) for k in keys}
        values = [numbers[k] / (p["maps"][i] if k == "dead_maps" else 1) for k in shares]
        places = range(len(shares))[::-1]
        ax.barh(places, values, color=BLUE)
        for place, value in zip(places, values, strict=True):
            ax.text(1.02, place, f"{value:.1%}", va="center", fontsize=8)
        ax.set_yticks(places, [k.replace("_", " ") for k in shares], fontsize=8)
        step = f"winners at step {numbers['mean_step']:.1f}, w(1-w) {numbers['convergence']:.2g}"
        ax.set(xlim=(0, 1.2), xlabel=f"share\n{step}")
        ax.set_title(f"layer {i + 1}: {advice(numbers, p['maps'][i], p['epochs'][i])}", fontsize=9)
    stages = list(result["stage"])
    axes[-1].bar(range(len(stages)), result["spikes"].mean(axis=0), color=VERMILION)
    axes[-1].set_xticks(range(len(stages)), stages, fontsize=8)
    axes[-1].set(ylabel="spikes an image")
    return fig

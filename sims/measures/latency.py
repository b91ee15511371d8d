"""What is read off a trained network of one-spike layers: both tie rules, cost, deadlines, jitter and noise, examples.

Jitter adds to the time of each input spike a whole number drawn from -J..J (times stay in 0..T); noise adds to each
pixel a normal number of standard deviation S grey levels (values are rounded, and stay in 0..G).
"""

import time

import numpy as np

from ...runtime import rng
from .confusion import scores

__all__ = ["add_networks", "jittered", "look", "noisy", "numbers"]

_PROBE = 2000  # test images under noise and with deadlines
_EXAMPLES = 8
_JITTER = (0.0, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2)  # of T
_NOISE = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)  # of the largest grey level
_DEADLINES = 24


def jittered(times, reach, n_steps, seed):
    """Time maps (N, I) whose spikes have moved by up to `reach` steps; who is silent stays silent."""
    moves = np.floor((2 * reach + 1) * rng.uniforms(seed, f"jitter/{reach}", np.shape(times))).astype(np.int64) - reach
    return np.where(times < n_steps, np.clip(times + moves, 0, n_steps), times)


def noisy(images, sd, largest, seed):
    """Images with normal noise of `sd` grey levels."""
    moved = images + sd * rng.normals(seed, f"noise/{sd}", np.shape(images))
    return np.clip(np.round(moved), 0, largest).astype(np.uint16 if largest > 255 else np.uint8)


def look(net, data, seed, fit):
    """Score a fitted network on the test part; what is found goes into the mapping `fit`."""
    from ...plasticity.waves.dense import fire, latency, sort_spikes

    labels, started = net._indices(data.test_labels), time.perf_counter()
    found = net.decide(data.test_images)
    fit["images_per_second"] = len(labels) / (time.perf_counter() - started)
    fit["trained"] = net.classes_[found.answer]
    fit["ties_correct"] = found.right(labels, ties=True).mean()
    fit["step"] = found.step.astype(np.int32)
    fit["spikes"] = found.spikes.mean(0)
    fit["silent_tied"] = [found.silent.mean(), found.tied.mean()]
    images, labels, t = data.test_images[:_PROBE], data.test_labels[:_PROBE], net.n_steps
    deadlines = np.unique(np.linspace(0, t - 1, min(_DEADLINES, t)).astype(int))
    right, spikes = net.anytime(images, labels, deadlines)
    fit["deadline"] = np.stack([deadlines, right, spikes])
    times = latency(images, t, net.largest)
    levels = [int(share * t) for share in _JITTER]
    moved = [net.decide(sort_spikes(jittered(times, reach, t, seed), t)) for reach in levels]
    fit["jittered"] = [levels, [d.right(net._indices(labels)).mean() for d in moved]]
    levels = [share * net.largest for share in _NOISE]
    fit["noisy"] = [levels, [net.score(noisy(images, sd, net.largest, seed), labels) for sd in levels]]
    chosen = [int(np.flatnonzero(data.test_labels == c)[0]) for c in net.classes_ if (data.test_labels == c).any()]
    chosen = chosen[:_EXAMPLES]
    layers = [times_of(latency(data.test_images[chosen], t, net.largest), t)]
    for weights, limit in zip(net.weights_, net.limits_, strict=True):
        layers.append(fire(layers[-1], weights, limit, t).astype(np.int32))
    for k, layer in enumerate(layers):
        fit[f"example{k}"] = layer
    fit["chosen"] = chosen


def times_of(times, n_steps):
    """Time maps as int32."""
    return np.minimum(times, n_steps).astype(np.int32)


def add_networks(result, nets, fits, data):
    """Put weights, learning curves, cost, robustness and examples of all seeds into a Result."""
    from ...plasticity.learners.bs4nn import pack_bits
    from ...plasticity.learners.latency import HISTORY

    net, n_layers = nets[0], len(nets[0].sizes_) - 1
    result.add("classes", np.asarray(net.classes_, np.int64), ("class",), "1", "labels of the outputs")
    result.add("layer1.inputs", np.array(net.sizes_[0]), (), "1", "pixels")
    for k in range(n_layers):
        head, dims = f"layer{k + 1}", ("seed", f"neuron{k + 1}", f"neuron{k}" if k else "pixel")
        weights = [n.weights_[k] for n in nets]
        if hasattr(net, "scales_"):
            bits = np.array([pack_bits(w) for w in weights])
            result.add(f"{head}.bits", bits, (*dims[:2], f"byte{k + 1}"), "1", "signs, eight a byte, a set bit is +1")
        else:
            result.add(f"{head}.weight", np.array(weights), dims, "1", f"synaptic weights of layer {k + 1}")
    if hasattr(net, "scales_"):
        scales = np.array([n.scales_ for n in nets])
        result.add("scales", scales, ("seed", "layer"), "1", "a synapse weighs this, with its sign")
    result.add("accuracy_ties_correct", fits.all("ties_correct"), ("seed",), "1", "right, or fired with the first")
    result.add("decision_step", fits.all("step"), ("seed", "test"), "steps", "first output spike, T = none")
    stages = ["input", *(f"hidden{k + 1}" for k in range(n_layers - 1))]
    result.add("stage", np.array(stages), ("stage",), "1", "where spikes are counted")
    result.add("spikes", fits.all("spikes"), ("seed", "stage"), "1", "mean spikes of a test image before the decision")
    result.add("outcome", np.array(["silent", "tied"]), ("outcome",), "1", "decisions that are not by one first spike")
    result.add("unclear", fits.all("silent_tied"), ("seed", "outcome"), "1", "share of the test images")
    result.add("measure", np.array(HISTORY), ("measure",), "1", "of a pass")
    result.add("training", np.array([n.history_ for n in nets]), ("seed", "pass", "measure"), "1", "see measure")
    n = min(_PROBE, len(data.test_labels))
    deadline = fits.all("deadline")
    result.add("deadline", deadline[0, 0], ("deadline",), "steps", "the network must answer after this step")
    result.add("accuracy_at_deadline", deadline[:, 1], ("seed", "deadline"), "1", f"first {n} test images")
    result.add("spikes_at_deadline", deadline[:, 2], ("seed", "deadline"), "1", "mean spikes of an image until then")
    for name, unit in (("jitter", "steps"), ("noise", "grey levels")):
        values = fits.all("jittered" if name == "jitter" else "noisy")
        result.add(name, values[0, 0], (name,), unit, f"{name} of the input")
        result.add(f"accuracy_with_{name}", values[:, 1], ("seed", name), "1", f"first {n} test images")
    first = next(iter(fits))
    result.add("example.image", data.test_images[first["chosen"]], ("example", "row", "column"), "1", "test images")
    for k in range(n_layers + 1):
        dims = ("example", f"neuron{k}" if k else "pixel")
        result.add(f"example.step{k}", first[f"example{k}"], dims, "steps", "their spikes, first seed, T = silent")
    advice = [str(n.health_["advice"]) for n in nets]
    result.add("health.advice", np.array(advice), ("seed",), "1", "what to do about the network")
    collapsed = np.array([bool(n.health_.get("collapsed")) for n in nets])
    result.add("health.collapsed", collapsed.astype(np.uint8), ("seed",), "1", "nearly all neurons fire at once")


def numbers(result) -> dict:
    """The summary of a result."""
    p, training = result.parameters, result["training"]
    measure = [str(m) for m in result["measure"]]
    out = scores(result, p["n_train"] - p["n_validation"])
    out |= {
        "accuracy_ties_correct": float(result["accuracy_ties_correct"].mean()),
        "mean_decision_step": float(result["decision_step"].mean()),
        "mean_spikes": float(result["spikes"].sum(axis=1).mean()),
    }
    out |= dict(zip(("silent", "tied"), result["unclear"].mean(axis=0).tolist(), strict=True))
    out["spikes"] = dict(zip(map(str, result["stage"]), result["spikes"].mean(axis=0).tolist(), strict=True))
    if training.shape[1]:
        last = training[:, -1].mean(axis=0)
        out["last_pass"] = {m: float(v) for m, v in zip(measure, last, strict=True) if np.isfinite(v)}
    if "scales" in result:
        out["scales"] = result["scales"].mean(axis=0).tolist()
    for name in ("jitter", "noise"):
        values = result[f"accuracy_with_{name}"].mean(axis=0).tolist()
        out[f"accuracy_with_{name}"] = {f"{x:g}": v for x, v in zip(result[name], values, strict=True)}
    return out | {"collapsed": int(result["health.collapsed"].sum()), "health": str(result["health.advice"][0])}

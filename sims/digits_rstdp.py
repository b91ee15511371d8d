"""A network of one-spike neurons learns to name digits by reward: no other classifier, the first spike is the answer.

Two layers learn by STDP without labels; the third learns by reward-modulated STDP, one winner an image. What is
measured: accuracy on the test part (the last pass counts; nothing is chosen on it), confusion, spikes of an image, how
right the network would be if it had to answer after each time step, and learning health.

With a `target` there are two answers, this digit or any other: as many images of each are kept. The preset `target` is
such a task for a deciding layer of few maps right behind the first layer: they look for what tells the digit apart, if
they learn by reward, or for what is frequent, if by STDP (``reward=no``).

Controls: `untrained`, the deciding layer as it began; `permuted`, its synapses in a random order inside each map.

References: Mozafari, Ganjtabesh, Nowzari-Dalini, Thorpe & Masquelier (2019) Pattern Recognition 94:87,
doi 10.1016/j.patcog.2019.05.015; the authors' program: Mozafari et al. (2019) Front. Neurosci. 13:625,
doi 10.3389/fnins.2019.00625.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import ClassVar

from ..datasets.catalog import CATALOG
from ..plasticity.learners.rstdp_params import RSTDPParams
from ..runtime.params import param
from .digits import inputs, preset_for

__all__ = [
    "FIGURES",
    "PRESETS",
    "DigitsRSTDP",
    "classifier",
    "expected",
    "figure",
    "inputs",
    "load_part",
    "memory",
    "network",
    "preset_for",
    "simulate",
    "summary",
]

TITLE = "Digits by reward: a deep one-spike network that answers by its first spike"
REFERENCES = "doi:10.1016/j.patcog.2019.05.015; doi:10.3389/fnins.2019.00625"
DEVICES = ("cpu", "cuda")  # cuda: answers and frozen layers, the same bits
FIGURES = ("overview", "confusion", "features", "anytime", "learning")


@dataclass
class DigitsRSTDP(RSTDPParams):
    """The network's parameters and the data. The first weights come from the run's seeds."""

    random_state: ClassVar[int] = 0  # not a parameter here

    data: str = param("mnist", "data set (`firstspike data list`), or a folder of your own images", option=True)
    n_train: int = param(60_000, "training images (the first ones)", low=10, option=True)
    n_test: int = param(10_000, "test images (the first ones)", low=1, option=True)
    epochs: int = param(  # type: ignore[assignment]
        40, "passes of the deciding layer over the training images (published: 680)", low=0, option=True
    )
    controls: bool = param(True, "also score the deciding layer untrained and with permuted synapses", option=True)
    target: int | None = param(None, "label to tell from all others (answers 1, 0); none = name each label", low=0)

    def validate(self):
        """Rules across fields; ValueError says which one is broken."""
        super().validate()
        if self.data not in CATALOG and not Path(self.data).exists():
            raise ValueError(f"data must be one of {', '.join(CATALOG)}, or a folder or archive; got {self.data!r}")


_SMALL = DigitsRSTDP(  # one small STDP layer for the 8x8 digits that come with scikit-learn
    filter_sizes=(3,),
    filter_scales=(0.5,),
    filter_padding=1,
    filter_threshold=20.0,
    norm_radius=2,
    bins="equal",
    maps=(32,),
    kernels=(3,),
    paddings=(1,),
    thetas=(3.0,),
    pool_sizes=(2,),
    pool_strides=(2,),
    pool_paddings=(0,),
    winners=(5,),
    radii=(1,),
    doubling=(500,),
    inhibit_inputs=(False,),
    stop_at=(0.0,),
    feature_epochs=(4,),
    kernel=4,
    padding=0,
    block=500,
    shuffle=True,
    data="digits",
    n_train=1297,
    n_test=500,
)

_MNIST = DigitsRSTDP()

PRESETS = {
    "mnist": _MNIST,
    "mozafari2019": DigitsRSTDP(epochs=680),
    "digits": _SMALL,
    "quick": DigitsRSTDP(n_train=5_000, n_test=2_000, epochs=10),
    "target": DigitsRSTDP(
        target=3,
        **{name: getattr(_MNIST, name)[:1] for name in RSTDPParams.MAY_BE_EMPTY},  # the first layer only
        per_class=1,
        kernel=15,
        padding=2,
        epochs=10,
    ),
}

#: test accuracy: published (paper), and that of the authors' later program as run by a user
_PUBLISHED = {"mozafari2019": 0.972}


def network(params: DigitsRSTDP, **changes):
    """An unfitted RSTDP with these parameters and `changes`, such as ``random_state``."""
    from ..plasticity.learners.rstdp import RSTDP

    values = {f.name: getattr(params, f.name) for f in fields(RSTDPParams) if f.name != "random_state"}
    return RSTDP(**(values | changes))


def memory(params: DigitsRSTDP, n_seeds: int) -> int:
    """Bytes that a run needs, roughly: time maps of each stage and the deciding layer's potentials."""
    p, side = params, 8 if params.data == "digits" else 28
    maps, c = side * side * (2 * len(p.filter_sizes) + 1), 2 * len(p.filter_sizes)
    for i in range(len(p.maps)):
        side += 2 * p.paddings[i] - p.kernels[i] + 1
        side = (side + 2 * p.pool_paddings[i] - p.pool_sizes[i]) // p.pool_strides[i] + 1
        maps, c = maps + p.maps[i] * side * side, p.maps[i]
    decide = (side + 2 * p.padding - p.kernel + 1) ** 2 * 4 * 10 * p.per_class if p.theta is None else 0
    return int(
        p.n_train * (5 if p.shifts else 1) * (maps + c * side * side + decide)
        + n_seeds * 40 * p.per_class * c * p.kernel**2
    )


def load_part(params: DigitsRSTDP, data: str, part: str, n: int | None = None):
    """Images uint8 (N, H, W), labels (N,) and names of the classes, of one part: of its first `n` images.

    With a target these are all images of it and as many others (every k-th of them), in their order.
    """
    import numpy as np

    from ..datasets import load

    images, labels = load(data, part, n)
    if params.target is None:
        return images, labels, [str(k) for k in range(int(labels.max()) + 1)]
    found, others = np.flatnonzero(labels == params.target), np.flatnonzero(labels != params.target)
    if not (len(found) and len(others)):
        raise ValueError(f"target must be one of several labels of the {part} part, got {params.target}")
    n_each = min(len(found), len(others))
    found, others = (those[np.arange(n_each) * len(those) // n_each] for those in (found, others))
    kept = np.sort(np.concatenate([found, others]))
    return images[kept], (labels[kept] == params.target).astype(labels.dtype), ["other", str(params.target)]


def simulate(params: DigitsRSTDP, run):
    """Train and score over the seeds of `run`; a Result."""
    import numpy as np

    from .training import Data

    parts = [load_part(params, params.data, part, getattr(params, f"n_{part}")) for part in ("train", "test")]
    result = run_all(params, Data(params.data, *parts[0][:2], *parts[1][:2]), run, TITLE, REFERENCES)
    if params.target is not None:
        result.add("class_name", np.array(parts[0][2]), ("true_class",), "1", "name of each class")
    return result


def run_all(params, data, run, title, references):
    """What :func:`simulate` does, with these data."""
    import numpy as np

    from ..runtime.results import Result
    from . import training
    from .fits import Fits, add_seconds

    fits = Fits(run, [f"seed {seed}" for seed in run.seeds])
    nets = [_fit(params, data, fit, seed) for fit, seed in zip(fits, run.seeds, strict=True)]
    result = Result("training", title, references)
    variants = ("trained", "untrained", "permuted") if params.controls else ("trained",)
    training.add_answers(result, fits, variants, data, run.seeds)
    result.add("n_train", np.array(len(data.train_labels)), (), "1", "training images")
    _add_networks(result, nets, fits, data, params)
    add_seconds(result, fits)
    return result


_ANYTIME = 2000  # test images whose answers are looked at after every step
_PROBE = 1000  # test images whose spikes are counted


def _fit(params, data, fit, seed):
    """Fit, test and control one network."""
    from ..plasticity.learners.sdnn import permute_synapses

    net = fit(network(params, random_state=seed), data.train_images, data.train_labels)
    if "steps" not in fit:
        fit["trained"] = fit.answers(net.predict, data.test_images)
        said = net.predict_steps(data.test_images[:_ANYTIME])
        fit["steps"] = (said == data.test_labels[:_ANYTIME, None]).mean(axis=0)
        fit.tick(0.99, "accuracy over time")
    if params.controls and "permuted" not in fit:
        trained = net.weights_
        for name, weights in (
            ("untrained", net.first_weights()),
            ("permuted", permute_synapses(trained, seed, "permute/decision")),
        ):
            net.weights_ = weights
            fit[name] = fit.answers(net.predict, data.test_images)
        net.weights_ = trained
        fit.tick(1.0, "controls")
    return net


def _add_networks(result, nets, fits, data, params):
    """Weights, learning curves, health and spikes of each seed's network."""
    import numpy as np

    n_layers = len(params.maps)
    for i in range(n_layers):
        layer = i + 1
        dims = ("seed", f"map{layer}", "input" if i == 0 else f"map{i}", f"row{layer}", f"column{layer}")
        weights = np.array([net.features_.weights_[i] for net in nets])
        result.add(f"conv{layer}.weight", weights, dims, "1", f"synaptic weights of layer {layer}")
    layer = n_layers + 1
    dims = ("seed", f"map{layer}", f"map{n_layers}" if n_layers else "input", f"row{layer}", f"column{layer}")
    result.add(f"conv{layer}.weight", np.array([n.weights_ for n in nets]), dims, "1", "weights of the deciding layer")
    labels = np.array([n.classes_[n.map_classes_] for n in nets])
    result.add("map_label", labels, ("seed", f"map{layer}"), "1", "label that each map of the deciding layer answers")
    wins = np.array([n.wins_ for n in nets])
    result.add("outcome", np.array(["right", "wrong"]), ("outcome",), "1", "of an answer")
    result.add("wins", wins, ("seed", f"map{layer}", "outcome"), "1", "answers of each map in the last pass")
    history = np.array([n.history_ for n in nets])
    result.add("answer", np.array(["hit", "miss", "silence"]), ("answer",), "1", "what became of an image")
    result.add("training", history, ("seed", "pass", "answer"), "1", "share of the training images during each pass")
    result.add("step", np.arange(params.n_steps), ("step",), "1", "last time step that was heard")
    n = min(_ANYTIME, len(data.test_labels))
    text = f"accuracy after it, first {n} test images"
    result.add("accuracy_at_step", fits.all("steps"), ("seed", "step"), "1", text)
    names = ("dead_maps", "win_share", "saturation", "without_winner", "mean_step")
    result.add("layer", np.arange(1, n_layers + 2), ("layer",), "1", "layer")
    for name in names:
        values = [[float(h[name]) for h in n.features_.health_] + [_decision_health(n, params)[name]] for n in nets]
        result.add(f"health.{name}", np.array(values), ("seed", "layer"), "1", f"{name} (docs: learning health)")
    final = [[h[-1, 1] for h in n.features_.convergence_] + [_decision_health(n, params)["convergence"]] for n in nets]
    result.add("health.convergence", np.array(final), ("seed", "layer"), "1", "mean of w (1 - w), scaled to 0..1")
    activity = [n.features_.activity(data.test_images[:_PROBE]) for n in nets]
    result.add("stage", np.array(list(activity[0])), ("stage",), "1", "where spikes are counted")
    values = np.array([[spikes.sum() for spikes in a.values()] for a in activity])
    result.add("spikes", values, ("seed", "stage"), "1", "mean spikes of one test image")


def _decision_health(net, params):
    """The numbers of :mod:`~firstspike.sims.measures.health` for the deciding layer."""
    from .measures.health import of_wins

    low, high = params.reward_lower, params.reward_upper
    w = (net.weights_ - low) / (high - low)
    more = {"convergence": float((w * (1 - w)).mean())}
    more["mean_step"] = float(params.n_steps - 1) if params.theta is None else float("nan")
    wins = net.wins_.sum(axis=1)
    n_images = wins.sum() / (1 - net.history_[-1, 2]) if wins.any() else 1
    return of_wins(wins, n_images, net.weights_, low, high) | more


def classifier(result, i: int = 0):
    """The network of seed number `i` of a result, ready to be used on other images."""
    import numpy as np

    from .experiments import parameters_of

    params = parameters_of(result)
    n = len(params.maps)
    features = [result[f"conv{layer + 1}.weight"][i] for layer in range(n)]
    classes, map_classes = np.unique(result["map_label"][i], return_inverse=True)
    return network(params).set_weights(features, result[f"conv{n + 1}.weight"][i], map_classes, classes)


def expected(params: DigitsRSTDP) -> dict[str, float]:
    """The published accuracy, for the published length of training (empty for anything else)."""
    for name, accuracy in _PUBLISHED.items():
        if replace(params, controls=PRESETS[name].controls) == PRESETS[name]:
            return {"accuracy": accuracy}
    return {}


def summary(result) -> dict:
    """Measured numbers: means over seeds, controls beside them, learning health of each layer."""
    from .measures.confusion import scores
    from .measures.health import advice

    p, training = result.parameters, result["training"]
    n_layers = len(p["maps"])
    out = scores(result, result["n_train"] if "n_train" in result else p["n_train"])
    out["silent"] = float(result["confusion"][..., -1].sum() / len(result["seed"]))
    if training.shape[1]:
        out["train_accuracy"] = float(training[:, -1, 0].mean())
    out["spikes"] = dict(zip(result["stage"], result["spikes"].mean(axis=0).tolist(), strict=True))
    at = result["accuracy_at_step"].mean(axis=0)
    out["accuracy_at_step"] = {f"{int(s)}": float(at[s]) for s in range(0, len(at), 2)}
    keys, layers = [name for name in result.arrays if name.startswith("health.")], {}
    for i in range(n_layers + 1):
        numbers = {k.removeprefix("health."): float(result[k][:, i].mean()) for k in keys}
        if i < n_layers:
            layers[f"layer{i + 1}"] = advice(numbers, p["maps"][i], p["feature_epochs"][i])
        else:
            hit, miss, silence = training[:, -1].mean(axis=0) if training.shape[1] else (0.0, 0.0, 0.0)
            numbers |= {"hits": float(hit), "misses": float(miss), "silence": float(silence)}
            layers[f"layer{i + 1}"] = advice(numbers, result["map_label"].shape[1], p["epochs"])
        out[f"layer{i + 1}"] = numbers
    return out | {"health": layers}


def figure(result, name=None):
    """Figure `name` of `FIGURES` (default: the overview), a matplotlib Figure."""
    from .figures import draw

    return draw("digits_rstdp", FIGURES, result, name)

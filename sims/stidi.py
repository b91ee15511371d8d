"""Networks of one-spike neurons learn when their spikes should come (STiDi-BP): the first output spike is the answer.

What is measured on the test part after the last pass (nothing is chosen on it): accuracy with one answer an image, with
ties counted as right, and with the label strictly first; the time of the decision and the spikes until then; how right
the answers are that have been given by each time; how it bears jitter of the input spikes and noise in the pixels; and
silence of each layer. With ``validation=N`` the last N training images take the place of the test part and are not
learnt from: for choosing parameters.

References: Mirsadeghi, Shalchian, Kheradpisheh & Masquelier (2021) Neurocomputing; the same authors (2023) Neural
Computing and Applications, doi 10.1007/s00521-023-08567-0.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

from ..datasets.catalog import CATALOG
from ..plasticity.learners.stidi_params import STiDiParams
from ..runtime.params import param

__all__ = [
    "FIGURES",
    "PRESETS",
    "STiDiRun",
    "classifier",
    "expected",
    "figure",
    "inputs",
    "memory",
    "network",
    "preset_for",
    "simulate",
    "summary",
]

TITLE = "STiDi-BP: spikes that learn by how much they should be displaced"
REFERENCES = "doi:10.1007/s00521-023-08567-0"
FIGURES = ("overview", "raster", "weights", "confusion")


@dataclass
class STiDiRun(STiDiParams):
    """The network's parameters and the data. The first weights come from the run's seeds."""

    random_state: ClassVar[int] = 0  # not a parameter here

    steps: str = param(  # type: ignore[assignment]
        "hidden", "who fires at whole steps; hidden = the outputs at exact times", choices=("all", "hidden", "none")
    )
    rate_factor: float = param(0.4, "the rate after each pass", above=0, high=1)
    batch: int = param(20, "images a step", low=1)
    epochs: int = param(3, "passes over the training images", low=0, option=True)

    data: str = param("mnist", "data set (`firstspike data list`), or a folder of your own images", option=True)
    n_train: int = param(60_000, "training images (the first ones)", low=10, option=True)
    n_test: int = param(10_000, "test images (the first ones)", low=1, option=True)
    validation: int = param(0, "last training images that are tested on in place of the test part; 0 = none", low=0)

    def validate(self):
        """Rules across fields; ValueError says which one is broken."""
        super().validate()
        if self.data not in CATALOG and not Path(self.data).exists():
            raise ValueError(f"data must be one of {', '.join(CATALOG)}, or a folder or archive; got {self.data!r}")
        if self.validation > self.n_train - 10:
            raise ValueError(f"validation must leave 10 of n_train = {self.n_train} images, got {self.validation}")


# for layers large enough to know the training images by heart
_LONG = {"drop": 0.3, "revive": 1e-3, "epochs": 20, "rate_factor": 0.85}
_DEEP = {"maps": (16, 32), "kernels": (5, 5), "pools": (2, 2), "hidden": (128,)}
_DENSE = {"maps": (), "kernels": (), "pools": ()}
_DIGITS = {"data": "digits", "n_train": 1297, "n_test": 500, "batch": 10, "epochs": 40, "rate_factor": 0.94}
_PUBLISHED_FASHION = {"maps": (20, 40), "kernels": (5, 5), "pools": (2, 2), "hidden": (1000,), "data": "fashion_mnist"}

PRESETS = {
    "mnist": STiDiRun(),
    "steps": STiDiRun(steps="all"),
    "displacement": STiDiRun(mode="displacement"),
    "binary": STiDiRun(binary=True),
    "deep": STiDiRun(**_DEEP),
    "fashion": STiDiRun(data="fashion_mnist", active_inputs=(16, 288, 50), epochs=4, rate_factor=0.5),
    "mirsadeghi2023": STiDiRun(maps=(40,), hidden=(1000,), shift=1, **_LONG),
    "mirsadeghi2023_fashion": STiDiRun(**_PUBLISHED_FASHION),
    "digits": STiDiRun(**_DENSE, **_DIGITS, rate=2e-3, active_inputs=(28, 50)),
    "quick": STiDiRun(n_train=5_000, n_test=2_000),
}

#: published test accuracies of the published networks
_PUBLISHED = {"mirsadeghi2023": 0.992, "mirsadeghi2023_fashion": 0.928}
_BINARY = {"mirsadeghi2023": 0.986, "mirsadeghi2023_fashion": 0.920}
_PROBE = 1000  # test images whose spikes are counted, and that are shown with jitter and noise
_JITTER = (0, 1, 2, 4, 8)  # steps
_NOISE = (0.0, 10.0, 20.0, 40.0, 80.0)  # grey values


def preset_for(settings: dict) -> str:
    """The preset that suits the data set of `settings`."""
    return {"digits": "digits", "fashion_mnist": "fashion"}.get(settings.get("data"), "mnist")


def network(params: STiDiRun, **changes):
    """An unfitted STiDi with these parameters and `changes`, such as ``random_state``."""
    from ..plasticity.learners.stidi import STiDi

    values = {f.name: getattr(params, f.name) for f in fields(STiDiParams) if f.name != "random_state"}
    return STiDi(**(values | changes))


def inputs(params: STiDiRun) -> dict:
    """SHA-256 of the user's images, if the run is of such."""
    from .own_spikes import sha256_of

    return {} if params.data in CATALOG else {"data": sha256_of(Path(params.data))}


def memory(params: STiDiRun, n_seeds: int) -> int:
    """Bytes that a run needs, roughly: input times, weights with two moments and gradients, activity of a chunk."""
    p, side, n, synapses, neurons = params, 8 if params.data == "digits" else 28, 1, 0, 0
    pixels = side * side
    for maps, kernel, pool in zip(p.maps, p.kernels, p.pools, strict=True):
        synapses, n, side = synapses + maps * n * kernel**2, maps, (side - kernel + 1) // pool
        neurons += n * side * side
    inputs = n * side * side
    for size in (*p.hidden, 10):
        synapses, neurons, inputs = synapses + inputs * size, neurons + size, size
    return int((p.n_train + p.n_test) * pixels * 13 + synapses * (16 + 8 * n_seeds) + 256 * neurons * 16)


def simulate(params: STiDiRun, run):
    """Train and score over the seeds of `run`; a Result."""
    from ..runtime.results import Result
    from . import training
    from .fits import Fits, add_seconds

    data = _parts(training.load_data(params.data, params.n_train, params.n_test), params.validation)
    fits = Fits(run, [f"seed {seed}" for seed in run.seeds])
    nets = [_fit(params, data, fit, seed) for fit, seed in zip(fits, run.seeds, strict=True)]
    result = Result("training", TITLE, REFERENCES)
    training.add_answers(result, fits, ("trained",), data, run.seeds)
    _add_networks(result, nets, fits, data)
    add_seconds(result, fits)
    return result


def _parts(data, validation):
    """The data; for choosing, the last training images are the test part."""
    if not validation:
        return data
    images, labels = data.train_images, data.train_labels
    some, last = slice(0, len(images) - validation), slice(len(images) - validation, None)
    return type(data)(data.name, images[some], labels[some], images[last], labels[last])


def _fit(params, data, fit, seed):
    """Fit and test one network."""
    import numpy as np

    net = fit(network(params, random_state=seed), data.train_images, data.train_labels)
    if "noisy" not in fit:
        answers, times = fit.answers(net.answers, data.test_images)
        fit["trained"], fit["times"] = net.classes_[answers], times.astype(np.float32)
        for name, values in _bears(net, data, seed).items():
            fit[name] = values
        fit.tick(1.0, "jitter and noise")
    return net


def _bears(net, data, seed):
    """Shares of right answers to the first test images with jitter of input spikes, and with noise in the pixels."""
    import numpy as np

    from ..runtime import rng

    images, labels = data.test_images[:_PROBE], data.test_labels[:_PROBE]
    times, jittered, noisy = net.encode(images), [], []
    for j in _JITTER:
        draws = rng.uniforms(seed, f"stidi/jitter/{j}", times.shape)
        moved = times + np.floor((2 * j + 1) * draws) - j
        moved = np.where(times < net.t_max, np.clip(moved, 0, net.t_max), times).astype(np.float32)
        jittered.append((net.predict(moved) == labels).mean())
    for sd in _NOISE:
        grey = images + sd * rng.normals(seed, f"stidi/noise/{sd}", images.shape)
        noisy.append((net.predict(np.clip(grey, 0, net.pixel_max)) == labels).mean())
    return {"jittered": jittered, "noisy": noisy}


def _add_networks(result, nets, fits, data):
    """Weights, learning curves, output times, cost, health, and an example for the raster."""
    import numpy as np

    for name in nets[0].weights_:
        weights = np.array([net.weights_[name] for net in nets])
        dims = {2: ("synapse",), 3: ("in", "out"), 5: ("map", "in", "row", "column")}[weights.ndim]
        dims = tuple(f"{name}.{dim}" for dim in dims)
        text = "size of the synapses" if name.endswith(".alpha") else "synaptic weights (binary: their signs act)"
        result.add(name if name.endswith(".alpha") else f"{name}.weight", weights, ("seed", *dims), "1", text)
    result.add("class_label", np.asarray(nets[0].classes_, np.int64), ("output",), "1", "label of each output")
    text = "firing times of the outputs, inf = silent"
    result.add("output_time", fits.all("times"), ("seed", "test", "output"), "steps", text)
    layers = [layer.name for layer in nets[0].layers_]
    columns = ["ties_correct", "strictly_first", "silent", "learnt_from", *layers]
    result.add("column", np.array(columns), ("column",), "1", "of the learning curve; layers: share that fired")
    history = np.array([net.history_ for net in nets])
    result.add("training", history, ("seed", "pass", "column"), "1", "shares of the training images during each pass")
    images, labels = data.test_images, data.test_labels
    result.add("layer", np.array(layers), ("layer",), "1", "layer")
    health = [net.health(images[:_PROBE]) for net in nets]
    for key, text in (("silent", "neurons silent in an image"), ("dead", "neurons that no image makes fire")):
        values = np.array([[h[name][key] for name in layers] for h in health])
        result.add(f"health.{key}", values, ("seed", "layer"), "1", f"share of {text}, first test images")
    spikes = [(net.spikes(images[:_PROBE]), net.spikes(images[:_PROBE], until_decision=True)) for net in nets]
    result.add("stage", np.array(list(spikes[0][0])), ("stage",), "1", "where spikes are counted")
    for k, (name, text) in enumerate((("spikes", "all"), ("spikes_until", "until the decision"))):
        values = np.array([list(pair[k].values()) for pair in spikes])
        result.add(name, values, ("seed", "stage"), "1", f"mean spikes of one test image, {text}")
    result.add("jitter", np.array(_JITTER, float), ("jitter",), "steps", "half-width of the input spikes' jitter")
    result.add("noise", np.array(_NOISE), ("noise",), "1", "standard deviation of the pixels' noise, grey values")
    text = "accuracy of the first test images"
    result.add("accuracy_jitter", fits.all("jittered"), ("seed", "jitter"), "1", text)
    result.add("accuracy_noise", fits.all("noisy"), ("seed", "noise"), "1", text)
    result.add("example", images[0], ("row", "column_px"), "1", f"first test image, a {int(labels[0])}")
    for (before, fired), layer in zip(nets[0].layers(images[:1]), nets[0].layers_, strict=True):
        flat = fired.times.reshape(-1)
        result.add(f"example.{layer.name}", flat, (f"{layer.name}.unit",), "steps", "its times, first seed")
        if layer is nets[0].layers_[0]:
            result.add("example.input", before.reshape(-1), ("pixel",), "steps", "its input times")


def classifier(result, i: int = 0):
    """The network of seed number `i` of a result, ready to be used on other images."""
    from .experiments import parameters_of

    net = network(parameters_of(result), random_state=int(result["seed"][i]))
    weights = {}
    for name in result["layer"]:
        weights[str(name)] = result[f"{name}.weight"][i]
        if f"{name}.alpha" in result:
            weights[f"{name}.alpha"] = result[f"{name}.alpha"][i]
    return net.set_weights(weights, result["class_label"], result["example"].shape)


def expected(params: STiDiRun) -> dict[str, float]:
    """Published accuracies of the published networks, for any length of training (empty for anything else)."""
    shape = ("maps", "kernels", "pools", "hidden", "data", "n_train", "n_test", "validation")
    for name, accuracy in _PUBLISHED.items():
        if all(getattr(params, key) == getattr(PRESETS[name], key) for key in shape):
            return {"accuracy": _BINARY[name] if params.binary else accuracy}
    return {}


def summary(result) -> dict:
    """Measured numbers: means over seeds."""
    import numpy as np

    from .measures.confusion import scores

    labels, times = result["labels"], result["output_time"]
    first = times.min(axis=2)
    heard = np.isfinite(first)
    mine = result["class_label"] == labels[:, None]
    among = (times == first[..., None]) & heard[..., None]
    right = (among & mine).any(axis=2)
    ties = np.where(heard, right, result["predictions"] == labels)
    out = scores(result, result.parameters["n_train"] - result.parameters["validation"])
    out["accuracy_ties_correct"] = float(ties.mean())
    out["accuracy_strictly_first"] = float((right & (among.sum(axis=2) == 1)).mean())
    if result["training"].shape[1]:
        out["train_accuracy"] = float(result["training"][:, -1, 0].mean())
    until = dict(zip((str(s) for s in result["stage"]), result["spikes_until"].mean(axis=0).tolist(), strict=True))
    out["mean_spikes"] = float(sum(n for stage, n in until.items() if not stage.startswith("pool")))
    out["mean_decision_step"] = float(first[heard].mean()) if heard.any() else float("nan")
    out["silent"] = float(1 - heard.mean())
    out["spikes_until_decision"] = until
    for name, axis in (("accuracy_jitter", "jitter"), ("accuracy_noise", "noise")):
        means = result[name].mean(axis=0).tolist()
        out[name] = {f"{x:g}": a for x, a in zip(result[axis], means, strict=True)}
    for k, layer in enumerate(result["layer"]):
        out[str(layer)] = {key: float(result[f"health.{key}"][:, k].mean()) for key in ("silent", "dead")}
    advice = [f"{layer} is too quiet" for layer in result["layer"][:-1] if out[str(layer)]["silent"] > 0.9]
    advice += [f"{layer} is too busy" for layer in result["layer"][:-1] if out[str(layer)]["silent"] < 0.1]
    advice += [f"{k:.0%} of {layer} never fire" for layer in result["layer"] if (k := out[str(layer)]["dead"]) > 0.2]
    return out | {"health": "; ".join(advice) or "ok"}


def figure(result, name=None):
    """Figure `name` of `FIGURES` (default: the overview), a matplotlib Figure."""
    from .figures import draw

    return draw("stidi", FIGURES, result, name)

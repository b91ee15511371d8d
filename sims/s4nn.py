"""S4NN: a fully connected network of one-spike neurons learns to name images by gradients of its spike times.

What is measured: accuracy on the test part under both tie rules (by potential: the network alone answers; ties correct:
it counts if the label fired together with the first), steps and spikes of a decision, how right the network is if it
must answer after each step, with spikes that jitter and pixels that are noisy, and learning health. The test part is
looked at once, after the last pass; to choose parameters, `n_validation` images of the training part are left out of
learning and scored after each pass.

Controls: `untrained`, the first weights; `permuted`, the synapses of each hidden neuron in a random order.

References: Kheradpisheh & Masquelier (2020) Int. J. Neural Syst. 30:2050027, doi 10.1142/S0129065720500276.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import ClassVar

from ..datasets.catalog import CATALOG
from ..plasticity.learners.s4nn_params import PRESETS as NETWORKS
from ..plasticity.learners.s4nn_params import S4NNParams
from ..runtime.params import param

__all__ = [
    "DEVICES",
    "FIGURES",
    "PRESETS",
    "S4NNRun",
    "classifier",
    "expected",
    "figure",
    "inputs",
    "load_parts",
    "memory",
    "network",
    "preset_for",
    "run_all",
    "simulate",
    "summary",
]

TITLE = "S4NN: gradients of spike times teach a network whose first spike is the answer"
REFERENCES = "doi:10.1142/S0129065720500276"
DEVICES = ("cpu", "cuda")  # cuda: answers, the same bits
FIGURES = ("overview", "raster", "weights", "confusion", "learning", "robustness")
_PUBLISHED = {"s4nn2020": 0.974}  # MNIST, 400 hidden neurons


@dataclass
class S4NNRun(S4NNParams):
    """The network's parameters and the data. The first weights come from the run's seeds."""

    random_state: ClassVar[int] = 0  # not a parameter here

    data: str = param("mnist", "data set (`firstspike data list`), or a folder of your own images", option=True)
    height: int = param(0, "bring the images of a folder to this size; 0 = as they are", unit="px", low=0)
    width: int = param(0, "see height", unit="px", low=0)
    n_train: int = param(60_000, "training images (the first ones)", low=10, option=True)
    n_test: int = param(10_000, "test images (the first ones)", low=1, option=True)
    n_validation: int = param(0, "the last of them are not learnt from but scored after each pass", low=0)
    epochs: int = param(60, "passes over the training images", low=0, option=True)  # type: ignore[assignment]
    controls: bool = param(True, "also score the network untrained and with permuted synapses", option=True)

    def validate(self):
        """Rules across fields; ValueError says which one is broken."""
        super().validate()
        if self.data not in CATALOG and not Path(self.data).exists():
            raise ValueError(f"data must be one of {', '.join(CATALOG)}, or a folder or archive; got {self.data!r}")
        if self.n_validation >= self.n_train:
            raise ValueError(f"n_validation must be < n_train = {self.n_train}, got {self.n_validation}")


def _preset(name, kind=S4NNRun, table=NETWORKS, **changes):
    values = {f.name: getattr(table[name], f.name) for f in fields(table[name]) if f.name != "random_state"}
    return kind(**(values | changes))


DIGITS = {"data": "digits", "n_train": 1297, "n_test": 500}
#: a folder with Faces_easy and Motorbikes of Caltech-101 is to be named by --data
_CALTECH = {"data": "caltech", "height": 160, "width": 250, "n_train": 987, "n_test": 246}
PRESETS = {
    "mnist": _preset("mnist"),
    "s4nn2020": _preset("s4nn2020"),
    "mnist1000": _preset("mnist1000"),
    "sparse": _preset("sparse"),
    "fashion": _preset("fashion", data="fashion_mnist"),
    "digits": _preset("digits", **DIGITS),
    "caltech": _preset("caltech", **_CALTECH),
    "quick": _preset("mnist", n_train=10_000, n_test=2_000, epochs=15, hold=0.67),
}


def preset_for(settings: dict) -> str:
    """The preset that suits the data set of `settings`."""
    return {"digits": "digits", "fashion_mnist": "fashion"}.get(settings.get("data"), "mnist")


def inputs(params) -> dict:
    """SHA-256 of the user's images that the run depends on."""
    from .own_spikes import sha256_of

    return {} if params.data in CATALOG else {"data": sha256_of(Path(params.data))}


def network(params, **changes):
    """An unfitted network with these parameters and `changes`, such as ``random_state``."""
    from ..plasticity.learners.bs4nn import BS4NN
    from ..plasticity.learners.s4nn import S4NN

    kind = BS4NN if hasattr(params, "scales") else S4NN
    values = {f.name: getattr(params, f.name) for f in fields(kind._kind) if f.name != "random_state"}
    return kind(**(values | changes))


def memory(params, n_seeds: int) -> int:
    """Bytes that a run needs, roughly: images, their spikes and time maps, weights."""
    p, pixels = params, 64 if params.data == "digits" else (params.height * params.width or 784)
    weights = sum(a * b for a, b in zip((pixels, *p.hidden), (*p.hidden, 10), strict=True))
    return int((p.n_train + p.n_test) * pixels * 9 + n_seeds * weights * 8 * (4 if p.batch > 1 else 1))


def load_parts(params):
    """(data, validation): both parts of the data set, the validation part (or None) cut off the training part."""
    from ..datasets import load
    from . import training

    size = (params.height, params.width) if params.height and params.width else None
    parts = [load(params.data, part, n, size=size) for part, n in (("train", params.n_train), ("test", params.n_test))]
    data, n = training.Data(params.data, *parts[0], *parts[1]), params.n_validation
    if not n:
        return data, None
    left = data.train_images[-n:], data.train_labels[-n:]
    return replace(data, train_images=data.train_images[:-n], train_labels=data.train_labels[:-n]), left


def simulate(params, run):
    """Train and score over the seeds of `run`; a Result."""
    return run_all(params, run, TITLE, REFERENCES)


def run_all(params, run, title, references, more_controls=()):
    """What :func:`simulate` does, also for BS4NN; `more_controls` are pairs (name, function(seed, data) -> answers)."""
    from ..runtime.results import Result
    from . import training
    from .fits import Fits, add_seconds
    from .measures.latency import add_networks

    data, validation = load_parts(params)
    fits = Fits(run, [f"seed {seed}" for seed in run.seeds], share=0.95)
    nets = [_fit(params, data, validation, fit, seed, more_controls) for fit, seed in zip(fits, run.seeds, strict=True)]
    names = ("untrained", "permuted", *(name for name, _ in more_controls)) if params.controls else ()
    result = Result("training", title, references)
    training.add_answers(result, fits, ("trained", *names), data, run.seeds)
    add_networks(result, nets, fits, data)
    add_seconds(result, fits)
    return result


def _fit(params, data, validation, fit, seed, more_controls):
    """Fit, test and control one network."""
    from ..plasticity.learners.sdnn import permute_synapses
    from .measures.latency import look

    net = fit(network(params, random_state=seed), data.train_images, data.train_labels, validation)
    if "jittered" not in fit:
        look(net, data, seed, fit)
        fit.tick(0.97, "accuracy over time and under noise")
    if params.controls and "permuted" not in fit:
        trained = net.weights_
        mixed = [permute_synapses(w, seed, f"permute/{j}") for j, w in enumerate(trained[:-1])]
        for name, control in more_controls:
            fit[name] = fit.wait(control, seed, data)
        for name, weights in (("untrained", net.first_weights()), ("permuted", [*mixed, trained[-1]])):
            other = network(params, random_state=seed)
            scales = (net.scales_,) if hasattr(net, "scales_") else ()
            fit[name] = other.set_weights(weights, *scales, net.classes_).predict(data.test_images)
        fit.tick(1.0, "controls")
    return net


def classifier(result, i: int = 0):
    """The network of seed number `i` of a result, ready to be used on other images."""
    from ..plasticity.learners.bs4nn import unpack_bits
    from .experiments import parameters_of

    params = parameters_of(result)
    n, scales = len(params.hidden) + 1, ()
    if hasattr(params, "scales"):
        bits = [result[f"layer{k + 1}.bits"][i] for k in range(n)]
        sizes = (result["layer1.inputs"], *params.hidden)
        weights, scales = [unpack_bits(b, int(m)) for b, m in zip(bits, sizes, strict=True)], (result["scales"][i],)
    else:
        weights = [result[f"layer{k + 1}.weight"][i] for k in range(n)]
    return network(params).set_weights(weights, *scales, result["classes"])


def expected(params) -> dict[str, float]:
    """The published accuracy (ties correct), for the published length of training (empty for anything else)."""
    return published(params, PRESETS, _PUBLISHED)


def published(params, presets, table):
    """Published accuracy of the preset that `params` is, of `table`."""
    for name, accuracy in table.items():
        if replace(params, controls=presets[name].controls) == presets[name]:
            return {"accuracy_ties_correct": accuracy}
    return {}


def summary(result) -> dict:
    """Measured numbers: means over seeds, controls beside them, cost, learning health."""
    from .measures.latency import numbers

    return numbers(result)


def figure(result, name=None):
    """Figure `name` of `FIGURES` (default: the overview), a matplotlib Figure."""
    from .figures import draw

    return draw("latency", FIGURES, result, name)

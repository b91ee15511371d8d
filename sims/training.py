"""One protocol for learners of features: data, split, fit, controls, readout, scores, over seeds.

Training and test parts never mix: what is chosen (the readout's C) is chosen on the last samples of the training part.
Beside the trained network stand controls, each with a readout of its own, fitted to as many samples in the same way:

    untrained        the network with its first weights
    permuted         after training, the synapses inside each map in a random order, in all layers
    permuted_last    the same in the last layer only
    raw_pixels       no network: pixels / 255

If a control scores as well as the trained network, what was learnt did not matter for the readout.

A learner here has ``fit(images, progress=)``, ``encode(images)``, ``transform_times(times)``, ``set_weights(list)``,
``permuted_weights(seed, layers)`` and ``weights_``; it knows arrays, not files.
"""

import copy
import time
from dataclasses import dataclass, field

import numpy as np

from .measures.confusion import confusion
from .measures.readout import fit_readout

__all__ = ["CONTROLS", "Data", "Readouts", "Trained", "add_scores", "load_data", "train"]

CONTROLS = ("untrained", "permuted", "permuted_last", "raw_pixels")
_SLICE = 500  # images between two reports of progress
_FIT, _VARIANT = 3.0, 1.0  # rough costs of fitting the network and of one readout, for the progress only


@dataclass
class Data:
    """Images uint8 (N, H, W) and labels (N,) of the two parts."""

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    @property
    def n_classes(self) -> int:
        """Largest label + 1."""
        return int(max(self.train_labels.max(), self.test_labels.max())) + 1


@dataclass
class Readouts:
    """How features are read: C of the network's features and of raw pixels (None: chosen), sizes, passes."""

    c: float | None
    c_pixels: float | None
    n_validation: int
    n_samples: int | None = None  # the first n of the training part; None = all
    max_iter: int = 300


@dataclass
class Trained:
    """What a run leaves: lists have one entry a seed."""

    learners: list = field(default_factory=list)
    predictions: dict[str, list] = field(default_factory=dict)  # variant -> test predictions
    c: dict[str, list] = field(default_factory=dict)  # variant -> C of the readout
    fit_seconds: list = field(default_factory=list)
    images_per_second: list = field(default_factory=list)  # encode + all layers, test part


def load_data(name: str, n_train: int | None = None, n_test: int | None = None) -> Data:
    """The first `n_train` training and `n_test` test images of a data set (None: all)."""
    from ..datasets import load

    return Data(name, *load(name, "train", n_train), *load(name, "test", n_test))


def train(make, data: Data, readouts: Readouts, run, controls: bool = True) -> Trained:
    """Fit `make(seed)` for each seed of `run`, read it out, and run the controls.

    Parameters
    ----------
    make : callable
        ``make(seed, trained=True)`` gives a learner; with ``trained=False`` one whose `fit` leaves the first weights.
    data : Data
        Both parts.
    readouts : Readouts
        How the features are read.
    run : Run
        Seeds, threads, progress.
    controls : bool
        Also run the controls.

    Returns
    -------
    Trained
    """
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(min(run.threads, numba.config.NUMBA_NUM_THREADS))
    try:
        return _train(make, data, readouts, run, controls)
    finally:
        numba.set_num_threads(before)


def _train(make, data, readouts, run, controls):
    out = Trained()
    per_seed = _FIT + _VARIANT * (4 if controls else 1)
    total = per_seed * len(run.seeds) + (_VARIANT if controls else 0)
    for i, seed in enumerate(run.seeds):
        done = i * per_seed

        def tell(fraction, note, done=done, share=_FIT, seed=seed):
            run.tick(dict, (done + share * fraction) / total, f"seed {seed}: {note}")

        start = time.perf_counter()
        learner = make(seed).fit(data.train_images, progress=tell)
        out.fit_seconds.append(time.perf_counter() - start)
        out.learners.append(learner)
        first = make(seed, trained=False).fit(data.train_images[:1]).weights_ if controls else None
        start = time.perf_counter()
        test_times = learner.encode(data.test_images)
        encoding = time.perf_counter() - start
        train_times = learner.encode(data.train_images[: readouts.n_samples])
        for j, (variant, weights) in enumerate(_variants(learner, first, seed)):
            tell_variant = _shifted(tell, done + _FIT + j * _VARIANT, variant)
            network = copy.copy(learner).set_weights(weights)
            seconds = _read_network(out, variant, network, train_times, test_times, data, readouts, seed, tell_variant)
            if variant == "trained":
                out.images_per_second.append(len(data.test_images) / (encoding + seconds))
    if controls:
        pixels = [x.reshape(len(x), -1) / 255 for x in (data.train_images[: readouts.n_samples], data.test_images)]
        _read(out, "raw_pixels", *pixels, data, readouts, readouts.c_pixels, run.seed)
    run.tick(dict, 1.0, _note(out, data))
    return out


def _shifted(tell, done, variant):
    return lambda fraction: tell(fraction, f"readout, {variant}", done=done, share=_VARIANT)


def _variants(learner, first, seed):
    yield "trained", learner.weights_
    if first is not None:
        yield "untrained", first
        yield "permuted", learner.permuted_weights(seed)
        yield "permuted_last", learner.permuted_weights(seed, (len(learner.weights_) - 1,))


def _transform(network, times, tell, done):
    from scipy import sparse

    start, parts = time.perf_counter(), []
    for first in range(0, len(times), _SLICE):
        parts.append(network.transform_times(times[first : first + _SLICE]))
        tell(done + 0.2 * first / len(times))
    return sparse.vstack(parts, format="csr"), time.perf_counter() - start


def _read_network(out, variant, network, train_times, test_times, data, readouts, seed, tell):
    """Read one network out; returns the seconds of its forward pass over the test part."""
    train_features, _ = _transform(network, train_times, tell, 0.0)
    test_features, seconds = _transform(network, test_times, tell, 0.3)
    tell(0.5)
    _read(out, variant, train_features, test_features, data, readouts, readouts.c, seed)
    return seconds


def _read(out, variant, train_features, test_features, data, readouts, c, seed):
    n_validation = min(readouts.n_validation, len(data.train_labels[: readouts.n_samples]) - 1)
    labels = data.train_labels[: readouts.n_samples]
    machine = fit_readout(train_features, labels, c, n_validation, seed, readouts.max_iter)
    out.predictions.setdefault(variant, []).append(machine.predict(test_features))
    out.c.setdefault(variant, []).append(machine.c)


def _note(out, data):
    scores = [np.mean(p == data.test_labels) for p in out.predictions["trained"]]
    return f"test accuracy {np.mean(scores):.4f}"


def add_scores(result, out: Trained, data: Data, seeds) -> None:
    """Put accuracies, predictions, confusion and controls into a Result, with dimension ``seed``."""
    n = len(data.test_labels)
    trained = np.array(out.predictions["trained"])
    accuracy = (trained == data.test_labels).mean(axis=1)
    result.add("seed", np.array(seeds, np.int64), ("seed",), "1", "seed of the run")
    result.add("accuracy", accuracy, ("seed",), "1", "fraction of test samples classified correctly")
    result.add(
        "n_errors", np.round(n * (1 - accuracy)).astype(np.int64), ("seed",), "1", "test samples classified wrong"
    )
    result.add("predictions", trained.astype(np.int16), ("seed", "test"), "1", "predicted class, -1 = no answer")
    result.add("labels", data.test_labels.astype(np.int16), ("test",), "1", "true class of the test samples")
    tables = np.array([confusion(data.test_labels, p, data.n_classes) for p in trained])
    dims = ("seed", "true_class", "predicted_class")
    result.add("confusion", tables, dims, "1", "test samples; last predicted class = no answer")
    result.add("readout_c", np.array(out.c["trained"]), ("seed",), "1", "C of the linear readout")
    names = [c for c in CONTROLS if c in out.predictions]
    if names:
        scores = np.full((len(names), len(seeds)), np.nan)
        for i, name in enumerate(names):
            scores[i] = (np.array(out.predictions[name]) == data.test_labels).mean(axis=1)  # raw_pixels: one for all
        result.add("control", np.array(names), ("control",), "1", "what stands in the trained network's place")
        result.add("control_accuracy", scores, ("control", "seed"), "1", "test accuracy of the controls")
        c = np.array([np.broadcast_to(out.c[name], len(seeds)) for name in names])
        result.add("control_c", c, ("control", "seed"), "1", "C of the controls' readouts")

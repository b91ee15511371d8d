"""One protocol for learners of features: data, split, fit, controls, readout, scores, over seeds.

Training and test parts never mix: what is chosen (the readout's C) is chosen on the last samples of the training part.
Beside the trained network stand controls, each with a readout of its own, fitted to as many samples in the same way:

    untrained        the network with its first weights
    permuted         after training, the synapses inside each map in a random order, in all layers
    permuted_last    the same in the last layer only
    raw_pixels       no network: pixels / 255

If a control scores as well as the trained network, what was learnt did not matter for the readout.

A learner here has ``fit(images, progress=, resume=)``, ``encode(images)``, ``transform_times(times)``,
``set_weights(list)``, ``permuted_weights(seed, layers)`` and ``weights_``; it knows arrays, not files.
"""

import copy
import time
from dataclasses import dataclass, field

import numpy as np

from .fits import Fits
from .measures.confusion import confusion
from .measures.readout import GRID, Readout, Rows, best_c, fit_readout, gather, validate

__all__ = ["CONTROLS", "Data", "Readouts", "Trained", "add_answers", "add_scores", "load_data", "readout_of", "train"]

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
    n_choice: int | None = None  # samples before the validation part that a C is tried with; None = all


@dataclass
class Trained:
    """What a run leaves: lists have one entry a seed.

    A learner that answers by itself has no readout: only `predictions` are there.
    """

    learners: list = field(default_factory=list)
    predictions: dict[str, list] = field(default_factory=dict)  # variant -> test predictions
    c: dict[str, list] = field(default_factory=dict)  # variant -> C of the readout
    readouts: list[Readout] = field(default_factory=list)  # of the trained networks
    fits: Fits | None = None  # with the seconds of each


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
    n, per_seed = len(run.seeds), _FIT + _VARIANT * (4 if controls else 1)
    span = per_seed * n / (per_seed * n + (_VARIANT if controls else 0))
    fits = Fits(run, [f"seed {seed}" for seed in run.seeds], _FIT / per_seed, span)
    out, kept = Trained(), fits.kept
    for fit, seed in zip(fits, run.seeds, strict=True):
        learner = fit(make(seed), data.train_images)
        out.learners.append(learner)
        variants = _variants(learner, make(seed, trained=False) if controls else None, data, seed)
        times = None  # input times of both parts, made when the first variant needs them
        for j, (variant, weights) in enumerate(variants):
            if f"{variant}.predictions" in fit:
                continue

            def tell(fraction, fit=fit, j=j, variant=variant):
                fit.tick((_FIT + (j + fraction) * _VARIANT) / per_seed, f"readout, {variant}")

            if times is None:
                start = time.perf_counter()
                test_times = _sliced(learner.encode, data.test_images, tell)
                encoding = time.perf_counter() - start
                times = _sliced(learner.encode, data.train_images[: readouts.n_samples], tell), test_times
            network = copy.copy(learner).set_weights(weights)
            train_features = gather(_blocks(network, times[0], tell, 0.0))
            start = time.perf_counter()
            test_features = _transform(network, times[1], tell, 0.2)
            if variant == "trained":
                fit["images_per_second"] = len(data.test_images) / (encoding + time.perf_counter() - start)
            tell(0.3)
            features = train_features, test_features
            _read(kept, f"{fit.head}{variant}", features, data, readouts, readouts.c, seed, run, tell)
            tell(1.0)
    if controls and "raw_pixels.predictions" not in kept:
        pixels = [x.reshape(len(x), -1) / 255 for x in (data.train_images[: readouts.n_samples], data.test_images)]
        pixels = gather(pixels[:1]), pixels[1]
        _read(kept, "raw_pixels", pixels, data, readouts, readouts.c_pixels, run.seed, run, lambda _: None)
    _collect(out, kept, n)
    fits.tick(1.0, _note(out, data))
    out.fits = fits
    return out


def _collect(out, kept, n_seeds):
    """Lists of :class:`Trained` from the flat record of a run."""
    for variant in ("trained", *CONTROLS):
        keys = [variant] if variant == "raw_pixels" else [f"{i}.{variant}" for i in range(n_seeds)]
        if f"{keys[0]}.predictions" in kept:
            out.predictions[variant] = [kept[f"{key}.predictions"] for key in keys]
            out.c[variant] = [float(kept[f"{key}.c"]) for key in keys]
    for i in range(n_seeds):
        stored = {name: kept[f"{i}.trained.{name}"] for name in ("weight", "bias", "classes", "shift")}
        head = f"{i}.trained.tried."
        tried = {float(k.removeprefix(head)): float(v) for k, v in kept.items() if k.startswith(head)}
        out.readouts.append(Readout(**stored, c=out.c["trained"][i], tried=tried))


def _variants(learner, untrained, data, seed):
    yield "trained", learner.weights_
    if untrained is not None:
        yield "untrained", untrained.fit(data.train_images[:1]).weights_
        yield "permuted", learner.permuted_weights(seed)
        yield "permuted_last", learner.permuted_weights(seed, (len(learner.weights_) - 1,))


def _sliced(function, images, tell):
    parts = []
    for first in range(0, len(images), _SLICE):
        parts.append(function(images[first : first + _SLICE]))
        tell(0.0)
    return np.concatenate(parts)


def _blocks(network, times, tell, done):
    """Features of slices of the time maps, one after the other; they are a fifth of the work of a variant."""
    for first in range(0, len(times), _SLICE):
        yield network.transform_times(times[first : first + _SLICE])
        tell(done + 0.2 * first / len(times))


def _transform(network, times, tell, done):
    from scipy import sparse

    return sparse.vstack(list(_blocks(network, times, tell, done)), format="csr")


def _read(kept, key, features, data, readouts, c, seed, run, tell):
    """Fit a readout to the features (training Rows, test); its predictions and C, and the machine, go into `kept`."""
    rows, labels = features[0], data.train_labels[: readouts.n_samples]
    n_validation = min(readouts.n_validation, len(labels) - 1)
    for k, candidate in enumerate(GRID if c is None else ()):
        name = f"{key}.tried.{candidate}"
        if name not in kept:
            part, of_part = _for_choice(rows, labels, n_validation, readouts.n_choice)
            found = run.wait(validate, part, of_part, candidate, n_validation, seed, readouts.max_iter)
            kept[name] = np.array(found)
        tell(0.3 + 0.1 * (k + 1))
    tried = {g: float(kept[f"{key}.tried.{g}"]) for g in GRID if f"{key}.tried.{g}" in kept}
    machine = run.wait(fit_readout, rows, labels, best_c(tried) if c is None else c, 0, seed, readouts.max_iter)
    kept[f"{key}.predictions"] = machine.predict(features[1])
    kept[f"{key}.c"] = np.array(machine.c)
    for name in ("weight", "bias", "classes", "shift") if key.endswith(".trained") else ():
        value = getattr(machine, name)
        kept[f"{key}.{name}"] = np.zeros(machine.weight.shape[1], np.float32) if value is None else value


def _for_choice(rows, labels, n_validation, n_choice):
    """Rows and labels while C is chosen: the first `n_choice`, then the validation part."""
    n = len(labels) - n_validation
    if n_choice is None or n_choice >= n:
        return rows, labels
    some = np.r_[:n_choice, n : len(labels)]
    return Rows(rows.features[some], rows.shift, rows.silent[some]), labels[some]


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
    if out.readouts:
        _add_readouts(result, out)
    names = [name for name in out.predictions if name != "trained"]
    if names:
        scores = np.full((len(names), len(seeds)), np.nan)
        for i, name in enumerate(names):
            scores[i] = (np.array(out.predictions[name]) == data.test_labels).mean(axis=1)  # raw_pixels: one for all
        result.add("control", np.array(names), ("control",), "1", "what stands in the trained network's place")
        result.add("control_accuracy", scores, ("control", "seed"), "1", "test accuracy of the controls")
        if all(name in out.c for name in names):
            c = np.array([np.broadcast_to(out.c[name], len(seeds)) for name in names])
            result.add("control_c", c, ("control", "seed"), "1", "C of the controls' readouts")


def add_answers(result, fits, variants, data: Data, seeds) -> None:
    """:func:`add_scores` of learners that answer by themselves: `fits` hold the answers of each variant by name."""
    add_scores(result, Trained(predictions={name: list(fits.all(name)) for name in variants}), data, seeds)


def _add_readouts(result, out):
    """The machines of all seeds, so that the networks can be used later: `readout_of` makes them again."""
    machines = out.readouts
    result.add("readout_c", np.array(out.c["trained"]), ("seed",), "1", "C of the linear readout")
    result.add("readout.classes", np.asarray(machines[0].classes, np.int64), ("answer",), "1", "labels of the scores")
    weights = np.array([m.weight for m in machines])
    result.add("readout.weight", weights, ("seed", "score", "feature"), "1", "weights of the linear readout")
    result.add("readout.bias", np.array([m.bias for m in machines]), ("seed", "score"), "1", "its constants")
    shift = np.array([m.shift for m in machines])
    result.add("readout.shift", shift, ("seed", "feature"), "1", "subtracted from the features before")
    if machines[0].tried:
        tried = np.array([list(m.tried.values()) for m in machines])
        result.add("tried_c", np.array(list(machines[0].tried)), ("tried_c",), "1", "values of C that were tried")
        result.add("validation_accuracy", tried, ("seed", "tried_c"), "1", "accuracy on the validation part")


def readout_of(result, i: int) -> Readout:
    """The linear readout of seed number `i` of a result."""
    for name in ("readout.weight", "readout.bias", "readout.classes", "readout.shift"):
        if name not in result:
            raise ValueError("the result has no readout: it is of an older version; run it again")
    shift = result["readout.shift"][i]
    parts = (result["readout.weight"][i], result["readout.bias"][i], result["readout.classes"])
    return Readout(*parts, shift if shift.any() else None, float(result["readout_c"][i]))

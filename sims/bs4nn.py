"""BS4NN: S4NN with a sign a synapse. Machinery, measures and figures are those of :mod:`~firstspike.sims.s4nn`.

The result file holds the signs, eight a byte, and a scale a layer. Beside the controls of S4NN stands `bnn`: an
ordinary network of the same size with binary weights and binary hidden neurons, no time.

References: Kheradpisheh, Mirsadeghi & Masquelier (2021) Neural Process. Lett., doi 10.1007/s11063-021-10680-x.
"""

from dataclasses import dataclass
from typing import ClassVar

from ..plasticity.learners.s4nn_params import BINARY_PRESETS, BS4NNParams
from ..runtime.params import param
from .s4nn import (
    DEVICES,
    DIGITS,
    FIGURES,
    S4NNRun,
    _preset,
    classifier,
    figure,
    inputs,
    memory,
    network,
    preset_for,
    published,
    run_all,
    summary,
)

__all__ = [
    "DEVICES",
    "FIGURES",
    "PRESETS",
    "BS4NNRun",
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

TITLE = "BS4NN: binary weights, gradients of spike times, and a first spike that answers"
REFERENCES = "doi:10.1007/s11063-021-10680-x"
_PUBLISHED = {"bs4nn2021": 0.970}  # MNIST, 600 hidden neurons


@dataclass
class BS4NNRun(BS4NNParams, S4NNRun):
    """The network's parameters and the data. The first weights come from the run's seeds."""

    random_state: ClassVar[int] = 0  # not a parameter here

    epochs: int = param(60, "passes over the training images (published: 200)", low=0, option=True)
    bnn_epochs: int = param(10, "passes of the ordinary binary network; 0 = leave it out", low=0)


PRESETS = {
    "mnist": _preset("mnist", BS4NNRun, BINARY_PRESETS),
    "bs4nn2021": _preset("bs4nn2021", BS4NNRun, BINARY_PRESETS),
    "fashion": _preset("fashion", BS4NNRun, BINARY_PRESETS, data="fashion_mnist"),
    "digits": _preset("digits", BS4NNRun, BINARY_PRESETS, **DIGITS),
    "quick": _preset("mnist", BS4NNRun, BINARY_PRESETS, n_train=10_000, n_test=2_000, epochs=10, hold=0.5),
}


def simulate(params: BS4NNRun, run):
    """Train and score over the seeds of `run`; a Result."""
    more = [("bnn", lambda seed, data: _bnn(params, seed, data))] if params.bnn_epochs else []
    return run_all(params, run, TITLE, REFERENCES, more)


def _bnn(params, seed, data):
    """Answers of the ordinary binary network of the same size."""
    from ..plasticity.learners.bs4nn import BNN

    net = BNN(params.hidden[0], params.bnn_epochs, random_state=seed)
    return net.fit(data.train_images, data.train_labels).predict(data.test_images)


def expected(params: BS4NNRun) -> dict[str, float]:
    """The published accuracy (ties correct), for the published length of training (empty for anything else)."""
    return published(params, PRESETS, _PUBLISHED)

"""The network of Kheradpisheh et al. 2018 on all of MNIST: 60 000 training, 10 000 test digits, 98.4 % published.

Machinery, parameters, controls and figures are those of :mod:`~firstspike.sims.digits`; here are its two networks at
full length. C of the readout is chosen on the last 10 000 training digits, then the machine is fitted to all.

    mnist_paper    30 and 100 maps of 5x5, thresholds 15 and 10; read out by how early neurons spike, (T - step) / T
    mnist_port     the authors' program: 32 maps of 5x5, 150 of 2x2, 2 and 20 passes; read out by who spikes at all
    quick          mnist_paper on few digits

References: Kheradpisheh, Ganjtabesh, Thorpe & Masquelier (2018) Neural Networks 99:56,
doi 10.1016/j.neunet.2017.12.005; Mozafari et al. (2019) Front. Neurosci. 13:625, doi 10.3389/fnins.2019.00625.
"""

from dataclasses import fields, replace

from ..plasticity.learners.sdnn_params import PRESETS as NETWORKS
from .digits import (
    DEVICES,
    FIGURES,
    REFERENCES,
    Classifier,
    Digits,
    classifier,
    figure,
    inputs,
    memory,
    simulate,
    summary,
)

__all__ = [
    "DEVICES",
    "FIGURES",
    "PRESETS",
    "REFERENCES",
    "Classifier",
    "classifier",
    "expected",
    "figure",
    "inputs",
    "memory",
    "simulate",
    "summary",
]

TITLE = "SDNN: a deep convolutional STDP network with a linear readout, on all of MNIST"
_PUBLISHED = 0.984  # Kheradpisheh et al. 2018, test part of MNIST


def _full(name, **changes):
    values = {f.name: getattr(NETWORKS[name], f.name) for f in fields(NETWORKS[name]) if f.name != "random_state"}
    protocol = {"n_train": 60_000, "n_test": 10_000, "n_validation": 10_000, "n_choice": 20_000, "c": None}
    protocol |= {"presentations": (0, 0), "controls": False}  # a control takes as long as the network itself
    return Digits(**(values | protocol | changes))


PRESETS = {
    "mnist_paper": _full("sdnn_mnist_paper", features="latency"),
    "mnist_port": _full("sdnn_mnist_port"),
}
PRESETS["quick"] = replace(
    PRESETS["mnist_paper"],
    n_train=5_000,
    n_test=2_000,
    n_validation=1_000,
    n_choice=None,
    presentations=(6_000, 6_000),
)


def expected(params: Digits) -> dict[str, float]:
    """The published accuracy, for the two networks at full length (empty for anything else)."""
    full = (PRESETS["mnist_paper"], PRESETS["mnist_port"])
    return {"accuracy": _PUBLISHED} if any(replace(params, controls=p.controls) == p for p in full) else {}

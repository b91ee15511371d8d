"""S4NN: a fully connected network of one-spike neurons that learns by gradients of its firing times.

One sample after the other, as published; or batches: the mean of the samples' normalised steps, by Adam. Kheradpisheh
& Masquelier 2020, doi 10.1142/S0129065720500276.
"""

import numpy as np

from ..layers.optimisers import Fact, adam
from ..waves.dense import Rates, gradient, learn, pack, unpack
from .latency import LatencyClassifier
from .s4nn_params import S4NNParams

__all__ = ["S4NN"]


class S4NN(LatencyClassifier, S4NNParams):
    """Classifier of images: the output that fires first names the class (scikit-learn manners).

    Parameters: see :class:`~firstspike.plasticity.learners.s4nn_params.S4NNParams`.

    Attributes
    ----------
    classes_ : ndarray
        Labels.
    weights_ : list of ndarray
        Of each layer, (post, pre).
    history_ : ndarray, shape (passes, 9)
        See :data:`~firstspike.plasticity.learners.latency.HISTORY`.
    health_ : dict
        Numbers of the last pass, whether the network has collapsed, one line of advice.

    Examples
    --------
    >>> images = np.zeros((40, 6, 6), np.uint8)
    >>> images[::2, 1:5, 2] = images[1::2, 3, 1:5] = 255
    >>> net = S4NN(hidden=(20,), n_steps=16, gap=2, init=(70.0, 40.0), epochs=10).fit(images, np.arange(40) % 2)
    >>> net.score(images, np.arange(40) % 2)
    1.0
    """

    _kind = S4NNParams

    @property
    def weights_(self):
        """Weights of each layer, (post, pre)."""
        return unpack(self.flat_, self.sizes_)

    @staticmethod
    def _layers(p, at, sizes):
        return at["weights"], sizes, np.array(p.thetas)

    def _teach(self, p, at, sizes, part, data, how, shown, factor):
        """Learn from the samples `part`; the state `at` changes."""
        if p.batch == 1:
            eta = factor * np.array(p.rates)
            rates = Rates(eta, np.array(p.decays), np.array(p.thetas), p.updated)
            return learn(part, *data, at["weights"], sizes, how, shown, rates)
        ends = np.cumsum([0, *(a * b for a, b in zip(sizes[:-1], sizes[1:], strict=True))])
        cuts = {f"layer{i + 1}": slice(ends[i], ends[i + 1]) for i in range(len(sizes) - 1)}
        layers = {name: at["weights"][cut] for name, cut in cuts.items()}
        state = {k.removeprefix("adam."): v for k, v in at.items() if k.startswith("adam.")}
        tally, awake = 0, 0
        for a in range(0, len(part), p.batch):
            some = part[a : a + p.batch]
            g, *counts = gradient(some, *data, at["weights"], sizes, how, shown, p.thetas)
            g /= len(some)
            tally, awake = tally + counts[0], awake + counts[1]
            for i, (name, cut) in enumerate(cuts.items()):
                step, how_much = {name: g[cut]}, {"beta2": p.beta2, "decay": p.decays[i]}
                adam(layers, step, state, factor * p.rates[i], facts={name: Fact()}, **how_much)
        at |= {f"adam.{k}": v for k, v in state.items()}
        return tally, awake

    def set_weights(self, weights, classes):
        """Put in weights (a list of (post, pre)) and the labels of the outputs."""
        p = self._params()
        flat, sizes = pack(weights, p.precision)
        if sizes[1:-1] != p.hidden or sizes[-1] != len(classes):
            raise ValueError(f"weights are of a network {sizes}, with {len(classes)} labels and hidden {p.hidden}")
        self.classes_, self.n_features_in_ = np.asarray(classes), sizes[0]
        return self._put(p, {"weights": flat, "history": np.empty((0, 9))}, sizes)

    def first_weights(self):
        """Weights before learning: a control."""
        p = self._params()
        return unpack(self._first(p, self.sizes_)["weights"], self.sizes_)

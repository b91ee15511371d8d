"""BS4NN: S4NN with binary weights, a sign a synapse and a scale a layer; and an ordinary binary network beside it.

Learning keeps real weights; what works are their signs. Kheradpisheh, Mirsadeghi & Masquelier 2021,
doi 10.1007/s11063-021-10680-x.
"""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from ...runtime import rng
from ..layers.optimisers import Fact, adam
from ..waves.dense import Rates, learn, pack, signs, unpack
from .latency import HISTORY, LatencyClassifier
from .s4nn_params import BS4NNParams

_FIRST = 0.1  # first real weights of the ordinary network: small, so that signs can change

__all__ = ["BNN", "BS4NN", "pack_bits", "unpack_bits"]


def pack_bits(weights):
    """Signs of a layer (post, pre) as uint8 (post, ceil(pre / 8)), eight synapses a byte; a set bit is +1."""
    return np.packbits(np.asarray(weights) >= 0, axis=1)


def unpack_bits(bits, n_inputs):
    """int8 signs (post, pre) of :func:`pack_bits`.

    Examples
    --------
    >>> unpack_bits(pack_bits(np.array([[0.5, -2.0, 0.0]])), 3).tolist()
    [[1, -1, 1]]
    """
    return np.where(np.unpackbits(bits, axis=1, count=n_inputs), 1, -1).astype(np.int8)


class BS4NN(LatencyClassifier, BS4NNParams):
    """Classifier of images by the first spike of binary layers (scikit-learn manners).

    Parameters: see :class:`~firstspike.plasticity.learners.s4nn_params.BS4NNParams`.

    Attributes
    ----------
    classes_, history_, health_ : see :class:`~firstspike.plasticity.learners.s4nn.S4NN`
    weights_ : list of ndarray of int8
        +1 and -1, of each layer (post, pre).
    scales_ : ndarray
        Of the layers.

    Examples
    --------
    >>> images = np.zeros((40, 6, 6), np.uint8)
    >>> images[::2, 1:5, 2] = images[1::2, 3, 1:5] = 255
    >>> net = BS4NN(hidden=(40,), n_steps=16, init_low=(-1.0, -1.0), init=(1.0, 1.0), scales=(40.0, 20.0), epochs=20)
    >>> net.fit(images, np.arange(40) % 2).score(images, np.arange(40) % 2)
    1.0
    """

    _kind = BS4NNParams
    _packed = True  # answers are counted with a bit a synapse

    @property
    def weights_(self):
        """Signs of each layer, (post, pre)."""
        return unpack(self.flat_, self.sizes_)

    @staticmethod
    def _layers(p, at, sizes):
        return signs(at["weights"]), sizes, np.array(p.thetas) / at["scales"]

    def _first(self, p, sizes):
        return super()._first(p, sizes) | {"scales": np.array(p.scales)}

    def _teach(self, p, at, sizes, part, data, how, shown, factor):
        """Learn from the samples `part`; the state `at` changes."""
        synapses = [a * b if p.scale_mean else 1 for a, b in zip(sizes[:-1], sizes[1:], strict=True)]
        binary = np.stack([at["scales"], factor * np.array(p.scale_rates) / synapses], axis=1)
        rates = Rates(factor * np.array(p.rates), np.zeros(len(synapses)), np.array(p.thetas), p.updated)
        tallies = learn(part, *data, at["weights"], sizes, how, shown, rates, binary)
        at["scales"] = binary[:, 0].copy()
        return tallies

    def _put(self, p, at, sizes):
        self.scales_ = np.array(at["scales"])
        return super()._put(p, at, sizes)

    def set_weights(self, weights, scales, classes):
        """Put in weights (a list of (post, pre), the signs count), the layers' scales and the labels of the outputs."""
        p = self._params()
        flat, sizes = pack(weights, np.float32)
        if sizes[1:-1] != p.hidden or sizes[-1] != len(classes):
            raise ValueError(f"weights are of a network {sizes}, with {len(classes)} labels and hidden {p.hidden}")
        self.classes_, self.n_features_in_ = np.asarray(classes), sizes[0]
        at = {"weights": flat, "scales": np.asarray(scales, float), "history": np.empty((0, len(HISTORY)))}
        return self._put(p, at, sizes)

    def first_weights(self):
        """Signs before learning: a control."""
        return unpack(signs(self._first(self._params(), self.sizes_)["weights"]), self.sizes_)


class BNN(ClassifierMixin, BaseEstimator):
    """An ordinary network with binary weights and binary hidden neurons, for comparison: no spikes, no time.

        a = x sign(W1)^T / sqrt(I),  h = sign(a - m),  o = h sign(W2)^T / sqrt(H),  answer = argmax o

    x in -1 .. 1, m running mean of a. Learning: squared hinge, gradients straight through the signs where |a - m| <= 1
    and |w| <= 1, Adam, real weights kept in -1 .. 1. Hubara et al. 2016 (arXiv 1602.02830).

    Parameters
    ----------
    hidden : int
        Hidden neurons.
    epochs, batch : int
        Passes, samples a step.
    rate : float
        Step of Adam; it falls linearly to 0.
    random_state : int
        Seed.
    """

    __hash__ = object.__hash__

    def __init__(self, hidden=600, epochs=20, batch=100, rate=3e-3, random_state=0):
        self.hidden, self.epochs, self.batch, self.rate = hidden, epochs, batch, rate
        self.random_state = random_state

    def fit(self, X, y):
        """Learn from images (N, ...) uint8 and labels (N,)."""
        x, (self.classes_, labels) = self._flat(X), np.unique(y, return_inverse=True)
        n, n_classes, seed = len(x), len(self.classes_), self.random_state
        shapes = {"w1": (self.hidden, x.shape[1]), "w2": (n_classes, self.hidden)}
        first = {k: _FIRST * (2 * rng.uniforms(seed, f"bnn/{k}", shape) - 1) for k, shape in shapes.items()}
        p = {k: w.astype(np.float32) for k, w in first.items()}
        self.mean_, state, facts = np.zeros(self.hidden, np.float32), {}, dict.fromkeys(p, Fact(clamp=(-1.0, 1.0)))
        wanted = np.where(labels[:, None] == np.arange(n_classes), 1, -1).astype(np.float32)
        for epoch in range(self.epochs):
            order = rng.permutation(seed, f"bnn/order/{epoch}", n)
            for start in range(0, n, self.batch):
                part = order[start : start + self.batch]
                a, h, o = self._forward(p, x[part], learning=True)
                do = -2 * np.maximum(0, 1 - wanted[part] * o) * wanted[part] / len(part) / np.sqrt(self.hidden)
                g = {"w2": do.T @ h}
                dh = (do @ _sign(p["w2"])) * (np.abs(a) <= 1) / np.sqrt(x.shape[1])
                g["w1"] = dh.T @ x[part]
                done = (epoch + start / n) / self.epochs
                adam(p, {k: v.astype(np.float32) for k, v in g.items()}, state, self.rate * (1 - done), facts=facts)
        self.weights_ = [p["w1"], p["w2"]]
        return self

    def _forward(self, p, x, learning=False):
        a = x @ _sign(p["w1"]).T / np.float32(np.sqrt(x.shape[1]))
        if learning:
            self.mean_ += np.float32(0.1) * (a.mean(0) - self.mean_)
        a -= self.mean_
        h = _sign(a)
        return a, h, h @ _sign(p["w2"]).T / np.float32(np.sqrt(self.hidden))

    @staticmethod
    def _flat(X):
        return (np.asarray(X).reshape(len(X), -1) / 127.5 - 1).astype(np.float32)

    def predict(self, X):
        """Label of each image."""
        p = dict(zip(("w1", "w2"), self.weights_, strict=True))
        return self.classes_[self._forward(p, self._flat(X))[2].argmax(1)]


def _sign(x):
    return np.where(x >= 0, np.float32(1), np.float32(-1))

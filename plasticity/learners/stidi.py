"""STiDi-BP: networks of one-spike neurons that learn by how much each spike should be displaced, layer by layer.

The first output spike names the class. Layers and rule: :mod:`.stidi_net`; neurons: :mod:`..waves.ramp`. Displacements
of the outputs are those of a cross-entropy of softmax(-beta t), or lead to target times (the label's neuron first, the
others `gap` later). Mirsadeghi, Shalchian, Kheradpisheh & Masquelier 2021 (Neurocomputing), and 2023,
doi 10.1007/s00521-023-08567-0.
"""

from dataclasses import fields

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ...runtime import params as parameters
from ...runtime import rng
from ..layers.optimisers import Fact, adam
from . import stidi_net as net
from .stidi_params import STiDiParams

__all__ = ["STiDi"]

_SLICE = 500  # images between two reports of progress
_CHUNK = 256  # images of a forward pass
_MOMENTS = "adam."
_AWAKE = "awake."  # for how many images of this pass each hidden neuron fired


def _shifted(times, by, seed, name, t_max):
    """Each image of `times` (N, 1, H, W) moved by up to `by` pixels each way; what moves in is silent."""
    n, _, height, width = times.shape
    moves = (rng.uniforms(seed, name, (2, n)) * (2 * by + 1)).astype(np.int64)
    wide = np.pad(times[:, 0], ((0, 0), (by, by), (by, by)), constant_values=t_max)
    rows = moves[0][:, None, None] + np.arange(height)[:, None]
    columns = moves[1][:, None, None] + np.arange(width)
    return wide[np.arange(n)[:, None, None], rows, columns][:, None]


class STiDi(ClassifierMixin, BaseEstimator, STiDiParams):
    """Classifier of images by the first output spike, learnt by displacing spikes (scikit-learn manners).

    Parameters: see :class:`~firstspike.plasticity.learners.stidi_params.STiDiParams`.

    Attributes
    ----------
    classes_ : ndarray
        Labels.
    weights_ : dict of ndarray
        ``conv1`` ... (K, M, k, k), ``dense1`` ... and ``output`` (inputs, neurons); with binary synapses these are the
        real ones, and ``conv1.alpha`` ... their sizes.
    history_ : ndarray, shape (epochs, 4 + layers)
        Each pass over the training images: share right (any tie), label strictly first, all outputs silent, learnt
        from; then the share of neurons that fired, by layer.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> images, labels = load_digits(return_X_y=True)
    >>> images, labels = images[:300].reshape(-1, 8, 8).astype(np.uint8), labels[:300]
    >>> dense = {"maps": (), "kernels": (), "pools": (), "hidden": (40,)}
    >>> net = STiDi(**dense, pixel_max=16, pixel_cut=1, epochs=20, rate_factor=0.9).fit(images, labels)
    >>> net.score(images, labels) > 0.8
    True
    """

    __eq__ = object.__eq__  # an estimator is itself, whatever its parameters
    __hash__ = object.__hash__

    def _params(self):
        return parameters.check(STiDiParams(**{f.name: getattr(self, f.name) for f in fields(STiDiParams)}))

    def encode(self, X):
        """Spike times float32 (N, 1, H, W) of images (N, H, W); t_max = silent."""
        p, X = self._params(), np.asarray(X)
        if X.ndim != 3:
            raise ValueError(f"X must be images (N, H, W), got {X.shape}")
        span = int(p.input_share * p.t_max)
        times = (p.pixel_max - np.minimum(X, p.pixel_max).astype(np.float64)) * span / p.pixel_max
        times = np.where(X > p.pixel_cut, times if p.steps == "none" else np.floor(times), p.t_max)
        return times.astype(np.float32)[:, None]

    def fit(self, X, y, progress=None, resume=None):
        """Learn from images (N, H, W), grey values >= 0, and their labels (N,).

        Parameters
        ----------
        X, y : ndarray
            Images and labels.
        progress : callable, optional
            ``progress(fraction, note, snapshot)``, called between slices of images; ``snapshot()`` gives the state at
            this point as a flat dict of arrays.
        resume : dict, optional
            Such a state, of the same images and parameters: go on from there, to the same bits.

        Raises
        ------
        ValueError
            Fewer than two classes, labels that are not one an image, images that are not (N, H, W).
        """
        p, times, y = self._params(), self.encode(X), np.asarray(y)
        if y.shape != (len(times),):
            raise ValueError(f"y must be one label an image, {len(times)}, got {y.shape}")
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y must have at least two classes, got {len(self.classes_)}")
        self._layers(p, times.shape[2:])
        state = {k: np.array(v) for k, v in (resume or {}).items()}
        if not state:
            state = net.first_weights(p, self.layers_)
            state |= {"epoch": np.array(0), "start": np.array(0)}
            state["history"] = np.zeros((p.epochs, 4 + len(self.layers_)))
            hidden = [a for a in self.layers_[:-1] if not a.pool and p.revive]
            state |= {f"{_AWAKE}{a.name}": np.zeros(a.shape[1], np.int64) for a in hidden}
        self._learn(p, times, labels, state, progress or (lambda fraction, note, snapshot: None))
        return self

    def _layers(self, p, image_shape):
        self.layers_ = net.build(p, image_shape, len(self.classes_))
        self.image_shape_ = tuple(image_shape)

    def _learn(self, p, times, labels, state, report):
        n, history = len(times), state["history"]
        while state["epoch"] < p.epochs:
            epoch, start = int(state["epoch"]), int(state["start"])
            order = rng.permutation(p.random_state, f"stidi/order/{epoch}", n) if p.shuffle else np.arange(n)
            while start < n:
                stop = min(n, start + max(p.batch, _SLICE // p.batch * p.batch))
                before = history[epoch].copy()
                for a in range(start, stop, p.batch):
                    chosen = order[a : min(stop, a + p.batch)]
                    history[epoch] += self._one_batch(p, times[chosen], labels[chosen], state, epoch, a)
                right = (history[epoch, 0] - before[0]) / (stop - start)
                start = stop
                state["start"] = np.array(start)
                if start == n:
                    history[epoch] /= n
                    if epoch + 1 < p.epochs:
                        self._wake(p, state, epoch, n)
                    state["epoch"], state["start"] = np.array(epoch + 1), np.array(0)
                note = f"pass {epoch + 1} of {p.epochs}, {right:.1%} right"
                report((epoch + start / n) / p.epochs, note, lambda: {k: v.copy() for k, v in state.items()})
        self.weights_ = {k: state[k] for k in net.first_weights(p, self.layers_)}
        self.history_ = history
        if not p.epochs:
            report(1.0, "not trained", lambda: {k: v.copy() for k, v in state.items()})

    def _one_batch(self, p, times, labels, state, epoch, at):
        """One step; sums over the images for the history."""
        if p.shift:
            times = _shifted(times, p.shift, p.random_state, f"stidi/shift/{epoch}/{at}", p.t_max)
        drop = None
        if p.drop or p.drop_maps:

            def drop(layer, shape):
                share = 0.0 if layer.name == "output" else p.drop_maps if layer.pool else p.drop
                draws = rng.uniforms(p.random_state, f"stidi/drop/{epoch}/{at}/{layer.name}", shape) if share else None
                return (None if draws is None else draws < share), share

        passed = net.forward(p, self.layers_, net.used(p, state), times, drop)
        out = passed[-1][1].times
        d = net.desired(p, out, labels)
        live = d.any(axis=1)
        rates = [(f.slope > 0).mean() * len(times) for _, f in passed]
        for layer, (_, fired) in zip(self.layers_, passed, strict=True):
            if f"{_AWAKE}{layer.name}" in state:
                state[f"{_AWAKE}{layer.name}"] += (fired.slope > 0).sum(axis=0)
        if live.any() or p.decay:
            if 0 < live.sum() < len(live):  # most images have nothing to say in the end
                passed = [(t[live], type(f)(*(None if x is None else x[live] for x in f))) for t, f in passed]
                d = d[live]
            net.backward(p, self.layers_, state, passed, d, len(times), self._step(p, state, epoch))
        first = out.min(axis=1)
        mine = out[np.arange(len(out)), labels]
        hit = (mine == first) & (first < p.t_max)
        alone = hit & ((out == first[:, None]).sum(axis=1) == 1)
        return np.array([hit.sum(), alone.sum(), (first >= p.t_max).sum(), live.sum(), *rates])

    def _wake(self, p, state, epoch, n):
        """Draw hidden neurons anew that fired for hardly any of the `n` images of a pass: they get no gradient."""
        for layer in self.layers_:
            awake = state.get(f"{_AWAKE}{layer.name}")
            if awake is not None:
                weak = awake < p.revive * n
                fresh = net.first_weights(p, [layer], name=f"anew/{epoch}/")[layer.name]
                state[layer.name][:, weak] = fresh[:, weak]
                awake[:] = 0

    def _step(self, p, state, epoch):
        rate = p.rate * p.rate_factor**epoch

        def step(gradients):
            if p.optimiser == "sgd":
                for name, g in gradients.items():
                    eta = rate * self._fact(p, name).rate
                    state[name] -= state[name].dtype.type(eta) * g
                    if p.decay and not name.endswith(".alpha"):
                        state[name] -= state[name].dtype.type(eta * p.decay) * state[name]
                return
            moments = {k.removeprefix(_MOMENTS): v for k, v in state.items() if k.startswith(_MOMENTS)}
            facts = {name: self._fact(p, name) for name in gradients}
            adam(state, gradients, moments, rate, decay=p.decay, facts=facts)
            state.update({_MOMENTS + k: v for k, v in moments.items()})

        return step

    @staticmethod
    def _fact(p, name):
        if name.endswith(".alpha"):
            return Fact(decay=False, rate=p.alpha_rate, clamp=(1e-3 * min(p.theta), np.inf))
        return Fact(rate=p.conv_factor if name.startswith("conv") else 1.0)

    def set_weights(self, weights, classes, image_shape):
        """Put in weights (as `weights_`), labels and the size (H, W) of the images."""
        p = self._params()
        self.classes_ = np.asarray(classes)
        self._layers(p, image_shape)
        for name, first in net.first_weights(p, self.layers_).items():
            if name not in weights or np.shape(weights[name]) != first.shape:
                raise ValueError(f"weights must have {name} of shape {first.shape}, got {np.shape(weights.get(name))}")
        self.weights_ = {k: np.ascontiguousarray(v, np.float32) for k, v in weights.items()}
        return self

    def layers(self, X):
        """What each layer does with a few images: a list of its input times and what `stidi_net.forward` says of it."""
        check_is_fitted(self, "weights_")
        p, X = self._params(), np.asarray(X)
        return net.forward(p, self.layers_, net.used(p, self.weights_), X if X.ndim == 4 else self.encode(X))

    def _chunks(self, X):
        for start in range(0, max(1, len(X)), _CHUNK):
            yield self.layers(X[start : start + _CHUNK])

    def decision_times(self, X):
        """Time (N,) of the first output spike; inf where all outputs are silent."""
        return self.answers(X)[1].min(axis=1)

    def predict(self, X):
        """Label of each image (N, H, W), or of input times (N, 1, H, W) as of `encode`; see :meth:`answers`."""
        return self.classes_[self.answers(X)[0]]

    def answers(self, X):
        """Which output answers, and the times that this rests on.

        The first to fire answers. Among several at that time it is the one with the largest potential then (then the
        first); if all are silent, the one with the largest potential in the last step.

        Returns
        -------
        answers : ndarray of int, shape (N,)
            Indices into `classes_`.
        times : ndarray, shape (N, C)
            Firing times of the outputs, inf = silent.
        """
        p, answers, times = self._params(), [], []
        check_is_fitted(self, "weights_")
        output = net.used(p, self.weights_)["output"]
        for passed in self._chunks(X):
            before, fired = passed[-1]
            first = fired.times.min(axis=1)
            potential = net.potentials(p, before, output, np.minimum(first, p.t_max - 1))
            among = fired.times == first[:, None]
            answers.append(np.where(among, potential, -np.inf).argmax(axis=1))
            times.append(np.where(fired.times < p.t_max, fired.times.astype(float), np.inf))
        return np.concatenate(answers), np.concatenate(times)

    def scores(self, X, y):
        """Three accuracies on images and labels, and how many there were without any output spike.

        Returns
        -------
        dict
            ``accuracy`` (one answer an image, see :meth:`answers`), ``ties_correct`` (a label among the first counts),
            ``strictly_first`` (only a label alone in front counts), ``silent``: shares of the images.
        """
        answers, times = self.answers(X)
        y, first = np.asarray(y), times.min(axis=1)
        right, heard = self.classes_[answers] == y, np.isfinite(first)
        column = np.searchsorted(self.classes_, y).clip(0, len(self.classes_) - 1)
        known = self.classes_[column] == y
        among = known & heard & (times[np.arange(len(y)), column] == first)
        alone = among & ((times == first[:, None]).sum(axis=1) == 1)
        shares = {"accuracy": right, "ties_correct": np.where(heard, among, right), "strictly_first": alone}
        return {name: float(v.mean()) for name, v in (shares | {"silent": ~heard}).items()}

    def spikes(self, X, until_decision=False):
        """Mean spikes of an image by stage (``input``, ``conv1``, ``pool1``, ..., ``dense1``, ..., ``output``).

        `until_decision` counts only those up to the first output spike. Convolutions before their pooling.
        """
        p, X, totals = self._params(), np.asarray(X), {}
        weights = net.used(p, self.weights_)
        for passed in self._chunks(X):
            last = passed[-1][1].times.min(axis=1)
            stages = {"input": passed[0][0]}
            for i, layer in enumerate(self.layers_):
                if layer.pool > 1:
                    stages[layer.name] = net.fire(p, layer, passed[i][0], weights[layer.name], False, pool=1).times
                stages[layer.name.replace("conv", "pool") if layer.pool > 1 else layer.name] = passed[i][1].times
            for name, times in stages.items():
                times = times.reshape(len(times), -1)
                counted = (times < p.t_max) & (times <= last[:, None] if until_decision else True)
                totals[name] = totals.get(name, 0) + counted.sum()
        return {name: float(v / len(X)) for name, v in totals.items()}

    def health(self, X):
        """For each layer: share of neurons that are silent in an image, and of those that no image makes fire."""
        fired = [
            np.concatenate(part) for part in zip(*([f.slope > 0 for _, f in q] for q in self._chunks(X)), strict=True)
        ]
        return {
            layer.name: {"silent": float(1 - f.mean()), "dead": float(1 - f.any(axis=0).mean())}
            for layer, f in zip(self.layers_, fired, strict=True)
        }

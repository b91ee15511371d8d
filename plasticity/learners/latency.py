"""What classifiers made of fully connected one-spike layers share: learning in passes, answers, costs, health.

A learner adds how its layers are drawn and taught (:class:`~firstspike.plasticity.learners.s4nn.S4NN`,
:class:`~firstspike.plasticity.learners.bs4nn.BS4NN`).
"""

from dataclasses import fields

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ...runtime import params as parameters
from ...runtime import rng
from ..waves.dense import Aim, Shown, Spikes, decide, encode

__all__ = ["HISTORY", "LatencyClassifier"]

#: columns of `history_`: shares of the samples of a pass, means, and what the validation part said after it
HISTORY = (
    "right",
    "right_ties",
    "silent",
    "tied",
    "step",
    "hidden_rate",
    "drawn_anew",
    "validation",
    "validation_ties",
)
_SLICE = 2000  # samples between two reports of progress
_BUSY, _HASTY = 0.95, 0.25  # a network has collapsed if more of its hidden neurons fire, and decisions come before this
_ACTIVE = 0.8  # share of hidden neurons that is suspicious


class LatencyClassifier(ClassifierMixin, BaseEstimator):
    """Base of S4NN and BS4NN; it is not used by itself.

    Attributes
    ----------
    device : str
        Where answers are computed once the network is fitted: "cpu", "cuda" or "cuda:K"; set it as you like.
    """

    __eq__ = object.__eq__  # an estimator is itself, whatever its parameters
    __hash__ = object.__hash__
    _packed = False
    device = "cpu"

    def _params(self):
        return parameters.check(self._kind(**{f.name: getattr(self, f.name) for f in fields(self._kind)}))

    def fit(self, X, y, validation=None, progress=None, resume=None):
        """Learn from images (N, ...) of grey levels 0 .. `largest` and their labels (N,).

        Parameters
        ----------
        X, y : ndarray
            Images and labels.
        validation : (X, y), optional
            Scored after each pass; nothing is learnt from it.
        progress : callable, optional
            ``progress(fraction, note, snapshot)``, called between slices of samples; ``snapshot()`` gives the state at
            this point as a flat dict of arrays.
        resume : dict, optional
            Such a state, of the same images and parameters: go on from there, to the same bits.

        Raises
        ------
        ValueError
            Fewer than two classes, labels that are not one an image, or grey levels out of range.
        """
        p, X, y = self._params(), np.asarray(X), np.asarray(y)
        if X.ndim < 2 or y.shape != (len(X),):
            raise ValueError(f"X must be images (N, ...) and y one label each, got {X.shape} and {y.shape}")
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y must have at least two classes, got {len(self.classes_)}")
        if p.shift and X.ndim != 3:
            raise ValueError(f"shift needs images (N, H, W), got {X.shape}")
        spikes, shape = self.encode(X), X.shape[1:] if X.ndim == 3 else (1, int(np.prod(X.shape[1:])))
        self.n_features_in_ = spikes.n_inputs
        sizes = (spikes.n_inputs, *p.hidden, len(self.classes_))
        at = {k: np.array(v) for k, v in (resume or self._first(p, sizes)).items()}
        report = progress or (lambda fraction, note, snapshot: None)
        judge = None
        if validation is not None:
            parts = self.encode(validation[0]), np.searchsorted(self.classes_, validation[1])
            judge = lambda: self._judged(p, at, sizes, *parts)  # noqa: E731
        self._learn(p, at, sizes, (spikes, labels.astype(np.int64), shape), judge, report)
        return self._put(p, at, sizes)

    def _learn(self, p, at, sizes, data, judge, report):
        """Passes over `data` = (spikes, labels, image shape) from where `at` stands."""
        spikes, labels, shape = data
        n, size = len(labels), max(p.batch, _SLICE // p.batch * p.batch)
        silent_gap = p.gap if p.silent_gap is None else p.silent_gap
        how = Aim(p.n_steps, p.gap, silent_gap, p.label_limit or p.n_steps, p.lead)
        moved = (shape[1], shape[0]) if p.shift or p.jitter else (0, 0)
        while at["epoch"] < p.epochs:
            epoch = int(at["epoch"])
            order = self._order(p, epoch, n)
            shown = Shown(*moved, p.shift, p.jitter, np.full(len(p.hidden), p.rest), *self._stream(p, epoch))
            for a in range(int(at["start"]), n, size):
                part = order[a : a + size]
                tally, awake = self._teach(p, at, sizes, part, (spikes, labels), how, shown, self._factor(p, epoch))
                at["tally"] += tally
                at["awake"] += awake
                at["start"] = np.array(a + size)
                if a + size >= n:
                    self._end_of_pass(p, at, sizes, n, judge)
                done = (epoch + min(1.0, (a + size) / n)) / p.epochs
                note = f"pass {epoch + 1} of {p.epochs}, {tally[0] / len(part):.1%} of the last {len(part)} right"
                report(done, note, lambda: {k: v.copy() for k, v in at.items()})
        report(1.0, "done", lambda: {k: v.copy() for k, v in at.items()})

    def _end_of_pass(self, p, at, sizes, n, judge):
        epoch = int(at["epoch"])
        weak = at["awake"] < p.dead * n
        row = at["history"][epoch]
        row[:6] = at["tally"] / n
        row[5] /= sum(p.hidden)
        row[6] = weak.sum() if epoch + 1 < p.epochs else 0
        row[7:] = judge() if judge else np.nan
        if epoch + 1 < p.epochs:
            self._draw_anew(p, at["weights"], sizes, weak, epoch)
        at["tally"][:] = 0
        at["awake"][:] = 0
        at["epoch"], at["start"] = np.array(epoch + 1), np.array(0)

    def _judged(self, p, at, sizes, spikes, labels):
        found = decide(spikes, *self._layers(p, at, sizes))
        return found.right(labels).mean(), found.right(labels, ties=True).mean()

    def _first(self, p, sizes):
        """State before the first sample."""
        weights = np.concatenate([self._drawn(p, f"first/{i}", i, sizes).reshape(-1) for i in range(len(sizes) - 1)])
        at = {"weights": weights.astype(p.precision), "epoch": np.array(0), "start": np.array(0)}
        at |= {"tally": np.zeros(6, np.int64), "awake": np.zeros(sum(p.hidden), np.int64)}
        return at | {"history": np.full((p.epochs, len(HISTORY)), np.nan)}

    def _drawn(self, p, name, layer, sizes):
        low = p.init_low[layer if len(p.init_low) > 1 else 0]
        draws = rng.uniforms(p.random_state, f"s4nn/weights/{name}", (sizes[layer], sizes[layer + 1]))
        return low + (p.init[layer] - low) * draws

    def _draw_anew(self, p, flat, sizes, weak, epoch):
        at, first = 0, 0
        for layer, n in enumerate(sizes[1:-1]):
            part = flat[at : at + sizes[layer] * n].reshape(sizes[layer], n)
            chosen = weak[first : first + n]
            if chosen.any():
                part[:, chosen] = self._drawn(p, f"anew/{epoch}/{layer}", layer, sizes)[:, chosen]
            at, first = at + part.size, first + n

    @staticmethod
    def _stream(p, epoch):
        return rng.stream(p.random_state, f"s4nn/shown/{epoch}")

    @staticmethod
    def _order(p, epoch, n):
        if getattr(p, "replacement", False):
            return (n * rng.uniforms(p.random_state, f"s4nn/drawn/{epoch}", (n,))).astype(np.int64)
        return rng.permutation(p.random_state, f"s4nn/order/{epoch}", n) if p.shuffle else np.arange(n)

    @staticmethod
    def _factor(p, epoch):
        late = epoch / p.epochs - p.hold
        return 1.0 if late <= 0 else p.last_rate ** (late / (1 - p.hold))

    def _put(self, p, at, sizes):
        """Attributes of the fitted network."""
        self.flat_, self.sizes_, self.limits_ = self._layers(p, at, sizes)
        self.history_ = at["history"]
        self.health_ = self._health(p, at["history"])
        return self

    @staticmethod
    def _health(p, history):
        """Numbers of the last pass and the most important thing to do about them."""
        if not len(history):
            return {"advice": "not trained"}
        out = {k: float(v) for k, v in zip(HISTORY[:7], history[-1], strict=False)}
        out["collapsed"] = out["hidden_rate"] > _BUSY and out["step"] < _HASTY * p.n_steps
        if out["collapsed"]:
            said = "collapsed: nearly all neurons fire at once; smaller rates or first weights"
        elif out["hidden_rate"] > _ACTIVE:
            said = f"{out['hidden_rate']:.0%} of the hidden neurons fire: smaller rates or first weights"
        elif out["silent"] > 0.2:
            said = f"{out['silent']:.0%} of the samples without output spike: larger first weights or lower thresholds"
        elif out["hidden_rate"] < 0.05:
            said = f"{out['hidden_rate']:.1%} of the hidden neurons fire: larger first weights"
        else:
            said = "healthy"
        return out | {"advice": said}

    def encode(self, X):
        """Sorted spikes of images."""
        p = self._params()
        return encode(X, p.n_steps, p.largest)

    def decide(self, X, until=None):
        """Answers of the network and what they cost, a :class:`~firstspike.plasticity.waves.dense.Decision`.

        Parameters
        ----------
        X : ndarray or Spikes
            Images, or spikes made of them by :meth:`encode` or otherwise.
        until : int, optional
            The network must answer after this step at the latest.
        """
        check_is_fitted(self, "flat_")
        spikes = X if isinstance(X, Spikes) else self.encode(X)
        if spikes.n_inputs != self.sizes_[0]:
            raise ValueError(f"images must have {self.sizes_[0]} pixels, got {spikes.n_inputs}")
        return decide(spikes, self.flat_, self.sizes_, self.limits_, until, self._packed, self.device)

    def predict(self, X):
        """Label of each image; ties by potential, then by the order of the labels."""
        return self.classes_[self.decide(X).answer]

    def score(self, X, y, ties: bool = False):
        """Share of right answers; with `ties` the label counts as right where it fired together with the first."""
        return float(self.decide(X).right(self._indices(y), ties).mean())

    def _indices(self, y):
        return np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)

    def decision_times(self, X):
        """Step of the first output spike of each image, T = none."""
        return self.decide(X).step

    def spike_stats(self, X) -> dict:
        """Mean step of the decision, spikes before it (input, each hidden layer), silent and tied images."""
        found = self.decide(X)
        names = ["input", *(f"hidden{i + 1}" for i in range(len(self.sizes_) - 2))]
        spikes = dict(zip(names, found.spikes.mean(0).tolist(), strict=True))
        out = {"decision_step": float(found.step.mean()), "spikes": spikes}
        return out | {"silent": int(found.silent.sum()), "tied": int(found.tied.sum())}

    def anytime(self, X, y, steps):
        """Share of right answers (S,) and mean spikes before them (S,), if the network must answer after each step."""
        right, spikes = [], []
        for step in steps:
            found = self.decide(X, int(step))
            right.append(found.right(self._indices(y)).mean())
            spikes.append(found.spikes.sum(1).mean())
        return np.array(right), np.array(spikes)

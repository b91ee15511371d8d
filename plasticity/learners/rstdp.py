"""R-STDP: a convolutional network of one-spike neurons that learns to answer by reward, without another classifier.

Layers of :class:`~firstspike.plasticity.learners.sdnn.SDNN` learn first, by STDP and without labels (there may be
none). Then the deciding layer learns: its first spike names the class, a right answer is rewarded, a wrong one
punished (:mod:`~firstspike.plasticity.rules.reward`). The earlier layers are frozen, so what they say about the
training images is computed once and kept. Mozafari et al. 2018, doi 10.1109/TNNLS.2018.2826721; Mozafari et al. 2019,
doi 10.1016/j.patcog.2019.05.015.
"""

from dataclasses import fields

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ...runtime import params as parameters
from ...runtime import rng
from ..rules.reward import RewardSTDP
from ..waves.backproject import backproject
from ..waves.decision import rescore, score
from ..waves.reinforce import answer, first_state, reinforce
from .rstdp_params import RSTDPParams
from .sdnn import SDNN

__all__ = ["RSTDP"]

_SLICE = 2000  # images between two reports of progress
_CHUNK = 500  # of the forward pass
_STALE = (
    0.25  # of the potentials summed one by one, beyond which all are computed anew (as matrix products) before a pass
)


def _moves(shift):
    """Displacements (rows, columns) that the images are shown with."""
    return [(0, 0), (shift, 0), (-shift, 0), (0, shift), (0, -shift)] if shift else [(0, 0)]


def _moved(images, down, right):
    """Images (N, H, W) moved by so many pixels; what moves in is 0."""
    if not (down or right):
        return images
    (_, height, width), by = images.shape, max(abs(down), abs(right))
    wide = np.pad(images, ((0, 0), (by, by), (by, by)))
    return wide[:, by - down : by - down + height, by - right : by - right + width]


class RSTDP(ClassifierMixin, BaseEstimator, RSTDPParams):
    """Classifier of images by the first spike of a layer that learns by reward (scikit-learn manners).

    Parameters: see :class:`~firstspike.plasticity.learners.rstdp_params.RSTDPParams`.

    Attributes
    ----------
    classes_ : ndarray
        Labels.
    features_ : SDNN
        The front end and the layers before the deciding one.
    weights_ : ndarray, shape (F, C, K, K)
        Of the deciding layer.
    map_classes_ : ndarray, shape (F,)
        Which class (index into `classes_`) each map stands for.
    history_ : ndarray, shape (passes, 3)
        Share of hits, misses and silence among the training images, during each pass.
    wins_ : ndarray, shape (F, 2)
        Right and wrong answers of each map in the last pass.

    Examples
    --------
    >>> images = np.zeros((20, 8, 8), np.uint8)
    >>> images[::2, 1:7, 3] = images[1::2, 4, 1:7] = 255
    >>> small = {"filter_sizes": (3,), "filter_scales": (0.5,), "filter_padding": 1}
    >>> small |= {name: () for name in RSTDPParams.MAY_BE_EMPTY}
    >>> net = RSTDP(**small, kernel=8, padding=0, per_class=2, epochs=5).fit(images, np.arange(20) % 2)
    >>> float(net.score(images, np.arange(20) % 2))
    1.0
    """

    device = "cpu"  # where the layers below the deciding one are computed, as in SDNN

    __eq__ = object.__eq__  # an estimator is itself, whatever its parameters
    __hash__ = object.__hash__

    def _params(self):
        return parameters.check(RSTDPParams(**{f.name: getattr(self, f.name) for f in fields(RSTDPParams)}))

    def _network(self, p):
        values = p.features_params()
        return SDNN(**{f.name: getattr(values, f.name) for f in fields(values)})

    def _rule(self, p, factor, n_images):
        scale = {name: factor * getattr(p, name) for name in ("reward_before", "reward_after")}
        scale |= {name: factor * getattr(p, name) for name in ("punish_before", "punish_after")}
        least, span = p.least, p.span
        if not p.reward:  # STDP: the answer does not matter
            scale |= {"punish_before": scale["reward_before"], "punish_after": scale["reward_after"]}
            least, span = 1.0, 0.0
        bounds = {"lower": p.reward_lower, "upper": p.reward_upper, "stabiliser": p.reward_stabiliser}
        return RewardSTDP(**scale, **bounds, least=least, span=span, block=p.block or n_images)

    def fit(self, X, y, progress=None, resume=None):
        """Learn from images (N, H, W), uint8 or float >= 0, and their labels (N,).

        Parameters
        ----------
        X, y : ndarray
            Images and labels, shown in this order unless `shuffle`.
        progress : callable, optional
            ``progress(fraction, note, snapshot)``, called between slices of images; ``snapshot()`` gives the state at
            this point as a flat dict of arrays.
        resume : dict, optional
            Such a state, of the same images and parameters: go on from there, to the same bits.

        Raises
        ------
        ValueError
            Fewer than two classes, labels that are not one an image, or images that are not (N, H, W).
        """
        p, X, y = self._params(), np.asarray(X), np.asarray(y)
        if X.ndim != 3 or y.shape != (len(X),):
            raise ValueError(f"X must be images (N, H, W) and y one label each, got {X.shape} and {y.shape}")
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y must have at least two classes, got {len(self.classes_)}")
        report = progress or (lambda fraction, note, snapshot: None)
        state = dict(resume or {})
        share = 0.4 if p.maps else 0.05  # of the work, until the deciding layer begins; for the progress only
        kept = {}

        def features_progress(fraction, note, snapshot):
            report(0.6 * share * fraction, note, lambda: {f"features.{k}": v for k, v in snapshot().items()})
            kept["features"] = snapshot

        before = {k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")}
        self.features_ = self._network(p).fit(X, progress=features_progress, resume=before or None)
        frozen = {f"features.{k}": v for k, v in kept["features"]().items()} if kept else state
        moves = _moves(p.shifts)
        times = [
            self._times(
                _moved(X, *move),
                lambda f, i=i: report(
                    share * (0.6 + 0.4 * (i + f) / len(moves)), "spikes for the deciding layer", lambda: frozen
                ),
            )
            for i, move in enumerate(moves)
        ]
        times, labels = np.concatenate(times), np.tile(labels, len(moves))
        self._decide(p, times, labels, {k: v for k, v in state.items() if k.startswith("at.")}, frozen, share, report)
        return self

    def _times(self, X, tell=lambda f: None):
        """Time maps (N, C, H, W) that the deciding layer sees."""
        parts, self.features_.device = [], self.device
        for start in range(0, max(1, len(X)), _CHUNK):
            maps = self.features_.encode(X[start : start + _CHUNK])
            for layer in range(len(self.features_.maps)):
                maps = self.features_.forward(maps, layer)
            parts.append(maps)
            tell(start / max(1, len(X)))
        return np.concatenate(parts)

    def _decide(self, p, times, labels, at, frozen, share, report):
        """Let the deciding layer learn from where `at` stands."""
        n, n_classes = len(times), len(self.classes_)
        n_maps = p.per_class * n_classes
        classes = np.repeat(np.arange(n_classes), p.per_class)
        if not at:
            at = {"at.weights": self._first_weights(p, n_maps, times.shape[1]), "at.epoch": np.array(0)}
            at |= {"at.start": np.array(0), "at.state": first_state(self._rule(p, 1.0, n), n_classes)}
            at |= {"at.history": np.zeros((p.epochs, 3)), "at.wins": np.zeros((n_maps, n_classes), np.int64)}
        at = {k: v.copy() for k, v in at.items()}
        weights, wins = at["at.weights"], at["at.wins"]
        scores = score(times, weights, p.n_steps, p.padding) if p.theta is None and p.epochs else None
        while at["at.epoch"] < p.epochs:
            epoch, start, sums = int(at["at.epoch"]), int(at["at.start"]), 0.0
            rule = self._rule(p, self._factor(p, epoch), n)
            order, awake = self._order(p, epoch, n), self._awake(p, epoch, n_maps)
            for a in range(start, n, _SLICE):
                part = order[a : a + _SLICE]
                if a == 0:
                    wins[:] = 0
                learnt = reinforce(
                    times[part],
                    labels[part],
                    weights[awake],
                    classes[awake],
                    rule,
                    theta=p.theta,
                    n_steps=p.n_steps,
                    padding=p.padding,
                    strict=p.strict,
                    state=at["at.state"],
                    scores=None if scores is None else scores.part(part, awake),
                )
                weights[awake] = learnt.weights
                at["at.state"] = learnt.state
                fired = learnt.winners[:, 0] >= 0
                np.add.at(wins, (np.flatnonzero(awake)[learnt.winners[fired, 0]], labels[part][fired]), 1)
                hits = learnt.answers == labels[part]
                at["at.history"][epoch] += (hits.sum(), (fired & ~hits).sum(), (~fired).sum())
                sums += learnt.sums * len(part) / n
                at["at.start"] = np.array(a + _SLICE)
                if a + _SLICE >= n:
                    at["at.history"][epoch] /= n
                    at["at.epoch"], at["at.start"] = np.array(epoch + 1), np.array(0)
                    if p.revive and epoch + 1 < p.epochs and self._factor(p, epoch + 1) < self._factor(p, epoch):
                        self._revive(p, epoch, weights, wins.sum(1), classes, awake)
                done = (epoch + min(1.0, (a + _SLICE) / n)) / p.epochs
                right = hits.mean()
                note = f"pass {epoch + 1} of {p.epochs}, {right:.1%} of the last {len(part)} right"
                report(share + (1 - share) * done, note, lambda: frozen | {k: v.copy() for k, v in at.items()})
            if scores is not None and sums > _STALE * scores.potentials[0].size and at["at.epoch"] < p.epochs:
                scores = rescore(scores, weights)
        self.weights_, self.history_ = weights, at["at.history"]
        right = wins[np.arange(n_maps), classes]
        self.wins_ = np.stack([right, wins.sum(1) - right], axis=1)
        self.map_classes_ = classes if p.reward else wins.argmax(1)
        report(1.0, "done", lambda: frozen | {k: v.copy() for k, v in at.items()})

    @staticmethod
    def _first_weights(p, n_maps, n_channels):
        draws = rng.normals(p.random_state, "rstdp/weights", (n_maps, n_channels, p.kernel, p.kernel))
        return (p.init_mean + p.init_std * draws).astype(np.float32)

    def first_weights(self):
        """Weights of the deciding layer before learning: a control."""
        check_is_fitted(self, "weights_")
        return self._first_weights(self._params(), *self.weights_.shape[:2])

    @staticmethod
    def _factor(p, epoch):
        return p.anneal_factor ** sum(epoch >= share * p.epochs for share in p.anneal)

    @staticmethod
    def _order(p, epoch, n):
        return rng.permutation(p.random_state, f"rstdp/order/{epoch}", n) if p.shuffle else np.arange(n)

    @staticmethod
    def _awake(p, epoch, n_maps):
        if not p.drop:
            return np.ones(n_maps, bool)
        awake = rng.uniforms(p.random_state, f"rstdp/drop/{epoch}", (n_maps,)) >= p.drop
        return awake if awake.any() else np.ones(n_maps, bool)

    @staticmethod
    def _revive(p, epoch, weights, won, classes, awake):
        """Let idle maps begin anew: the weights (changed in place) of a busy map of their class, and a little noise.

        The noise of a weight is in proportion to its distance from the nearer bound: noise cut off at the bounds would
        take from each of hundreds of inputs a little of their contrast, and such a copy would never win.
        """
        busy = won > p.revive * won[awake].mean()
        draws = rng.uniforms(p.random_state, f"rstdp/revive/{epoch}", (len(won),))
        noise = p.init_std * rng.normals(p.random_state, f"rstdp/revive/noise/{epoch}", weights.shape)
        for c in np.unique(classes):
            idle, sources = (np.flatnonzero((classes == c) & awake & which) for which in (~busy, busy))
            if len(sources):  # the busier, the likelier
                upto = np.cumsum(won[sources])
                chosen = sources[np.searchsorted(upto, draws[idle] * upto[-1], side="right")]
                near = np.clip(np.minimum(weights[chosen] - p.reward_lower, p.reward_upper - weights[chosen]), 0, None)
                weights[idle] = weights[chosen] + noise[idle] * near / (0.5 * (p.reward_upper - p.reward_lower))

    def set_weights(self, features, weights, map_classes, classes):
        """Put in the weights of the earlier layers (a list), of the deciding layer, and what its maps stand for."""
        p = self._params()
        self.features_ = self._network(p).set_weights(features)
        self.weights_ = np.ascontiguousarray(weights, np.float32)
        self.map_classes_, self.classes_ = np.asarray(map_classes, np.int64), np.asarray(classes)
        if len(self.map_classes_) != len(self.weights_):
            raise ValueError(f"map_classes must have {len(self.weights_)} entries, got {len(self.map_classes_)}")
        return self

    def patterns(self, maps=None):
        """What maps of the deciding layer (default: all) look for, drawn in the plane of the image: (F, h, w).

        Their weights count from `reward_lower`, so that a synapse at its lower bound leaves no trace.
        """
        check_is_fitted(self, "weights_")
        p = self._params()
        weights = self.weights_ if maps is None else self.weights_[maps]
        return backproject(self.features_.filters(), [*self.features_.path(), weights - p.reward_lower])

    def encode(self, X):
        """Time maps of the front end, of images (N, H, W)."""
        check_is_fitted(self, "weights_")
        return self.features_.encode(X)

    def predict(self, X):
        """Label of each image (N, H, W); -1 where the network is silent."""
        return self.predict_steps(X, steps=(self._params().n_steps - 1,))[:, 0]

    def predict_steps(self, X, steps=None):
        """Labels (N, S) said if the network had to answer after each of the steps (default: all T); -1 = silence."""
        check_is_fitted(self, "weights_")
        p, X = self._params(), np.asarray(X)
        steps = range(p.n_steps) if steps is None else steps
        out = np.empty((len(X), len(steps)), self.classes_.dtype)
        for start in range(0, len(X), _SLICE):
            times = self._times(X[start : start + _SLICE])
            for j, step in enumerate(steps):
                out[start : start + _SLICE, j] = self._answer(p, np.where(times <= step, times, p.n_steps))
        return out

    def _answer(self, p, times):
        how = {"theta": p.theta, "n_steps": p.n_steps, "padding": p.padding, "strict": p.strict}
        said, _ = answer(times, self.weights_, self.map_classes_, **how)
        return np.where(said < 0, -1, self.classes_[said])

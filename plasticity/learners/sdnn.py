"""SDNN: convolutional layers of one-spike neurons, trained by STDP one after the other; features for a classifier.

Images become first spikes (contrast filter, local mean, code of ranks), then per layer: integrate-and-fire
convolution, pooling by first spike. Learning of a layer: one spike a position, k winners an image, one-spike STDP;
earlier layers are frozen and their time maps kept. Kheradpisheh, Ganjtabesh, Thorpe & Masquelier 2018,
doi 10.1016/j.neunet.2017.12.005.
"""

from dataclasses import fields
from functools import partial

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ...runtime import params as parameters
from ...runtime import rng
from ...runtime.spikes import check_times, count_spikes
from ..rules.order import ACTIONS, RULES, convergence
from ..rules.own import find_rule, make_rule
from ..waves import front_end
from ..waves.backproject import backproject
from ..waves.conv import convolve, learn
from ..waves.winners import pointwise_inhibition, pool_times
from .sdnn_params import SDNNParams

__all__ = ["SDNN", "permute_synapses"]

_SLICE = 500  # images between two reports of progress; also the chunk of a forward pass
_PROBE = 1000  # images used to count spikes


def permute_synapses(weights, seed, name="permute"):
    """Weights (F, C, KH, KW) with the synapses of each map in a random order: a control for what was learnt."""
    out = np.ascontiguousarray(weights).reshape(len(weights), -1).copy()
    for f in range(len(out)):
        out[f] = out[f, rng.permutation(seed, f"{name}/{f}", out.shape[1])]
    return out.reshape(np.shape(weights))


class SDNN(TransformerMixin, BaseEstimator, SDNNParams):
    """Unsupervised features from images by one-spike STDP (scikit-learn transformer).

    Parameters: see :class:`~firstspike.plasticity.learners.sdnn_params.SDNNParams`.

    Attributes
    ----------
    weights_ : list of ndarray (F, C, KH, KW), float32
        May be replaced by hand; `transform` uses what stands here.
    convergence_ : list of ndarray (n, 2)
        For each layer rows (presentations, mean of w (1 - w)); the first row is before learning.
    n_seen_ : list of int
        Presentations to each layer.
    spikes_ : dict of float
        Mean spikes an image: ``input``, ``conv1``, ``pool1``, ...
    health_ : list of dict
        For each layer: `dead_maps` (never won in the last pass), `win_share` (largest share of the wins of one map),
        `saturation` (share of weights below 0.05 or above 0.95), `without_winner` (share of images), `mean_step`
        (mean step of the winners).

    Examples
    --------
    >>> images = np.zeros((3, 8, 8), np.uint8)
    >>> images[:2, 2:6, 3] = 255
    >>> net = SDNN(filter_sizes=(3,), filter_padding=1, maps=(4, 6), epochs=(1, 1)).fit(images)
    >>> net.transform(images).shape
    (3, 96)
    """

    device = "cpu"  # where layers are computed; set to "cuda" or "cuda:K" for the same bits there. Learning: the CPU

    __eq__ = object.__eq__  # an estimator is itself, whatever its parameters
    __hash__ = object.__hash__

    def _params(self):
        values = {f.name: getattr(self, f.name) for f in fields(SDNNParams)}
        return parameters.check(SDNNParams(**values))

    def filters(self):
        """Kernels of the contrast filters, one for each input map."""
        p = self._params()
        if p.filter == "gabor":
            return [front_end.gabor(size, angle) for size in p.filter_sizes for angle in p.orientations]
        out = []
        for size, s in zip(p.filter_sizes, p.filter_scales, strict=True):
            if p.filter == "log":
                on = front_end.log(size, s)
                off = -on / -on.min()
            else:
                on, off = front_end.dog(size, s, s * p.filter_ratio), front_end.dog(size, s * p.filter_ratio, s)
            out += [on, off] if p.polarity == "both" else [on]
        return out

    def encode(self, X):
        """Time maps (N, C, H, W) of images (N, H, W)."""
        p = self._params()
        filtering = {"padding": p.filter_padding, "scale": p.pixel_scale, "use_abs": p.filter == "gabor"}
        filtering["threshold"] = p.filter_threshold or None
        inhibition = None if p.lateral == "none" else {"mode": p.lateral}
        return front_end.encode(
            X,
            self.filters(),
            p.n_steps,
            filtering=filtering,
            norm_radius=p.norm_radius,
            filter_pool=_pool(p.filter_pool),
            inhibition=inhibition,
            competition=p.competition,
            bins=p.bins,
            time_pool=_pool(p.time_pool),
        )

    def forward(self, times, layer):
        """Time maps (N, F, PH, PW) after the pooling of `layer` = 0, 1, ... from those after the layer below."""
        p = self._params()
        pool = (p.pool_sizes[layer], p.pool_strides[layer], p.pool_paddings[layer])
        return self._convolve(p, times, layer, pool)

    def _convolve(self, p, times, layer, pool):
        return convolve(
            times,
            self.weights_[layer],
            p.thetas[layer],
            p.n_steps,
            padding=p.paddings[layer],
            pool=pool,
            strict=p.strict,
            inhibit=p.inhibit_at_inference,
            device=self.device,
        )

    def fit(self, X, y=None, progress=None, resume=None):
        """Learn all layers from images (N, H, W), uint8 or float >= 0, in the order given.

        Parameters
        ----------
        X : ndarray, shape (N, H, W)
            Images.
        y : object
            Ignored.
        progress : callable, optional
            ``progress(fraction, note, snapshot)``, called about every 500 images; ``snapshot()`` gives the state at
            this point as a flat dict of arrays.
        resume : dict, optional
            Such a state, of the same images and parameters: go on from there, to the same bits.
        """
        p = self._params()
        report = progress or (lambda fraction, note, snapshot: None)
        at = self._restore(resume)
        total = max(1, sum(p.epochs) * len(X))

        def say(note):
            seen = sum(self.n_seen_) + at["n_seen"]
            report(min(1.0, seen / total), note, lambda: self._snapshot(at))

        if at["layer"] == len(p.maps):
            return self
        times = self._sliced(self.encode, X, lambda: say("encoding"))
        if not self.spikes_:
            self.spikes_ = {"input": float((times[:_PROBE] < p.n_steps).sum() / max(1, min(len(times), _PROBE)))}
        for layer in range(len(p.maps)):
            if layer == at["layer"]:
                self._fit_layer(p, times, at, say)
                self._count_spikes(p, times[:_PROBE], layer)
                at.update(_start(layer + 1))
            if layer + 1 < len(p.maps):
                forward = partial(self.forward, layer=layer)
                times = self._sliced(forward, times, lambda: say("spikes for the next layer"))
        report(1.0, "done", lambda: self._snapshot(at))
        return self

    def _sliced(self, function, array, tell):
        parts = []
        for start in range(0, max(1, len(array)), _SLICE):
            parts.append(function(array[start : start + _SLICE]))
            tell()
        return np.concatenate(parts)

    def _fit_layer(self, p, times, at, say):
        """Learn one layer from where `at` stands: pass, next image, presentations, updates, history, winners."""
        layer = at["layer"]
        settings = {"a_plus": p.a_plus, "ratio": p.a_ratio, "doubling": p.doubling[layer], "a_max": p.a_max}
        settings["stabiliser"] = p.stabiliser
        rule = make_rule(find_rule(p.rule, RULES, ACTIONS), settings, p.rule_parameters)
        if len(self.weights_) == layer:
            shape = (p.maps[layer], times.shape[1], p.kernels[layer], p.kernels[layer])
            draws = rng.normals(p.random_state, f"sdnn/weights/{layer}", shape)
            self.weights_.append((p.init_mean + p.init_std * draws).astype(np.float32))
            at["history"] = [(0, convergence(self.weights_[layer]))]
        inputs = pointwise_inhibition(times, p.n_steps) if p.inhibit_inputs[layer] else times
        history = at["history"]
        while at["epoch"] < p.epochs[layer] and len(inputs):
            if at["n_seen"] and history[-1][1] < p.stop_at[layer]:
                break
            learnt = learn(
                inputs[at["start"] : at["start"] + _SLICE],
                self.weights_[layer],
                rule,
                theta=p.thetas[layer],
                n_steps=p.n_steps,
                n_winners=p.winners[layer],
                radius=p.radii[layer],
                padding=p.paddings[layer],
                strict=p.strict,
                n_seen=at["n_seen"],
                n_updated=at["n_updated"],
            )
            self.weights_[layer] = learnt.weights
            at["n_seen"], at["n_updated"] = learnt.n_seen, learnt.n_updated
            at["winners"] = [*(at["winners"] if at["start"] else []), learnt.winners]  # of the current pass
            history.append((learnt.n_seen, convergence(learnt.weights)))
            note = f"layer {layer + 1}, pass {at['epoch'] + 1}, w(1-w) {history[-1][1]:.4f}"
            at["start"] += _SLICE
            if at["start"] >= len(inputs):
                at["epoch"], at["start"] = at["epoch"] + 1, 0
            say(note)
        self.convergence_.append(np.array(history))
        self.n_seen_.append(at["n_seen"])
        winners = at["winners"] or [np.empty((0, p.winners[layer], 4), np.int32)]
        self.health_.append(_health(self.weights_[layer], np.concatenate(winners)))

    def _snapshot(self, at):
        """State of a fit as a flat dict of arrays: the finished layers, and `at` in the current one."""
        out = {f"at.{k}": np.asarray(at[k]) for k in ("layer", "epoch", "start", "n_seen", "n_updated")}
        out |= {f"at.{k}": np.concatenate(at[k]) if k == "winners" else np.array(at[k]) for k in _LISTS if at[k]}
        out |= {f"weights.{i}": w for i, w in enumerate(self.weights_)}
        out |= {f"convergence.{i}": h for i, h in enumerate(self.convergence_)}
        out |= {f"n_seen.{i}": np.asarray(n) for i, n in enumerate(self.n_seen_)}
        out |= {f"health.{i}.{k}": np.asarray(v) for i, h in enumerate(self.health_) for k, v in h.items()}
        return out | {f"spikes.{k}": np.asarray(v) for k, v in self.spikes_.items()}

    def _restore(self, state):
        """Put back what :meth:`_snapshot` gave (None: nothing); return where the fit stands."""
        at, state = _start(0), state or {}
        self.weights_, self.convergence_, self.n_seen_, self.health_, self.spikes_ = [], [], [], [], {}
        at |= {k.removeprefix("at."): v.item() for k, v in state.items() if k.startswith("at.") and v.ndim == 0}
        if "at.winners" in state:
            at["winners"] = [state["at.winners"]]
        if "at.history" in state:
            at["history"] = [(int(n), float(c)) for n, c in state["at.history"]]
        while f"weights.{len(self.weights_)}" in state:
            self.weights_.append(np.ascontiguousarray(state[f"weights.{len(self.weights_)}"]))
        for i in range(at["layer"]):
            self.convergence_.append(state[f"convergence.{i}"])
            self.n_seen_.append(int(state[f"n_seen.{i}"]))
            head = f"health.{i}."
            self.health_.append({k.removeprefix(head): v.item() for k, v in state.items() if k.startswith(head)})
        self.spikes_ = {k.removeprefix("spikes."): float(v) for k, v in state.items() if k.startswith("spikes.")}
        return at

    def _count_spikes(self, p, times, layer):
        spikes = self._convolve(p, times, layer, None)
        pooled = pool_times(spikes, p.n_steps, p.pool_sizes[layer], p.pool_strides[layer], p.pool_paddings[layer])
        for name, maps in (("conv", spikes), ("pool", pooled)):
            self.spikes_[f"{name}{layer + 1}"] = float((maps < p.n_steps).sum() / max(1, len(maps)))

    def set_weights(self, weights):
        """Put in a list of weights (F, C, KH, KW), one a layer, for `transform`; returns self.

        Raises ValueError for another number of layers or shapes that do not fit each other.
        """
        p = self._params()
        weights = [np.ascontiguousarray(w, np.float32) for w in weights]
        if len(weights) != len(p.maps):
            raise ValueError(f"weights must have {len(p.maps)} arrays, one a layer, got {len(weights)}")
        for layer, w in enumerate(weights):
            below = weights[layer - 1].shape[0] if layer else w.shape[1]
            wanted = (p.maps[layer], below, p.kernels[layer], p.kernels[layer])
            if w.shape != wanted or not np.isfinite(w).all():
                raise ValueError(f"weights of layer {layer + 1} must be finite, of shape {wanted}, got {w.shape}")
        self.weights_ = weights
        return self

    def permuted_weights(self, seed=0, layers=None):
        """List of weights with the synapses inside each map permuted, in all or in the named layers (0, 1, ...)."""
        check_is_fitted(self, "weights_")
        chosen = range(len(self.weights_)) if layers is None else layers
        return [permute_synapses(w, seed, f"permute/{i}") if i in chosen else w for i, w in enumerate(self.weights_)]

    def patterns(self, layer=-1):
        """What the maps of a layer look for, drawn in the plane of the image: (F, h, w)."""
        n = len(self._params().maps)
        if not -n <= layer < n:
            raise ValueError(f"layer must be in 0..{n - 1}, or count from the end, got {layer}")
        return backproject(self.filters(), self.path(layer % n + 1)[:-1])

    def path(self, n_layers=None):
        """Poolings (size, stride) and weights from the image through `n_layers` layers (None: all), for backproject."""
        check_is_fitted(self, "weights_")
        p = self._params()
        steps = [tuple(pool[:2]) for pool in (p.filter_pool, p.time_pool) if _pool(pool)]
        for i in range(len(p.maps) if n_layers is None else n_layers):
            steps += [self.weights_[i], (p.pool_sizes[i], p.pool_strides[i])]
        return steps

    def activity(self, X):
        """Mean spikes an image, by map and step (C, T), of ``input``, ``conv1``, ``pool1``, ... for images (N, H, W).

        Sums give the sparsity: ``activity["conv1"].sum()`` is all spikes of layer 1 an image.
        """
        check_is_fitted(self, "weights_")
        p, total, n = self._params(), {}, max(1, len(X))
        for start in range(0, max(1, len(X)), _SLICE):
            for name, maps in self._all_maps(p, self.encode(X[start : start + _SLICE])):
                total[name] = total.get(name, 0) + count_spikes(maps, p.n_steps).sum(0, dtype=np.int64)
        return {name: counts / n for name, counts in total.items()}

    def _all_maps(self, p, maps):
        yield "input", maps
        for layer in range(len(self.weights_)):
            spikes = self._convolve(p, maps, layer, None)
            yield f"conv{layer + 1}", spikes
            pool = (p.pool_sizes[layer], p.pool_strides[layer], p.pool_paddings[layer])
            maps = pool_times(spikes, p.n_steps, *pool)
            yield f"pool{layer + 1}", maps

    def transform(self, X):
        """Features (N, F PH PW) of images (N, H, W), float32 in compressed sparse rows."""
        check_is_fitted(self, "weights_")
        X = np.asarray(X)
        if X.ndim != 3:
            raise ValueError(f"X must be images (N, H, W), got shape {X.shape}")
        return self.transform_times(self.encode(X))

    def transform_times(self, times):
        """Features of input time maps (N, C, H, W), as :meth:`transform`."""
        check_is_fitted(self, "weights_")
        p = self._params()
        times = check_times(times, p.n_steps)
        parts = []
        for start in range(0, max(1, len(times)), _SLICE):
            maps = times[start : start + _SLICE]
            for layer in range(len(self.weights_)):
                maps = self.forward(maps, layer)
            parts.append(_features(maps.reshape(len(maps), int(np.prod(maps.shape[1:]))), p))
        return sparse.vstack(parts, format="csr") if len(parts) > 1 else parts[0]


_LISTS = ("history", "winners")


def _pool(pool):
    """None for a pooling that does nothing."""
    return None if tuple(pool) == (1, 1, 0) else pool


def _start(layer):
    """Where a fit stands at the start of a layer."""
    return {"layer": layer, "epoch": 0, "start": 0, "n_seen": 0, "n_updated": 0, "history": [], "winners": []}


def _features(maps, p):
    rows, columns = np.nonzero(maps < p.n_steps)
    start = np.searchsorted(rows, np.arange(len(maps) + 1))
    data = np.ones(len(columns), np.float32)
    if p.features == "latency":
        data = ((p.n_steps - maps[rows, columns].astype(np.float32)) / p.n_steps).astype(np.float32)
    return sparse.csr_matrix((data, columns.astype(np.int32), start.astype(np.int32)), shape=maps.shape)


def _health(weights, winners):
    n_maps = len(weights)
    won = winners[..., 0]
    wins = np.bincount(won[won >= 0], minlength=n_maps)
    n = max(1, len(winners))
    return {
        "dead_maps": int((wins == 0).sum()),
        "win_share": float(wins.max() / max(1, wins.sum())),
        "saturation": float(((weights < 0.05) | (weights > 0.95)).mean()),
        "without_winner": float((won[:, 0] < 0).sum() / n) if len(winners) else 0.0,
        "mean_step": float(winners[..., 3][won >= 0].mean()) if (won >= 0).any() else float("nan"),
    }

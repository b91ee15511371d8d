"""DelaySNN: a spiking network that learns when its spikes arrive, by gradients written out.

    hidden layer   z = sum over synapses of w x(t - d);  u = batch norm(z);  h = lam v + u;  spike where h >= theta
    readout        o = lam o + z;  score of class c = sum over time of softmax(o)_c;  cross-entropy of the scores

While a delay d learns, its synapse is spread over neighbouring steps (plasticity/layers/dcls.py); the spread shrinks.
Then delays are rounded, and weights may be fitted once more around the rounded delays (the refit: not in the paper).
Hammouamri, Khalfaoui-Hassani & Masquelier 2023, arXiv:2306.17670.
"""

from dataclasses import fields

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ...runtime import params as parameters
from ...runtime import rng
from ...runtime.memory import keep_freed_memory
from ..layers import dcls, ring
from ..layers.batch_norm import batch_norm_backward, batch_norm_forward, batch_norm_params
from ..layers.delays import delay_backward, delay_forward
from ..layers.dropout import dropout_backward, dropout_forward
from ..layers.losses import summed_softmax, summed_softmax_cross_entropy
from ..layers.neurons import leaky_backward, leaky_forward, lif_backward, lif_forward
from ..layers.optimisers import Fact, adam
from ..layers.pairs import EVAL, Mode, chain, named, statistics
from ..layers.schedules import cosine, one_cycle
from .delays_params import DelaysParams

__all__ = ["DelaySNN"]

_SOFT, _REFIT = 0, 1  # stages of learning


class DelaySNN(ClassifierMixin, BaseEstimator, DelaysParams):
    """Classifier of spike counts over time by a network with learnable delays (scikit-learn manners).

    Parameters: see :class:`~firstspike.plasticity.learners.delays_params.DelaysParams`.

    Attributes
    ----------
    classes_ : ndarray
        Labels.
    n_steps_ : int
        Steps of a sample; shorter ones are filled up with silence.
    first_, soft_, rounded_, refit_ : dict of ndarray
        Parameters before learning; after it; with rounded delays; after the refit (None without one).
    history_ : ndarray, shape (passes, 3)
        Of each pass, refit included: loss, share of right answers (training), width S of the bumps of the first layer.

    Examples
    --------
    >>> X = np.zeros((40, 8, 2), np.uint8)
    >>> X[::2, 1, 0] = X[::2, 4, 1] = X[1::2, 1, 1] = X[1::2, 4, 0] = 1  # the same spikes in another order
    >>> net = DelaySNN(hidden=(8,), max_delay=7, dropout=0, epochs=20, batch_size=8, rate=5e-3)
    >>> net = net.fit(X, np.arange(40) % 2)
    >>> float(net.score(X, np.arange(40) % 2))
    1.0
    """

    __eq__ = object.__eq__  # an estimator is itself, whatever its parameters
    __hash__ = object.__hash__

    def _params(self):
        return parameters.check(DelaysParams(**{f.name: getattr(self, f.name) for f in fields(DelaysParams)}))

    # ---- the network -------------------------------------------------------------------------------------------
    def _parts(self, rounded=False):
        """[(name, pair)] of the network; `rounded`: one tap a synapse."""
        p = self._params()
        version = p.version if p.delays == "learned" and not rounded else "triangle"
        delay = {"max_delay": self._window(p), "version": version, "sigma_min": p.sigma_min}
        delay["train"] = ("weight", "position") if p.delays == "learned" and not rounded else ("weight",)
        steps = p.tau / p.dt
        spike = {"threshold": p.theta, "surrogate": (p.surrogate, p.slope), "detach_reset": p.detach_reset}
        spike |= {"decay_input": False, "v_reset": 0.0}
        spike |= {} if p.learn_tau else {"tau": steps}
        parts = []
        for i in range(len(p.hidden) + 1):
            at = f"layer{i + 1}"
            more = {"input_gradient": i > 0}
            parts.append((f"{at}.delay", named(at, delay_forward, delay_backward, **delay, **more)))
            if i < len(p.hidden):
                parts.append((f"{at}.norm", named(f"{at}.norm", batch_norm_forward, batch_norm_backward)))
                parts.append((f"{at}.spike", named(f"{at}.spike", lif_forward, lif_backward, **spike)))
                if p.dropout:
                    drop = {"rate": p.dropout, "stream": f"delays/dropout/{i}"}
                    parts.append((f"{at}.drop", named(at, dropout_forward, dropout_backward, **drop)))
            else:
                tau = {} if p.learn_tau else {"tau": steps}
                parts.append(("leaky", named("leaky", leaky_forward, leaky_backward, **tau)))
        return parts

    def _network(self, rounded=False):
        return chain(*(pair for _, pair in self._parts(rounded)))

    def _first(self, p, n_inputs, n_classes):
        """First parameters of all layers, and the delays uniform over the window."""
        sizes, out = (n_inputs, *p.hidden, n_classes), {}
        for i in range(len(sizes) - 1):
            at = f"layer{i + 1}"
            layer = dcls.delay_params(p.random_state, f"delays/{at}", sizes[i], sizes[i + 1], self._window(p), p.copies)
            if p.delays != "learned":
                layer = dcls.rounded(layer, self._window(p))
            out |= {f"{at}.{key}": v for key, v in layer.items()}
            if i < len(p.hidden):
                out |= {f"{at}.norm.{key}": v for key, v in batch_norm_params(sizes[i + 1]).items()}
            if p.learn_tau:
                w = np.array(-np.log(p.tau / p.dt - 1), np.float32)
                out[f"{at}.spike.w" if i < len(p.hidden) else "leaky.w"] = w
        return out

    @staticmethod
    def _window(p):
        """Steps that a synapse looks back over."""
        return p.max_delay if p.delays != "none" else 1

    @staticmethod
    def _width(p, epoch, epochs):
        """Width S of all bumps in a pass of the first stage."""
        if p.width == "constant":
            return dcls.FINAL_WIDTH
        quarter = epochs // 4
        if p.width == "harden" and epoch > quarter:
            return dcls.FINAL_WIDTH * (epochs - 1 - epoch) / max(1, epochs - 1 - quarter)
        return dcls.sigma_schedule(epoch, epochs, p.max_delay)

    def _facts(self, params, p):
        """What the optimisers must know of each parameter."""
        facts = {name: Fact(decay=name.endswith("weight") and ".norm." not in name) for name in params}
        clamp = dcls.clamp_bounds(self._window(p))
        return facts | {name: Fact(False, clamp=clamp) for name in params if name.endswith(".position")}

    # ---- learning ----------------------------------------------------------------------------------------------
    def fit(self, X, y, progress=None, resume=None):
        """Learn from spike counts (N, T, C), or any numbers over time, and their labels (N,).

        Parameters
        ----------
        X, y : ndarray
            Samples and labels.
        progress : callable, optional
            ``progress(fraction, note, snapshot)``, called after each step; ``snapshot()`` gives the state at this point
            as a flat dict of arrays.
        resume : dict, optional
            Such a state, of the same samples and parameters: go on from there, to the same bits.

        Raises
        ------
        ValueError
            Fewer than two classes, no time step, labels that are not one a sample, or values that are not finite.
        """
        p, X, y = self._params(), _samples(X), np.asarray(y)
        if y.shape != (len(X),):
            raise ValueError(f"y must have one label for each of the {len(X)} samples, got shape {y.shape}")
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y must have at least two classes, got {len(self.classes_)}")
        self.n_steps_ = X.shape[1]
        keep_freed_memory()
        at = {k: np.array(v) for k, v in resume.items()} if resume else self._start(p, X.shape[2])
        report = progress or (lambda fraction, note, snapshot: None)
        passes = self._passes(p)
        total = max(1, sum(passes))
        while at["epoch"] < sum(passes):
            stage = int(at["epoch"] >= passes[0])
            if stage == _REFIT and "soft.layer1.weight" not in at:
                _round_state(at, self._window(p))
            note = self._one_step(p, at, stage, X, labels)
            done = (at["epoch"] + at["batch"] * p.batch_size / len(X)) / total
            report(float(done), note, lambda: {k: v.copy() for k, v in at.items()})
        if "soft.layer1.weight" not in at:
            at |= {f"soft.{k}": v.copy() for k, v in _part(at, "p.").items()}
        self.first_, self.soft_ = _part(at, "first."), _part(at, "soft.")
        self.rounded_ = _rounded(self.soft_, self._window(p))
        self.refit_ = _part(at, "p.") if passes[1] else None
        self.history_ = at["history"]
        return self

    def _passes(self, p):
        """(passes of the first stage, of the refit). Delays that do not learn need no refit."""
        refit = -(-p.epochs // 3) if p.refit_epochs is None else p.refit_epochs
        return (p.epochs, refit) if p.delays == "learned" else (p.epochs + refit, 0)

    def _start(self, p, n_inputs):
        first = self._first(p, n_inputs, len(self.classes_))
        at = {f"p.{k}": v for k, v in first.items()} | {f"first.{k}": v.copy() for k, v in first.items()}
        at |= {"epoch": np.array(0), "batch": np.array(0), "sums": np.zeros(2)}
        return at | {"history": np.full((sum(self._passes(p)), 3), np.nan)}

    def _one_step(self, p, at, stage, X, labels):
        """One batch: forwards, backwards, both optimisers; at the end of a pass, its line of the history."""
        epoch, batch, n = int(at["epoch"]), int(at["batch"]), len(X)
        passes = self._passes(p)
        within, length = (epoch, passes[0]) if stage == _SOFT else (epoch - passes[0], passes[1])
        params = _part(at, "p.")
        if p.delays == "learned" and stage == _SOFT:
            width = self._width(p, within, length)
            params |= {k: np.array(width, np.float32) for k in params if k.endswith(".width")}
        order = rng.permutation(p.random_state, f"delays/order/{epoch}", n)[batch * p.batch_size :][: p.batch_size]
        net = self._network(rounded=stage == _REFIT)
        mode = Mode(True, p.random_state, epoch * -(-n // p.batch_size) + batch)
        o, saved = net.forward(params, _batch(X, order), mode)
        target = labels[order]
        loss, gradient = summed_softmax_cross_entropy(o, target)
        _, gradients = net.backward(params, saved, gradient)
        params |= statistics(saved)
        self._update(
            p,
            params,
            gradients,
            at,
            stage,
            one_cycle(within, length, 5 * p.rate),
            cosine(within, length, p.position_rate),
        )
        at |= {f"p.{k}": v for k, v in params.items()}
        right = summed_softmax(o).argmax(axis=1) == target
        at["sums"] += (loss * len(order), right.sum())
        at["batch"] += 1
        if at["batch"] * p.batch_size >= n:
            at["history"][epoch] = (*(at["sums"] / n), float(params["layer1.width"]))
            at["sums"][:], at["batch"], at["epoch"] = 0, np.array(0), at["epoch"] + 1
        name = "refit, " if stage == _REFIT else ""
        return f"{name}pass {within + 1} of {length}, loss {loss:.3f}, {right.mean():.1%} of the batch right"

    def _update(self, p, params, gradients, at, stage, cycle, position_rate):
        """Weights, time constants and batch norm by one Adam, positions by another, each clamped after the step."""
        rate, beta1 = cycle
        facts = self._facts(params, p)
        positions = [name for name in gradients if name.endswith(".position")]
        others = [name for name in gradients if not name.endswith((".position", ".width"))]
        one, two = _part(at, "adam."), _part(at, "delays.")
        adam(params, gradients, one, rate, beta1=beta1, decay=p.weight_decay, facts=facts, names=others)
        if p.delays == "learned" and stage == _SOFT:
            adam(params, gradients, two, position_rate, facts=facts, names=positions)
        at |= {f"adam.{k}": v for k, v in one.items()} | {f"delays.{k}": v for k, v in two.items()}

    # ---- use ---------------------------------------------------------------------------------------------------
    def _which(self, which):
        check_is_fitted(self, "soft_")
        found = {"soft": self.soft_, "rounded": self.rounded_, "refit": self.refit_}
        which = which or ("refit" if self.refit_ is not None else "soft")
        if which not in found:
            raise ValueError(f"which must be one of {', '.join(found)}, got {which!r}")
        if found[which] is None:
            raise ValueError("there was no refit: refit_epochs is 0, or the delays did not learn")
        return found[which], which != "soft"

    def scores(self, X, which=None):
        """Scores (N, classes): softmax of the readout, summed over time.

        `which` network: ``"soft"`` as it learnt, ``"rounded"``, or ``"refit"`` (the default if there was a refit).
        """
        params, rounded = self._which(which)
        X, net = self._padded(X), self._network(rounded)
        out = np.zeros((len(X), len(self.classes_)), np.float32)
        spoken = X.any(axis=2)
        lengths = np.maximum(self.n_steps_, X.shape[1] - spoken[:, ::-1].argmax(axis=1) * spoken.any(axis=1))
        lengths[~spoken.any(axis=1)] = self.n_steps_
        for length in np.unique(lengths):  # a sample's scores must not depend on the others
            chosen = np.flatnonzero(lengths == length)
            for a in range(0, len(chosen), _SLICE):
                part = chosen[a : a + _SLICE]
                out[part] = summed_softmax(net.forward(params, _batch(X[:, :length], part), EVAL)[0])
        return out

    def predict(self, X, which=None):
        """Label of each sample (N, T, C); `which` as in :meth:`scores`. A tie goes to the first class."""
        return self.classes_[self.scores(X, which).argmax(axis=1)]

    def predict_proba(self, X, which=None):
        """Share of time that each class had, (N, classes)."""
        scores = self.scores(X, which)
        return scores / scores.sum(axis=1, keepdims=True)

    def activity(self, X, which=None):
        """What every part of the network says to samples (N, T, C): ``{"layer1.spike": (N, T, neurons), ...}``."""
        params, rounded = self._which(which)
        x, out = _batch(self._padded(X), slice(None)), {}
        for name, pair in self._parts(rounded):
            x, _ = pair.forward(params, x, EVAL)
            out[name] = np.ascontiguousarray(x.swapaxes(0, 1))
        return out

    def synapse_delays(self, which=None):
        """Delay of each synapse in seconds, an array (outputs, inputs, copies) a layer; `which` also ``"first"``."""
        params = self.first_ if which == "first" else self._which(which)[0]
        p = self._params()
        last = (self._window(p) - 1) // 2  # position of the delay 0
        # float64, so that positions can be made of delays again, to the bit
        return [(last - params[f"layer{i + 1}.position"][0].astype(float)) * p.dt for i in range(len(p.hidden) + 1)]

    def set_networks(self, classes, n_steps, soft, refit=None):
        """Put in networks that were learnt before.

        Parameters
        ----------
        classes : sequence
            Labels.
        n_steps : int
            Steps of a sample.
        soft, refit : dict
            Parameters as in `soft_` and `refit_`; in place of positions, ``"delays"`` holds what
            :meth:`synapse_delays` gave.
        """
        p = self._params()
        self.classes_, self.n_steps_ = np.asarray(classes), int(n_steps)
        last = (self._window(p) - 1) // 2
        self.soft_, self.refit_ = (self._with_positions(p, part, last) if part else None for part in (soft, refit))
        self.rounded_ = _rounded(self.soft_, self._window(p))
        return self

    @staticmethod
    def _with_positions(p, params, last):
        out = {k: np.asarray(v) for k, v in params.items() if k != "delays"}
        for i, delays in enumerate(params["delays"]):
            out[f"layer{i + 1}.position"] = (last - np.asarray(delays) / p.dt).astype(np.float32)[None]
        return out

    def to_events(self, which=None):
        """The network with whole delays as synapse lists, for :func:`~firstspike.plasticity.layers.ring.run`."""
        params, rounded = self._which(which)
        if not rounded:
            raise ValueError("only a network with rounded delays runs on events: which must be rounded or refit")
        p = self._params()
        return ring.export(params, len(p.hidden) + 1, self._window(p), p.tau / p.dt, p.theta)

    def _padded(self, X):
        X = _samples(X)
        short = self.n_steps_ - X.shape[1]
        return np.pad(X, ((0, 0), (0, max(0, short)), (0, 0)))


_SLICE = 256  # samples of a forward pass


def _samples(X):
    """X as (N, T, C) of uint8 or float32."""
    X = np.asarray(X)
    if X.ndim != 3 or 0 in X.shape[1:]:
        raise ValueError(f"X must be (samples, steps, channels) with at least one step and channel, got {X.shape}")
    if X.dtype == np.uint8:
        return X
    if X.dtype.kind not in "uifb" or not np.isfinite(X).all():
        raise ValueError(f"X must hold finite numbers, got {X.dtype}")
    return X.astype(np.float32)


def _batch(X, chosen):
    """(T, N, C) of the chosen samples."""
    return np.ascontiguousarray(X[chosen].swapaxes(0, 1))


def _part(at, head):
    return {k[len(head) :]: v for k, v in at.items() if k.startswith(head)}


def _rounded(params, k):
    """Parameters of a network with whole delays, a copy."""
    out = {name: value.copy() for name, value in params.items()}
    for name in params:
        if name.endswith(".position"):
            at = name.removesuffix("position")
            out |= {at + key: v for key, v in dcls.rounded(_part(out, at), k).items()}
    return out


def _round_state(at, k):
    """Keep the soft network and start the refit: whole delays, one tap a synapse, fresh optimisers."""
    soft = _part(at, "p.")
    at |= {f"soft.{name}": v.copy() for name, v in soft.items()}
    at |= {f"p.{name}": v for name, v in _rounded(soft, k).items()}
    for key in [key for key in at if key.startswith(("adam.", "delays."))]:
        del at[key]

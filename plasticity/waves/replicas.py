"""Many networks of one shape learn from the same images: seeds or parameter points, side by side.

Each network goes through the images one after another, as in :func:`~firstspike.plasticity.waves.conv.learn` or
:func:`~firstspike.plasticity.waves.reinforce.reinforce`, and gives what they give. On the CPU the networks are spread
over threads; on a CUDA device each has a block of its own.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.jit import specialise
from ...runtime.spikes import check_times
from ...runtime.threads import in_blocks
from .checks import at_least, check_weights, finite
from .conv import Learnt, learn
from .layer import make_layer
from .reinforce import _classes, _integers, first_state, reinforce
from .reinforce_cpu import UPDATED

__all__ = ["Replicas", "learn_replicas", "reinforce_replicas"]


class Replicas(NamedTuple):
    """What :func:`reinforce_replicas` gives back."""

    weights: np.ndarray  # (R, F, C, KH, KW) float32
    state: np.ndarray  # (R, 6) float64, as of first_state
    answers: np.ndarray  # (R, N) int32: class before the update of that image, -1 = silence
    winners: np.ndarray  # (R, N, 4) int32: map, row, column, step; -1 = silence


def learn_replicas(
    times,
    weights,
    rules,
    *,
    theta,
    n_steps,
    n_winners,
    radius=0,
    padding=0,
    strict=True,
    n_seen=0,
    n_updated=0,
    device="cpu",
):
    """Let R layers learn from the same time maps, without reward.

    Parameters
    ----------
    times : ndarray of int, shape (N, C, H, W)
        Time maps, seen by all networks in this order.
    weights : ndarray of float, shape (R, F, C, KH, KW)
        Not changed.
    rules : object, or R of them
        As of :func:`~firstspike.plasticity.waves.conv.learn`; of one class.
    theta : float or None, or R floats
        Thresholds; None for all networks or for none.
    n_steps, n_winners, radius, padding, strict
        As of learn; the same for all.
    n_seen, n_updated : int, or R of them
        Counts of earlier calls.
    device : str
        ``"cpu"``, ``"cuda"`` or ``"cuda:K"``.

    Returns
    -------
    Learnt
        With arrays that have one more axis, of R networks, in front: weights, n_seen, n_updated, winners.

    Raises
    ------
    ValueError
        What learn refuses; lengths that do not fit; a device that is not there.
    """
    nets = _Replicas(times, weights, rules, theta, (n_steps, padding, strict))
    n_seen, n_updated = nets.each("n_seen", n_seen), nets.each("n_updated", n_updated)
    if device == "cpu":
        shared = {"n_steps": n_steps, "n_winners": n_winners, "radius": radius, "padding": padding, "strict": strict}

        def one(r):
            counts = {"n_seen": n_seen[r], "n_updated": n_updated[r]}
            return learn(nets.times, nets.weights[r], nets.rules[r], theta=nets.theta[r], **shared, **counts)

        return Learnt(*_stack(one, nets.n))
    from .replicas_cuda import Task

    k, radius = at_least("n_winners", n_winners, 1), at_least("radius", radius, 0)
    n_seen = np.array([at_least("n_seen", n, 0) for n in n_seen])
    states = np.zeros((nets.n, 6))
    states[:, UPDATED] = [at_least("n_updated", n, 0) for n in n_updated]
    winners = np.empty((nets.n, len(times), k, 4), np.int32)
    nothing = np.zeros(len(times), np.int64)
    task = Task(nets.schedule(n_seen), nothing, np.zeros(nets.weights.shape[1], np.int64), -1, radius)
    out = nets.run(task, states, winners, device)
    return Learnt(out, n_seen + len(times), states[:, UPDATED].astype(np.int64), winners)


def reinforce_replicas(
    times, labels, weights, classes, rules, *, theta, n_steps, padding=0, strict=True, state=None, device="cpu"
):
    """Let R deciding layers learn by reward from the same time maps.

    Parameters
    ----------
    times : ndarray of int, shape (N, C, H, W)
        Time maps, seen by all networks in this order.
    labels : ndarray of int, shape (N,)
        True classes.
    weights : ndarray of float, shape (R, F, C, KH, KW)
        Not changed.
    classes : ndarray of int, shape (F,)
        Class of each map.
    rules : object, or R of them
        As of :func:`~firstspike.plasticity.waves.reinforce.reinforce`; of one class, with one `block`.
    theta : float or None, or R floats
        Thresholds; None for all networks or for none.
    n_steps, padding, strict
        As of reinforce; the same for all.
    state : ndarray, shape (R, 6), optional
        Where an earlier call ended.
    device : str
        ``"cpu"``, ``"cuda"`` or ``"cuda:K"``.

    Returns
    -------
    Replicas
        The first four of what reinforce gives, with an axis of R networks in front.

    Raises
    ------
    ValueError
        What reinforce refuses; lengths that do not fit; a device that is not there.
    """
    nets = _Replicas(times, weights, rules, theta, (n_steps, padding, strict))
    if state is not None and np.shape(state) != (nets.n, 6):
        raise ValueError(f"state must have shape ({nets.n}, 6), got {np.shape(state)}")
    if device == "cpu":
        shared = {"n_steps": n_steps, "padding": padding, "strict": strict}

        def one(r):
            begin = None if state is None else state[r]
            rule = nets.rules[r]
            done = reinforce(
                nets.times, labels, nets.weights[r], classes, rule, theta=nets.theta[r], state=begin, **shared
            )
            return done[:4]

        return Replicas(*_stack(one, nets.n))
    from .replicas_cuda import Task

    labels = _integers("labels", labels, len(times))
    classes = _integers("classes", classes, nets.weights.shape[1])
    blocks = {at_least("block of the rule", rule.block, 0) for rule in nets.rules}
    if len(blocks) > 1:
        raise ValueError(f"all rules must have one block, got {sorted(blocks)}")
    n_classes = max(2, len(np.unique(classes)))
    states = [first_state(rule, n_classes) for rule in nets.rules] if state is None else state
    states = np.array(states, np.float64)
    winners = np.empty((nets.n, len(times), 1, 4), np.int32)
    task = Task(np.zeros((nets.n, len(times), 2)), labels, classes, blocks.pop(), 0)
    out = nets.run(task, states, winners, device)
    winners = winners[:, :, 0]
    answers = _classes(winners.reshape(-1, 4), classes).reshape(winners.shape[:2])
    return Replicas(out, states, answers, winners)


# bound by `specialise` to the function of a rule
def rates(n, p):  # pragma: no cover
    """Stand-in for the rule's own."""
    raise NotImplementedError


def _schedule_loop(first, p, out):
    for i in range(out.shape[0]):
        out[i, 0], out[i, 1] = rates(first + i, p)


class _Replicas:
    """Checked networks."""

    def __init__(self, times, weights, rules, theta, common):
        n_steps, padding, strict = common
        self.times = check_times(times, n_steps)
        weights = finite("weights", weights, 5)
        self.n = len(weights)
        if self.n < 1:
            raise ValueError(f"weights must be (R, F, C, KH, KW) with R >= 1, got shape {weights.shape}")
        self.weights = np.stack([check_weights(w, self.times.shape[1]) for w in weights])
        self.rules, self.theta = self.each("rules", rules), self.each("theta", theta)
        if len({type(rule) for rule in self.rules}) > 1:
            raise ValueError("all rules must be of one class")
        layers = [
            make_layer(self.times, w, theta, n_steps, padding, strict)
            for w, theta in zip(self.weights, self.theta, strict=True)
        ]
        if len({layer.last_only for layer in layers}) > 1:
            raise ValueError("theta must be None for all networks or for none")
        self.layer, self._thetas = layers[0], np.array([layer.theta for layer in layers], np.float32)
        for rule in self.rules:
            if hasattr(rule, "validate"):
                rule.validate()
        self._scalars = np.array([finite("scalars of the rule", rule.scalars(), 1) for rule in self.rules], np.float64)

    def each(self, name, value):
        """One value for each network."""
        if np.ndim(value) == 0:
            return [value] * self.n
        if len(value) != self.n:
            raise ValueError(f"{name} must be one, or {self.n} for {self.n} networks, got {len(value)}")
        return list(value)

    def schedule(self, n_seen):
        """Amplitudes (R, N, 2) at each image: they depend on nothing that is learnt, so the CPU makes them."""
        out = np.empty((self.n, len(self.times), 2))
        loop = specialise(_schedule_loop, rates=self.rules[0].rates)
        for r in range(self.n):
            loop(np.int64(n_seen[r] + 1), tuple(float(v) for v in self._scalars[r]), out[r])
        return out

    def run(self, task, states, winners, device):
        """Learn on a CUDA `device`: new weights; `states` and `winners` are changed in place."""
        from .replicas_cuda import Nets, run_replicas

        nets = Nets(self.weights, self._thetas, self._scalars, states)
        return run_replicas(self.times, nets, task, self.layer, self.rules[0], winners, device)


def _stack(one, n):
    """``one(r)`` for all networks on several threads; the arrays of the results stacked, one by one."""
    results = [one(0)]  # alone: it compiles
    results += [None] * (n - 1)

    def block(a, b):
        for r in range(a + 1, b + 1):
            results[r] = one(r)

    in_blocks(block, n - 1, 1)
    return [np.stack(arrays) for arrays in zip(*results, strict=True)]

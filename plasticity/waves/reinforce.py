"""The layer that answers: its first spike names the class, and the answer's being right or wrong teaches its neuron.

    answer = class of the map of the first spike (tie: largest V; tie: lowest (map, row, column));  -1 = silence

The winner alone learns, by a rule of :mod:`~firstspike.plasticity.rules.reward`. No other classifier stands behind.
Mozafari et al. 2018, doi 10.1109/TNNLS.2018.2826721; Mozafari et al. 2019, doi 10.1016/j.patcog.2019.05.015.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.jit import specialise
from ...runtime.spikes import check_times
from ...runtime.threads import in_blocks
from .checks import at_least, check_weights, finite
from .decision import find_images, learn_images, score
from .layer import inside, make_layer, outside
from .learn_cpu import make_scratch
from .reinforce_cpu import PUNISH, REWARD, answer_loop, reinforce_loop

__all__ = ["Reinforced", "answer", "first_state", "reinforce"]

_BLOCK = 512  # images whose potentials are computed together
_MANY = 4096  # images prepared at a time: that bounds the memory


class Reinforced(NamedTuple):
    """What :func:`reinforce` gives back."""

    weights: np.ndarray  # (F, C, KH, KW) float32
    state: np.ndarray  # (6,) float64, as of :func:`first_state`
    answers: np.ndarray  # (N,) int32: class before the update of that image, -1 = silence
    winners: np.ndarray  # (N, 4) int32: map, row, column, step; -1 = silence
    sums: float  # potentials computed an image (without threshold): says how stale given scores are


def first_state(rule, n_classes):
    """State of learning before the first image: factors of an answer at random among `n_classes`, no counts.

    Entries: factor of rewards, factor of punishments, hits, misses and images of the current block, updates so far.
    """
    n = at_least("n_classes", n_classes, 2)
    state = np.zeros(6)
    state[REWARD], state[PUNISH] = rule.factors(1.0, n - 1.0, float(n), rule.scalars())
    return state


def reinforce(
    times, labels, weights, classes, rule, *, theta, n_steps, padding=0, strict=True, state=None, scores=None
):
    """Let the deciding layer learn by reward, image after image.

    Parameters
    ----------
    times : ndarray of int, shape (N, C, H, W)
        Time maps; `n_steps` = silent.
    labels : ndarray of int, shape (N,)
        True classes; a label that no map has, such as -1, makes every answer wrong.
    weights : ndarray of float, shape (F, C, KH, KW)
        Not changed. To drop maps for a while, pass those that stay, with their `classes`.
    classes : ndarray of int, shape (F,)
        Class of each map.
    rule : object
        Such as :class:`~firstspike.plasticity.rules.reward.RewardSTDP`.
    theta, n_steps, padding, strict
        As in :func:`~firstspike.plasticity.waves.conv.convolve`.
    scores : Scores, optional
        For ``theta=None``: the images as prepared by :func:`~firstspike.plasticity.waves.decision.score`, if they are
        shown several times. Changes the speed, not the result.
    state : ndarray, shape (6,), optional
        Where an earlier call ended: learning in two calls equals learning in one. Default: :func:`first_state`.

    Returns
    -------
    Reinforced

    Raises
    ------
    ValueError
        Shapes that do not fit, and what :func:`~firstspike.plasticity.waves.conv.convolve` refuses.
    """
    times = check_times(times, n_steps)
    weights = check_weights(weights, times.shape[1])
    layer = make_layer(times, weights, theta, n_steps, padding, strict)
    labels = _integers("labels", labels, len(times))
    classes = _integers("classes", classes, len(weights))
    if hasattr(rule, "validate"):
        rule.validate()
    p = tuple(float(v) for v in finite("scalars of the rule", rule.scalars(), 1))
    state = first_state(rule, max(2, len(np.unique(classes)))) if state is None else np.array(state, np.float64)
    if state.shape != (6,):
        raise ValueError(f"state must have shape (6,), got {state.shape}")
    at_least("block of the rule", rule.block, 0)
    winners = np.full((len(times), 4), -1, np.int32)
    sums = 0.0
    if theta is None:
        size = _BLOCK if scores is None else max(1, len(times))
        for start in range(0, len(times), size):
            part = slice(start, start + size)
            known = score(times[part], weights, n_steps, padding) if scores is None else scores.part(part)
            weights, work = learn_images(known, n_steps, labels[part], weights, classes, rule, state, winners[part])
            sums += work[0] * len(known.masks) / len(times)
    else:
        inner = inside(weights, layer.n_lanes)
        loop = specialise(reinforce_loop, factors=rule.factors, amplitudes=rule.amplitudes, update=rule.update)
        scratch = make_scratch(times.shape[1:], layer)
        loop(times, labels, classes, inner, layer, rule.block, p, scratch, state, winners[:, None])
        weights = outside(inner, weights.shape)
    return Reinforced(weights, state, _classes(winners, classes), winners, sums)


def answer(times, weights, classes, *, theta, n_steps, padding=0, strict=True):
    """Answers (N,) int32 of a deciding layer to time maps (N, C, H, W), -1 = silence, and winners (N, 4) int32.

    Arguments as of :func:`reinforce`; threaded over images.

    Examples
    --------
    >>> times = np.array([[[[0]], [[2]]], [[[2]], [[2]]]])
    >>> answer(times, np.ones((1, 2, 1, 1)), [7], theta=None, n_steps=2)[0].tolist()
    [7, -1]
    """
    times = check_times(times, n_steps)
    weights = check_weights(weights, times.shape[1])
    layer = make_layer(times, weights, theta, n_steps, padding, strict)
    classes = _integers("classes", classes, len(weights))
    winners = np.full((len(times), 1, 4), -1, np.int32)
    if theta is None:
        for start in range(0, len(times), _MANY):
            part = slice(start, start + _MANY)
            winners[part, 0] = find_images(score(times[part], weights, n_steps, padding), n_steps)
    else:
        inner = inside(weights, layer.n_lanes)

        def block(a, b):
            answer_loop(times[a:b], inner, layer, make_scratch(times.shape[1:], layer), winners[a:b])

        in_blocks(block, len(times), _BLOCK)
    return _classes(winners[:, 0], classes), winners[:, 0]


def _classes(winners, classes):
    first = winners[:, 0]
    return np.where(first < 0, -1, classes[first]).astype(np.int32)


def _integers(name, array, n):
    array = finite(name, array, 1)
    if array.shape != (n,) or (array.dtype.kind == "f" and (array != np.floor(array)).any()):
        raise ValueError(f"{name} must be {n} integers, got shape {array.shape} of {array.dtype}")
    return array.astype(np.int64)

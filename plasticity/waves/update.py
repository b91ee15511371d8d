"""Learning taken apart: which inputs of a winner came before it, and the update of given winners.

:func:`~firstspike.plasticity.waves.conv.learn` and :func:`~firstspike.plasticity.waves.reinforce.reinforce` do all of
this at once and fast. Here the caller chooses winners and amplitudes, for instance other ones for each map or image:

    w[f, c, i, j] <- update(w, before, a_before[f], a_after[f]),     before = [tau[c, y + i - p, x + j - p] <= step]

for each winner (f, y, x, step). Mozafari et al. 2019, doi 10.3389/fnins.2019.00625.
"""

import numpy as np

from ...runtime.jit import specialise
from ...runtime.spikes import check_times
from .checks import check_kernel, check_weights, finite
from .winners import pad_times

__all__ = ["inputs_before", "update_winners"]


def _winners(winners, n, shape):
    """Winners as int64 (N, k, 4), inside output maps of `shape` (F, OH, OW)."""
    winners = finite("winners", winners, 3).astype(np.int64)
    if winners.shape[0] != n or winners.shape[2] != 4:
        raise ValueError(f"winners must be ({n}, k, 4), got shape {winners.shape}")
    real = winners[winners[..., 0] >= 0]
    if real.size and ((real < 0).any() or (real[:, :3] >= shape).any()):
        raise ValueError(f"winners must lie in {tuple(shape)} maps, rows and columns")
    return winners


def inputs_before(times, n_steps, winners, kernel, padding=0):
    """Whether each input of a winner spiked before or with it: bool (N, k, C, KH, KW); all False without a winner.

    Parameters
    ----------
    times : ndarray of int, shape (N, C, H, W)
        Time maps of the input.
    n_steps : int
        T, silent.
    winners : ndarray of int, shape (N, k, 4)
        Map, row, column and step of each, -1 = none, as of :func:`~firstspike.plasticity.waves.winners.k_winners`.
    kernel : (int, int)
        KH and KW.
    padding : int
        Silent rows and columns around the input.
    """
    times = check_times(times, n_steps)
    size = check_kernel(times.shape[2:], kernel, padding)
    winners = _winners(winners, len(times), (np.iinfo(np.int64).max, *size))
    padded = pad_times(times, n_steps, padding)
    out = np.zeros((*winners.shape[:2], times.shape[1], *kernel), bool)
    for n, k in np.argwhere(winners[..., 0] >= 0):
        _, y, x, step = winners[n, k]
        out[n, k] = padded[n, :, y : y + kernel[0], x : x + kernel[1]] <= min(step, n_steps - 1)
    return out


def update(w, before, a_before, a_after, p):  # pragma: no cover
    """Stand-in for the rule's own, bound by `specialise`."""
    raise NotImplementedError


def _update_loop(before, maps, weights, a_before, a_after, p):
    """All synapses of all winners of one image, in place; `before` (k, C, KH, KW), `maps` (k,), -1 = none."""
    for k in range(maps.size):
        f = maps[k]
        if f < 0:
            continue
        for c in range(weights.shape[1]):
            for i in range(weights.shape[2]):
                for j in range(weights.shape[3]):
                    w = np.float64(weights[f, c, i, j])
                    weights[f, c, i, j] = update(w, before[k, c, i, j], a_before[f], a_after[f], p)


def update_winners(times, weights, winners, rule, a_before, a_after, *, n_steps, padding=0):
    """Weights after the given winners have learnt, image after image.

    Parameters
    ----------
    times, winners, n_steps, padding
        As in :func:`inputs_before`.
    weights : ndarray of float, shape (F, C, KH, KW)
        Not changed. Maps that do not win stay as they are, even outside the rule's bounds.
    rule : object
        With `update(w, before, a_before, a_after, p)` and `scalars()`, such as
        :class:`~firstspike.plasticity.rules.order.OrderSTDP`; its `rates` are not asked.
    a_before, a_after : float or ndarray of shape (F,)
        Amplitudes for inputs before or with the output, and for the others.

    Returns
    -------
    weights : ndarray of float32, shape (F, C, KH, KW)
    """
    times = check_times(times, n_steps)
    weights = check_weights(weights, times.shape[1]).copy()
    size = check_kernel(times.shape[2:], weights.shape[2:], padding)
    winners = _winners(winners, len(times), (len(weights), *size))
    rates = []
    for name, a in (("a_before", a_before), ("a_after", a_after)):
        a = finite(name, a).astype(np.float64)
        if a.shape not in ((), (len(weights),)):
            raise ValueError(f"{name} must be a number or {len(weights)} numbers, one a map, got shape {a.shape}")
        rates.append(np.ascontiguousarray(np.broadcast_to(a, len(weights))))
    p = tuple(float(v) for v in finite("scalars of the rule", rule.scalars(), 1))
    loop = specialise(_update_loop, update=rule.update)
    for n in range(len(times)):
        before = inputs_before(times[n : n + 1], n_steps, winners[n : n + 1], weights.shape[2:], padding)
        loop(before[0], winners[n, :, 0], weights, *rates, p)
    return weights

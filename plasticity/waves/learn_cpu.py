"""Learning of one convolutional layer on the CPU: image after image, with exact early stop.

Winners are ordered by (step, -potential at that step, map, row, column), and the chosen ones exclude others. So they
are fixed step by step: after the potentials of a step are complete, each position that crossed the threshold now has
its winner over maps and takes part no further; among these candidates winners are picked greedily, and as soon as
there are k, the rest of the image cannot change anything.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.jit import kernel
from .conv_cpu import Spikes, add, bucket, make_spikes

__all__ = ["Scratch", "Winners", "find_winners", "learn_loop", "make_scratch"]


class Winners(NamedTuple):
    """How many winners an image may have, and how far one excludes the others."""

    count: int  # k
    radius: int  # r


class Scratch(NamedTuple):
    """Working memory of one layer."""

    spikes: Spikes
    v: np.ndarray  # (OH, (OW + 2 (KW - 1)) F) potentials
    mark: np.ndarray  # (OH, OW) step at which the position was touched last; large = has its winner
    touched: np.ndarray  # (OH OW) positions touched in this step
    value: np.ndarray  # (OH OW) candidates: potential,
    map: np.ndarray  # (OH OW) map,
    place: np.ndarray  # (OH OW) position


_DONE = np.int32(2**31 - 1)


def make_scratch(shape, layer):
    """:class:`Scratch` for input maps of `shape` (C, H, W)."""
    size = layer.height * layer.width
    return Scratch(
        make_spikes(shape, layer.n_steps),
        np.empty((layer.height, (layer.width + 2 * (layer.kernel_w - 1)) * layer.n_lanes), np.float32),
        np.empty((layer.height, layer.width), np.int32),
        np.empty(size, np.int64),
        np.empty(size, np.float32),
        np.empty(size, np.int64),
        np.empty(size, np.int64),
    )


@kernel
def _count_above(v, theta):
    n = 0
    for i in range(v.size):
        n += v[i] > theta
    return n


@kernel
def _step(t, n, weights, layer, s):
    """Add all spikes of step `t`; positions without a winner that they touch follow the `n` listed ones."""
    offsets, event = s.spikes.offsets, s.spikes.event
    height = (offsets.size - 1) // layer.n_steps
    lanes, edge = layer.n_lanes, layer.kernel_w - 1
    stamp = np.int32(0 if layer.last_only else t)  # without threshold the one test at the end takes all positions
    for y in range(height):
        for e in range(offsets[y * layer.n_steps + t], offsets[y * layer.n_steps + t + 1]):
            code = np.int64(event[e])
            x = (code & 0xFFFF) + layer.pad
            block = weights[code >> 16]
            for ky in range(max(0, y + layer.pad - layer.height + 1), min(layer.kernel_h, y + layer.pad + 1)):
                oy = y + layer.pad - ky
                add(s.v[oy, x * lanes : (x + layer.kernel_w) * lanes], block[ky])
                for ox in range(max(0, x - edge), min(layer.width, x + 1)):
                    if s.mark[oy, ox] < stamp:
                        s.mark[oy, ox] = stamp
                        s.touched[n] = oy * layer.width + ox
                        n += 1
    return n


@kernel
def _candidates(n_touched, layer, s):
    """Winner over maps at each touched position that crossed; returns their number."""
    lanes, edge = layer.n_lanes, layer.kernel_w - 1
    n = 0
    for i in range(n_touched):
        oy, ox = s.touched[i] // layer.width, s.touched[i] % layer.width
        a = (edge + ox) * lanes
        v = s.v[oy, a : a + lanes]
        if _count_above(v, layer.theta) == 0:
            continue
        best = 0
        for f in range(1, layer.n_maps):
            if v[f] > v[best]:
                best = f
        s.mark[oy, ox] = _DONE
        s.value[n], s.map[n], s.place[n] = v[best], best, s.touched[i]
        n += 1
    return n


@kernel
def _excluded(f, y, x, radius, winners, n):
    for i in range(n):
        if winners[i, 0] == f:
            return True
        if radius > 0 and abs(winners[i, 1] - y) <= radius and abs(winners[i, 2] - x) <= radius:
            return True
    return False


@kernel
def _pick(t, n_candidates, layer, radius, s, winners, n):
    """Add the winners among the candidates of step `t` to the `n` known ones; returns the new number."""
    while n < winners.shape[0]:
        best = -1
        for i in range(n_candidates):
            f, p = s.map[i], s.place[i]
            if best >= 0:
                tie = s.value[i] == s.value[best]
                if not (s.value[i] > s.value[best] or (tie and (f, p) < (s.map[best], s.place[best]))):
                    continue
            if not _excluded(f, p // layer.width, p % layer.width, radius, winners, n):
                best = i
        if best < 0:
            break
        winners[n, 0] = s.map[best]
        winners[n, 1] = s.place[best] // layer.width
        winners[n, 2] = s.place[best] % layer.width
        winners[n, 3] = t
        n += 1
    return n


@kernel
def find_winners(times, weights, layer, radius, s, winners):
    """Winners (map, row, column, step) of one time map (C, H, W) into `winners` (k, 4); returns their number."""
    winners[:] = -1
    if bucket(times, layer.n_steps, s.spikes) == 0:
        return 0
    s.v[:] = np.float32(0.0)
    s.mark[:] = -1
    n, touched = np.int64(0), np.int64(0)  # not literals: they would compile the callees twice
    none = np.int64(0)
    for t in range(layer.n_steps):
        touched = _step(t, touched if layer.last_only else none, weights, layer, s)
        if touched == 0 or (layer.last_only and t < layer.n_steps - 1):
            continue
        n = _pick(t, _candidates(touched, layer, s), layer, radius, s, winners, n)
        if n == winners.shape[0]:
            break
    return n


# Names bound by `specialise` to the functions of a rule.
def rates(n, p):  # pragma: no cover
    """Stand-in for the rule's own."""
    raise NotImplementedError


def update(w, before, a_before, a_after, p):  # pragma: no cover
    """Stand-in for the rule's own."""
    raise NotImplementedError


def learn_loop(times, weights, layer, radius, rule, s, counts, winners):
    """Learn image after image; plain Python, compiled by `specialise` for a rule's `rates` and `update`.

    `times` (N, C, H, W); `weights` (C, KH, KW F) float32 with columns backwards, changed in place; `rule` the scalars
    of the rule; `counts` (2,) int64, presentations and images with a winner so far, changed in place; `winners`
    (N, k, 4) int32 is filled with map, row, column, step, -1 where there is none.
    """
    lanes = layer.n_lanes
    for n in range(times.shape[0]):
        counts[0] += 1
        n_winners = find_winners(times[n], weights, layer, radius, s, winners[n])
        if n_winners == 0:
            continue
        a_before, a_after = rates(counts[0], rule)
        for k in range(n_winners):
            f, step = winners[n, k, 0], winners[n, k, 3]
            top, left = winners[n, k, 1] - layer.pad, winners[n, k, 2] - layer.pad
            for c in range(times.shape[1]):
                for ky in range(layer.kernel_h):
                    y = top + ky
                    for kx in range(layer.kernel_w):
                        x = left + kx
                        before = False
                        if y >= 0 and y < times.shape[2] and x >= 0 and x < times.shape[3]:
                            before = times[n, c, y, x] <= step
                        i = (layer.kernel_w - 1 - kx) * lanes + f
                        weights[c, ky, i] = update(np.float64(weights[c, ky, i]), before, a_before, a_after, rule)
        if counts[1] == 0:  # after the first update a zero step brings the other weights, too, into the rule's bounds
            for c in range(weights.shape[0]):
                for ky in range(weights.shape[1]):
                    for i in range(weights.shape[2]):
                        if i % lanes < layer.n_maps:
                            weights[c, ky, i] = update(np.float64(weights[c, ky, i]), True, 0.0, 0.0, rule)
        counts[1] += 1

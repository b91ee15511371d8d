"""Operators on time maps: padding, pooling, inhibition of other maps, choice of the neurons that learn or answer.

Order of spikes, everywhere: smaller step first; tie: larger value v (potential at the step of firing); tie: lower
index. Kheradpisheh et al. 2018, doi 10.1016/j.neunet.2017.12.005; Mozafari et al. 2019, doi 10.3389/fnins.2019.00625.
"""

import numpy as np

from ...runtime.jit import kernel
from ...runtime.spikes import check_times
from .checks import at_least, finite

__all__ = [
    "decide",
    "k_winners",
    "pad_times",
    "pointwise_inhibition",
    "pool_pairs",
    "pool_times",
    "pooled_size",
    "silence_maps",
]


def _pair(name, value, low):
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise ValueError(f"{name} must be a number or a pair (rows, columns), got {value}")
    return at_least(name, pair[0], low), at_least(name, pair[1], low)


def pool_pairs(window, stride=None, padding=0):
    """Window, stride (None: the window) and padding as pairs (rows, columns), checked.

    Raises ValueError for a window or stride < 1, and if the padding exceeds half a window (a window of padding only).
    """
    window = _pair("pool window", window, 1)
    stride = window if stride is None else _pair("pool stride", stride, 1)
    padding = _pair("pool padding", padding, 0)
    for p, k in zip(padding, window, strict=True):
        if 2 * p > k:
            raise ValueError(f"pool padding must be <= half the window {k}, got {p}")
    return window, stride, padding


def pooled_size(shape, window, stride=None, padding=0):
    """Size of the pooled maps: floor((H + 2 p - k) / s) + 1 each way; arguments as of :func:`pool_pairs`.

    Raises ValueError if a window does not fit.
    """
    pairs = zip(shape, *pool_pairs(window, stride, padding), strict=True)
    size = tuple((n + 2 * p - k) // s + 1 for n, k, s, p in pairs)
    if min(size) < 1:
        raise ValueError(f"pool window {window} is larger than the map {tuple(shape)} padded by {padding}")
    return size


@kernel
def _pool(times, window, stride, padding, out):
    for n in range(times.shape[0]):
        for c in range(times.shape[1]):
            for py in range(out.shape[2]):
                top = py * stride[0] - padding[0]
                for px in range(out.shape[3]):
                    left = px * stride[1] - padding[1]
                    first = out[n, c, py, px]
                    for y in range(max(top, 0), min(top + window[0], times.shape[2])):
                        for x in range(max(left, 0), min(left + window[1], times.shape[3])):
                            first = min(first, times[n, c, y, x])
                    out[n, c, py, px] = first


def pad_times(times, n_steps, padding):
    """Time maps (N, C, H, W) with silent rows and columns around; `padding` is a number or (left, right, top, bottom).

    The operators that take `padding` do without this.

    Examples
    --------
    >>> pad_times(np.array([[[[3]]]]), 4, (1, 0, 0, 1)).tolist()
    [[[[4, 3], [4, 4]]]]
    """
    times = check_times(times, n_steps)
    sides = padding if isinstance(padding, (tuple, list)) else (padding,) * 4
    if len(sides) != 4:
        raise ValueError(f"padding must be a number or (left, right, top, bottom), got {padding}")
    left, right, top, bottom = (at_least("padding", p, 0) for p in sides)
    return np.pad(times, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=n_steps)


def silence_maps(times, n_steps, maps):
    """Time maps (N, F, H, W) in which the `maps` (a list of numbers) never spike: they can neither answer nor learn.

    Examples
    --------
    >>> silence_maps(np.array([[[[0]], [[1]]]]), 4, [0]).ravel().tolist()
    [4, 1]
    """
    out = check_times(times, n_steps).copy()
    for f in maps:
        if at_least("maps", f, 0) >= out.shape[1]:
            raise ValueError(f"maps must be < {out.shape[1]}, the number of maps, got {f}")
        out[:, int(f)] = n_steps
    return out


def pool_times(times, n_steps, window, stride=None, padding=0):
    """Earliest spike of each window of time maps (N, C, H, W); the padding is silent.

    `window`, `stride` (None: the window) and `padding` are numbers or pairs (rows, columns).

    Examples
    --------
    >>> pool_times(np.array([[[[3, 1], [4, 2]]]]), 4, 2).tolist()
    [[[[1]]]]
    """
    times = check_times(times, n_steps)
    size = pooled_size(times.shape[2:], window, stride, padding)
    out = np.full((*times.shape[:2], *size), n_steps, times.dtype)
    _pool(times, *pool_pairs(window, stride, padding), out)
    return out


@kernel
def _keep_one(times, values, silent, out, kept):
    for n in range(times.shape[0]):
        for y in range(times.shape[2]):
            for x in range(times.shape[3]):
                best = 0
                for c in range(1, times.shape[1]):
                    if times[n, c, y, x] < times[n, best, y, x] or (
                        values.size
                        and times[n, c, y, x] == times[n, best, y, x]
                        and values[n, c, y, x] > values[n, best, y, x]
                    ):
                        best = c
                out[n, best, y, x] = times[n, best, y, x]
                if values.size and times[n, best, y, x] < silent:
                    kept[n, best, y, x] = values[n, best, y, x]


def pointwise_inhibition(times, n_steps, values=None):
    """Keep one spike at each position: the earliest; tie: largest value; tie: lowest map.

    Parameters
    ----------
    times : ndarray, shape (N, C, H, W)
        Time maps.
    n_steps : int
        T, silent.
    values : ndarray, shape (N, C, H, W), optional
        Values of the spikes; without them a tie goes to the lowest map.

    Returns
    -------
    times, or (times, values) if values were given; the inhibited are silent with value 0.
    """
    times = check_times(times, n_steps)
    out = np.full_like(times, n_steps)
    if values is None:
        _keep_one(times, np.empty((0, 0, 0, 0), np.float32), n_steps, out, np.empty((0, 0, 0, 0), np.float32))
        return out
    values = np.ascontiguousarray(finite("values", values, 4), np.float32)
    if values.shape != times.shape:
        raise ValueError(f"values must have the shape of times {times.shape}, got {values.shape}")
    kept = np.zeros_like(values)
    _keep_one(times, values, n_steps, out, kept)
    return out, kept


@kernel
def _choose(times, values, n_steps, radius, winners):
    for n in range(times.shape[0]):
        for k in range(winners.shape[1]):
            best_t, best_v = np.int64(n_steps), np.float32(0.0)
            bf, by, bx = -1, -1, -1
            for f in range(times.shape[1]):
                for y in range(times.shape[2]):
                    for x in range(times.shape[3]):
                        t = np.int64(times[n, f, y, x])
                        v = values[n, f, y, x]
                        if t == n_steps or t > best_t or (t == best_t and v <= best_v):
                            continue
                        free = True
                        for j in range(k):
                            near = abs(winners[n, j, 1] - y) <= radius and abs(winners[n, j, 2] - x) <= radius
                            if winners[n, j, 0] == f or (radius > 0 and near):
                                free = False
                        if free:
                            best_t, best_v, bf, by, bx = t, v, f, y, x
            if bf < 0:
                break
            winners[n, k, 0], winners[n, k, 1], winners[n, k, 2], winners[n, k, 3] = bf, by, bx, best_t


def k_winners(times, values, n_steps, n_winners, radius=0):
    """Up to `n_winners` neurons that may learn, for each image.

    Repeatedly the first spike among those left (tie: largest value; tie: smallest index (f, y, x)). Then its whole map
    is out, and for ``radius > 0`` the square of positions at most `radius` away in both directions, in all maps.

    Parameters
    ----------
    times, values : ndarray, shape (N, F, H, W)
        As after :func:`~firstspike.plasticity.waves.conv.convolve`, usually after :func:`pointwise_inhibition`.
    n_steps : int
        T, silent.
    n_winners : int
        k >= 1.
    radius : int
        r >= 0; 0 excludes no position.

    Returns
    -------
    winners : ndarray of int32, shape (N, n_winners, 4)
        Map, row, column, step; -1 where there are no more.
    """
    times = check_times(times, n_steps)
    values = np.ascontiguousarray(finite("values", values, 4), np.float32)
    if values.shape != times.shape:
        raise ValueError(f"values must have the shape of times {times.shape}, got {values.shape}")
    winners = np.full((len(times), at_least("n_winners", n_winners, 1), 4), -1, np.int32)
    _choose(times, values, n_steps, at_least("radius", radius, 0), winners)
    return winners


def decide(times, values, n_steps, classes):
    """Class of each image by its very first spike (tie: largest value; tie: lowest index); -1 for silence.

    Parameters
    ----------
    times, values : ndarray, shape (N, F, H, W)
        As after :func:`~firstspike.plasticity.waves.conv.convolve`.
    n_steps : int
        T, silent.
    classes : sequence of int, length F
        Class of each map, as in :func:`~firstspike.plasticity.waves.reinforce.reinforce`.

    Returns
    -------
    answers : ndarray of int32, shape (N,)

    Examples
    --------
    >>> decide(np.array([[[[2]], [[1]]]]), np.ones((1, 2, 1, 1)), 3, [7, 5]).tolist()
    [5]
    """
    n_maps = check_times(times, n_steps).shape[1]
    classes = finite("classes", classes, 1)
    if len(classes) != n_maps or classes.dtype.kind not in "bui":
        raise ValueError(f"classes must be {n_maps} integers, one a map, got shape {classes.shape} of {classes.dtype}")
    first = k_winners(times, values, n_steps, 1)[:, 0, 0]
    return np.where(first < 0, -1, classes[first]).astype(np.int32)

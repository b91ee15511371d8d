"""Kernels for neurons whose inputs rise linearly: exact first crossings, event by event.

Between two breakpoints of the inputs a potential is a straight line. An event of input i at time u changes slopes by
c w[i] (c in 1 / time), for all neurons at once: a += c w[i]. At the next time t with an event all potentials go on to
it, V += a (t - u); where V has reached theta on the way, the line V(t) = a t - b is kept: the crossing is
(theta + b) / a, and a is the slope there. Nothing of the number of time steps is ever allocated.

A convolution takes one row of outputs at a time, so that its potentials stay in the nearest cache; an event changes the
slopes of one stretch of it, kernel_w positions of all maps.

All kernels take float32 or float64. Times: `t_max` = silent.
"""

import math
from typing import NamedTuple

import numpy as np

from ...runtime.jit import kernel

__all__ = ["Events", "Neuron", "Shape", "conv_images", "dense_images", "make_events", "sort_events"]

_FAST = {"contract", "nsz"}


class Neuron(NamedTuple):
    """Scalars of the neurons of one layer, all of one float type but the last."""

    t_max: np.floating
    theta: np.floating
    limit: np.floating  # V >= limit has crossed
    rounding: int  # 0: exact times; 1: first whole step with V >= theta; 2: with V > theta


class Shape(NamedTuple):
    """Sizes of one convolutional layer; only rows and columns that are in a pooling window are computed."""

    n_maps: int
    lanes: int  # n_maps, rounded up
    kernel_h: int
    kernel_w: int
    rows: int  # after pooling
    columns: int
    pool: int


class Events(NamedTuple):
    """Memory to sort the events of one image."""

    starts: np.ndarray  # of the buckets of equal width in time
    bucket: np.ndarray  # of each event before sorting, like the three below
    raw_time: np.ndarray
    raw_index: np.ndarray
    raw_factor: np.ndarray
    time: np.ndarray  # sorted
    index: np.ndarray  # of the input
    factor: np.ndarray  # change of slope, in units of the weight


_BUCKETS = 512


def make_events(n_inputs, n_jumps, dtype):
    """Empty :class:`Events` for so many inputs whose kernel has so many breakpoints."""
    n = n_inputs * n_jumps
    integers, floats = np.empty((3, n), np.int32), np.empty((4, n), dtype)
    starts = np.zeros(_BUCKETS + 1, np.int64)
    return Events(starts, integers[0], floats[0], integers[1], floats[1], floats[2], integers[2], floats[3])


@kernel
def sort_events(times, t_max, jumps, s):
    """Sort the breakpoints before `t_max` of all inputs by time (equal times: by input) into `s`; their number.

    `jumps` (J, 2): delay of each breakpoint after the spike, change of slope.
    """
    starts, bucket = s.starts, s.bucket
    starts[:] = 0
    last = starts.size - 2
    scale = (starts.size - 1) / t_max
    n = 0
    for i in range(times.size):
        if times[i] < t_max:
            for j in range(jumps.shape[0]):
                t = times[i] + jumps[j, 0]
                if t < t_max:
                    k = min(np.int64(t * scale), last)
                    bucket[n] = k
                    starts[k] += 1
                    s.raw_time[n] = t
                    s.raw_index[n] = i
                    s.raw_factor[n] = jumps[j, 1]
                    n += 1
    total = 0
    for k in range(starts.size):
        count = starts[k]
        starts[k] = total
        total += count
    for i in range(n):
        k = np.int64(bucket[i])
        place = starts[k]
        starts[k] += 1
        s.time[place], s.index[place], s.factor[place] = s.raw_time[i], s.raw_index[i], s.raw_factor[i]
    for i in range(1, n):  # only inside buckets is anything out of order
        t, index, factor = s.time[i], s.index[i], s.factor[i]
        place = i
        while place > 0 and s.time[place - 1] > t:
            s.time[place], s.index[place], s.factor[place] = s.time[place - 1], s.index[place - 1], s.factor[place - 1]
            place -= 1
        s.time[place], s.index[place], s.factor[place] = t, index, factor
    return n


@kernel(fastmath=_FAST)
def _advance(v, a, slope, base, before, t, limit):
    """All lines from `before` to `t`; those that reach `limit` on the way keep it: slope > 0 means fired."""
    none, one = v.dtype.type(0.0), v.dtype.type(1.0)
    dt = t - before
    for j in range(v.size):
        after = v[j] + a[j] * dt
        new = one if (after >= limit) & (a[j] > none) & (slope[j] == none) else none
        base[j] += new * (a[j] * before - v[j])  # selects would become masked stores, many times slower
        slope[j] += new * a[j]
        v[j] = after


@kernel(fastmath=_FAST)
def _steepen(a, w, c):
    for j in range(w.size):
        a[j] += c * w[j]


@kernel(fastmath=_FAST)
def _times(slope, base, neuron, out):
    """Firing times of the lines that crossed; where that is not before t_max, t_max and slope 0."""
    none = slope.dtype.type(0.0)
    one = slope.dtype.type(1.0)
    for j in range(slope.size):
        s = slope[j]
        t = (neuron.theta + base[j]) / (s if s > none else one)
        if neuron.rounding == 1:
            t = math.ceil(t)
        elif neuron.rounding == 2:
            t = math.floor(t) + one
        fires = s > none and t < neuron.t_max
        out[j] = t if fires else neuron.t_max
        slope[j] = s if fires else none


@kernel
def _dense_one(times, weights, neuron, jumps, ev, work, out, slope):
    """All inputs reach all neurons: potentials go from time to time, so that an event only changes slopes."""
    n = sort_events(times, neuron.t_max, jumps, ev)
    v, a, base = work[0], work[1], work[2]
    work[:] = work.dtype.type(0.0)
    slope[:] = slope.dtype.type(0.0)
    e, before = 0, work.dtype.type(0.0)
    while e < n:
        t = ev.time[e]
        _advance(v, a, slope, base, before, t, neuron.limit)
        while e < n and ev.time[e] == t:
            _steepen(a, weights[ev.index[e]], ev.factor[e])
            e += 1
        before = t
    _advance(v, a, slope, base, before, neuron.t_max, neuron.limit)
    _times(slope, base, neuron, out)


@kernel
def dense_images(times, weights, neuron, jumps, ev, out, slope):
    """Firing times `out` and slopes there (N, H) for input times (N, I); weights (I, H)."""
    work = np.empty((3, weights.shape[1]), weights.dtype)
    for k in range(times.shape[0]):
        _dense_one(times[k], weights, neuron, jumps, ev, work, out[k], slope[k])


@kernel
def _places(ev, n, height, width, where):
    """Map, row and column of each event, `where` (3, E)."""
    for e in range(n):
        index = np.int64(ev.index[e])
        where[0, e] = index // (height * width)
        where[1, e] = (index // width) % height
        where[2, e] = index % width


@kernel
def _rows_of(y, n, n_rows, kernel_h, starts, entry):
    """Events of each output row, in order of time: row r has entry[starts[r] : starts[r + 1]]."""
    starts[:] = 0
    for e in range(n):
        for r in range(max(0, y[e] - kernel_h + 1), min(y[e], n_rows - 1) + 1):
            starts[r + 1] += 1
    for r in range(n_rows):
        starts[r + 1] += starts[r]
    for e in range(n):
        for r in range(max(0, y[e] - kernel_h + 1), min(y[e], n_rows - 1) + 1):
            entry[starts[r]] = e
            starts[r] += 1
    for r in range(n_rows, 0, -1):
        starts[r] = starts[r - 1]
    starts[0] = 0


@kernel
def _row(r, entries, weights, neuron, ev, where, shape, work, slope):
    """Lines of the neurons of output row `r`; a tile has kernel_w - 1 columns more on each side."""
    v, a, base = work[0], work[1], work[2]
    work[:] = work.dtype.type(0.0)
    slope[:] = slope.dtype.type(0.0)
    low, high = (shape.kernel_w - 1) * shape.lanes, (shape.kernel_w - 1 + shape.columns * shape.pool) * shape.lanes
    inner = v[low:high], a[low:high], slope[low:high], base[low:high]
    wide = shape.kernel_w * shape.lanes
    before = work.dtype.type(0.0)
    for e in entries:
        t = ev.time[e]
        if t > before:
            _advance(inner[0], inner[1], inner[2], inner[3], before, t, neuron.limit)
            before = t
        left = np.int64(where[2, e]) * shape.lanes
        _steepen(a[left : left + wide], weights[where[0, e], where[1, e] - r], ev.factor[e])
    _advance(inner[0], inner[1], inner[2], inner[3], before, neuron.t_max, neuron.limit)


@kernel(fastmath=_FAST)
def _earliest(time, slope, place, best, best_slope, best_place):
    for k in range(time.size):
        new = np.int32(1) if time[k] < best[k] else np.int32(0)
        old = np.int32(1) - new
        best_slope[k] = new * slope[k] + old * best_slope[k]  # 0 or 1 of each: exact
        best_place[k] = new * place + old * best_place[k]
        best[k] = min(best[k], time[k])


@kernel
def conv_images(times, weights, neuron, jumps, ev, shape, out, slope, place):
    """Earliest firing time of each window, its slope, and where in the window (row by row) it is: (N, K, PH, PW).

    `times` (N, M, Y, X); `weights` (M, KH, KW lanes) with the columns of the kernel backwards.
    """
    height, width = times.shape[2], times.shape[3]
    lanes, edge, pool = shape.lanes, shape.kernel_w - 1, shape.pool
    kind = weights.dtype
    n_rows, n_columns = shape.rows * pool, shape.columns * pool
    tile = (width + edge) * lanes
    work, tile_slope, tile_time = np.empty((3, tile), kind), np.empty(tile, kind), np.empty(tile, kind)
    starts = np.empty(n_rows + 1, np.int64)
    entry, where = np.empty(ev.time.size * shape.kernel_h, np.int32), np.empty((3, ev.time.size), np.int32)
    best, best_slope = np.empty(shape.columns * lanes, kind), np.empty(shape.columns * lanes, kind)
    best_place = np.empty(shape.columns * lanes, np.int32)
    for k in range(times.shape[0]):
        n = sort_events(times[k].reshape(-1), neuron.t_max, jumps, ev)
        _places(ev, n, height, width, where)
        _rows_of(where[1], n, n_rows, shape.kernel_h, starts, entry)
        for r in range(n_rows):
            if r % pool == 0:
                best[:] = neuron.t_max
                best_slope[:] = kind.type(0.0)
                best_place[:] = 0
            entries = entry[starts[r] : starts[r + 1]]
            _row(r, entries, weights, neuron, ev, where, shape, work, tile_slope)
            low, high = edge * lanes, (edge + n_columns) * lanes
            _times(tile_slope[low:high], work[2, low:high], neuron, tile_time[low:high])
            for x in range(n_columns):
                left, p = (edge + x) * lanes, (x // pool) * lanes
                _earliest(
                    tile_time[left : left + lanes],
                    tile_slope[left : left + lanes],
                    np.int32((r % pool) * pool + x % pool),
                    best[p : p + lanes],
                    best_slope[p : p + lanes],
                    best_place[p : p + lanes],
                )
            if r % pool == pool - 1:
                for p in range(shape.columns):
                    for f in range(shape.n_maps):
                        out[k, f, r // pool, p] = best[p * lanes + f]
                        slope[k, f, r // pool, p] = best_slope[p * lanes + f]
                        place[k, f, r // pool, p] = best_place[p * lanes + f]

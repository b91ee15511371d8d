"""Spike patterns that return, hidden in random input of the same rate; and plain Poisson input.

Time is cut in periods of length T_p. In each: Poisson input of rate f from each of N afferents on [0, D), then one
block of length L + 2T, D = T_p - L - 2T, that shows pattern number (period mod P); time 0 of the pattern is at D + T.
A pattern is one frozen draw of the same Poisson process over [0, L). At each presentation it is surrounded by 2T of
fresh Poisson input on both sides, every spike (pattern and padding) moves by its own lag, uniform on [-T, T), and
what falls in [-T, L + T) is kept: the rate is f everywhere, through the edges too.

    N = n_afferents   f = rate (Hz)   P = n_patterns   L = duration (s)   T = jitter, half-width (s)   T_p = period (s)

The pooled process of N afferents has exponential gaps of mean 1 / (N f) and uniform afferents: sorted as it is drawn.
All randomness is made of integers and all times are whole numbers of TICK (6 ps): -ln U in fixed point from a table of
exact numbers, one multiplication of floats, no library logarithm. The input has the same bits on every machine. It is
a function of (seed, stream, period) alone: any period can be drawn first. Intervals are half-open; equal times are
ordered by afferent.

Reference: T. Masquelier (2018), Neuroscience 389:133, doi 10.1016/j.neuroscience.2017.06.032. Deviation: continuous
time instead of bins of 0.1 ms with at most one spike an afferent and bin (the limit of small bins).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import lru_cache
from math import isfinite, sqrt
from typing import NamedTuple

import numpy as np

from ..runtime.jit import kernel
from ..runtime.rng import bits, bounded, split, stream

__all__ = ["TICK", "PatternInput", "Patterns", "fill_period", "fill_poisson", "frozen_patterns"]

#: Unit of time of all inputs, s.
TICK = 1e-4 / 2**24
_LONGEST = 800.0  # s, of one stretch: 2**63 sixteenth-bit fractions of a tick


@dataclass
class PatternInput:
    """Parameters of the input; symbols at the head of this file. Times in s, rate in Hz."""

    n_afferents: int = 10_000
    rate: float = 3.2
    n_patterns: int = 1
    duration: float = 0.1
    jitter: float = 3.2e-3
    period: float = 0.4

    def check(self):
        """Raise ValueError if a value makes no sense."""
        _check_population(self.n_afferents, self.rate)
        if self.n_patterns < 1 or self.n_patterns != int(self.n_patterns):
            raise ValueError(f"n_patterns must be an integer >= 1, got {self.n_patterns}")
        if not 0 < self.duration < _LONGEST:
            raise ValueError(f"duration must be > 0 s and < {_LONGEST} s, got {self.duration}")
        if not 0 <= self.jitter < _LONGEST / 4:
            raise ValueError(f"jitter must be >= 0 s and < {_LONGEST / 4} s, got {self.jitter}")
        if not self.duration + 2 * self.jitter <= self.period * (1 + 1e-12) < _LONGEST:
            raise ValueError(
                f"period must be >= duration + 2 jitter = {self.duration + 2 * self.jitter} s "
                f"and < {_LONGEST} s, got {self.period}"
            )


class Patterns(NamedTuple):
    """Frozen patterns of R runs: `ticks` (R, P, K) int64 in TICK, sorted, `units` (R, P, K) int32, `counts` (R, P)."""

    ticks: np.ndarray
    units: np.ndarray
    counts: np.ndarray


def _check_population(n_afferents, rate):
    if not 1 <= n_afferents < 2**31 or n_afferents != int(n_afferents):
        raise ValueError(f"n_afferents must be an integer in 1..2**31 - 1, got {n_afferents}")
    if not (rate >= 0 and isfinite(rate)):
        raise ValueError(f"rate must be >= 0 Hz, got {rate}")


def _ticks(seconds):
    return int(round(seconds / TICK))


def _gap(n_afferents, rate):
    """Mean gap of the pooled process in units of 2**-56 tick, the scale of `_exponential`; inf at rate 0."""
    return 2.0**16 / 2.0**40 / (n_afferents * rate * TICK) if n_afferents * rate > 0 else np.inf


def _capacity(mean):
    """A number of spikes that Poisson(mean) exceeds with probability < 1e-30."""
    return int(mean + 12 * sqrt(mean) + 64)


# ---- -ln U in fixed point ------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _log_table():
    """Coefficients (256, 3) of ln(1 + i/256 + z/256), z in [0, 1), times 2**40, and ln 2, 33 ln 2 likewise.

    Quadratics through three Chebyshev nodes of each piece, error 1e-10; decimal arithmetic: the same on every machine.
    """
    with localcontext() as context:
        context.prec = 40
        scale = Decimal(2) ** 40
        nodes = [(1 - x) / 2 for x in (Decimal(3).sqrt() / 2, Decimal(0), -(Decimal(3).sqrt() / 2))]
        table = np.zeros((256, 3), np.int64)
        for i in range(256):
            y = [((256 + i + z) / Decimal(256)).ln() * scale for z in nodes]
            d01 = (y[1] - y[0]) / (nodes[1] - nodes[0])
            d12 = (y[2] - y[1]) / (nodes[2] - nodes[1])
            c2 = (d12 - d01) / (nodes[2] - nodes[0])
            c1 = d01 - c2 * (nodes[0] + nodes[1])
            c0 = y[0] - nodes[0] * (c1 + c2 * nodes[0])
            table[i] = [int(c.to_integral_value()) for c in (c0, c1, c2)]
        ln2 = Decimal(2).ln() * scale
        return table, int(ln2.to_integral_value()), int((33 * ln2).to_integral_value())


_TABLE, _LN2, _LN2_33 = _log_table()
_LOW32 = np.uint64(0xFFFFFFFF)


@kernel
def _exponential(b):
    """-ln((2 r + 1) / 2**33) in units of 2**-40 (int64) of the low 32 bits r of `b`."""
    x = np.int64(b & _LOW32) * 2 + 1
    e = (np.float64(x).view(np.int64) >> 52) - 1023  # exact: the exponent of a number below 2**53
    m = x << (32 - e)  # in [2**32, 2**33)
    i = (m >> 24) & 255
    z = m & 0xFFFFFF
    c = _TABLE[i]
    return max(np.int64(0), _LN2_33 - e * _LN2 - c[0] - ((z * c[1]) >> 24) - ((((z * z) >> 24) * c[2]) >> 24))


@kernel
def _below(b, n):
    """Integer in [0, n), n < 2**48, from the 64 bits `b`: high part of the product."""
    high, low, n = b >> np.uint64(32), b & _LOW32, np.uint64(n)
    nh, nl = n >> np.uint64(32), n & _LOW32
    middle = high * nl + ((low * nl) >> np.uint64(32))
    middle2 = low * nh + (middle & _LOW32)
    return np.int64(high * nh + (middle >> np.uint64(32)) + (middle2 >> np.uint64(32)))


# ---- kernels -------------------------------------------------------------------------------------------------------


@kernel
def _poisson(k0, k1, length, gap, n, origin, ticks, units, pos):
    """Append the pooled process on [origin, origin + length) at `pos`; return the new end, -1 if there is no room."""
    time, end, first = np.int64(0), length << 16, pos
    limit = np.float64(end)
    counter = np.int64(0)
    while gap < np.inf:
        b = bits(k0, k1, counter)
        counter += 1
        step = np.float64(_exponential(b)) * gap
        if step >= limit:
            return pos
        time += np.int64(step)
        if time >= end:
            return pos
        if pos >= ticks.size:
            return np.int64(-1)
        tick, unit = origin + (time >> 16), np.int32(bounded(b, n))
        k = pos
        while k > first and ticks[k - 1] == tick and units[k - 1] > unit:  # a tie: by afferent
            ticks[k], units[k] = tick, units[k - 1]
            k -= 1
        ticks[k], units[k] = tick, unit
        pos += 1
    return pos


@kernel
def _jittered(k0, k1, ticks, units, count, half, low, high, out_ticks, out_units, n):
    """Append the spikes, each moved by a lag in [-half, half), that lie in [low, high); times relative to `low`."""
    for i in range(count):
        t = ticks[i] + _below(bits(k0, k1, i), 2 * half) - half
        if low <= t < high:
            out_ticks[n], out_units[n] = t - low, units[i]
            n += 1
    return n


@kernel
def _bucket_sort(ticks, units, count, length, origin, out_ticks, out_units, pos):
    """Copy `count` spikes with ticks in [0, length) to `pos`, sorted by (tick, unit), moved by `origin`: O(count)."""
    shift = np.int64(0)
    while (length >> shift) > 2 * count + 16:  # about one spike a bucket
        shift += 1
    start = np.zeros((length >> shift) + 2, np.int64)
    for i in range(count):
        start[(ticks[i] >> shift) + 1] += 1
    for b in range(1, start.size):
        start[b] += start[b - 1]
    for i in range(count):
        b = ticks[i] >> shift
        out_ticks[pos + start[b]], out_units[pos + start[b]] = origin + ticks[i], units[i]
        start[b] += 1
    for i in range(pos + 1, pos + count):  # nearly in order now
        t, u = out_ticks[i], out_units[i]
        k = i
        while k > pos and (out_ticks[k - 1] > t or (out_ticks[k - 1] == t and out_units[k - 1] > u)):
            out_ticks[k], out_units[k] = out_ticks[k - 1], out_units[k - 1]
            k -= 1
        out_ticks[k], out_units[k] = t, u
    return pos + count


@kernel
def _to_seconds(times, ticks, count):
    for i in range(count):
        times[i] = np.float64(ticks[i]) * TICK


@kernel
def _period(keys, period, pattern, size, gap, n, times, units):
    """One period of one run. keys: rows background, padding, jitter, fresh. size: T_p, L, T, fresh? in ticks."""
    length, half = size[1], size[2]
    block = length + 2 * half
    start = period * size[0]
    ticks = times.view(np.int64)  # ticks first, seconds at the end, in the same memory
    k0, k1 = split(keys[0, 0], keys[0, 1], period)
    pos = _poisson(k0, k1, size[0] - block, gap, n, start, ticks, units, 0)
    if pos < 0:
        return pos
    source_ticks, source_units, count = pattern
    own_ticks, own_units = np.empty(times.size, np.int64), np.empty(times.size, np.int32)
    if size[3]:
        k0, k1 = split(keys[3, 0], keys[3, 1], period)
        count = _poisson(k0, k1, length, gap, n, 0, own_ticks, own_units, 0)
        if count < 0:
            return count
        source_ticks, source_units = own_ticks.copy(), own_units.copy()
    # One stretch of 4T of padding: its first half lies before the pattern, its second half behind it.
    k0, k1 = split(keys[1, 0], keys[1, 1], period)
    pad_ticks, pad_units = np.empty(times.size, np.int64), np.empty(times.size, np.int32)
    padding = _poisson(k0, k1, 4 * half, gap, n, -2 * half, pad_ticks, pad_units, 0)
    if padding < 0 or pos + count + padding > times.size:
        return np.int64(-1)
    for i in range(padding):
        if pad_ticks[i] >= 0:
            pad_ticks[i] += length
    k0, k1 = split(keys[2, 0], keys[2, 1], period)
    a0, a1 = split(k0, k1, 0)
    kept = _jittered(a0, a1, source_ticks, source_units, count, half, -half, length + half, own_ticks, own_units, 0)
    a0, a1 = split(k0, k1, 1)
    kept = _jittered(a0, a1, pad_ticks, pad_units, padding, half, -half, length + half, own_ticks, own_units, kept)
    pos = _bucket_sort(own_ticks, own_units, kept, block, start + size[0] - block, ticks, units, pos)
    _to_seconds(times, ticks, pos)
    return pos


@kernel
def _periods(first, last, keys, period, patterns, size, gap, n, times, units, counts):
    for r in range(first, last):
        ticks, names, number = patterns
        p = period % ticks.shape[1]
        counts[r] = _period(keys[r], period, (ticks[r, p], names[r, p], number[r, p]), size, gap, n, times[r], units[r])


@kernel
def _freeze(keys, length, gap, n, ticks, units, counts):
    for r in range(ticks.shape[0]):
        for p in range(ticks.shape[1]):
            k0, k1 = split(keys[r, 0, 0], keys[r, 0, 1], p)
            counts[r, p] = _poisson(k0, k1, length, gap, n, 0, ticks[r, p], units[r, p], 0)


@kernel
def _stretches(first, last, keys, index, length, origin, gap, n, times, units, counts):
    for r in range(first, last):
        ticks = times[r].view(np.int64)
        k0, k1 = split(keys[r, 0, 0], keys[r, 0, 1], index)
        counts[r] = _poisson(k0, k1, length, gap, n, origin, ticks, units[r], 0)
        _to_seconds(times[r], ticks, counts[r])


# ---- public --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _keys(seeds, names):
    return np.array([[stream(seed, name) for name in names] for seed in seeds], np.uint64)


def _chunk(n_runs, capacity, out):
    if out is not None and out[0].shape[0] == n_runs and out[0].shape[1] >= capacity:
        return out
    return np.zeros((n_runs, capacity)), np.zeros((n_runs, capacity), np.int32), np.zeros(n_runs, np.int64)


def _checked(chunk):
    if (chunk[2] < 0).any():
        raise RuntimeError(
            f"more spikes than the room for {chunk[0].shape[1]} in a chunk: a draw of probability < 1e-30"
        )
    return chunk


def frozen_patterns(seeds: Sequence[int], params: PatternInput) -> Patterns:
    """Draw the patterns of R runs.

    Parameters
    ----------
    seeds : sequence of int, length R
        One seed a run; stream "pattern".
    params : PatternInput
        Parameters of the input.

    Returns
    -------
    Patterns
        Spikes of every pattern, in time [0, L) of the pattern itself.

    Examples
    --------
    >>> patterns = frozen_patterns([0, 1], PatternInput(n_afferents=100, rate=5.0, n_patterns=3))
    >>> patterns.counts.shape
    (2, 3)
    """
    params.check()
    n, p_max = int(params.n_afferents), int(params.n_patterns)
    capacity = _capacity(n * params.rate * params.duration)
    shape = (len(seeds), p_max, capacity)
    ticks, units, counts = np.zeros(shape, np.int64), np.zeros(shape, np.int32), np.zeros(shape[:2], np.int64)
    keys = _keys(tuple(seeds), ("pattern",))
    gap, length = _gap(n, params.rate), _ticks(params.duration)
    _freeze(keys, length, gap, n, ticks, units, counts)
    _checked((ticks[:, 0], units, counts))
    return Patterns(ticks, units, counts)


def fill_period(seeds, params: PatternInput, patterns: Patterns, period: int, *, fresh_pattern=False, out=None):
    """Input of one period of R runs, on [period T_p, (period + 1) T_p).

    Parameters
    ----------
    seeds : sequence of int, length R
        Streams "background", "padding", "jitter" and, for `fresh_pattern`, "fresh".
    params : PatternInput
        Parameters of the input.
    patterns : Patterns
        Of :func:`frozen_patterns` with the same seeds.
    period : int
        Number of the period, from 0; pattern number `period` mod P is shown.
    fresh_pattern : bool
        Negative control: show a new random pattern instead, that never returns.
    out : tuple, optional
        What an earlier call returned; its memory is used again if it is large enough.

    Returns
    -------
    times : float64 (R, K), s, sorted; units : int32 (R, K); counts : int64 (R,)
        Run r holds the first ``counts[r]`` entries of its row.

    Raises
    ------
    ValueError
        If a parameter makes no sense or `patterns` are those of other parameters.
    """
    params.check()
    if patterns.counts.shape != (len(seeds), params.n_patterns):
        raise ValueError(f"patterns must be of {len(seeds)} runs x {params.n_patterns}, got {patterns.counts.shape}")
    n, rate = int(params.n_afferents), params.rate
    block = _ticks(params.duration), _ticks(params.jitter)
    size = (_ticks(params.period), *block, int(fresh_pattern))
    extra = patterns.ticks.shape[2]  # at least a pattern with all its padding must fit, whatever the jitter keeps
    chunk = _chunk(len(seeds), _capacity(n * rate * (params.period + 4 * params.jitter)) + extra, out)
    keys = _keys(tuple(seeds), ("background", "padding", "jitter", "fresh"))
    _periods(0, len(seeds), keys, int(period), tuple(patterns), size, _gap(n, rate), n, *chunk)
    return _checked(chunk)


def fill_poisson(seeds, n_afferents, rate, start, stop, *, name="poisson", index=0, out=None):
    """Poisson input without patterns of R runs, on [start, stop).

    Parameters
    ----------
    seeds : sequence of int, length R
        One seed a run.
    n_afferents : int
        Number of afferents, N.
    rate : float
        Of each afferent, Hz.
    start, stop : float
        s, at most 800 s apart.
    name, index : str, int
        Stream and number of the stretch: other values, other spikes. The draw does not depend on `start`.
    out : tuple, optional
        As in :func:`fill_period`.

    Returns
    -------
    times, units, counts
        As in :func:`fill_period`.

    Examples
    --------
    >>> times, units, counts = fill_poisson([7], 100, 10.0, 0.0, 1.0)
    >>> bool(800 < counts[0] < 1200)
    True
    """
    _check_population(n_afferents, rate)
    if not 0 <= stop - start < _LONGEST:
        raise ValueError(f"stop must be >= start and < start + {_LONGEST} s, got {start} and {stop}")
    chunk = _chunk(len(seeds), _capacity(n_afferents * rate * (stop - start)), out)
    origin = _ticks(start)
    length = _ticks(stop) - origin
    gap = _gap(n_afferents, rate)
    _stretches(0, len(seeds), _keys(tuple(seeds), (name,)), int(index), length, origin, gap, int(n_afferents), *chunk)
    return _checked(chunk)

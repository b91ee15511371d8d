"""Spike patterns that return, hidden in random input of the same rate.

Time is cut in periods of length T_p. In each: Poisson input of rate f from each of N afferents on [0, D), then one
block of length L + 2T, D = T_p - L - 2T, that shows pattern number (period mod P); time 0 of the pattern is at D + T.
A pattern is one frozen draw of the same Poisson process over [0, L). At each presentation it is surrounded by 2T of
fresh Poisson input on both sides, every spike (pattern and padding) moves by its own lag, uniform on [-T, T), and
what falls in [-T, L + T) is kept: the rate is f everywhere, through the edges too.

    N = n_afferents   f = rate (Hz)   P = n_patterns   L = duration (s)   T = jitter, half-width (s)   T_p = period (s)

The input is a function of (seed, stream, period) alone, with the same bits on every machine (see ``datasets.poisson``):
any period can be drawn first. Intervals are half-open; equal times are ordered by afferent.

Reference: T. Masquelier (2018), Neuroscience 389:133, doi 10.1016/j.neuroscience.2017.06.032. Deviation: continuous
time instead of bins of 0.1 ms with at most one spike an afferent and bin (the limit of small bins).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..runtime.ieee import fma, from_bits
from ..runtime.jit import kernel
from ..runtime.rng import split
from .poisson import (
    BLOCK,
    LATEST,
    LONGEST,
    TICK,
    capacity,
    check_population,
    checked,
    draw,
    fill_poisson,
    in_ticks,
    keys_of,
    mean_gap,
    order_ties,
    pooled,
    room,
    round_below,
    to_seconds,
)

__all__ = ["TICK", "PatternInput", "Patterns", "fill_period", "fill_poisson", "frozen_patterns"]

_STREAMS = ("background", "padding", "jitter", "fresh")
_TWO52, _TWO52_BITS, _HALF = 2.0**52, np.uint64(0x433 << 52), BLOCK // 2
_U0, _U1, _U32, _LOW32 = np.uint64(0), np.uint64(1), np.uint64(32), np.uint64(0xFFFFFFFF)


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
        check_population(self.n_afferents, self.rate)
        if self.n_patterns < 1 or self.n_patterns != int(self.n_patterns):
            raise ValueError(f"n_patterns must be an integer >= 1, got {self.n_patterns}")
        if not self.duration > 0:
            raise ValueError(f"duration must be > 0 s, got {self.duration}")
        if not 0 <= self.jitter < LONGEST / 4:
            raise ValueError(f"jitter must be >= 0 s and < {LONGEST / 4} s, got {self.jitter}")
        if not self.duration + 2 * self.jitter <= self.period * (1 + 1e-12) < LONGEST:
            raise ValueError(
                f"period must be >= duration + 2 jitter = {self.duration + 2 * self.jitter} s "
                f"and < {LONGEST} s, got {self.period}"
            )


class Patterns(NamedTuple):
    """Frozen patterns of R runs: `ticks` (R, P, K) int64 in TICK, sorted, `units` (R, P, K) int32, `counts` (R, P)."""

    ticks: np.ndarray
    units: np.ndarray
    counts: np.ndarray


@kernel
def _freeze(keys, length, gap, n, ticks, units, counts):
    work = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.int64)
    for r in range(ticks.shape[0]):
        for p in range(ticks.shape[1]):
            key = split(keys[r, 0, 0], keys[r, 0, 1], p)
            counts[r, p] = pooled(key, length, gap, n, 0, ticks[r, p], units[r, p], 0, work)


@kernel
def _jitter(key, ticks, half, length, low_bits, index, keys, n, work):
    """Append at `n` the spikes, each moved by a lag in [-half, half), that fall in [-half, length + half); count them.

    A spike becomes the key (time from -half) << low_bits | number in the list, from `index` on: in order of time.
    """
    scale, end = 2.0 * half / 2.0**32, np.uint64(length + 2 * half)
    random, lags, n, low_bits, number = work[0][:_HALF], work[1], np.uint64(n), np.uint64(low_bits), np.uint64(index)
    for start in range(0, ticks.size, BLOCK):
        draw(key[0], key[1], start // 2, random)  # 64 bits make two lags
        for i in range(_HALF):
            high, low = random[i] >> _U32, random[i] & _LOW32
            x = fma(from_bits(high | _TWO52_BITS) - _TWO52 + 0.5, scale, -0.5)
            y = fma(from_bits(low | _TWO52_BITS) - _TWO52 + 0.5, scale, -0.5)
            lags[i] = round_below(x if x > 0.0 else 0.0)
            lags[_HALF + i] = round_below(y if y > 0.0 else 0.0)
        some = ticks[start : start + BLOCK]
        for i in range(some.size):
            t = np.uint64(some[i] + lags[i])  # what is below 0 becomes very large
            keys[n] = (t << low_bits) | number
            n += _U1 if t < end else _U0
            number += _U1
    return np.int64(n)


@kernel
def bucket_sort(keys, bits, start, out):
    """Sort `keys` below 2**bits to `out`, O(n) if they are spread evenly. `start`: int32 (4 n + 18), the buckets."""
    last, shift = np.uint64((1 << bits) - 1), np.uint64(0)
    while last >> shift > 4 * keys.size + 15:  # two to four buckets a key: few share one
        shift += np.uint64(1)
    start = start[: np.int64(last >> shift) + 2]
    start[:] = 0
    for x in keys:
        start[(x >> shift) + np.uint64(1)] += np.int32(1)
    total = np.int32(0)
    for b in range(start.size):
        total += start[b]
        start[b] = total
    for x in keys:
        b = x >> shift
        out[np.uint64(start[b])] = x
        start[b] += np.int32(1)
    for i in range(1, keys.size):  # what shares a bucket is still in the old order
        x, k = out[i], i
        while k > 0 and out[k - 1] > x:
            out[k] = out[k - 1]
            k -= 1
        out[k] = x


@kernel
def _one_period(keys, period, pattern, size, gap, n, times, units, work):
    """One period of one run; return the number of spikes, or -1 without room.

    keys: rows background, padding, jitter, fresh; size: T_p, L, T in ticks, whether the pattern is a fresh one.
    """
    length, half, fresh = size[1], size[2], size[3]
    block = length + 2 * half
    start = period * size[0]
    ticks = times.view(np.int64)  # ticks first, seconds at the end, in the same memory
    pos = pooled(split(keys[0, 0], keys[0, 1], period), size[0] - block, gap, n, start, ticks, units, 0, work[:2])
    t, u, packed, in_order, buckets = work[2:]  # the spikes that may be shown: the pattern's, then the padding
    if fresh:
        count = pooled(split(keys[3, 0], keys[3, 1], period), length, gap, n, 0, t, u, 0, work[:2])
    else:
        count = pattern[0].size
        for i in range(count):  # assigning slices would compile numba's text functions for an error message: seconds
            t[i], u[i] = pattern[0][i], pattern[1][i]
    # One stretch of 4T of padding: its first half lies before the pattern, its second half behind it.
    key = split(keys[1, 0], keys[1, 1], period)
    total = pooled(key, 4 * half, gap, n, -2 * half, t, u, count, work[:2]) if count >= 0 else -1
    if pos < 0 or total < 0 or pos + total > ticks.size:
        return np.int64(-1)
    for i in range(count, total):
        t[i] += length if t[i] >= 0 else 0
    low_bits = 0
    while total >> low_bits:
        low_bits += 1
    bits = low_bits
    while block >> (bits - low_bits):
        bits += 1
    k0, k1 = split(keys[2, 0], keys[2, 1], period)
    kept = _jitter(split(k0, k1, 0), t[:count], half, length, low_bits, 0, packed, 0, work)
    kept = _jitter(split(k0, k1, 1), t[count:total], half, length, low_bits, count, packed, kept, work)
    bucket_sort(packed[:kept], bits, buckets[: 4 * kept + 18], in_order)
    mask, origin = np.uint64((1 << low_bits) - 1), start + size[0] - length - half - half
    to, names = ticks[pos : pos + kept], units[pos : pos + kept]
    for i in range(kept):
        to[i] = origin + np.int64(in_order[i] >> np.uint64(low_bits))
        names[i] = u[in_order[i] & mask]
    order_ties(to, names)
    to_seconds(ticks[: pos + kept], times)
    return pos + kept


@kernel
def _periods(keys, first, last, patterns, size, gap, n, chunk):
    times, units, counts = chunk
    ticks, names, number = patterns
    most = size[4]
    lists = np.empty(most, np.int64), np.empty(most, np.int32), np.empty(most, np.uint64), np.empty(most, np.uint64)
    work = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.int64), *lists, np.empty(4 * most + 18, np.int32)
    for r in range(times.shape[0]):
        counts[r] = 0
        for period in range(first, last):
            p, k = period % ticks.shape[1], counts[r]
            pattern = ticks[r, p, : number[r, p]], names[r, p, : number[r, p]]
            more = _one_period(keys[r], period, pattern, size, gap, n, times[r, k:], units[r, k:], work)
            if more < 0:
                counts[r] = -1
                break
            counts[r] += more


def frozen_patterns(seeds, params: PatternInput) -> Patterns:
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
    n, n_patterns = int(params.n_afferents), int(params.n_patterns)
    shape = (len(seeds), n_patterns, capacity(n * params.rate * params.duration))
    ticks, units, counts = np.zeros(shape, np.int64), np.zeros(shape, np.int32), np.zeros(shape[:2], np.int64)
    keys = keys_of(tuple(seeds), ("pattern",))
    _freeze(keys, in_ticks(params.duration), mean_gap(n, params.rate), n, ticks, units, counts)
    checked(counts)
    return Patterns(ticks, units, counts)


def fill_period(
    seeds, params: PatternInput, patterns: Patterns, period: int, *, n_periods=1, fresh_pattern=False, out=None
):
    """Input of one period (or `n_periods`) of R runs, on [period T_p, (period + n_periods) T_p).

    Parameters
    ----------
    seeds : sequence of int, length R
        Streams "background", "padding", "jitter" and, for `fresh_pattern`, "fresh".
    params : PatternInput
        Parameters of the input.
    patterns : Patterns
        Of :func:`frozen_patterns` with the same seeds.
    period : int
        Number of the (first) period, from 0; pattern number `period` mod P is shown.
    n_periods : int
        So many in one chunk: the same spikes as one by one, with less work around them and the neurons' state in cache.
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
    if n_periods < 1:
        raise ValueError(f"n_periods must be >= 1, got {n_periods}")
    if not 0 <= period < LATEST / params.period - n_periods:
        raise ValueError(f"period must be >= 0 and end before {LATEST:.0f} s, got {period}")
    n, rate = int(params.n_afferents), params.rate
    # Room for a pattern and all its padding, whatever the lags will leave of it.
    most = patterns.ticks.shape[2] + capacity(n * rate * 4 * params.jitter)
    size = in_ticks(params.period), in_ticks(params.duration), in_ticks(params.jitter), int(fresh_pattern), most
    if (size[1] + 2 * size[2]).bit_length() + most.bit_length() > 62:
        raise ValueError(f"duration is too long for so many spikes: {params.duration} s with about {most} a period")
    fresh_part = max(params.period - params.duration + 2 * params.jitter, 0.0)  # random, and all padding
    capacities = capacity(n_periods * n * rate * fresh_part) + n_periods * patterns.ticks.shape[2]
    chunk, last = room(len(seeds), capacities, out), int(period) + int(n_periods)
    _periods(keys_of(tuple(seeds), _STREAMS), int(period), last, tuple(patterns), size, mean_gap(n, rate), n, chunk)
    checked(chunk[2])
    return chunk

"""Poisson spikes of many afferents in continuous time, with the same bits on every machine.

The pooled process of N afferents of rate f (Hz) has exponential gaps of mean 1 / (N f) and uniform afferents: sorted
as it is drawn. 64 random bits make one spike: the low 32 the gap -ln((2 r + 1) / 2**33) / (N f), the high 32 the
afferent. The logarithm is a polynomial of +, * and fma alone, the gaps are rounded to 1/256 TICK and summed as
integers, times are whole numbers of TICK (6 ps): no rounding that could differ between processors. Intervals are
half-open; equal times are ordered by afferent.

Arrays of R runs: times (R, K) float64 in s, units (R, K) int32, counts (R,): run r holds the first counts[r] of a row.
"""

from functools import lru_cache
from math import isfinite, log, sqrt

import numpy as np

from ..runtime.ieee import as_bits, fma, from_bits
from ..runtime.jit import kernel
from ..runtime.rng import mix, split, stream

__all__ = ["TICK", "fill_poisson"]

#: Unit of time of all inputs, s.
TICK = 1e-4 / 2**24
LONGEST = 50.0  # s, of one stretch: a single gap, in 1/256 TICK, must stay below 2**51
LATEST = 2**52 * TICK  # s (7 h): times are exact integers in a float64
BLOCK = 128  # spikes drawn at a time

_FRACTION = 8  # bits of a TICK kept in the sum of gaps
_CLOSE = 2.0**_FRACTION + 1  # gaps that may leave two spikes in one TICK
_TWO51, _TWO52 = 2.0**51, 2.0**52
_GAMMA = np.uint64(0x9E3779B97F4A7C15)  # as in runtime.rng, step of the counter
_TWO52_BITS, _ONE_BITS, _MANTISSA = (np.uint64(b) for b in (0x433 << 52, 0x3FF << 52, (1 << 52) - 1))
_LOW32, _U1, _U32, _U52 = (np.uint64(b) for b in (0xFFFFFFFF, 1, 32, 52))
_LN2 = log(2.0)
_OFFSET = (33 + 1023) * _LN2 + 5e-8  # a little more, so that no error makes a gap negative
# Chebyshev interpolant of degree 8 of ln((y + 3) / 2) on [-1, 1], error 4e-8.
_C = (
    0.4054651081081642,
    0.3333330877716858,
    -0.055555481596974626,
    0.012348930681130247,
    -0.0030873989768643167,
    0.0008115560032203676,
    -0.00022516488894034348,
    7.998577931319961e-05,
    -2.3463300979942767e-05,
)
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8 = _C


@kernel
def draw(k0, k1, counter, out):
    """``bits(k0, k1, counter + i)`` for all i; in two passes, which is how the vectoriser likes it."""
    z = k0 + np.uint64(counter) * _GAMMA
    for i in range(out.size):
        out[i] = mix(z)
        z += _GAMMA
    for i in range(out.size):
        out[i] = mix(out[i] ^ k1)


@kernel
def exponential(b):
    """Exponential variate (mean 1, resolution 2**-33, error 1e-7) from the low 32 of 64 random bits."""
    # An integer below 2**52 becomes a float64 by setting the exponent bits of 2**52 and subtracting 2**52.
    x = as_bits(from_bits((((b & _LOW32) << _U1) | _U1) | _TWO52_BITS) - _TWO52)
    e = from_bits((x >> _U52) | _TWO52_BITS) - _TWO52
    y = fma(2.0, from_bits((x & _MANTISSA) | _ONE_BITS), -3.0)  # mantissa [1, 2) -> [-1, 1)
    y2 = y * y
    y4 = y2 * y2
    high = fma(y4, _C8, fma(y2, fma(y, _C7, _C6), fma(y, _C5, _C4)))
    low = fma(y2, fma(y, _C3, _C2), fma(y, _C1, _C0))
    return fma(e, -_LN2, _OFFSET) - fma(y4, high, low)


@kernel
def round_below(x):
    """Nearest integer (int64) of 0 <= x <= 2**51."""
    return np.int64(as_bits(x + _TWO52) - _TWO52_BITS)


@kernel
def pooled(key, length, gap, n, origin, ticks, units, pos, work):
    """Append the pooled process on [origin, origin + length) ticks at `pos`; return the new end, -1 without room.

    key: two uint64; gap: mean, in 1/256 TICK (inf: no spikes); n: afferents; work: uint64 and int64 of size BLOCK.
    """
    if not gap < np.inf:
        return pos
    random, gaps = work
    first, time, counter, number, close = pos, np.int64(0), 0, np.uint64(n), False
    while pos + BLOCK <= ticks.size:
        draw(key[0], key[1], counter, random)
        to, names = ticks[pos : pos + BLOCK], units[pos : pos + BLOCK]
        for i in range(BLOCK):
            g = exponential(random[i]) * gap
            close |= g < _CLOSE
            gaps[i] = round_below(g if g < _TWO51 else _TWO51)
        for i in range(BLOCK):
            names[i] = np.int32(((random[i] >> _U32) * number) >> _U32)
        for i in range(BLOCK):
            time += gaps[i]
            to[i] = origin + (time >> _FRACTION)
        counter += BLOCK
        pos += BLOCK
        if (time >> _FRACTION) >= length:
            while pos > first and ticks[pos - 1] >= origin + length:
                pos -= 1
            if close:
                order_ties(ticks[first:pos], units[first:pos])
            return pos
    return np.int64(-1)


@kernel
def order_ties(ticks, units):
    """Put equal times of a sorted list in order of the afferents."""
    ties = 0
    for i in range(1, ticks.size):
        ties |= 1 if ticks[i] == ticks[i - 1] else 0
    if ties:
        _insertion_sort(ticks, units)


@kernel
def _insertion_sort(ticks, units):
    """Sort by (time, afferent) what is nearly in order."""
    for i in range(1, ticks.size):
        t, u = ticks[i], units[i]
        k = i
        while k > 0 and (ticks[k - 1] > t or (ticks[k - 1] == t and units[k - 1] > u)):
            ticks[k], units[k] = ticks[k - 1], units[k - 1]
            k -= 1
        ticks[k], units[k] = t, u


@kernel
def to_seconds(ticks, times):
    """Times in s; `times` may be the same memory."""
    for i in range(ticks.size):
        times[i] = (from_bits(np.uint64(ticks[i]) | _TWO52_BITS) - _TWO52) * TICK


@kernel
def _stretches(keys, index, length, origin, gap, n, times, units, counts):
    work = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.int64)
    for r in range(times.shape[0]):
        ticks = times[r].view(np.int64)
        key = split(keys[r, 0, 0], keys[r, 0, 1], index)
        counts[r] = pooled(key, length, gap, n, origin, ticks, units[r], 0, work)
        to_seconds(ticks[: max(counts[r], 0)], times[r])


# ---- on the host ---------------------------------------------------------------------------------------------------


def check_population(n_afferents, rate):
    """Raise ValueError if there is no such population."""
    if not 1 <= n_afferents < 2**31 or n_afferents != int(n_afferents):
        raise ValueError(f"n_afferents must be an integer in 1..2**31 - 1, got {n_afferents}")
    if not (rate >= 0 and isfinite(rate)):
        raise ValueError(f"rate must be >= 0 Hz, got {rate}")


def in_ticks(seconds):
    """Nearest whole number of TICK."""
    return int(round(seconds / TICK))


def mean_gap(n_afferents, rate):
    """Mean gap of the pooled process in 1/256 TICK; inf at rate 0."""
    return 2.0**_FRACTION / (n_afferents * rate * TICK) if rate > 0 else np.inf


def capacity(mean):
    """Room for a Poisson(mean) number of spikes (exceeded with probability < 1e-30) and the last block."""
    return int(mean + 12 * sqrt(mean) + 64) + BLOCK


@lru_cache(maxsize=64)
def keys_of(seeds, names):
    """Keys of the streams `names` of all seeds (tuples): uint64 (R, len(names), 2)."""
    return np.array([[stream(seed, name) for name in names] for seed in seeds], np.uint64)


def room(n_runs, size, out):
    """`out`, if it is large enough, or new arrays for a chunk of `n_runs` x `size` spikes."""
    if out is not None and out[0].shape[0] == n_runs and out[0].shape[1] >= size:
        return out
    return np.zeros((n_runs, size)), np.zeros((n_runs, size), np.int32), np.zeros(n_runs, np.int64)


def checked(counts):
    """Raise RuntimeError where a kernel had no room."""
    if counts.min(initial=0) < 0:
        raise RuntimeError("more spikes than there is room for: a draw of probability < 1e-30")


def fill_poisson(seeds, n_afferents, rate, start, stop, *, name="poisson", index=0, out=None):
    """Poisson input of R runs on [start, stop).

    Parameters
    ----------
    seeds : sequence of int, length R
        One seed a run.
    n_afferents : int
        Number of afferents, N.
    rate : float
        Of each afferent, Hz.
    start, stop : float
        s, at most 50 s apart, and before 7 hours.
    name, index : str, int
        Stream and number of the stretch: other values, other spikes. The draw does not depend on `start`.
    out : tuple, optional
        What an earlier call returned; its memory is used again if it is large enough.

    Returns
    -------
    times : float64 (R, K), s, sorted; units : int32 (R, K); counts : int64 (R,)
        Run r holds the first ``counts[r]`` entries of its row.

    Examples
    --------
    >>> times, units, counts = fill_poisson([7], 100, 10.0, 0.0, 1.0)
    >>> bool(800 < counts[0] < 1200)
    True
    """
    check_population(n_afferents, rate)
    if not 0 <= stop - start < LONGEST:
        raise ValueError(f"stop must be >= start and < start + {LONGEST} s, got {start} and {stop}")
    if not 0 <= start <= stop < LATEST:
        raise ValueError(f"start and stop must lie in 0..{LATEST:.0f} s, got {start} and {stop}")
    times, units, counts = room(len(seeds), capacity(n_afferents * rate * (stop - start)), out)
    origin, keys = in_ticks(start), keys_of(tuple(seeds), (name,))
    size = in_ticks(stop) - origin
    _stretches(keys, int(index), size, origin, mean_gap(n_afferents, rate), int(n_afferents), times, units, counts)
    checked(counts)
    return times, units, counts

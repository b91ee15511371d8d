"""Slots of lively input in some of which one pattern is pasted again and again, with the same bits on every machine.

N afferents fire at rates r(t) that wander on their own; in steps of h = 1 ms:

    spike with probability r h, at a uniform time within the step; or surely, if there was none for 50 ms
    r <- r + s h, cut to 0..r_max         s <- s + (1/5) U(-1, 1) s_max, cut to -s_max..s_max,  s_max = r_max / 50 ms

(first r and s uniform; a virtual spike before t = 0, uniform on the last 50 ms). Time is cut in slots. Going through
them, one is chosen with probability 1 / (1 / share - 1), and the next is then skipped: `share` of them are chosen, none
adjacent. Each chosen slot gets one of P patterns. In the first slot of a pattern the spikes of its `n_involved`
afferents are kept as the pattern; in that one and all later ones they replace what these afferents fired, each spike
moved by a Gaussian lag of its own (std `jitter`, new at each paste; a spike may leave its slot). Of the spikes pasted,
a share `deletion` is put at a uniform time of the slot instead. All afferents fire `noise` Hz of Poisson spikes as
well.

Time is counted in TICK (``datasets.poisson``). A run's spikes are made and kept by ``datasets.tape``.

Reference: T. Masquelier, R. Guyonneau & S. J. Thorpe (2008), PLoS ONE 3:e1377; (2009) Neural Comput. 21:1259.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..runtime.ieee import fma
from ..runtime.jit import kernel
from ..runtime.rng import permutation, split, stream, uniforms
from .patterns import bucket_sort
from .poisson import (
    BLOCK,
    TICK,
    capacity,
    check_population,
    draw,
    exponential,
    in_ticks,
    mean_gap,
    pooled,
)  # fmt: skip

__all__ = ["SlotInput", "World", "involved", "labels", "make", "new_world"]

STEP = 1e-3  # s
SILENCE = 50  # steps: the longest without a spike, and the least from rate 0 to the highest
MOST_UNITS = 1 << 16
_STREAMS = ("wander", "noise", "jitter", "deletion", "instant")
_ONE, _PER_STEP = 2.0**32, 2.0**16  # rates are kept in 2**-16 spikes a step
# 32-bit scalars: eight afferents go through one vector register
_F0, _HALF, _MIDDLE = np.float32(0), np.float32(0.5), np.float32(32767.5)
_I0, _I1, _S16, _LOW16, _SILENCE = (np.int32(x) for x in (0, 1, 16, 0xFFFF, SILENCE))
_LOW32, _U16, _U32, _U34, _HALF_PI = np.uint64(0xFFFFFFFF), np.uint64(16), np.uint64(32), np.uint64(34), np.pi / 2
_STEP_TICKS = np.uint64(round(STEP / TICK))
# sin(pi x / 2) = x (S0 + S1 x**2 + ...) on [0, 1], error 6e-8
_S0, _S1, _S2, _S3, _S4, _S5 = (
    _HALF_PI, -(_HALF_PI**3) / 6, _HALF_PI**5 / 120, -(_HALF_PI**7) / 5040, _HALF_PI**9 / 362880,
    -(_HALF_PI**11) / 39916800,
)  # fmt: skip


@dataclass
class SlotInput:
    """Parameters of the input; times in s, rates in Hz.

    `scattered`: the involved afferents of each pattern are drawn; else they are the first ones, of all patterns.
    `fresh`: control; slots are chosen, but nothing is pasted.
    """

    n_afferents: int = 2000
    n_patterns: int = 1
    n_involved: int = 1000
    scattered: bool = False
    share: float = 0.25
    slot: float = 50e-3
    n_slots: int = 3000
    jitter: float = 1e-3
    deletion: float = 0.0
    noise: float = 10.0
    highest_rate: float = 90.0
    fresh: bool = False

    def check(self):
        """Raise ValueError if a value makes no sense."""
        check_population(self.n_afferents, self.noise)
        if self.n_afferents > MOST_UNITS:
            raise ValueError(f"n_afferents must be <= {MOST_UNITS}, got {self.n_afferents}")
        if self.n_patterns < 1 or self.n_slots < 1:
            raise ValueError(f"n_patterns and n_slots must be >= 1, got {self.n_patterns} and {self.n_slots}")
        if not 0 <= self.n_involved <= self.n_afferents:
            raise ValueError(f"n_involved must lie in 0..n_afferents, got {self.n_involved}")
        if not 0 < self.share <= 0.5:
            raise ValueError(f"share must be > 0 and <= 0.5, got {self.share}")
        steps = self.slot / STEP
        if not (1 <= round(steps) <= 1000 and abs(steps - round(steps)) < 1e-6):
            raise ValueError(f"slot must be a whole number of ms in 1..1000, got {self.slot} s")
        if not 0 <= self.jitter <= self.slot / 7:
            raise ValueError(f"jitter must be >= 0 s and <= slot / 7 = {self.slot / 7:.4g} s, got {self.jitter}")
        if not 0 <= self.deletion <= 1:
            raise ValueError(f"deletion must lie in 0..1, got {self.deletion}")
        if not 0 < self.highest_rate < 0.5 / STEP:
            raise ValueError(f"highest_rate must be > 0 Hz and < {0.5 / STEP:g} Hz, got {self.highest_rate}")


def labels(seed: int, params: SlotInput) -> np.ndarray:
    """Which pattern each slot shows, int8 (n_slots,); -1: none. Streams "slot" and "label"."""
    params.check()
    n, accept = params.n_slots, 1.0 / (1.0 / params.share - 1.0)
    u, which = uniforms(seed, "slot", n), uniforms(seed, "label", n)
    out, k = np.full(n, -1, np.int8), 0
    while k < n:
        if u[k] < accept:
            out[k] = int(which[k] * params.n_patterns)
            k += 1
        k += 1
    return out


def involved(seed: int, params: SlotInput) -> np.ndarray:
    """Whether each afferent belongs to each pattern, bool (P, N). Streams "involved/p"."""
    out = np.zeros((params.n_patterns, params.n_afferents), bool)
    for p in range(params.n_patterns):
        first = permutation(seed, f"involved/{p}", params.n_afferents) if params.scattered else slice(None)
        out[p, np.arange(params.n_afferents)[first][: params.n_involved]] = True
    return out


class World(NamedTuple):
    """Everything that one run's input is made of and goes through; times in ticks."""

    rate: np.ndarray  # (N,) float32: spikes a step, in 2**-16
    slope: np.ndarray  # (N,) float32: change of it a step
    last: np.ndarray  # (N,) int32: step of the last spike
    listed: np.ndarray  # (3, C) uint64: spikes of three slots, time in the slot << 16 | afferent
    counts: np.ndarray  # (3,)
    shown: np.ndarray  # (n_slots,) int8, labels
    member: np.ndarray  # (P, N) bool
    pattern: np.ndarray  # (P, C) uint64, the frozen patterns in the same form
    frozen: np.ndarray  # (P,) their sizes; -1: not yet
    keys: np.ndarray  # (5, 2) uint64, streams
    slot: np.ndarray  # (4,) int64: ticks a slot, steps a slot, whether nothing is pasted, bits dropped on the tape
    scales: np.ndarray  # (3,): jitter in ticks, deletion in 2**-32, gap of the noise
    highest: np.ndarray  # (3,) float32: of rate, of slope; change of it by one of 2**16 random values


@kernel
def _put(world, k, tick, unit):
    """Append a spike at `tick` of slot `k` to the list of the slot in which it falls; the ends of the run are walls."""
    length, n = world.slot[0], world.shown.size
    if tick < 0:
        k, tick = (k - 1, tick + length) if k > 0 else (k, np.int64(0))
    elif tick >= length:
        k, tick = (k + 1, tick - length) if k < n - 1 else (k, length - 1)
    row = k % 3
    world.listed[row, world.counts[row]] = (np.uint64(tick) << _U16) | np.uint64(unit)
    world.counts[row] += 1


@kernel
def _step(rate, slope, last, highest, now, words, fired):
    """One step of all afferents: who fires, and the rates after it. `words`: 32 random bits each."""
    top, steepest, change, now = highest[0], highest[1], highest[2], np.int32(now)
    for i in range(rate.size):
        low, high = np.float32(words[i] & _LOW16), np.float32((words[i] >> _S16) & _LOW16)
        r, s = rate[i], slope[i]
        fires = (low + _HALF < r) | (now - last[i] > _SILENCE)
        fired[i] = _I1 if fires else _I0
        last[i] = now if fires else last[i]
        r += s
        r = r if r > _F0 else _F0
        rate[i] = r if r < top else top
        s += (high - _MIDDLE) * change
        s = s if s > -steepest else -steepest
        slope[i] = s if s < steepest else steepest


@kernel
def _gather(fired, index):
    """Write the positions of the ones in `fired` to `index`; return how many."""
    n = np.uint64(0)  # unsigned: no test for an index from the end
    for i in range(fired.size):
        index[n] = np.int32(i)
        n += np.uint64(fired[i])
    return np.int64(n)


@kernel
def _append(index, start, random, member, kept, n_kept, frozen, n_frozen):
    """Codes of the spikes of a step: of members to `frozen`, of others to `kept`; return the new sizes."""
    n_kept, n_frozen = np.uint64(n_kept), np.uint64(n_frozen)
    for c in range(index.size):
        i = np.uint64(index[c])
        tick = np.uint64(start) + (((random[c] >> _U32) * _STEP_TICKS) >> _U32)
        code = (tick << _U16) | i
        of_pattern = np.uint64(member[i])
        kept[n_kept] = frozen[n_frozen] = code
        n_frozen += of_pattern
        n_kept += np.uint64(1) - of_pattern
    return np.int64(n_kept), np.int64(n_frozen)


@kernel
def _wander(world, k, random, words, fired, index, frozen, nobody):
    """All steps of slot `k`: spikes to its list, or to the pattern that it is the first to show."""
    n, label, steps = world.rate.size, world.shown[k], world.slot[1]
    pasted = label >= 0 and world.slot[2] == 0
    member = world.member[label] if pasted else nobody
    size, row, pairs = 0, k % 3, (n + 1) // 2
    kept, n_kept = world.listed[row], world.counts[row]
    for step in range(steps):
        now = k * steps + step
        draw(world.keys[0, 0], world.keys[0, 1], now * pairs, random[:pairs])
        _step(world.rate, world.slope, world.last, world.highest, now, words, fired)
        count = _gather(fired, index)
        draw(world.keys[4, 0], world.keys[4, 1], now * n, random[:count])
        start = step * np.int64(_STEP_TICKS)
        n_kept, size = _append(index[:count], start, random, member, kept, n_kept, frozen, size)
    world.counts[row] = n_kept
    if pasted and world.frozen[label] < 0:
        world.frozen[label] = size
        for i in range(size):
            world.pattern[label, i] = frozen[i]


@kernel
def normals(b):
    """Two standard normals from 64 random bits (Box-Muller; at most 6.8; error 1e-7), from +, *, / and sqrt alone."""
    radius = np.sqrt(2.0 * exponential(b))
    x = (np.float64((b >> _U32) & np.uint64(0x3FFFFFFF)) + 0.5) * 2.0**-30
    z, y = 1.0 - x, x * x
    zz = z * z
    s = x * fma(y, fma(y, fma(y, fma(y, fma(y, _S5, _S4), _S3), _S2), _S1), _S0)
    c = z * fma(zz, fma(zz, fma(zz, fma(zz, fma(zz, _S5, _S4), _S3), _S2), _S1), _S0)
    quarter = np.int64(b >> np.uint64(62))
    if quarter & 1:
        s, c = c, -s
    return (radius * c, radius * s) if quarter < 2 else (-radius * c, -radius * s)


@kernel
def _paste(world, k, random):
    """Put the pattern of slot `k` into the lists, jittered."""
    label = world.shown[k]
    if label < 0 or world.slot[2]:
        return
    j0, j1 = split(world.keys[2, 0], world.keys[2, 1], k)
    d0, d1 = split(world.keys[3, 0], world.keys[3, 1], k)
    codes, one = world.pattern[label, : world.frozen[label]], random[:1]
    second = 0.0
    for i in range(codes.size):
        if i & 1:
            z = second
        else:
            draw(j0, j1, i >> 1, one)
            z, second = normals(one[0])
        tick = np.int64(codes[i] >> _U16) + np.int64(np.floor(z * world.scales[0] + 0.5))
        if world.scales[1] > 0.0:
            draw(d0, d1, i, one)
            if np.float64(one[0] >> _U32) < world.scales[1]:
                tick = np.int64(np.float64(one[0] & _LOW32) / _ONE * world.slot[0])
        _put(world, k, tick, codes[i] & np.uint64(0xFFFF))


@kernel
def _add_noise(world, k, work):
    """Poisson spikes of slot `k` to its list."""
    n, row = world.rate.size, k % 3
    key = split(world.keys[1, 0], world.keys[1, 1], k)
    count = pooled(key, world.slot[0], world.scales[2], n, 0, work[2], work[3], 0, work[:2])
    to = world.listed[row, world.counts[row] :]
    for i in range(count):
        to[i] = (np.uint64(work[2][i]) << _U16) | np.uint64(work[3][i])
    world.counts[row] += count


@kernel
def make(world, first, last, counts, fractions, units, work):
    """Write the slots first <= k < last, the spikes of each in order; lists of the slots first - 1, first are full."""
    random, words, fired, index, nobody, out, buckets = work[4:]
    drop, bits, n, pos = np.uint64(16 + world.slot[3]), 16, world.shown.size, 0
    while world.slot[0] >> (bits - 16):
        bits += 1
    for k in range(first, last):
        # A spike of the next slot may be moved into this one: that one is made first.
        for ahead in range(k if k == 0 else k + 1, min(k + 2, n)):
            _wander(world, ahead, random, words, fired, index, out, nobody)
            _paste(world, ahead, random)
            _add_noise(world, ahead, work[:4])
        row = k % 3
        count = world.counts[row]
        codes, world.counts[row] = world.listed[row, :count], 0
        bucket_sort(codes, bits, buckets[: 4 * count + 18], out)
        for i in range(count):
            fractions[pos + i] = np.uint32(out[i] >> drop)
            units[pos + i] = np.uint16(out[i] & np.uint64(0xFFFF))
        counts[k - first] = count
        pos += count
    return pos


def new_world(seed, p, shown, member):
    """State at t = 0, and working memory."""
    n, steps, slot = p.n_afferents, round(p.slot / STEP), in_ticks(p.slot)
    top = p.highest_rate * STEP * _PER_STEP
    steepest = top / SILENCE
    start = uniforms(seed, "start", (3, n))
    # What a slot can hold at most: each step one spike an afferent would be 20 times the mean; that of the highest rate
    # and its fluctuations, twice for what neighbours spill.
    at_most = capacity(n * p.slot * (p.highest_rate + 1 / (SILENCE * STEP))) * 2 + capacity(n * p.slot * p.noise)
    world = World(
        rate=(start[0] * top).astype(np.float32),
        slope=((2 * start[1] - 1) * steepest).astype(np.float32),
        last=-1 - (start[2] * SILENCE).astype(np.int32),
        listed=np.empty((3, at_most), np.uint64),
        counts=np.zeros(3, np.int64),
        shown=shown,
        member=member,
        pattern=np.empty((p.n_patterns, at_most), np.uint64),
        frozen=np.full(p.n_patterns, -1),
        keys=np.array([stream(seed, name) for name in _STREAMS], np.uint64),
        slot=np.array([slot, steps, p.fresh, max(slot.bit_length() - 32, 0)], np.int64),
        scales=np.array([p.jitter / TICK, p.deletion * _ONE, mean_gap(n, p.noise)]),
        highest=np.array([top, steepest, 0.2 * steepest / 2**15], np.float32),
    )
    noise, random = capacity(n * p.slot * p.noise), np.empty(n, np.uint64)
    work = (
        np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.int64), np.empty(noise, np.int64), np.empty(noise, np.int32),
        random, random.view(np.int32)[:n], np.empty(n, np.int32), np.empty(n + 1, np.int32), np.zeros(n, bool),
        np.empty(at_most, np.uint64), np.empty(4 * at_most + 18, np.int32),
    )  # fmt: skip
    return world, work

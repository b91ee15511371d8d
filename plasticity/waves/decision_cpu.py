"""The deciding layer without threshold on the CPU: which neuron has the largest final potential, computing few of them.

Without threshold only *which* inputs spiked matters, x = 0 or 1, and the winner is the argmax over (map, position) of

    V[f, q] = sum over the window of q of w[f, ky, kx, c] x[y, x, c]

Three nets of growing fineness; what falls through the first two cannot win, so the result is that of computing all.
1. Suppose all V0 are known for earlier weights w0 (matrix products, made for many images at once). A potential has
   grown since by at most min(up[f], n rise[f]), and shrunk by at most min(down[f], n fall[f]), n = spikes of the image,

       up = sum of max(0, w - w0),   rise = max of max(0, w - w0),   and down, fall the same of w0 - w      (of map f)

   so only neurons with V0 + growth >= max (V0 - shrinkage) can win.
2. Weights rounded to bytes, w = lo[f] + unit[f] (b + e), |e| <= 1/2: the bytes of the inputs that spiked are added
   eight at a time inside 64-bit words. That gives V within unit n / 2.
3. The few neurons left are summed exactly: products of a float32 weight and 0 or 1, added in float64 without rounding.

Neither the order of summation nor the age of w0 can therefore be seen in the result. Learning changes one map an
image, and the bounds of one map.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.jit import kernel
from .reinforce_cpu import HITS, IMAGES, MISSES, PUNISH, REWARD, UPDATED

__all__ = ["Bounds", "Window", "decision_loop", "find_loop", "make_bounds", "refresh"]

_LOOSE = np.float32(1.001)  # sums of bounds are made in float32; a thousandth covers their rounding
_EVEN = np.uint64(0x00FF00FF00FF00FF)  # every other byte of a word
_PAIRS = np.uint64(0x0000FFFF0000FFFF)
_WORDS = 128  # that many words of two bytes a field sum to less than 2^16


class Window(NamedTuple):
    """Sizes of the deciding layer."""

    pad: int
    height: int  # of the input
    width: int
    rows: int  # of the output
    columns: int
    kernel_h: int
    kernel_w: int


class Bounds(NamedTuple):
    """What is known about the potentials without computing them, and working memory. C stands for whole words."""

    w0: np.ndarray  # (F, KH, KW, C) float32, weights of an earlier time
    largest: np.ndarray  # (1,) float32, largest |w0|
    known: np.ndarray  # (4, F) float32: up, down, rise, fall
    scale: np.ndarray  # (2, F) float64: lo, unit
    words: np.ndarray  # (F, KH, KW C / 8) uint64, weights as bytes
    rows: np.ndarray  # (6, C) float32
    top: np.ndarray  # (3, F) float32: largest V0 of a map, its growth and shrinkage
    open: np.ndarray  # (Q F) candidates: map Q + position, and
    high: np.ndarray  # (Q F) float64, upper bounds of their potentials
    count: np.ndarray  # (Q,) spikes in the window of each position


def make_bounds(w0, window):
    """:class:`Bounds` with memory for `w0` (F, KH, KW, C), to be filled by :func:`refresh` map by map."""
    n_maps, kh, kw, c = w0.shape
    n = n_maps * window.rows * window.columns
    return Bounds(
        w0,
        np.array([np.abs(w0).max(initial=0)], np.float32),
        np.zeros((4, n_maps), np.float32),
        np.zeros((2, n_maps)),
        np.zeros((n_maps, kh, kw * c // 8), np.uint64),
        np.zeros((6, c), np.float32),
        np.zeros((3, n_maps), np.float32),
        np.zeros(n, np.int64),
        np.zeros(n),
        np.zeros(window.rows * window.columns, np.int64),
    )


# Element by element, and few arrays at a time: only so are these loops vectorised.
@kernel
def _grown(w, w0, total, most):
    for i in range(w.size):
        d = w[i] - w0[i]
        d = d if d > np.float32(0.0) else np.float32(0.0)
        total[i] += d
        most[i] = d if d > most[i] else most[i]


@kernel
def _extremes(w, low, high):
    for i in range(w.size):
        low[i] = w[i] if w[i] < low[i] else low[i]
        high[i] = w[i] if w[i] > high[i] else high[i]


@kernel
def _round(w, low, per_unit, out):
    for i in range(w.size):
        out[i] = np.uint8((w[i] - low) * per_unit + np.float32(0.5))


@kernel
def refresh(f, w, n_channels, bounds):
    """Set everything known about map `f` anew, after its weights `w` (F, KH, KW, C) have changed."""
    kernel_h, kernel_w, c = w.shape[1:]
    rows, known = bounds.rows, bounds.known
    rows[:4] = np.float32(0.0)
    rows[4:] = w[f, 0, 0, 0]
    for ky in range(kernel_h):
        for kx in range(kernel_w):
            new, old = w[f, ky, kx, :n_channels], bounds.w0[f, ky, kx, :n_channels]
            _grown(new, old, rows[0], rows[2])
            _grown(old, new, rows[1], rows[3])
            _extremes(new, rows[4], rows[5])
    for k in range(4):
        known[k, f] = np.float32(0.0)
    low, high = rows[4, 0], rows[5, 0]
    for i in range(n_channels):
        for k in range(2):
            known[k, f] += rows[k, i] * _LOOSE
            known[k + 2, f] = max(known[k + 2, f], rows[k + 2, i])
        low, high = min(low, rows[4, i]), max(high, rows[5, i])
    unit = (np.float64(high) - np.float64(low)) / 254.0
    bounds.scale[0, f], bounds.scale[1, f] = low, unit
    per_unit = np.float32(1.0 / unit) if unit > 0.0 else np.float32(0.0)
    for ky in range(kernel_h):
        row = bounds.words[f, ky].view(np.uint8)
        for kx in range(kernel_w):
            _round(w[f, ky, kx, :n_channels], low, per_unit, row[kx * c : kx * c + n_channels])


@kernel(fastmath={"reassoc", "nsz", "contract"})
def _dot(w, mask):
    total = 0.0
    for i in range(w.size):
        total += np.float64(w[i]) if mask[i] else 0.0
    return total


@kernel
def _fields(words, mask):
    fields = np.uint64(0)
    for i in range(words.size):
        v = words[i] & mask[i]
        fields += (v & _EVEN) + ((v >> np.uint64(8)) & _EVEN)
    fields = (fields & _PAIRS) + ((fields >> np.uint64(16)) & _PAIRS)
    return np.int64((fields & np.uint64(0xFFFFFFFF)) + (fields >> np.uint64(32)))


@kernel
def _bytes(words, mask):
    """Sum of the bytes of `words` that `mask` lets through."""
    if words.size <= _WORDS:
        return _fields(words, mask)
    total = np.int64(0)
    for start in range(0, words.size, _WORDS):
        total += _fields(words[start : start + _WORDS], mask[start : start + _WORDS])
    return total


@kernel
def _columns(ox, window):
    """Columns of the kernel (first, last + 1) that lie inside the image, and the image's column under the first."""
    left = max(0, window.pad - ox)
    return left, min(window.kernel_w, window.width + window.pad - ox), ox + left - window.pad


@kernel
def _coarse(words, mask, oy, ox, window):
    c = mask.shape[1] // window.width
    left, right, first = _columns(ox, window)
    total = np.int64(0)
    for ky in range(max(0, window.pad - oy), min(window.kernel_h, window.height + window.pad - oy)):
        seen = mask[oy + ky - window.pad, first * c : (first + right - left) * c]
        total += _bytes(words[ky, left * c : right * c], seen)
    return total


@kernel
def _exact(w, mask, oy, ox, window):
    """Potential of one neuron: `w` (KH, KW C) of its map, `mask` (H, W C) uint8."""
    c = mask.shape[1] // window.width
    left, right, first = _columns(ox, window)
    total = 0.0
    for ky in range(max(0, window.pad - oy), min(window.kernel_h, window.height + window.pad - oy)):
        seen = mask[oy + ky - window.pad, first * c : (first + right - left) * c]
        total += _dot(w[ky, left * c : right * c], seen)
    return total


@kernel
def _set_bytes(mask):
    n = 0
    for i in range(mask.size):
        n += mask[i] & 1
    return n


@kernel
def _count(mask, window, count):
    """Spikes in the window of each position into `count`; returns those of the image."""
    height, width = mask.shape[0], window.width
    c = mask.shape[1] // width
    count[:] = 0
    total = 0
    for y in range(height):
        for x in range(width):
            n = _set_bytes(mask[y, x * c : (x + 1) * c])
            total += n
            for oy in range(max(0, y + window.pad - window.kernel_h + 1), min(window.rows, y + window.pad + 1)):
                for ox in range(max(0, x + window.pad - window.kernel_w + 1), min(window.columns, x + window.pad + 1)):
                    count[oy * window.columns + ox] += n
    return total


@kernel
def _maximum(out, row):
    for i in range(row.size):
        out[i] = max(out[i], row[i])


@kernel
def _first_net(n_spikes, v0, bounds):
    """Growth and shrinkage of each map into ``bounds.top``; returns what a candidate's V0 + growth must reach."""
    top, known = bounds.top, bounds.known
    n = np.float32(n_spikes) * _LOOSE
    for f in range(top.shape[1]):
        top[0, f] = v0[0, f]
        top[1, f] = min(known[0, f], n * known[2, f])
        top[2, f] = min(known[1, f], n * known[3, f])
    for q in range(1, v0.shape[0]):
        _maximum(top[0], v0[q])
    low = np.float32(-np.inf)
    for f in range(top.shape[1]):
        low = max(low, top[0, f] - top[2, f])
    # rounding of two float32 sums of n terms, whatever their order
    return low - np.float32(4.8e-7) * np.float32(n_spikes) * np.float32(n_spikes) * bounds.largest[0]


@kernel
def _find(mask, w, v0, bounds, window, work):
    """(map, position) of the winner; map -1 = silence. `v0` (Q, F) float32; `work` counts sums of both kinds."""
    low = _first_net(_count(mask, window, bounds.count), v0, bounds)
    packed = mask.view(np.uint64)
    n_positions = v0.shape[0]
    n, best = 0, -np.inf
    for f in range(w.shape[0]):
        grown = bounds.top[1, f]
        if bounds.top[0, f] + grown < low:
            continue
        least, unit = bounds.scale[0, f], bounds.scale[1, f]
        for q in range(n_positions):
            if v0[q, f] + grown < low:
                continue
            s = _coarse(bounds.words[f], packed, q // window.columns, q % window.columns, window)
            v = bounds.count[q] * least + unit * s
            half = 0.501 * unit * bounds.count[q]
            bounds.open[n], bounds.high[n] = f * n_positions + q, v + half
            best = max(best, v - half)
            n += 1
    work[0] += n
    winner, exact = np.int64(-1), 0.0
    for i in range(n):
        if bounds.high[i] < best:
            continue
        f, q = bounds.open[i] // n_positions, bounds.open[i] % n_positions
        v = _exact(w[f].reshape(window.kernel_h, -1), mask, q // window.columns, q % window.columns, window)
        work[1] += 1
        if v > exact:
            exact, winner = v, bounds.open[i]
    return (winner // n_positions, winner % n_positions) if winner >= 0 else (winner, winner)


@kernel
def find_loop(masks, n_steps, w, v0, bounds, window, winners):
    """Winners (N, 4) of images that nothing is learnt from; arguments as of `decision_loop`."""
    work = np.zeros(2, np.int64)
    for n in range(masks.shape[0]):
        f, q = _find(masks[n], w, v0[n], bounds, window, work)
        winners[n] = -1
        if f >= 0:
            winners[n, 0], winners[n, 1], winners[n, 2] = f, q // window.columns, q % window.columns
            winners[n, 3] = n_steps - 1


# Names bound by `specialise` to the functions of a rule.
def factors(hits, misses, n, p):  # pragma: no cover
    """Stand-in for the rule's own."""
    raise NotImplementedError


def amplitudes(hit, reward, punish, p):  # pragma: no cover
    """Stand-in for the rule's own."""
    raise NotImplementedError


def update(w, before, a_before, a_after, p):  # pragma: no cover
    """Stand-in for the rule's own."""
    raise NotImplementedError


def decision_loop(
    masks, n_channels, n_steps, labels, classes, w, v0, bounds, window, block, rule, state, winners, work
):
    """As `reinforce_loop` for a layer without threshold; plain Python, compiled by `specialise`.

    `masks` (N, H, W C) uint8, 255 where an input spiked; `w` (F, KH, KW, C) float32, changed in place; `v0` (N, Q, F)
    potentials under ``bounds.w0``; `work` (2,) counts the coarse and the exact sums. Of the C channels the first
    `n_channels` are real. Amplitudes of 0 (a network that only answers) cost no update.
    """
    n_maps, kernel_h, kernel_w, c8 = w.shape
    nothing = np.zeros(n_channels, np.uint8)
    for n in range(masks.shape[0]):
        winners[n] = -1
        f, q = _find(masks[n], w, v0[n], bounds, window, work)
        if f >= 0:
            oy, ox = q // window.columns, q % window.columns
            winners[n, 0], winners[n, 1], winners[n, 2], winners[n, 3] = f, oy, ox, n_steps - 1
            hit = classes[f] == labels[n]
            state[HITS if hit else MISSES] += 1.0
            a_before, a_after = amplitudes(hit, state[REWARD], state[PUNISH], rule)
            learning = a_before != 0.0 or a_after != 0.0 or state[UPDATED] == 0.0
            for ky in range(kernel_h if learning else 0):
                y = oy + ky - window.pad
                for kx in range(kernel_w):
                    x = ox + kx - window.pad
                    row = w[f, ky, kx]
                    inside = y >= 0 and y < window.height and x >= 0 and x < window.width
                    spiked = masks[n, y, x * c8 : (x + 1) * c8] if inside else nothing
                    for i in range(n_channels):
                        row[i] = update(np.float64(row[i]), spiked[i] != 0, a_before, a_after, rule)
            if state[UPDATED] == 0.0:  # a zero step brings the other weights, too, into the rule's bounds
                for m in range(n_maps):
                    for k in range(kernel_h * kernel_w):
                        row = w[m, k // kernel_w, k % kernel_w]
                        for i in range(n_channels):
                            row[i] = update(np.float64(row[i]), True, 0.0, 0.0, rule)
                    refresh(m, w, n_channels, bounds)
            state[UPDATED] += 1.0
            if learning:
                refresh(f, w, n_channels, bounds)
        state[IMAGES] += 1.0
        if state[IMAGES] == block:
            reward, punish = factors(state[HITS], state[MISSES], state[IMAGES], rule)
            state[REWARD], state[PUNISH] = reward, punish
            state[HITS] = state[MISSES] = state[IMAGES] = 0.0

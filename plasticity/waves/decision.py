"""The deciding layer without threshold: every neuron fires at the last step, the largest final potential answers.

    V[f, y, x] = sum over c, i, j of w[f, c, i, j] [tau[c, y + i - pad, x + j - pad] < T]

Potentials of many images at once are matrix products; learning, image after image, needs few of them anew
(:mod:`~firstspike.plasticity.waves.decision_cpu`).
"""

from typing import NamedTuple

import numpy as np

from ...runtime.jit import specialise
from ...runtime.spikes import check_times
from ...runtime.threads import in_blocks, one_blas_thread
from .checks import check_kernel, check_weights
from .decision_cpu import Window, decision_loop, find_loop, make_bounds, refresh

__all__ = ["Scores", "find_images", "learn_images", "rescore", "score"]

_BLOCK = 512  # images whose potentials are computed together


class Scores(NamedTuple):
    """Images prepared for a deciding layer, and their potentials under earlier weights.

    Learning goes the faster the less the weights have changed since; its result does not depend on them.
    """

    masks: np.ndarray  # (N, H, W C) uint8, 255 where an input spiked, C rounded up to a multiple of 8
    weights: np.ndarray  # (F, KH, KW, C) float32
    potentials: np.ndarray  # (N, OH OW, F) float32
    window: Window

    def part(self, images, maps=None):
        """Those of some images (a slice or indices), under the weights of some maps (None: all)."""
        few = self._replace(masks=self.masks[images], potentials=self.potentials[images])
        if maps is None or np.all(maps):
            return few
        potentials = np.ascontiguousarray(few.potentials[:, :, maps])
        return few._replace(weights=np.ascontiguousarray(self.weights[maps]), potentials=potentials)


def _inner(weights):
    """(F, C, KH, KW) -> (F, KH, KW, C), C rounded up to whole words by zeros."""
    f, c, kh, kw = weights.shape
    w = np.zeros((f, kh, kw, -(-c // 8) * 8), np.float32)
    w[..., :c] = weights.transpose(0, 2, 3, 1)
    return w


def _masks(times, n_steps):
    """(N, H, W C) uint8, 255 where a time map (N, C, H, W) has a spike, C rounded up to a multiple of 8."""
    n, c, height, width = times.shape
    out = np.zeros((n, height, width, -(-c // 8) * 8), np.uint8)
    np.multiply(times.transpose(0, 2, 3, 1) < n_steps, np.uint8(255), out=out[..., :c])
    return out.reshape(n, height, -1)


def _window(shape, kernel, padding):
    """:class:`Window` for input maps of `shape` (H, W)."""
    return Window(int(padding), *shape, *check_kernel(shape, kernel, padding), *kernel)


def _score(masks, w, window, out):
    """Potentials (N, Q, F) of masks (N, H, W C) under `w` (F, KH, KW, C), by matrix products."""
    n, c = len(masks), w.shape[3]
    turned = np.ascontiguousarray(w.transpose(1, 2, 3, 0))  # (KH, KW, C, F)
    x = (masks != 0).astype(np.float32)
    for q in range(window.rows * window.columns):
        oy, ox = divmod(q, window.columns)
        left, right = max(0, window.pad - ox), min(window.kernel_w, window.width + window.pad - ox)
        first = ox + left - window.pad
        total = np.zeros((n, w.shape[0]), np.float32)
        for ky in range(max(0, window.pad - oy), min(window.kernel_h, window.height + window.pad - oy)):
            if left >= right:  # the window sees nothing but padding
                break
            seen = x[:, oy + ky - window.pad, first * c : (first + right - left) * c]
            total += seen @ turned[ky, left:right].reshape(seen.shape[1], -1)
        out[:, q] = total


def _potentials(masks, w, window, out=None):
    out = np.empty((len(masks), window.rows * window.columns, len(w)), np.float32) if out is None else out
    with one_blas_thread():
        in_blocks(lambda a, b: _score(masks[a:b], w, window, out[a:b]), len(masks), _BLOCK)
    return out


def score(times, weights, n_steps, padding=0):
    """:class:`Scores` of time maps (N, C, H, W) under `weights` (F, C, KH, KW)."""
    times = check_times(times, n_steps)
    weights = check_weights(weights, times.shape[1])
    window = _window(times.shape[2:], weights.shape[2:], padding)
    masks, w = _masks(times, n_steps), _inner(weights)
    return Scores(masks, w, _potentials(masks, w, window), window)


def rescore(scores, weights):
    """The same images under other weights (F, C, KH, KW), in the memory of `scores`, which is used up."""
    w = _inner(weights)
    return scores._replace(weights=w, potentials=_potentials(scores.masks, w, scores.window, scores.potentials))


def _bounds(w, w0, n_channels, window):
    bounds = make_bounds(w0, window)
    for f in range(len(w)):
        refresh(f, w, n_channels, bounds)
    return bounds


def learn_images(scores, n_steps, labels, weights, classes, rule, state, winners):
    """Reward-modulated learning without threshold, image after image.

    `weights` (F, C, KH, KW) are not changed; `state` and `winners` (N, 4) are. Returns the new weights and how many
    potentials of an image were computed, coarsely and exactly.
    """
    loop = specialise(decision_loop, factors=rule.factors, amplitudes=rule.amplitudes, update=rule.update)
    n_channels, w, work = weights.shape[1], _inner(weights), np.zeros(2, np.int64)
    bounds = _bounds(w, scores.weights, n_channels, scores.window)
    p = tuple(float(v) for v in rule.scalars())
    more = (scores.potentials, bounds, scores.window, int(rule.block), p, state, winners, work)
    loop(scores.masks, n_channels, n_steps, labels, classes, w, *more)
    return np.ascontiguousarray(w[..., :n_channels].transpose(0, 3, 1, 2)), work / max(1, len(winners))


def find_images(scores, n_steps):
    """Winners (N, 4) int32 (map, row, column, step; -1 = silence) of prepared images under their weights."""
    winners = np.empty((len(scores.masks), 4), np.int32)
    w, n_channels = scores.weights, scores.weights.shape[3]

    def block(a, b):
        bounds = _bounds(w, w, n_channels, scores.window)
        find_loop(scores.masks[a:b], n_steps, w, scores.potentials[a:b], bounds, scores.window, winners[a:b])

    in_blocks(block, len(winners), _BLOCK)
    return winners

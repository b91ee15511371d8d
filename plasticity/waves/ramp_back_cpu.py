"""Kernels that take what outputs should have done back to weights and inputs, for neurons of :mod:`.ramp_cpu`.

With e the kernel's value, e' its slope (or a mask), and q[j] a factor of each output j that is to be moved:

    g[i, j] += q[j] e(t[j] - t[i])          x[i] = sum over j of q[j] w[i, j] e'(t[j] - t[i])

Both are one pass over contiguous numbers: over the outputs of an input in a dense layer, over the patch of inputs of an
output in a convolution. All kernels take float32 or float64. Times: `t_max` = silent.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.jit import kernel

__all__ = ["Slope", "conv_back", "dense_back"]

_FAST = {"contract", "nsz"}


class Slope(NamedTuple):
    """Value and slope of a piecewise-linear kernel of s = t[post] - t[pre] (0 for s <= 0)."""

    rate: np.floating  # slope up to s = rise
    rise: np.floating
    top: np.floating  # value there
    fall: np.floating  # minus the slope from rise to end
    end: np.floating


@kernel(fastmath=_FAST)
def _grow(g, q, t_out, t_in, e):
    """g[j] += q[j] value(t_out[j] - t_in) over outputs."""
    none = g.dtype.type(0.0)
    for j in range(g.size):
        s = t_out[j] - t_in
        value = max(none, min(s * e.rate, e.top + (e.rise - s) * e.fall))
        g[j] += q[j] * value


@kernel(fastmath={"contract", "nsz", "reassoc"})  # the order of this sum is the compiler's, and always the same
def _back(w, q, t_out, t_in, e):
    """Sum of q w slope(t_out - t_in) over outputs."""
    none = w.dtype.type(0.0)
    total = none
    for j in range(w.size):
        s = t_out[j] - t_in
        slope = e.rate if s <= e.rise else (-e.fall if s <= e.end else none)
        total += q[j] * w[j] * (slope if s > none else none)
    return total


@kernel
def dense_back(first, times, weights, t_out, q, last, value, mask, t_max, grad, below):
    """Gradient `grad` (I', H) and displacement `below` (N, I') of the inputs first, first + 1, ...

    `times` (I', N) are those of these inputs alone; `q` (N, H) is 0 where nothing is passed on; `last` (N,) is the
    latest t_out with q. An output `grad` or `below` of size 0 is not wanted. Input after input, a row of the weights
    and of the gradient stays in the nearest cache for all images, whose order is that of the sum.
    """
    for i in range(times.shape[0]):
        for k in range(times.shape[1]):
            t = times[i, k]
            if t < t_max and t < last[k]:
                if grad.size:
                    _grow(grad[i], q[k], t_out[k], t, value)
                if below.size:
                    below[k, i] = _back(weights[first + i], q[k], t_out[k], t, mask)


@kernel(fastmath=_FAST)
def _grow_one(g, q, t_out, t_in, e):
    """g[i] += q value(t_out - t_in[i]) over inputs, all of them before t_max or later than t_out."""
    none = g.dtype.type(0.0)
    for i in range(g.size):
        s = t_out - t_in[i]
        g[i] += q * max(none, min(s * e.rate, e.top + (e.rise - s) * e.fall))


@kernel(fastmath=_FAST)
def _back_one(d, w, q, t_out, t_in, e):
    none = d.dtype.type(0.0)
    for i in range(d.size):
        s = t_out - t_in[i]
        slope = e.rate if s <= e.rise else (-e.fall if s <= e.end else none)
        d[i] += q * w[i] * (slope if s > none else none)


@kernel
def conv_back(times, weights, t_out, place, q, pool, value, mask, grad, below):
    """Gradient `grad` (K, M KH KW), added to, and displacement `below` (N, M, Y, X), of a layer with pooling.

    `weights` (K, M, KH, KW); `t_out`, `place`, `q` (N, K, PH, PW); outputs of size 0 are not wanted. Each output
    position is a patch of inputs in a row of memory, so that a winner is one pass over it.
    """
    n_channels, kh, kw = weights.shape[1:]
    height, width = times.shape[2:]
    n_columns = width - kw + 1
    n = n_channels * kh * kw
    patches = np.empty(((height - kh + 1) * n_columns, n), times.dtype)
    moved = np.empty(patches.shape if below.size else (0, 0), times.dtype)
    flat = weights.reshape(weights.shape[0], n)
    none = q.dtype.type(0.0)
    for k in range(times.shape[0]):
        _gather(times[k], kh, kw, patches)
        moved[:] = none
        for f in range(q.shape[1]):
            for r in range(q.shape[2]):
                for c in range(q.shape[3]):
                    d = q[k, f, r, c]
                    if d == none:
                        continue
                    at = np.int64(place[k, f, r, c])
                    at = (r * pool + at // pool) * n_columns + c * pool + at % pool
                    if grad.size:
                        _grow_one(grad[f], d, t_out[k, f, r, c], patches[at], value)
                    if below.size:
                        _back_one(moved[at], flat[f], d, t_out[k, f, r, c], patches[at], mask)
        if below.size:
            _scatter(moved, kh, kw, below[k])


@kernel
def _gather(image, kh, kw, patches):
    n_channels, height, width = image.shape
    n_columns = width - kw + 1
    for at in range(patches.shape[0]):
        y, x = at // n_columns, at % n_columns
        patch, i = patches[at], 0
        for m in range(n_channels):
            for u in range(kh):
                row = image[m, y + u]
                for v in range(kw):
                    patch[i] = row[x + v]
                    i += 1


@kernel
def _scatter(moved, kh, kw, image):
    """Sum of the patches where they overlap, in the order of the positions."""
    n_channels, height, width = image.shape
    n_columns = width - kw + 1
    image[:] = image.dtype.type(0.0)
    for at in range(moved.shape[0]):
        y, x = at // n_columns, at % n_columns
        patch, i = moved[at], 0
        for m in range(n_channels):
            for u in range(kh):
                row = image[m, y + u]
                for v in range(kw):
                    row[x + v] += patch[i]
                    i += 1

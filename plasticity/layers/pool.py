"""Pooling and up-sampling in space, at each step on its own.

    max pool       y[s] = max over the window of x; outside is -infinity. The first largest, row by row, gets all of dy
    average pool   y[s] = (sum over the window of x) / cells of the window; outside is 0
    global         y    = mean over all places
    nearest        y[s] = x[floor(s L / L')] from L to L' places, on each axis

x (T, N, C, L) or (T, N, C, H, W). The maximum of spikes (uint8) is "did any fire", and stays uint8. No parameters.
"""

from typing import NamedTuple

import numpy as np

from ...runtime.jit import kernel
from ...runtime.threads import in_blocks
from .pairs import EVAL

__all__ = [
    "average_pool_backward",
    "average_pool_forward",
    "global_average_backward",
    "global_average_forward",
    "max_pool_backward",
    "max_pool_forward",
    "nearest_backward",
    "nearest_forward",
]

_MAPS = 256  # maps that a thread takes at a time


class Saved(NamedTuple):
    """Shape of x, window, and for maxima the place in its map (row W + column) of each."""

    shape: tuple
    window: tuple
    where: np.ndarray | None = None


@kernel
def _max(x, window, first, last, y, where):
    kh, kw, sh, sw, ph, pw = window
    height, width = x.shape[1], x.shape[2]
    for m in range(first, last):
        for h in range(y.shape[1]):
            top, bottom = max(0, h * sh - ph), min(height, h * sh - ph + kh)
            for w in range(y.shape[2]):
                left, right = max(0, w * sw - pw), min(width, w * sw - pw + kw)
                best, place = x[m, top, left], top * width + left
                for r in range(top, bottom):
                    for s in range(left, right):
                        if x[m, r, s] > best or (x[m, r, s] != x[m, r, s] and best == best):  # nan is the largest
                            best, place = x[m, r, s], r * width + s
                y[m, h, w] = best
                where[m, h, w] = place


@kernel
def _max_back(dy, where, first, last, dx):
    width = dx.shape[2]
    for m in range(first, last):
        for h in range(dy.shape[1]):
            for w in range(dy.shape[2]):
                place = where[m, h, w]
                dx[m, place // width, place % width] += dy[m, h, w]


@kernel
def _average(x, window, first, last, y):
    kh, kw, sh, sw, ph, pw = window
    for m in range(first, last):
        for h in range(y.shape[1]):
            top, bottom = max(0, h * sh - ph), min(x.shape[1], h * sh - ph + kh)
            for w in range(y.shape[2]):
                total = 0.0
                for r in range(top, bottom):
                    for s in range(max(0, w * sw - pw), min(x.shape[2], w * sw - pw + kw)):
                        total += x[m, r, s]
                y[m, h, w] = total / (kh * kw)


@kernel
def _average_back(dy, window, first, last, dx):
    kh, kw, sh, sw, ph, pw = window
    for m in range(first, last):
        for h in range(dy.shape[1]):
            top, bottom = max(0, h * sh - ph), min(dx.shape[1], h * sh - ph + kh)
            for w in range(dy.shape[2]):
                share = dy[m, h, w] / (kh * kw)
                for r in range(top, bottom):
                    for s in range(max(0, w * sw - pw), min(dx.shape[2], w * sw - pw + kw)):
                        dx[m, r, s] += share


def _maps(x):
    """Maps (B, H, W) of x."""
    x = np.ascontiguousarray(x)
    if x.ndim not in (4, 5) or x.dtype not in (np.uint8, np.float32, np.float64):
        raise ValueError(f"x must be uint8 or float, (T, N, C, L) or (T, N, C, H, W), got {x.dtype} {x.shape}")
    return x.reshape(-1, 1, x.shape[3]) if x.ndim == 4 else x.reshape(-1, *x.shape[3:])


def _window(shape, size, stride, padding):
    """Window (kh, kw, sh, sw, ph, pw) and shape of the output in space."""
    dims = len(shape) - 3
    values, out = [], []
    stride = size if stride is None else stride
    for name, value, least in (("size", size, 1), ("stride", stride, 1), ("padding", padding, 0)):
        each = (value,) * dims if np.ndim(value) == 0 else tuple(value)
        if len(each) != dims or any(v != int(v) or v < least for v in each):
            raise ValueError(f"{name} must be {dims} whole number(s) >= {least}, got {value}")
        values.append(tuple(int(v) for v in each))
    for n, k, s, p in zip(shape[3:], *values, strict=True):
        if 2 * p > k:
            raise ValueError(f"padding must be at most half the size {k}, got {p}")
        out.append((n + 2 * p - k) // s + 1)
        if out[-1] < 1:
            raise ValueError(f"a window of {k} cells does not fit into {n} cells with padding {p}")
    missing = 2 - dims
    kernel, strides, pads = values
    return ((1,) * missing + kernel + (1,) * missing + strides + (0,) * missing + pads), tuple(out)


def _space(out):
    return out if len(out) == 2 else (1, *out)


def max_pool_forward(p, x, mode=EVAL, *, size, stride=None, padding=0):
    """Largest value of each window of x (T, N, C, L) or (T, N, C, H, W); stride None: the size."""
    maps = _maps(x)
    window, out = _window(x.shape, size, stride, padding)
    y = np.empty((len(maps), *_space(out)), maps.dtype)
    where = np.empty(y.shape, np.int32)
    in_blocks(lambda a, b: _max(maps, window, a, b, y, where), len(maps), _MAPS)
    return y.reshape(*x.shape[:3], *out), Saved(x.shape, window, where)


def max_pool_backward(p, saved, dy):
    """Each value of dy goes to the place of its maximum."""
    where, dx = saved.where, np.zeros(saved.shape, dy.dtype)
    maps, g = _maps(dx), np.ascontiguousarray(dy).reshape(where.shape)
    in_blocks(lambda a, b: _max_back(g, where, a, b, maps), len(maps), _MAPS)
    return dx, {}


def average_pool_forward(p, x, mode=EVAL, *, size, stride=None, padding=0):
    """Mean of each window, float32 for spikes; cells outside count as 0."""
    maps = _maps(x)
    window, out = _window(x.shape, size, stride, padding)
    y = np.empty((len(maps), *_space(out)), maps.dtype if maps.dtype != np.uint8 else np.float32)
    in_blocks(lambda a, b: _average(maps, window, a, b, y), len(maps), _MAPS)
    return y.reshape(*x.shape[:3], *out), Saved(x.shape, window)


def average_pool_backward(p, saved, dy):
    """Each value of dy is shared by the cells of its window."""
    dx, window = np.zeros(saved.shape, dy.dtype), saved.window
    maps = _maps(dx)
    space = dy.shape[3:] if dy.ndim == 5 else (1, dy.shape[3])
    g = np.ascontiguousarray(dy).reshape(-1, *space)
    in_blocks(lambda a, b: _average_back(g, window, a, b, maps), len(maps), _MAPS)
    return dx, {}


def global_average_forward(p, x, mode=EVAL):
    """Mean over all places: (T, N, C, ...) to (T, N, C); float32 for spikes."""
    maps = _maps(x)
    y = maps.mean(axis=(1, 2), dtype=float).astype(maps.dtype if maps.dtype != np.uint8 else np.float32)
    return y.reshape(x.shape[:3]), Saved(x.shape, ())


def global_average_backward(p, saved, dy):
    """Spread dy evenly."""
    places = int(np.prod(saved.shape[3:]))
    dy = (dy / dy.dtype.type(places)).reshape(*dy.shape, *(1,) * (len(saved.shape) - 3))
    return np.ascontiguousarray(np.broadcast_to(dy, saved.shape)), {}


def _sources(n, to):
    return np.arange(to) * n // to


def nearest_forward(p, x, mode=EVAL, *, size):
    """Repeat places up (or drop them down) to `size`, a number for each dimension of space."""
    size = (size,) if np.ndim(size) == 0 else tuple(size)
    if len(size) != x.ndim - 3 or min(size) < 1:
        raise ValueError(f"size must be {x.ndim - 3} number(s) >= 1, got {size}")
    y = x
    for axis, to in enumerate(size, 3):
        y = y.take(_sources(x.shape[axis], to), axis=axis)
    return np.ascontiguousarray(y), Saved(x.shape, size)


def nearest_backward(p, saved, dy):
    """The gradients of all copies of a place are added, in their order."""
    for axis in range(len(saved.shape) - 1, 2, -1):
        dx = np.zeros((*dy.shape[:axis], saved.shape[axis], *dy.shape[axis + 1 :]), dy.dtype)
        sources = _sources(saved.shape[axis], dy.shape[axis])
        for to, source in enumerate(sources):
            dx[(slice(None),) * axis + (source,)] += dy[(slice(None),) * axis + (to,)]
        dy = dx
    return dy, {}

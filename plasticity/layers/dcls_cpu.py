"""Loops of the kernels with learnable positions: bumps of one axis, summed over the elements of a pair.

Arrays have the outputs last: weight, position (M, I, O), width (1 or M, 1 or I, O) as 1/s for the Gaussian and s for
the triangle, kernel (I, k, O), all of one type, in which everything is computed. A loop is compiled for each
shape: ``bump(u, s)`` is t, ``slopes(u, s)`` is (t, dt/dq, dt/ds), u = cell - q.
"""

import numpy as np
from numba import types
from numba.extending import overload

from ...runtime.vmath import exp
from .exp32 import exp32

EPS = 1e-7  # of the norm Z
BLOCK = 64  # outputs that are worked on together
_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)  # they take the type of what they meet


def _exp(x):
    """Exp of the type of `x`."""
    raise NotImplementedError


@overload(_exp, inline="always")
def _exp_of_type(x):
    if x == types.float32:
        return lambda x: exp32(x)
    return lambda x: exp(x)


def bump(u, s):
    """Value of a bump at the distance u from its centre; stands for the shape's function."""
    raise NotImplementedError


def slopes(u, s):
    """Value of a bump and its slopes to q and to s; stands for the shape's function."""
    raise NotImplementedError


def gauss_bump(u, r):
    """exp(-(u r)**2 / 2), r = 1/s."""
    v = u * r
    return _exp(-_HALF * v * v)


def gauss_slopes(u, r):
    """As :func:`gauss_bump`, with t u / s**2 and t u**2 / s**3."""
    v = u * r
    t = _exp(-_HALF * v * v)
    a = t * v * r
    return t, a, a * v


def triangle_bump(u, s):
    """max(0, s - |u|)."""
    t = s - abs(u)
    return t if t > _ZERO else _ZERO


def triangle_slopes(u, s):
    """As :func:`triangle_bump`; at a kink the slope is 0."""
    t = s - abs(u)
    inside = _ONE if t > _ZERO else _ZERO
    sign = (_ONE if u > _ZERO else _ZERO) - (_ONE if u < _ZERO else _ZERO)
    return (t if t > _ZERO else _ZERO), inside * sign, inside


def bilinear_bump(u, s):
    """The triangle of half width 1: shares 1 - r and r of the cells at floor(q) and after it."""
    t = _ONE - abs(u)
    return t if t > _ZERO else _ZERO


def bilinear_slopes(u, s):
    """As :func:`bilinear_bump`; at a kink the slope to the right, -1 at floor(q) and +1 at the next cell."""
    t = _ONE - abs(u)
    a = (_ONE if _ZERO < u <= _ONE else _ZERO) - (_ONE if -_ONE < u <= _ZERO else _ZERO)
    return (t if t > _ZERO else _ZERO), a, _ZERO


def build(weight, position, width, centre, normalised, flip, first, last, out):
    """Kernels of the inputs first..last into `out` (I, k, O); with `flip` in the order of lags k - 1 - cell."""
    n_elements, n_outputs = weight.shape[0], weight.shape[2]
    k = out.shape[1]
    tile, norm = np.empty((k, BLOCK), weight.dtype), np.empty(BLOCK, weight.dtype)
    for i in range(first, last):
        for start in range(0, n_outputs, BLOCK):
            stop = min(start + BLOCK, n_outputs)
            for m in range(n_elements):
                w = weight[m, i, start:stop]
                p = position[m, i, start:stop]
                s = width[m if width.shape[0] > 1 else 0, i if width.shape[1] > 1 else 0, start:stop]
                z = norm[: w.size]
                for j in range(w.size):
                    z[j] = weight.dtype.type(EPS)
                for cell in range(k):
                    row = tile[cell, : w.size]
                    shift = weight.dtype.type(cell - centre)
                    for j in range(w.size):
                        t = bump(shift - p[j], s[j])
                        row[j] = t
                        z[j] += t
                for j in range(w.size):
                    z[j] = w[j] / z[j] if normalised else w[j]
                for cell in range(k):
                    row = tile[cell, : w.size]
                    y = out[i, k - 1 - cell if flip else cell, start:stop]
                    for j in range(w.size):
                        y[j] = (y[j] if m > 0 else _ZERO) + z[j] * row[j]


def pull_back(weight, position, width, centre, normalised, flip, first, last, g, dw, dp, ds):
    """Gradients (M, I, O) of the inputs first..last from that of the kernels, `g` (I, k, O).

    With N = T / Z, A = sum G N:  dL/dW = A,  dL/dq = W / Z sum (G - A) dT/dq,  dL/ds likewise; without a norm Z = 1
    and A is not subtracted.
    """
    n_elements, n_outputs = weight.shape[0], weight.shape[2]
    k = g.shape[1]
    sums = np.empty((6, BLOCK), weight.dtype)
    for i in range(first, last):
        for start in range(0, n_outputs, BLOCK):
            stop = min(start + BLOCK, n_outputs)
            for m in range(n_elements):
                w = weight[m, i, start:stop]
                p = position[m, i, start:stop]
                s = width[m if width.shape[0] > 1 else 0, i if width.shape[1] > 1 else 0, start:stop]
                gt, gq, gs = sums[0, : w.size], sums[1, : w.size], sums[2, : w.size]
                zt, zq, zs = sums[3, : w.size], sums[4, : w.size], sums[5, : w.size]
                sums[:] = 0
                for cell in range(k):
                    y = g[i, k - 1 - cell if flip else cell, start:stop]
                    shift = weight.dtype.type(cell - centre)
                    for j in range(w.size):
                        t, tq, ts = slopes(shift - p[j], s[j])
                        zt[j] += t
                        zq[j] += tq
                        zs[j] += ts
                        gt[j] += y[j] * t
                        gq[j] += y[j] * tq
                        gs[j] += y[j] * ts
                a, b, c = dw[m, i, start:stop], dp[m, i, start:stop], ds[m, i, start:stop]
                for j in range(w.size):
                    inverse = _ONE / (zt[j] + weight.dtype.type(EPS)) if normalised else weight.dtype.type(1)
                    mean = gt[j] * inverse if normalised else weight.dtype.type(0)
                    a[j] = gt[j] * inverse
                    b[j] = w[j] * inverse * (gq[j] - mean * zq[j])
                    c[j] = w[j] * inverse * (gs[j] - mean * zs[j])

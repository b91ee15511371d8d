"""Batch normalisation through time: each channel gets mean 0 and variance 1 over all steps, samples and places.

    training     mu = mean(x),  var = mean((x - mu)^2)   over (t, n, places);  M values a channel
    evaluation   mu, var = running ones
    xh = (x - mu) r,  r = 1 / sqrt(var + eps);   u = scale xh + shift;   y[t] = time[t] u[t]   (time: only in TEBN)
    running <- (1 - momentum) running + momentum batch;  the running variance takes var M / (M - 1)  (M = 1: var)

Backwards, with g = time dy:  dshift = sum g,  dscale = sum g xh,  dtime[t] = sum dy[t] u[t],

    dx = scale r (g - dshift / M - xh dscale / M)     in evaluation only  scale r g

x (T, N, C, ...); parameters `scale`, `shift`, running `mean`, `var` (C,), optionally `time` (T,). The variant for a
known threshold (tdBN) only starts otherwise: scale = alpha theta.

Sums run over blocks of rows in float64, the blocks are joined in their order: same bits for any number of threads.

Ioffe & Szegedy 2015; Zheng et al. 2021 (tdBN); Duan et al. 2022 (TEBN).
"""

from typing import NamedTuple

import numpy as np

from ...runtime.jit import kernel
from ...runtime.threads import in_blocks
from .pairs import EVAL

__all__ = ["batch_norm_backward", "batch_norm_forward", "batch_norm_params"]

_BLOCK = 1 << 14  # values whose sums are taken together
_TASK = 32  # blocks that a thread takes at a time
_FAST = {"contract", "nsz", "arcp"}
_SUMS = _FAST | {"reassoc"}  # the order inside a block is the compiler's, but the same wherever the block runs


class Saved(NamedTuple):
    """What the backward function needs; ``statistics`` are the new running ones."""

    x: np.ndarray
    mean: np.ndarray
    r: np.ndarray
    train: bool
    statistics: dict


def batch_norm_params(channels, scale=1.0, steps=None, dtype=np.float32):
    """First parameters of a layer with that many channels.

    ``scale``: 1, or alpha theta for tdBN (theta: threshold of the neurons behind, alpha = 1, in the two arms of a
    residual sum 1/sqrt 2); ``steps``: number of time steps, if each is to have a factor of its own (TEBN).
    """
    p = {"scale": np.full(channels, scale, dtype), "shift": np.zeros(channels, dtype)}
    p |= {"mean": np.zeros(channels, dtype), "var": np.ones(channels, dtype)}
    return p if steps is None else p | {"time": np.ones(steps, dtype)}


@kernel(fastmath=_SUMS)
def _moments(x, rows, channels, first, last, out):
    """Of blocks first..last of `rows` rows (C, S): sum, and sum of squares about the block's own mean."""
    width = x.size // x.shape[0] // channels
    total = x.shape[0]
    flat = x.reshape(-1)
    for b in range(first, last):
        low, high = b * rows, min((b + 1) * rows, total)
        s, q = out[b, 0], out[b, 1]
        if width == 1:
            for r in range(low, high):
                row = flat[r * channels : (r + 1) * channels]
                for c in range(channels):
                    s[c] += row[c]
            centre = s / (high - low)
            for r in range(low, high):
                row = flat[r * channels : (r + 1) * channels]
                for c in range(channels):
                    d = row[c] - centre[c]
                    q[c] += d * d
        else:
            for c in range(channels):
                a = 0.0
                for r in range(low, high):
                    row = flat[(r * channels + c) * width : (r * channels + c + 1) * width]
                    for i in range(width):
                        a += np.float64(row[i])
                centre_c = a / ((high - low) * width)
                v = 0.0
                for r in range(low, high):
                    row = flat[(r * channels + c) * width : (r * channels + c + 1) * width]
                    for i in range(width):
                        d = np.float64(row[i]) - centre_c
                        v += d * d
                s[c] = a
                q[c] = v


@kernel(fastmath=_SUMS)
def _products(x, dy, mean, rows, first, last, out):
    """Of blocks first..last of `rows` rows (C, S): sum of dy, and of dy (x - mean)."""
    channels = mean.size
    width = x.size // x.shape[0] // channels
    total = x.shape[0]
    flat, flat_dy = x.reshape(-1), dy.reshape(-1)
    for b in range(first, last):
        low, high = b * rows, min((b + 1) * rows, total)
        s, q = out[b, 0], out[b, 1]
        if width == 1:
            for r in range(low, high):
                row, g = flat[r * channels : (r + 1) * channels], flat_dy[r * channels : (r + 1) * channels]
                for c in range(channels):
                    s[c] += g[c]
                    q[c] += g[c] * (row[c] - mean[c])
        else:
            for c in range(channels):
                a, v = 0.0, 0.0
                for r in range(low, high):
                    at = (r * channels + c) * width
                    row, g = flat[at : at + width], flat_dy[at : at + width]
                    for i in range(width):
                        d = np.float64(g[i])
                        a += d
                        v += d * (np.float64(row[i]) - mean[c])
                s[c] = a
                q[c] = v


@kernel(fastmath=_FAST)
def _affine(x, centre, a, b, factor, start, stop, y):
    """Y = factor[row] (a (x - centre) + b) for rows start..stop."""
    channels = a.size
    width = x.size // x.shape[0] // channels
    flat, flat_y = x.reshape(-1), y.reshape(-1)
    for r in range(start, stop):
        f = factor[r]
        at = r * channels * width
        if width == 1:
            row, out = flat[at : at + channels], flat_y[at : at + channels]
            for c in range(channels):
                out[c] = f * (a[c] * (row[c] - centre[c]) + b[c])
        else:
            for c in range(channels):
                row, out = flat[at + c * width : at + (c + 1) * width], flat_y[at + c * width : at + (c + 1) * width]
                m, ac, bc = centre[c], f * a[c], f * b[c]
                for i in range(width):
                    out[i] = ac * (row[i] - m) + bc


@kernel(fastmath=_FAST)
def _affine_back(x, dy, centre, abc, factor, start, stop, dx):
    """Dx = a factor[row] dy + b (x - centre) + c for rows start..stop."""
    channels = centre.size
    width = x.size // x.shape[0] // channels
    flat, flat_dy, flat_dx = x.reshape(-1), dy.reshape(-1), dx.reshape(-1)
    a, b, k = abc[0], abc[1], abc[2]
    for r in range(start, stop):
        f = factor[r]
        at = r * channels * width
        if width == 1:
            row, g, out = flat[at : at + channels], flat_dy[at : at + channels], flat_dx[at : at + channels]
            for c in range(channels):
                out[c] = a[c] * f * g[c] + b[c] * (row[c] - centre[c]) + k[c]
        else:
            for c in range(channels):
                lo, hi = at + c * width, at + (c + 1) * width
                row, g, out = flat[lo:hi], flat_dy[lo:hi], flat_dx[lo:hi]
                m, ac, bc, kc = centre[c], a[c] * f, b[c], k[c]
                for i in range(width):
                    out[i] = ac * g[i] + bc * (row[i] - m) + kc


def _layout(x, rows=None):
    """Rows as (T N, C, S), rows a block, number of blocks."""
    flat = x.reshape(x.shape[0] * x.shape[1], -1)
    rows = rows or max(1, _BLOCK // flat.shape[1])
    return flat, rows, -(-flat.shape[0] // rows)


def _factors(p, x):
    """Factor of each row: 1, or that of its time step."""
    if "time" not in p:
        return np.ones(x.shape[0] * x.shape[1], x.dtype)
    if p["time"].shape != (x.shape[0],):
        raise ValueError(f"time must have one factor for each of the {x.shape[0]} steps, got shape {p['time'].shape}")
    return np.repeat(p["time"].astype(x.dtype), x.shape[1])


def _batch_statistics(x, channels):
    """Mean and biased variance of each channel, float64; blocks are joined as in Chan, Golub & LeVeque 1983."""
    flat, rows, n = _layout(x)
    out = np.zeros((n, 2, channels))
    in_blocks(lambda first, last: _moments(flat, rows, channels, first, last, out), n, _TASK)
    width = flat.shape[1] // channels
    counts = np.full((n, 1), rows * width, float)
    counts[-1] = (flat.shape[0] - (n - 1) * rows) * width
    mean = out[:, 0].sum(axis=0) / counts.sum()
    spread = out[:, 1] + counts * np.square(out[:, 0] / counts - mean)
    return mean, spread.sum(axis=0) / counts.sum()


def _check(p, x):
    if x.ndim < 3 or x.dtype not in (np.float32, np.float64) or not x.flags.c_contiguous:
        raise ValueError(f"x must be a C-contiguous float array (T, N, C, ...), got {x.dtype} {x.shape}")
    if 0 in x.shape:
        raise ValueError(f"x must not be empty, got shape {x.shape}")
    for key in ("scale", "shift", "mean", "var"):
        if p[key].shape != (x.shape[2],):
            raise ValueError(f"{key} must have shape ({x.shape[2]},), got {p[key].shape}")


def batch_norm_forward(p, x, mode=EVAL, *, eps=1e-5, momentum=0.1):
    """Normalise x (T, N, C, ...) over all axes but 2; see the head of this file.

    Running statistics are read from ``p["mean"]``, ``p["var"]``; new ones are in ``saved.statistics`` (empty in
    evaluation).

    Raises
    ------
    ValueError
        Wrong shapes, an empty batch, or eps or momentum out of range.
    """
    _check(p, x)
    if not eps > 0 or not 0 <= momentum <= 1:
        raise ValueError(f"eps must be > 0 and momentum in [0, 1], got {eps} and {momentum}")
    statistics = {}
    if mode.train:
        mean, var = _batch_statistics(x, x.shape[2])
        m = x.size // x.shape[2]
        unbiased = var * (m / (m - 1)) if m > 1 else var
        for key, new in (("mean", mean), ("var", unbiased)):
            statistics[key] = ((1 - momentum) * p[key] + momentum * new).astype(p[key].dtype)
    else:
        mean, var = p["mean"].astype(float), p["var"].astype(float)
    r = 1 / np.sqrt(var + eps)
    number, a = x.dtype.type, p["scale"] * r
    centre = mean.astype(number)
    b = p["shift"] - (mean - centre) * a  # what rounding the mean left over
    flat, factor, y = _layout(x)[0], _factors(p, x), np.empty_like(x)
    args = (centre, a.astype(number), b.astype(number), factor)
    rows = max(1, _TASK * _BLOCK // flat.shape[1])
    in_blocks(lambda start, stop: _affine(flat, *args, start, stop, y), flat.shape[0], rows)
    return y, Saved(x, mean, r, mode.train, statistics)


def batch_norm_backward(p, saved, dy):
    """Gradients of :func:`batch_norm_forward`: dx, and of `scale`, `shift` and, where there is one, `time`."""
    x, mean, r = saved.x, saved.mean, saved.r
    dy = np.ascontiguousarray(dy, x.dtype)
    flat, rows, n = _layout(x, x.shape[1] if "time" in p else None)
    out = np.zeros((n, 2, mean.size))
    flat_dy = dy.reshape(flat.shape)
    in_blocks(lambda first, last: _products(flat, flat_dy, mean, rows, first, last, out), n, _TASK)
    s, q = out[:, 0], out[:, 1] * r
    dp, weights = {}, 1.0
    if "time" in p:  # a block is a time step
        dp["time"] = (q @ p["scale"] + s @ p["shift"]).astype(p["time"].dtype)
        weights = p["time"].astype(float)[:, None]
    dshift, dscale = (weights * s).sum(axis=0), (weights * q).sum(axis=0)
    dp |= {"shift": dshift.astype(p["shift"].dtype), "scale": dscale.astype(p["scale"].dtype)}
    number, a = x.dtype.type, p["scale"] * r
    centre, m = mean.astype(number), x.size // mean.size
    b = -a * r * dscale / m if saved.train else np.zeros_like(a)
    c = -a * dshift / m - b * (mean - centre) if saved.train else np.zeros_like(a)
    abc, factor, dx = np.stack([a, b, c]).astype(number), _factors(p, x), np.empty_like(x)
    task = max(1, _TASK * _BLOCK // flat.shape[1])
    in_blocks(
        lambda start, stop: _affine_back(flat, flat_dy, centre, abc, factor, start, stop, dx), flat.shape[0], task
    )
    return dx, dp

"""Slow oracles of dense primitives, straight from their equations, float64. NumPy only."""

import itertools

import numpy as np


def series(shape, a, b=0.0, s=1.0):
    """s sin(a i + b), i = 1, 2, ... in C order."""
    return s * np.sin(a * np.arange(1, int(np.prod(shape)) + 1) + b).reshape(shape)


def dot(y):
    """Sum over j of y_j cos(0.3 j), j = 0, 1, ... in C order."""
    return float((np.ravel(y) * np.cos(0.3 * np.arange(np.size(y)))).sum())


def batch_norm(x, scale, shift, eps=1e-5, time=None):
    """Y, batch mean and biased variance of x (T, N, C, ...), channel after channel."""
    y, mean, var = np.empty_like(x), [], []
    for c in range(x.shape[2]):
        v = x[:, :, c]
        mean.append(v.sum() / v.size)
        var.append(((v - mean[-1]) ** 2).sum() / v.size)
        y[:, :, c] = scale[c] * (v - mean[-1]) / np.sqrt(var[-1] + eps) + shift[c]
        if time is not None:
            for t in range(len(x)):
                y[t, :, c] *= time[t]
    return y, np.array(mean), np.array(var)


def conv(x, w, bias, stride, padding, dilation, groups):
    """Cross-correlation of x (B, C, *space) with w (O, C / groups, *kernel), one product after the other."""
    space, kernel = x.shape[2:], w.shape[2:]
    out = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(space, kernel, stride, padding, dilation, strict=True)
    ]
    y = np.zeros((x.shape[0], w.shape[0], *out))
    per_group = w.shape[0] // groups
    for b, o, *at in np.ndindex(*y.shape):
        first = o // per_group * w.shape[1]
        total = 0.0 if bias is None else bias[o]
        for i, *tap in np.ndindex(*w.shape[1:]):
            place = [a * s - p + k * d for a, s, p, k, d in zip(at, stride, padding, tap, dilation, strict=True)]
            if all(0 <= q < n for q, n in zip(place, space, strict=True)):
                total += w[(o, i, *tap)] * x[(b, first + i, *place)]
        y[(b, o, *at)] = total
    return y


def max_pool(x, size, stride, padding):
    """Largest value of each window of x (B, C, H, W), and the flat place in (H, W) where it first stands."""
    b, c, h, w = x.shape
    out = [(n + 2 * p - k) // s + 1 for n, k, s, p in zip((h, w), size, stride, padding, strict=True)]
    y, where = np.zeros((b, c, *out), x.dtype), np.zeros((b, c, *out), int)
    for n, m, i, j in np.ndindex(*y.shape):
        best = None
        for di, dj in itertools.product(range(size[0]), range(size[1])):
            r, s = i * stride[0] - padding[0] + di, j * stride[1] - padding[1] + dj
            if 0 <= r < h and 0 <= s < w and (best is None or x[n, m, r, s] > best):
                best, where[n, m, i, j] = x[n, m, r, s], r * w + s
        y[n, m, i, j] = best
    return y, where


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def cross_entropy(logits, target, smoothing=0.0):
    """Mean over samples of -sum q log p."""
    n, k = logits.shape
    total = 0.0
    for i in range(n):
        q = np.zeros(k)
        if np.ndim(target) == 2:
            q += target[i]
        else:
            q[target[i]] = 1.0
        q = (1 - smoothing) * q + smoothing / k
        total -= (q * np.log(softmax(logits[i]))).sum()
    return total / n

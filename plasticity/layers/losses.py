"""Losses: each returns its value, a mean over the samples, and the gradient with respect to what it was given.

    softmax            p_c = exp(z_c) / sum_j exp(z_j)
    cross-entropy      L = -(1/N) sum_n sum_c q log p;   dL/dz = (p sum_c q - q) / N,  q = (1 - e) target + e / K
    over time          z = mean | max | last | sum over t of x[t] (max: the gradient goes to the first largest step)
    summed softmax     m = sum_t softmax(x[t]), then cross-entropy with m as logits:  with d = dL/dm,
                       dL/dx[t]_c = p[t]_c (d_c - sum_j p[t]_j d_j)
    TET                L = (1 - l) mean over t of cross-entropy(x[t]) + l mean((x - level)^2)
    squared rate       r = mean_t s,  L = mean((r - onehot)^2);   dL/ds[t] = 2 (r - onehot) / (N K T)
    rate penalty       L = a (mean(s) - r*)^2;    dL/ds = 2 a (mean(s) - r*) / (T N units)
    spike penalty      L = a sum(s^2) / (2 T N units);    dL/ds = a s / (T N units): silent neurons are left alone

x, s (T, N, K); logits z (N, K); target: labels (N,) in 0..K-1, or shares q (N, K). e: smoothing. Sums are float64.

Deng et al. 2022 (TET); Hammouamri et al. 2023 (summed softmax); Zimmer et al. 2019 (spike penalty).
"""

import numpy as np

from ...runtime.jit import kernel
from ...runtime.threads import in_blocks
from ...runtime.vmath import exp

__all__ = [
    "cross_entropy",
    "rate_penalty",
    "rate_squared",
    "read_out",
    "read_out_backward",
    "spike_penalty",
    "summed_softmax",
    "summed_softmax_cross_entropy",
    "tet",
]

_ROWS = 1 << 13  # rows that a thread takes at a time


@kernel(fastmath={"contract"})
def _softmax(x, e, start, stop, p):
    for r in range(start, stop):
        row, out = x[r], p[r]
        top = row[0]
        for c in range(row.size):
            top = row[c] if row[c] > top else top
        for c in range(row.size):
            e[c] = exp(np.float64(row[c] - top))
        total = 0.0
        for c in range(row.size):
            total += e[c]
        for c in range(row.size):
            out[c] = e[c] / total


@kernel
def _softmax_back(p, d, start, stop, dx):
    """Rows are (t, n); the gradient d (N, K) with respect to the sum over time is the same at each step."""
    for r in range(start, stop):
        row, g, out = p[r], d[r % d.shape[0]], dx[r]
        mean = 0.0
        for c in range(row.size):
            mean += row[c] * g[c]
        for c in range(row.size):
            out[c] = row[c] * (g[c] - mean)


def _rows(x):
    return x.reshape(-1, x.shape[-1])


def _softmax_of(x):
    """Softmax over the last axis, in the precision of x."""
    p, rows = np.empty_like(x), _rows(x)
    out, k = _rows(p), x.shape[-1]
    in_blocks(lambda a, b: _softmax(rows, np.empty(k), a, b, out), len(rows), _ROWS)
    return p


def _activity(x, name="x", ndim=3):
    x = np.ascontiguousarray(x)
    if x.ndim != ndim or 0 in x.shape or x.dtype not in (np.float32, np.float64):
        axes = "(T, N, K)" if ndim == 3 else "(N, K)"
        raise ValueError(f"{name} must be a float array {axes} that is not empty, got {x.dtype} {x.shape}")
    return x


def _shares(target, n, k, smoothing=0.0):
    """Shares q (N, K) of labels or shares, smoothed; float64."""
    target = np.asarray(target)
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must be in [0, 1), got {smoothing}")
    if target.ndim == 2 and target.shape == (n, k):
        q = target.astype(float)
        if not (q >= 0).all():
            raise ValueError(f"target must hold shares >= 0, got {q.min()}")
    elif target.shape == (n,) and target.dtype.kind in "iu":
        if target.min() < 0 or target.max() >= k:
            raise ValueError(f"target must hold labels in 0..{k - 1}, got {target.min()}..{target.max()}")
        q = np.zeros((n, k))
        q[np.arange(n), target] = 1.0
    else:
        raise ValueError(
            f"target must be integer labels ({n},) or shares ({n}, {k}), got {target.dtype} {target.shape}"
        )
    return (1 - smoothing) * q + smoothing / k if smoothing else q


def _entropy(z, q):
    """Value and gradient (float64) of cross-entropy on logits (N, K)."""
    z = z.astype(float)
    z = z - z.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(z).sum(axis=1, keepdims=True))
    value = -(q * (z - log_total)).sum() / len(z)
    return float(value), (np.exp(z - log_total) * q.sum(axis=1, keepdims=True) - q) / len(z)


def read_out(x, over="mean"):
    """Scores (N, K) of x (T, N, K), and what :func:`read_out_backward` needs.

    `over`: ``"mean"``, ``"max"``, ``"last"`` or ``"sum"`` over time. Spikes (uint8) are read as float32.
    """
    x = _activity(np.asarray(x, np.float32) if np.asarray(x).dtype.kind in "uib" else x)
    steps, saved = len(x), None
    if over == "mean":
        z = x.mean(axis=0, dtype=float)
    elif over == "sum":
        z = x.sum(axis=0, dtype=float)
    elif over == "last":
        z = x[-1].copy()
    elif over == "max":
        saved = x.argmax(axis=0)  # the first largest
        z = np.take_along_axis(x, saved[None], axis=0)[0]
    else:
        raise ValueError(f"over must be one of mean, max, last, sum, got {over!r}")
    return z.astype(x.dtype), (over, steps, saved)


def read_out_backward(saved, dz):
    """Gradient of the scores, brought back to (T, N, K)."""
    over, steps, where = saved
    dx = np.zeros((steps, *dz.shape), dz.dtype)
    if over == "max":
        np.put_along_axis(dx, where[None], dz[None], axis=0)
    elif over == "last":
        dx[-1] = dz
    else:
        dx[:] = dz / steps if over == "mean" else dz
    return dx


def cross_entropy(x, target, over="mean", smoothing=0.0):
    """Cross-entropy of logits (N, K), or of the scores :func:`read_out` makes of activity (T, N, K).

    Examples
    --------
    >>> value, gradient = cross_entropy(np.zeros((2, 4)), np.array([0, 3]))
    >>> round(value, 6), gradient[0].tolist()
    (1.386294, [-0.375, 0.125, 0.125, 0.125])
    """
    z, saved = read_out(x, over) if np.ndim(x) == 3 else (_activity(x, ndim=2), None)
    value, dz = _entropy(z, _shares(target, *z.shape, smoothing))
    dz = dz.astype(z.dtype)
    return value, dz if saved is None else read_out_backward(saved, dz)


def summed_softmax(x):
    """M (N, K): softmax over the classes of x (T, N, K) at each step, summed over time; float32 or float64 as x."""
    return _softmax_of(_activity(x)).sum(axis=0, dtype=float).astype(x.dtype)


def summed_softmax_cross_entropy(x, target, smoothing=0.0):
    """Cross-entropy with m = sum_t softmax(x[t]) as logits, x (T, N, K); see the head of this file.

    m is bounded by T, so the loss is never near 0: with T = 1 it cannot fall below log(1 + (K - 1) / e).
    """
    x = _activity(x)
    p = _softmax_of(x)
    value, d = _entropy(p.sum(axis=0, dtype=float), _shares(target, *x.shape[1:], smoothing))
    rows, dx = _rows(p), np.empty_like(x)
    out = _rows(dx)
    in_blocks(lambda a, b: _softmax_back(rows, d, a, b, out), len(rows), _ROWS)
    return value, dx


def tet(x, target, smoothing=0.0, share=0.0, level=1.0):
    """Mean over time of the cross-entropies of each step, mixed with a pull of all x to `level` (with that `share`)."""
    x = _activity(x)
    if not 0 <= share <= 1:
        raise ValueError(f"share must be in [0, 1], got {share}")
    steps, n, k = x.shape
    q = np.tile(_shares(target, n, k, smoothing), (steps, 1))
    value, d = _entropy(_rows(x), q)  # mean over (t, n)
    away = x.astype(float) - level
    value = (1 - share) * value + share * np.square(away).mean()
    return float(value), ((1 - share) * d.reshape(x.shape) + share * 2 * away / x.size).astype(x.dtype)


def rate_squared(s, target, dtype=np.float32):
    """Mean squared distance of firing rates (mean over time of s, (T, N, K)) from the one-hot target."""
    s = np.asarray(s)
    r, saved = read_out(s, "mean")
    q = _shares(target, *r.shape)
    away = s.mean(axis=0, dtype=float) - q
    dtype = s.dtype if s.dtype.kind == "f" else dtype
    return float(np.square(away).mean()), read_out_backward(saved, (2 * away / away.size).astype(dtype))


def rate_penalty(s, rate, strength=1.0, dtype=np.float32):
    """Pull the mean of s (T, N, ...) to `rate`; its gradient is one number everywhere."""
    s = np.asarray(s)
    if s.size == 0:
        raise ValueError(f"s must not be empty, got shape {s.shape}")
    away = s.mean(dtype=float) - rate
    gradient = np.full(s.shape, 2 * strength * away / s.size, s.dtype if s.dtype.kind == "f" else dtype)
    return float(strength * away**2), gradient


def spike_penalty(s, strength=1.0, dtype=np.float32):
    """Mean of s^2 / 2 over time, samples and units of s (T, N, ...): for spikes, half the firing rate."""
    s = np.asarray(s)
    if s.size == 0:
        raise ValueError(f"s must not be empty, got shape {s.shape}")
    value = strength * np.square(s, dtype=float).sum() / (2 * s.size)
    dtype = s.dtype if s.dtype.kind == "f" else np.dtype(dtype)
    return float(value), s * dtype.type(strength / s.size)

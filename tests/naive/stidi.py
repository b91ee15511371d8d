"""Neurons with piecewise-linear potentials, from the definitions, with plain loops (NumPy only)."""

import math

import numpy as np


def value(s, kind, rise, fall):
    if s <= 0:
        return 0.0
    if kind == "relu" or s <= rise:
        return s / rise
    return 1.0 if kind == "ramp" else max(0.0, 1 - (s - rise) / fall)


def slope(s, kind, rise, fall):
    """Derivative on the left of each corner."""
    if s <= 0:
        return 0.0
    if kind == "relu" or s <= rise:
        return 1 / rise
    return -1 / fall if kind == "triangle" and s <= rise + fall else 0.0


def potential(t, times, w, kernel, t_max):
    return sum(w[i] * value(t - times[i], *kernel) for i in range(len(w)) if times[i] < t_max)


def fire(times, w, theta, kernel, t_max, rounding=None):
    """(time, slope) of one neuron: (t_max, 0) if silent."""
    kind, rise, fall = kernel
    live = [i for i in range(len(w)) if times[i] < t_max]
    t = t_max
    if rounding:
        for step in range(1, int(t_max)):
            v = potential(step, times, w, kernel, t_max)
            if v >= theta if rounding == "ge" else v > theta:
                t = step
                break
        inside = t - 0.5  # V is a line between whole steps
        return (t, sum(w[i] * slope(inside - times[i], *kernel) for i in live)) if t < t_max else (t_max, 0.0)
    corners = {0.0, float(t_max)}
    for i in live:
        corners |= {times[i], times[i] + rise, times[i] + rise + fall} if kind != "relu" else {times[i]}
    corners = sorted(c for c in corners if c <= t_max)
    for p, q in zip(corners, corners[1:], strict=False):
        low, high = (potential(x, times, w, kernel, t_max) for x in (p, q))
        if low < theta <= high:
            t = p + (theta - low) * (q - p) / (high - low)
            break
    if t >= t_max:
        return t_max, 0.0
    return t, sum(w[i] * slope(t - times[i], *kernel) for i in live)


def dense(times, weights, theta, kernel, t_max, rounding=None):
    """Times and slopes (H,), weights (H, I)."""
    pairs = [fire(times, w, theta, kernel, t_max, rounding) for w in weights]
    return np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])


def conv(times, weights, theta, kernel, t_max, rounding=None):
    """Times and slopes (K, Y', X') of times (M, Y, X), weights (K, M, k, k)."""
    n, _, k, _ = weights.shape
    rows, columns = times.shape[1] - k + 1, times.shape[2] - k + 1
    out, slopes = np.empty((2, n, rows, columns))
    for f in range(n):
        for r in range(rows):
            for c in range(columns):
                patch = times[:, r : r + k, c : c + k].ravel()
                out[f, r, c], slopes[f, r, c] = fire(patch, weights[f].ravel(), theta, kernel, t_max, rounding)
    return out, slopes


def pool(times, p, t_max):
    """Earliest times and flat indices (first of ties; 0 where silent) of p x p windows."""
    n, rows, columns = times.shape[0], times.shape[1] // p, times.shape[2] // p
    out, place = np.empty((n, rows, columns)), np.zeros((n, rows, columns), int)
    for f in range(n):
        for r in range(rows):
            for c in range(columns):
                window = times[f, r * p : r * p + p, c * p : c * p + p].ravel()
                out[f, r, c] = window.min()
                place[f, r, c] = window.argmin() if window.min() < t_max else 0
    return out, place


def dense_back(times, weights, t_out, q, kernel, t_max, exact=True):
    """Gradient (H, I) and displacement of the inputs (I,); q (H,) is d / s, or d if not exact."""
    g, d = np.zeros(weights.shape), np.zeros(len(times))
    for j in range(len(t_out)):
        for i in range(len(times)):
            if times[i] < t_max and q[j]:
                s = t_out[j] - times[i]
                g[j, i] = q[j] * value(s, *kernel)
                d[i] += q[j] * weights[j, i] * (slope(s, *kernel) if exact else float(s > 0))
    return g, d


def conv_back(times, weights, t_out, q, kernel, t_max, exact=True):
    """Gradient (K, M, k, k) and displacement (M, Y, X); t_out and q (K, Y', X') before pooling."""
    k = weights.shape[-1]
    g, d = np.zeros(weights.shape), np.zeros(times.shape)
    for f, r, c in zip(*np.nonzero(q), strict=True):
        for m in range(times.shape[0]):
            for u in range(k):
                for v in range(k):
                    if times[m, r + u, c + v] < t_max:
                        s = t_out[f, r, c] - times[m, r + u, c + v]
                        g[f, m, u, v] += q[f, r, c] * value(s, *kernel)
                        factor = slope(s, *kernel) if exact else float(s > 0)
                        d[m, r + u, c + v] += q[f, r, c] * weights[f, m, u, v] * factor
    return g, d


def unpool(d, place, p, shape):
    """Displacements of pooled outputs (K, PY, PX) at the positions that won; `shape` (K, Y', X')."""
    out = np.zeros(shape)
    for f, r, c in np.ndindex(d.shape):
        out[f, r * p + place[f, r, c] // p, c * p + place[f, r, c] % p] = d[f, r, c]
    return out


def targets(t, label, gap, t_max):
    """Times that the outputs should have had: the label first, the others not within `gap` of the first one."""
    m = min(t)
    wanted = [float(x) for x in t]
    if m == t_max:
        wanted[label] = t_max - gap
        return wanted
    for c in range(len(t)):
        if t[c] - m < gap:
            wanted[c] = min(m + gap, t_max)
    wanted[label] = m
    return wanted


def encode(image, t_max, cut, share):
    """Spike times of grey values 0..255: the brightest at 0, those up to `cut` silent."""
    span = int(share * t_max)
    return [t_max if g <= cut else math.floor((255 - g) * span / 255) for g in image]

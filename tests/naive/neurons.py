"""Spiking neurons step by step, from their equations, in float64; one neuron a row of lists."""

import numpy as np


def run(x, k, theta, v_r, decay_input, strict=False, first=None, spike=None):
    """Arrays h, s of the shape of x (T, ...), and the last v. v_r None: soft reset. `spike(u)`: a smooth one."""
    rest = 0.0 if v_r is None else v_r
    h, s = np.zeros_like(x), np.zeros_like(x)
    v = np.full(x.shape[1:], rest) if first is None else np.array(first, float)
    for t in range(len(x)):
        for j in np.ndindex(*x.shape[1:]):
            drive = x[t][j] - (v[j] - rest)
            h[t][j] = v[j] + k * drive if decay_input else v[j] - k * (v[j] - rest) + x[t][j]
            u = h[t][j] - theta
            s[t][j] = spike(u) if spike else float(u > 0 if strict else u >= 0)
            v[j] = h[t][j] - theta * s[t][j] if v_r is None else (1 - s[t][j]) * h[t][j] + s[t][j] * v_r
    return h, s, v


def back(x, h, s, ds, slope, k, theta, v_r, decay_input, detach, first=None, dstate=None):
    """Gradients dx, dv[-1], dk; slope(u) is the surrogate's derivative."""
    rest = 0.0 if v_r is None else v_r
    dx, dk = np.zeros_like(x), 0.0
    dv = np.zeros(x.shape[1:]) if dstate is None else np.array(dstate, float)
    start = np.full(x.shape[1:], rest) if first is None else first
    for t in reversed(range(len(x))):
        for j in np.ndindex(*x.shape[1:]):
            d = slope(h[t][j] - theta)
            r = 1.0 if v_r is None else 1 - s[t][j]
            if not detach:
                r += -theta * d if v_r is None else (v_r - h[t][j]) * d
            a = ds[t][j] * d + dv[j] * r
            if t == 0:
                v = start[j]
            else:
                before, fired = h[t - 1][j], s[t - 1][j]
                v = before - theta * fired if v_r is None else (1 - fired) * before + fired * v_r
            dk += a * (x[t][j] - (v - rest)) if decay_input else -a * (v - rest)
            dx[t][j] = k * a if decay_input else a
            dv[j] = (1 - k) * a
    return dx, dv, dk

"""Checks that every pair has to pass: central differences, adjoint, threads, precision. No tests in here."""

import numpy as np

from firstspike.plasticity.layers.pairs import EVAL
from firstspike.runtime.threads import n_threads


def numerical(f, x, step=1e-6):
    """Central differences of the number f() after each value of the array x, which is changed and put back."""
    out, flat = np.zeros(x.size), x.reshape(-1)
    for i in range(x.size):
        kept = flat[i]
        flat[i] = kept + step
        up = f()
        flat[i] = kept - step
        down = f()
        flat[i] = kept
        out[i] = (up - down) / (2 * step)
    return out.reshape(x.shape)


def check_gradients(pair, p, x, mode=EVAL, tolerance=1e-6, **settings):
    """Every gradient of sum(y weights) of a pair (forward, backward) against central differences, float64."""
    forward, backward = pair
    y, saved = forward(p, x, mode, **settings)
    dy = np.cos(0.7 * np.arange(y.size) + 0.1).reshape(y.shape)

    def loss():
        return float((forward(p, x, mode, **settings)[0] * dy).sum())

    dx, dp = backward(p, saved, dy)
    found = {"x": dx} | dp
    for name, gradient in found.items():
        expected = numerical(loss, x if name == "x" else p[name])
        assert gradient.shape == expected.shape, name
        scale = max(1.0, abs(expected).max())
        assert abs(gradient - expected).max() / scale < tolerance, (name, gradient, expected)
    return found


def check_adjoint(pair, p, x, mode=EVAL, **settings):
    """<dy, J dx> = <J^T dy, dx> of a pair whose y is linear in x (up to what it adds at x = 0)."""
    forward, backward = pair
    y, saved = forward(p, x, mode, **settings)
    dy = np.cos(1.3 * np.arange(y.size) + 0.2).reshape(y.shape)
    left = float((dy * (y - forward(p, np.zeros_like(x), mode, **settings)[0])).sum())
    right = float((backward(p, saved, dy)[0] * x).sum())
    assert abs(left - right) <= 1e-10 * max(1.0, abs(left)), (left, right)


def check_threads(pair, p, x, mode=EVAL, **settings):
    """The same bits with one and with two threads."""
    forward, backward = pair
    results = []
    for n in (1, 2):
        with n_threads(n):
            y, saved = forward(p, x, mode, **settings)
            dy = np.cos(np.arange(y.size)).reshape(y.shape).astype(np.float32 if y.dtype == np.uint8 else y.dtype)
            dx, dp = backward(p, saved, dy)
            results.append([y, *([dx] if dx is not None else []), *(dp[k] for k in sorted(dp))])
    for a, b in zip(*results, strict=True):
        assert a.dtype == b.dtype and (a == b).all()

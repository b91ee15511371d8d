"""Dropout whose mask belongs to a sample and feature and stays the same over time.

    y[t, n, f] = x[t, n, f] keep[n, f] / (1 - rate)      training
    y = x                                                evaluation
    dx = dy keep / (1 - rate)

keep[n, f] is a function of (seed of the run, stream, number of the step, n, f): nothing is stored, the backward
function makes the mask again. x (T, N, ...) of floats, or uint8 spikes (y is then float32).
"""

from typing import NamedTuple

import numpy as np

from ...runtime import rng
from ...runtime.jit import kernel
from ...runtime.rng import split, uniform
from .pairs import EVAL

__all__ = ["dropout_backward", "dropout_forward"]


class Saved(NamedTuple):
    """Key and shape of the mask; None in evaluation."""

    key: tuple | None
    rate: float


@kernel
def _mask(k0, k1, step, rate, mask):
    k0, k1 = split(k0, k1, step)
    scale = 1.0 / (1.0 - rate)
    for i in range(mask.size):
        mask[i] = scale if uniform(k0, k1, i) >= rate else 0.0


@kernel
def _times(x, mask, y):
    for t in range(x.shape[0]):
        a, b = x[t], y[t]
        for i in range(mask.size):
            b[i] = a[i] * mask[i]


def _apply(x, saved, dtype):
    (k0, k1), step = saved.key
    mask = np.empty(x[0].size, dtype)
    _mask(k0, k1, step, saved.rate, mask)
    y = np.empty(x.shape, dtype)
    _times(np.ascontiguousarray(x).reshape(len(x), -1), mask, y.reshape(len(x), -1))
    return y


def dropout_forward(p, x, mode=EVAL, *, rate, stream):
    """Silence a share `rate` of the features of each sample, for its whole duration.

    Parameters
    ----------
    p : dict
        Not used: dropout has no parameters.
    x : ndarray, shape (T, N, ...)
        Activity.
    mode : Mode
        In evaluation y is x itself.
    rate : float
        Share in [0, 1).
    stream : str
        Name of the random stream; each dropout of a network needs its own.

    Examples
    --------
    >>> from .pairs import Mode
    >>> y, saved = dropout_forward({}, np.ones((2, 1, 8), np.float32), Mode(True), rate=0.5, stream="one")
    >>> (y[0] == y[1]).all().item(), set(y.ravel().tolist()) <= {0.0, 2.0}
    (True, True)
    """
    if not 0 <= rate < 1:
        raise ValueError(f"rate must be in [0, 1), got {rate}")
    if not mode.train or rate == 0:
        return x, Saved(None, rate)
    if mode.step < 0:
        raise ValueError(f"step must be >= 0, got {mode.step}")
    saved = Saved((rng.stream(mode.seed, f"dropout/{stream}"), mode.step), rate)
    return _apply(x, saved, x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)), saved


def dropout_backward(p, saved, dy):
    """Gradient of :func:`dropout_forward`: the same mask once more."""
    return (dy if saved.key is None else _apply(dy, saved, dy.dtype)), {}

"""The signal-to-noise ratio on a grid of windows and time constants, as a compiled kernel.

SNR = v_max (N - M) sqrt(2 tau f / M), E8 of signal_to_noise.py, has a factor (N - M) / sqrt(M) of the window alone, a
factor sqrt(2 tau f) of the time constant alone, and v_max of both: one exponential a point without jitter, that and a
logarithm with it.
"""

import math

import numpy as np

from ..runtime.jit import kernel
from ..runtime.vmath import one_minus_exp
from ._checks import count, not_negative, positive
from .signal_to_noise import _selected

__all__ = ["snr_map"]


@kernel(fastmath={"contract", "nsz"})
def _row_no_jitter(factor, tau_inverse, windows, column, out):
    for j in range(out.size):
        out[j] = factor * column[j] * one_minus_exp(tau_inverse * windows[j])


@kernel
def _row_jitter(factor, tau_m, jitter, windows, column, out):
    width = 2.0 * jitter / tau_m
    e = -math.expm1(-width)
    for j in range(out.size):
        x = windows[j] / tau_m
        product = -math.expm1(-x) * e
        if product < 0.5:
            area = -math.log1p(-product)
        else:
            area = min(x, width) - math.log1p(math.exp(-abs(x - width)) - math.exp(-max(x, width)))
        out[j] = factor * column[j] * area / width


@kernel
def _fill_map(taus, rate, jitter, windows, column, out):
    for i in range(taus.size):
        factor = math.sqrt(2.0 * taus[i] * rate)
        if 2.0 * jitter / taus[i] > 1e-15:
            _row_jitter(factor, taus[i], jitter, windows, column, out[i])
        else:
            _row_no_jitter(factor, 1.0 / taus[i], windows, column, out[i])


def snr_map(n_afferents, rate, windows, taus, n_patterns=1, jitter=0.0, out=None):
    """SNR on the grid of all `taus` and `windows`, as a compiled kernel: about 1 ns a point without jitter.

    Parameters
    ----------
    n_afferents, rate, n_patterns, jitter : number
        As in :func:`snr`.
    windows : array_like, shape (n_window,)
        s.
    taus : array_like, shape (n_tau,)
        s.
    out : ndarray of float64, shape (n_tau, n_window), optional
        Where to write; saves the allocation of a large map that is made again and again.

    Returns
    -------
    ndarray, shape (n_tau, n_window)
        The same numbers as ``snr(n_afferents, rate, windows, taus[:, None], n_patterns, jitter).snr`` up to rounding.
    """
    windows = np.ascontiguousarray(positive("windows", windows, "s"))
    taus = np.ascontiguousarray(positive("taus", taus, "s"))
    for name, axis in (("windows", windows), ("taus", taus)):
        if axis.ndim != 1:
            raise ValueError(f"{name} must have one dimension, got {axis.ndim}")
    numbers = (
        count("n_afferents", n_afferents),
        positive("rate", rate, "Hz"),
        count("n_patterns", n_patterns),
        not_negative("jitter", jitter, "s"),
    )
    if any(v.ndim for v in numbers):
        raise ValueError("n_afferents, rate, n_patterns and jitter must be single numbers in a map")
    n_afferents, rate, n_patterns, jitter = (float(v) for v in numbers)
    shape = (taus.size, windows.size)
    if out is None:
        out = np.empty(shape)
    elif out.shape != shape or out.dtype != np.float64 or not out.flags.c_contiguous:
        raise ValueError(f"out must be a C-ordered float64 array of shape {shape}")
    m, rest = _selected(n_afferents, rate, windows, n_patterns)
    column = np.where(m > 0, rest / np.sqrt(np.where(m > 0, m, 1.0)), 0.0)
    _fill_map(taus, rate, jitter, windows, column, out)
    return out

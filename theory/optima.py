"""The window and membrane time constant that maximise the signal-to-noise ratio, and the limit without jitter.

With d = Dt / tau, e = 2 T / tau, D = exp(-d), E = exp(-e), S = E + D - D E and p = P f Dt, the stationary points of
ln SNR (E8) are where

    d ln SNR / d ln tau = 3/2 - [d (1 - E) D / e + (1 - D) E] / (S v_max) = 0
    d ln SNR / d ln Dt  = d (1 - E) D / (e S v_max) - p - p / (2 (exp(p) - 1)) = 0  (or Dt = L, a whole pattern)

tau is found by bisection in ln tau for a given window, the window by bisection along that ridge: the slopes are exact,
so no tolerance is involved. Bounds: 1 us <= Dt <= L, 1 us <= tau <= 10 s.

Without jitter SNR = sqrt(2 N / P) (1 - exp(-x)) / sqrt(x) exp(-p) sqrt(p / (1 - exp(-p))), x = Dt / tau (E9). The
first factor peaks where exp(x) = 1 + 2 x for any N, f, P, Dt; the second grows as Dt -> 0. There is no best window,
only the supremum 0.90251 sqrt(N / P), which depends on neither f nor L.
"""

import math
from typing import NamedTuple

import numpy as np

from ..runtime.jit import kernel
from ._checks import count, not_negative, positive

__all__ = ["BEST_RATIO", "LIMIT_FACTOR", "Optimum", "optimal_tau", "optimum", "snr_limit"]

BEST_RATIO = 1.2564312086261697  # x* = Dt / tau without jitter: exp(x) = 1 + 2 x
LIMIT_FACTOR = math.sqrt(2.0 / BEST_RATIO) * -math.expm1(-BEST_RATIO)  # 0.9025124682

_SHORTEST, _LONGEST = 1e-6, 10.0  # s
_HALVINGS = 60


class Optimum(NamedTuple):
    """What :func:`optimum` returns; arrays of the broadcast shape of its arguments.

    `is_limit` is true where there is no jitter: `snr` is then the supremum, approached as the window and tau go to 0.
    """

    window: np.ndarray
    tau_m: np.ndarray
    snr: np.ndarray
    is_limit: np.ndarray


@kernel
def _parts(window, tau, jitter):
    """v_max and its two logarithmic slopes: (v, d v_d / v, (1 - D) E / (S v)), see the file's equations."""
    d = window / tau
    e = 2.0 * jitter / tau
    one_minus_d = -math.expm1(-d)
    if e < 1e-15:
        return one_minus_d, d * math.exp(-d) / one_minus_d, 1.0
    one_minus_e = -math.expm1(-e)
    product = one_minus_d * one_minus_e
    if product < 0.5:
        v = -math.log1p(-product) / e
    else:
        v = (min(d, e) - math.log1p(math.exp(-abs(d - e)) - math.exp(-max(d, e)))) / e
    # D / S and E / S, written so that neither underflows to 0 / 0 when both time constants are long
    d_by_s = 1.0 / (1.0 + math.exp(min(d - e, 700.0)) * one_minus_d)
    e_by_s = 1.0 / (1.0 + math.exp(min(e - d, 700.0)) * one_minus_e)
    return v, d * one_minus_e * d_by_s / (e * v), one_minus_d * e_by_s / v


@kernel
def _best_tau(window, jitter):
    low, high = math.log(_SHORTEST), math.log(_LONGEST)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        _, by_window, by_jitter = _parts(window, math.exp(middle), jitter)
        if 1.5 - by_window - by_jitter > 0.0:
            low = middle
        else:
            high = middle
    return math.exp(0.5 * (low + high))


@kernel
def _slope_along_ridge(log_window, pattern_rate, jitter):
    window = math.exp(log_window)
    _, by_window, _ = _parts(window, _best_tau(window, jitter), jitter)
    p = pattern_rate * window
    return by_window - p - 0.5 * (p / math.expm1(p) if p < 700.0 else 0.0)


@kernel
def _best(pattern_rate, jitter, duration):
    low, high = math.log(_SHORTEST), math.log(duration)
    if _slope_along_ridge(high, pattern_rate, jitter) >= 0.0:
        return duration, _best_tau(duration, jitter)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if _slope_along_ridge(middle, pattern_rate, jitter) > 0.0:
            low = middle
        else:
            high = middle
    window = math.exp(0.5 * (low + high))
    return window, _best_tau(window, jitter)


@kernel
def _fill_optima(pattern_rate, jitter, duration, windows, taus):
    for i in range(windows.size):
        if jitter[i] > 0.0:
            windows[i], taus[i] = _best(pattern_rate[i], jitter[i], duration[i])
        else:
            windows[i], taus[i] = 0.0, 0.0


@kernel
def _fill_taus(windows, jitter, taus):
    for i in range(taus.size):
        taus[i] = _best_tau(windows[i], jitter[i])


def snr_limit(n_afferents, n_patterns=1):
    """Supremum 0.90251 sqrt(N / P) of the ratio without jitter, approached as the window goes to 0 (from E9).

    Examples
    --------
    >>> round(float(snr_limit(10_000)), 5)
    90.25125
    """
    return LIMIT_FACTOR * np.sqrt(count("n_afferents", n_afferents) / count("n_patterns", n_patterns))


def optimal_tau(window, jitter=0.0):
    """Membrane time constant (s) with the largest SNR for a given window; it depends on window and jitter (s) only.

    Examples
    --------
    >>> bool(abs(optimal_tau(20e-3) * BEST_RATIO - 20e-3) < 1e-12)
    True
    """
    window, jitter = np.broadcast_arrays(positive("window", window, "s"), not_negative("jitter", jitter, "s"))
    taus = np.empty(window.shape)
    _fill_taus(*(np.ascontiguousarray(x).reshape(-1) for x in (window, jitter)), taus.reshape(-1))
    return taus[()]


def optimum(n_afferents, rate, n_patterns=1, jitter=3.2e-3, pattern_duration=0.1):
    """Window and time constant with the largest SNR.

    Parameters
    ----------
    n_afferents, rate, n_patterns, jitter : array_like
        N, f (Hz), P, T (s) as in :func:`firstspike.theory.snr`.
    pattern_duration : array_like
        L, s, at least 1 us: the window cannot be longer.

    Returns
    -------
    Optimum
        Without jitter: window = tau_m = 0, the supremum of the ratio, and `is_limit` true.

    Examples
    --------
    >>> best = optimum(10_000, 3.2)
    >>> round(1e3 * float(best.window), 2), round(1e3 * float(best.tau_m), 2), round(float(best.snr), 4)
    (23.36, 18.2, 80.9507)
    """
    from .signal_to_noise import snr

    n_afferents, rate, n_patterns, jitter, duration = np.broadcast_arrays(
        count("n_afferents", n_afferents),
        positive("rate", rate, "Hz"),
        count("n_patterns", n_patterns),
        not_negative("jitter", jitter, "s"),
        positive("pattern_duration", pattern_duration, "s"),
    )
    if (duration < _SHORTEST).any():
        raise ValueError(f"pattern_duration must be >= {_SHORTEST:g} s, got {duration.min():g}")
    windows, taus = np.empty(rate.shape), np.empty(rate.shape)
    flat = (np.array(x, order="C").reshape(-1) for x in (n_patterns * rate, jitter, duration))
    _fill_optima(*flat, windows.reshape(-1), taus.reshape(-1))
    limit = jitter == 0
    found = snr(n_afferents, rate, np.where(limit, 1.0, windows), np.where(limit, 1.0, taus), n_patterns, jitter).snr
    best = np.where(limit, snr_limit(n_afferents, n_patterns), found)
    return Optimum(windows[()], taus[()], best[()], limit[()])

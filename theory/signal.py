"""How much the peak of the response varies, between trials and between patterns, and what follows for detection.

A spike at s of the frozen pattern, shifted by its lag J in U(-T, T), contributes exp(-(t - s - J) / tau) at time t once
it has come. Its mean over lags is k(u), u = t - s, and k2(u) is the same with the squared kernel. With
z = (u + T) / tau and y = 2 T / tau

    k(u) = (1 - exp(-z)) / y,  0 < z < y;      exp(-(z - y)) (1 - exp(-y)) / y,  z >= y;      k2: tau -> tau / 2.

The frozen part fires at rate N f in the window and M f around it (selected afferents), rho(s):

    var_trials   = integral of rho(s) [k2(t - s) - k(t - s)**2] ds + (tau f M / 2) exp(-2 t0 / tau)
    var_patterns = integral of rho(s) k(t - s)**2 ds                              (at a fixed number M)

t is the time of the peak (E6), t0 how long before it the frozen input began. Without jitter only the second term of
var_trials is left.
"""

import math
from typing import NamedTuple

import numpy as np

from ._checks import count, finite, not_negative, positive
from .signal_to_noise import _response, _selected

__all__ = ["SignalVariance", "hit_probability", "sensitivity", "signal_variance"]


class SignalVariance(NamedTuple):
    """Variance of V at the peak: between presentations of one pattern, and between patterns."""

    trials: np.ndarray
    patterns: np.ndarray


def _saturation(z):
    """Z - (1 - exp(-z)) = z**2 / 2 - z**3 / 6 + ..., without cancellation."""
    series = z * z / 2 * (1 - z / 3 * (1 - z / 4 * (1 - z / 5 * (1 - z / 6 * (1 - z / 7 * (1 - z / 8))))))
    return np.where(z < 0.05, series, z + np.expm1(-z))


def _power(z):
    """Integral of (1 - exp(-z))**2 = z - 2 (1 - exp(-z)) + (1 - exp(-2 z)) / 2 = z**3 / 3 - z**4 / 4 + ..."""
    series = z**3 * (1 / 3 - z * (1 / 4 - z * (7 / 60 - z * (1 / 24 - z * (31 / 2520 - z / 320)))))
    return np.where(z < 0.02, series, z + 2 * np.expm1(-z) - 0.5 * np.expm1(-2 * z))


def _integrals(u, tau_m, jitter):
    """Integrals of k**2 and k2 from -T to `u`, in seconds."""
    y = 2 * jitter / tau_m
    z = np.maximum((u + jitter) / tau_m, 0.0)
    after = np.maximum(z - y, 0.0)
    within = np.minimum(z, y)
    decay = -0.5 * np.expm1(-2 * after)
    safe = np.where(y > 0, y, 1.0)
    first = np.where(y > 0, _power(within) / safe**2, 0.0)
    second = np.where(y > 0, _saturation(2 * within) / (4 * safe), 0.0)
    peak = np.where(y > 0, -np.expm1(-y) / safe, 1.0)
    peak2 = np.where(y > 0, -np.expm1(-2 * y) / (2 * safe), 1.0)
    return tau_m * (first + peak**2 * decay), tau_m * (second + peak2 * decay)


def signal_variance(n_afferents, rate, window, tau_m, n_patterns=1, jitter=0.0, frozen_time=math.inf):
    """Variance of V at the mean peak, between presentations (jitter) and between patterns.

    Parameters
    ----------
    n_afferents, rate, window, tau_m, n_patterns, jitter : array_like
        As in :func:`firstspike.theory.snr`.
    frozen_time : array_like
        How long before the peak the frozen input began, s; at least t_peak + jitter, so that it holds the window.

    Returns
    -------
    SignalVariance

    Examples
    --------
    >>> v = signal_variance(10_000, 3.2, 23e-3, 18e-3, jitter=3.2e-3)
    >>> round(float(v.trials), 4), round(float(v.patterns), 4)
    (24.0598, 230.9251)
    """
    n_afferents, n_patterns = count("n_afferents", n_afferents), count("n_patterns", n_patterns)
    rate, window = positive("rate", rate, "Hz"), positive("window", window, "s")
    tau_m, jitter = positive("tau_m", tau_m, "s"), not_negative("jitter", jitter, "s")
    m, rest = _selected(n_afferents, rate, window, n_patterns)
    _, t_peak = _response(window, tau_m, jitter)
    began = np.asarray(frozen_time, dtype=np.float64)
    if not np.all(began >= t_peak):
        raise ValueError(f"frozen_time must be >= the time of the peak, {np.max(t_peak):g} s, got {np.min(began):g}")
    whole = _integrals(began, tau_m, jitter)
    last, first = _integrals(t_peak, tau_m, jitter), _integrals(t_peak - window, tau_m, jitter)
    # rate M f everywhere, plus the unselected afferents in the window
    squared, mean_square = (rate * (m * w + rest * (b - a)) for w, b, a in zip(whole, last, first, strict=True))
    fresh = 0.5 * tau_m * rate * m * np.exp(-2 * began / tau_m)
    return SignalVariance(np.maximum(mean_square - squared, 0.0) + fresh, squared)


def hit_probability(threshold, v_max, variance):
    """Gaussian probability that the peak exceeds `threshold`: variance between trials for a given pattern.

    Use the sum of both variances for a pattern drawn at random. A variance of 0 gives 0 or 1.
    False alarms come from :func:`firstspike.theory.false_alarm_rate`, never from a Gaussian tail.
    """
    from scipy.special import ndtr

    gap = finite("v_max", v_max) - finite("threshold", threshold)
    std = np.sqrt(not_negative("variance", variance))
    certain = np.where(gap >= 0, 1.0, 0.0)
    return np.where(std > 0, ndtr(gap / np.where(std > 0, std, 1.0)), certain)[()]


def sensitivity(v_max, v_noise_mean, v_noise_std, var_trials):
    """d'_a = (V_max - mean) / sqrt((std**2 + var_trials) / 2); the SNR is d' with the noise variance used for both."""
    gap = finite("v_max", v_max) - finite("v_noise_mean", v_noise_mean)
    return gap / np.sqrt((positive("v_noise_std", v_noise_std) ** 2 + not_negative("var_trials", var_trials)) / 2)

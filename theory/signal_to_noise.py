"""Signal-to-noise ratio of one coincidence detector that looks for P frozen spike patterns in Poisson input.

N afferents fire at f Hz, inside and outside the patterns. The detector has a synapse of weight 1 on the M afferents
that fire at least once in a window of Dt seconds of any of the P patterns; its potential V jumps by 1 at each of their
spikes and decays with tau. At each presentation every pattern spike is shifted by its own uniform lag in [-T, T]. With
D = exp(-Dt / tau), E = exp(-2 T / tau):

    M       = N (1 - exp(-P f Dt))                                     selected afferents                          (E1)
    mean    = tau f M,   std = sqrt(tau f M / 2)                       of V far from a pattern                 (E2, E3)
    v_max   = 1 - D                                  (T = 0)           peak of the filtered window             (E4, E5)
            = -(tau / 2 T) ln(1 - (1 - D) (1 - E))   (T > 0)
    t_peak  = -T + max(2 T, Dt) + tau ln(1 + exp(-|2 T - Dt| / tau) - exp(-max(2 T, Dt) / tau))                    (E6)
    V_max   = tau f (M + v_max (N - M))                                mean peak of V                              (E7)
    SNR     = (V_max - mean) / std = v_max (N - M) sqrt(2 tau f / M)                                               (E8)

E5 is the published logarithm written as one product, in which nothing cancels. In units of 1/f the ratio depends on
f Dt, f tau, f T and P alone, times sqrt(N). Source: Masquelier 2017 (doi 10.1016/j.neuroscience.2017.06.032), one
pattern; Masquelier & Kheradpisheh 2018 (doi 10.3389/fncom.2018.00074), P patterns.
"""

import math
from typing import NamedTuple

import numpy as np

from ._checks import count, not_negative, positive

__all__ = [
    "SNR",
    "matched_filter_bound",
    "response",
    "selected",
    "snr",
    "snr_dimensionless",
    "snr_min_spikes",
]


class SNR(NamedTuple):
    """What :func:`snr` returns; arrays of the broadcast shape of its arguments. Potentials in units of one synapse."""

    n_selected: np.ndarray
    v_noise_mean: np.ndarray
    v_noise_std: np.ndarray
    v_max_normalised: np.ndarray
    v_max: np.ndarray
    t_peak: np.ndarray
    snr: np.ndarray


def _selected(n_afferents, rate, window, n_patterns):
    expected = n_patterns * rate * window
    return -n_afferents * np.expm1(-expected), n_afferents * np.exp(-expected)


def selected(n_afferents, rate, window, n_patterns=1):
    """Expected number M of afferents that fire at least once in the window of at least one pattern (E1).

    The number itself is binomial. For P f window -> infinity it is `n_afferents`.

    Examples
    --------
    >>> float(selected(10_000, 3.2, 23e-3).round(4))
    709.5676
    """
    args = count("n_afferents", n_afferents), positive("rate", rate, "Hz"), positive("window", window, "s")
    return _selected(*args, count("n_patterns", n_patterns))[0]


def _response(window, tau_m, jitter):
    short = np.minimum(2 * jitter, window) / tau_m
    long = np.maximum(2 * jitter, window) / tau_m
    # ln(1 + e^-(long - short) - e^-long) without the difference of two near ones
    log = np.log1p(-np.exp(short - long) * np.expm1(-short))
    t_peak = -jitter + np.maximum(2 * jitter, window) + tau_m * log
    width = 2 * jitter / tau_m
    unjittered = -np.expm1(-window / tau_m)
    jittered = width > 1e-15  # below, the limit is exact in float64
    product = np.minimum(np.expm1(-short) * np.expm1(-long), 0.5)
    area = np.where(short < 0.5, -np.log1p(-product), short - log)
    return np.where(jittered, area / np.where(jittered, width, 1.0), unjittered), t_peak


def response(window, tau_m, jitter=0.0):
    """Peak of the low-pass filtered window, and when it is reached (E4 to E6).

    Parameters
    ----------
    window, tau_m : array_like
        Window and membrane time constant, s, > 0.
    jitter : array_like
        Half-width T of the lags, s, >= 0.

    Returns
    -------
    v_max_normalised, t_peak : ndarray
        Peak in (0, 1); time from the start of the window, s.
    """
    window, tau_m = positive("window", window, "s"), positive("tau_m", tau_m, "s")
    return _response(window, tau_m, not_negative("jitter", jitter, "s"))


def snr(n_afferents, rate, window, tau_m, n_patterns=1, jitter=0.0):
    """Signal-to-noise ratio of the detector and all that leads to it (E1 to E8).

    Parameters
    ----------
    n_afferents : array_like
        N, whole numbers >= 1.
    rate : array_like
        f, Hz.
    window : array_like
        Part Dt of each pattern that is used, s.
    tau_m : array_like
        Membrane time constant, s.
    n_patterns : array_like
        P, whole numbers >= 1.
    jitter : array_like
        Half-width T of the uniform lags, s.

    Returns
    -------
    SNR
        Arrays of the broadcast shape.

    Raises
    ------
    ValueError
        If an argument is out of its range; the message names it.

    Examples
    --------
    >>> float(snr(10_000, 3.2, 23e-3, 18e-3, jitter=3.2e-3).snr.round(4))
    80.9493
    """
    args = (
        count("n_afferents", n_afferents),
        positive("rate", rate, "Hz"),
        positive("window", window, "s"),
        positive("tau_m", tau_m, "s"),
        count("n_patterns", n_patterns),
        not_negative("jitter", jitter, "s"),
    )
    n_afferents, rate, window, tau_m, n_patterns, jitter = np.broadcast_arrays(*args)
    m, rest = _selected(n_afferents, rate, window, n_patterns)
    v, t_peak = _response(window, tau_m, jitter)
    mean = tau_m * rate * m
    std = np.sqrt(mean / 2)
    signal = tau_m * rate * v * rest
    # std = 0 only where rate * window underflows; the ratio then tends to 0
    ratio = np.where(std > 0, signal / np.where(std > 0, std, 1.0), 0.0)
    return SNR(*(np.asarray(x)[()] for x in (m, mean, std, v, mean + signal, t_peak, ratio)))


def snr_dimensionless(window, tau_m, jitter, n_patterns=1):
    """SNR / sqrt(N) as a function of f Dt, f tau, f T and P: all that the ratio depends on.

    Examples
    --------
    >>> bool(abs(100 * snr_dimensionless(0.0736, 0.0576, 0.01024) - 80.94926) < 1e-5)
    True
    """
    return snr(1, 1.0, window, tau_m, n_patterns, jitter).snr


def snr_min_spikes(min_spikes, n_afferents, rate, window, tau_m, jitter=0.0):
    """SNR and M of a detector of one pattern connected to the afferents with `min_spikes` spikes or more in the window.

    With Q_n = Pr(Poisson(f Dt) >= n): M = N Q_n, the selected afferents fire at r = N f Q_(n-1) Hz inside the window,
    and SNR = v_max (r - f M) sqrt(2 tau / (f M)). One spike is :func:`snr`; for f Dt beyond about 1, two or more win.
    The published work treats one spike only.

    Returns
    -------
    snr, n_selected, rate_inside : ndarray
    """
    from scipy.special import gammainc, gammaln

    n = count("min_spikes", min_spikes)
    n_afferents, rate = count("n_afferents", n_afferents), positive("rate", rate, "Hz")
    window, tau_m = positive("window", window, "s"), positive("tau_m", tau_m, "s")
    v, _ = _response(window, tau_m, not_negative("jitter", jitter, "s"))
    at_least = gammainc(n, rate * window)  # Pr(Poisson >= n)
    one_less = np.where(n > 1, gammainc(np.maximum(n - 1, 1), rate * window), 1.0)
    m = n_afferents * at_least
    inside = n_afferents * rate * one_less
    # Pr(Poisson = n - 1) = Q_(n-1) - Q_n: the excess over the rate outside, without their difference
    exactly = np.exp((n - 1) * np.log(rate * window) - rate * window - gammaln(n))
    some = at_least > 0
    ratio = np.where(some, v * exactly * np.sqrt(2 * tau_m * rate * n_afferents / np.where(some, at_least, 1.0)), 0.0)
    return ratio[()], m, inside


def matched_filter_bound(n_afferents, tau_m, jitter=0.0, n_patterns=1, pattern_duration=math.inf):
    """Largest SNR of any linear read-out with the same membrane: arbitrary real weights, all N afferents (E10).

    With y = 2 T / tau:  sqrt(N 2 (y - 1 + exp(-y)) / (y**2 P)), one pattern much longer than tau and T; without jitter
    sqrt(N (1 - exp(-2 L / tau)) / P) for any duration L. The division by P is an approximation for P > 1.

    Raises
    ------
    ValueError
        Also for a finite `pattern_duration` with jitter, for which there is no closed form.

    Examples
    --------
    >>> round(float(matched_filter_bound(10_000, 18e-3, 3.2e-3)), 5)
    94.40919
    """
    n_afferents, n_patterns = count("n_afferents", n_afferents), count("n_patterns", n_patterns)
    tau_m, jitter = positive("tau_m", tau_m, "s"), not_negative("jitter", jitter, "s")
    duration = np.asarray(pattern_duration, dtype=np.float64)
    if not (duration > 0).all():
        raise ValueError(f"pattern_duration must be > 0 s, got {duration.min():g}")
    if np.any((jitter > 0) & np.isfinite(duration)):
        raise ValueError("pattern_duration must be inf when jitter > 0 s")
    y = 2 * jitter / tau_m
    small = y < 1e-2
    series = 1 - y / 3 * (1 - y / 4 * (1 - y / 5 * (1 - y / 6)))
    safe = np.where(small, 1.0, y)
    power = np.where(small, series, 2 * (safe + np.expm1(-safe)) / safe**2)
    return np.sqrt(n_afferents * power * -np.expm1(-2 * duration / tau_m) / n_patterns)[()]

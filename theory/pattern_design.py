"""A detector that learns P patterns, on paper: time constant, threshold, first weight and w_out, before any simulation.

Window Dt and time constant tau are those of the largest signal-to-noise ratio (`optima`). With their V_max, M, std:

    threshold  th = V_max / margin                  a presentation must bring it about, noise must not
    w0         = th / (tau N f) / (1 + d0 / sqrt(2 tau N f))       th lies d0 std above the mean potential at the start
    n_w(p)     = N f Dt + M f (L - Dt)              spikes of one pattern that reach the detector's M synapses

An output spike changes a weight by a - w_out (additive rule; in the soft-bound rule in units of w (1 - w)). The trace
a has the mean A f tau_plus at a spike in random input; at a spike that comes at the window's end in one of the P
patterns it has A exp(-Dt / tau_plus) more for an afferent that opened the window, and its random part covers what lies
before the window. Averaged over the patterns, the drift of that afferent is zero at `w_out_keep`:

    w_out_critical = A f tau_plus                               below: random spikes strengthen every weight (runaway)
    w_out_design   = A exp(-Dt / tau_plus)                      one pattern, nothing else in the trace
    w_out_keep     = A exp(-Dt / tau_plus) (1 / P + f tau_plus) above: the window's first afferents are lost

Learning has to happen between the two ends, and the room between them closes as P grows:
keep / critical = exp(-Dt / tau_plus) (1 + 1 / (P f tau_plus)).

Sources: T. Masquelier (2018), doi 10.1016/j.neuroscience.2017.06.032; T. Masquelier & S. R. Kheradpisheh (2018), doi
10.3389/fncom.2018.00074, whose thresholds are near V_max / 1.1. The bounds on w_out are ours.
"""

from typing import NamedTuple

import numpy as np

from ._checks import finite, positive
from .firing import false_alarm_rate
from .optima import optimum
from .signal import hit_probability, signal_variance
from .signal_to_noise import snr
from .stdp_drift import initial_weight, w_out_critical, w_out_design

__all__ = ["ABOVE_CRITICAL", "Design", "design", "w_out_keep"]

ABOVE_CRITICAL = 1.03  # w_out / critical where 1 to 40 patterns are learned; for many the band is 5 to 10 % wide


class Design(NamedTuple):
    """What :func:`design` returns; arrays of the broadcast shape. Potentials and thresholds in weights of 1."""

    window: np.ndarray
    tau_m: np.ndarray
    snr: np.ndarray
    n_selected: np.ndarray
    n_w_pattern: np.ndarray
    v_max: np.ndarray
    v_noise_mean: np.ndarray
    v_noise_std: np.ndarray
    threshold: np.ndarray
    hit: np.ndarray
    false_alarm_rate: np.ndarray
    initial_weight: np.ndarray
    w_out_critical: np.ndarray
    w_out_design: np.ndarray
    w_out_keep: np.ndarray
    w_out: np.ndarray


def w_out_keep(a_plus, window, tau_plus, rate, n_patterns=1):
    """Homeostatic term above which the afferents that open the window lose weight, on average over P patterns.

    Examples
    --------
    >>> round(float(w_out_keep(1.0, 8.1e-3, 20e-3, 3.2, n_patterns=10)), 6)
    0.109384
    """
    kept = w_out_design(a_plus, window, tau_plus)
    return kept * (1 / positive("n_patterns", n_patterns) + positive("rate", rate, "Hz") * tau_plus)


def design(
    n_afferents=10_000, rate=3.2, n_patterns=1, jitter=3.2e-3, pattern_duration=0.1, *,
    margin=1.1, d0=-1.0, a_plus=0.1, tau_plus=20e-3, tau_m=None, window=None,
) -> Design:  # fmt: skip
    """All parameters of a neuron that is to learn `n_patterns` patterns, and what it will be able to do.

    Parameters
    ----------
    n_afferents, rate, n_patterns, jitter, pattern_duration : array_like
        N, f (Hz), P, T (s), L (s). T must be > 0 unless `window` and `tau_m` are given: without jitter there is no
        best window.
    margin : array_like
        V_max / threshold, > 0.
    d0 : array_like
        Threshold minus mean potential at the start, in standard deviations.
    a_plus, tau_plus : array_like
        Of the trace: increment, and decay (s).
    tau_m, window : array_like, optional
        In place of the best ones, s.

    Returns
    -------
    Design
        `hit` is the Gaussian probability that a presentation's peak reaches the threshold, for a pattern drawn at
        random; `false_alarm_rate` (Hz) the exact rate of crossings in noise. `w_out` is 1.03 times the critical value,
        but not more than `w_out_keep`: with the soft-bound rule 1 to 40 patterns were learned there. With the additive
        rule and one pattern the published choice is `w_out_design`.

    Raises
    ------
    ValueError
        A parameter out of range, or one of `tau_m` and `window` without the other.

    Examples
    --------
    >>> d = design(n_patterns=[1, 5])
    >>> d.threshold.round(1).tolist(), d.w_out_critical.round(4).tolist()
    ([375.1, 179.0], [0.0064, 0.0064])
    """
    if (tau_m is None) != (window is None):
        raise ValueError("tau_m and window must be given together or not at all")
    if tau_m is None:
        positive("jitter", jitter, "s")  # without jitter the best window is 0
        window, tau_m, *_ = optimum(n_afferents, rate, n_patterns, jitter, pattern_duration)
    positive("margin", margin), finite("d0", d0)
    known = snr(n_afferents, rate, window, tau_m, n_patterns, jitter)
    threshold = known.v_max / margin
    spread = signal_variance(n_afferents, rate, window, tau_m, n_patterns, jitter)
    critical, one = w_out_critical(a_plus, rate, tau_plus), w_out_design(a_plus, window, tau_plus)
    keep = w_out_keep(a_plus, window, tau_plus, rate, n_patterns)
    chosen = np.minimum(ABOVE_CRITICAL * critical, keep)
    n_w_pattern = rate * (n_afferents * np.asarray(window) + known.n_selected * (pattern_duration - np.asarray(window)))
    found = Design(
        window, tau_m, known.snr, known.n_selected, n_w_pattern, known.v_max, known.v_noise_mean, known.v_noise_std,
        threshold, hit_probability(threshold, known.v_max, spread.trials + spread.patterns),
        false_alarm_rate(threshold, known.n_selected, rate, tau_m),
        initial_weight(threshold, n_afferents, rate, tau_m, d0), critical, one, keep, chosen,
    )  # fmt: skip
    return Design(*(np.asarray(part)[()] for part in np.broadcast_arrays(*found)))

"""Hits against false alarms of the ideal detector over its threshold: theory, and the same by simulation.

    hit, one pattern      Phi((V_max - th) / sqrt(Var_J))              a pattern whose mean peak is V_max
    hit, random pattern   Phi((V_max - th) / sqrt(Var_J + Var_P))      over patterns and presentations
    crossings             th p(th) / tau          exact rate of upward crossings in noise, no reset             (E12)
    firing                1 / (tau U(0))          exact rate of a neuron that is reset (mean first passage)

Hits are Gaussian at the time of the mean peak (`signal`), false alarms never are (`noise`, `firing`).

The simulation knows none of these formulas: Poisson spikes, exponential decay, thresholds. V starts at its mean; in
noise all thresholds are followed at once, with and without reset. Presentations are drawn from the definition: frozen
Poisson spikes of the selected afferents, N f in the window and M f around it, each moved by its own lag U(-T, T); V is
read at the time of the theory's peak, and at its largest up to the last lag after the window. The latter is what a
neuron without reset would see: more hits than theory, which looks at one instant. T. Masquelier (2018), doi
10.1016/j.neuroscience.2017.06.032; the exact false alarms are ours.
"""

import math
from typing import NamedTuple

import numpy as np

from ..runtime import rng
from ..runtime.jit import kernel
from ._checks import finite, positive
from .firing import false_alarm_rate, firing_rate
from .signal import hit_probability, signal_variance
from .signal_to_noise import snr

__all__ = ["ROC", "SimulatedROC", "roc", "simulated_roc", "threshold_for"]

_BEFORE = 12.0  # how long before the window a presentation begins, in tau: exp(-12) of its start is left
_RAREST = 1e-15  # Hz


class ROC(NamedTuple):
    """Theory over thresholds (K,): hit probabilities; rates of crossings and of firing in noise (Hz)."""

    threshold: np.ndarray
    hit: np.ndarray
    hit_random: np.ndarray
    crossings: np.ndarray
    firing: np.ndarray


class SimulatedROC(NamedTuple):
    """Simulation over thresholds (K,): shares of presentations whose V is above the threshold at the theory's time of
    the peak, and at any time; rates (Hz) in `duration` s of noise. Patterns differ from presentation to presentation.
    """

    threshold: np.ndarray
    hit_at_peak: np.ndarray
    hit: np.ndarray
    crossings: np.ndarray
    firing: np.ndarray
    duration: float
    n_presentations: int


def roc(threshold, n_afferents, rate, window, tau_m, n_patterns=1, jitter=0.0) -> ROC:
    """Hits and false alarms at the thresholds (in weights of 1) of the detector whose parameters are those of `snr`.

    The exact firing rate needs a = tau f M <= 200 and costs milliseconds a threshold; it is 0 where even crossings are
    rarer than 1e-15 Hz.

    Examples
    --------
    >>> r = roc([85.0, 95.0], 10_000, 3.2, 3.7e-3, 5.1e-3, n_patterns=40, jitter=3.2e-3)
    >>> r.hit.round(3).tolist(), r.firing.round(4).tolist()
    ([1.0, 0.843], [0.1135, 0.0001])
    """
    model = n_afferents, rate, window, tau_m, n_patterns, jitter
    threshold = np.atleast_1d(finite("threshold", threshold))
    known, spread = snr(*model), signal_variance(*model)
    noise = known.n_selected, rate, tau_m
    crossings, firing = false_alarm_rate(threshold, *noise), np.zeros(threshold.shape)
    some = (crossings > _RAREST) | (threshold < known.v_noise_mean)
    firing[some] = firing_rate(threshold[some], *noise)
    return ROC(
        threshold,
        hit_probability(threshold, known.v_max, spread.trials),
        hit_probability(threshold, known.v_max, spread.trials + spread.patterns),
        crossings,
        firing,
    )


def threshold_for(false_alarms, n_afferents, rate, window, tau_m, n_patterns=1, jitter=0.0) -> float:
    """Threshold above the mean (in weights of 1) at which noise crosses `false_alarms` times a second (E12).

    Examples
    --------
    >>> round(threshold_for(1 / 3600, 10_000, 3.2, 3.7e-3, 5.1e-3, 40, 3.2e-3), 2)
    95.32
    """
    known = snr(n_afferents, rate, window, tau_m, n_patterns, jitter)
    low, high = float(known.v_noise_mean), float(known.v_noise_mean + 12 * known.v_noise_std + 60)
    for _ in range(60):
        middle = 0.5 * (low + high)
        above = false_alarm_rate(middle, known.n_selected, rate, tau_m) > positive("false_alarms", false_alarms, "Hz")
        low, high = (middle, high) if above else (low, middle)
    return 0.5 * (low + high)


# --- simulation --------------------------------------------------------------------------------------------------


@kernel
def _noise_counts(key, rate, n_events, v, reset, threshold, crossings, firing):
    """Follow `n_events` input spikes at `rate` a time constant; return the time passed. `threshold` ascends."""
    k0, k1 = rng.split(key[0], key[1], 0)
    time = 0.0
    for i in range(n_events):
        gap = -math.log(1.0 - rng.uniform(k0, k1, i)) / rate
        decay = math.exp(-gap)
        time += gap
        before = v * decay
        v = before + 1.0
        for k in range(threshold.size):
            if before < threshold[k] <= v:
                crossings[k] += 1
            reset[k] = reset[k] * decay + 1.0
            if reset[k] >= threshold[k]:
                firing[k] += 1
                reset[k] = 0.0
    return time


def _presentation(seed, d, m, rest, rate, span, tau_m, jitter, t_peak, whole):
    """V of one presentation of one fresh pattern: at `t_peak`, and its largest from the window's first to last lag."""
    from scipy.special import pdtrik

    before, window = span
    means = np.array([m * rate * (before + whole), rest * rate * window])
    counts = np.ceil(pdtrik(rng.uniforms(seed, f"roc counts {d}", 2), means)).astype(np.int64)  # Poisson, by inversion
    u = rng.uniforms(seed, f"roc times {d}", counts.sum())
    times = np.where(np.arange(u.size) < counts[0], u * (before + whole) - before, u * window)
    times = np.sort(times + jitter * (2 * rng.uniforms(seed, f"roc lags {d}", u.size) - 1))
    # V just after each spike = exp(-t / tau) times a running sum, scaled so that nothing overflows
    grown = np.cumsum(np.exp((times - whole) / tau_m))
    after = grown * np.exp((whole - times) / tau_m)
    inside = (times >= -jitter) & (times <= window + jitter)
    n = int(np.searchsorted(times, t_peak, side="right"))
    return (grown[n - 1] * math.exp((whole - t_peak) / tau_m) if n else 0.0), after[inside].max(initial=0.0)


def simulated_roc(
    threshold, n_afferents, rate, window, tau_m, n_patterns=1, jitter=0.0, *,
    n_presentations=1000, n_spikes=2_000_000, seed=0,
) -> SimulatedROC:  # fmt: skip
    """The detector of :func:`roc` by simulation (see the head of this file).

    Parameters
    ----------
    threshold, n_afferents, rate, window, tau_m, n_patterns, jitter
        Thresholds (K,); numbers.
    n_presentations : int
        Each of a pattern of its own.
    n_spikes : int
        Input spikes of the record of noise, of M f a second.
    seed : int
        Of all draws.
    """
    threshold = np.sort(np.atleast_1d(finite("threshold", threshold)))
    known = snr(n_afferents, rate, window, tau_m, n_patterns, jitter)
    m, t_peak = float(known.n_selected), float(known.t_peak)
    crossings, firing = np.zeros(threshold.size, np.int64), np.zeros(threshold.size, np.int64)
    key, a = np.array(rng.stream(seed, "roc noise"), np.uint64), float(known.v_noise_mean)
    duration = tau_m * _noise_counts(key, a, n_spikes, a, np.zeros(threshold.size), threshold, crossings, firing)
    whole = window + 2 * jitter  # spikes after it cannot come before the window's last lag
    span = _BEFORE * tau_m + jitter, window
    draws = [
        _presentation(seed, d, m, n_afferents - m, rate, span, tau_m, jitter, t_peak, whole)
        for d in range(n_presentations)
    ]
    at_peak, largest = np.array(draws).reshape(-1, 2).T
    shares = [(v[:, None] >= threshold).mean(axis=0) for v in (at_peak, largest)]
    return SimulatedROC(threshold, *shares, crossings / duration, firing / duration, duration, n_presentations)

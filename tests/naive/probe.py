"""The potential without threshold as a sum over all input spikes, one sampling time after the other."""

import math

import numpy as np


def potential(times, units, weights, tau_m, at):
    """V at the times `at` (a spike at the same time counts): sum of w exp(-(t - t_k) / tau_m) over spikes t_k <= t."""
    return [
        sum(weights[i] * math.exp(-(t - s) / tau_m) for s, i in zip(times, units, strict=True) if s <= t) for t in at
    ]


def mean_response(times, units, weights, rate, tau_m, jitter, at):
    """Mean V at times `at` (NumPy array, s in the pattern) of a frozen pattern whose spikes are jittered by U(-T, T).

    Every pattern spike adds w k(t - s), k the decay averaged over its lag; random input of all afferents comes before:
    all of it before -T, the share (T - u) / 2T of it at -T < u < T, where jittered padding and pattern overlap.
    """
    lag = at[:, None] - times[None, :]
    early = np.exp((np.minimum(jitter, lag) - lag) / tau_m) - np.exp(-(jitter + lag) / tau_m)
    v = np.where(lag > -jitter, tau_m / (2 * jitter) * early, 0.0) @ weights[units]
    step = 1e-5
    u = np.arange(-20 * tau_m, jitter, step) + step / 2
    density = rate * weights.sum() * np.where(u < -jitter, 1.0, (jitter - u) / (2 * jitter)) * step
    since = at[:, None] - u[None, :]
    return v + np.where(since >= 0, np.exp(-np.maximum(since, 0.0) / tau_m), 0.0) @ density

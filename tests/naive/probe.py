"""The potential without threshold as a sum over all input spikes, one sampling time after the other."""

import math


def potential(times, units, weights, tau_m, at):
    """V at the times `at` (a spike at the same time counts): sum of w exp(-(t - t_k) / tau_m) over spikes t_k <= t."""
    return [
        sum(weights[i] * math.exp(-(t - s) / tau_m) for s, i in zip(times, units, strict=True) if s <= t) for t in at
    ]

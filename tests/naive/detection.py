"""Slow and obvious versions of the measures of detection: one spike, one period, one weight after the other."""

import math

import numpy as np


def detection(spikes, period, duration, jitter, n_patterns, n_runs, n_neurons, first, last):
    """Dict of arrays from a list of (run, neuron, time); times must not sit on an edge."""
    start = period - duration - 2 * jitter
    false_alarm = np.zeros((n_runs, n_neurons), int)
    n_spikes = np.zeros((n_runs, n_neurons), int)
    hit = np.zeros((n_runs, n_neurons, n_patterns), int)
    miss = np.zeros((n_runs, n_neurons, n_patterns), int)
    latency = np.full((n_runs, n_neurons, n_patterns), math.inf)
    for r in range(n_runs):
        for m in range(n_neurons):
            lags = {p: [] for p in range(n_patterns)}
            for k in range(first, last):
                inside = [t - k * period for (a, b, t) in spikes if a == r and b == m and math.floor(t / period) == k]
                n_spikes[r, m] += len(inside)
                if any(t < start for t in inside):
                    false_alarm[r, m] += 1
                block = [t - start - jitter for t in inside if t >= start]
                p = k % n_patterns
                hit[r, m, p] += len(block)
                if block:
                    lags[p].append(min(block))
                else:
                    miss[r, m, p] += 1
            for p in range(n_patterns):
                if lags[p]:
                    latency[r, m, p] = sum(lags[p]) / len(lags[p])
    return dict(n_spikes=n_spikes, false_alarm=false_alarm, hit=hit, miss=miss, latency=latency)


def convergence(weights):
    """n_w and conv of a one-dimensional array."""
    strong = [w > 0.5 for w in weights]
    return sum(strong), sum(abs(w - s) for w, s in zip(weights, strong, strict=True)) / len(weights)


def pattern_weights(weights, pattern_units):
    """Number of spikes in `pattern_units` (a list of afferents, one for each spike) with a weight above 1/2."""
    return sum(1 for i in pattern_units if weights[i] > 0.5)

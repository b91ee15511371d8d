"""Weights of independent synapses between Poisson spikes, step by step: pair rule, hard or soft bounds."""

import numpy as np


def monte_carlo(n, steps, dt, rate, rate_out, extra, tau_k, rule, seed=0, soft=False, bounded=True):
    """Weights (n,) after `steps` steps of `dt`, from 1/2.

    An input spike of weight w adds w extra exp(-t / tau_k) / tau_k to the output rate of its own neuron. rule: a_plus,
    a_minus, tau_plus, tau_minus.
    """
    rng = np.random.default_rng(seed)
    w, x, y, k = np.full(n, 0.5), np.zeros(n), np.zeros(n), np.zeros(n)
    a_plus, a_minus, tau_plus, tau_minus = rule
    for _ in range(steps):
        x *= np.exp(-dt / tau_plus)
        y *= np.exp(-dt / tau_minus)
        k *= np.exp(-dt / tau_k)
        pre = rng.random(n) < rate * dt
        post = rng.random(n) < (rate_out + k) * dt
        w = w - pre * a_minus * y * (w if soft else 1.0)
        w = np.maximum(w, 0.0) if bounded else w
        x += pre
        w = w + post * a_plus * x * ((1 - w) if soft else 1.0)
        w = np.minimum(w, 1.0) if bounded else w
        y += post
        k += pre * w * extra / tau_k
    return w

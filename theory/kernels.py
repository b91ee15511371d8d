"""Noise and response for synapses that are not instantaneous, and for refractory inputs.

Double-exponential potential per spike, k(t) = c (exp(-t / tau) - exp(-t / tau_s)), tau > tau_s, input rate R = sum M f:

    mean = c R (tau - tau_s),    variance = c**2 R (tau - tau_s)**2 / (2 (tau + tau_s))                  (Campbell)
    time to peak t* = tau tau_s / (tau - tau_s) ln(tau / tau_s);
    c = 1 / (exp(-t* / tau) - exp(-t* / tau_s)) for a peak of 1

A box of rate R0 and length Dt gives its peak at Dt + s*, with A = 1 - exp(-Dt / tau), B = 1 - exp(-Dt / tau_s):

    s* = tau tau_s / (tau - tau_s) ln(B / A),    V = c R0 [tau A exp(-s* / tau) - tau_s B exp(-s* / tau_s)].
"""

import numpy as np

from ._checks import not_negative, positive

__all__ = [
    "double_exponential_box",
    "double_exponential_noise",
    "double_exponential_peak",
    "refractory_variance_factor",
]


def _constants(tau_m, tau_s):
    tau_m, tau_s = positive("tau_m", tau_m, "s"), positive("tau_s", tau_s, "s")
    if np.any(tau_s >= tau_m):
        raise ValueError(f"tau_s must be < tau_m, got {np.max(tau_s):g} s and {np.min(tau_m):g} s")
    return tau_m, tau_s, tau_m * tau_s / (tau_m - tau_s)


def double_exponential_peak(tau_m, tau_s):
    """Time to peak (s) of one potential, and the factor c that makes its peak 1.

    Examples
    --------
    >>> t, c = double_exponential_peak(10e-3, 2.5e-3)
    >>> round(1e3 * float(t), 6), round(float(c), 6)
    (4.620981, 2.116535)
    """
    tau_m, tau_s, joint = _constants(tau_m, tau_s)
    t = joint * np.log(tau_m / tau_s)
    return t, 1 / (np.exp(-t / tau_m) - np.exp(-t / tau_s))


def double_exponential_noise(input_rate, tau_m, tau_s, scale=1.0):
    """Mean and standard deviation of V for Poisson input of `input_rate` Hz in all and potentials of factor `scale`."""
    tau_m, tau_s, _ = _constants(tau_m, tau_s)
    input_rate, scale = positive("input_rate", input_rate, "Hz"), positive("scale", scale)
    area = scale * (tau_m - tau_s)
    return input_rate * area, area * np.sqrt(input_rate / (2 * (tau_m + tau_s)))


def double_exponential_box(input_rate, window, tau_m, tau_s, scale=1.0):
    """Peak of the mean response to `input_rate` Hz for `window` seconds, and its time from the start of the window.

    Examples
    --------
    >>> v, t = double_exponential_box(5000.0, 12e-3, 10e-3, 2.5e-3)
    >>> round(float(v), 6), round(1e3 * float(t), 6)
    (23.318623, 13.167062)
    """
    tau_m, tau_s, joint = _constants(tau_m, tau_s)
    input_rate, window = positive("input_rate", input_rate, "Hz"), positive("window", window, "s")
    slow, fast = -np.expm1(-window / tau_m), -np.expm1(-window / tau_s)
    s = joint * np.log(fast / slow)
    value = tau_m * slow * np.exp(-s / tau_m) - tau_s * fast * np.exp(-s / tau_s)
    return positive("scale", scale) * input_rate * value, window + s


def refractory_variance_factor(rate, refractory_time):
    """Approximate factor (1 - f rho)**2 on the noise variance of inputs with a refractory time, tau much longer.

    Fano factor of a Poisson process with dead time rho whose *resulting* rate is f; not checked for short tau.
    """
    product = positive("rate", rate, "Hz") * not_negative("refractory_time", refractory_time, "s")
    if np.any(product >= 1):
        raise ValueError(f"refractory_time must be < 1 / rate, got rate * refractory_time = {np.max(product):g}")
    return (1 - product) ** 2

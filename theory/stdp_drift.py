"""What selects the window when STDP learns: drift of the weights, design rule and critical homeostasis.

Additive rule: at an output spike every weight changes by a_i - w_out, where the trace a_i grows by A at each spike of
afferent i and decays with tau_plus. Once learning has converged the output spike follows a pattern spike of i at lag s:

    drift = A (q exp(-s / tau_plus) + f tau_plus b) - w_out         per output spike

q is the share of output spikes that this pattern spike precedes (1 / P if it belongs to one of P patterns), b <= 1 the
share of the trace's memory filled by random input (exp(-Dt / tau_plus) when the window opens the pattern). Weights with
a positive drift go to 1, hence w_out = A exp(-Dt / tau_plus) keeps the afferents that fire up to Dt before the output
spike. An output spike in random input sees the mean trace A f tau_plus in every afferent: with w_out below that, random
spikes potentiate everything. Above 1.1 times it, many patterns are lost (P >= 10).

The neuron starts with equal weights w0 = th / (tau N f) / (1 + d0 / sqrt(2 tau N f)): its threshold th lies d0 standard
deviations above the mean of the potential. Source of the rule: Masquelier 2017, doi 10.1016/j.neuroscience.2017.06.032.
"""

import numpy as np

from ._checks import count, finite, not_negative, positive

__all__ = ["initial_weight", "mean_drift", "w_out_critical", "w_out_design"]


def mean_drift(lag, a_plus, tau_plus, w_out, rate, share=1.0, memory=1.0):
    """Mean change of a weight per output spike.

    Parameters
    ----------
    lag : array_like
        Time s from the pattern spike of the afferent to the output spike, s, >= 0; inf for an afferent without one.
    a_plus, w_out : array_like
        Increment A of the trace and homeostatic term, in units of weight.
    tau_plus : array_like
        Time constant of the trace, s.
    rate : array_like
        f, Hz.
    share, memory : array_like
        q and b of the file's equation, in [0, 1].
    """
    lag = np.asarray(lag, dtype=np.float64)
    if not np.all(lag >= 0):
        raise ValueError(f"lag must be >= 0 s, got {np.min(lag):g}")
    share, memory = not_negative("share", share), not_negative("memory", memory)
    for name, value in (("share", share), ("memory", memory)):
        if np.any(value > 1):
            raise ValueError(f"{name} must be <= 1, got {value.max():g}")
    tau_plus, rate = positive("tau_plus", tau_plus, "s"), positive("rate", rate, "Hz")
    trace = share * np.exp(-lag / tau_plus) + rate * tau_plus * memory
    return positive("a_plus", a_plus) * trace - not_negative("w_out", w_out)


def w_out_design(a_plus, window, tau_plus):
    """Homeostatic term A exp(-Dt / tau_plus) that keeps the afferents that fire within `window` of the output spike.

    Examples
    --------
    >>> round(float(w_out_design(0.01, 23e-3, 20e-3)), 8)
    0.00316637
    """
    a_plus, tau_plus = positive("a_plus", a_plus), positive("tau_plus", tau_plus, "s")
    return a_plus * np.exp(-positive("window", window, "s") / tau_plus)


def w_out_critical(a_plus, rate, tau_plus):
    """Homeostatic term A f tau_plus below which random output spikes potentiate every weight.

    Examples
    --------
    >>> round(float(w_out_critical(1.0, 3.2, 20e-3)), 6)
    0.064
    """
    return positive("a_plus", a_plus) * positive("rate", rate, "Hz") * positive("tau_plus", tau_plus, "s")


def initial_weight(threshold, n_afferents, rate, tau_m, d0=0.0):
    """Common weight for which `threshold` lies `d0` standard deviations above the mean potential of all afferents.

    Raises
    ------
    ValueError
        Also if 1 + d0 / sqrt(2 tau N f) is not positive: no weight is large enough.

    Examples
    --------
    >>> round(float(initial_weight(369.82533135, 10_000, 3.2, 18e-3, d0=-2)), 8)
    0.68226045
    """
    mean = positive("tau_m", tau_m, "s") * count("n_afferents", n_afferents) * positive("rate", rate, "Hz")
    factor = 1 + finite("d0", d0) / np.sqrt(2 * mean)
    if np.any(factor <= 0):
        raise ValueError(f"d0 must be > -sqrt(2 tau_m n_afferents rate) = {-np.sqrt(2 * mean).max():g}, got {d0}")
    return positive("threshold", threshold) / mean / factor

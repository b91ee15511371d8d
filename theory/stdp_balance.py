"""The balance of pair STDP under random input: drift, diffusion and stationary distribution of one weight.

An afferent of rate f and weight w drives, with many others, a neuron of output rate r. Its spike raises the output
rate for a moment; E(w) = w K is the number of extra output spikes that it brings. With amplitudes a_plus, a_minus and
all pairs counted, the weight changes in the mean and scatters by

    drift(w)     = f [ r (a_plus tau_plus - a_minus tau_minus) + a_plus c E(w) ]                           per second
    diffusion(w) = f r [ (a_plus**2 tau_plus + a_minus**2 tau_minus) / 2 + (f + r) u**2 ],
                   u = a_plus tau_plus - a_minus tau_minus

c <= 1 is what is left of the trace when the extra spikes come. Amplitudes may depend on w (soft bounds). Between
reflecting bounds the stationary solution of the Fokker-Planck equation is

    p(w) ~ exp( integral of 2 drift / diffusion ) / diffusion

With constant amplitudes the drift grows with w: bimodal, weights compete; a_minus tau_minus > a_plus tau_plus keeps the
output from running away. With a_plus (1 - w), a_minus w there is one peak.

Of the extra spikes, those that the jump itself releases come at once: every output spike has one input spike that lifts
V over the threshold, which is of this afferent with probability w f / (N f <w>). The others come within about tau_m.

References: S. Song, K. D. Miller & L. F. Abbott (2000), Nat. Neurosci. 3:919; R. Kempter, W. Gerstner & J. L. van
Hemmen (1999), Phys. Rev. E 59:4498; J. Rubin, D. D. Lee & H. Sompolinsky (2001), Phys. Rev. Lett. 86:364.
"""

from typing import NamedTuple

import numpy as np

from ._checks import finite, not_negative, positive
from .firing import siegert_rate

__all__ = ["Balance", "extra_spikes", "output_rate", "pair_balance", "pair_diffusion", "pair_drift", "stationary"]

_GRID = 201


class Balance(NamedTuple):
    """What :func:`pair_balance` predicts."""

    rate_out: float  # Hz
    mean_weight: float
    mean_square: float  # of the weights
    weight: np.ndarray  # grid
    density: np.ndarray  # of the weights on it
    drift: np.ndarray  # 1/s


def pair_drift(rate, rate_out, a_plus, a_minus, tau_plus, tau_minus, extra=0.0, kept=1.0):
    """Mean change of a weight per second; see the head of this file.

    Parameters
    ----------
    rate, rate_out : array_like
        f and r, Hz.
    a_plus, a_minus : array_like
        Amplitudes at this weight.
    tau_plus, tau_minus : array_like
        s.
    extra, kept : array_like
        E(w), output spikes per input spike, and c.

    Examples
    --------
    >>> round(float(pair_drift(10.0, 10.0, 1e-3, 1.05e-3, 20e-3, 20e-3)), 8)
    -0.0001
    """
    rate, rate_out = not_negative("rate", rate, "Hz"), not_negative("rate_out", rate_out, "Hz")
    up, down = not_negative("a_plus", a_plus), not_negative("a_minus", a_minus)
    net = up * positive("tau_plus", tau_plus, "s") - down * positive("tau_minus", tau_minus, "s")
    return rate * (rate_out * net + up * finite("extra", extra) * not_negative("kept", kept))


def pair_diffusion(rate, rate_out, a_plus, a_minus, tau_plus, tau_minus):
    """Variance of a weight's change per second, exact for independent Poisson spikes; arguments as of `pair_drift`.

    Examples
    --------
    >>> round(float(pair_diffusion(10.0, 10.0, 1e-3, 1e-3, 20e-3, 20e-3)), 12)
    2e-06
    """
    rate, rate_out = not_negative("rate", rate, "Hz"), not_negative("rate_out", rate_out, "Hz")
    up, down = not_negative("a_plus", a_plus), not_negative("a_minus", a_minus)
    tau_plus, tau_minus = positive("tau_plus", tau_plus, "s"), positive("tau_minus", tau_minus, "s")
    net = up * tau_plus - down * tau_minus
    pairs = 0.5 * (up**2 * tau_plus + down**2 * tau_minus)
    return rate * rate_out * (pairs + (rate + rate_out) * net**2)


def stationary(weight, drift, diffusion):
    """Stationary density on a grid of weights with reflecting ends, of integral 1 (trapezium rule).

    Parameters
    ----------
    weight, drift, diffusion : array_like, (n,)
        Increasing weights; per second; diffusion > 0.
    """
    weight, drift = finite("weight", weight), finite("drift", drift)
    diffusion = positive("diffusion", diffusion)
    slope = 2.0 * drift / diffusion
    log = np.concatenate([[0.0], np.cumsum(0.5 * (slope[1:] + slope[:-1]) * np.diff(weight))]) - np.log(diffusion)
    density = np.exp(log - log.max())
    return density / np.trapezoid(density, weight)


def output_rate(mean, square, n_afferents, rate, tau_m, threshold):
    """Output rate (Hz) in the diffusion approximation, from <w> and <w**2> of the weights."""
    like = square / mean  # equal weights with this mean and variance of the potential
    return siegert_rate(threshold / like, n_afferents * mean / like, rate, tau_m)


def extra_spikes(weight, mean, square, n_afferents, rate, tau_m, threshold):
    """Output rate (Hz), and output spikes that one input spike of this weight brings: at once, and in all."""
    weight, share = finite("weight", weight), 1e-3  # of the input that is added, to the mean and to the variance
    means = mean * np.array([1, 1 + share, 1 - share, 1, 1])
    squares = square * np.array([1, 1, 1, 1 + share, 1 - share])
    r, more, less, wider, narrower = output_rate(means, squares, n_afferents, rate, tau_m, threshold)
    by_mean, by_square, total = (more - less) / 2, (wider - narrower) / 2, n_afferents * rate
    in_all = (by_mean / share * weight / mean + by_square / share * weight**2 / square) / total
    return r, weight / mean * r / total, in_all


def pair_balance(n_afferents, rate, tau_m, threshold, a_plus, a_minus, tau_plus, tau_minus, soft=False) -> Balance:
    """Self-consistent stationary state: the weights' distribution makes the output rate that makes the distribution.

    Parameters
    ----------
    n_afferents, rate, tau_m, threshold
        N, f (Hz), tau_m (s), and the threshold in weights of 1; reset to 0.
    a_plus, a_minus, tau_plus, tau_minus
        Of the pair rule; weights in [0, 1].
    soft : bool
        Amplitudes a_plus (1 - w), a_minus w instead of constant ones.

    Raises
    ------
    ValueError
        A parameter out of range.
    """
    weight = np.linspace(0.0, 1.0, _GRID)
    up, down = (a_plus * (1 - weight), a_minus * weight) if soft else (a_plus, a_minus)
    late = tau_plus / (tau_plus + tau_m)

    def density(r, extra):
        drift = pair_drift(rate, r, up, down, tau_plus, tau_minus, extra)
        p = stationary(weight, drift, pair_diffusion(rate, r, up, down, tau_plus, tau_minus) + 0 * weight)
        return p, drift, np.trapezoid(weight * p, weight)

    def needed(mean, ratio):
        """Output rate that holds the weights at this mean, and the rate that they make."""
        for _ in range(30):
            square = mean * max(ratio, mean)
            made, at_once, in_all = extra_spikes(weight, mean, square, n_afferents, rate, tau_m, threshold)
            extra = at_once + late * (in_all - at_once)
            low, high = np.log(made) - 5.0, np.log(made) + 5.0  # more output spikes, more depression
            for _ in range(30):
                r = np.exp(0.5 * (low + high))
                p, drift, found = density(r, extra)
                low, high = (np.log(r), high) if found > mean else (low, np.log(r))
            change = np.trapezoid(weight**2 * p, weight) / found - ratio
            ratio += 0.5 * change
            if abs(change) < 1e-5:
                break
        return r, made, p, drift, ratio

    low, high, ratio = 1e-3, 1.0 - 1e-3, 0.6  # <w**2> / <w>
    for _ in range(24):
        mean = 0.5 * (low + high)
        r, made, p, drift, ratio = needed(mean, ratio)
        low, high = (mean, high) if r > made else (low, mean)
    square = mean * max(ratio, mean)
    return Balance(float(r), float(mean), float(square), weight, p, drift)

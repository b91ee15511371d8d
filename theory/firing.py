"""How often random input drives the potential across a threshold: exact rates, and the diffusion approximation.

V is shot noise with unit jumps and parameter a = tau f M (noise.py); the threshold th is in units of the common weight.
With p and F its density and distribution function:

    crossings without reset    nu = th p(th) / tau = f M [F(th) - F(th - 1)]                                      (E12)

(upward jumps through th balance the downward drift). They come in clusters of nu / rate, where `rate` is that of a
neuron that is reset to 0 at each spike. Its mean first-passage time tau U(v) from v obeys

    -v U'(v) + a [U(v + 1) - U(v)] = -1  on [0, th),   U = 0 from th on;       rate = 1 / (tau U(0))

solved on a grid of m points a unit (box scheme, h = 1 / m): each row of the linear system couples a node to the one
below and to the two one unit above, so that elimination from below keeps m coefficients a row. Errors of order h**2 and
h**4 are extrapolated away (m, 2m, 4m). Where th m is a whole number for no small m, ln U(0) is interpolated between
neighbouring thresholds.

Siegert's formula for Gaussian input, 1 / (tau sqrt(pi) * integral of exp(u**2) (1 + erf u)), is an approximation. It is
4 times too low at th = mean + 4.5 std, and 126 times at 6.7 std (a = 40): never use it for false alarms.
"""

import math
from functools import lru_cache

import numpy as np

from ..runtime.jit import kernel
from ._checks import finite, positive
from .noise import noise_distribution

__all__ = ["false_alarm_rate", "firing_rate", "siegert_rate"]

_LARGEST = 200.0  # a
_LARGEST_SYSTEM = 6.4e7  # numbers that the elimination holds at once: 512 MB


def false_alarm_rate(threshold, n_selected, rate, tau_m):
    """Exact rate (Hz) at which V crosses `threshold` upwards under random input, no spike and no reset (E12).

    Parameters
    ----------
    threshold : array_like
        In units of the common weight; no crossing at or below 0.
    n_selected, rate, tau_m : array_like
        M, f (Hz), tau (s); a = tau f M must be <= 1000.

    Examples
    --------
    >>> round(1e-3 * float(false_alarm_rate(15.0, 1000, 10.0, 1e-3)), 6)
    0.258068
    """
    a = positive("tau_m", tau_m, "s") * positive("rate", rate, "Hz") * positive("n_selected", n_selected)
    threshold = finite("threshold", threshold)
    return np.maximum(threshold, 0.0) * noise_distribution(threshold, a).density / tau_m


# --- first passage -----------------------------------------------------------------------------------------------


@kernel
def _first_passage(a, m, n):
    """U(0) for the threshold n / m, n > m.

    Row i holds U_i = rest_i + sum over k of row_i[k] U_(i + 1 + k); elimination of the node below shifts it by one.
    1 - sum(row_i) is the probability to fire before any of these nodes. It may be tiny, hence `escape` carries it and
    the pivot is a sum of positive terms (after Grassmann, Taksar & Heyman 1985): rare firing keeps all digits.
    """
    h = 1.0 / m
    rows = np.zeros((n + 1, m))
    rest = np.empty(n + 1)
    rows[0, m - 1] = 1.0  # U_0 = 1 / a + U_m
    rest[0] = 1.0 / a
    escape = 0.0 if m < n else 1.0
    for i in range(n):
        v = (i + 0.5) * h
        below = rows[i]
        here = rows[i + 1]
        back = (v * m - 0.5 * a) / (v * m + 0.5 * a)
        jump = 0.5 * a / (v * m + 0.5 * a)  # to each of two nodes: back + 2 jump = 1
        others = 0.0
        for k in range(1, m):
            others += below[k]
        scale = 1.0 / (back * (others + escape) + 2.0 * jump)
        factor = back * scale
        for k in range(m - 1):
            here[k] = factor * below[k + 1]
        escape *= factor
        if i + m < n:
            here[m - 2] += jump * scale
            here[m - 1] = jump * scale
        else:  # the cell one unit above lies over the threshold as a whole
            escape += 2.0 * jump * scale
        rest[i + 1] = (back * rest[i] + 1.0 / (v * m + 0.5 * a)) * scale
    u = np.zeros(n + 1 + m)
    for i in range(n, -1, -1):
        total = rest[i]
        row = rows[i]
        ahead = u[i + 1 : i + 1 + m]
        for k in range(m):
            total += row[k] * ahead[k]
        u[i] = total
    return u[0]


@lru_cache(maxsize=4096)
def _log_time(a, m, n):
    """Ln U(0) at the threshold n / m, extrapolated over m, 2 m, 4 m."""
    if n <= m:
        return -math.log(a)  # the first input spike crosses
    coarse, middle, fine = (_first_passage(a, k * m, k * n) for k in (1, 2, 4))
    once = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
    return math.log((16 * once[1] - once[0]) / 15)


def _log_time_at(a, threshold):
    base = max(50, math.ceil(a / 2))
    if threshold * (4 * base) ** 2 > _LARGEST_SYSTEM:
        raise ValueError(f"threshold must be <= {_LARGEST_SYSTEM / (4 * base) ** 2:g} for this a, got {threshold:g}")
    for m in range(base, 2 * base):
        if abs(threshold * m - round(threshold * m)) < 1e-9 * m:
            return _log_time(a, m, round(threshold * m))
    # cubic in the threshold, inside one unit: U has kinks at whole numbers
    cell, m = math.floor(threshold), base
    first = min(max(math.floor((threshold - cell) * m) - 1, 0), m - 3)
    nodes = [cell * m + first + k for k in range(4)]
    total = 0.0
    for n in nodes:
        weight = 1.0
        for other in nodes:
            if other != n:
                weight *= (threshold * m - other) / (n - other)
        total += weight * _log_time(a, m, n)
    return total


def firing_rate(threshold, n_selected, rate, tau_m):
    """Exact firing rate (Hz) of a neuron with reset to 0, no refractory time and equal weights under random input.

    Parameters
    ----------
    threshold : array_like
        In units of the common weight (th / w for weights w), > 0. Up to 1 every input spike fires the neuron.
    n_selected, rate, tau_m : array_like
        M, f (Hz), tau (s); a = tau f M must be <= 200.

    Returns
    -------
    ndarray
        Relative accuracy 1e-8. Costs milliseconds a value for a < 50, a second at a = 200.

    Examples
    --------
    >>> round(18e-3 * float(firing_rate(15.0, 10 / (3.2 * 18e-3), 3.2, 18e-3)), 8)
    0.06697557
    """
    args = np.broadcast_arrays(
        positive("threshold", threshold),
        positive("n_selected", n_selected),
        positive("rate", rate, "Hz"),
        positive("tau_m", tau_m, "s"),
    )
    threshold, n_selected, rate, tau_m = args
    a = tau_m * rate * n_selected
    if a.size and a.max() > _LARGEST:
        raise ValueError(f"n_selected * rate * tau_m must be <= {_LARGEST:g}, got {a.max():g}")
    times = np.empty(a.shape)
    for i in np.ndindex(a.shape):
        # rounding in the product must not split equal cases in the cache
        times[i] = _log_time_at(float(f"{a[i]:.14g}"), float(threshold[i]))
    return (np.exp(-times) / tau_m)[()]


# --- diffusion approximation ----------------------------------------------------------------------------------------


def siegert_rate(threshold, n_selected, rate, tau_m):
    """Diffusion (Siegert) approximation of :func:`firing_rate`, Hz: good near the mean, far too low in the tail.

    Examples
    --------
    >>> round(18e-3 * float(siegert_rate(60.0, 40 / (3.2 * 18e-3), 3.2, 18e-3)), 10)
    7.63562e-05
    """
    from scipy.special import dawsn, erfcx

    threshold = positive("threshold", threshold)
    n_selected, rate = positive("n_selected", n_selected), positive("rate", rate, "Hz")
    tau_m = positive("tau_m", tau_m, "s")
    a = tau_m * rate * n_selected
    low, high = -np.sqrt(a), (threshold - a) / np.sqrt(a)  # (v - mean) / (sqrt(2) std), at 0 and at the threshold
    # exp(u**2) (1 + erf u) = erfcx(-u), and = 2 exp(u**2) - erfcx(u), whose first term is Dawson's function;
    # everything is divided by exp(high**2), so that nothing overflows
    top = np.maximum(high, 0.0)
    negative = _integral(lambda u: erfcx(-u), low, np.minimum(high, 0.0))
    positive_part = _integral(erfcx, 0.0 * top, np.minimum(top, 8.0))
    scaled = 2 * dawsn(top) + np.exp(-(top**2)) * (negative - positive_part)
    return (np.exp(-(top**2)) / (tau_m * math.sqrt(math.pi) * scaled))[()]


def _integral(function, start, stop, panels=16):
    """Gauss-Legendre quadrature of a smooth function between arrays of limits."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    t = ((np.arange(panels)[:, None] + 0.5 * (nodes + 1)) / panels).reshape(-1)
    start, span = np.asarray(start)[..., None], np.asarray(stop - start)[..., None]
    return (function(start + span * t) * np.tile(0.5 * weights / panels, panels)).sum(-1) * span[..., 0]

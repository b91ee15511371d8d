"""Distribution of the potential under random input: exact, saddlepoint and Gaussian; its moments and cumulants.

Unit jumps at rate R = f M decay with tau: V is shot noise with the single parameter a = tau f M (E2), its mean.
Cumulants (Campbell): kappa_n = a / n, hence variance a / 2 (E3), skewness (2 sqrt(2) / 3) / sqrt(a), excess kurtosis
1 / a. Its density is the generalised Dickman density

    p(v) = exp(-gamma a) v**(a - 1) / Gamma(a),  0 < v <= 1;      v p(v) = a [F(v) - F(v - 1)],  v > 0          (E11)

(gamma is Euler's constant, F the distribution function), integrated forwards with the implicit trapezoid rule:

    p_i = a (I_i + h p_(i-1) / 2) / (v_i - a h / 2),     I_i = integral of p from v_i - 1 to v_(i-1),  h = 1 / m.

I_i is the sum of a suffix of the unit cell before and a prefix of the present one: only positive terms are added, so
that far tails keep their relative accuracy. The error is O(h**2); Richardson extrapolation over m, 2m, 4m removes the
h**2 and h**4 terms. The integration starts at v = 2, from a closed form on (1, 2]: the density has a cusp (v - 1)**a at
1 and, for a < 1, diverges at 0; both would lower the order.

Saddlepoint: (exp(s) - 1) / s = v / a, K(s) = a (Ei(s) - ln|s| - gamma), K''(s) = a ((s - 1) exp(s) + 1) / s**2,
density exp(K - s v) / sqrt(2 pi K''), tail by Lugannani & Rice 1980; relative error O(1 / a). Potentials are in
units of the common weight.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..runtime.jit import kernel
from ._checks import count, finite, positive

__all__ = [
    "NoiseDistribution",
    "noise_cumulant",
    "noise_distribution",
    "noise_gaussian",
    "noise_moments",
    "noise_saddlepoint",
]


class NoiseDistribution(NamedTuple):
    """Density p(v), F(v) = Pr(V <= v) and tail Pr(V > v) of the potential, arrays of the broadcast shape."""

    density: np.ndarray
    cdf: np.ndarray
    tail: np.ndarray


def noise_moments(rate, tau_m, sum_w=None, sum_w2=None, n_selected=None):
    """Mean and standard deviation of V (E2, E3), for M equal unit weights or for any weights.

    Parameters
    ----------
    rate, tau_m : array_like
        Rate of one afferent, Hz; membrane time constant, s.
    sum_w, sum_w2 : array_like, optional
        Sum of the weights and of their squares: mean = tau f sum w, std = sqrt(tau f sum w**2 / 2).
    n_selected : array_like, optional
        M; stands for both sums.

    Examples
    --------
    >>> mean, std = noise_moments(3.2, 18e-3, n_selected=709.5676318)
    >>> round(float(mean), 4), round(float(std), 4)
    (40.8711, 4.5206)
    """
    if (n_selected is None) == (sum_w is None or sum_w2 is None):
        raise ValueError("n_selected, or sum_w and sum_w2, must be given")
    if n_selected is not None:
        sum_w = sum_w2 = positive("n_selected", n_selected)
    per_weight = positive("tau_m", tau_m, "s") * positive("rate", rate, "Hz")
    return per_weight * finite("sum_w", sum_w), np.sqrt(per_weight * positive("sum_w2", sum_w2) / 2)


def noise_cumulant(order, a):
    """Cumulant kappa_n = a / n of order n of V for unit weights, a = tau f M."""
    return positive("a", a) / count("order", order)


_EULER = 0.5772156649015329
_LARGEST = 1000.0
_NODES = 500  # kept per unit cell


# --- exact -------------------------------------------------------------------------------------------------------


@kernel
def _cell(a, k, h, before, suffix, after, prefix):
    """Density on (k, k + 1], k >= 1: `after` from `before`, the density on (k - 1, k] with its integrals up to k."""
    last, total = before[-1], 0.0
    for i in range(after.size):
        v = k + (i + 1) * h
        after[i] = a * (suffix[i] + total + 0.5 * h * last) / (v - 0.5 * a * h)
        total += 0.5 * h * (last + after[i])
        prefix[i] = total
        last = after[i]


@kernel
def _suffixes(h, first, density, suffix):
    """suffix[i]: integral from node i + 1 to the end of the cell; `first` is the density at the cell's start."""
    total = 0.0
    for i in range(density.size - 1, -1, -1):
        suffix[i] = total
        total += 0.5 * h * (density[i] + (density[i - 1] if i > 0 else first))


@kernel
def _integrate(a, keep, unit, before, suffix, density, mass, log_unit):
    """Tables of the cells (2, 3], (3, 4], ...: p, and its mass from the start of the cell, at every `keep`-th node.

    `before`, `suffix`: density and mass to the end on (1, 2], in units of exp(unit). Each cell has its own unit,
    because p(1) may be below, and p(a) / p(1) above, the range of float64.
    """
    m = before.size
    h = 1.0 / m
    after, prefix = np.empty(m), np.empty(m)
    for k in range(density.shape[0]):
        # left of the mode a cell may grow by a**a, right of it p only falls
        last, target = before[m - 1], 1e-250 if k + 2 < a else 1.0
        for i in range(m):
            before[i] = before[i] / last * target
            suffix[i] = suffix[i] / last * target
        unit += math.log(last) - math.log(target)
        _cell(a, k + 2.0, h, before, suffix, after, prefix)
        for j in range(density.shape[1]):
            density[k, j] = after[(j + 1) * keep - 1]
            mass[k, j] = prefix[(j + 1) * keep - 1]
        log_unit[k] = unit
        _suffixes(h, before[m - 1], after, suffix)
        before, after = after, before


def _first_units(v, a):
    """Closed forms on (0, 2]: p(v) / p(1), F(v) / p(1).

    On (1, 2] v p' = (a - 1) p - a p(v - 1) gives p / p(1) = v**(a - 1) (1 - a sum_k x**(a + k) / (a + k)), x = 1 - 1/v.
    """
    x = np.maximum(1 - 1 / v, 0.0)
    total, power = np.zeros(v.shape), x**a
    for k in range(60):  # x <= 1/2
        total += power / (a + k)
        power *= x
    p = v ** (a - 1) * (1 - a * total)
    return p, (np.maximum(v - 1, 0.0) ** a + v * p) / a


def _log_p1(a):
    return -_EULER * a - math.lgamma(a)


@lru_cache(maxsize=16)
def _table(a, n_cells):
    """Density and mass in the unit cells from 2 on, and the mass above each cell.

    Rows are cells, columns the start of the cell and its `_NODES` nodes.
    """
    m = _NODES * math.ceil(max(a, 1) / 12.5 if a < 100 else 8 + (a - 100) / 50)
    fine = []
    for factor in (1, 2, 4):
        p, cdf = _first_units(1 + np.arange(1, factor * m + 1) / (factor * m), a)
        density, mass, log_unit = np.empty((n_cells, _NODES)), np.empty((n_cells, _NODES)), np.empty(n_cells)
        keep = factor * m // _NODES
        first = p[-1]
        _integrate(a, keep, _log_p1(a), p, cdf[-1] - cdf, density, mass, log_unit)
        # two factors: exp(log_unit) alone may overflow where the cell's values are small
        half = np.exp(0.5 * log_unit)[:, None]
        fine.append(np.stack([density, mass]) * half * half)
    once = (4 * fine[1] - fine[0]) / 3, (4 * fine[2] - fine[1]) / 3
    density, mass = (16 * once[1] - once[0]) / 15
    above = np.concatenate([np.cumsum(mass[:0:-1, -1])[::-1], [0.0]])
    starts = np.concatenate([[first * math.exp(_log_p1(a))], density[:-1, -1]])
    return np.column_stack([starts, density]), np.column_stack([np.zeros(n_cells), mass]), above


def _interpolate(table, cell, position):
    """Cubic interpolation in row `cell` of `table` at `position` in nodes; of the logarithm where there is one."""
    # the stencil stays inside the cell, because p has kinks at whole numbers
    first = np.clip(np.floor(position).astype(np.int64) - 1, 0, _NODES - 3)
    y = np.stack([table[cell, first + k] for k in range(4)])
    t = position - first
    weights = np.stack(
        [
            -(t - 1) * (t - 2) * (t - 3) / 6,
            t * (t - 2) * (t - 3) / 2,
            -t * (t - 1) * (t - 3) / 2,
            t * (t - 1) * (t - 2) / 6,
        ]
    )
    positive_rows = (y > 0).all(axis=0)
    logs = np.log(np.where(positive_rows, y, 1.0))
    return np.where(positive_rows, np.exp((weights * logs).sum(axis=0)), (weights * y).sum(axis=0))


def _n_cells(a, v):
    """Cells needed so that the mass beyond is negligible beside the tail at the largest `v`."""
    top = math.ceil(max(v, a)) + 1
    grid = top + np.arange(0, 400.0 + 4 * a)
    log_p = _saddlepoint(grid, a)[3]
    return int(top + np.argmax(log_p < log_p[0] - 42.0))


def _exact(v, a):
    density, cdf, tail = np.zeros(v.shape), np.zeros(v.shape), np.ones(v.shape)
    low = (v > 0) & (v <= 2)
    density[low], cdf[low] = (part * math.exp(_log_p1(a)) for part in _first_units(v[low], a))
    tail[low] = 1 - cdf[low]
    high = v > 2
    if high.any():
        p, mass, above = _table(a, _n_cells(a, float(v.max())))
        cell = np.ceil(v[high]).astype(np.int64) - 3
        position = (v[high] - 2 - cell) * _NODES
        density[high] = np.maximum(_interpolate(p, cell, position), 0.0)
        inside = _interpolate(mass, cell, position)
        below = _first_units(np.array([2.0]), a)[1][0] * math.exp(_log_p1(a))
        below = below + np.concatenate([[0.0], np.cumsum(mass[:-1, -1])])
        cdf[high] = np.minimum(below[cell] + inside, 1.0)
        tail[high] = np.clip(above[cell] + np.maximum(mass[cell, -1] - inside, 0.0), 0.0, 1.0)
    return density, cdf, tail


def noise_distribution(v, a):
    """Exact density, distribution function and tail of V at `v` (E11).

    Parameters
    ----------
    v : array_like
        Potential in units of the common weight.
    a : array_like
        tau f M, in (0, 1000]. Each different value costs a table (milliseconds for a < 50, a second at 1000).

    Returns
    -------
    NoiseDistribution
        Relative accuracy 1e-9 for a <= 100, far tails included; 1e-8 at a = 200, 1e-5 at 1000. At v <= 0 the
        density is given as 0 (it diverges at 0+ for a < 1).

    Examples
    --------
    >>> round(float(noise_distribution(15.0, 10.0).density), 10)
    0.0172045382
    """
    v, a = np.broadcast_arrays(finite("v", v), positive("a", a))
    if a.size and a.max() > _LARGEST:
        raise ValueError(f"a must be <= {_LARGEST:g}, got {a.max():g}: use noise_saddlepoint")
    out = np.empty((3, *v.shape))
    for value in np.unique(a):
        here = a == value
        out[:, here] = _exact(v[here], float(value))
    return NoiseDistribution(*(x[()] for x in out))


# --- approximations ----------------------------------------------------------------------------------------------


def _saddlepoint(v, a):
    """(s, K(s) - s v, K''(s), ln density) at v > 0."""
    from scipy.special import expi, lambertw

    y = v / a
    if np.any(y > 1e300):
        raise ValueError(f"v must be <= 1e300 a, got {v.max():g}")
    # (e^s - 1) / s = y has s = 0 as the root of y = 1 only; the other root is a branch of Lambert's function
    argument = -np.exp(-1 / y) / y
    s = -1 / y - np.where(y > 1, lambertw(argument, -1).real, lambertw(argument, 0).real)
    near = np.abs(y - 1) < 0.05
    s = np.where(near, 2 * (y - 1) * (1 - (y - 1) * (2 / 3)), s)
    for _ in range(3):  # Newton on ln((e^s - 1) / s) = ln y
        tiny = np.abs(s) < 1e-4
        z = np.where(tiny, 1.0, s)
        log_ratio = np.where(tiny, s / 2 + s**2 / 24, np.where(s > 30, s, 0.0) - np.log(np.abs(z)))
        grown = np.where(s > 30, np.log1p(-np.exp(-np.abs(z))), np.log(np.abs(np.expm1(np.minimum(z, 30)))))
        log_ratio = log_ratio + np.where(tiny, 0.0, grown)
        with np.errstate(over="ignore"):
            slope = np.where(tiny, 0.5 + s / 12, 1 / -np.expm1(-z) - 1 / z)
        s = s - (log_ratio - np.log(y)) / slope
    tiny = np.abs(s) < 1e-2
    z = np.where(tiny, 1.0, s)
    series_k = s * (1 + s / 4 * (1 + s / 4.5 * (1 + s * 3 / 16 * (1 + s * 4 / 25))))
    series_2 = 0.5 + s * (1 / 3 + s * (1 / 8 + s * (1 / 30 + s / 144)))
    k = a * np.where(tiny, series_k, expi(z) - np.log(np.abs(z)) - _EULER)
    k2 = a * np.where(tiny, series_2, ((z - 1) * np.exp(z) + 1) / z**2)
    exponent = k - s * v
    return s, exponent, k2, exponent - 0.5 * np.log(2 * np.pi * k2)


def noise_saddlepoint(v, a):
    """Saddlepoint approximation of density and tail of V; relative error O(1 / a), also far out.

    Parameters
    ----------
    v, a : array_like
        As in :func:`noise_distribution`.

    Examples
    --------
    >>> round(float(noise_saddlepoint(15.0, 10.0).density), 8)
    0.01727722
    """
    from scipy.special import log_ndtr, ndtr

    v, a = np.broadcast_arrays(finite("v", v), positive("a", a))
    inside = v > 0
    s, exponent, k2, log_p = _saddlepoint(np.where(inside, v, a), a)
    centre = np.abs(s) * np.sqrt(a) < 1e-3
    r = np.sign(s) * np.sqrt(np.maximum(-2 * exponent, 0.0))
    u = s * np.sqrt(k2)
    safe_r, safe_u = np.where(centre, 1.0, r), np.where(centre, 1.0, u)
    # 1/u - 1/r -> -kappa_3 / (6 kappa_2**1.5) at the mean
    correction = np.where(centre, -(a / 3) / (6 * (a / 2) ** 1.5), 1 / safe_u - 1 / safe_r)
    phi = np.exp(-0.5 * r**2) / math.sqrt(2 * math.pi)
    tail = np.clip(np.exp(log_ndtr(-r)) + phi * correction, 0.0, 1.0)
    cdf = np.clip(ndtr(r) - phi * correction, 0.0, 1.0)
    parts = (np.exp(log_p), 0.0), (cdf, 0.0), (tail, 1.0)
    return NoiseDistribution(*(np.where(inside, value, outside)[()] for value, outside in parts))


def noise_gaussian(v, a):
    """Normal distribution with the mean a and variance a / 2 of V; useless in the tails (labelled approximation)."""
    from scipy.special import ndtr

    v, a = np.broadcast_arrays(finite("v", v), positive("a", a))
    z = (v - a) / np.sqrt(a / 2)
    return NoiseDistribution((np.exp(-0.5 * z**2) / np.sqrt(np.pi * a))[()], ndtr(z)[()], ndtr(-z)[()])

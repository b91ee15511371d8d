"""How well one coincidence detector could see a given, recorded pattern that returns in Poisson input.

The pattern is a table of spikes (t_k, i_k) in [0, L); afferent i fires at r_i Hz outside of it. The detector is that of
`signal_to_noise`: weight 1 for every afferent with a spike in a window [s, s + Dt) of the pattern, none for others.
Each spike of the pattern, and of the input around it, moves by its own lag U(-T, T) at each presentation. With S the
selected afferents, M their number, and k(u) the decay averaged over lags

    mean = tau sum_S r_i,   std = sqrt(tau sum_S r_i / 2)                                      of V in noise
    V(t) = sum over pattern spikes of S of k(t - t_k) + tau sum_S r_i b(t)                      mean over presentations
    SNR(s, Dt, tau) = (max_t V(t) - mean) / std

b(t) in [0, 1] is the filtered share of the input around the pattern that is left at t. Nothing is averaged over
patterns: for a Poisson pattern the ratio scatters around the theory's (`signal_variance`), and its best window lies
above it. With jitter V(t) = (G(t + T) - G(t - T)) / 2 T, G(t) = tau sum (1 - exp(-(t - t_k) / tau)), so that V is exact
at all times of a grid, in one pass over the spikes for each window and tau.
"""

import math
from typing import NamedTuple

import numpy as np

from ..runtime.jit import kernel
from ._checks import finite, not_negative, positive

__all__ = ["Detectability", "detectability", "mean_potential"]


class Detectability(NamedTuple):
    """What :func:`detectability` returns. Maps have the shape (n_tau, n_window), at the best start of each."""

    windows: np.ndarray
    taus: np.ndarray
    snr: np.ndarray
    start: np.ndarray
    n_selected: np.ndarray
    best: dict


@kernel
def _decayed(times, gains, tau_m, at, out):
    """Sum of gain (1 - exp(-(t - t_k) / tau)) over the spikes before each of the rising times `at`."""
    total, left, now, k = 0.0, 0.0, 0.0, 0
    for g in range(at.size):
        while k < times.size and times[k] <= at[g]:
            left = left * math.exp((now - times[k]) / tau_m) + gains[k]
            now = times[k]
            total += gains[k]
            k += 1
        out[g] = total - (left * math.exp((now - at[g]) / tau_m) if total > 0.0 else 0.0)


@kernel
def _smooth(u, tau_m):
    """Response to a unit step at 0, and its integral from 0 to u >= 0, over tau."""
    fall = -math.expm1(-u / tau_m)
    return fall, u / tau_m - fall


@kernel
def _around(t, tau_m, jitter, duration):
    """b(t): filtered share of the input around the pattern, 1 before and after it, trapezoidal flanks of width 2 T."""
    if jitter == 0.0:
        gone = 0.0 if t < 0.0 else -math.expm1(-t / tau_m)
        back = 0.0 if t < duration else -math.expm1(-(t - duration) / tau_m)
        return 1.0 - gone + back
    share = 1.0
    for edge, sign in ((0.0, -1.0), (duration, 1.0)):
        for end, slope in ((-jitter, 1.0), (jitter, -1.0)):
            u = t - edge - end
            if u > 0.0:
                _, area = _smooth(u, tau_m)
                share += sign * slope * area * tau_m / (2.0 * jitter)
    return share


@kernel
def _potential(times, gains, shape, grid, rate, work, v):
    """Mean V at the times `grid` of spikes with these gains and of noise with this summed rate around them."""
    tau_m, jitter, duration = shape
    if jitter > 0.0:
        _decayed(times, gains, tau_m, grid + jitter, work)
        _decayed(times, gains, tau_m, grid - jitter, v)
        # _decayed / tau is V of the response to steps; its integral over t is tau (spikes - V)
        for g in range(grid.size):
            v[g] = tau_m * (work[g] - v[g]) / (2.0 * jitter)
    else:
        ones = np.zeros(grid.size)
        k, total = 0, 0.0
        for g in range(grid.size):
            while k < times.size and times[k] <= grid[g]:
                total += gains[k]
                k += 1
            ones[g] = total
        _decayed(times, gains, tau_m, grid, v)
        for g in range(grid.size):
            v[g] = ones[g] - v[g]
    for g in range(grid.size):
        v[g] += tau_m * rate * _around(grid[g], tau_m, jitter, duration)


@kernel
def _scan(times, units, rates, edges, taus, jitter, duration, grid, out):
    """Best of the windows `edges` (n_window, n_start, 2) for each tau: snr, start, M in `out` (3, n_tau, n_window)."""
    gains, work, v = np.empty(times.size), np.empty(grid.size), np.empty(grid.size)
    chosen = np.zeros(rates.size, np.bool_)
    for j in range(edges.shape[0]):
        for s in range(edges.shape[1]):
            low, high = edges[j, s]
            chosen[:] = False
            for k in range(times.size):
                if low <= times[k] < high:
                    chosen[units[k]] = True
            m, rate = 0, 0.0
            for i in range(rates.size):
                if chosen[i]:
                    m += 1
                    rate += rates[i]
            for k in range(times.size):
                gains[k] = 1.0 if chosen[units[k]] else 0.0
            if rate == 0.0:
                continue
            for i in range(taus.size):
                _potential(times, gains, (taus[i], jitter, duration), grid, rate, work, v)
                ratio = (v.max() - taus[i] * rate) / math.sqrt(0.5 * taus[i] * rate)
                if ratio > out[0, i, j]:
                    out[0, i, j], out[1, i, j], out[2, i, j] = ratio, low, m


def _checked(time, unit, rates, duration):
    time, unit = finite("time", time), np.asarray(unit, np.int64)
    rates = not_negative("rates", rates, "Hz")
    if time.ndim != 1 or time.shape != unit.shape or not time.size:
        raise ValueError(f"time and unit must be equally long, got {time.shape} and {unit.shape}")
    if unit.min() < 0 or unit.max() >= rates.size:
        raise ValueError(f"unit must lie in 0..{rates.size - 1}, got {unit.min()} to {unit.max()}")
    if time.min() < 0 or time.max() >= duration:
        raise ValueError(f"time must lie in [0, {duration:g}) s, got {time.min():g} to {time.max():g}")
    order = np.argsort(time, kind="stable")
    return np.ascontiguousarray(time[order]), unit[order], np.ascontiguousarray(rates)


def mean_potential(time, unit, weights, rates, tau_m, jitter, duration, at):
    """Mean V(t) over presentations of a frozen pattern, exact, for any weights.

    Parameters
    ----------
    time, unit : (n,)
        Spikes of the pattern: s in [0, duration), afferent.
    weights, rates : (N,)
        Of each afferent; rates in Hz around the pattern.
    tau_m, jitter, duration : float
        s.
    at : (G,)
        Rising times, s, 0 at the start of the pattern; random input has lasted for long before it.

    Examples
    --------
    >>> v = mean_potential([0.01], [0], [1.0], [0.0], 0.01, 0.0, 0.1, [0.0, 0.01, 0.02])
    >>> v.round(4).tolist()
    [0.0, 1.0, 0.3679]
    """
    duration = float(positive("duration", duration, "s"))
    time, unit, rates = _checked(time, unit, rates, duration)
    weights, at = finite("weights", weights), finite("at", at)
    work, v = np.empty(at.size), np.empty(at.size)
    shape = float(positive("tau_m", tau_m, "s")), float(not_negative("jitter", jitter, "s")), duration
    _potential(time, weights[unit], shape, at, float(weights @ rates), work, v)
    return v


def detectability(time, unit, rates, duration, *, jitter=3.2e-3, windows=None, taus=None, n_starts=21) -> Detectability:
    """The ratio over windows and time constants, each at its best place in the pattern, and the best of all.

    Parameters
    ----------
    time, unit : (n,)
        Spikes of the pattern, s in [0, duration), and afferent.
    rates : float array (N,)
        Rate of each afferent around the pattern, Hz: one value for all gives a pattern without a clue in its rates only
        if its own mean is the same.
    duration : float
        L, s.
    jitter : float
        T, s.
    windows, taus : array_like, optional
        s; 16 values from L / 50 to L, and 24 from L / 100 to L, logarithmic.
    n_starts : int
        Places tried for each window, equally spaced.

    Returns
    -------
    Detectability
        `best` has snr, window, start, tau_m, n_selected, v_max, t_peak, v_noise_mean, v_noise_std.

    Raises
    ------
    ValueError
        Times outside of the pattern, units without a rate; where no window has an afferent with a rate.
    """
    duration, jitter = float(positive("duration", duration, "s")), float(not_negative("jitter", jitter, "s"))
    time, unit, rates = _checked(time, unit, rates, duration)
    windows = np.atleast_1d(
        np.geomspace(duration / 50, duration, 16) if windows is None else positive("windows", windows)
    )
    taus = np.atleast_1d(np.geomspace(duration / 100, duration, 24) if taus is None else positive("taus", taus))
    if windows.max() > duration * (1 + 1e-12):
        raise ValueError(f"windows must be <= duration = {duration:g} s, got {windows.max():g}")
    low = np.linspace(0, np.maximum(duration - windows, 0.0), max(int(n_starts), 1), axis=1)
    edges = np.stack([low, low + windows[:, None]], axis=2)
    grid = np.linspace(-jitter, duration + jitter, 401)
    out = np.full((3, taus.size, windows.size), -np.inf)
    _scan(time, unit, rates, edges, taus, jitter, duration, grid, out)
    if not np.isfinite(out[0]).any():
        raise ValueError("rates must be > 0 Hz for the afferents that fire in the pattern")
    i, j = np.unravel_index(np.argmax(out[0]), out[0].shape)
    start, window, tau_m = float(out[1, i, j]), float(windows[j]), float(taus[i])
    chosen = np.zeros(rates.size)
    chosen[unit[(time >= start) & (time < start + window)]] = 1.0
    v = mean_potential(time, unit, chosen, rates, tau_m, jitter, duration, grid)
    mean, peak = tau_m * float(chosen @ rates), int(v.argmax())
    best = dict(
        snr=float(out[0, i, j]), window=window, start=start, tau_m=tau_m, n_selected=int(chosen.sum()),
        v_max=float(v[peak]), t_peak=float(grid[peak]), v_noise_mean=mean, v_noise_std=math.sqrt(mean / 2),
    )  # fmt: skip
    return Detectability(windows, taus, out[0], out[1], out[2].astype(np.int64), best)

"""Empirical signal-to-noise ratio of frozen weights: the potential without threshold, under noise and in the pattern.

With weights w_i that no longer change and no spikes, tau_m dV/dt = -V + tau_m sum_i w_i sum_k delta(t - t_ik). Noise:
mean and standard deviation of V over a long record of Poisson input (N afferents of rate f), its first 5 tau_m dropped,
sampled every tau_m / 10 or finer. Signal: the largest value of the mean trajectory over many jittered presentations.

    SNR = (max_t <V(t)> - mean) / std          Campbell: mean = tau_m f sum w,  std**2 = tau_m f sum w**2 / 2

The relative error of std over a record of length S is about sqrt(tau_m / 2 S): 0.5 % for S = 20 000 tau_m. The maximum
of a mean of n presentations is biased upwards by about sqrt(Var / n), Var the trial-to-trial variance at the peak.

One call serves the M neurons of one run: weights lie as (N, M), so that an input spike adds one contiguous row. All
draws are functions of (seed, stream "probe noise", counter); V is float32 in the noise record, sums are float64.
"""

import numpy as np

from ...runtime import rng
from ...runtime.jit import kernel

__all__ = ["noise", "poisson_table", "response"]

_STEP = 0.1  # sampling step, in tau_m
_MOST = 64.0  # mean number of input spikes a sampling step; beyond, the step is made shorter
_SKIP = 5.0  # start of the record that is dropped, in tau_m
_S11 = np.uint64(11)
_LOW = np.uint64(0xFFFFFFFF)
_FRACTION = np.float32(2.0**-32)
_C0, _C1, _C2, _C3, _C4, _C5 = (np.float32(c) for c in (1, 1, 1 / 2, 1 / 6, 1 / 24, 1 / 120))


def poisson_table(mean):
    """Distribution function of Poisson(`mean`) in 53-bit integers: the count is how many entries are <= a draw."""
    from scipy.special import pdtr

    top = int(mean + 12 * np.sqrt(mean) + 30)
    return np.floor(pdtr(np.arange(top), mean) * 2.0**53).astype(np.uint64)


@kernel
def _record(key, weights, table, step, n_skip, n_samples, center, v, moments):
    """V of all neurons at the ends of bins; `moments` (2, M) gets the sums of x and x**2, x = V - center."""
    n_afferents, n_neurons = weights.shape
    decay = np.float32(np.exp(-step))
    c0, c1 = rng.split(key[0], key[1], 0)
    e0, e1 = rng.split(key[0], key[1], 1)
    counter = 0
    for b in range(n_skip + n_samples):
        count = np.searchsorted(table, rng.bits(c0, c1, b) >> _S11, side="right")
        for m in range(n_neurons):
            v[m] *= decay
        for _ in range(count):
            z = rng.bits(e0, e1, counter)
            counter += 1
            row = weights[rng.bounded(z, n_afferents)]
            x = np.float32(z & _LOW) * _FRACTION * np.float32(-step)  # minus the time to the bin's end, in tau_m
            # exp by Taylor's series: 1.4e-9 at x = -0.1, the largest step
            d = _C0 + x * (_C1 + x * (_C2 + x * (_C3 + x * (_C4 + x * _C5))))
            for m in range(n_neurons):
                v[m] += d * row[m]
        if b >= n_skip:
            for m in range(n_neurons):
                y = np.float64(v[m]) - center[m]
                moments[0, m] += y
                moments[1, m] += y * y


def noise(weights, rate, tau_m, duration, seed):
    """Mean and standard deviation of V under random input.

    Parameters
    ----------
    weights : float32 array (N, M)
        Frozen weights.
    rate : float
        Of each afferent, Hz.
    tau_m : float
        s.
    duration : float
        Length of the record after the dropped start, s.
    seed : int
        The input is independent of anything else drawn from it.

    Returns
    -------
    mean, std : float64 arrays (M,)
    """
    n_afferents, n_neurons = weights.shape
    step = min(_STEP, _MOST / (n_afferents * rate * tau_m))  # in tau_m
    table = poisson_table(n_afferents * rate * tau_m * step)
    center = tau_m * rate * weights.sum(axis=0, dtype=np.float64)
    moments = np.zeros((2, n_neurons))
    n_samples = max(int(np.ceil(duration / (step * tau_m))), 2)
    key = np.array(rng.stream(seed, "probe noise"), np.uint64)
    skip = int(np.ceil(_SKIP / step))
    _record(key, weights, table, step, skip, n_samples, center, center.astype(np.float32), moments)
    first, second = moments / n_samples
    return center + first, np.sqrt(np.maximum(second - first**2, 0.0))


@kernel
def _follow(times, units, count, weights, tau_m, grid, start, end, v, total):
    """One period: add V at the times `grid` to `total` (G, M); `v` runs on from `start` to `end` (s)."""
    now = start
    k = 0
    for g in range(grid.size + 1):
        until = start + grid[g] if g < grid.size else end
        while k < count and times[k] <= until:
            d = np.exp((now - times[k]) / tau_m)
            now = times[k]
            row = weights[units[k]]
            for m in range(v.size):
                v[m] = v[m] * d + row[m]
            k += 1
        d = np.exp((now - until) / tau_m)
        now = until
        for m in range(v.size):
            v[m] *= d
        if g < grid.size:
            for m in range(v.size):
                total[g, m] += v[m]


def response(weights, presentations, tau_m, grid, period):
    """Mean trajectory of V over presentations, float64 array (G, M).

    Parameters
    ----------
    weights : float32 array (N, M)
        Frozen weights.
    presentations : iterable of (start, times, units, count)
        Input of one period each: its start (s), times (K,) ascending, afferents (K,), how many of them are in use. V
        runs on from one period to the next as if they were neighbours, from 0 before the first one, which is not
        averaged.
    tau_m : float
        s.
    grid : float array (G,)
        Ascending times after the start of a period, s.
    period : float
        Length of a period, s.
    """
    v = np.zeros(weights.shape[1])
    total = np.zeros((grid.size, v.size))
    n = -1
    for start, times, units, count in presentations:
        if n == 0:
            total[:] = 0.0
        _follow(times, units, count, weights, tau_m, grid, start, start + period, v, total)
        n += 1
    return total / max(n, 1)

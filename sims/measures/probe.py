"""Empirical signal-to-noise ratio of frozen weights: the potential without threshold, under noise and in the pattern.

With weights w_i that no longer change and no spikes, tau_m dV/dt = -V + tau_m sum_i w_i sum_k delta(t - t_ik). Noise:
mean and standard deviation of V over a long record of Poisson input (N afferents of rate f), its first 5 tau_m dropped,
sampled every tau_m / 10 or finer. Signal: the largest value of the mean trajectory over many jittered presentations.

    SNR = (max_t <V(t)> - mean) / std          Campbell: mean = tau_m f sum w,  std**2 = tau_m f sum w**2 / 2

The relative error of std over a record of length S is about sqrt(tau_m / 2 S): 0.5 % for S = 20 000 tau_m. The maximum
of a mean of n presentations is biased upwards by about sqrt(Var / n), Var the trial-to-trial variance at the peak.

Weights lie as (afferent, neuron): one input spike serves all neurons of a run, whose row is contiguous. Runs are
independent tasks; all draws are functions of (seed, stream "probe", bin, event), so threads cannot change a bit.
"""

import numpy as np

from ...runtime import rng
from ...runtime.jit import kernel, prange

__all__ = ["noise", "poisson_table", "response"]

_STEP = 0.1  # sampling step, in tau_m
_MOST = 64.0  # mean number of input spikes a sampling step; beyond, the step is made shorter
_SKIP = 5.0  # start of the record that is dropped, in tau_m
_S11 = np.uint64(11)
_LOW = np.uint64(0xFFFFFFFF)
_FRACTION = np.float32(2.0**-32)


def poisson_table(mean):
    """Distribution function of Poisson(`mean`) in 53-bit integers: the count is how many entries are <= a draw."""
    from scipy.special import pdtr

    top = int(mean + 12 * np.sqrt(mean) + 30)
    return np.floor(pdtr(np.arange(top), mean) * 2.0**53).astype(np.uint64)


@kernel(fastmath={"contract", "nsz"})
def _noise_run(k0, k1, weights, table, step, n_skip, n_samples, center, v, moments):
    """One run: V of all neurons at bin ends; `moments` (2, M) gets the sums of x and x**2, x = V - center."""
    n_afferents, n_neurons = weights.shape
    decay = np.float32(np.exp(-step))
    c0, c1 = rng.split(k0, k1, 0)
    e0, e1 = rng.split(k0, k1, 1)
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
            # exp for -0.1 <= x <= 0 to 1.4e-9: Taylor, degree 5
            d = np.float32(1.0) + x * (
                np.float32(1.0)
                + x * (np.float32(0.5) + x * (np.float32(1 / 6) + x * (np.float32(1 / 24) + x * np.float32(1 / 120))))
            )
            for m in range(n_neurons):
                v[m] += d * row[m]
        if b >= n_skip:
            for m in range(n_neurons):
                x = np.float64(v[m]) - center[m]
                moments[0, m] += x
                moments[1, m] += x * x


@kernel(parallel=True)
def _noise_all(keys, weights, table, step, n_skip, n_samples, center, v, moments):
    for r in prange(weights.shape[0]):
        _noise_run(keys[r, 0], keys[r, 1], weights[r], table, step, n_skip, n_samples, center[r], v[r], moments[r])


def noise(weights, rate, tau_m, duration, seeds):
    """Mean and standard deviation of V under random input.

    Parameters
    ----------
    weights : float32 array (R, N, M)
        Frozen weights; one run for each seed.
    rate : float
        Of each afferent, Hz.
    tau_m : float
        s.
    duration : float
        Length of the record after the dropped start, s.
    seeds : sequence of int
        R of them; the input is independent of anything else drawn from them.

    Returns
    -------
    mean, std : float64 arrays (R, M)
    """
    n_afferents = weights.shape[1]
    step = min(_STEP, _MOST / (n_afferents * rate * tau_m))  # in tau_m
    table = poisson_table(n_afferents * rate * tau_m * step)
    keys = np.array([rng.stream(seed, "probe noise") for seed in seeds], np.uint64)
    total = weights.sum(axis=1, dtype=np.float64)
    center = tau_m * rate * total
    v = center.astype(np.float32)
    moments = np.zeros((weights.shape[0], 2, weights.shape[2]))
    n_samples = max(int(np.ceil(duration / (step * tau_m))), 2)
    _noise_all(keys, weights, table, step, int(np.ceil(_SKIP / step)), n_samples, center, v, moments)
    first, second = moments[:, 0] / n_samples, moments[:, 1] / n_samples
    return center + first, np.sqrt(np.maximum(second - first**2, 0.0))


@kernel
def _response_run(times, units, count, weights, tau_m, grid, end, v, total):
    """One run, one period: add V at the times `grid` to `total` (G, M); `v` runs on to `end` (s in the period)."""
    now = 0.0
    k = 0
    for g in range(grid.size + 1):
        until = grid[g] if g < grid.size else end
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


@kernel(parallel=True)
def _response_all(times, units, counts, weights, tau_m, grid, end, v, total):
    for r in prange(weights.shape[0]):
        _response_run(times[r], units[r], counts[r], weights[r], tau_m, grid, end, v[r], total[r])


def response(weights, presentations, tau_m, grid, end):
    """Mean trajectory of V over presentations, float64 array (R, G, M).

    Parameters
    ----------
    weights : float32 array (R, N, M)
        Frozen weights.
    presentations : iterable of (times, units, counts)
        Input of one period each: times (R, K) ascending, s from the start of the period; afferents (R, K); how many of
        the K are in use (R,). V runs on from one period to the next, from 0 before the first, which is not averaged.
    tau_m : float
        s.
    grid : float array (G,)
        Ascending times in the period, s.
    end : float
        Length of a period, s.
    """
    n_runs, _, n_neurons = weights.shape
    v = np.zeros((n_runs, n_neurons))
    total = np.zeros((n_runs, grid.size, n_neurons))
    n = -1
    for times, units, counts in presentations:
        if n == 0:
            total[:] = 0.0
        _response_all(times, units, counts, weights, tau_m, grid, end, v, total)
        n += 1
    return total / max(n, 1)

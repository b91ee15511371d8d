"""Slow, obvious versions of the theory: quadrature of the definitions, brute force and Monte Carlo (NumPy only)."""

import numpy as np


def trapezoid_response(window, tau, jitter, n=200_001):
    """Peak and its time of the window blurred by uniform lags and low-pass filtered, on a fine grid of time."""
    start, stop = -jitter, window + jitter
    t = np.linspace(start, stop, n)
    # share of the lags in (-T, T) that put time t inside the window [0, window]
    low = np.maximum(-jitter, t - window)
    high = np.minimum(jitter, t)
    x = np.clip(high - low, 0, None) / (2 * jitter) if jitter > 0 else np.ones(n)
    dt = t[1] - t[0]
    # exact filter for an input that is linear between the grid points
    decay = np.exp(-dt / tau)
    slope = np.diff(x) / dt
    v = np.zeros(n)
    for i in range(n - 1):
        v[i + 1] = x[i + 1] - tau * slope[i] + (v[i] - x[i] + tau * slope[i]) * decay
    best = int(np.argmax(v))
    return v[best], t[best]


def snr(n_afferents, rate, window, tau, n_patterns, jitter):
    """Ratio from a peak found on the grid; M from inclusion-exclusion over the patterns."""
    miss_one = np.exp(-rate * window)
    m = 0.0
    for i in range(1, n_patterns + 1):
        comb = 1.0
        for k in range(i):
            comb *= (n_patterns - k) / (k + 1)
        m += (-1) ** (i + 1) * comb * (1 - miss_one) ** i
    m *= n_afferents
    v, _ = trapezoid_response(window, tau, jitter)
    inside = n_afferents * rate
    outside = m * rate
    return tau * (outside + (inside - outside) * v - outside) / np.sqrt(tau * outside / 2)


def blurred_kernel(u, tau, jitter, n=4001):
    """Means over the lags of exp(-(u - J)/tau) and of its square, for times u (midpoint rule)."""
    lags = (np.arange(n) + 0.5) / n * 2 * jitter - jitter
    lag = u[:, None] - lags[None, :]
    with np.errstate(over="ignore"):
        value = np.where(lag >= 0, np.exp(-lag / tau), 0.0)
    return value.mean(axis=1), (value**2).mean(axis=1)


def signal_variance(n_afferents, rate, window, tau, n_patterns, jitter, t_peak, n=4000):
    """Both variances of the peak by quadrature over the times of the frozen spikes."""
    m = n_afferents * (1 - np.exp(-n_patterns * rate * window))
    edges = np.array([t_peak - 40 * tau, 0.0, window, t_peak + jitter])
    trials = patterns = 0.0
    for low, high, r in zip(edges[:-1], edges[1:], (m * rate, n_afferents * rate, m * rate), strict=True):
        if high <= low:
            continue
        s = low + (np.arange(n) + 0.5) / n * (high - low)
        k, k2 = blurred_kernel(t_peak - s, tau, jitter, 1001)
        trials += r * np.sum(k2 - k**2) * (high - low) / n
        patterns += r * np.sum(k**2) * (high - low) / n
    return trials, patterns


def shot_noise(rng, a, n_jumps):
    """Potential just after each of `n_jumps` unit jumps at rate a (time constant 1), started from 0, and the gaps."""
    gaps = rng.exponential(1 / a, n_jumps)
    v = np.empty(n_jumps)
    now = 0.0
    for i in range(n_jumps):
        now = now * np.exp(-gaps[i]) + 1.0
        v[i] = now
    return v, gaps


def stationary_samples(rng, a, n, memory=40.0):
    """`n` independent samples of stationary shot noise: jumps of the last `memory` time constants."""
    counts = rng.poisson(a * memory, n)
    ages = rng.uniform(0, memory, counts.sum())
    owner = np.repeat(np.arange(n), counts)
    return np.bincount(owner, np.exp(-ages), minlength=n)


def spike_count(rng, a, threshold, n_jumps):
    """Output spikes and duration of a neuron with reset to 0, from `n_jumps` input spikes at rate a."""
    gaps = rng.exponential(1 / a, n_jumps)
    now, spikes = 0.0, 0
    for gap in gaps.tolist():
        now = now * np.exp(-gap) + 1.0
        if now >= threshold:
            spikes += 1
            now = 0.0
    return spikes, gaps.sum()


def pattern_peaks(rng, n_afferents, rate, window, tau, n_patterns, jitter, t_peak, n_draws):
    """V at `t_peak` of `n_draws` fresh sets of frozen patterns, one presentation of one pattern each.

    Afferents fire as Poisson processes before, in and after the window; the selected ones have weight 1.
    """
    values = np.empty(n_draws)
    before, end = 12 * tau + jitter, max(window, t_peak + jitter)
    for d in range(n_draws):
        is_selected = np.zeros(n_afferents, dtype=bool)
        for _ in range(n_patterns - 1):
            is_selected[rng.integers(0, n_afferents, rng.poisson(n_afferents * rate * window))] = True
        n = rng.poisson(n_afferents * rate * (before + end))
        times = rng.uniform(-before, end, n)
        owner = rng.integers(0, n_afferents, n)
        is_selected[owner[(times >= 0) & (times < window)]] = True
        shifted = times + (rng.uniform(-jitter, jitter, n) if jitter > 0 else 0.0)
        use = is_selected[owner] & (shifted <= t_peak)
        values[d] = np.exp((shifted[use] - t_peak) / tau).sum()
    return values


def matched_filter(n_afferents, rate, duration, tau, jitter, rng):
    """Ratio of the best linear read-out of one frozen pattern of `duration`, read out well inside it."""
    n = rng.poisson(n_afferents * rate * duration)
    times, owner = rng.uniform(0, duration, n), rng.integers(0, n_afferents, n)
    u = duration - 2 * jitter - times
    # mean over the lags in closed form, from the integral of exp over the lags that have come
    if jitter > 0:
        drive = np.exp((np.minimum(jitter, u) - u) / tau) - np.exp(-(jitter + u) / tau)
        drive = np.where(u > -jitter, tau / (2 * jitter) * drive, 0.0)
    else:
        drive = np.exp(-u / tau)
    x = np.bincount(owner, drive, minlength=n_afferents)
    return np.sqrt(np.sum((x - tau * rate) ** 2) / (tau * rate / 2))


def brute_optimum(n_afferents, rate, n_patterns, jitter, duration, ratio, n=400):
    """Largest value of `ratio(window, tau)` on a fine logarithmic grid, refined three times around the best point."""
    low = np.log([1e-4, 1e-4])
    high = np.log([duration, 10.0])
    for _ in range(4):
        windows = np.exp(np.linspace(low[0], high[0], n))
        taus = np.exp(np.linspace(low[1], high[1], n))
        value = ratio(windows[None, :], taus[:, None])
        i, j = np.unravel_index(np.argmax(value), value.shape)
        best = windows[j], taus[i], value[i, j]
        half = (high - low) / 20
        low = np.log([windows[j], taus[i]]) - half
        high = np.minimum(np.log([windows[j], taus[i]]) + half, np.log([duration, 10.0]))
    return best

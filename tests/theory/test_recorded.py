"""Recorded patterns: the mean potential against a sum over spikes, the map against its definition, mean over draws."""

import numpy as np
import pytest
from naive import probe as naive

from firstspike import theory

N, RATE, LENGTH = 300, 6.0, 0.1


def draw(rng, n=N, rate=RATE):
    count = rng.poisson(n * rate * LENGTH)
    return np.sort(rng.uniform(0, LENGTH, count)), rng.integers(0, n, count)


def test_mean_potential_is_the_sum_over_spikes():
    rng = np.random.default_rng(1)
    time, unit = draw(rng)
    weights, at = rng.uniform(size=N), np.linspace(-3e-3, LENGTH - 4e-3, 30)
    v = theory.mean_potential(time, unit, weights, np.full(N, RATE), 12e-3, 3.2e-3, LENGTH, at)
    np.testing.assert_allclose(v, naive.mean_response(time, unit, weights, RATE, 12e-3, 3.2e-3, at), rtol=1e-3)
    # without jitter and without input around it: the plain sum; unsorted spikes are sorted
    order = rng.permutation(time.size)
    v = theory.mean_potential(time[order], unit[order], weights, np.zeros(N), 12e-3, 0.0, LENGTH, at)
    np.testing.assert_allclose(v, naive.potential(time, unit, weights, 12e-3, at), atol=1e-12)


@pytest.mark.parametrize("jitter", [0.0, 3.2e-3])
def test_input_around_the_pattern_is_seamless(jitter):
    """A pattern of evenly spaced spikes in a background of their rate: V stays at its mean."""
    step = 1e-5
    time = np.arange(0, LENGTH, step) + step / 2
    unit = np.zeros(time.size, np.int64)
    at = np.linspace(-0.02, LENGTH + 0.05, 60)
    v = theory.mean_potential(time, unit, [1.0], [1 / step], 10e-3, jitter, LENGTH, at)
    np.testing.assert_allclose(v, 10e-3 / step, rtol=2e-3)


def test_ratio_is_what_its_definition_says():
    time, unit = draw(np.random.default_rng(2))
    rates = np.random.default_rng(3).uniform(1, 10, N)
    found = theory.detectability(time, unit, rates, LENGTH, windows=[8e-3, 20e-3], taus=[5e-3, 15e-3], n_starts=5)
    i, j = 1, 0
    ratios = []
    for start in np.linspace(0, LENGTH - 8e-3, 5):
        chosen = np.zeros(N)
        chosen[unit[(time >= start) & (time < start + 8e-3)]] = 1
        at = np.linspace(-3.2e-3, LENGTH + 3.2e-3, 401)
        v = theory.mean_potential(time, unit, chosen, rates, 15e-3, 3.2e-3, LENGTH, at)
        mean = 15e-3 * chosen @ rates
        ratios.append((v.max() - mean) / np.sqrt(mean / 2))
    assert found.snr[i, j] == pytest.approx(max(ratios), rel=1e-9)
    assert found.start[i, j] == pytest.approx(np.linspace(0, LENGTH - 8e-3, 5)[int(np.argmax(ratios))])
    assert found.best["snr"] == found.snr.max() and found.best["n_selected"] in found.n_selected
    best = found.best
    assert best["snr"] == pytest.approx((best["v_max"] - best["v_noise_mean"]) / best["v_noise_std"])


def test_mean_over_random_patterns_is_the_theory():
    n, window, tau = 2000, 20e-3, 15e-3
    found = []
    for seed in range(40):
        time, unit = draw(np.random.default_rng(seed), n, 4.0)
        one = theory.detectability(time, unit, np.full(n, 4.0), LENGTH, windows=window, taus=tau, n_starts=1)
        found.append([one.best["n_selected"], one.best["v_max"]])
    known = theory.snr(n, 4.0, window, tau, 1, 3.2e-3)
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(40)
    assert abs(mean[0] - known.n_selected) < 4 * error[0]
    # the largest value lies above that at the mean time of the peak
    assert -4 * error[1] < mean[1] - known.v_max < 4 * error[1] + 0.05 * known.v_max


def test_errors_name_the_parameter():
    for arguments, text in (
        (([0.2], [0], [1.0], LENGTH), r"time must lie in \[0, 0.1\)"),
        (([0.0], [1], [1.0], LENGTH), "unit must lie in 0..0"),
        (([0.0], [0], [-1.0], LENGTH), "rates must be >= 0 Hz"),
        (([0.0], [0], [0.0], LENGTH), "rates must be > 0 Hz"),
        (([0.0], [0, 0], [1.0], LENGTH), "equally long"),
    ):
        with pytest.raises(ValueError, match=text):
            theory.detectability(*arguments)
    with pytest.raises(ValueError, match="windows must be <= duration"):
        theory.detectability([0.0], [0], [1.0], LENGTH, windows=0.2)

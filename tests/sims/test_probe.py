"""Empirical signal-to-noise ratio: noise against Campbell's theorem, response against a plain sum."""

import numpy as np
import pytest
from naive import probe as naive

from firstspike.sims.measures.probe import noise, poisson_table, response


def weights(n_afferents, n_neurons, seed=0):
    rng = np.random.default_rng(seed)
    w = rng.uniform(0, 1, (n_afferents, n_neurons)) * (rng.uniform(size=(n_afferents, n_neurons)) < 0.3)
    return w.astype(np.float32)


@pytest.mark.parametrize(
    ("n_afferents", "rate", "tau_m"), [(2000, 3.2, 18e-3), (50, 10.0, 5e-3), (10_000, 20.0, 20e-3)]
)
def test_noise_obeys_campbell(n_afferents, rate, tau_m):
    w = weights(n_afferents, 3)
    theory_std = np.sqrt(tau_m * rate * (w.astype(float) ** 2).sum(axis=0) / 2)
    theory_mean = tau_m * rate * w.sum(axis=0, dtype=float)
    mean, std = noise(w, rate, tau_m, 2e4 * tau_m, 1)
    error = np.sqrt(1 / 4e4)  # relative, of the standard deviation; the mean is off by 2 error std
    np.testing.assert_allclose(std, theory_std, rtol=4 * error)
    assert np.all(np.abs(mean - theory_mean) < 4 * 2 * error * theory_std)


def test_noise_does_not_depend_on_neighbours_but_on_the_seed():
    w = weights(300, 4)
    mean, std = noise(w, 5.0, 10e-3, 5.0, 8)
    alone = noise(np.ascontiguousarray(w[:, 2:3]), 5.0, 10e-3, 5.0, 8)
    np.testing.assert_allclose([mean[2], std[2]], [alone[0][0], alone[1][0]], rtol=1e-5)
    assert noise(w, 5.0, 10e-3, 5.0, 9)[0][2] != mean[2]


def test_zero_weights_give_zero():
    mean, std = noise(np.zeros((100, 2), np.float32), 5.0, 10e-3, 1.0, 0)
    assert np.all(mean == 0) and np.all(std == 0)


def test_poisson_table():
    table = poisson_table(3.0)
    draws = np.random.default_rng(0).integers(0, 2**53, 200_000).astype(np.uint64)
    counts = np.searchsorted(table, draws, side="right")
    assert counts.mean() == pytest.approx(3.0, abs=5 * np.sqrt(3 / 2e5))
    assert counts.var() == pytest.approx(3.0, rel=0.02)


def test_response_is_the_mean_over_all_but_the_first():
    rng = np.random.default_rng(3)
    w = weights(30, 3)
    period, tau_m, grid = 0.1, 12e-3, np.array([0.04, 0.05, 0.0999])
    shown = [
        (k * period, k * period + np.sort(rng.uniform(0, period, 80)), rng.integers(30, size=80)) for k in range(4)
    ]
    found = response(w, [(start, t, u, 70) for start, t, u in shown], tau_m, grid, period)
    times = np.concatenate([t[:70] for _, t, _ in shown])
    units = np.concatenate([u[:70] for _, _, u in shown])
    for m in range(3):
        slow = [naive.potential(times, units, w[:, m].astype(float), tau_m, k * period + grid) for k in (1, 2, 3)]
        np.testing.assert_allclose(found[:, m], np.mean(slow, axis=0), rtol=1e-9)

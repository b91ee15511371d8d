"""The best window and time constant: published table, brute force, monotony, the limit without jitter."""

import math

import numpy as np
import pytest
from naive import theory as naive

from firstspike import theory

MS = 1e-3

# n_patterns, window (ms), tau_m (ms), ratio
TABLE = np.array(
    [
        (1, 23.358933, 18.198713, 80.95071115),
        (2, 16.919326, 13.191231, 54.59879039),
        (5, 11.122944, 8.861155, 31.33553275),
        (10, 8.067702, 6.832487, 19.77909386),
        (20, 5.680322, 5.631748, 11.87632346),
        (40, 3.699477, 5.101149, 6.71724771),
    ]
)

# rate, jitter (ms), window (ms), tau_m (ms), ratio for one pattern
SINGLE = np.array(
    [
        (0.32, 1, 39.10, 30.94, 88.58),
        (1, 1, 22.33, 17.60, 87.31),
        (1, 3.2, 40.62, 31.83, 85.01),
        (3.2, 1, 12.69, 9.95, 85.01),
        (3.2, 10, 43.08, 33.78, 74.09),
        (10, 1, 7.38, 5.75, 81.06),
        (10, 3.2, 13.79, 10.81, 74.09),
        (10, 10, 25.50, 21.52, 62.84),
    ]
)


def test_table_of_the_2018_paper():
    best = theory.optimum(10_000, 3.2, TABLE[:, 0], 3.2 * MS)
    np.testing.assert_allclose(best.snr, TABLE[:, 3], rtol=1e-9)
    np.testing.assert_allclose(best.window, TABLE[:, 1] * MS, rtol=1e-6)
    np.testing.assert_allclose(best.tau_m, TABLE[:, 2] * MS, rtol=1e-6)
    assert not best.is_limit.any()
    # what the paper prints, to two digits
    assert [float(f"{v:.2g}") for v in best.window / MS] == [23, 17, 11, 8.1, 5.7, 3.7]
    assert [float(f"{v:.2g}") for v in best.tau_m / MS] == [18, 13, 8.9, 6.8, 5.6, 5.1]


def test_one_pattern_at_other_rates_and_jitters():
    rate, jitter, window, tau, ratio = SINGLE.T
    best = theory.optimum(10_000, rate, 1, jitter * MS)
    np.testing.assert_allclose(best.window / MS, window, atol=0.006)  # they come from an optimiser that stopped at 1e-4
    np.testing.assert_allclose(best.tau_m / MS, tau, atol=0.005)
    np.testing.assert_allclose(best.snr, ratio, atol=0.005)


def test_duration_of_the_pattern_binds():
    best = theory.optimum(10_000, 0.1, 1, 3.2 * MS, 0.1)
    assert best.window == 0.1
    assert best.tau_m == pytest.approx(79.016 * MS, abs=1e-6)
    assert best.snr == pytest.approx(88.5406, abs=5e-5)
    assert best.tau_m == theory.optimal_tau(0.1, 3.2 * MS)


@pytest.mark.parametrize(
    "rate, patterns, jitter, duration",
    [
        (3.2, 1, 3.2 * MS, 0.1),
        (0.1, 1, 3.2 * MS, 0.1),
        (10, 40, 10 * MS, 0.1),
        (30, 3, 50 * MS, 0.5),
        (1, 1, 0.3 * MS, 1),
    ],
)
def test_brute_force_finds_no_better(rate, patterns, jitter, duration):
    def ratio(window, tau):
        return theory.snr(10_000, rate, window, tau, patterns, jitter).snr

    window, tau, value = naive.brute_optimum(10_000, rate, patterns, jitter, duration, ratio)
    best = theory.optimum(10_000, rate, patterns, jitter, duration)
    assert best.snr >= value * (1 - 1e-14)
    assert best.snr == pytest.approx(value, rel=1e-9)
    assert best.window == pytest.approx(window, rel=1e-3)
    assert best.tau_m == pytest.approx(tau, rel=1e-3)


def test_ratio_falls_with_patterns_and_with_jitter():
    patterns = np.arange(1, 41)[:, None]
    jitter = np.geomspace(0.01, 30, 25) * MS
    ratio = theory.optimum(10_000, 3.2, patterns, jitter).snr
    assert (np.diff(ratio, axis=0) < 0).all()
    assert (np.diff(ratio, axis=1) < 0).all()


def test_limit_without_jitter():
    assert theory.BEST_RATIO == pytest.approx(1.2564312086, abs=1e-10)
    assert math.exp(theory.BEST_RATIO) == pytest.approx(1 + 2 * theory.BEST_RATIO, rel=1e-15)
    assert theory.LIMIT_FACTOR == pytest.approx(0.9025124682, abs=1e-10)
    best = theory.optimum(10_000, [3.2, 1.0], [1, 5], 0.0)
    np.testing.assert_array_equal(best.window, 0.0)
    np.testing.assert_array_equal(best.tau_m, 0.0)
    assert best.is_limit.all()
    np.testing.assert_allclose(best.snr, 0.9025124682 * np.sqrt(10_000 / np.array([1, 5])), rtol=1e-9)
    # approached from below
    window = np.geomspace(1e-7, 1e-1, 13)
    ratio = theory.snr(10_000, 3.2, window, window / theory.BEST_RATIO).snr
    assert (np.diff(ratio) < 0).all() and (ratio < best.snr[0]).all()
    assert ratio[0] == pytest.approx(best.snr[0], rel=1e-6)


def test_ratio_without_jitter_is_a_product():
    rate, patterns = 5.0, 3
    window, tau = np.geomspace(1, 300, 9) * MS, np.geomspace(1, 300, 7)[:, None] * MS
    x, p = window / tau, patterns * rate * window
    expected = np.sqrt(2 * 1000 / patterns) * (1 - np.exp(-x)) / np.sqrt(x) * np.exp(-p) * np.sqrt(p / (1 - np.exp(-p)))
    np.testing.assert_allclose(theory.snr(1000, rate, window, tau, patterns).snr, expected, rtol=1e-11)
    np.testing.assert_allclose(theory.optimal_tau(window), window / 1.2564312086, rtol=1e-9)


def test_extremes_are_numbers():
    best = theory.optimum(
        100, [1e-4, 1e4, 1e6, 1.0], [1, 1000, 1, 1], [1e-9, 1.0, 1e-12, 100.0], [1e-6, 10.0, 1.0, 0.1]
    )
    assert np.isfinite(np.array(best[:3])).all()


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="pattern_duration must be > 0 s, got 0"):
        theory.optimum(10, 1.0, pattern_duration=0)
    with pytest.raises(ValueError, match="pattern_duration must be >= 1e-06 s"):
        theory.optimum(10, 1.0, pattern_duration=1e-7)
    with pytest.raises(ValueError, match="jitter must be >= 0 s"):
        theory.optimum(10, 1.0, jitter=-1.0)
    with pytest.raises(ValueError, match="n_patterns must be a whole number"):
        theory.optimum(10, 1.0, n_patterns=0)

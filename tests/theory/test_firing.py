"""False alarms and firing under random input: exact values, limits, Monte Carlo, the diffusion formula."""

import math

import numpy as np
import pytest
from naive import theory as naive

from firstspike import theory

ORACLES = [
    (5, 4, 0.741957144, 1e-8),
    (5, 8, 0.1069853314, 1e-8),
    (10, 15, 0.06697556608, 1e-8),
    (40, 50, 0.059090129, 1e-8),
    (40, 60, 3.230402443e-4, 1e-8),
    (40, 70, 5.574266e-8, 1e-5),
]


@pytest.mark.parametrize("a, threshold, rate, tolerance", ORACLES)
def test_exact_rate(a, threshold, rate, tolerance):
    assert theory.firing_rate(threshold, a, 1.0, 1.0) == pytest.approx(rate, rel=tolerance)


def test_rate_has_its_unit():
    tau, f = 18e-3, 3.2
    m = 10 / (tau * f)
    assert theory.firing_rate(15.0, m, f, tau) == pytest.approx(0.06697556608 / tau, rel=1e-8)
    assert theory.false_alarm_rate(15.0, m, f, tau) == pytest.approx(0.258068 / tau, rel=1e-5)
    assert theory.siegert_rate(15.0, m, f, tau) == pytest.approx(0.05514 / tau, rel=1e-4)


@pytest.mark.parametrize("threshold, jumps", [(0.3, 1), (1.0, 1), (2.0, 3), (2.5, 3)])
def test_dense_input_needs_a_whole_number_of_jumps(threshold, jumps):
    tolerance = 1e-15 if jumps == 1 else 1e-9
    assert theory.firing_rate(threshold, 100.0, 1.0, 1.0) == pytest.approx(100 / jumps, rel=tolerance)


def test_between_grid_points_the_rate_is_smooth():
    # these thresholds fall on no grid of 50 to 99 points a unit; their neighbours do
    for a, grid in ((10.0, np.array([15.2, 15.22, 15.24])), (40.0, np.array([60.0, 60.02, 60.04]))):
        on = np.log(theory.firing_rate(grid, a, 1.0, 1.0))
        x = 0.01 / math.sqrt(3)
        between = np.log(theory.firing_rate(grid[1] + x, a, 1.0, 1.0))
        parabola = on[1] + (on[2] - on[0]) / 2 * (x / 0.02) + (on[2] - 2 * on[1] + on[0]) / 2 * (x / 0.02) ** 2
        assert between == pytest.approx(parabola, abs=1e-6)


def test_rate_falls_with_the_threshold_and_never_exceeds_the_crossings():
    threshold = np.linspace(0.5, 30, 60)
    rate = theory.firing_rate(threshold, 10.0, 1.0, 1.0)
    assert (np.diff(rate) <= 1e-12).all() and (rate > 0).all()
    high = threshold > 20
    assert (rate[high] < theory.false_alarm_rate(threshold[high], 10.0, 1.0, 1.0)).all()


def test_very_rare_firing():
    # once in 1e67 time constants: the elimination subtracts nothing; crossings come in clusters of about 2
    rate, crossings = (f(150.0, 40.0, 1.0, 1.0) for f in (theory.firing_rate, theory.false_alarm_rate))
    assert rate == pytest.approx(1.40279e-67, rel=1e-5)
    assert 1 < crossings / rate < 2


@pytest.mark.parametrize("a, threshold, jumps", [(10.0, 15.0, 400_000), (5.0, 4.0, 200_000), (3.0, math.pi, 200_000)])
def test_rate_by_monte_carlo(a, threshold, jumps):
    spikes, duration = naive.spike_count(np.random.default_rng(8), a, threshold, jumps)
    expected = theory.firing_rate(threshold, a, 1.0, 1.0)
    # intervals are at most about exponential: sqrt(n) bounds the error of the count
    assert spikes / duration == pytest.approx(expected, abs=4 * math.sqrt(spikes) / duration)


@pytest.mark.parametrize("a, threshold, value", [(1, 2, 0.344571), (10, 15, 0.258068), (40, 60, 0.001032)])
def test_crossing_rate(a, threshold, value):
    got = theory.false_alarm_rate(threshold, a, 1.0, 1.0)
    assert got == pytest.approx(value, rel=4e-4 if a == 40 else 2e-6)
    cdf = theory.noise_distribution(np.array([threshold - 1, threshold]), float(a)).cdf
    assert got == pytest.approx(a * (cdf[1] - cdf[0]), rel=1e-6)


def test_crossing_rate_by_monte_carlo():
    a, threshold, n = 10.0, 15.0, 300_000
    v, gaps = naive.shot_noise(np.random.default_rng(9), a, n)
    before = v - 1.0
    crossed = (before < threshold) & (v >= threshold)
    blocks = crossed.reshape(300, -1).sum(axis=1) / gaps.reshape(300, -1).sum(axis=1)  # clusters: error from blocks
    error = blocks.std() / math.sqrt(blocks.size)
    assert blocks.mean() == pytest.approx(theory.false_alarm_rate(threshold, a, 1.0, 1.0), abs=4 * error)


def test_diffusion_formula():
    values = [theory.siegert_rate(t, a, 1.0, 1.0) for a, t, _, _ in ORACLES[:5]]
    np.testing.assert_allclose(values, [0.8362, 0.0945, 0.05514, 0.05316, 7.635617e-5], rtol=1e-3)
    assert values[4] == pytest.approx(7.635617e-5, rel=1e-6)
    # the integral itself, by the midpoint rule
    a, threshold = 5.0, 6.0
    low, high = -math.sqrt(a), (threshold - a) / math.sqrt(a)
    u = low + (np.arange(20_000) + 0.5) / 20_000 * (high - low)
    integral = sum(math.exp(x * x) * (1 + math.erf(x)) for x in u) * (high - low) / 20_000
    assert theory.siegert_rate(threshold, a, 1.0, 1.0) == pytest.approx(1 / (math.sqrt(math.pi) * integral), rel=1e-7)
    assert np.isfinite(theory.siegert_rate([1e-3, 1e3, 1e6], 40.0, 1.0, 1.0)).all()


def test_diffusion_formula_fails_where_it_matters():
    exact = theory.firing_rate([60.0, 70.0], 40.0, 1.0, 1.0)
    ratio = exact / theory.siegert_rate([60.0, 70.0], 40.0, 1.0, 1.0)
    np.testing.assert_allclose(ratio, [4.2, 126], rtol=0.01)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="threshold must be > 0, got -1"):
        theory.firing_rate(-1.0, 10, 1.0, 1.0)
    with pytest.raises(ValueError, match="must be <= 200, got 500"):
        theory.firing_rate(5.0, 500, 1.0, 1.0)
    with pytest.raises(ValueError, match="threshold must be <= "):
        theory.firing_rate(1e5, 10, 1.0, 1.0)
    with pytest.raises(ValueError, match="rate must be > 0 Hz, got 0"):
        theory.false_alarm_rate(5.0, 10, 0.0, 1.0)
    assert theory.false_alarm_rate(-2.0, 10, 1.0, 1.0) == 0

"""Variances of the peak, detection measures, other kernels, and the drift of the weights."""

import math

import numpy as np
import pytest
from naive import theory as naive

from firstspike import theory

MS = 1e-3
CASES = [
    ((10_000, 3.2, 23 * MS, 18 * MS, 1, 3.2 * MS), 24.05975, 230.9251),
    ((10_000, 3.2, 11 * MS, 8.9 * MS, 5, 3.2 * MS), 20.67432, 98.54229),
]


@pytest.mark.parametrize("arguments, trials, patterns", CASES)
def test_variances(arguments, trials, patterns):
    got = theory.signal_variance(*arguments)
    assert got.trials == pytest.approx(trials, rel=1e-6)
    assert got.patterns == pytest.approx(patterns, rel=1e-6)


def test_variances_for_40_patterns():
    assert theory.signal_variance(10_000, 3.2, 3.7 * MS, 5.1 * MS, 40, 3.2 * MS).trials == pytest.approx(
        14.534, abs=5e-4
    )


@pytest.mark.parametrize("window, tau, jitter", [(23, 18, 3.2), (5, 10, 10), (20, 20, 0.05), (20, 2, 30)])
def test_variances_by_quadrature(window, tau, jitter):
    arguments = (1000, 5.0, window * MS, tau * MS, 2, jitter * MS)
    t_peak = theory.snr(*arguments).t_peak
    trials, patterns = naive.signal_variance(*arguments, t_peak)
    got = theory.signal_variance(*arguments)
    assert got.trials == pytest.approx(trials, rel=5e-3)
    assert got.patterns == pytest.approx(patterns, rel=1e-3)


def test_variances_by_monte_carlo():
    # jitter and pattern drawn anew each time: the sum of both, plus the variance that a random M adds
    arguments = (10_000, 3.2, 23 * MS, 18 * MS, 1, 3.2 * MS)
    values = naive.pattern_peaks(np.random.default_rng(4), *arguments, theory.snr(*arguments).t_peak, 600)
    expected = sum(theory.signal_variance(*arguments))
    assert values.var() == pytest.approx(expected, rel=4 * math.sqrt(2 / 600))


def test_without_jitter_only_the_fresh_noise_is_left():
    window, tau = 23 * MS, 18 * MS
    for frozen in (50 * MS, 82.5 * MS):
        m = theory.selected(10_000, 3.2, window)
        got = theory.signal_variance(10_000, 3.2, window, tau, 1, 0.0, frozen)
        assert got.trials == pytest.approx(tau * 3.2 * m / 2 * math.exp(-2 * frozen / tau), rel=1e-9)
    assert theory.signal_variance(10_000, 3.2, window, tau).trials == 0
    # a tiny jitter joins it
    tiny = theory.signal_variance(10_000, 3.2, window, tau, 1, [1e-12, 1e-9, 1e-6])
    assert (tiny.trials < 0.05).all() and (tiny.trials >= 0).all()
    assert tiny.patterns[0] == pytest.approx(theory.signal_variance(10_000, 3.2, window, tau).patterns, rel=1e-6)


def test_small_lags_use_the_same_function_on_both_sides_of_the_series():
    tau, window = 10 * MS, 20 * MS
    jitter = np.linspace(0.02, 0.35, 67) * MS  # crosses both switches
    got = theory.signal_variance(1000, 5.0, window, tau, 1, jitter)
    for values in got:
        curvature = np.abs(np.diff(values, 3))
        assert curvature.max() < 1e-4 * np.abs(values).max()


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="needs an extended-precision long double")
def test_series_equal_the_functions_they_stand_for():
    from firstspike.theory.signal import _power, _saturation

    z = np.array([0.005, 0.012, 0.0199, 0.0201, 0.0499, 0.0501, 0.5])
    w = z.astype(np.longdouble)
    np.testing.assert_allclose(_saturation(z), (w + np.expm1(-w)).astype(float), rtol=1e-13)
    power = w + 2 * np.expm1(-w) - np.expm1(-2 * w) / 2
    np.testing.assert_allclose(_power(z), power.astype(float), rtol=1e-10)


def test_hits_and_sensitivity():
    assert theory.hit_probability(370.0, 406.8, 24.06) == pytest.approx(1.0, abs=1e-12)
    assert theory.hit_probability(406.8, 406.8, 24.06) == 0.5
    assert theory.hit_probability(406.8 + math.sqrt(24.06), 406.8, 24.06) == pytest.approx(0.158655254, rel=1e-8)
    np.testing.assert_array_equal(theory.hit_probability([1.0, 3.0], 2.0, 0.0), [1, 0])
    assert theory.sensitivity(406.8, 40.8, 4.5, 4.5**2) == pytest.approx(366 / 4.5)
    with pytest.raises(ValueError, match="variance must be >= 0"):
        theory.hit_probability(1.0, 1.0, -1.0)


def test_double_exponential():
    tau, fast = 10 * MS, 2.5 * MS
    t, scale = theory.double_exponential_peak(tau, fast)
    assert t == pytest.approx(4.6209812037 * MS, rel=1e-10)
    assert scale == pytest.approx(2.1165347360, rel=1e-10)
    mean, std = theory.double_exponential_noise(2000.0, tau, fast)
    assert mean == pytest.approx(15) and std**2 == pytest.approx(4.5)
    assert theory.double_exponential_noise(2000.0, tau, fast, scale)[0] == pytest.approx(15 * scale)
    peak, when = theory.double_exponential_box(5000.0, 12 * MS, tau, fast)
    assert peak == pytest.approx(23.31862293, rel=1e-9)
    assert when == pytest.approx(13.16706206 * MS, rel=1e-9)
    # the response itself on a grid
    s = np.linspace(0, 30 * MS, 3001)
    box = (s < 12 * MS) * 5000.0
    kernel = np.exp(-s / tau) - np.exp(-s / fast)
    response = np.convolve(box, kernel)[: s.size] * (s[1] - s[0])
    assert response.max() == pytest.approx(peak, rel=1e-3)
    with pytest.raises(ValueError, match="tau_s must be < tau_m"):
        theory.double_exponential_peak(fast, tau)


def test_refractory_inputs():
    np.testing.assert_allclose(theory.refractory_variance_factor([10.0, 100.0], 5 * MS), [0.95**2, 0.25])
    with pytest.raises(ValueError, match="refractory_time must be < 1 / rate"):
        theory.refractory_variance_factor(100.0, 0.02)


def test_first_weight():
    thresholds = np.array([369.82533135, 252.59567745])
    np.testing.assert_allclose(
        theory.initial_weight(thresholds, 10_000, 3.2, 18 * MS, -2), [0.68226045, 0.46599307], rtol=1e-7
    )
    with pytest.raises(ValueError, match="d0 must be > "):
        theory.initial_weight(1.0, 1, 1.0, 1 * MS, -1.0)


def test_drift_of_the_weights():
    a, tau, f = 0.01, 20 * MS, 3.2
    w_out = theory.w_out_design(a, 23 * MS, tau)
    assert w_out == pytest.approx(0.00316637, abs=5e-9)
    assert theory.w_out_critical(1.0, f, tau) == pytest.approx(0.064)
    # without random input the drift changes sign at the end of the window, exactly
    assert theory.mean_drift(23 * MS, a, tau, w_out, f, memory=0.0) == pytest.approx(0, abs=1e-17)
    assert (
        theory.mean_drift(22 * MS, a, tau, w_out, f, memory=0.0)
        > 0
        > theory.mean_drift(24 * MS, a, tau, w_out, f, 1, 0)
    )
    # far from a pattern the drift changes sign at the critical value
    critical = theory.w_out_critical(a, f, tau)
    assert theory.mean_drift(math.inf, a, tau, critical, f) == pytest.approx(0, abs=1e-17)
    with pytest.raises(ValueError, match="share must be <= 1, got 2"):
        theory.mean_drift(0.0, a, tau, w_out, f, share=2.0)


def test_every_public_name_is_there_and_functions_win_over_files():
    import firstspike.theory.signal_to_noise  # noqa: F401

    for name in theory.__all__:
        if not name.startswith("figure"):
            assert getattr(theory, name) is not None
    assert callable(theory.snr) and callable(theory.optimum)
    with pytest.raises(AttributeError):
        theory.no_such_thing  # noqa: B018

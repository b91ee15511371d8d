"""Distribution of the potential: exact density against closed forms and Monte Carlo, approximations, moments."""

import math

import numpy as np
import pytest
from naive import theory as naive

from firstspike import theory


@pytest.mark.parametrize(
    "a, v, density, cdf",
    [
        (1, 2, 0.172285425534, 0.906030334635),
        (2.5, 4, 0.1259093954, 0.9004300309),
        (10, 15, 0.0172045382, 0.9811328614),
    ],
)
def test_published_precision(a, v, density, cdf):
    got = theory.noise_distribution(v, a)
    assert got.density == pytest.approx(density, rel=1e-9)
    assert got.cdf == pytest.approx(cdf, rel=1e-9)
    assert got.tail == pytest.approx(1 - cdf, rel=1e-8)


def test_far_tail():
    assert theory.noise_distribution(60, 40).density == pytest.approx(1.71996655e-5, rel=2e-8)
    # between an exact and an asymptotic method, where the density is 1e-117
    exact, approximate = theory.noise_distribution(50.0, 0.5), theory.noise_saddlepoint(50.0, 0.5)
    assert exact.density == pytest.approx(approximate.density, rel=5e-3)
    assert exact.tail == pytest.approx(approximate.tail, rel=5e-3)


def test_closed_form_of_the_second_unit():
    # a = 1: p = exp(-gamma) (1 - ln v) on [1, 2]
    v = np.concatenate([np.linspace(1, 2, 301), [1.00001, 1.0013, 1.9999999]])
    expected = math.exp(-np.euler_gamma) * (1 - np.log(v))
    got = theory.noise_distribution(v, 1.0)
    np.testing.assert_allclose(got.density, expected, rtol=1e-9)
    integral = math.exp(-np.euler_gamma) * (1 + 2 * (v - 1) - v * np.log(v))
    np.testing.assert_allclose(got.cdf, integral, rtol=1e-9)
    np.testing.assert_allclose(got.tail, 1 - integral, rtol=1e-8)


@pytest.mark.parametrize("a", [1.0, 2.5, 10.0, 40.0, 100.0])
def test_mass_mean_and_variance(a):
    std = math.sqrt(a / 2)
    top = a + 14 * std + 8
    # Gauss-Legendre between whole numbers, where the density is smooth
    nodes, weights = np.polynomial.legendre.leggauss(40)
    cells = np.arange(math.ceil(top))[:, None]
    v = (cells + 0.5 * (nodes + 1)).reshape(-1)
    w = np.tile(0.5 * weights, len(cells))
    p = theory.noise_distribution(v, a).density
    assert (p >= 0).all()
    assert (w * p).sum() == pytest.approx(1, abs=1e-8)
    assert (w * p * v).sum() == pytest.approx(a, rel=1e-8)
    assert (w * p * (v - a) ** 2).sum() == pytest.approx(a / 2, rel=1e-7)
    for order, centred in ((3, 3), (4, 4)):
        moment = (w * p * (v - a) ** centred).sum() - (3 * (a / 2) ** 2 if order == 4 else 0)
        assert moment == pytest.approx(theory.noise_cumulant(order, a), rel=1e-5)


@pytest.mark.parametrize("a", [0.3, 1.0, 2.5, 10.0, 40.0, 200.0])
def test_parts_agree(a):
    v = np.concatenate([[-1.0, 0.0], np.geomspace(1e-3, a + 10 * math.sqrt(a) + 5, 60)])
    got = theory.noise_distribution(v, a)
    np.testing.assert_allclose(got.cdf + got.tail, 1, atol=1e-7)
    assert (np.diff(got.cdf) >= -1e-12).all() and (np.diff(got.tail) <= 1e-12).all()
    # flux: v p = a (F(v) - F(v - 1))
    before = theory.noise_distribution(v - 1, a)
    difference = a * np.where(v > a, before.tail - got.tail, got.cdf - before.cdf)
    inside = v > 0
    np.testing.assert_allclose((v * got.density)[inside], difference[inside], rtol=2e-7)


def test_below_one_the_closed_form():
    for a in (0.3, 5.0):
        v = np.array([1e-6, 0.2, 1.0])
        expected = np.exp(-np.euler_gamma * a) * v ** (a - 1) / math.gamma(a)
        np.testing.assert_allclose(theory.noise_distribution(v, a).density, expected, rtol=1e-12)
        np.testing.assert_allclose(theory.noise_distribution(v, a).cdf, expected * v / a, rtol=1e-12)


@pytest.mark.parametrize("a, n", [(1.0, 200_000), (10.0, 50_000), (0.5, 200_000)])
def test_monte_carlo(a, n):
    samples = naive.stationary_samples(np.random.default_rng(5), a, n, memory=30)
    assert samples.mean() == pytest.approx(a, abs=4 * math.sqrt(a / 2 / n))
    variance_error = math.sqrt((1 / a * (a / 2) ** 2 + 2 * (a / 2) ** 2) / n)
    assert samples.var() == pytest.approx(a / 2, abs=4 * variance_error)
    v = np.array([0.5, 1.0, 1.5, 2.0, 5.0, 8.0, 12.0, 15.0])
    cdf = theory.noise_distribution(v, a).cdf
    measured = (samples[:, None] <= v).mean(axis=0)
    assert (np.abs(measured - cdf) < 4.5 * np.sqrt(cdf * (1 - cdf) / n) + 1e-9).all()


def test_saddlepoint():
    v, a = np.array([4, 15, 60]), np.array([2.5, 10, 40])
    got = theory.noise_saddlepoint(v, a)
    np.testing.assert_allclose(got.density, [0.1279484548, 0.01727721752, 1.721774148e-5], rtol=1e-9)
    exact = theory.noise_distribution(v, a)
    np.testing.assert_allclose(got.tail, exact.tail, rtol=2e-3)
    # through the mean, where s = 0
    near = theory.noise_saddlepoint(10 * (1 + np.array([-1e-2, -1e-3, -1e-5, -1e-9, 0, 1e-9, 1e-5, 1e-3, 1e-2])), 10.0)
    assert near.density[4] == pytest.approx(1 / math.sqrt(2 * math.pi * 5), rel=1e-14)
    for values, slope in ((near.density, -0.02), (near.tail, -0.178)):
        np.testing.assert_allclose(np.diff(values)[[3, 4]], slope * 1e-8, atol=3e-9)
        assert (np.diff(values) <= 1e-10).all()
    wild = theory.noise_saddlepoint([-1.0, 0.0, 1e-6, 1e6], 10.0)
    assert np.isfinite(np.array(wild)).all()
    np.testing.assert_array_equal(wild.tail[[0, 1, 3]], [1, 1, 0])


def test_gaussian_is_far_too_low_in_the_tail():
    gaussian, exact = theory.noise_gaussian(60.0, 40.0), theory.noise_distribution(60.0, 40.0)
    assert gaussian.tail == pytest.approx(3.872108e-6, rel=1e-6)
    assert exact.tail / gaussian.tail > 5


def test_moments():
    mean, std = theory.noise_moments(3.2, 18e-3, n_selected=np.array([100, 400]))
    np.testing.assert_allclose(mean, [5.76, 23.04])
    np.testing.assert_allclose(std, np.sqrt([2.88, 11.52]))
    weights = np.array([0.2, 0.5, 1.0])
    mean, std = theory.noise_moments(10.0, 20e-3, weights.sum(), (weights**2).sum())
    assert mean == pytest.approx(0.2 * 1.7) and std == pytest.approx(math.sqrt(0.1 * 1.29))
    for bad in ({}, {"sum_w": 1.0}, {"sum_w": 1.0, "sum_w2": 1.0, "n_selected": 3}):
        with pytest.raises(ValueError, match="must be given"):
            theory.noise_moments(1.0, 1.0, **bad)


def test_skewness_and_kurtosis():
    a = 7.0
    k2, k3, k4 = (theory.noise_cumulant(n, a) for n in (2, 3, 4))
    assert k3 / k2**1.5 == pytest.approx(2 * math.sqrt(2) / 3 / math.sqrt(a))
    assert k4 / k2**2 == pytest.approx(1 / a)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="a must be > 0, got 0"):
        theory.noise_distribution(1.0, 0.0)
    with pytest.raises(ValueError, match="a must be <= 1000, got 2000"):
        theory.noise_distribution(1.0, 2000.0)
    with pytest.raises(ValueError, match="v must be finite"):
        theory.noise_distribution(np.inf, 1.0)

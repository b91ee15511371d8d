"""Signal-to-noise ratio: published and derived numbers, invariances, limits, the map kernel, slow versions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import theory as naive

from firstspike import theory

MS = 1e-3

# (n_afferents, rate, window, tau_m, n_patterns, jitter) -> what must come out
ORACLES = {
    "no jitter": (
        (10_000, 3.2, 23 * MS, 18 * MS, 1, 0.0),
        dict(
            n_selected=709.5676318,
            v_noise_mean=40.87109559,
            v_noise_std=4.52056941,
            v_max_normalised=0.7213441519,
            v_max=426.8832013,
            snr=85.39015125,
            t_peak=23 * MS,
        ),
    ),
    "jitter": (
        (10_000, 3.2, 23 * MS, 18 * MS, 1, 3.2 * MS),
        dict(v_max_normalised=0.6838291968, v_max=406.8078645, snr=80.9492645, t_peak=21.82349314 * MS),
    ),
    "5 patterns": (
        (10_000, 3.2, 11 * MS, 8.9 * MS, 5, 3.2 * MS),
        dict(
            n_selected=1613.820167,
            v_noise_mean=45.96159835,
            v_noise_std=4.793829281,
            v_max_normalised=0.628920016,
            v_max=196.1718497,
            snr=31.33408442,
            t_peak=10.1749119 * MS,
        ),
    ),
    "40 patterns": (
        (10_000, 3.2, 3.7 * MS, 5.1 * MS, 40, 3.2 * MS),
        dict(
            n_selected=3772.436947,
            v_max_normalised=0.3666985094,
            v_max=98.83514458,
            snr=6.71724762,
            t_peak=4.55312954 * MS,
        ),
    ),
    "jitter longer than the window": (
        (2000, 10.0, 5 * MS, 10 * MS, 2, 10 * MS),
        dict(
            n_selected=190.3251639,
            v_max_normalised=0.2079237008,
            v_max=56.65994531,
            snr=12.1975171,
            t_peak=10.84152598 * MS,
        ),
    ),
    "no plateau": (
        (1000, 5.0, 20 * MS, 20 * MS, 3, 10 * MS),
        dict(
            n_selected=259.1817793,
            v_max_normalised=0.5101198744,
            v_max=63.7087877,
            snr=10.49776058,
            t_peak=19.79760251 * MS,
        ),
    ),
}

positive_values = dict(
    rate=st.floats(1e-2, 1e2), window=st.floats(1e-4, 1.0), tau=st.floats(1e-4, 1.0), jitter=st.floats(0, 0.1)
)


@pytest.mark.parametrize("case", ORACLES)
def test_oracles(case):
    arguments, expected = ORACLES[case]
    got = theory.snr(*arguments)
    for name, value in expected.items():
        assert getattr(got, name) == pytest.approx(value, rel=1e-8), name


def test_rounded_optima_of_the_2018_paper():
    patterns = np.array([1, 2, 5, 10, 20, 40])
    window = np.array([23, 17, 11, 8.1, 5.7, 3.7]) * MS
    tau = np.array([18, 13, 8.9, 6.8, 5.6, 5.1]) * MS
    got = theory.snr(10_000, 3.2, window, tau, patterns, 3.2 * MS)
    np.testing.assert_allclose(got.n_selected, [709.57, 1030.90, 1613.82, 2283.31, 3056.64, 3772.44], atol=0.005)
    np.testing.assert_allclose(got.v_max, [406.81, 295.70, 196.17, 148.27, 116.93, 98.84], atol=0.005)
    np.testing.assert_allclose(got.snr, [80.949, 54.596, 31.334, 19.779, 11.876, 6.717], atol=0.0005)


@pytest.mark.parametrize(
    "window, tau, jitter", [(23, 18, 3.2), (5, 10, 10), (20, 20, 10), (3.7, 5.1, 3.2), (1, 50, 20)]
)
def test_response_against_a_filtered_trapezoid(window, tau, jitter):
    v, t = naive.trapezoid_response(window * MS, tau * MS, jitter * MS)
    got_v, got_t = theory.response(window * MS, tau * MS, jitter * MS)
    assert got_v == pytest.approx(v, rel=1e-8)
    assert got_t == pytest.approx(t, abs=2e-6)


@pytest.mark.parametrize("n_patterns, jitter", [(1, 0.0), (3, 2 * MS), (7, 30 * MS)])
def test_ratio_against_the_definition(n_patterns, jitter):
    arguments = (500, 7.0, 12 * MS, 9 * MS, n_patterns, jitter)
    assert theory.snr(*arguments).snr == pytest.approx(naive.snr(*arguments), rel=1e-7)


def test_small_jitter_joins_the_case_without():
    # first-order terms: -(T / tau) e (1 - e) and T (2 e - 1), e = exp(-window / tau)
    at = {t: theory.snr(10_000, 3.2, 23 * MS, 18 * MS, 1, t) for t in (0.0, 1e-7)}
    assert at[1e-7].v_max_normalised - at[0.0].v_max_normalised == pytest.approx(-1.1167e-6, rel=1e-3)
    assert at[1e-7].t_peak - at[0.0].t_peak == pytest.approx(-4.4269e-8, rel=1e-3)
    for tiny in (9.9e-10, 1e-12, 1e-16, 1e-18, 1e-30, 1e-300):
        got = theory.response(23 * MS, 18 * MS, tiny)
        assert abs(got[0] - at[0.0].v_max_normalised) < 2e-8
        assert abs(got[1] - 23 * MS) < 1e-9


def test_response_loses_no_digits_in_extreme_cases():
    # both short against tau: v = window / tau (1 - (window + 2 T) / (2 tau)) to second order, whatever the jitter
    for window, jitter in ((1e-9, 1e-8), (1e-8, 1e-9), (1e-9, 0.5e-9)):
        expected = window / 1.0 * (1 - (window + 2 * jitter) / 2)
        assert theory.response(window, 1.0, jitter)[0] == pytest.approx(expected, rel=1e-14)
    # tau short against both: the height of the trapezoid
    assert theory.response(1.0, 1e-6, 2.0)[0] == pytest.approx(0.25, rel=1e-5)
    assert theory.response(3.0, 1e-6, 1.0)[0] == pytest.approx(1.0, rel=1e-5)


@given(**positive_values, n=st.integers(1, 10**6), patterns=st.integers(1, 60))
@settings(deadline=None, max_examples=60)
def test_invariances(n, rate, window, tau, jitter, patterns):
    one = theory.snr(n, rate, window, tau, patterns, jitter)
    assert np.isfinite(np.array(one)).all()
    assert 0 < one.v_max_normalised <= 1
    # square root of the number of afferents
    assert theory.snr(4 * n, rate, window, tau, patterns, jitter).snr == pytest.approx(2 * one.snr, rel=1e-12)
    # units of time
    scaled = theory.snr(n, 8 * rate, window / 8, tau / 8, patterns, jitter / 8)
    assert scaled.snr == pytest.approx(one.snr, rel=1e-12)
    free = np.sqrt(n) * theory.snr_dimensionless(rate * window, rate * tau, rate * jitter, patterns)
    assert free == pytest.approx(one.snr, rel=1e-12)
    # jitter never helps
    assert theory.snr(n, rate, window, tau, patterns, 2 * jitter).v_max_normalised <= one.v_max_normalised * (1 + 1e-12)


def test_limits_are_numbers():
    everything = theory.snr(100, 1e3, 10.0, 1e-2, 1000, [0.0, 1e-3])
    np.testing.assert_array_equal(everything.n_selected, 100.0)
    np.testing.assert_array_equal(everything.snr, 0.0)
    nothing = theory.snr(1, 1e-200, 1e-200, 1e-2)
    assert nothing.snr == 0.0
    for values in (everything, nothing):
        assert np.isfinite(np.array([np.broadcast_to(v, (2,)) for v in values])).all()
    assert np.isfinite(np.array(theory.snr(10, 1.0, 1e6, 1e-9, 1, [1e6, 1e-12])[3:])).all()


def test_arrays_broadcast():
    window, tau = np.geomspace(1, 100, 7) * MS, np.geomspace(2, 50, 5)[:, None] * MS
    got = theory.snr(10_000, 3.2, window, tau, 2, 1 * MS)
    assert all(field.shape == (5, 7) for field in got)
    assert got.snr[3, 2] == theory.snr(10_000, 3.2, window[2], tau[3, 0], 2, 1 * MS).snr
    assert isinstance(theory.snr(10, 1.0, 0.1, 0.1).snr, np.float64)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"tau_m": -0.01}, "tau_m must be > 0 s, got -0.01"),
        ({"window": [0.01, 0.0]}, "window must be > 0 s, got 0"),
        ({"rate": 0}, "rate must be > 0 Hz, got 0"),
        ({"n_afferents": 0}, "n_afferents must be a whole number >= 1, got 0"),
        ({"n_afferents": 2.5}, "n_afferents must be a whole number >= 1, got 2.5"),
        ({"n_patterns": 0}, "n_patterns must be a whole number >= 1, got 0"),
        ({"jitter": -1e-3}, "jitter must be >= 0 s, got -0.001"),
        ({"tau_m": np.nan}, "tau_m must be finite, got nan"),
    ],
)
def test_bad_arguments_are_named(change, message):
    good = dict(n_afferents=10, rate=1.0, window=0.1, tau_m=0.1, n_patterns=1, jitter=0.0)
    with pytest.raises(ValueError, match=message):
        theory.snr(**{**good, **change})


@pytest.mark.parametrize("n_patterns, jitter", [(1, 0.0), (5, 0.0), (1, 3.2 * MS), (3, 0.2), (2, 1e-18)])
def test_map_equals_formula(n_patterns, jitter):
    windows, taus = np.geomspace(1e-4, 3, 61), np.geomspace(1e-4, 3, 47)
    expected = theory.snr(10_000, 3.2, windows, taus[:, None], n_patterns, jitter).snr
    got = theory.snr_map(10_000, 3.2, windows, taus, n_patterns, jitter)
    np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-300)
    out = np.empty_like(got)
    assert theory.snr_map(10_000, 3.2, windows, taus, n_patterns, jitter, out=out) is out
    np.testing.assert_array_equal(out, got)


def test_map_checks_its_arguments():
    axis = np.array([0.01, 0.02])
    with pytest.raises(ValueError, match="taus must be > 0 s, got 0"):
        theory.snr_map(10, 1.0, axis, [0.0])
    with pytest.raises(ValueError, match="windows must have one dimension"):
        theory.snr_map(10, 1.0, axis[None], axis)
    with pytest.raises(ValueError, match="must be single numbers"):
        theory.snr_map([10, 20], 1.0, axis, axis)
    with pytest.raises(ValueError, match="out must be"):
        theory.snr_map(10, 1.0, axis, axis, out=np.empty((3, 2)))
    assert np.isfinite(theory.snr_map(10, 1e3, [1e3], [1e-3, 1e3])).all()


def test_more_than_one_spike():
    ratio, m, inside = theory.snr_min_spikes([1, 2, 3], 10_000, 10.0, 100 * MS, 50 * MS, 3.2 * MS)
    np.testing.assert_allclose(ratio, [39.65114146, 61.32752709, 55.62424196], rtol=1e-8)
    np.testing.assert_allclose(m, [6321.205588, 2642.411177, 803.0139707], rtol=1e-9)
    np.testing.assert_allclose(inside, [100_000, 63212.05588, 26424.11177], rtol=1e-9)
    # the definition itself, and agreement with the plain ratio
    v, _ = theory.response(100 * MS, 50 * MS, 3.2 * MS)
    np.testing.assert_allclose(ratio, v * (inside - 10 * m) * np.sqrt(2 * 50 * MS / (10 * m)), rtol=1e-10)
    assert ratio[0] == pytest.approx(theory.snr(10_000, 10.0, 100 * MS, 50 * MS, 1, 3.2 * MS).snr, rel=1e-13)
    assert np.isfinite(np.array(theory.snr_min_spikes([1, 200, 2000], 100, 10.0, 1.0, 0.1))).all()


def test_matched_filter_bound():
    bound = theory.matched_filter_bound(10_000, [18 * MS, 50 * MS], [3.2 * MS, 10 * MS])
    np.testing.assert_allclose(bound, [94.40919143, 93.75503056], rtol=1e-9)
    assert theory.matched_filter_bound(10_000, 18 * MS, pattern_duration=0.1) == pytest.approx(99.999, abs=1e-3)
    assert theory.matched_filter_bound(10_000, 18 * MS, 1e-9) == pytest.approx(100.0, rel=1e-7)
    series, direct = (theory.matched_filter_bound(1, 1.0, y / 2) for y in (0.00999, 0.01001))
    assert series == pytest.approx(direct, rel=1e-5) and series > direct
    # no binary detector beats it
    window = np.geomspace(1e-4, 0.1, 50)
    assert (theory.snr(10_000, 3.2, window, 18 * MS, 1, 3.2 * MS).snr < bound[0]).all()
    with pytest.raises(ValueError, match="pattern_duration must be inf"):
        theory.matched_filter_bound(10, 0.01, 0.001, pattern_duration=0.1)


@pytest.mark.parametrize("rate, tau, jitter", [(3.2, 18 * MS, 3.2 * MS), (10.0, 50 * MS, 10 * MS), (3.2, 18 * MS, 0.0)])
def test_matched_filter_bound_by_monte_carlo(rate, tau, jitter):
    rng = np.random.default_rng(3)
    values = [naive.matched_filter(10_000, rate, 12 * tau + 4 * jitter, tau, jitter, rng) for _ in range(30)]
    error = np.std(values) / np.sqrt(len(values))
    assert np.mean(values) == pytest.approx(theory.matched_filter_bound(10_000, tau, jitter), abs=4 * error)


@pytest.mark.parametrize(
    "arguments, n_draws",
    [((10_000, 3.2, 23 * MS, 18 * MS, 1, 0.0), 300), ((10_000, 3.2, 23 * MS, 18 * MS, 1, 3.2 * MS), 300)]
    + [((10_000, 3.2, 11 * MS, 8.9 * MS, 5, 3.2 * MS), 300), ((2000, 10.0, 5 * MS, 10 * MS, 2, 10 * MS), 500)]
    + [((10_000, 3.2, 3.7 * MS, 5.1 * MS, 40, 3.2 * MS), 300)],
)
def test_mean_peak_by_monte_carlo(arguments, n_draws):
    expected = theory.snr(*arguments)
    values = naive.pattern_peaks(np.random.default_rng(11), *arguments, expected.t_peak, n_draws)
    assert values.mean() == pytest.approx(expected.v_max, abs=4 * values.std() / np.sqrt(n_draws))

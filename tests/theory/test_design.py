"""The design of a detector on paper, and hits against false alarms: tables, bounds, agreement with simulation."""

import numpy as np
import pytest

from firstspike import theory
from firstspike.theory.hits_and_alarms import roc, simulated_roc, threshold_for

PATTERNS = np.array([1, 2, 5, 10, 20, 40])
WINDOW = np.array([23e-3, 17e-3, 11e-3, 8.1e-3, 5.7e-3, 3.7e-3])
TAU = np.array([18e-3, 13e-3, 8.9e-3, 6.8e-3, 5.6e-3, 5.1e-3])


def test_published_thresholds_selected_afferents_and_first_weights():
    d = theory.design(n_patterns=PATTERNS, window=WINDOW, tau_m=TAU)
    np.testing.assert_allclose(d.threshold, [369.8, 268.8, 178.3, 134.8, 106.3, 89.85], rtol=3e-4)
    np.testing.assert_allclose(d.n_selected, [709.57, 1030.90, 1613.82, 2283.31, 3056.64, 3772.44], rtol=1e-5)
    assert d.w_out_critical == pytest.approx(np.full(6, 0.0064))
    one = theory.design(window=23e-3, tau_m=18e-3, a_plus=0.01, d0=-2.0, margin=[1.1, 1.1**5])
    np.testing.assert_allclose(one.initial_weight, [0.68226045, 0.46599307], rtol=1e-8)
    np.testing.assert_allclose(one.w_out_design, 0.00316637, rtol=1e-5)
    assert d.n_w_pattern[0] == pytest.approx(3.2 * (1e4 * 23e-3 + 709.5676 * 77e-3), rel=1e-6)


def test_best_window_and_time_constant_are_the_default():
    d, best = theory.design(n_patterns=PATTERNS), theory.optimum(10_000, 3.2, PATTERNS, 3.2e-3, 0.1)
    np.testing.assert_array_equal(d.tau_m, best.tau_m)
    np.testing.assert_allclose(d.snr, [80.95071115, 54.59879039, 31.33553275, 19.77909386, 11.87632346, 6.71724771])


def test_room_for_w_out_is_where_the_mean_drift_says():
    """At `w_out_keep` the drift of the window's first afferent vanishes; more patterns leave less room."""
    d = theory.design(n_patterns=PATTERNS)
    memory = np.exp(-d.window / 20e-3)
    drift = theory.mean_drift(d.window, 0.1, 20e-3, d.w_out_keep, 3.2, share=1 / PATTERNS, memory=memory)
    np.testing.assert_allclose(drift, 0, atol=1e-15)
    assert np.all(np.diff(d.w_out_keep / d.w_out_critical) < 0) and np.all(d.w_out_keep > d.w_out)
    assert d.w_out == pytest.approx(np.full(6, 1.03 * 0.0064))
    # too long a window for so many patterns: no room is left, its first afferents are lost
    crowded = theory.design(n_patterns=200, window=20e-3, tau_m=10e-3)
    assert crowded.w_out == crowded.w_out_keep < crowded.w_out_critical


def test_errors_name_the_parameter():
    for settings, text in (
        (dict(margin=0), "margin must be > 0"),
        (dict(jitter=0), "jitter must be > 0 s, got 0"),
        (dict(tau_m=0.01), "together"),
        (dict(n_patterns=0), "n_patterns must be a whole number"),
        (dict(d0=-1e3), "d0 must be >"),
    ):
        with pytest.raises(ValueError, match=text):
            theory.design(**settings)


def test_roc_is_made_of_exact_parts():
    r = roc([60.0, 500.0], 10_000, 3.2, 3.7e-3, 5.1e-3, 40, 3.2e-3)
    m = theory.selected(10_000, 3.2, 3.7e-3, 40)
    assert r.firing[0] == theory.firing_rate(60.0, m, 3.2, 5.1e-3)
    assert r.crossings[0] == theory.false_alarm_rate(60.0, m, 3.2, 5.1e-3)
    assert r.firing[1] == 0 and r.hit[1] == 0 and r.crossings[1] < 1e-15
    at = threshold_for(0.01, 10_000, 3.2, 3.7e-3, 5.1e-3, 40, 3.2e-3)
    assert theory.false_alarm_rate(at, m, 3.2, 5.1e-3) == pytest.approx(0.01, rel=1e-9)


@pytest.mark.parametrize("jitter", [0.0, 3.2e-3])
def test_theory_agrees_with_the_simulation(jitter):
    model = 2000, 4.0, 5e-3, 6e-3, 10, jitter
    known = theory.snr(*model)
    threshold = known.v_noise_mean + np.array([1.0, 3.0, 3.5, 0.5 * known.snr, known.snr]) * known.v_noise_std
    threshold = np.sort(threshold)
    t, s = roc(threshold, *model), simulated_roc(threshold, *model, n_presentations=400, n_spikes=600_000, seed=2)
    np.testing.assert_array_equal(s.threshold, threshold)
    np.testing.assert_allclose(s.hit_at_peak, t.hit_random, atol=4 * 0.5 / 20)
    assert np.all(s.hit >= s.hit_at_peak) and s.hit[0] > 0.99
    for found, exact in ((s.crossings, t.crossings), (s.firing, t.firing)):
        expected = exact * s.duration
        often = expected > 50
        assert often.sum() >= 2
        # crossings come in clusters: their number scatters by the cluster's size more than a Poisson number
        scatter = np.sqrt(expected * 3 * t.crossings / np.maximum(t.firing, 1e-300))
        assert np.all(np.abs(found * s.duration - expected)[often] < 4 * scatter[often])
    few = [simulated_roc(threshold, *model, n_presentations=20, n_spikes=1000).hit for _ in range(2)]
    np.testing.assert_array_equal(*few)

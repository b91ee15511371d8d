"""The coincidence experiment: published behaviour in bands, controls, determinism, the clock-driven twin."""

from dataclasses import replace

import numpy as np
import pytest
from naive import probe as naive

import firstspike
from firstspike.runtime import params as parameters
from firstspike.runtime.results import open_result
from firstspike.sims import coincidence
from firstspike.sims.experiments import parameters_of
from firstspike.theory.stdp_drift import initial_weight

SMALL = dict(n_afferents=500, rate=8.0, n_periods=8, n_recorded=4, probe_duration=50.0, probe_presentations=3)


def small(seed=0, seeds=2, **settings):
    return firstspike.run("coincidence", "masquelier2017", seed=seed, seeds=seeds, **{**SMALL, **settings})


def selective_mean(result, name, neuron):
    picked = result["selective"][:, neuron] == 1
    return result[name][picked, neuron].mean()


@pytest.fixture(scope="module")
def twelve():
    """Twelve seeds of the published one-pattern experiment, both example neurons."""
    return firstspike.run("coincidence", "masquelier2017", seeds=12, threads=0, v_periods=0)


@pytest.mark.slow
def test_published_neuron_with_two_spikes_per_pattern(twelve):
    assert twelve["selective"][:, 1].sum() >= 9
    assert 520 <= selective_mean(twelve, "n_w", 1) <= 770
    spikes = selective_mean(twelve, "hit", 1) / twelve["n_presentations"].sum()
    assert 1.5 <= spikes <= 2.3
    assert abs(selective_mean(twelve, "snr_empirical", 1) - 81) <= 4


@pytest.mark.slow
def test_published_neuron_with_one_spike_per_pattern(twelve):
    assert 2 <= twelve["selective"][:, 0].sum() <= 11
    assert 620 <= selective_mean(twelve, "n_w", 0) <= 700
    spikes = selective_mean(twelve, "hit", 0) / twelve["n_presentations"].sum()
    assert 0.97 <= spikes <= 1.01


@pytest.mark.slow
def test_false_alarms_are_rare_and_the_probe_obeys_campbell(twelve):
    assert np.all((twelve["false_alarm"] > 0).sum(axis=0) <= 3)
    p = coincidence.PRESETS["masquelier2017"]
    w = twelve["weights"].astype(float)
    assert w.min() >= 0 and w.max() <= 1
    np.testing.assert_allclose(twelve["v_noise_mean"], p.tau_m * p.rate * w.sum(axis=2), rtol=0.01)
    np.testing.assert_allclose(twelve["v_noise_std"], np.sqrt(p.tau_m * p.rate * (w**2).sum(axis=2) / 2), rtol=0.03)


@pytest.mark.slow
def test_peak_of_the_response_is_that_of_the_frozen_pattern(twelve):
    p = coincidence.PRESETS["masquelier2017"]
    gaps = []
    for run, neuron in np.ndindex(4, 2):
        mine = twelve["pattern_spike_run"] == run
        times, units = twelve["pattern_spike_time"][mine], twelve["pattern_spike_unit"][mine]
        weights = twelve["weights"][run, neuron].astype(float)
        at = np.arange(0.0, p.pattern_duration, 2e-4)
        exact = naive.mean_response(times, units, weights, p.rate, p.tau_m, p.jitter, at).max()
        gaps.append(twelve["v_max"][run, neuron, 0] - exact)
    # standard error sqrt(24 / 100) at most, and the upward bias of the maximum of a mean
    assert np.all(np.abs(gaps) < 4 * 0.49) and -0.4 < np.mean(gaps) < 0.8


@pytest.mark.slow
def test_nothing_is_learned_from_patterns_that_never_return():
    r = firstspike.run(
        "coincidence", "masquelier2017", seeds=12, threads=0, fresh_pattern=True, probe_duration=0, v_periods=0
    )
    assert r["selective"].sum() == 0 and r["learned"].sum() == 0
    per_neuron = np.bincount(r["spike_run"] * 2 + r["spike_neuron"], minlength=24)
    assert np.all((per_neuron >= 30) & (per_neuron <= 110)), per_neuron  # dies away: 40 to 85 were published
    assert np.all(r["conv"] > 0.3)  # weights stay near one common value


@pytest.mark.slow
def test_clock_driven_twin_agrees():
    settings = dict(seeds=6, threads=0, probe_duration=0.0, v_periods=0)
    exact = firstspike.run("coincidence", "masquelier2017", **settings)
    clock = firstspike.run("coincidence", "masquelier2017", clock_step=1e-4, **settings)
    for neuron in (0, 1):
        both = (exact["selective"][:, neuron] == 1) & (clock["selective"][:, neuron] == 1)
        if both.sum() >= 2:
            a, b = exact["n_w"][both, neuron].mean(), clock["n_w"][both, neuron].mean()
            assert abs(a / b - 1) < 0.05
    assert (exact["selective"][:, 1] == 1).sum() >= 4 and (clock["selective"][:, 1] == 1).sum() >= 4


@pytest.mark.parametrize("clock_step", [0.0, 1e-3])
def test_same_bits_however_periods_are_put_together(clock_step, monkeypatch):
    """Also the period that a spike is filed under: the twin's spikes may lie on the edge of one."""
    names = ("spike_time", "spike_period", "hit", "false_alarm", "weights")
    settings = dict(seeds=1, clock_step=clock_step, n_periods=40, n_recorded=20, threshold=(0.3,), w_out=(0.2,))
    apart = small(history_every=1, **settings)
    together = small(history_every=40, **settings)
    assert apart["spike_time"].size > 200
    for name in names:
        np.testing.assert_array_equal(apart[name], together[name], err_msg=name)
    monkeypatch.setattr("firstspike.sims.measures.coincidence.MOST_PERIODS", 1)
    assert small(history_every=40, **settings).content_sha256 == together.content_sha256


def test_same_bits_for_any_number_of_threads(monkeypatch):
    one = small(seeds=3)
    assert small(seeds=3).content_sha256 == one.content_sha256
    assert small(seed=5, seeds=3).content_sha256 != one.content_sha256
    monkeypatch.setattr("firstspike.plasticity.events.engine._SERIAL", 0.0)  # use threads however small the work
    monkeypatch.setattr("firstspike.runtime.run.usable_cores", lambda: 4)
    for threads in (2, 4):
        assert small(seeds=3, threads=threads).content_sha256 == one.content_sha256
    grid = dict(seeds=1, threshold=(0.8, 0.6, 0.5), w_out=(1.0, 0.5, 2.0), layout="grid", v_periods=0)
    assert small(**grid).content_sha256 == small(**grid, threads=4).content_sha256


def test_a_seed_is_the_same_alone_and_among_others():
    many, alone = small(seeds=3), small(seed=1, seeds=1)
    for name in ("weights", "v", "v_max", "v_noise_std", "n_w_history"):
        axis = many.arrays[name].dims.index("seed")
        np.testing.assert_array_equal(np.take(many[name], [1], axis), alone[name], err_msg=name)
    np.testing.assert_array_equal(many["spike_time"][many["spike_run"] == 1], alone["spike_time"])


def test_grid_is_the_pairs_one_by_one():
    grid = small(seeds=1, threshold=(0.8, 0.5), w_out=(1.0, 0.5, 2.0), layout="grid", v_periods=0)
    pairs = small(seeds=1, threshold=(0.8, 0.8, 0.8, 0.5, 0.5, 0.5), w_out=(1.0, 0.5, 2.0) * 2, v_periods=0)
    for name in ("threshold", "w_out", "weights", "spike_time", "hit"):
        np.testing.assert_array_equal(grid[name], pairs[name], err_msg=name)


@pytest.mark.parametrize("rule", ["additive", "soft_bound"])
def test_no_learning_leaves_the_weights_alone(rule):
    r = small(a_plus=0.0, w_out=(0.0,), w_out_in="weight", rule=rule)
    p = parameters_of(r)
    start = initial_weight(r["threshold"], p.n_afferents, p.rate, p.tau_m, p.start_distance)
    assert r["spike_time"].size > 0
    np.testing.assert_array_equal(
        r["weights"], np.broadcast_to(start[None, :, None], r["weights"].shape).astype(np.float32)
    )


def test_without_input_nothing_happens():
    r = small(rate=1e-9, start_distance=0.0)
    assert r["spike_time"].size == 0 and np.all(r["silent"] == 1) and np.all(r["hit"] == 0)
    assert np.all(np.isposinf(r["latency"])) and np.all(r["v"] == 0)
    for name in ("n_w", "conv", "miss", "false_alarm", "v_noise_mean", "hit_history", "miss_history"):
        assert np.isfinite(r[name]).all(), name


def test_result_file_speaks_for_itself(tmp_path):
    r = small(n_patterns=2, weights_every=4)
    r.save(tmp_path / "a.h5")
    back = open_result(tmp_path / "a.h5")
    assert back.content_sha256 == r.content_sha256
    for name, array in back.arrays.items():
        assert array.units and array.long_name, name
    np.testing.assert_array_equal(back["weights_history"][-1], back["weights"])
    assert back["n_presentations"].tolist() == [2, 2]
    recorded = back["spike_period"] >= 4
    per_cell = np.bincount((back["spike_run"] * 2 + back["spike_neuron"])[recorded], minlength=4).reshape(2, 2)
    np.testing.assert_array_equal(per_cell, back["n_spikes"])
    np.testing.assert_array_equal(np.floor(back["spike_time"] / 0.4), back["spike_period"])


def test_recorded_potential_is_below_threshold_and_resets_at_spikes():
    r = small(v_periods=2)
    assert r["v"].shape == (3, 2, 2, 8000) and r["v_start"].tolist() == pytest.approx([0.0, 1.6, 2.4])
    assert np.all(r["v"] < r["threshold"][None, None, :, None])
    assert np.all(r["v"].reshape(3, 2, 2, 2, 4000).max(axis=-1) > 0)  # every period of every window
    spike = r["spike_time"][(r["spike_run"] == 0) & (r["spike_neuron"] == 0) & (r["spike_time"] < 0.75)]
    assert spike.size
    after = r["v"][0, 0, 0][np.searchsorted(r["v_time"], spike)]
    assert np.all(after < 0.2 * r["threshold"][0])


@pytest.mark.parametrize("preset", list(coincidence.PRESETS))
def test_presets_are_whole(preset):
    p = parameters.check(coincidence.PRESETS[preset])
    theta, w_out = coincidence.points(p)
    assert theta.shape == w_out.shape and np.all(theta > 0) and coincidence.memory(p, 2) > 0
    expected = coincidence.expected(p)
    assert bool(expected) != preset.endswith("grid") and all(np.isfinite(v) for v in expected.values())


def test_published_parameters():
    theta, w_out = coincidence.points(coincidence.PRESETS["masquelier2017"])
    np.testing.assert_allclose(theta, [369.82533135, 252.59567745], rtol=1e-9)
    np.testing.assert_allclose(w_out, [0.0034830, 0.0016248], rtol=1e-4)
    grid = coincidence.points(coincidence.PRESETS["masquelier2017_grid"])
    assert grid[0].size == 153 and np.any(np.isclose(grid[0], theta[0]) & np.isclose(grid[1], w_out[0]))
    assert coincidence.expected(coincidence.PRESETS["masquelier2017"])["selective.neuron1"] == 0.95
    assert coincidence.expected(coincidence.PRESETS["masquelier2018"])["learned"] == 5
    assert "learned" not in coincidence.expected(replace(coincidence.PRESETS["masquelier2018"], jitter=0.0))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (dict(period=0.1), "period must be >="),
        (dict(window=0.2), "window must be <="),
        (dict(n_recorded=100), "n_recorded must be <="),
        (dict(start_distance=-1e3), "start_distance must be >"),
        (dict(threshold=(1.0, 2.0, 3.0)), "equally many"),
        (dict(tau_m=-0.01), "tau_m must be > 0 s, got -0.01"),
        (dict(rule="hebb"), "rule must be one of"),
    ],
)
def test_wrong_parameters_name_themselves(settings, text):
    with pytest.raises(ValueError, match=text):
        small(**settings)


GRID = dict(layout="grid", threshold=(1.0, 0.5), w_out=(1.0, 2.0, 0.5), v_periods=0)


@pytest.mark.parametrize(("name", "settings"), [("s1", {}), ("s2", GRID), ("s3", dict(n_patterns=2)), ("s4", GRID)])
def test_figures_draw(name, settings, tmp_path):
    r = small(**settings)
    for chosen in (None, name):
        coincidence.figure(r, chosen).savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000
    with pytest.raises(ValueError, match="name must be one of"):
        coincidence.figure(r, "s9")


def test_summary_has_the_keys_of_the_expectation():
    for settings in ({}, dict(threshold=(0.9,), w_out=(1.0,))):
        r = small(**settings)
        found = coincidence.summary(r)
        flat = {f"{k}.{s}" if s else k for k, v in found.items() for s in (v if isinstance(v, dict) else [""])}
        p = parameters.update(coincidence.PRESETS["masquelier2017"], {**SMALL, **settings})
        assert set(coincidence.expected(p)) <= flat

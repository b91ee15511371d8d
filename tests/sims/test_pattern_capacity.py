"""Many patterns in one neuron: the experiment over P is the coincidence experiment of each P, in one file."""

import numpy as np
import pytest

import firstspike
from firstspike.runtime import params as parameters
from firstspike.runtime.results import open_result
from firstspike.runtime.run import Interrupted, Run
from firstspike.sims import coincidence, pattern_capacity
from firstspike.sims.experiments import parameters_of

SMALL = dict(n_patterns=(1, 3), w_out=(0.9, 1.1), n_afferents=500, rate=8.0, n_periods=12, n_shown=4,
             probe_duration=50.0, probe_presentations=3)  # fmt: skip


@pytest.fixture(scope="module")
def small():
    return firstspike.run("pattern-capacity", seeds=2, **SMALL)


def test_each_number_of_patterns_is_its_own_coincidence_experiment(small):
    three = pattern_capacity.experiment(parameters_of(small), 3)
    alone = firstspike.run("coincidence", seeds=2, **parameters.as_dict(three))
    theta, w_out = coincidence.points(three)
    d = firstspike.theory.design(500, 8.0, 3)
    np.testing.assert_allclose(theta, d.threshold)
    np.testing.assert_allclose(w_out, d.w_out_critical * np.array([0.9, 1.1]))
    assert alone["spike_time"].size > 0
    np.testing.assert_array_equal(small["n_w"][:, 1, 0], alone["n_w"])
    np.testing.assert_array_equal(small["learned_pattern"][:, 1, 0], alone["learned"])
    np.testing.assert_array_equal(small["miss"][:, 1, 0], alone["miss"].sum(axis=2) / 12)
    np.testing.assert_array_equal(small["false_alarm"][:, 1, 0], alone["false_alarm"] / 12)
    ratio = np.where(alone["learned"] == 1, alone["snr_empirical"], np.nan)
    np.testing.assert_allclose(small["snr"][:, 1, 0], np.nanmean(ratio, axis=2))


def test_table_takes_the_best_point(small):
    score = small["learned"] / [[[1]], [[3]]] - small["miss"] - small["false_alarm"]
    mean = score.mean(axis=0)[:, 0]
    np.testing.assert_array_equal(small["best_w_out"], mean.argmax(axis=1))
    rows = pattern_capacity.table(small)
    assert [row["n_patterns"] for row in rows] == [1, 3]
    k = small["best_w_out"][1]
    assert rows[1]["w_out"] == pytest.approx(SMALL["w_out"][k] * 8.0 * 20e-3)
    assert rows[1]["learned"] == small["learned"][:, 1, 0, k].mean()
    assert rows[1]["n_w_error"] == pytest.approx(small["n_w"][:, 1, 0, k].mean() / small["theory_n_selected"][1] - 1)
    found = {f"{name}.{p}" for name, row in pattern_capacity.summary(small).items() for p in row}
    assert set(pattern_capacity.expected(parameters_of(small))) <= found
    full = pattern_capacity.expected(pattern_capacity.PRESETS["masquelier2018"])
    assert full["learned.p20"] == 20 and full["snr.p40"] == pytest.approx(6.71724771)


def test_stopped_and_continued_gives_the_same_bits(small, tmp_path, monkeypatch):
    plain, seen = Run.tick, []

    def stop(self, snapshot, done, note=""):
        seen.append(done)
        self._signal = 2 if len(seen) in stops else 0
        plain(self, snapshot, done, note)

    monkeypatch.setattr(Run, "tick", stop)
    call = dict(SMALL, seeds=2, out=tmp_path / "a.h5")
    stops = (2, 8, 10)
    for _ in stops:
        with pytest.raises(Interrupted):
            firstspike.run("pattern-capacity", resume=True, **call)
    whole = firstspike.run("pattern-capacity", resume=True, **call)
    assert max(seen) == 1.0 and whole.content_sha256 == small.content_sha256
    assert open_result(tmp_path / "a.h5")["learned"].shape == (2, 2, 1, 2)


def test_figure_and_errors(small, tmp_path):
    pattern_capacity.figure(small).savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 20_000
    for settings, text in (
        (dict(n_periods=11), "n_periods must be >= n_shown"),
        (dict(jitter=0.0), "jitter must be > 0"),
    ):
        with pytest.raises(ValueError, match=text):
            firstspike.run("pattern-capacity", **(SMALL | settings))
    with pytest.raises(ValueError, match="name must be one of"):
        pattern_capacity.figure(small, "s1")

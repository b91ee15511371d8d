"""The founding experiment: the pattern is found; bits, resumption, measures, errors, figures."""

import signal
from dataclasses import replace

import numpy as np
import pytest
from naive import slots as naive

import firstspike
from firstspike.runtime import params as parameters
from firstspike.runtime.results import open_result
from firstspike.runtime.run import Interrupted, Run
from firstspike.sims import founding
from firstspike.sims.measures.slots import finding, slot_measures

SMALL = dict(n_afferents=200, n_involved=100, duration=3.0, replays=2, v_duration=0.1)


def small(seed=0, seeds=1, **settings):
    return firstspike.run("founding", "masquelier2008", seed=seed, seeds=seeds, **{**SMALL, **settings})


@pytest.fixture(scope="module")
def found():
    """Two seeds at full size, 25 s of input twice: enough to find the pattern."""
    return firstspike.run("founding", "masquelier2008", seeds=2, duration=25.0, replays=2, v_duration=0.2)


def test_the_pattern_is_found(found):
    assert found["success"][0, 0] == 1 and found["false_alarm"].max() == 0
    assert np.all(found["hit"][:, 0, 0] / found["presentations"][:, 0] > 0.7)  # a few more minutes bring the rest
    assert np.all((found["found_time"] > 6) & (found["found_time"] < 18))
    assert np.all((found["found_discharges"] > 300) & (found["found_discharges"] < 900))
    assert np.all((found["rate_first"] > 50) & (found["rate_first"] < 70)) and np.all(found["rate_last"] < 8)
    latency = found["latency"][:, 0, 0]
    assert np.all((latency > 3e-3) & (latency < 10e-3))
    assert np.all((found["n_involved"] > 200) & (found["n_involved"] < 450))
    said = founding.summary(found)
    assert said["success"] > 0 and said["false_alarm"] == 0 and said["hit"] > 0.98
    assert set(founding.expected(founding.PRESETS["quick"])) <= set(said)


def test_a_pattern_that_never_returns_is_not_found():
    r = firstspike.run("founding", "masquelier2008", duration=25.0, replays=2, v_duration=0, fresh=True)
    share = r["presentations"][0, 0] / r["shown"].shape[1]
    spikes = r["n_spikes"][0, 0]
    assert not r["success"].any() and r["pattern_spike_time"].size == 0
    if spikes > 20:  # what it fires, it fires anywhere
        assert 1 - r["false_alarm"][0, 0] / spikes < share + 4 * np.sqrt(share / spikes)


def test_result_file_speaks_for_itself(found, tmp_path):
    found.save(tmp_path / "a.h5")
    back = open_result(tmp_path / "a.h5")
    assert back.content_sha256 == found.content_sha256
    for name, array in back.arrays.items():
        assert array.units and array.long_name, name
    counts = back["weight_histogram_history"][:, 0, -1].sum(axis=-1)
    assert counts.tolist() == [[1000, 1000], [1000, 1000]]
    np.testing.assert_array_equal(
        (back["weights"] > 0.5).sum(axis=2)[:, 0], (back["n_involved"][..., 0] + back["n_uninvolved"])[:, 0]
    )
    assert back["v"].shape == (2, 1, 1000) and back["v_start"].tolist() == [0.0, 49.0]
    # recorded potentials and output spikes belong together
    mine = back["spike_time"][(back["spike_run"] == 0) & (back["spike_time"] < 0.2)]
    above = back["v"][0, 0] > 500
    rises = back["v_time"][1:][above[1:] & ~above[:-1]]
    assert mine.size == rises.size > 5 and np.all((rises - mine >= 0) & (rises - mine < 2e-4))


def test_measures_equal_the_plain_ones(found):
    p, shown = founding.PRESETS["masquelier2008"], found["shown"]
    n = shown.shape[1]
    for r in range(2):
        spikes = found["spike_time"][found["spike_run"] == r]
        hits, shows, latency, false = naive.measures(spikes.tolist(), shown[r].tolist(), p.slot, n, 2 * n, 1)
        assert found["hit"][r, 0].tolist() == hits and found["presentations"][r].tolist() == shows
        assert found["false_alarm"][r, 0] == false and found["latency"][r, 0, 0] == pytest.approx(latency[0], abs=1e-9)
    run, cell, time = np.array([0, 0, 0, 1]), np.array([0, 1, 0, 1]), np.array([0.01, 0.06, 0.02, 0.11])
    labels = np.array([[0, -1, 1], [0, -1, 1]])
    got = slot_measures(run, cell, time, labels, 0.05, (2, 2, 2), 0, 3)
    assert got.hit.tolist() == [[[1, 0], [0, 0]], [[0, 0], [0, 1]]] and got.false_alarm.tolist() == [[0, 1], [0, 0]]
    assert got.covered.tolist() == [[1, 0], [0, 1]] and got.latency[0, 0, 0] == pytest.approx(0.01)
    assert np.isinf(got.latency[1, 0]).all()
    last, n_until = finding(run, cell, time, labels, 0.05, (2, 2))
    assert last.tolist() == [[0, 0.06], [0, 0]] and n_until.tolist() == [[0, 1], [0, 0]]


def test_same_bits_alone_among_others_and_with_threads(monkeypatch):
    many = small(seeds=3)
    monkeypatch.setattr("firstspike.runtime.run.usable_cores", lambda: 2)
    assert small(seeds=3, threads=2).content_sha256 == many.content_sha256
    alone = small(seed=1)
    np.testing.assert_array_equal(many["spike_time"][many["spike_run"] == 1], alone["spike_time"])
    np.testing.assert_array_equal(many["weights"][1], alone["weights"][0])
    points = small(seed=1, start_weight=(0.3, 0.475), threshold=(0.5,))
    # Neurons do not see each other; the intervals that their spikes cut are other ones, so rounding differs.
    np.testing.assert_allclose(points["weights"][0, 1], alone["weights"][0, 0], atol=1e-4)


def test_a_run_stopped_at_any_tick_goes_on_with_the_same_bits(tmp_path, monkeypatch):
    whole, before = small(seeds=2), Run.tick
    for number in (1, 3, 5, 6, 7, 11, 12):
        out, count = tmp_path / f"{number}.h5", [0]

        def tick(self, *args, count=count, number=number):
            count[0] += 1
            if count[0] == number:
                self._signal = signal.SIGINT
            return before(self, *args)

        with monkeypatch.context() as patch, pytest.raises(Interrupted):
            patch.setattr(Run, "tick", tick)
            small(seeds=2, out=out, checkpoint_every=0)
        assert small(seeds=2, out=out, resume=True).content_sha256 == whole.content_sha256, number


def test_ways_to_change_it(tmp_path):
    clock = small(clock_step=1e-3)
    assert clock["spike_time"].size > 0 and np.allclose(
        clock["spike_time"] * 1e3 % 1, np.round(clock["spike_time"] * 1e3 % 1)
    )
    rule = tmp_path / "grow.py"
    rule.write_text(
        "from dataclasses import dataclass\n\n@dataclass\nclass Grow:\n    tau_plus: float = 0.02\n"
        "    pairing = 'reduced'\n\n"
        "    @staticmethod\n    def on_post(w, pre_trace, p):\n        return min(1.0, w + 0.01 * pre_trace)\n"
    )
    grown = small(rule=str(rule))
    assert grown["weights"].min() >= 0.475 - 1e-6 and grown["weights"].max() > 0.6
    assert grown.parameters["inputs"]["rule"]


@pytest.mark.parametrize("preset", list(founding.PRESETS))
def test_presets_are_whole(preset):
    p = parameters.check(founding.PRESETS[preset])
    assert founding.memory(p, 2) > 0
    assert bool(founding.expected(p)) == (preset in ("quick", "masquelier2008"))
    assert not founding.expected(replace(p, jitter=0.0))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (dict(n_involved=300), "n_involved must lie in"),
        (dict(tau_s=0.02), "tau_s must be < tau_m"),
        (dict(clock_step=3e-4), "clock_step must divide slot"),
        (dict(threshold=(0.5, 0.6), start_weight=(0.1, 0.2, 0.3)), "equally many"),
        (dict(rule="hebb"), "rule must be one of"),
        (dict(share=0.7), "share must be > 0"),
        (dict(refractory=1e-4), "refractory must be longer"),
    ],
)
def test_wrong_parameters_name_themselves(settings, text):
    with pytest.raises(ValueError, match=text):
        small(**settings)


def test_figures_draw(found, tmp_path):
    for name in (None, *founding.FIGURES):
        founding.figure(found, name).savefig(tmp_path / "a.png")
        assert (tmp_path / "a.png").stat().st_size > 10_000
    none = small(v_duration=0, threshold=(100.0,))  # a neuron that never fires
    assert none["spike_time"].size == 0 and np.isinf(none["latency"]).all()
    for name in founding.FIGURES:
        founding.figure(none, name).savefig(tmp_path / "a.png")
    with pytest.raises(ValueError, match="name must be one of"):
        founding.figure(found, "s9")

"""The user's spikes and rules in the experiment: the same bits as the built-in way where both say the same."""

import subprocess
import sys

import numpy as np
import pytest

import firstspike
from firstspike.datasets.patterns import TICK, PatternInput, fill_period, frozen_patterns

SMALL = dict(n_afferents=200, rate=10.0, n_periods=30, n_recorded=10, threshold=(0.9,), w_out=(1.1,))
SAME = ("weights", "spike_time", "n_w", "hit", "v")


def synthetic(seed):
    source = PatternInput(n_afferents=200, rate=10.0)
    patterns = frozen_patterns((seed,), source)
    parts = [fill_period((seed,), source, patterns, k) for k in range(30)]
    time = np.concatenate([t[0, : n[0]] for t, _, n in parts])
    return time, np.concatenate([u[0, : n[0]] for _, u, n in parts])


def test_own_spikes_equal_the_synthetic_ones_they_are_a_copy_of(tmp_path):
    time, unit = synthetic(3)
    np.savez(tmp_path / "s.npz", time=time, unit=unit)
    built_in = firstspike.run("coincidence", seed=3, **SMALL)
    own = firstspike.run("coincidence", seed=3, seeds=2, spikes=str(tmp_path / "s.npz"), **SMALL)
    assert built_in["spike_time"].size > 20
    first = own["spike_run"] == 0
    np.testing.assert_array_equal(own["spike_time"][first], built_in["spike_time"])
    np.testing.assert_array_equal(own["weights"][0], built_in["weights"][0])
    np.testing.assert_array_equal(own["weights"][1], built_in["weights"][0])  # one input for all seeds
    assert "snr_empirical" not in own and own["pattern_spike_time"].size == 0
    assert firstspike.sims.coincidence.figure(own) is not None


def test_a_pattern_from_a_file_equals_the_synthetic_one_it_is_a_copy_of(tmp_path):
    source = PatternInput(n_afferents=200, rate=10.0)
    ticks, units, counts = (a[0, 0] for a in frozen_patterns((3,), source))
    file = tmp_path / "p.npz"
    np.savez(file, time_ms=ticks[:counts] * TICK * 1e3, unit=units[:counts])
    settings = SMALL | dict(threshold=(25.0,), threshold_in="weight", probe_duration=100.0, probe_presentations=20)
    built_in = firstspike.run("coincidence", seed=3, **settings)
    own = firstspike.run("coincidence", seed=3, pattern=str(file), **settings)
    assert built_in["spike_time"].size > 20
    for name in (*SAME, "snr_empirical", "pattern_spike_time", "v_max"):
        np.testing.assert_array_equal(own[name], built_in[name], err_msg=name)
    assert own["best_snr"] == own["pattern_snr"].max() > 5 and own["best_n_selected"] < 200
    assert own["theory_snr"] != built_in["theory_snr"] and own["theory_snr"] < 1.05 * own["best_snr"]
    figure = firstspike.sims.coincidence.figure(own)
    figure.savefig(tmp_path / "a.png")
    assert len(figure.axes) >= 6 and firstspike.sims.coincidence.summary(own)["best_snr"] == own["best_snr"]
    assert "pattern" in own.parameters["inputs"]
    for wrong, text in (
        (dict(n_afferents=150), "n_afferents must be > 199"),
        (dict(pattern_duration=0.05), "pattern_duration must be >"),
        (dict(n_patterns=2), "n_patterns = 1"),
        (dict(spikes=str(file)), "without spikes"),
    ):
        with pytest.raises(ValueError, match=text):
            firstspike.run("coincidence", pattern=str(file), **(settings | wrong))


def test_own_spikes_are_checked_against_the_parameters(tmp_path):
    time, unit = synthetic(3)
    np.savez(tmp_path / "s.npz", time=time, unit=unit)
    path = str(tmp_path / "s.npz")
    with pytest.raises(ValueError, match="n_afferents must be > 199"):
        firstspike.run("coincidence", spikes=path, **(SMALL | {"n_afferents": 150}))
    with pytest.raises(ValueError, match="n_periods must be <= 30"):
        firstspike.run("coincidence", spikes=path, **(SMALL | {"n_periods": 31}))
    with pytest.raises(ValueError, match="fresh_pattern"):
        firstspike.run("coincidence", spikes=path, fresh_pattern=True, **SMALL)


def test_a_copy_of_a_rule_in_a_file_gives_its_bits(tmp_path):
    file = tmp_path / "copy.py"
    file.write_text(
        "from dataclasses import dataclass\n\n@dataclass\nclass Copy:\n"
        "    a_plus: float = 0.0\n    w_out: float = 0.0\n    tau_plus: float = 1.0\n\n"
        "    @staticmethod\n    def on_post(w, pre_trace, p):\n"
        "        w = min(1.0, w + p.a_plus * pre_trace)\n        return max(0.0, w - p.w_out)\n"
    )
    built_in = firstspike.run("coincidence", seed=1, **SMALL)
    own = firstspike.run("coincidence", seed=1, rule=str(file), **SMALL)
    for name in SAME:
        np.testing.assert_array_equal(own[name], built_in[name])
    file.write_text(file.read_text().replace("w - p.w_out", "w - 0.5 * p.w_out"))
    other = firstspike.run("coincidence", seed=1, rule=str(file), **SMALL)
    assert (other["weights"] != own["weights"]).any()


def test_changed_spikes_or_rules_are_not_resumed(tmp_path, monkeypatch):
    from firstspike.runtime.results import ResultError
    from firstspike.runtime.run import Interrupted, Run

    time, unit = synthetic(3)
    spikes, rule, out = tmp_path / "s.npz", tmp_path / "rule.py", tmp_path / "a.h5"
    np.savez(spikes, time=time, unit=unit)
    rule.write_text(RULE)
    call = dict(SMALL, spikes=str(spikes), rule=str(rule), out=out)

    def stop(self, snapshot, done, note=""):
        self._signal = 2
        plain(self, snapshot, done, note)

    plain = Run.tick
    with monkeypatch.context() as patch:
        patch.setattr(Run, "tick", stop)
        with pytest.raises(Interrupted):
            firstspike.run("coincidence", **call)
    rule.write_text(RULE.replace("0.01", "0.02"))
    with pytest.raises(ResultError, match="parameter inputs"):
        firstspike.run("coincidence", resume=True, **call)
    rule.write_text(RULE)
    np.savez(spikes, time=time + 1e-4, unit=unit)
    with pytest.raises(ResultError, match="parameter inputs"):
        firstspike.run("coincidence", resume=True, **call)
    np.savez(spikes, time=time, unit=unit)
    whole = firstspike.run("coincidence", **(call | {"out": None}))
    assert firstspike.run("coincidence", resume=True, **call).content_sha256 == whole.content_sha256


RULE = """from dataclasses import dataclass

@dataclass
class Hebb:
    a_plus: float = 0.01
    tau_plus: float = 20e-3

    @staticmethod
    def on_post(w, pre_trace, p):
        return min(1.0, w + p.a_plus * pre_trace) - 0.01 * w
"""


def test_a_moved_rule_file_is_the_same_rule_and_old_results_can_be_looked_at(tmp_path):
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.write_text(RULE)
    one = firstspike.run("coincidence", rule=str(first), **SMALL)
    first.rename(second)
    script = "import firstspike, sys; print(firstspike.run('coincidence', rule=sys.argv[1], **{})['weights'].sum())"
    done = subprocess.run([sys.executable, "-c", script.format(SMALL), str(second)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr  # from the cache on disk, in another process
    assert float(done.stdout) == pytest.approx(float(one["weights"].sum()))
    from firstspike.sims.experiments import parameters_of

    assert parameters_of(one).rule == str(first)  # the file is gone


def test_a_rule_that_makes_no_numbers_is_named(tmp_path):
    file = tmp_path / "bad.py"
    file.write_text(RULE.replace("- 0.01 * w", "- w / (w - w)"))
    with pytest.raises(ValueError, match=r"bad.py made weights that are not finite \(seed 0, neuron 0"):
        firstspike.run("coincidence", rule=str(file), **SMALL)

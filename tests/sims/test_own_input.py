"""The user's spikes and rules in the experiment: the same bits as the built-in way where both say the same."""

import numpy as np
import pytest

import firstspike
from firstspike.datasets.patterns import PatternInput, fill_period, frozen_patterns

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


def test_changed_spikes_are_not_resumed(tmp_path):
    from firstspike.runtime.run import Interrupted, Run

    time, unit = synthetic(3)
    path = tmp_path / "s.npz"
    np.savez(path, time=time, unit=unit)
    _, params = firstspike.sims.experiments.resolve("coincidence", None, SMALL | {"spikes": str(path)})
    run, kept = Run(), {}

    def stop(snapshot, done, note=""):
        kept.update(snapshot())
        raise Interrupted(2, None, done)

    run.tick = stop
    with pytest.raises(Interrupted):
        firstspike.sims.coincidence.simulate(params, run)
    np.savez(path, time=time + 1e-4, unit=unit)
    again = Run()
    again.restored = kept
    with pytest.raises(ValueError, match="has changed since the checkpoint"):
        firstspike.sims.coincidence.simulate(params, again)

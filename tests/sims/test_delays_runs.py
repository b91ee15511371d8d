"""`train delays` end to end on the timing task, and on spoken digits where they are at hand."""

import json

import numpy as np
import pytest

import firstspike
from firstspike.plasticity.learners.delays import DelaySNN
from firstspike.sims import delays as experiment
from firstspike.sims.evaluate import evaluate

TINY = {"n_train": 150, "n_test": 60, "epochs": 4, "refit_epochs": 2, "hidden": (6,), "max_delay": 9, "batch_size": 50}


@pytest.fixture(scope="module")
def result():
    return firstspike.run("delays", "rst-b", delays="all", seed=1, seeds=2, **TINY)


def test_summary_has_the_numbers_of_every_training(result):
    s = experiment.summary(result)
    assert s["n_train"] == 150 and s["n_test"] == 60 and s["chance"] == 0.1 and s["train_seconds"] > 0
    assert s["accuracy_per_seed"] == result["accuracy_soft"][2].tolist()
    for stage in ("soft", "rounded", "refit"):
        assert s[f"accuracy_{stage}"] == pytest.approx(result[f"accuracy_{stage}"][2].mean())
        assert s["learned_delays"][stage] == pytest.approx(s[f"accuracy_{stage}"])
    assert list(result["kind"]) == ["none", "fixed", "learned"]
    for k in range(2):  # they have one network only
        np.testing.assert_array_equal(result["accuracy_soft"][k], result["accuracy_refit"][k])
    assert result["none.soft.layer1.weight"].shape == (2, 12, 16, 1)  # twice the neurons
    assert result["confusion"].sum() == 3 * 2 * 60 and s["hidden_rate"] > 0 and s["synops"] > 0
    json.dumps(s)


def test_file_holds_the_networks(result, tmp_path):
    back = firstspike.open(result.save(tmp_path / "a.h5"))
    assert back.content_sha256 == result.content_sha256
    X, y, _ = experiment.load_part(experiment.PRESETS["rst-b"], "rst-b", "test", 60)
    for k, kind in enumerate(experiment.KINDS):
        for i in range(2):
            said = experiment.classifier(back, i, kind).predict(X)
            assert (said == y).mean() == back["accuracy_refit"][k, i]
    assert evaluate(back)["as_stored"] is True
    for name in experiment.FIGURES:
        experiment.figure(back, name).savefig(tmp_path / f"{name}.png")
    with pytest.raises(ValueError, match="name must be one of"):
        experiment.figure(back, "other")


def test_a_run_stopped_anywhere_goes_on_to_the_same_bits(result, tmp_path, monkeypatch):
    from firstspike.runtime import run as module

    states = []
    monkeypatch.setattr(module.Run, "tick", lambda self, snapshot, done, note="": states.append(snapshot()))
    whole = firstspike.run("delays", "rst-b", delays="all", seed=1, seeds=2, **TINY)
    assert whole.content_sha256 == result.content_sha256
    monkeypatch.setattr(module.Run, "tick", lambda self, snapshot, done, note="": None)
    for place in (0.1, 0.5, 0.8, 0.97):
        kept = {k: np.array(v) for k, v in states[int(place * len(states))].items()}
        monkeypatch.setattr(module.Run, "restored", kept, raising=False)
        monkeypatch.setattr(module.Run, "__init__", _restoring(module.Run.__init__, kept))
        again = firstspike.run("delays", "rst-b", delays="all", seed=1, seeds=2, **TINY)
        for name in ("accuracy_soft", "learned.refit.layer1.weight", "fixed.soft.layer2.weight", "learned.right"):
            np.testing.assert_array_equal(again[name], result[name], err_msg=f"{place} {name}")


def test_own_files_take_all_their_samples_and_speakers_are_for_speech(tmp_path):
    assert [experiment.preset_for(s) for s in ({}, {"data": "synthetic"}, {"data": "shd"})] == ["rst-a", "rst-a", "shd"]
    assert experiment.PRESETS[experiment.preset_for({"data": str(tmp_path / "a.h5")})].n_train is None
    with pytest.raises(ValueError, match="held_out must be empty for rst-b"):
        firstspike.run("delays", "rst-b", held_out=("lucas",))


def test_rate_counts_the_steps_of_each_layer():
    net = DelaySNN(hidden=(2, 3), max_delay=5, tau=10e-3, dropout=0, epochs=1, refit_epochs=0)
    X = np.ones((4, 6, 2), np.uint8)
    net.fit(X, np.arange(4) % 2)
    for layer in ("layer1", "layer2"):
        net.soft_[f"{layer}.norm.shift"][:] = 1e3  # all neurons fire at each step
    net.rounded_ = net.soft_
    assert experiment._cost(net, X)["rate"] == pytest.approx(100.0)


def _restoring(init, kept):
    def start(self, *args, **kwargs):
        init(self, *args, **kwargs)
        self.restored = dict(kept)

    return start


def test_spoken_digits(spoken):
    found = firstspike.run("delays", "fsdd", n_train=60, n_test=30, hidden=(8,), epochs=1, refit_epochs=1)
    assert found["learned.soft.layer1.weight"].shape == (1, 8, 80, 1) and list(found["class_name"])[3] == "3"
    held = experiment.load_part(experiment.PRESETS["fsdd"], "fsdd", "test", 40)
    assert held[0].shape[1:] == (60, 80) and held[0].dtype == np.uint8


@pytest.fixture
def spoken():
    try:
        firstspike.datasets.load_spoken("fsdd", "test", n=1)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    except ValueError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    "changes, match",
    [
        ({"data": "nowhere.h5"}, "data must be one of"),
        ({"max_delay": 10}, "max_delay must be odd"),
        ({"delays": "some"}, "delays must be one of"),
    ],
)
def test_errors(changes, match):
    with pytest.raises(ValueError, match=match):
        firstspike.run("delays", **changes)

"""`train s4nn` and `train bs4nn` end to end on the bundled digits; a part of MNIST where it is at hand."""

import json
import tarfile

import numpy as np
import pytest

import firstspike
from firstspike.sims import bs4nn, s4nn
from firstspike.sims.measures.latency import jittered, noisy

TINY = {"n_train": 300, "n_test": 80, "epochs": 12, "hidden": 40, "n_validation": 50}
BINARY = TINY | {"hidden": 100, "epochs": 60, "rates": "0.01,0.01", "bnn_epochs": 2}


@pytest.fixture(scope="module")
def runs():
    real = firstspike.run("s4nn", "digits", seed=1, seeds=2, **TINY)
    return {s4nn: real, bs4nn: firstspike.run("bs4nn", "digits", seed=1, **BINARY)}


@pytest.mark.parametrize("module", [s4nn, bs4nn], ids=["s4nn", "bs4nn"])
def test_summary_file_and_figures(module, runs, tmp_path):
    result, s = runs[module], module.summary(runs[module])
    for key in ("accuracy", "accuracy_ties_correct", "mean_spikes", "mean_decision_step", "train_seconds"):
        assert np.isfinite(s[key]), key
    assert s["accuracy_per_seed"] == result["accuracy"].tolist() and s["n_train"] == 250
    assert 0.25 < s["accuracy"] <= s["accuracy_ties_correct"]
    assert max(s["controls"][name] for name in ("untrained", "permuted")) < s["accuracy"] - 0.05
    assert s["accuracy_with_jitter"]["0"] == pytest.approx(s["accuracy"])
    assert s["mean_spikes"] == pytest.approx(sum(s["spikes"].values())) and "validation" in s["last_pass"]
    assert result["accuracy_at_deadline"][:, -1] == pytest.approx(result["accuracy"])
    json.dumps(s)
    back = firstspike.open(result.save(tmp_path / "a.h5"))
    images, _ = firstspike.datasets.load("digits", "test", 80)
    for i in range(len(result["seed"])):
        np.testing.assert_array_equal(module.classifier(back, i).predict(images), back["predictions"][i])
    for name in module.FIGURES:
        module.figure(back, name).savefig(tmp_path / f"{name}.png")
    with pytest.raises(ValueError, match="name must be one of"):
        module.figure(back, "other")


def test_binary_weights_take_a_bit(runs):
    bits = runs[bs4nn]["layer1.bits"]
    assert bits.dtype == np.uint8 and bits.shape == (1, 100, 8) and "layer1.weight" not in runs[bs4nn]
    assert runs[bs4nn]["scales"].shape == (1, 2) and "bnn" in bs4nn.summary(runs[bs4nn])["controls"]


def test_seeds_alone_give_what_they_give_together(runs):
    alone = firstspike.run("s4nn", "digits", seed=2, threads=2, **TINY)
    np.testing.assert_array_equal(alone["predictions"][0], runs[s4nn]["predictions"][1])
    np.testing.assert_array_equal(alone["layer1.weight"][0], runs[s4nn]["layer1.weight"][1])


def test_published_numbers_stand_beside_the_published_runs_only():
    assert s4nn.expected(s4nn.PRESETS["s4nn2020"]) == {"accuracy_ties_correct": 0.974}
    assert bs4nn.expected(bs4nn.PRESETS["bs4nn2021"]) == {"accuracy_ties_correct": 0.97}
    assert s4nn.expected(s4nn.PRESETS["mnist"]) == {} == bs4nn.expected(bs4nn.PRESETS["quick"])
    assert s4nn.preset_for({"data": "digits"}) == "digits" and s4nn.preset_for({}) == "mnist"
    with pytest.raises(ValueError, match="n_validation must be <"):
        firstspike.run("s4nn", "digits", n_train=20, n_validation=20)
    with pytest.raises(ValueError, match="data must be one of"):
        firstspike.run("s4nn", data="nowhere")


def test_jitter_and_noise():
    times = np.tile([0, 10, 20], (1000, 1))
    moved = jittered(times, 3, 20, 0)
    assert (moved[:, 2] == 20).all() and moved[:, 0].min() == 0 and set(moved[:, 1]) == set(range(7, 14))
    assert abs(moved[:, 1].mean() - 10) < 0.2
    images = noisy(np.full((50, 20), 100, np.uint8), 10.0, 255, 0)
    assert images.dtype == np.uint8 and abs(images.std() - 10) < 0.7 and abs(images.mean() - 100) < 1.3


def test_a_part_of_mnist(data_root):
    if not (data_root / "mnist").is_dir():
        pytest.skip("FIRSTSPIKE_DATA has no mnist")
    result = firstspike.run("s4nn", n_train=10_000, n_test=2_000, epochs=6, rates="0.4,0.4", controls=False)
    s = s4nn.summary(result)
    assert s["accuracy_ties_correct"] > 0.84 and s["accuracy"] > 0.8 and s["collapsed"] == 0


def test_faces_and_motorbikes(data_root, tmp_path):
    archive = data_root / "caltech101" / "101_ObjectCategories.tar.gz"
    if not archive.is_file():
        pytest.skip("FIRSTSPIKE_DATA has no caltech101")
    with tarfile.open(archive) as tar:
        some = [m for m in tar if m.name.split("/")[1] in ("Faces_easy", "Motorbikes")]
        tar.extractall(tmp_path, some, filter="data")
    folder = str(tmp_path / "101_ObjectCategories")
    s = s4nn.summary(firstspike.run("s4nn", "caltech", data=folder, epochs=6, n_validation=200, controls=False))
    assert s["n_test"] == 246 and s["accuracy"] > 0.9 and s["silent"] < 0.05
    with pytest.raises(ValueError, match="data must be one of .* or a folder or archive; got 'caltech'"):
        firstspike.run("s4nn", "caltech")

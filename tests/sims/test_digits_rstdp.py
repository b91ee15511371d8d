"""`train digits-rstdp` end to end: the bundled digits always, MNIST where it is at hand."""

import json

import numpy as np
import pytest

import firstspike
from firstspike.sims import digits_rstdp as experiment
from firstspike.sims.evaluate import evaluate

TINY = {"n_train": 200, "n_test": 80, "epochs": 6, "maps": (8,), "per_class": 3, "feature_epochs": (8,), "block": 50}
TINY |= {"reward_before": 0.02, "reward_after": -0.015, "punish_before": -0.02, "punish_after": 0.0025}


@pytest.fixture(scope="module")
def bundled():
    return firstspike.run("digits-rstdp", "digits", seed=1, seeds=2, **TINY)


def test_summary_has_the_numbers_of_every_training(bundled):
    s = experiment.summary(bundled)
    assert s["n_train"] == 200 and s["n_test"] == 80 and s["n_seeds"] == 2 and s["train_seconds"] > 0
    assert s["accuracy_per_seed"] == bundled["accuracy"].tolist()
    assert s["accuracy"] == pytest.approx(np.mean(s["accuracy_per_seed"])) and s["accuracy"] > 0.3
    assert max(s["controls"].values()) < s["accuracy"] - 0.1
    assert set(s["health"]) == {"layer1", "layer2"} and s["layer2"]["hits"] > 0.4
    hits, misses, silence = (s["layer2"][k] for k in ("hits", "misses", "silence"))
    assert hits + misses + silence == pytest.approx(1)
    assert list(s["spikes"]) == ["input", "conv1", "pool1"] and s["accuracy_at_step"]["0"] < s["accuracy"]
    json.dumps(s)


def test_file_holds_the_networks(bundled, tmp_path):
    back = firstspike.open(bundled.save(tmp_path / "a.h5"))
    assert back.content_sha256 == bundled.content_sha256
    images, labels = firstspike.datasets.load("digits", "test", 80)
    for i in range(2):
        np.testing.assert_array_equal(experiment.classifier(back, i).predict(images), back["predictions"][i])
    assert back["wins"].sum(axis=(1, 2)).tolist() == (200 * (1 - back["training"][:, -1, 2])).tolist()
    for name in experiment.FIGURES:
        experiment.figure(back, name).savefig(tmp_path / f"{name}.png")
    with pytest.raises(ValueError, match="name must be one of"):
        experiment.figure(back, "other")


def test_a_label_that_was_never_shown(monkeypatch):
    images, labels = firstspike.datasets.load("digits", "train", 400)
    some = labels != 4
    parts = (images[some][:250], labels[some][:250], images[250:400], labels[250:400])
    by_part = {"train": parts[:2], "test": parts[2:]}
    monkeypatch.setattr(experiment, "load_part", lambda p, data, part, n: (*by_part[part], []))
    result = firstspike.run("digits-rstdp", "digits", **TINY)
    assert 4 not in result["map_label"] and 9 in result["map_label"] and 4 not in result["predictions"]
    np.testing.assert_array_equal(experiment.classifier(result).predict(parts[2]), result["predictions"][0])


def test_one_digit_against_all_others(tmp_path):
    params = experiment.DigitsRSTDP(target=4)
    images, labels, names = experiment.load_part(params, "digits", "train", 400)
    digits = firstspike.datasets.load("digits", "train", 400)
    np.testing.assert_array_equal(images[labels == 1], digits[0][digits[1] == 4])
    others = {image.tobytes() for image in digits[0][digits[1] != 4]}
    assert all(image.tobytes() in others for image in images[labels == 0]) and names == ["other", "4"]
    assert (labels == 0).sum() == (labels == 1).sum()
    with pytest.raises(ValueError, match="target must be one of several labels of the train part, got 11"):
        experiment.load_part(experiment.DigitsRSTDP(target=11), "digits", "train", 400)

    result = firstspike.run("digits-rstdp", "digits", **TINY | {"target": 4, "n_train": 1200})
    assert result["confusion"].shape[-2:] == (2, 3) and set(result["map_label"].ravel()) == {0, 1}
    assert result["accuracy"][0] > 0.75
    assert evaluate(firstspike.open(result.save(tmp_path / "a.h5")))["as_stored"]


def test_seeds_alone_give_what_they_give_together(bundled):
    alone = firstspike.run("digits-rstdp", "digits", seed=2, threads=2, **TINY)
    np.testing.assert_array_equal(alone["predictions"][0], bundled["predictions"][1])
    np.testing.assert_array_equal(alone["conv2.weight"][0], bundled["conv2.weight"][1])


def test_published_number_stands_beside_the_published_run_only():
    assert experiment.expected(experiment.PRESETS["mozafari2019"]) == {"accuracy": 0.972}
    assert experiment.expected(experiment.PRESETS["mnist"]) == {}
    assert experiment.preset_for({"data": "digits"}) == "digits" and experiment.preset_for({}) == "mnist"
    with pytest.raises(ValueError, match="data must be one of"):
        firstspike.run("digits-rstdp", data="nowhere")


@pytest.mark.slow
@pytest.mark.paper
def test_mnist_is_learnt_by_reward_alone(data_root):
    if not (data_root / "mnist").is_dir():
        pytest.skip("FIRSTSPIKE_DATA has no mnist")
    result = firstspike.run("digits-rstdp", n_train=3000, n_test=1000, epochs=6)
    s = experiment.summary(result)
    assert s["accuracy"] > 0.7 and s["silent"] == 0 and s["controls"]["permuted"] < 0.3
    assert s["layer1"]["convergence"] < 0.01 and s["layer1"]["dead_maps"] == 0

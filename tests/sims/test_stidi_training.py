"""`train stidi` end to end: the bundled digits always, MNIST where it is at hand."""

import json

import numpy as np
import pytest

import firstspike
from firstspike.sims import stidi as experiment

TINY = {"n_train": 300, "n_test": 80, "epochs": 4, "rate": 4e-3, "hidden": (30,)}


@pytest.fixture(scope="module")
def bundled():
    return firstspike.run("stidi", "digits", seed=1, seeds=2, **TINY)


def test_summary_has_the_numbers_of_every_training(bundled):
    s = experiment.summary(bundled)
    assert s["n_train"] == 300 and s["n_test"] == 80 and s["n_seeds"] == 2 and s["train_seconds"] > 0
    assert s["accuracy_per_seed"] == bundled["accuracy"].tolist()
    assert s["accuracy"] == pytest.approx(np.mean(s["accuracy_per_seed"])) and s["accuracy"] > 0.6
    assert s["accuracy_strictly_first"] <= s["accuracy"] <= s["accuracy_ties_correct"]
    assert 5 < s["mean_decision_step"] < 60 and s["silent"] < 0.2
    assert s["mean_spikes"] == pytest.approx(sum(s["spikes_until_decision"].values()))
    assert s["accuracy_jitter"]["0"] == s["accuracy_noise"]["0"] == pytest.approx(s["accuracy"])
    assert s["accuracy_noise"]["80"] < s["accuracy"] and s["health"] == "ok"
    json.dumps(s)


def test_file_holds_the_networks(bundled, tmp_path):
    back = firstspike.open(bundled.save(tmp_path / "a.h5"))
    assert back.content_sha256 == bundled.content_sha256
    images, labels = firstspike.datasets.load("digits", "test", 80)
    for i in range(2):
        net = experiment.classifier(back, i)
        answers, times = net.answers(images)
        np.testing.assert_array_equal(net.classes_[answers], back["predictions"][i])
        np.testing.assert_array_equal(times.astype(np.float32), back["output_time"][i])
    assert experiment.summary(back)["accuracy_ties_correct"] == pytest.approx(
        np.mean([experiment.classifier(back, i).scores(images, labels)["ties_correct"] for i in range(2)])
    )
    for name in experiment.FIGURES:
        experiment.figure(back, name).savefig(tmp_path / f"{name}.png")
    with pytest.raises(ValueError, match="name must be one of"):
        experiment.figure(back, "other")


def test_seeds_alone_give_what_they_give_together(bundled):
    alone = firstspike.run("stidi", "digits", seed=2, threads=2, **TINY)
    np.testing.assert_array_equal(alone["output_time"][0], bundled["output_time"][1])
    np.testing.assert_array_equal(alone["dense1.weight"][0], bundled["dense1.weight"][1])


def test_the_last_training_images_take_the_place_of_the_test_part():
    short = TINY | {"epochs": 1}
    result = firstspike.run("stidi", "digits", validation=100, **short)
    images, labels = firstspike.datasets.load("digits", "train", 300)
    assert result["labels"].tolist() == labels[200:].tolist()
    net = experiment.classifier(result)
    np.testing.assert_array_equal(net.predict(images[200:]), result["predictions"][0])
    other = firstspike.run("stidi", "digits", **(short | {"n_train": 200}))
    np.testing.assert_array_equal(other["dense1.weight"], result["dense1.weight"])


def test_binary_convolutions_come_back_from_the_file(tmp_path):
    how = {"maps": (3,), "kernels": (3,), "pools": (2,), "active_inputs": (), "binary": True, "epochs": 1}
    result = firstspike.run("stidi", "digits", **(TINY | how))
    back = firstspike.open(result.save(tmp_path / "b.h5"))
    images, _ = firstspike.datasets.load("digits", "test", 80)
    np.testing.assert_array_equal(experiment.classifier(back).predict(images), back["predictions"][0])
    experiment.figure(back, "weights")


def test_published_numbers_stand_beside_the_published_networks_only():
    presets = experiment.PRESETS
    assert experiment.expected(presets["mirsadeghi2023"]) == {"accuracy": 0.992}
    assert experiment.expected(presets["mnist"]) == {}
    assert experiment.preset_for({"data": "digits"}) == "digits" and experiment.preset_for({}) == "mnist"
    for params in presets.values():
        firstspike.runtime.params.check(params)
        assert experiment.memory(params, 1) > 0
    with pytest.raises(ValueError, match="data must be one of"):
        firstspike.run("stidi", data="nowhere")
    with pytest.raises(ValueError, match="validation must leave 10"):
        firstspike.run("stidi", "digits", validation=1290)


def test_a_part_of_mnist(data_root):
    if not (data_root / "mnist").is_dir():
        pytest.skip("FIRSTSPIKE_DATA has no mnist")
    s = experiment.summary(firstspike.run("stidi", n_train=3000, n_test=1000, epochs=2, rate_factor=0.7))
    assert s["accuracy"] > 0.85 and s["silent"] < 0.02

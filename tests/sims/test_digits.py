"""`train digits` end to end: the bundled digits always, MNIST where it is at hand."""

import json

import numpy as np
import pytest

import firstspike
from firstspike.runtime import params as parameters
from firstspike.sims import digits
from firstspike.sims.digits import PRESETS, Digits

LAYERED = "maps kernels paddings thetas pool_sizes pool_strides pool_paddings winners radii epochs doubling stop_at"
NO_LAYERS = {name: () for name in (*LAYERED.split(), "inhibit_inputs")}
TINY = dict(n_train=200, n_test=60, n_validation=50, maps=(8, 12), epochs=(1, 2), presentations=(0, 0))


@pytest.fixture(scope="module")
def bundled():
    return firstspike.run("digits", "digits", seed=1)


def test_bundled_digits_are_learnt_and_controls_are_worse(bundled):
    s = digits.summary(bundled)
    assert s["accuracy"] > 0.97 and s["n_train"] == 1297 and s["n_test"] == 500
    assert s["accuracy"] > s["controls"]["raw_pixels"] + 0.01
    assert s["accuracy"] > s["controls"]["permuted_last"] + 0.01
    assert s["accuracy"] > s["controls"]["permuted"] + 0.03
    assert s["accuracy"] > s["controls"]["untrained"] + 0.2
    assert s["errors"] == pytest.approx((1 - s["accuracy"]) * 500)
    assert s["images_per_second"] > 0 and s["train_seconds"] > 0
    assert 0 < s["layer1"]["convergence"] < 0.01 and 0 < s["layer2"]["convergence"] < 0.01
    assert s["layer1"]["dead_maps"] == s["layer2"]["dead_maps"] == 0
    assert set(s["health"]) == {"layer1", "layer2"} and s["health"]["layer1"].startswith("healthy")
    for key, value in digits.expected(PRESETS["digits"]).items():
        measured = s["controls"][key.removeprefix("controls.")] if "." in key else s[key]
        assert measured == pytest.approx(value, abs=0.012 if key == "accuracy" else 0.12), key


def test_result_holds_what_is_needed_to_go_on_from_it(bundled, tmp_path):
    back = firstspike.open(bundled.save(tmp_path / "a.h5"))
    assert back.kind == "training" and back.content_sha256 == bundled.content_sha256
    p = PRESETS["digits"]
    assert back["conv1.weight"].shape == (1, 32, 2, 3, 3) and back["conv2.weight"].shape == (1, 100, 32, 3, 3)
    assert back["predictions"].shape == (1, 500) and back["confusion"].shape == (1, 10, 11)
    assert back["conv1.convergence"].shape == (1, len(back["seen1"])) and back["seen1"][-1] == p.epochs[0] * p.n_train
    # the stored weights, in a new network, give the stored predictions
    from firstspike.datasets import load
    from firstspike.sims.measures.readout import fit_readout

    net = digits.network(p, random_state=1).set_weights([back[f"conv{i}.weight"][0] for i in (1, 2)])
    (x, y), (test, labels) = load("digits", "train"), load("digits", "test")
    np.testing.assert_array_equal(labels, back["labels"])
    machine = fit_readout(net.transform(x), y, back["readout_c"][0], seed=1)
    np.testing.assert_array_equal(machine.predict(net.transform(test)), back["predictions"][0])
    # and so does the classifier made of the file alone
    ready = digits.classifier(back)
    np.testing.assert_array_equal(ready.predict(test[:300]), back["predictions"][0, :300])
    np.testing.assert_array_equal(ready.encode(test[:5]), net.encode(test[:5]))


@pytest.mark.parametrize("name", digits.FIGURES)
def test_figures(bundled, name, tmp_path):
    figure = digits.figure(bundled, name)
    figure.savefig(tmp_path / "a.png", dpi=40)
    assert (tmp_path / "a.png").stat().st_size > 2000
    assert digits.figure(bundled).axes
    with pytest.raises(ValueError, match="name must be one of"):
        digits.figure(bundled, "s1")


def test_same_bits_for_same_seed_and_any_number_of_threads():
    one = firstspike.run("digits", "quick", seed=4, threads=1, controls=False, **TINY)
    two = firstspike.run("digits", "quick", seed=4, threads=0, controls=False, **TINY)
    other = firstspike.run("digits", "quick", seed=5, threads=1, controls=False, **TINY)
    assert one.content_sha256 == two.content_sha256 != other.content_sha256
    assert "control" not in one and "controls" not in digits.summary(one)
    both = firstspike.run("digits", "quick", seed=4, seeds=2, controls=False, **TINY)
    for i, single in enumerate((one, other)):  # a seed does not depend on its neighbours
        np.testing.assert_array_equal(both["predictions"][i], single["predictions"][0])
        np.testing.assert_array_equal(both["conv2.weight"][i], single["conv2.weight"][0])


def test_summary_is_a_json_document():
    result = firstspike.run("digits", "quick", controls=True, **TINY)
    from firstspike.sims.commands import _plain

    document = json.loads(json.dumps(_plain(digits.summary(result))))
    wanted = {"accuracy", "accuracy_per_seed", "n_train", "n_test", "images_per_second", "controls", "train_seconds"}
    assert wanted <= set(document) and document["accuracy_per_seed"] == [document["accuracy"]]
    assert set(document["controls"]) == {"untrained", "permuted", "permuted_last", "raw_pixels"}


def test_expected_numbers_belong_to_presets_only():
    from dataclasses import replace

    assert digits.expected(PRESETS["mnist"]) == {"accuracy": 0.962, "controls.raw_pixels": 0.88}
    assert digits.expected(replace(PRESETS["mnist"], controls=False)) == {"accuracy": 0.962}
    assert digits.expected(replace(PRESETS["mnist"], n_train=5000)) == {}


def test_small_training_parts_are_shown_more_often():
    p = PRESETS["mnist"]
    assert digits.passes(p) == (1, 4) and digits.passes(PRESETS["digits"]) == PRESETS["digits"].epochs == (4, 8)
    small = parameters.update(p, dict(n_train=3000))
    assert digits.passes(small) == (4, 14)
    assert digits.passes(parameters.update(small, dict(epochs=(0, 20)))) == (0, 20)
    result = firstspike.run("digits", "quick", controls=False, **(TINY | dict(presentations=(500, 0))))
    assert result["seen1"][-1] == 600 and result["seen2"][-1] == 400


def test_preset_follows_the_data():
    assert digits.preset_for({}) == digits.preset_for({"data": "mnist"}) == "mnist"
    assert digits.preset_for({"data": "fashion_mnist"}) == "mnist" and digits.preset_for({"data": "digits"}) == "digits"
    assert next(iter(PRESETS)) == "mnist" and PRESETS["mnist"].epochs == (1, 4)
    for preset in PRESETS.values():
        assert parameters.from_dict(Digits, parameters.as_dict(preset)) == preset
    assert "random_state" not in parameters.as_dict(PRESETS["mnist"])


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (dict(data="mnits"), "data must be one of mnist"),
        (dict(n_readout=20_000), "n_readout must be <= n_train = 10000"),
        (dict(c=None, n_validation=10_000), "n_validation must be < 10000"),
        (dict(c=0.0), "c must be > 0"),
        (dict(random_state=3), "unknown parameter"),
        (dict(maps=(32,)), "one a layer"),
        (NO_LAYERS, "maps must have at least one value"),
        (dict(presentations=(1, 2, 3)), "presentations must have 2 values, one a layer"),
    ],
)
def test_wrong_parameters(settings, word):
    with pytest.raises(ValueError, match=word):
        parameters.update(PRESETS["mnist"], settings)


def test_c_chosen_on_validation_and_own_folder(tmp_path):
    from firstspike.datasets import load
    from firstspike.datasets.idx import write_idx

    for split, stem in (("train", "train"), ("test", "t10k")):
        images, labels = load("digits", split)
        write_idx(tmp_path / f"{stem}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{stem}-labels-idx1-ubyte.gz", labels.astype(np.uint8))
    own = firstspike.run("digits", "quick", data=str(tmp_path), c="none", controls=False, **TINY)
    ours = firstspike.run("digits", "quick", c="none", controls=False, **TINY)
    np.testing.assert_array_equal(own["predictions"], ours["predictions"])
    from firstspike.sims.measures.readout import GRID

    assert own["readout_c"][0] in GRID


@pytest.fixture
def mnist(data_root):
    if not (data_root / "mnist").is_dir():
        pytest.skip("FIRSTSPIKE_DATA has no mnist")


@pytest.mark.slow
def test_mnist_few_training_digits(mnist):
    s = digits.summary(firstspike.run("digits", n_train=1000, n_test=500, threads=0, controls=False))
    assert s["accuracy"] > 0.90


@pytest.mark.slow
def test_mnist_small(mnist):
    """Read out on 2000 / 1000. An independent program: 95.2 %, permuted 92.4, last layer 94.3 (standard error 0.7)."""
    s = digits.summary(firstspike.run("digits", n_readout=2000, n_test=1000, threads=0))
    assert s["accuracy"] > 0.935
    assert s["accuracy"] > s["controls"]["permuted"] + 0.01
    assert s["accuracy"] > s["controls"]["raw_pixels"] + 0.06
    assert s["controls"]["untrained"] < 0.8


@pytest.mark.slow
@pytest.mark.paper
def test_mnist_10_000(mnist):
    """An independent program: 96.2 % (two seeds), raw pixels 88.0 %."""
    s = digits.summary(firstspike.run("digits", threads=0))
    assert s["accuracy"] >= 0.955
    assert s["accuracy"] > s["controls"]["permuted"] + 0.01
    assert s["accuracy"] > s["controls"]["raw_pixels"] + 0.06

"""`train sdnn` on few digits, and `eval`: networks of result files, used again."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import firstspike
from firstspike.cli import cli
from firstspike.runtime import params as parameters
from firstspike.sims import sdnn
from firstspike.sims.evaluate import evaluate

SMALL = dict(n_train=200, n_test=60, n_validation=50, maps=(8, 12), epochs=(1, 2), presentations=(0, 0))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    out = tmp_path_factory.mktemp("eval") / "a.h5"
    firstspike.run("digits", "quick", seeds=2, out=out, controls=False, **SMALL)
    return out


def call(*args):
    return CliRunner().invoke(cli, [str(a) for a in args], catch_exceptions=False)


def test_answers_are_those_of_the_file(file):
    result = firstspike.open(file)
    found = json.loads(call("eval", file, "--json").output)
    assert found["as_stored"] and found["accuracy_per_seed"] == result["accuracy"].tolist()
    assert found["confusion"] == result["confusion"][0].tolist() and found["n_images"] == 60
    assert found["images_per_second"] > 0 and set(found["spikes"]) == {"input", "conv1", "pool1", "conv2", "pool2"}
    few = evaluate(result, n_images=20)
    assert (
        few["as_stored"] and few["accuracy_per_seed"][1] == (result["predictions"][1] == result["labels"])[:20].mean()
    )
    train = evaluate(result, part="train")
    assert train["n_images"] == 200 and train["accuracy"] > found["accuracy"] and train["as_stored"] is None
    for stage, spikes in train["spikes"].items():  # the run counted the same images
        assert spikes == pytest.approx(result["spikes"][0][list(result["stage"]).index(stage)])
    result.arrays["predictions"].data[1, 3] += 1
    assert evaluate(result)["as_stored"] is False


def test_printed(file):
    said = call("eval", file, "--n-test", "30").output
    assert "digits, test part" in said and "answers as stored" in said and "predicted, first seed" in said
    assert "spikes.conv1" in said


def test_what_cannot_be_used(file):
    result = firstspike.open(file)
    del result.arrays["readout.weight"]
    with pytest.raises(ValueError, match="no readout"):
        evaluate(result)
    other = firstspike.run("coincidence", n_afferents=200, rate=10.0, n_periods=20, n_recorded=10)
    with pytest.raises(ValueError, match="coincidence has no classifier"):
        evaluate(other)


def test_presets_are_the_published_networks_at_full_length():
    from firstspike.plasticity.learners.sdnn_params import PRESETS as NETWORKS

    for name, epochs in (("mnist_paper", (2, 4)), ("mnist_port", (2, 20))):
        p = parameters.check(sdnn.PRESETS[name])
        assert (p.n_train, p.n_test, p.n_validation, p.c, p.epochs) == (60_000, 10_000, 10_000, None, epochs)
        assert p.thetas == NETWORKS["sdnn_" + name].thetas and p.maps == NETWORKS["sdnn_" + name].maps
        assert sdnn.expected(p) == {"accuracy": 0.984}
    assert sdnn.expected(sdnn.PRESETS["quick"]) == {}


def test_sdnn_goes_the_way_of_the_command(tmp_path):
    args = ["--data", "digits", "--preset", "quick", "--n-train", 200, "--n-test", 60, "--epochs", "1,1", "--json"]
    small = "n_validation=50 kernels=3,3 thetas=3,6 filter_padding=4 controls=no maps=8,12 c=none"
    more = [word for pair in small.split() for word in ("--set", pair)]
    done = call("train", "sdnn", *args, *more, "--out", tmp_path / "s.h5")
    found = json.loads(done.output)
    keys = {"accuracy", "accuracy_per_seed", "n_train", "n_test", "train_seconds", "health", "spikes"}
    assert keys <= set(found) and found["n_train"] == 200
    result = firstspike.open(tmp_path / "s.h5")
    assert result.parameters["epochs"] == [1, 1] and result["validation_accuracy"].shape == (1, 5)
    assert np.isin(result["readout_c"], result["tried_c"]).all() and evaluate(result)["as_stored"]
    shown = call("results", "show", tmp_path / "s.h5").output
    assert "learning health" in shown and "layer2" in shown


@pytest.mark.slow
@pytest.mark.paper
def test_paper_network_on_a_part_of_mnist(data_root):
    """Published 98.4 % and here 98.27 % with 60 000 digits, which take too long for a test."""
    if not (data_root / "mnist").is_dir():
        pytest.skip("FIRSTSPIKE_DATA has no mnist")
    assert sdnn.summary(firstspike.run("sdnn", n_train=10_000, n_test=2_000, c=0.1, threads=0))["accuracy"] >= 0.955

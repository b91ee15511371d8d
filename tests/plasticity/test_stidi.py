"""Networks that learn by displacing spikes: the rule beside the slow version, one-spike identity, estimator manners."""

import numpy as np
import pytest
from naive import stidi as naive
from sklearn.base import clone
from sklearn.datasets import load_digits

from firstspike.plasticity.learners import stidi_net as net
from firstspike.plasticity.learners.stidi import STiDi, _shifted
from firstspike.plasticity.learners.stidi_params import STiDiParams
from firstspike.plasticity.waves import ramp
from firstspike.plasticity.waves.dense import fire

SMALL = {"maps": (4,), "kernels": (3,), "hidden": (16,), "batch": 20, "epochs": 2, "steps": "hidden"}


@pytest.fixture(scope="module")
def digits():
    images, labels = load_digits(return_X_y=True)
    return np.round(images * 255 / 16).astype(np.uint8).reshape(-1, 8, 8), labels


# ---- with kernels that rise within one step, it is the rule of first spikes ---------------------------------------
ONE_STEP = {"maps": (), "kernels": (), "pools": (), "psp": "ramp", "rise": 1.0, "compare": "gt", "mode": "displacement"}
ONE_STEP |= {"loss": "targets", "gap": 3.0, "optimiser": "sgd", "batch": 1, "backward_weights": "updated"}
A1 = np.array([[2, 1, 0.5, 1], [0.5, 2, 1.5, 0.25], [1, -1, 2, 0.5]])
A2 = np.array([[1.5, 0.5, 1], [0.5, 1, -0.5]])


def one_step(W1, W2, t0, label, theta, t_max, **changes):
    """Times of both layers and the weights after one image, float64."""
    p = STiDiParams(**(ONE_STEP | {"hidden": (len(W1),), "theta": theta, "t_max": t_max} | changes))
    layers = net.build(p, (1, W1.shape[1]), len(W2))
    weights = {"dense1": np.ascontiguousarray(W1.T, float), "output": np.ascontiguousarray(W2.T, float)}
    passed = net.forward(p, layers, weights, np.array(t0, float).reshape(1, 1, 1, -1))
    d = net.desired(p, passed[1][1].times, np.array([label]))
    net.backward(p, layers, weights, passed, d, 1, STiDi()._step(p, weights, 0))
    return passed[0][1].times[0], passed[1][1].times[0], weights["dense1"].T, weights["output"].T


def test_one_step_kernels_as_worked_out_by_hand():
    how = {"t_max": 10, "theta": (2.0, 1.0), "rate": 0.2, "decay": 1e-3}
    t1, t2, W1, W2 = one_step(A1, A2, [1, 2, 4, 8], 1, **how)
    assert t1.tolist() == [3, 3, 9] and t2.tolist() == [4, 4]
    np.testing.assert_allclose(W2, [[1.29974, 0.29994, 0.9998], [0.4999, 0.9998, -0.4999]], atol=1e-9)
    expected = [[1.80476074, 0.80496074, 0.4999, 0.9998], [0.45493709, 1.95463709, 1.4997, 0.24995]]
    np.testing.assert_allclose(W1, [*expected, [0.9998, -0.9998, 1.9996, 0.4999]], atol=1e-8)
    _, _, W1, W2 = one_step(A1, A2, [1, 2, 4, 8], 0, **how)
    np.testing.assert_allclose(W2, [[1.4997, 0.4999, 0.9998], [0.29994, 0.79984, -0.4999]], atol=1e-9)
    np.testing.assert_allclose(W1[0], [1.92938936, 0.92958936, 0.4999, 0.9998], atol=1e-8)
    np.testing.assert_allclose(W1[1], [0.31267162, 1.81237162, 1.4997, 0.24995], atol=1e-8)
    _, _, W1, _ = one_step(A1, A2, [1, 2, 4, 8], 1, **(how | {"backward_weights": "old", "decay": 0.0}))
    d = np.array([1.5, 0.5]) / np.sqrt(2.5)
    np.testing.assert_allclose(A1 - W1, 0.2 * np.outer([*d, 0], [1, 1, 0, 0]), atol=1e-12)


def test_silent_outputs_learn_and_silent_hidden_neurons_do_not():
    how = {"t_max": 10, "rate": 0.2}
    t1, t2, W1, W2 = one_step(A1, A2, [1, 2, 4, 8], 1, theta=(20.0, 1.0), **how)
    assert t1.tolist() == [10, 10, 10] and t2.tolist() == [10, 10]
    np.testing.assert_array_equal(W1, A1)
    np.testing.assert_array_equal(W2, A2)
    t1, t2, W1, W2 = one_step(A1, 0.2 * A2, [1, 2, 4, 8], 1, theta=(2.0, 1.0), **how)
    assert t1.tolist() == [3, 3, 9] and t2.tolist() == [10, 10]
    np.testing.assert_allclose(W2, [[0.3, 0.1, 0.2], [0.3, 0.4, 0.1]], atol=1e-12)
    np.testing.assert_allclose(W1[2], [1.03922323, -0.96077677, 2.03922323, 0.53922323], atol=1e-8)


def test_one_step_kernels_over_a_trajectory():
    rng = np.random.default_rng(7)
    W1, W2 = rng.uniform(0, 2, (10, 20)), rng.uniform(-0.5, 2, (4, 10))
    t0 = rng.integers(0, 33, 20)
    how = {"theta": (6.0, 3.0), "t_max": 32, "rate": 0.1, "decay": 1e-4}
    t1, t2, A, B = one_step(W1, W2, t0, 2, **how)
    assert t1.tolist() == [13, 16, 13, 16, 13, 13, 13, 9, 13, 13] and t2.tolist() == [14] * 4
    found = [A.sum(), B.sum(), (A**2).sum(), (B**2).sum()]
    expected = [199.3516820945875, 33.37733862706176, 266.3222015613, 49.6359310594]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    for _ in range(200):
        t0 = rng.integers(0, 33, 20)
        t1, t2, W1, W2 = one_step(W1, W2, t0, int(rng.integers(0, 4)), **how)
    found = [W1.sum(), W2.sum(), (W1**2).sum(), (W2**2).sum(), W1[0, 0], W2[0, 0]]
    expected = [211.61992331837865, 10.924276971877369, 293.4935874986737, 20.859975734486213]
    np.testing.assert_allclose(found, [*expected, 1.3491945425929142, 0.5199354317020539], atol=1e-8)
    assert t1.tolist() == [10, 10, 10, 10, 7, 10, 10, 10, 10, 10] and t2.tolist() == [11, 32, 11, 11]


def test_one_step_kernels_fire_with_the_layers_of_first_spikes():
    rng = np.random.default_rng(4)
    for n in range(30):
        w = np.round(rng.uniform(-1, 3, (6, 15)) * 64) / 64  # sums are exact: no tie is decided by rounding
        times = rng.integers(0, 25, (4, 15))
        theta = float(rng.integers(1, 8))
        ours = ramp.dense_forward(times, w.T, theta, ramp.Kernel("ramp", 1.0), 24, "gt").times
        np.testing.assert_array_equal(ours, fire(times, w, theta, 24), err_msg=str(n))


# ---- what is wanted of the outputs ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "t, label, wanted",
    [
        ([5, 7, 6], 0, [5, 8, 8]),
        ([5, 7, 6], 1, [8, 5, 8]),
        ([5, 5, 9], 2, [8, 8, 5]),
        ([10, 10, 10], 1, [12, 10, 12]),
        ([12, 12, 12], 1, [12, 9, 12]),
        ([11, 12, 12], 2, [12, 12, 11]),
    ],
)
def test_target_times(t, label, wanted):
    p = STiDiParams(loss="targets", gap=3.0, t_max=12)
    times = np.array([t], float)
    assert (times + net.desired(p, times, np.array([label])))[0].tolist() == wanted
    assert naive.targets(t, label, 3, 12) == wanted


def test_cross_entropy_of_times():
    p, times = STiDiParams(beta=0.3, t_max=60), np.array([[20.0, 31, 60], [10, 60, 60]])
    labels = np.array([1, 0])
    d = net.desired(p, times, labels)
    assert d[1].tolist() == [0, 0, 0]  # clear enough to be skipped

    def loss(t):
        return float(p.beta * t[1] + np.log(np.exp(-p.beta * t).sum()))

    for c in range(3):
        step = np.eye(3)[c] * 1e-6
        slope = (loss(times[0] + step) - loss(times[0] - step)) / 2e-6
        assert d[0, c] == pytest.approx(-slope / p.beta, abs=1e-8)  # earlier where the loss grows with time


def test_a_step_is_that_of_the_slow_version():
    """Two convolutions, a hidden layer, exact gradient of the cross-entropy: every weight's change."""
    p = STiDiParams(maps=(2, 3), kernels=(3, 2), pools=(2, 1), hidden=(4,), steps="none", t_max=40, optimiser="sgd")
    p.rate, p.slope_min, p.conv_factor, p.skip = 1.0, 0.0, 1.0, 0.0
    layers = net.build(p, (8, 8), 3)
    weights = net.first_weights(p, layers, np.float64)
    before = {k: v.copy() for k, v in weights.items()}
    times = np.random.default_rng(1).uniform(0, 30, (1, 1, 8, 8))
    passed = net.forward(p, layers, weights, times)
    d = net.desired(p, passed[-1][1].times, np.array([1]))
    net.backward(p, layers, weights, passed, d, 1, STiDi()._step(p, weights, 0))
    kernel, t, slow = ("relu", 20.0, 20.0), times[0], []
    for layer in layers:
        if layer.pool:
            full, s = naive.conv(t, before[layer.name], 1.0, kernel, 40)
            pooled, place = naive.pool(full, layer.pool, 40)
            slow.append((t, full, s, place))
            t = pooled
        else:
            out, s = naive.dense(t.ravel(), before[layer.name].T, 1.0, kernel, 40)
            slow.append((t, out, s, None))
            t = out
    np.testing.assert_allclose(passed[-1][1].times[0], t, atol=1e-9)
    assert (t < 40).any() and np.count_nonzero(d)
    down = d[0]
    for layer, (inputs, out, s, place) in zip(layers[::-1], slow[::-1], strict=True):
        if layer.pool:
            down = naive.unpool(down.reshape(place.shape), place, layer.pool, out.shape)
        s = np.where(s > 0, s, 1 / 20 if layer.name == "output" else np.inf)
        if layer.pool:
            g, down = naive.conv_back(inputs, before[layer.name], out, down / s, kernel, 40)
        else:
            g, down = naive.dense_back(inputs.ravel(), before[layer.name].T, out, down / s, kernel, 40)
            g = g.T
        np.testing.assert_allclose(before[layer.name] - weights[layer.name], g, atol=1e-9)
        assert np.count_nonzero(g)


# ---- the estimator ---------------------------------------------------------------------------------------------------
def test_input_times_are_those_of_the_slow_version():
    images = np.arange(256).reshape(1, 16, 16).astype(np.uint8)
    found = STiDi(t_max=60).encode(images)
    assert found.ravel().tolist() == naive.encode(range(256), 60, 25, 0.5)
    exact = STiDi(t_max=60, steps="none").encode(images).ravel()
    assert exact[254] == pytest.approx(30 / 255) and exact[25] == 60


DENSE = {"maps": (), "kernels": (), "pools": ()}
LEARN = {"maps": (4,), "kernels": (3,), "hidden": (40,), "epochs": 8, "batch": 20, "rate": 6e-3, "rate_factor": 0.8}
LEARN |= {"steps": "hidden", "conv_factor": 1.0}


@pytest.mark.parametrize(
    "change, least",
    [
        ({}, 0.78),
        ({"mode": "displacement"}, 0.65),
        (DENSE | {"psp": "ramp"}, 0.65),
        (DENSE | {"binary": True, "rate": 1e-2, "alpha_rate": 0.1}, 0.75),
    ],
)
def test_digits_are_learnt(digits, change, least):
    X, y = digits
    fitted = STiDi(**(LEARN | change)).fit(X[:1000], y[:1000])
    scores = fitted.scores(X[1000:], y[1000:])
    assert scores["accuracy"] > least, scores
    assert scores["strictly_first"] <= scores["accuracy"] <= scores["ties_correct"] + 1e-12
    assert fitted.score(X[1000:], y[1000:]) == scores["accuracy"]
    health = fitted.health(X[1000:])
    assert all(h["silent"] < 0.95 and h["dead"] < 0.3 for h in health.values()), health
    if "binary" in change:
        acting = net.used(fitted._params(), fitted.weights_)
        assert all(len(np.unique(np.abs(w))) == 1 for w in acting.values())
        assert fitted.weights_["dense1.alpha"] != net.first_weights(fitted._params(), fitted.layers_)["dense1.alpha"]


def test_resumed_at_every_tick_to_the_same_bits(digits):
    X, y = digits[0][:700], digits[1][:700]
    how = SMALL | {"shift": 1, "drop": 0.2, "drop_maps": 0.1, "binary": True, "alpha_rate": 1.0, "revive": 0.5}
    states = []
    whole = STiDi(**how).fit(X, y, progress=lambda f, note, snapshot: states.append((f, snapshot())))
    assert len(states) == 4 and states[-1][0] == 1.0
    for _, state in states:
        again = STiDi(**how).fit(X, y, resume=state)
        assert again.weights_.keys() == whole.weights_.keys()
        for name, w in whole.weights_.items():
            np.testing.assert_array_equal(again.weights_[name], w)
        np.testing.assert_array_equal(again.history_, whole.history_)


def test_hidden_neurons_that_hardly_fire_are_drawn_anew(digits):
    how = SMALL | {"rate": 0.0}  # nothing learns, and all hidden neurons fire for all images
    nets = [STiDi(**how, revive=share).fit(digits[0][:100], digits[1][:100]) for share in (0.0, 0.9, 1.1)]
    first, same, anew = (n.weights_ for n in nets)
    np.testing.assert_array_equal(first["dense1"], same["dense1"])
    expected = net.first_weights(STiDiParams(**how), nets[0].layers_, name="anew/0/")["dense1"]
    np.testing.assert_array_equal(anew["dense1"], expected)
    np.testing.assert_array_equal(first["output"], anew["output"])


def test_ties_and_silence():
    fitted = STiDi(maps=(), kernels=(), pools=(), hidden=(), t_max=20, rise=4.0)
    one, two = np.ones((2, 1)), np.ones((1, 3)) * [1.0, 1.2, 0.05]
    fitted.set_weights({"output": (one @ two).astype(np.float32)}, [5, 7, 9], (1, 2))
    images = np.array([[[255, 0]], [[0, 0]], [[255, 255]]], np.uint8)
    answers, times = fitted.answers(images)
    assert times.tolist() == [[4, 4, np.inf], [np.inf] * 3, [2, 2, np.inf]]
    assert answers.tolist() == [1, 0, 1] and fitted.predict(images).tolist() == [7, 5, 7]
    assert fitted.decision_times(images).tolist() == [4, np.inf, 2]
    scores = fitted.scores(images, [5, 5, 7])
    assert scores["accuracy"] == pytest.approx(2 / 3) and scores["ties_correct"] == 1.0
    assert scores["strictly_first"] == 0 and scores["silent"] == pytest.approx(1 / 3)
    assert fitted.scores(images, [9, 1, 9]) == {
        "accuracy": 0.0, "ties_correct": 0.0, "strictly_first": 0.0, "silent": pytest.approx(1 / 3)
    }  # fmt: skip


def test_spikes_are_counted_before_the_pooling(digits):
    fitted = STiDi(**(SMALL | {"epochs": 0})).fit(*digits)
    images = digits[0][:50]
    spikes, sooner = fitted.spikes(images), fitted.spikes(images, until_decision=True)
    assert list(spikes) == list(sooner) == ["input", "conv1", "pool1", "dense1", "output"]
    assert spikes["input"] == (images > 25).sum() / 50
    assert spikes["conv1"] > 2 * spikes["pool1"] and all(sooner[k] <= spikes[k] for k in spikes)
    times = fitted.answers(fitted.encode(images))[1]
    assert sooner["output"] == (times == times.min(axis=1, keepdims=True)).sum() / 50


def test_shifted_images():
    times = np.arange(9.0, dtype=np.float32).reshape(1, 1, 3, 3).repeat(200, 0)
    moved = _shifted(times, 1, 0, "stidi/shift/0/0", 99)
    assert len({m.tobytes() for m in moved}) == 9
    for m in moved[:20, 0]:
        inside = m[m < 99]
        assert len(inside) in (4, 6, 9) and (np.diff(inside) > 0).all()


def test_manners(digits):
    X, y = digits[0][:60], np.array(["even", "odd"])[digits[1][:60] % 2]
    fitted = clone(STiDi(**SMALL)).set_params(epochs=0).fit(X, y)
    assert set(fitted.predict(X)) <= {"even", "odd"} and fitted.history_.shape == (0, 7)
    again = STiDi(**SMALL).set_weights(fitted.weights_, fitted.classes_, (8, 8))
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"pools": ()}, "pools must have 1 values"),
        ({"theta": (1.0, 2.0)}, "theta must have 1 or 3 values"),
        ({"active_inputs": (3.0,)}, "active_inputs must have 3 values"),
        ({"pixel_cut": 300.0}, "pixel_cut must be < pixel_max"),
        ({"psp": "ramp", "rise": 2.5}, "rise must be whole with steps=hidden"),
        ({"kernels": (9,)}, "leave nothing of maps"),
    ],
)
def test_errors(digits, change, message):
    with pytest.raises(ValueError, match=message):
        STiDi(**(SMALL | change)).fit(digits[0][:20], digits[1][:20])
    with pytest.raises(ValueError, match="one label an image"):
        STiDi(**SMALL).fit(digits[0][:20], digits[1][:10])

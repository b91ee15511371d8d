"""The network with learned delays: worked examples, gradients of the whole, estimator manners, resuming, events."""

import numba
import numpy as np
import pytest
from sklearn.base import clone

from firstspike.datasets import relative_timing
from firstspike.plasticity.layers import dcls, ring
from firstspike.plasticity.layers.batch_norm import batch_norm_backward, batch_norm_forward
from firstspike.plasticity.layers.delays import delay_backward, delay_forward
from firstspike.plasticity.layers.losses import summed_softmax, summed_softmax_cross_entropy
from firstspike.plasticity.layers.neurons import leaky_backward, leaky_forward, lif_backward, lif_forward
from firstspike.plasticity.layers.pairs import EVAL, Mode, Pair, chain, named, statistics
from firstspike.plasticity.learners.delays import DelaySNN

SMALL = {
    "hidden": (8,),
    "max_delay": 9,
    "batch_size": 32,
    "epochs": 5,
    "refit_epochs": 2,
    "rate": 3e-3,
    "dropout": 0.25,
}


# ---- worked examples: two layers 3 -> 3 -> 2, k = 5, T = 8
def raster():
    n = np.arange(8 * 2 * 3)
    return (((7 * n * n + 3 * n + 1) % 11) < 4).astype(float).reshape(8, 2, 3)


def parameters(copies=1):
    p = {}
    for layer, (n_out, n_in) in enumerate(((3, 3), (2, 3))):
        n = np.arange(n_out * n_in * copies).reshape(n_out, n_in, copies)
        p[f"layer{layer + 1}.weight"] = 1.1 * np.sin(1.9 * n + 0.4 + layer)
        p[f"layer{layer + 1}.position"] = 1.8 * np.sin(2.3 * n + 0.9 + layer)[None]
        p[f"layer{layer + 1}.width"] = np.full((1, n_out, n_in, copies), 0.43)
    norm = {"scale": [1, 1.1, 1.2], "shift": [0.3, 0.2, 0.1], "mean": [0.0] * 3, "var": [1.0] * 3}
    return p | {f"layer1.norm.{k}": np.array(v, float) for k, v in norm.items()}


def masked(mask, rate):
    def forward(p, x, mode=EVAL):
        return x * mask / (1 - rate), None

    return Pair(forward, lambda p, saved, dy: (dy * mask / (1 - rate), {}))


def network(version="gauss", lam=0.5, detach=True, middle=(), learnt=False):
    delay = {"max_delay": 5, "version": version, "train": ("weight", "position", "width")}
    tau = {} if learnt else {"tau": 1 / (1 - lam)}
    spike = {"surrogate": ("atan", 5.0), "decay_input": False, "detach_reset": detach} | tau
    return chain(
        named("layer1", delay_forward, delay_backward, **delay),
        named("layer1.norm", batch_norm_forward, batch_norm_backward),
        named("layer1.spike", lif_forward, lif_backward, **spike),
        *middle,
        named("layer2", delay_forward, delay_backward, **delay),
        named("leaky", leaky_forward, leaky_backward, **tau),
    )


def run(net, p):
    o, saved = net.forward(p, raster(), Mode(train=True))
    loss, gradient = summed_softmax_cross_entropy(o, np.array([0, 1]))
    dx, dp = net.backward(p, saved, gradient)
    return loss, summed_softmax(o).ravel(), dx, dp, statistics(saved)


EXAMPLES = {  # version, lam, detach -> loss, m, gradients
    "gauss": (
        {},
        0.6859321448,
        [6.176730664, 5.823269336, 6.137359988, 5.862640012],
        {
            "layer1.weight": [-0.125676872, -0.038339550, -0.088925027, 0.080940055, -0.003571846, -0.039960436],
            "layer1.position": [0.026371686, -0.076746046, -0.275993612, -0.017135673, -0.011279581, -0.006316946],
            "layer1.width": [-0.029419704, -0.131070359, -0.317717327, 0.014332264, 0.116655169, -0.012574225],
            "layer1.norm.scale": [-0.229359200, 0.066617380, 0.004900389],
            "layer1.norm.shift": [-0.410676871, 0.065212202, 0.048616180],
            "layer2.weight": [-1.123798475, -0.540911184, -0.123600918, 1.114559130, 0.525647765, 0.118199621],
            "layer2.position": [-0.011180577, 0.012139767, -0.010161380, 0.014771936, 0.030129287, 0.004231195],
            "layer2.width": [0.013512581, 0.003206053, 0.012314794, -0.009228903, 0.027096331, -0.001414411],
        },
    ),
    "through the reset": (
        {"detach": False},
        0.6859321448,
        [6.176730664, 5.823269336, 6.137359988, 5.862640012],
        {
            "layer1.weight": [-0.120658629, -0.031879810, -0.081158298, 0.079999625, -0.003611629, -0.039671258],
            "layer1.position": [0.028144983, -0.076574637, -0.280681285, -0.017283870, -0.009321073, -0.007058369],
            "layer1.width": [-0.030169661, -0.130094456, -0.306506721, 0.014511720, 0.116540442, -0.012496641],
            "layer1.norm.scale": [-0.212015430, 0.062081432, 0.004406662],
        },
    ),
    "v1": (
        {"version": "v1"},
        0.7992901081,
        [5.939319878, 6.060680122, 6.139997955, 5.860002045],
        {
            "layer1.weight": [-0.099491968, -0.027107744, -0.067634230, 0.243294676, 0.090144044, 0.098045161],
            "layer1.position": [0.078794746, 0.202006149, 0.073877449, -0.034478388, -0.103163273, -0.174833938],
            "layer2.position": [-0.009428569, 0.029672179, 0.023777581, 0.006974617, 0.077520047, 0.005571313],
        },
    ),
    "max": (
        {"version": "max", "lam": 1 / 3},
        0.8234055123,
        [5.853662326, 6.146337674, 6.098651449, 5.901348551],
        {
            "layer1.weight": [-0.110998193, 0.070423347, 0.010681665, 0.071405697, -0.007858190, -0.045431690],
            "layer1.width": [0.028388461, -0.118083169, -0.229731558, 0.005874089, 0.059341369, 0.002018413],
            "layer2.position": [0.003299239, 0.014211918, 0.011517043, 0.000686508, 0.037129343, -0.014840034],
        },
    ),
    "v0": (
        {"version": "v0", "lam": 0.0049751},
        0.8217235674,
        [5.887026562, 6.112973438, 6.129455325, 5.870544675],
        {
            "layer1.weight": [-0.043045187, -0.036365592, -0.050343715, 0.190545125, -0.014916353, -0.108118539],
            "layer1.position": [0.005111535, 0.016899282, 0.105206420, -0.058515722, -0.290624167, -0.079703480],
            "layer2.weight": [-0.366073846, -0.393354359, 0.053018463, 0.351101843, 0.372169762, -0.014215099],
        },
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_worked_examples(name):
    settings, loss, m, gradients = EXAMPLES[name]
    found, scores, _, dp, _ = run(network(**settings), parameters())
    assert found == pytest.approx(loss, abs=1e-9)
    np.testing.assert_allclose(scores, m, atol=1e-8)
    for key, values in gradients.items():
        np.testing.assert_allclose(dp[key].ravel()[: len(values)], values, atol=1e-8, err_msg=key)


def test_two_copies_a_mask_and_learnt_leaks():
    mask = np.ones((1, 2, 3))
    mask[0, 0, 1] = 0
    p = parameters(2) | {"layer1.spike.w": np.zeros(()), "leaky.w": np.zeros(())}
    loss, m, dx, dp, new = run(network(middle=[masked(mask, 0.25)], learnt=True), p)
    assert loss == pytest.approx(1.7469053754, abs=1e-9)
    np.testing.assert_allclose(m, [4.441786100, 7.558213900, 5.537552822, 6.462447178], atol=1e-8)
    assert -4 * dp["layer1.spike.w"] == pytest.approx(-0.631863272, abs=1e-8)  # dlam/dw = -lam (1 - lam)
    assert -4 * dp["leaky.w"] == pytest.approx(1.475223736, abs=1e-8)
    expected = [0.036232649, 0.577717063, -0.242792568]
    np.testing.assert_allclose(dx.sum(axis=(0, 1)), expected, atol=1e-8)
    assert np.abs(dx).sum() == pytest.approx(16.431154652, abs=1e-7)
    first = [0.040630886, -0.065991884, 0.111507136, -0.046742736, 0.196546195, 0.158203346]
    np.testing.assert_allclose(dp["layer1.weight"].ravel()[:6], first, atol=1e-8)
    np.testing.assert_allclose(new["layer1.norm.mean"], [0.029060425, 0.011056267, -0.001043862], atol=1e-9)
    np.testing.assert_allclose(new["layer1.norm.var"], [0.905927445, 0.930192418, 0.985861291], atol=1e-9)
    after = p | new
    soft = summed_softmax(network().forward(after, raster(), EVAL)[0])
    np.testing.assert_allclose(soft.ravel(), [5.474779248, 6.525220752, 5.076827390, 6.923172610], atol=1e-8)
    for layer in ("layer1", "layer2"):
        part = {k.removeprefix(f"{layer}."): v for k, v in after.items() if k.startswith(f"{layer}.")}
        after |= {f"{layer}.{k}": v for k, v in dcls.rounded(part, 5).items()}
    hard = network("triangle").forward(after, raster(), EVAL)[0]
    expected = [6.040275448, 5.959724552, 5.441255466, 6.558744534]
    np.testing.assert_allclose(summed_softmax(hard).ravel(), expected, atol=1e-8)
    events = ring.run(ring.export(after, 2, 5, 2.0, 1.0), raster())
    np.testing.assert_allclose(events.output, hard, atol=1e-12)


# ---- the estimator ----------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def timing():
    return relative_timing(200, "train", "b", 1)


@pytest.fixture(scope="module")
def net(timing):
    return DelaySNN(**SMALL).fit(*timing)


def test_goes_on_from_any_point_to_the_same_bits(timing, net):
    points = []
    DelaySNN(**SMALL).fit(*timing, progress=lambda f, note, snapshot: points.append(snapshot()))
    assert len(points) == 7 * 7  # passes, steps
    for i in (0, 20, 33, 34, 35, 47, 48):
        again = DelaySNN(**SMALL).fit(*timing, resume=points[i])
        for stage in ("first_", "soft_", "rounded_", "refit_"):
            for name, value in getattr(net, stage).items():
                np.testing.assert_array_equal(getattr(again, stage)[name], value, err_msg=f"{i} {stage} {name}")
        np.testing.assert_array_equal(again.history_, net.history_)
    other = DelaySNN(**SMALL, random_state=1).fit(*timing)
    assert not np.array_equal(other.soft_["layer1.weight"], net.soft_["layer1.weight"])


def test_same_bits_for_any_number_of_threads(timing, net):
    before = numba.get_num_threads()
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS) if before == 1 else 1)
    try:
        again = DelaySNN(**SMALL).fit(*timing)
    finally:
        numba.set_num_threads(before)
    for name, value in net.refit_.items():
        np.testing.assert_array_equal(again.refit_[name], value, err_msg=name)


def test_delays_move_are_rounded_and_stay_in_the_window(net):
    for stage, whole in (("first", False), ("soft", False), ("rounded", True), ("refit", True)):
        delays = net.synapse_delays(stage)[0] / net.dt
        assert delays.shape == (8, 16, 1) and delays.min() >= 0 and delays.max() <= 8
        assert (np.abs(delays - np.round(delays)).max() < 1e-9) == whole
    assert np.abs(net.synapse_delays("soft")[0] - net.synapse_delays("first")[0]).max() > net.dt
    np.testing.assert_array_equal(net.synapse_delays("refit")[0], net.synapse_delays("rounded")[0])
    assert not np.array_equal(net.refit_["layer1.weight"], net.rounded_["layer1.weight"])
    np.testing.assert_array_equal(net.soft_["layer1.weight"], net.rounded_["layer1.weight"])
    assert (net.history_[:5, 2] > 0).all() and (net.history_[5:, 2] == 0).all() and np.isfinite(net.history_).all()


def test_running_statistics_follow_the_training(timing, net):
    z = net.activity(timing[0], "soft")["layer1.delay"]
    mean, var = net.soft_["layer1.norm.mean"], net.soft_["layer1.norm.var"]
    assert np.corrcoef(mean, z.mean(axis=(0, 1)))[0, 1] > 0.8 and np.corrcoef(var, z.var(axis=(0, 1)))[0, 1] > 0.8


def test_events_say_what_the_network_says(timing, net):
    X = timing[0][:50]
    for which in ("rounded", "refit"):
        found = ring.run(net.to_events(which), np.ascontiguousarray(X.swapaxes(0, 1)))
        scores = summed_softmax(found.output)
        np.testing.assert_allclose(scores, net.scores(X, which), rtol=1e-4)
    with pytest.raises(ValueError, match="rounded delays"):
        net.to_events("soft")


def test_a_sample_does_not_depend_on_the_others(timing, net):
    X = np.concatenate([timing[0][:9], np.zeros((1, 32, 16), np.uint8)])
    longer = np.pad(X, ((0, 0), (0, 13), (0, 0)))
    together = net.scores(X)
    np.testing.assert_array_equal(net.scores(longer), together)  # silence behind a sample changes nothing
    for i in range(10):
        np.testing.assert_array_equal(net.scores(X[i : i + 1]), together[i : i + 1])
    np.testing.assert_array_equal(net.scores(X[:, :20]), net.scores(np.pad(X[:, :20], ((0, 0), (0, 12), (0, 0)))))
    longer[3, 40, 5] = 1
    found = net.scores(longer)
    np.testing.assert_array_equal(np.delete(found, 3, 0), np.delete(together, 3, 0))
    assert not np.array_equal(found[3], together[3])
    np.testing.assert_allclose(net.predict_proba(X).sum(axis=1), 1, rtol=1e-5)


def test_kinds_of_delays(timing):
    fixed = DelaySNN(**SMALL | {"delays": "fixed", "epochs": 2}).fit(*timing)
    np.testing.assert_array_equal(fixed.synapse_delays("first")[0], fixed.synapse_delays("soft")[0])
    none = DelaySNN(**SMALL | {"delays": "none", "epochs": 2}).fit(*timing)
    assert none.n_steps_ == 32 and not none.synapse_delays("soft")[0].any() and none.refit_ is None
    assert none.activity(timing[0][:3])["leaky"].shape == (3, 32, 10)
    assert fixed.activity(timing[0][:3])["leaky"].shape == (3, 40, 10)
    with pytest.raises(ValueError, match="no refit"):
        none.predict(timing[0], "refit")
    hard = DelaySNN(**SMALL | {"width": "harden", "epochs": 8, "learn_tau": True, "tau": 0.02}).fit(*timing)
    assert hard.history_[7, 2] == 0 < hard.history_[6, 2] < hard.history_[2, 2]
    assert hard.soft_["layer1.spike.w"] != 0 and hard.soft_["leaky.w"] != 0


def test_manners_of_scikit_learn(timing, net):
    other = clone(net)
    assert other.get_params() == net.get_params() and not hasattr(other, "soft_")
    words = np.array(list("abcdefghij"))[timing[1]]
    named_net = DelaySNN(**SMALL).fit(timing[0], words)
    np.testing.assert_array_equal(
        named_net.predict(timing[0][:20]), np.array(list("abcdefghij"))[net.predict(timing[0][:20])]
    )


@pytest.mark.parametrize(
    "changes, X, match",
    [
        ({"max_delay": 8}, np.zeros((4, 5, 2)), "max_delay must be odd"),
        ({"tau": 1e-3}, np.zeros((4, 5, 2)), "tau must be >= dt"),
        ({}, np.zeros((4, 5)), "samples, steps, channels"),
        ({}, np.zeros((4, 0, 2)), "samples, steps, channels"),
        ({}, np.full((4, 5, 2), np.nan), "finite"),
        ({}, np.zeros((3, 5, 2)), "one label for each"),
    ],
)
def test_errors(changes, X, match):
    with pytest.raises(ValueError, match=match):
        DelaySNN(**SMALL | changes).fit(X, np.arange(4) % 2)
    with pytest.raises(ValueError, match="at least two classes"):
        DelaySNN(**SMALL).fit(np.zeros((4, 5, 2)), np.zeros(4))

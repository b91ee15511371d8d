"""Fully connected layers of one-spike neurons: worked examples, long trajectories, and the slow definition."""

import numpy as np
import pytest
from naive import s4nn as naive

from firstspike.plasticity.waves import dense
from firstspike.plasticity.waves.dense import (
    Aim,
    Rates,
    Shown,
    decide,
    encode,
    fire,
    latency,
    learn,
    pack,
    sort_spikes,
    unpack,
)

W1 = np.array([[2, 1, 0.5, 1], [0.5, 2, 1.5, 0.25], [1, -1, 2, 0.5]])
W2 = np.array([[1.5, 0.5, 1], [0.5, 1, -0.5]])
AS_IT_IS = Shown(0, 0, 0, 0, np.zeros(1), np.uint64(0), np.uint64(0))


def taught(times, labels, weights, theta, n_steps, how, eta, decay=0.0, updated=True, shown=AS_IT_IS):
    """Weights after the samples `times` (N, I), one call."""
    flat, sizes = pack(weights, np.float64)
    n = len(weights)
    rates = Rates(np.full(n, eta), np.full(n, decay), np.array(theta, float), updated)
    spikes = sort_spikes(times, n_steps)
    tally, awake = learn(np.arange(len(times)), spikes, np.array(labels), flat, sizes, how, shown, rates)
    return unpack(flat, sizes), tally, awake


def test_grey_levels_become_steps():
    assert latency(np.array([[0, 1, 2, 64, 127, 128, 200, 254, 255]]), 256).tolist() == [
        [256, 254, 253, 191, 128, 127, 55, 1, 0]
    ]
    assert latency(np.array([[0, 1, 7, 8, 16]], np.uint8), 16, 16).tolist() == [[16, 15, 9, 8, 0]]
    assert latency(np.array([[0.0, 1, 7, 8, 16]]), 256, 16).tolist() == [[256, 240, 144, 128, 0]]


def test_bytes_are_sorted_like_their_time_maps():
    rng = np.random.default_rng(0)
    for n_steps, largest in ((256, 255), (16, 16), (300, 1000), (1, 255)):
        images = rng.integers(0, min(largest, 255) + 1, (40, 5, 6)).astype(np.uint8)
        images[rng.random(images.shape) < 0.5] = 0
        direct, through = encode(images, n_steps, largest), sort_spikes(latency(images, n_steps, largest), n_steps)
        for a, b in zip(direct, through, strict=True):
            np.testing.assert_array_equal(a, b)
        for n, row in enumerate(latency(images, n_steps, largest)):
            order = np.argsort(row, kind="stable")[: (row < n_steps).sum()]
            part = slice(direct.start[n], direct.start[n + 1])
            assert direct.index[part].tolist() == order.tolist() and direct.step[part].tolist() == row[order].tolist()
    with pytest.raises(ValueError, match=r"grey levels must lie in 0..16, got 0..17"):
        encode(np.array([[0, 17]], np.uint8), 16, 16)


def test_one_layer_by_hand():
    w = np.array([[3, 4, -2, 5.0], [1, 1, 1, 1], [6, -1, 3, 0]])
    assert fire([[0, 3, 3, 9]], w, 5.0, 12).tolist() == [[10, 12, 1]]


@pytest.mark.parametrize("inputs, label, wanted", [
    ([5, 7, 6], 0, [5, 8, 8]), ([5, 7, 6], 1, [8, 5, 8]), ([5, 5, 9], 0, [5, 8, 9]), ([5, 5, 9], 2, [8, 8, 5]),
    ([10, 10, 10], 1, [12, 10, 12]), ([9, 9, 8], 0, [8, 11, 11]), ([12, 12, 12], 1, [12, 9, 12]),
    ([11, 12, 12], 2, [12, 12, 11]),
])  # fmt: skip
def test_wanted_times(inputs, label, wanted):
    from firstspike.plasticity.waves.dense_learn_cpu import aim

    error, times = np.zeros(3), np.array(inputs, np.int32)
    norm = aim(times, label, Aim(12, 3, 3), error)
    np.testing.assert_allclose(error * norm * 12, np.array(wanted) - times, atol=1e-12)


@pytest.mark.parametrize("label, updated, rows", [
    (1, True, [[1.80476074, 0.80496074, 0.4999, 0.9998], [0.45493709, 1.95463709, 1.4997, 0.24995]]),
    (0, True, [[1.92938936, 0.92958936, 0.4999, 0.9998], [0.31267162, 1.81237162, 1.4997, 0.24995]]),
    (1, False, None),
])  # fmt: skip
def test_one_step_by_hand(label, updated, rows):
    (first, second), _, _ = taught([[1, 2, 4, 8]], [label], [W1, W2], (2, 1), 10, Aim(10, 3, 3), 0.2, 1e-3, updated)
    at = {1: [[1.29974, 0.29994, 0.9998], [0.4999, 0.9998, -0.4999]]}
    at[0] = [[1.4997, 0.4999, 0.9998], [0.29994, 0.79984, -0.4999]]
    np.testing.assert_allclose(second, at[label], atol=1e-8)
    if rows is None:  # the error went down through the weights as they were: raw (1.5, 0.5, 0)
        raw = np.array([1.5, 0.5]) / np.hypot(1.5, 0.5)
        expected = (W1[:2, :2] - 0.2 * raw[:, None]) * (1 - 2e-4)
        np.testing.assert_allclose(first[:2, :2], expected, atol=1e-12)
    else:
        np.testing.assert_allclose(first, [*rows, [0.9998, -0.9998, 1.9996, 0.4999]], atol=1e-8)


def test_silent_layers():
    how = Aim(10, 3, 3)
    weights, _, awake = taught([[1, 2, 4, 8]], [1], [W1, W2], (20, 1), 10, how, 0.2)
    assert (weights[0] == W1).all() and (weights[1] == W2).all() and not awake.any()
    weights, tally, _ = taught([[1, 2, 4, 8]], [1], [W1, 0.2 * W2], (2, 1), 10, how, 0.2)
    np.testing.assert_allclose(weights[1], [[0.3, 0.1, 0.2], [0.3, 0.4, 0.1]], atol=1e-12)
    rows = [[2.11766968, 1.11766968, 0.5, 1], [0.65689291, 2.15689291, 1.5, 0.25]]
    np.testing.assert_allclose(weights[0], [*rows, [1.03922323, -0.96077677, 2.03922323, 0.53922323]], atol=1e-8)
    assert tally.tolist()[2:] == [1, 0, 10, 3]


def seeded(n, seed=7, steps=33):
    rng = np.random.default_rng(seed)
    if seed == 7:
        weights = [rng.uniform(0, 2, (10, 20)), rng.uniform(-0.5, 2, (4, 10))]
        rng.integers(0, steps, 20)
    else:
        weights = [rng.uniform(-1, 1, (10, 20)), rng.uniform(-1, 1, (4, 10))]
    pairs = [(rng.integers(0, steps, 20), int(rng.integers(0, 4))) for _ in range(n)]
    return weights, np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])


def test_two_hundred_steps_with_lazy_decay():
    weights, times, labels = seeded(200)
    (w1, w2), tally, awake = taught(times, labels, weights, (6, 3), 32, Aim(32, 3, 3), 0.1, 1e-4)
    found = [w1.sum(), w2.sum(), (w1**2).sum(), (w2**2).sum(), w1[0, 0], w2[0, 0]]
    expected = [211.61992331837865, 10.924276971877369, 293.4935874986737, 20.859975734486213]
    np.testing.assert_allclose(found, [*expected, 1.3491945425929142, 0.5199354317020539], rtol=1e-9)
    assert fire(times[-1:], weights[0], 6, 32).shape == (1, 10)
    for w, t, y in zip([weights], times, labels, strict=False):  # the definition, one step
        assert len(naive.step(t, y, w, (6, 3), 32, (3, 3), (0.1, 0.1), (1e-4, 1e-4))[0]) == 2


def test_the_label_is_told_no_more_than_the_limit():
    from firstspike.plasticity.waves.dense_learn_cpu import aim

    times, error = np.array([1, 9, 2], np.int32), np.zeros(3)
    for label, wanted in ((1, [4, 6, 4]), (2, [4, 9, 1])):
        norm = aim(times, label, Aim(12, 3, 3, 3), error)
        np.testing.assert_allclose(error * norm * 12, wanted - times, atol=1e-12)


def test_the_label_should_lead():
    from firstspike.plasticity.waves.dense_learn_cpu import aim

    error = np.zeros(3)
    for times, label, limit, wanted in (
        ([5, 6, 9], 0, 99, [3, 8, 9]),  # first, but by one step only
        ([5, 6, 9], 0, 1, [4, 8, 9]),
        ([5, 8, 9], 0, 99, [5, 8, 9]),  # ahead by three: nothing to learn
        ([5, 6, 9], 2, 99, [8, 8, 2]),
        ([5, 12, 12], 0, 99, [5, 12, 12]),
        ([11, 12, 12], 0, 99, [9, 12, 12]),  # the others are silent
        ([12, 12, 12], 0, 99, [9, 12, 12]),
    ):
        norm = aim(np.array(times, np.int32), label, Aim(12, 3, 3, limit, 3), error)
        np.testing.assert_allclose(error * norm * 12, np.subtract(wanted, times), atol=1e-12)


@pytest.mark.parametrize(("updated", "lead"), [(True, 0), (False, 0), (True, 2)])
def test_three_layers_as_defined(updated, lead):
    rng = np.random.default_rng(3)
    weights = [rng.uniform(-0.3, 1, (7, 9)), rng.uniform(-0.3, 1, (6, 7)), rng.uniform(-0.3, 1, (3, 6))]
    times, labels = rng.integers(0, 21, (30, 9)), rng.integers(0, 3, 30)
    theta, eta = (1.5, 1.2, 0.9), 0.05
    found, _, awake = taught(times, labels, weights, theta, 20, Aim(20, 2, 2, 3, lead), eta, 1e-2, updated)
    fired = np.zeros(13, int)
    for t, y in zip(times, labels, strict=True):
        weights, layers = naive.step(t, y, weights, theta, 20, (2, 2, 3, lead), (eta,) * 3, (1e-2,) * 3, updated)
        fired += np.concatenate(layers[1:3]) < 20
    for a, b in zip(found, weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    assert awake.tolist() == fired.tolist() and fired.min() > 0


def test_answers_costs_and_deadlines_as_defined():
    rng = np.random.default_rng(5)
    weights = [rng.integers(-2, 4, (8, 12)) * 0.5, rng.integers(-2, 4, (5, 8)) * 0.5]  # sums are exact, ties happen
    times, labels = rng.integers(0, 14, (60, 12)), rng.integers(0, 5, 60)
    times[40:][rng.random((20, 12)) < 0.8] = 13
    flat, sizes = pack(weights, np.float64)
    spikes = sort_spikes(times, 13)
    found = decide(spikes, flat, sizes, (2.0, 1.0))
    assert found.tied.sum() > 3 and found.silent.sum() > 3
    right = found.right(labels), found.right(labels, ties=True)
    early = {d: decide(spikes, flat, sizes, (2.0, 1.0), until=d) for d in (0, 4, 9)}
    for n, t in enumerate(times):
        (_, hidden, out), v = naive.forward(t, weights, (2.0, 1.0), 13)
        said, tied = naive.answer(out, v, 13)
        first = out.min()
        assert (found.answer[n], found.step[n]) == (said, first)
        assert right[0][n] == (said == labels[n]) and right[1][n] == (labels[n] in (tied or [said]))
        if first < 13:
            assert found.spikes[n].tolist() == [(t < first).sum(), (hidden < first).sum()]
            assert [c for c in range(5) if found.time[n, c] < 13] == tied
        for d, answers in early.items():
            assert answers.answer[n] == (said if first <= d else v[:, d].argmax())


def test_binary_weights_hundred_steps():
    weights, times, labels = seeded(100, 11, 32)
    flat, sizes = pack(weights)
    binary = np.array([[2.0, 0.01 / 200], [2.0, 0.01 / 40]])
    rates = Rates(np.full(2, 0.1), np.zeros(2), np.array([6.0, 3.0]), True)
    spikes = sort_spikes(times, 32)
    learn(np.arange(100), spikes, labels, flat, sizes, Aim(32, 1, 0), AS_IT_IS, rates, binary)
    w1, w2 = unpack(flat, sizes)
    np.testing.assert_allclose([w1.sum(), w2.sum()], [-3.889865147258026, 3.183552217075013], rtol=1e-9)
    np.testing.assert_allclose(binary[:, 0], [2.00151028, 2.00148823], atol=5e-9)
    assert ((w1 >= 0).sum(), (w2 >= 0).sum()) == (92, 23)


def test_binary_step_by_hand():
    w1 = np.array([[0.3, -0.2, 0.1, 0.4], [0.05, 0.6, -0.3, 0.2], [-0.5, 0.2, 0.7, 0.1]])
    w2 = np.array([[0.4, 0.02, -0.3], [-0.1, 0.5, 0.6]])
    rates = Rates(np.full(2, 0.1), np.zeros(2), np.array([1.9, 1.0]), True)
    for gap, label in ((1, 0), (2, 1)):
        flat, sizes = pack([w1, w2])
        binary = np.array([[2.0, 0.01 / 12], [2.0, 0.01 / 6]])
        how = Aim(6, gap, 0)
        learn(
            np.arange(1), sort_spikes([[0, 1, 3, 4]], 6), np.array([label]), flat, sizes, how, AS_IT_IS, rates, binary
        )
        a, b = unpack(flat, sizes)
        new, alpha, layers = naive.binary_step([0, 1, 3, 4], label, [w1, w2], (2, 2), (1.9, 1), 6, (gap, 0), 0.1, 0.01)
        assert [t.tolist() for t in layers[1:]] == [[1, 1, 4], [2, 5]]
        np.testing.assert_allclose(a, new[0], atol=1e-12)
        np.testing.assert_allclose(b, new[1], atol=1e-12)
        np.testing.assert_allclose(binary[:, 0], alpha, atol=1e-12)
        assert gap == 1 or abs(binary[0, 0] - 2.0009188382) < 1e-9 and abs(b[0, 1] + 0.0354700196) < 1e-9


@pytest.mark.parametrize("hidden", [70, 128])  # words in part and in full
def test_packed_bits_say_the_same(hidden):
    rng = np.random.default_rng(hidden)
    weights = [rng.choice([-1, 1], (hidden, 50)), rng.choice([-1, 1], (5, hidden))]
    times = rng.integers(0, 41, (200, 50))
    times[100:][rng.random((100, 50)) < 0.7] = 40
    flat, sizes = pack(weights, np.int8)
    spikes = sort_spikes(times, 40)
    for theta in ((3.3, 2.5), (6.0, 1.0)):
        for until in (None, 0, 7, 25):
            a, b = (decide(spikes, flat, sizes, theta, until, packed) for packed in (False, True))
            for name in a._fields:
                np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
        full = decide(spikes, flat, sizes, theta)
        assert 0 < full.silent.sum() < 200 and full.tied.any()
        for n in range(0, 200, 40):
            (_, hidden_times, out), v = naive.forward(times[n], weights, theta, 40)
            assert (full.answer[n], full.step[n]) == (naive.answer(out, v, 40)[0], out.min())


def test_gradient_of_a_batch_is_the_sum_of_the_normalised_steps():
    weights, times, labels = seeded(6)
    flat, sizes = pack(weights, np.float64)
    spikes = sort_spikes(times, 32)
    found, tally, _ = dense.gradient(np.arange(6), spikes, labels, flat, sizes, Aim(32, 3, 3), AS_IT_IS, (6, 3))
    sums = [np.zeros_like(w) for w in weights]
    for t, y in zip(times, labels, strict=True):
        layers, _ = naive.forward(t, weights, (6, 3), 32)
        for s, e, pre, post in zip(
            sums, naive.errors(layers, weights, y, (3, 3), 32), layers[:-1], layers[1:], strict=True
        ):
            s += e[:, None] * (pre[None, :] < post[:, None])
    for a, b in zip(unpack(found, sizes), sums, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    assert (flat == pack(weights, np.float64)[0]).all() and tally[4] > 0


def test_moved_images_and_resting_neurons():
    """Shown moved, an image keeps the spikes that stay inside; resting neurons never fire."""
    weights, how = [np.ones((4, 9)), np.ones((2, 4))], Aim(20, 2, 2)
    times = np.full((400, 9), 20)
    times[:, 4] = 3  # the middle of 3 x 3
    flat, sizes = pack(weights, np.float64)
    flat[:36] = np.repeat(np.arange(9) == 4, 4)  # only the middle reaches the threshold
    rates = Rates(np.zeros(2), np.zeros(2), np.array([0.5, 0.5]), True)
    spikes, labels = sort_spikes(times, 20), np.zeros(400, np.int64)
    moved = Shown(3, 3, 1, 0, np.zeros(1), np.uint64(1), np.uint64(2))
    _, awake = learn(np.arange(400), spikes, labels, flat.copy(), sizes, how, moved, rates)
    assert np.ptp(awake) == 0 and 20 < awake[0] < 80  # one place in nine: 44 expected, 3 sd = 19
    jittered = Shown(3, 3, 0, 2, np.zeros(1), np.uint64(1), np.uint64(2))
    tally, awake = learn(np.arange(400), spikes, labels, flat.copy(), sizes, how, jittered, rates)
    assert (awake == 400).all() and abs(tally[4] / 400 - 5) < 0.3  # hidden at 4, output at 5, sd 1.4 / 20
    resting = Shown(0, 0, 0, 0, np.array([0.25]), np.uint64(1), np.uint64(2))
    _, awake = learn(np.arange(400), spikes, labels, flat.copy(), sizes, how, resting, rates)
    assert len(set(awake.tolist())) > 1 and abs(awake.mean() / 400 - 0.75) < 0.05


def test_nonsense_is_refused():
    flat, sizes = pack([W1, W2])
    with pytest.raises(ValueError, match="grey levels"):
        latency(np.array([[300]]), 256)
    with pytest.raises(ValueError, match="weights of layer 2"):
        pack([W1, W1])
    with pytest.raises(ValueError, match="must lie in"):
        sort_spikes([[5]], 4)
    with pytest.raises(ValueError, match="until"):
        decide(sort_spikes([[1, 2, 4, 8]], 10), flat, sizes, (2, 1), until=-1)

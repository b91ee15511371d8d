"""Convolution, firing, pooling, winners, learning: worked examples, slow versions, invariances."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import waves as naive

from firstspike.plasticity.rules.order import OrderSTDP, convergence, rates, update
from firstspike.plasticity.waves import winners as operators
from firstspike.plasticity.waves.backproject import backproject
from firstspike.plasticity.waves.conv import convolve, learn, output_shape
from firstspike.plasticity.waves.front_end import dog
from firstspike.runtime.spikes import event_list, times_to_wave, wave_to_times

TAU = np.array([[[[0, 4, 1], [2, 0, 4], [4, 3, 1]], [[4, 1, 4], [0, 4, 2], [3, 4, 0]]]])
W = np.array(
    [
        [[[0.5, 0.25], [0.75, 0.5]], [[1, 0.5], [0.25, 0.75]]],
        [[[0.25, 1], [0.5, 0.5]], [[0.75, 0.25], [1, 0.5]]],
        [[[1, 0], [0, 0.25]], [[0.5, 0.5], [0.5, 0.5]]],
    ]
)
V = [
    "1.25 .75 1.25 1.25 1.75 .5 1.75 .75 1.75 0 .5 1.5",
    "1.75 2 1.25 1.75 2 2.25 1.75 1.25 2.25 .5 .5 1.75",
    "2.5 2.75 1.75 2.25 2.5 2.75 2 1.5 2.25 1 1.5 2.25",
    "2.5 2.75 2.5 3 2.5 2.75 3.5 2 2.25 1 2.25 2.25",
]
V = np.array([[float(v) for v in line.split()] for line in V]).reshape(4, 3, 2, 2)


def fixed(a_plus, a_minus, **kwargs):
    return OrderSTDP(a_plus, a_minus / a_plus, 0, max(abs(a_plus), 1.0), **kwargs)


def random_net(seed, signed=False, scale=None):
    """A random layer: times, weights, arguments. Weights are multiples of 1/64, so that sums are exact."""
    rng = np.random.default_rng(seed)
    n_steps = int(rng.choice([1, 2, 5, 15]))
    c, f = rng.integers(1, 4), rng.integers(1, 20)
    h, w = rng.integers(1, 8, 2)
    padding = int(rng.integers(0, 3))
    kh = int(rng.choice([1, h + 2 * padding, rng.integers(1, h + 2 * padding + 1)]))
    kw = int(rng.choice([1, w + 2 * padding, rng.integers(1, w + 2 * padding + 1)]))
    share = rng.choice([0.0, 0.3, 1.0])
    times = np.where(rng.random((5, c, h, w)) < share, rng.integers(0, n_steps, (5, c, h, w)), n_steps)
    if rng.random() < 0.2:
        times = np.where(times < n_steps, 0, n_steps)  # all at once
    weights = rng.integers(-64 if signed else 0, 65, (f, c, kh, kw)) / 64
    theta = max(1, round(float(rng.uniform(0, 0.3)) * c * kh * kw * 64)) / 64
    return times, weights, float(theta), n_steps, padding


# ---- worked examples --------------------------------------------------------------------------------------------
def test_potentials_example():
    np.testing.assert_array_equal(naive.potentials(TAU[0], W, 4), V)
    for t in range(4):
        _, values = convolve(np.where(t >= TAU, TAU, 4), W, None, 4, return_values=True)
        np.testing.assert_array_equal(values[0], V[t])


def test_fire_example():
    times, values = convolve(TAU, W, 1.5, 4, return_values=True)
    assert times.dtype == np.uint8 and values.dtype == np.float32
    assert times.ravel().tolist() == [1, 1, 2, 1, 0, 1, 0, 3, 0, 4, 3, 1]
    assert values.ravel().tolist() == [1.75, 2, 1.75, 1.75, 1.75, 2.25, 1.75, 2, 1.75, 0, 2.25, 1.75]
    loose, v = convolve(TAU, W, 1.5, 4, strict=False, return_values=True)
    assert loose.ravel().tolist() == [1, 1, 2, 1, 0, 1, 0, 2, 0, 4, 2, 0]
    assert v[0, 1, 1, 1] == v[0, 2, 1, 0] == v[0, 2, 1, 1] == 1.5
    assert (convolve(TAU, W, 1.25, 4) == loose).all()
    times, values = convolve(TAU, W, None, 4, return_values=True)
    assert (times == 3).all() and (values[0] == V[3]).all()


def test_pointwise_example():
    times, values = convolve(TAU, W, 1.5, 4, return_values=True)
    kept, v = operators.pointwise_inhibition(times, 4, values)
    where = {tuple(i): (int(kept[0][tuple(i)]), float(v[0][tuple(i)])) for i in np.argwhere(kept[0] < 4)}
    assert where == {(1, 0, 0): (0, 1.75), (1, 0, 1): (1, 2.25), (1, 1, 0): (0, 1.75), (0, 1, 1): (1, 1.75)}
    assert (convolve(TAU, W, 1.5, 4, inhibit=True) == kept).all()
    # without values the lowest map wins a tie
    binary = operators.pointwise_inhibition(times, 4)
    assert (binary[0, 0] < 4).tolist() == [[False, True], [False, True]]


def test_k_winners_example():
    times, values = convolve(TAU, W, 1.5, 4, return_values=True)
    kept = operators.pointwise_inhibition(times, 4, values)

    def chosen(t, v, r):
        return [tuple(w[:3]) for w in operators.k_winners(t, v, 4, 3, r)[0].tolist() if w[0] >= 0]

    assert chosen(*kept, 0) == [(1, 0, 0), (0, 1, 1)] and chosen(*kept, 1) == [(1, 0, 0)]
    assert chosen(times, values, 0) == [(1, 0, 0), (2, 0, 0), (0, 0, 1)] and chosen(times, values, 1) == [(1, 0, 0)]


def test_pool_example():
    tau = np.array([[[[3, 1, 4, 4, 2], [0, 4, 4, 1, 4], [4, 4, 4, 4, 4], [2, 2, 0, 3, 4], [4, 1, 4, 4, 0]]]])
    assert operators.pool_times(tau, 4, 2)[0, 0].tolist() == [[0, 1], [2, 0]]
    assert operators.pool_times(tau, 4, 2, 2, 1)[0, 0].tolist() == [[3, 1, 2], [0, 4, 1], [2, 0, 0]]
    assert operators.pool_times(tau, 4, 3, 2, 1)[0, 0].tolist() == [[0, 1, 1], [0, 0, 1], [1, 0, 0]]


def test_stdp_examples():
    def learnt(rule, theta=1.5):
        return learn(TAU, W, rule, theta=theta, n_steps=4, n_winners=1)

    out = learnt(fixed(0.1, -0.05))
    assert out.winners.tolist() == [[[1, 0, 0, 0]]] and (out.n_seen, out.n_updated) == (1, 1)
    expected = [0.26875, 1, 0.4875, 0.525, 0.740625, 0.240625, 1, 0.4875]
    np.testing.assert_allclose(out.weights[1].ravel(), expected, atol=1e-7)
    assert (out.weights[[0, 2]] == W[[0, 2]]).all()

    out = learnt(fixed(0.1, -0.05, lower=0.2, upper=0.8, stabiliser=False)).weights.reshape(3, 8)
    np.testing.assert_allclose(out[0], [0.5, 0.25, 0.75, 0.5, 0.8, 0.5, 0.25, 0.75], atol=1e-7)
    np.testing.assert_allclose(out[1], [0.35, 0.8, 0.45, 0.6, 0.7, 0.2, 0.8, 0.45], atol=1e-7)
    np.testing.assert_allclose(out[2], [0.8, 0.2, 0.2, 0.25, 0.5, 0.5, 0.5, 0.5], atol=1e-7)

    out = learnt(fixed(-0.1, 0.0125)).weights[1].ravel()  # punishment: other amplitudes
    np.testing.assert_allclose(out, [0.23125, 1, 0.503125, 0.475, 0.752344, 0.252344, 1, 0.503125], atol=1e-6)

    out = learnt(fixed(0.004, -0.003, lower=0.2, upper=0.8, stabiliser=False), theta=None)
    assert out.winners.tolist() == [[[1, 1, 0, 3]]]
    expected = [0.254, 0.8, 0.497, 0.504, 0.754, 0.247, 0.8, 0.497]
    np.testing.assert_allclose(out.weights[1].ravel(), expected, atol=1e-7)


def test_schedule():
    p = OrderSTDP().scalars()
    for n, a in ((1, 0.004), (499, 0.004), (500, 0.008), (1000, 0.016), (1500, 0.032), (2000, 0.064), (2500, 0.128)):
        assert rates(n, p) == pytest.approx((a, -0.75 * a))
    assert rates(3000, p)[0] == rates(10**9, p)[0] == 0.15
    assert rates(10**9, OrderSTDP(doubling=0).scalars())[0] == 0.004


def test_convergence_index():
    assert [convergence(w) for w in W] == pytest.approx([0.1875, 0.1640625, 0.1484375])
    assert convergence(W) == pytest.approx(1 / 6) and convergence(0.5) == 0.25


def test_sizes_of_published_networks():
    kernels = lambda *k: (k[0], k[0])  # noqa: E731
    assert output_shape((28, 28), kernels(5), 2, (2, 2, 0)) == (14, 14)
    assert output_shape((14, 14), kernels(3), 1, (3, 3, 0)) == (4, 4)
    assert output_shape((4, 4), kernels(5), 2) == (4, 4)
    assert output_shape((28, 28), kernels(5), 2, (2, 2, 1)) == (15, 15)
    assert output_shape((15, 15), kernels(2), 1) == (16, 16)
    assert output_shape((16, 16), kernels(1), 0, (2, 2, 1)) == (9, 9)


def test_backprojection_example_and_slow_version():
    bank = [dog(3, 1 / 3, 2 / 3), dog(3, 2 / 3, 1 / 3)]
    pooled = backproject(bank, [(2, 2)])
    assert pooled.shape == (2, 4, 4)
    out = backproject(bank, [(2, 2), W])
    assert out.shape == (3, 6, 6)
    np.testing.assert_allclose(out.sum((1, 2)), [18.037137, 18.287137, 14.079710], atol=5e-7)
    np.testing.assert_allclose(out[0, 3], [0, 0.754642, 1.25, 1.509284, 1.25, 0.754642], atol=5e-7)
    rng = np.random.default_rng(0)
    w1, w2 = rng.normal(size=(3, 2, 4, 4)), rng.normal(size=(2, 3, 2, 3))
    slow = naive.backproject(np.stack(bank), [("conv", w1), ("pool", 3, 2), ("conv", w2)])
    np.testing.assert_allclose(backproject(bank, [w1, (3, 2), w2]), slow, atol=1e-12)
    with pytest.raises(ValueError, match="weights must be"):
        backproject(bank, [w2])


@pytest.mark.parametrize("theta, strict", [(10.0, True), (15.0, True), (9.5, True), (10.0, False)])
def test_single_neuron_finds_the_start_of_a_repeated_pattern(theta, strict):
    n = 50
    weights = np.random.default_rng(4).normal(0.8, 0.05, (1, n, 1, 1))
    times = np.tile(np.arange(n).reshape(1, n, 1, 1), (4000, 1, 1, 1))
    out = learn(times, weights, OrderSTDP(), theta=theta, n_steps=n, n_winners=1, strict=strict)
    step = out.winners[:, 0, 3]
    assert (np.diff(step) <= 0).all() and step[-1] == int(theta) and step[0] > theta
    w = out.weights.ravel()
    assert (w[: int(theta) + 1] > 0.99).all() and (w[int(theta) + 1 :] < 0.01).all()


# ---- against the slow versions ----------------------------------------------------------------------------------
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans(), st.booleans())
def test_convolution_equals_the_dense_one(seed, signed, strict, threshold):
    times, weights, theta, n_steps, padding = random_net(seed, signed)
    theta = theta if threshold else None
    got = convolve(times, weights, theta, n_steps, padding=padding, strict=strict, return_values=True)
    one = convolve(times, weights, theta, n_steps, padding=padding, strict=strict, inhibit=True)
    for n in range(len(times)):
        t, v = naive.fire(naive.potentials(times[n], weights, n_steps, padding), theta, strict)
        np.testing.assert_array_equal(got[0][n], t)
        np.testing.assert_array_equal(got[1][n], v)
        np.testing.assert_array_equal(one[n], naive.pointwise(t, v, n_steps)[0])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2))
def test_pooling_equals_the_slow_one_and_maximum_of_waves(seed, window, stride, padding):
    rng = np.random.default_rng(seed)
    n_steps, size = 5, rng.integers(4, 9, 2)
    times = rng.integers(0, n_steps + 1, (2, 2, *size))
    padding = min(padding, window // 2)
    got = operators.pool_times(times, n_steps, window, stride, padding)
    for n in range(2):
        np.testing.assert_array_equal(got[n], naive.pool(times[n], n_steps, window, stride, padding))
        waves = times_to_wave(times[n], n_steps)
        pooled = [naive.pool(1 - w.astype(int), 1, window, stride, padding) for w in waves]
        np.testing.assert_array_equal(times_to_wave(got[n], n_steps), 1 - np.array(pooled))
    weights = rng.integers(0, 65, (3, 2, 2, 2)) / 64
    fused = convolve(times, weights, 1.0, n_steps, padding=1, pool=(window, stride, padding))
    apart = operators.pool_times(convolve(times, weights, 1.0, n_steps, padding=1), n_steps, window, stride, padding)
    np.testing.assert_array_equal(fused, apart)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(0, 2), st.booleans(), st.booleans())
def test_early_stop_finds_the_winners_of_the_full_computation(seed, k, radius, signed, threshold):
    times, weights, theta, n_steps, padding = random_net(seed, signed)
    theta = theta if threshold else None
    still = fixed(1e-300, -1e-300, lower=-2, upper=2)
    out = learn(times, weights, still, theta=theta, n_steps=n_steps, n_winners=k, radius=radius, padding=padding)
    t, v = convolve(times, weights, theta, n_steps, padding=padding, return_values=True)
    kept = operators.pointwise_inhibition(t, n_steps, v)
    np.testing.assert_array_equal(out.winners, operators.k_winners(*kept, n_steps, k, radius))
    for n in range(len(times)):
        slow = naive.k_winners(*naive.pointwise(t[n], v[n], n_steps), n_steps, k, radius)
        assert out.winners[n][: len(slow)].tolist() == slow and (out.winners[n][len(slow) :] == -1).all()
        loose = naive.k_winners(t[n], v[n], n_steps, k, radius)
        assert operators.k_winners(t, v, n_steps, k, radius)[n][: len(loose)].tolist() == loose


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(0, 2))
def test_learning_equals_the_slow_one(seed, k, radius):
    times, weights, theta, n_steps, padding = random_net(seed)
    rule = OrderSTDP(0.05, -0.75, 2, 0.15, 0.1, 0.9)
    out = learn(times, weights, rule, theta=theta, n_steps=n_steps, n_winners=k, radius=radius, padding=padding)

    def schedule(n):
        return rates(n, rule.scalars())

    # float sums near the threshold could differ: compare image by image from the product's own weights
    state, w = {"n_seen": 0, "n_updated": 0}, weights
    for n in range(len(times)):
        step = learn(
            times[n : n + 1],
            w,
            rule,
            theta=theta,
            n_steps=n_steps,
            n_winners=k,
            radius=radius,
            padding=padding,
            **state,
        )
        found = [x for x in step.winners[0].tolist() if x[0] >= 0]
        slow = np.float32(w)
        before = slow.copy()
        for winner in found:
            slow[winner[0]] = naive.stdp(
                before.astype(float), times[n], winner, n_steps, schedule(n + 1), (0.1, 0.9), padding=padding
            )
        if found and not state["n_updated"]:
            slow = np.clip(slow, 0.1, 0.9)
        np.testing.assert_allclose(step.weights, slow, atol=1e-7)
        w, state = step.weights, {"n_seen": step.n_seen, "n_updated": step.n_updated}
    np.testing.assert_array_equal(out.weights, w)  # many calls = one call


def test_learning_equals_the_slow_one_from_end_to_end():
    rng = np.random.default_rng(7)
    times = np.where(rng.random((40, 2, 8, 8)) < 0.5, rng.integers(0, 6, (40, 2, 8, 8)), 6)
    weights = rng.normal(0.8, 0.05, (6, 2, 3, 3))
    rule = OrderSTDP(0.05, doubling=10)
    out = learn(times, weights, rule, theta=3.0, n_steps=6, n_winners=3, radius=1, padding=1)
    slow, winners = naive.learn(times, weights, 6, 3.0, 3, 1, 1, lambda n: rates(n, rule.scalars()))
    assert [[w for w in image if w[0] >= 0] for image in out.winners.tolist()] == winners
    np.testing.assert_allclose(out.weights, slow, atol=1e-5)


# ---- invariances ------------------------------------------------------------------------------------------------
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_order_of_input_maps_does_not_matter(seed):
    times, weights, theta, n_steps, padding = random_net(seed)
    order = np.random.default_rng(seed).permutation(times.shape[1])
    a = convolve(times, weights, theta, n_steps, padding=padding, return_values=True)
    b = convolve(times[:, order], weights[:, order], theta, n_steps, padding=padding, return_values=True)
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])


def test_only_maps_of_winners_move_and_bounds_hold():
    rng = np.random.default_rng(5)
    times = rng.integers(0, 16, (300, 2, 9, 9))
    weights = rng.random((12, 2, 4, 4)).astype(np.float32)
    for rule in (OrderSTDP(0.15), OrderSTDP(0.15, stabiliser=False)):
        w = weights
        for image in times[:50]:
            out = learn(image[None], w, rule, theta=4.0, n_steps=15, n_winners=3, radius=1, n_seen=1, n_updated=1)
            moved = set(np.nonzero((out.weights != w).any((1, 2, 3)))[0])
            assert moved <= set(out.winners[0, :, 0]) and out.weights.min() >= 0 and out.weights.max() <= 1
            w = out.weights
        assert (w != weights).any()


def test_learning_in_two_calls_is_learning_in_one():
    rng = np.random.default_rng(6)
    times = np.where(rng.random((700, 2, 8, 8)) < 0.4, rng.integers(0, 15, (700, 2, 8, 8)), 15)
    times[:3] = 15
    weights = rng.normal(0.8, 0.05, (10, 2, 3, 3))
    args = {"theta": 4.0, "n_steps": 15, "n_winners": 3, "radius": 1, "padding": 1}
    one = learn(times, weights, OrderSTDP(), **args)
    a = learn(times[:301], weights, OrderSTDP(), **args)
    b = learn(times[301:], a.weights, OrderSTDP(), **args, n_seen=a.n_seen, n_updated=a.n_updated)
    np.testing.assert_array_equal(one.weights, b.weights)
    np.testing.assert_array_equal(one.winners, np.concatenate([a.winners, b.winners]))
    assert one.n_seen == b.n_seen == 700 and one.n_updated == b.n_updated == 697


def test_any_number_of_threads_gives_the_same_bits():
    rng = np.random.default_rng(8)
    times = np.where(rng.random((50, 2, 12, 12)) < 0.4, rng.integers(0, 15, (50, 2, 12, 12)), 15)
    weights = rng.normal(0.5, 0.2, (10, 2, 5, 5)).astype(np.float32)

    def run():
        return convolve(times, weights, 3.0, 15, padding=2, return_values=True)

    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = run()
        numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
        many = run()
    finally:
        numba.set_num_threads(before)
    single = [convolve(times[n : n + 1], weights, 3.0, 15, padding=2, return_values=True) for n in range(50)]
    for i in range(2):
        np.testing.assert_array_equal(one[i], many[i])
        np.testing.assert_array_equal(one[i], np.concatenate([s[i] for s in single]))


def test_long_times_need_int32():
    times = np.array([[[[0, 299, 300]]]])
    out = convolve(times, np.ones((1, 1, 1, 2)), 1.5, 300)
    assert out.dtype == np.int32 and out.tolist() == [[[[299, 300]]]]


def test_silent_images_teach_nothing():
    times = np.full((4, 1, 5, 5), 15)
    weights = np.full((3, 1, 3, 3), 2.0)  # outside the bounds: stays, for there is no first winner
    out = learn(times, weights, OrderSTDP(), theta=1.0, n_steps=15, n_winners=2)
    assert (out.weights == 2).all() and (out.winners == -1).all() and (out.n_seen, out.n_updated) == (4, 0)
    assert (convolve(times, weights, 1.0, 15, inhibit=True) == 15).all()
    assert (operators.decide(times, np.zeros(times.shape), 15, [0]) == -1).all()


def test_a_new_rule_runs_in_the_same_loop():
    class Nearest:
        def scalars(self):
            return (0.5,)

        @staticmethod
        def rates(n, p):
            return p[0] / n, 0.0

        @staticmethod
        def update(w, before, a_before, a_after, p):
            return w + a_before * ((1.0 if before else 0.0) - w) if a_before > 0 else w

    out = learn(TAU, W, Nearest(), theta=1.5, n_steps=4, n_winners=1)
    on = (TAU[0, :, :2, :2] <= 0).astype(float)
    np.testing.assert_allclose(out.weights[1], W[1] + 0.5 * (on - W[1]))


def test_decision_by_first_spike():
    times, values = convolve(TAU, W, 1.5, 4, return_values=True)
    assert operators.decide(times, values, 4, [0, 1, 2]).tolist() == [1]
    assert operators.decide(times, values, 4, [4, 9, 4]).tolist() == [9]


# ---- converters -------------------------------------------------------------------------------------------------
def test_converters():
    wave = times_to_wave(TAU[0], 4)
    assert wave.shape == (4, 2, 3, 3) and (wave.sum(0) == 4 - TAU[0]).all()
    assert (wave_to_times(times_to_wave(TAU, 4)) == TAU).all()
    c, y, x, offsets = event_list(TAU[0], 4)
    assert offsets.tolist() == [0, *np.cumsum(np.bincount(TAU[0].ravel())[:4])]
    for t in range(4):
        here = [tuple(i) for i in np.argwhere(TAU[0] == t)]
        a, b = offsets[t], offsets[t + 1]
        assert list(zip(c[a:b], y[a:b], x[a:b], strict=True)) == here
    with pytest.raises(ValueError, match="cumulative"):
        wave_to_times(np.array([1, 0]).reshape(2, 1, 1, 1))


ONES = np.ones((1, 2, 2, 2))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: convolve(TAU, W, 0.0, 4), "theta must be > 0"),
        (lambda: convolve(TAU, W, np.nan, 4), "theta must be > 0"),
        (lambda: convolve(TAU, W, 1.0, 0), "n_steps must be an integer >= 1, got 0"),
        (lambda: convolve(TAU, W, 1.0, 3), "times must lie in 0..3"),
        (lambda: convolve(TAU - 1, W, 1.0, 4), "times must lie in 0..4"),
        (lambda: convolve(TAU + 0.5, W, 1.0, 5), "integer spike steps"),
        (lambda: convolve(TAU[0], W, 1.0, 4), "times must have 4 axes"),
        (lambda: convolve(TAU, np.ones((1, 2, 4, 4)), 1.0, 4), "larger than the input"),
        (lambda: convolve(TAU, np.ones((1, 3, 2, 2)), 1.0, 4), "2 input maps"),
        (lambda: convolve(TAU, ONES * np.inf, 1.0, 4), "weights must be finite"),
        (lambda: convolve(TAU, ONES, 1.0, 4, padding=-1), "padding must be"),
        (lambda: convolve(TAU, ONES, 1.0, 4, pool=(5, 1, 0)), "pool window 5 is larger"),
        (lambda: convolve(TAU, ONES, 1.0, 4, pool=(2, 2, 2)), "pool padding must be"),
        (lambda: learn(TAU, W, OrderSTDP(), theta=1.0, n_steps=4, n_winners=0), "n_winners must be"),
        (lambda: learn(TAU, W, OrderSTDP(), theta=1.0, n_steps=4, n_winners=1, radius=-1), "radius must be"),
        (lambda: learn(TAU, W, OrderSTDP(lower=2.0), theta=1.0, n_steps=4, n_winners=1), "upper must be > lower"),
        (lambda: learn(TAU, W, OrderSTDP(a_plus=np.nan), theta=1.0, n_steps=4, n_winners=1), "finite"),
        (lambda: operators.k_winners(TAU, np.zeros((1, 1, 1, 1)), 4, 1), "shape of times"),
        (lambda: operators.pointwise_inhibition(TAU, 4, np.full(TAU.shape, np.nan)), "values must be finite"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_update_is_bounded_for_wild_amplitudes():
    p = OrderSTDP(stabiliser=False).scalars()
    assert update(0.5, True, 9.0, 0.0, p) == 1 and update(0.5, False, 0.0, -9.0, p) == 0

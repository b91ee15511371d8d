"""The parts of the waves engine, each alone: potentials, firing, pooling, padding, given winners, counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import waves as naive

from firstspike.plasticity.rules.order import OrderSTDP
from firstspike.plasticity.waves import front_end
from firstspike.plasticity.waves import winners as operators
from firstspike.plasticity.waves.backproject import backproject, receptive_field
from firstspike.plasticity.waves.conv import convolve, learn
from firstspike.plasticity.waves.potentials import fire, pool_potentials, potentials
from firstspike.plasticity.waves.update import inputs_before, update_winners
from firstspike.runtime.spikes import count_spikes, event_list, times_to_wave, wave_to_times

TIMES = np.array([[[[0, 2, 1], [2, 2, 0]]], [[[2, 2, 2], [2, 2, 2]]]])  # two images, one of them silent; T = 2
W = np.array([[[[0.5, -0.25]]], [[[1.0, 0.5]]]])


def random_layer(seed, signed=True):
    """Times (4, C, H, W), weights (multiples of 1/64: sums are exact), T, padding."""
    rng = np.random.default_rng(seed)
    n_steps = int(rng.choice([1, 2, 5, 15]))
    c, f, h, w = rng.integers(1, 4), rng.integers(1, 6), *rng.integers(2, 7, 2)
    padding = int(rng.integers(0, 3))
    kh, kw = (int(rng.integers(1, n + 2 * padding + 1)) for n in (h, w))
    times = rng.integers(0, n_steps, (4, c, h, w))
    times = np.where(rng.random(times.shape) < rng.choice([0.0, 0.4, 1.0]), times, n_steps)
    return times, rng.integers(-64 if signed else 0, 65, (f, c, kh, kw)) / 64, n_steps, padding


# ---- potentials -------------------------------------------------------------------------------------------------
def test_potentials_by_hand():
    v = potentials(TIMES, W, 2, every_step=True)
    assert v.dtype == np.float32 and v.shape == (2, 2, 2, 2, 2)
    assert v[0, 0].tolist() == [[[0.5, 0], [0, -0.25]], [[1, 0], [0, 0.5]]]
    assert v[0, 1].tolist() == [[[0.5, -0.25], [0, -0.25]], [[1, 0.5], [0, 0.5]]]
    assert (potentials(TIMES, W, 2) == v[:, 1]).all() and (v[1] == 0).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans(), st.sampled_from([None, 0.25, 1.0]))
def test_potentials_and_firing_equal_the_slow_ones_and_convolve(seed, signed, strict, theta):
    times, weights, n_steps, padding = random_layer(seed, signed)
    v = potentials(times, weights, n_steps, padding=padding, every_step=True)
    np.testing.assert_array_equal(potentials(times, weights, n_steps, padding=padding), v[:, -1])
    got = fire(v, theta, strict=strict)
    fast = convolve(times, weights, theta, n_steps, padding=padding, strict=strict, return_values=True)
    for n in range(len(times)):
        slow = naive.potentials(times[n], weights, n_steps, padding)
        np.testing.assert_array_equal(v[n], slow)
        for i, expected in enumerate(naive.fire(slow, theta, strict)):
            np.testing.assert_array_equal(got[i][n], expected)
            np.testing.assert_array_equal(fast[i][n], expected)


def test_firing_of_potentials_that_fall():
    v = np.array([[0, 3, 2, 4.0], [1, 1, 1, 0]]).T.reshape(1, 4, 2, 1, 1)
    times, values = fire(v, 2.5)
    assert times.ravel().tolist() == [1, 4] and values.ravel().tolist() == [3, 0] and times.dtype == np.uint8
    times, values = fire(v, None)
    assert times.ravel().tolist() == [3, 4] and values.ravel().tolist() == [4, 0]
    assert fire(v, 3, strict=False)[0].ravel().tolist() == [1, 4] and fire(v, 3)[0].ravel().tolist() == [3, 4]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 4)] * 2), st.tuples(*[st.integers(1, 3)] * 2))
def test_pooling_by_windows_that_are_not_square(seed, window, stride):
    rng = np.random.default_rng(seed)
    shape = (2, 3, *rng.integers(4, 8, 2))
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in window)
    v = rng.normal(size=shape)
    times = rng.integers(0, 6, shape)
    got = pool_potentials(v, window, stride, padding)
    first = operators.pool_times(times, 5, window, stride, padding)
    largest = front_end.pool_intensities(np.abs(v), window, stride, padding)
    for n in range(2):
        np.testing.assert_array_equal(got[n], naive.pool_potentials(v[n], window, stride, padding))
        np.testing.assert_array_equal(first[n], -naive.pool_potentials(-times[n], window, stride, padding))
        np.testing.assert_array_equal(largest[n], naive.pool_potentials(np.abs(v[n]), window, stride, padding))
    np.testing.assert_array_equal(pool_potentials(v), v.max((2, 3)))
    np.testing.assert_array_equal(pool_potentials(v, shape[2:])[..., 0, 0], v.max((2, 3)))
    np.testing.assert_array_equal(pool_potentials(v, 2), pool_potentials(v, (2, 2), (2, 2), (0, 0)))


# ---- time maps --------------------------------------------------------------------------------------------------
def test_padding_and_silent_maps():
    padded = operators.pad_times(TIMES, 2, (1, 2, 3, 0))
    assert padded.shape == (2, 1, 5, 6) and (padded[:, :, 3:, 1:4] == TIMES).all() and (padded == 2).sum() == 2 * 30 - 3
    np.testing.assert_array_equal(
        convolve(operators.pad_times(TIMES, 2, 1), W, 0.4, 2), convolve(TIMES, W, 0.4, 2, padding=1)
    )
    out = convolve(TIMES, W, 0.4, 2)
    kept = operators.silence_maps(out, 2, [1])
    assert (kept[:, 1] == 2).all() and (kept[:, 0] == out[:, 0]).all() and (out[0, 1] < 2).any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_answers_and_counts_equal_the_slow_ones(seed):
    rng = np.random.default_rng(seed)
    n_steps = int(rng.choice([1, 4, 300]))
    times = rng.integers(n_steps // 2, n_steps + 1, (5, 4, 3, 2))
    values = rng.integers(1, 4, times.shape) / 2
    classes = rng.integers(0, 9, 4)
    answers = operators.decide(times, values, n_steps, classes)
    counts = count_spikes(times, n_steps)
    assert counts.shape == (5, 4, n_steps)
    for n in range(5):
        assert answers[n] == naive.decide(times[n], values[n], n_steps, classes)
        np.testing.assert_array_equal(counts[n], naive.count_spikes(times[n], n_steps))
    assert counts.sum() == (times < n_steps).sum()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 15, 255, 256]))
def test_time_maps_to_waves_and_back(seed, n_steps):
    rng = np.random.default_rng(seed)
    times = rng.integers(0, n_steps + 1, (2, 3, 4, 5))
    wave = times_to_wave(times, n_steps)
    assert wave.shape == (2, n_steps, 3, 4, 5) and wave.dtype == bool
    np.testing.assert_array_equal(wave_to_times(wave), times)
    np.testing.assert_array_equal(wave_to_times(wave.astype(np.float32)), times)
    one = np.zeros((n_steps, 3, 4, 5), np.float32)  # one image, as SpykeTorch keeps it: (T, C, H, W), cumulative
    c, y, x, offsets = event_list(times[0], n_steps)
    for t in range(n_steps):
        a, b = offsets[t : t + 2]
        one[t:, c[a:b], y[a:b], x[a:b]] = 1
    np.testing.assert_array_equal(times_to_wave(times[0], n_steps), one)
    np.testing.assert_array_equal(wave_to_times(one), times[0])


# ---- given winners ----------------------------------------------------------------------------------------------
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_update_of_given_winners_equals_the_slow_one(seed, k):
    times, weights, n_steps, padding = random_layer(seed, signed=False)
    rng = np.random.default_rng(seed)
    values = convolve(times, weights, 0.5, n_steps, padding=padding, return_values=True)
    winners = operators.k_winners(*values, n_steps, k)
    up, down = rng.uniform(0, 0.3, len(weights)), -rng.uniform(0, 0.3, len(weights))
    rule = OrderSTDP(lower=-0.1, upper=1.1)
    got = update_winners(times, weights, winners, rule, up, down, n_steps=n_steps, padding=padding)
    before = inputs_before(times, n_steps, winners, weights.shape[2:], padding)
    slow = weights.astype(np.float32)
    for n in range(len(times)):
        for i, winner in enumerate(winners[n]):
            f, y, x, step = winner
            if f < 0:
                assert not before[n, i].any()
                continue
            rates = (up[f], down[f])
            slow[f] = naive.stdp(slow.astype(float), times[n], winner, n_steps, rates, (-0.1, 1.1), padding=padding)
            wide = np.pad(times[n], ((0, 0), (padding,) * 2, (padding,) * 2), constant_values=n_steps)
            window = wide[:, y : y + weights.shape[2], x : x + weights.shape[3]]
            np.testing.assert_array_equal(before[n, i], window <= step)
    np.testing.assert_allclose(got, slow, atol=1e-6)


def test_steps_of_learning_put_together_are_learn():
    rng = np.random.default_rng(1)
    times = np.where(rng.random((30, 2, 6, 6)) < 0.5, rng.integers(0, 5, (30, 2, 6, 6)), 5)
    weights = rng.uniform(0.2, 0.9, (5, 2, 3, 3)).astype(np.float32)
    rule = OrderSTDP(0.05, -0.5, doubling=0)
    expected = learn(times, weights, rule, theta=2.0, n_steps=5, n_winners=2, radius=1, padding=1)
    for n in range(30):
        v = potentials(times[n : n + 1], weights, 5, padding=1, every_step=True)
        kept = operators.pointwise_inhibition(*_swap(fire(v, 2.0)))
        winners = operators.k_winners(*kept, 5, 2, 1)
        np.testing.assert_array_equal(winners[0], expected.winners[n])
        weights = update_winners(times[n : n + 1], weights, winners, rule, 0.05, -0.025, n_steps=5, padding=1)
    np.testing.assert_array_equal(weights, expected.weights)


def _swap(fired, n_steps=5):
    times, values = fired
    return times, n_steps, values


# ---- front end and pictures -------------------------------------------------------------------------------------
def test_inhibition_kernels():
    kernel = front_end.inhibition_kernel((0.15, 0.12))
    expected = np.full((5, 5), 0.12)
    expected[1:4, 1:4] = 0.15
    expected[2, 2] = 0
    np.testing.assert_array_equal(kernel, expected)
    maps = np.random.default_rng(0).random((2, 1, 6, 7))
    for mode in ("delay", "spyketorch"):
        out = front_end.lateral_inhibition(maps, kernel, mode)
        np.testing.assert_array_equal(out, front_end.lateral_inhibition(maps, (0.15, 0.12), mode))
    only_right = np.zeros((3, 3))
    only_right[1, 2] = 0.5
    out = front_end.lateral_inhibition(np.array([[[[1.0, 2.0, 1.0]]]]), only_right)
    np.testing.assert_allclose(out[0, 0, 0], [1 / 1.5, 2, 1])
    out = front_end.lateral_inhibition(np.array([[[[1.0, 2.0, 1.0]]]]), only_right, "spyketorch")
    np.testing.assert_allclose(out[0, 0, 0], [1, 3, 1.5])


def test_receptive_field_is_the_size_of_the_pattern():
    w1, w2 = np.ones((3, 2, 4, 5)), np.ones((2, 3, 2, 3))
    for layers in ([w1], [w1, (3, 2)], [w1, (3, 2), w2], [(2, 3), w1, (3, 2), w2, (2, 2)], []):
        assert receptive_field(layers, 7) == backproject([np.ones((7, 7))] * 2, layers).shape[1:]
    one = backproject([np.eye(3), np.ones((3, 3))], [w1, (2, 2), w2[1:2]])
    np.testing.assert_array_equal(one[0], backproject([np.eye(3), np.ones((3, 3))], [w1, (2, 2), w2])[1])


V = np.zeros((1, 2, 1, 1, 1))
WINNER = np.array([[[0, 0, 0, 1]], [[-1, -1, -1, -1]]])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: potentials(TIMES, W, 1), "times must lie in 0..1"),
        (lambda: potentials(TIMES, W, 0), "n_steps must be an integer >= 1"),
        (lambda: potentials(TIMES, np.ones((1, 1, 3, 3)), 2), "larger than the input"),
        (lambda: potentials(TIMES, W * np.nan, 2), "weights must be finite"),
        (lambda: fire(V, 0.0), "theta must be > 0"),
        (lambda: fire(V + np.inf, 1.0), "v must be finite"),
        (lambda: fire(V[0], 1.0), "v must have 5 axes"),
        (lambda: fire(V[:, :0], 1.0), "at least one step"),
        (lambda: pool_potentials(V[0], 3), "larger than the map"),
        (lambda: pool_potentials(V[0], (1, 1, 1)), "pair"),
        (lambda: pool_potentials(V[0, :, :, :0]), "at least one position"),
        (lambda: operators.pool_times(TIMES, 2, (1, 0)), "pool window must be an integer >= 1"),
        (lambda: operators.pool_times(TIMES, 2, (2, 1), padding=(1, 1)), "half the window 1"),
        (lambda: operators.pad_times(TIMES, 2, -1), "padding must be an integer >= 0"),
        (lambda: operators.pad_times(TIMES, 2, (1, 1)), "left, right, top, bottom"),
        (lambda: operators.silence_maps(TIMES, 2, [1]), "maps must be < 1"),
        (lambda: operators.silence_maps(TIMES, 2, [-1]), "maps must be an integer >= 0"),
        (lambda: operators.decide(TIMES, TIMES, 2, [0, 1]), "classes must be 1 integers"),
        (lambda: operators.decide(TIMES, TIMES, 2, [0.5]), "classes must be 1 integers"),
        (lambda: count_spikes(TIMES, 1), "times must lie in 0..1"),
        (lambda: front_end.inhibition_kernel([np.nan]), "factors must be finite"),
        (lambda: front_end.lateral_inhibition(np.ones((1, 1, 2, 2)), np.ones((2, 2))), "square with odd size"),
        (lambda: receptive_field([(0, 1)]), "pool window must be"),
        (lambda: inputs_before(TIMES, 2, WINNER[:1], (1, 2)), r"winners must be \(2, k, 4\)"),
        (lambda: inputs_before(TIMES, 2, WINNER + [0, 2, 0, 0], (1, 2)), "winners must lie in"),
        (lambda: update_winners(TIMES, W, WINNER + [2, 0, 0, 0], OrderSTDP(), 0, 0, n_steps=2), "winners must lie in"),
        (lambda: update_winners(TIMES, W, WINNER, OrderSTDP(), [0, 0, 0], 0, n_steps=2), "a_before must be"),
        (lambda: update_winners(TIMES, W, WINNER, OrderSTDP(), 0, np.nan, n_steps=2), "a_after must be finite"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()

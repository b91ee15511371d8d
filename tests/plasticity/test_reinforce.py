"""Learning by reward: worked examples, the slow version, calls put together, the order of spikes as a task."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import reinforce as naive

from firstspike.plasticity.rules.reward import RewardSTDP, amplitudes, factors
from firstspike.plasticity.waves.conv import convolve
from firstspike.plasticity.waves.reinforce import answer, first_state, reinforce
from firstspike.plasticity.waves.winners import decide

TAU = np.array([[[[0, 4, 1], [2, 0, 4], [4, 3, 1]], [[4, 1, 4], [0, 4, 2], [3, 4, 0]]]])
W = np.array(
    [
        [[[0.5, 0.25], [0.75, 0.5]], [[1, 0.5], [0.25, 0.75]]],
        [[[0.25, 1], [0.5, 0.5]], [[0.75, 0.25], [1, 0.5]]],
        [[[1, 0], [0, 0.25]], [[0.5, 0.5], [0.5, 0.5]]],
    ]
)
CONSTANT = {"least": 1.0, "span": 0.0}  # factors that stay 1


def random_task(seed, n=12):
    """Times, labels, weights, classes and the layer's arguments. Weights are multiples of 1/64: sums are exact."""
    rng = np.random.default_rng(seed)
    n_steps = int(rng.choice([1, 2, 5, 15]))
    c, f, h, w = rng.integers(1, 4), rng.integers(2, 8), *rng.integers(1, 6, 2)
    padding = int(rng.integers(0, 3))
    kh, kw = (int(rng.integers(1, size + 2 * padding + 1)) for size in (h, w))
    times = np.where(rng.random((n, c, h, w)) < 0.5, rng.integers(0, n_steps, (n, c, h, w)), n_steps)
    times[rng.random(n) < 0.2] = n_steps
    weights = rng.integers(8, 60, (f, c, kh, kw)) / 64
    classes = rng.integers(0, 3, f)
    labels = rng.integers(-1, 3, n)
    theta = max(1, round(float(rng.uniform(0, 0.3)) * c * kh * kw * 64)) / 64 if rng.random() < 0.5 else None
    return times, labels, weights, classes, {"theta": theta, "n_steps": n_steps, "padding": padding}


# ---- worked examples --------------------------------------------------------------------------------------------
def test_punished_winner():
    rule = RewardSTDP(0.1, -0.05, -0.1, 0.0125, 0.0, 1.0, True, **CONSTANT)
    out = reinforce(TAU, [0], W, [0, 1, 2], rule, theta=1.5, n_steps=4)
    assert out.answers.tolist() == [1] and out.winners.tolist() == [[1, 0, 0, 0]]
    expected = [0.23125, 1, 0.503125, 0.475, 0.752344, 0.252344, 1, 0.503125]
    np.testing.assert_allclose(out.weights[1].ravel(), expected, atol=1e-6)
    assert (out.weights[[0, 2]] == W[[0, 2]]).all() and out.state.tolist() == [1, 1, 0, 1, 1, 1]
    out = reinforce(TAU, [1], W, [0, 1, 2], rule, theta=1.5, n_steps=4)
    expected = [0.26875, 1, 0.4875, 0.525, 0.740625, 0.240625, 1, 0.4875]
    np.testing.assert_allclose(out.weights[1].ravel(), expected, atol=1e-6)
    assert out.state.tolist() == [1, 1, 1, 0, 1, 1]


def test_rewarded_winner_without_threshold():
    out = reinforce(TAU, [1], W, [0, 1, 2], RewardSTDP(**CONSTANT), theta=None, n_steps=4)
    assert out.answers.tolist() == [1] and out.winners.tolist() == [[1, 1, 0, 3]]
    expected = [0.254, 0.8, 0.497, 0.504, 0.754, 0.247, 0.8, 0.497]
    np.testing.assert_allclose(out.weights[1].ravel(), expected, atol=1e-7)
    np.testing.assert_array_equal(out.weights[[0, 2]], np.clip(W[[0, 2]], 0.2, 0.8).astype(np.float32))


def test_factors_of_a_block():
    rule = RewardSTDP()
    reward, punish = factors(850, 140, 1000, rule.scalars())
    assert amplitudes(True, reward, punish, rule.scalars()) == pytest.approx((5.6e-4, -4.2e-4))
    assert amplitudes(False, reward, punish, rule.scalars()) == pytest.approx((-3.4e-3, 4.25e-4))
    rule = RewardSTDP(0.005, -0.0025, -0.005, 0.0005, least=0.2, span=0.8)
    assert factors(360, 40, 400, rule.scalars()) == pytest.approx((0.28, 0.92))
    assert first_state(RewardSTDP(), 10).tolist() == pytest.approx([0.9, 0.1, 0, 0, 0, 0])
    assert first_state(rule, 2).tolist() == pytest.approx([0.6, 0.6, 0, 0, 0, 0])


def test_silent_images_count_in_blocks_only():
    times = np.full((5, 2, 3, 3), 4)
    times[3] = TAU
    rule = RewardSTDP(block=5)
    out = reinforce(times, [1] * 5, W, [0, 1, 2], rule, theta=1.5, n_steps=4)
    assert out.answers.tolist() == [-1, -1, -1, 1, -1]
    assert out.state.tolist() == pytest.approx([0.0, 0.2, 0, 0, 0, 1])
    out = reinforce(times[:3], [1] * 3, W * 9, [0, 1, 2], rule, theta=1.5, n_steps=4)
    np.testing.assert_array_equal(out.weights, np.float32(W * 9))  # no winner yet: not even the bounds


# ---- against the slow version -----------------------------------------------------------------------------------
@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 4, 8]), st.booleans())
def test_learning_equals_the_slow_one_bit_for_bit(seed, block, strict):
    times, labels, weights, classes, layer = random_task(seed)
    # amplitudes and factors are fractions of powers of two: all sums stay exact
    rule = RewardSTDP(0.125, -0.0625, -0.125, 0.03125, 0.25, 0.75, False, 0.25, 0.5, block)
    state = [0.5, 0.25, 0, 0, 0, 0]
    out = reinforce(times, labels, weights, classes, rule, strict=strict, state=state, **layer)
    slow = naive.reinforce(times, labels, weights, classes, asdict(rule), *layer.values(), strict, state)
    np.testing.assert_array_equal(out.winners, slow[3])
    np.testing.assert_array_equal(out.answers, slow[2])
    np.testing.assert_array_equal(out.weights, slow[0])
    assert out.state.tolist() == slow[1]
    assert out.answers.dtype == np.int32 and out.weights.dtype == np.float32


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_learning_with_the_stabiliser_equals_the_slow_one_image_by_image(seed):
    times, labels, weights, classes, layer = random_task(seed)
    rule = RewardSTDP(0.1, -0.07, -0.11, 0.03, 0.05, 0.9, True, 0.2, 0.8, 3)
    state, w = first_state(rule, 3), weights
    whole = reinforce(times, labels, weights, classes, rule, state=state, **layer)
    assert state.tolist() == pytest.approx([*naive.first_factors(3, 0.2, 0.8), 0, 0, 0, 0])
    for n in range(len(times)):  # float sums near a tie may differ: go on from the weights of the product
        out = reinforce(times[n : n + 1], labels[n : n + 1], w, classes, rule, state=state, **layer)
        slow = np.float32(w)
        f, y, x, step = out.winners[0]
        if f >= 0:
            hit = classes[f] == labels[n]
            rates = (rule.reward_before, rule.reward_after) if hit else (rule.punish_before, rule.punish_after)
            rates = [a * state[0 if hit else 1] for a in rates]
            new = naive.waves.stdp(slow.astype(float), times[n], (f, y, x, step), layer["n_steps"], rates, (0.05, 0.9),
                                   padding=layer["padding"])  # fmt: skip
            slow = slow if state[5] else np.clip(slow, 0.05, 0.9)
            slow[f] = new
        np.testing.assert_allclose(out.weights, slow, atol=1e-7)
        w, state = out.weights, out.state
    np.testing.assert_array_equal(whole.weights, w)
    np.testing.assert_array_equal(whole.state, state)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_two_calls_are_one(seed, cut):
    times, labels, weights, classes, layer = random_task(seed)
    rule = RewardSTDP(0.1, -0.07, -0.11, 0.03, block=5)
    one = reinforce(times, labels, weights, classes, rule, **layer)
    state = first_state(rule, max(2, len(np.unique(classes))))
    a = reinforce(times[:cut], labels[:cut], weights, classes, rule, state=state, **layer)
    b = reinforce(times[cut:], labels[cut:], a.weights, classes, rule, state=a.state, **layer)
    np.testing.assert_array_equal(one.weights, b.weights)
    np.testing.assert_array_equal(one.state, b.state)
    np.testing.assert_array_equal(one.answers, np.concatenate([a.answers, b.answers]))
    assert state.tolist() == first_state(rule, max(2, len(np.unique(classes)))).tolist()  # not changed in place


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_answers_without_learning(seed):
    times, labels, weights, classes, layer = random_task(seed)
    still = RewardSTDP(0.0, 0.0, 0.0, 0.0, -9.0, 9.0)
    out = reinforce(times, labels, weights, classes, still, **layer)
    np.testing.assert_array_equal(out.weights, np.float32(weights))
    answers, winners = answer(times, weights, classes, **layer)
    np.testing.assert_array_equal(out.answers, answers)
    np.testing.assert_array_equal(out.winners, winners)
    fired = convolve(times, weights, return_values=True, **layer)
    np.testing.assert_array_equal(answers, decide(*fired, layer["n_steps"], classes))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_only_the_winner_moves_and_bounds_hold(seed):
    times, labels, weights, classes, layer = random_task(seed)
    rule = RewardSTDP(0.5, -0.5, -0.5, 0.5, 0.1, 0.9, block=2)
    w, state = np.clip(weights, 0.1, 0.9).astype(np.float32), first_state(rule, 3)
    for n in range(len(times)):
        out = reinforce(times[n : n + 1], labels[n : n + 1], w, classes, rule, state=state, **layer)
        moved = set(np.nonzero((out.weights != w).any((1, 2, 3)))[0])
        assert moved <= set(out.winners[:, 0])
        assert out.weights.min() >= np.float32(0.1) and out.weights.max() <= np.float32(0.9)
        w, state = out.weights, out.state


def test_an_image_of_no_class_punishes_whoever_answers():
    rule = RewardSTDP(0.1, -0.1, -0.1, 0.1, block=4, **CONSTANT)
    times = np.repeat(TAU, 3, 0)
    unknown = reinforce(times, [-1, -1, -1], W, [0, 1, 2], rule, theta=1.5, n_steps=4)
    wrong = reinforce(times, [7, 7, 7], W, [0, 1, 2], rule, theta=1.5, n_steps=4)
    np.testing.assert_array_equal(unknown.weights, wrong.weights)
    assert unknown.state[2:5].tolist() == [0, 3, 3]
    silent = reinforce(np.full_like(times, 4), [-1, -1, -1], W, [0, 1, 2], rule, theta=1.5, n_steps=4)
    assert silent.state[2:5].tolist() == [0, 0, 3] and (silent.answers == -1).all()


# ---- the order of spikes as a task ------------------------------------------------------------------------------
# 24 afferents fire one after the other. The first ones alike in both stimuli, then two groups of ten in either order.
RULE = RewardSTDP(0.05, -0.025, -0.05, 0.005, 1e-5, 1 - 1e-5, True, 0.2, 0.8, 20)


def stimuli(seed, n, common=4):
    rng = np.random.default_rng(seed)
    half = (24 - common) // 2
    first = np.arange(24)
    second = np.concatenate([first[:common], first[common + half :], first[common : common + half]])
    labels = rng.integers(0, 2, n)
    times = np.where(labels[:, None] == 0, first, np.argsort(second)).reshape(n, 24, 1, 1)
    return times, labels, rng.normal(0.8, 0.05, (2, 24, 1, 1))


def play(rule, times, labels, weights, classes=(0, 1), state=(0.6, 0.6, 0, 0, 0, 0)):
    return reinforce(times, labels, weights, classes, rule, theta=4.0, n_steps=24, state=state)


def test_reward_tells_orders_apart_where_stdp_does_not():
    plain = RewardSTDP(0.05, -0.025, 0.05, -0.025, 1e-5, 1 - 1e-5, True, 1.0, 0.0, 0)
    with_reward, without = [], []
    for seed in range(8):
        times, labels, weights = stimuli(seed, 400)
        with_reward.append((play(RULE, times, labels, weights).answers == labels)[-100:].mean())
        right = (play(plain, times, labels, weights, state=(1, 1, 0, 0, 0, 0)).answers == labels)[-100:].mean()
        without.append(max(right, 1 - right))
    assert sum(score >= 0.98 for score in with_reward) >= 7
    assert np.mean(without) <= 0.75


def test_after_a_swap_of_labels_the_task_is_learnt_anew():
    for seed in range(5):
        times, labels, weights = stimuli(seed, 1300)
        before = play(RULE, times[:400], labels[:400], weights)
        assert (before.answers == labels[:400])[-40:].all()
        after = play(RULE, times[400:], labels[400:], before.weights, (1, 0), before.state)
        right = after.answers == labels[400:]
        assert right[:40].mean() == 0 and right[-40:].all() and (after.answers >= 0).all()
        window = np.convolve(right, np.ones(40) / 40, "valid")
        assert 40 + np.argmax(window >= 0.95) <= 900 and window.max() >= 0.95


def test_what_reaches_threshold_before_the_difference_cannot_be_told_apart():
    scores = []
    for seed in range(8):
        times, labels, weights = stimuli(seed, 400, common=8)
        scores.append((play(RULE, times, labels, weights).answers == labels)[-100:].mean())
    assert np.mean(scores) < 0.8


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"labels": [1, 2]}, "labels must be 1 integers"),
        ({"labels": [0.5]}, "labels must be 1 integers"),
        ({"labels": [np.nan]}, "labels must be finite"),
        ({"classes": [0, 1]}, "classes must be 3 integers"),
        ({"theta": 0.0}, "theta must be > 0"),
        ({"n_steps": 3}, "times must lie in 0..3"),
        ({"n_steps": 0}, "n_steps must be an integer >= 1"),
        ({"weights": np.full(W.shape, np.inf)}, "weights must be finite"),
        ({"weights": np.ones((3, 2, 5, 5))}, "larger than the input"),
        ({"rule": RewardSTDP(lower=0.9)}, "upper must be > lower"),
        ({"rule": RewardSTDP(least=-0.1)}, "least and span must be >= 0"),
        ({"rule": RewardSTDP(block=-1)}, "block must be >= 0"),
        ({"rule": RewardSTDP(reward_before=np.inf)}, "finite"),
        ({"state": np.zeros(5)}, "state must have shape"),
    ],
)
def test_errors(changes, message):
    arguments = {"times": TAU, "labels": [1], "weights": W, "classes": [0, 1, 2], "rule": RewardSTDP()}
    arguments |= {"theta": 1.5, "n_steps": 4}
    with pytest.raises(ValueError, match=message):
        reinforce(**(arguments | changes))

"""The network that answers by its first spike: fast path of the deciding layer, estimator manners, resuming."""

import numba
import numpy as np
import pytest
from naive import reinforce as naive
from sklearn.base import clone
from sklearn.datasets import load_digits

from firstspike.plasticity.learners import rstdp as learner
from firstspike.plasticity.learners.rstdp_params import PRESETS, RSTDPParams
from firstspike.plasticity.rules.reward import RewardSTDP
from firstspike.plasticity.waves.decision import rescore, score
from firstspike.plasticity.waves.reinforce import answer, first_state, reinforce
from firstspike.sims.digits_rstdp import PRESETS as EXPERIMENT
from firstspike.sims.digits_rstdp import network

SMALL = {"maps": (8,), "feature_epochs": (4,), "per_class": 2, "epochs": 3, "block": 100}
QUICK = {"reward_before": 0.02, "reward_after": -0.015, "punish_before": -0.02, "punish_after": 0.0025}


@pytest.fixture(scope="module")
def digits():
    images, labels = load_digits(return_X_y=True)
    return np.round(images * 255 / 16).astype(np.uint8).reshape(-1, 8, 8)[:400], labels[:400]


def small(**changes):
    return network(EXPERIMENT["digits"], **(SMALL | changes))


# ---- the deciding layer without threshold -----------------------------------------------------------------------
@pytest.mark.parametrize("channels, width", [(3, 4), (8, 5), (250, 9)])  # the last: rows longer than one block of words
def test_bounds_never_change_the_winner(channels, width):
    rng = np.random.default_rng(channels)
    n, maps = 60, 12
    times = np.where(rng.random((n, channels, 3, width)) < 0.3, 0, 2)
    labels, classes = rng.integers(0, 3, n), np.arange(maps) % 3
    weights = rng.normal(0.6, 0.2, (maps, channels, 3, min(width, 7))).astype(np.float32)
    rule = RewardSTDP(0.05, -0.03, -0.06, 0.01, block=10)
    how = {"theta": None, "n_steps": 2, "padding": 1}
    state = first_state(rule, 3)
    fresh = reinforce(times, labels, weights, classes, rule, state=state, **how)
    old = score(times, rng.random(weights.shape).astype(np.float32), 2, 1)  # potentials of quite other weights
    stale = reinforce(times, labels, weights, classes, rule, state=state, scores=old, **how)
    near = reinforce(times, labels, weights, classes, rule, state=state, scores=rescore(old, weights), **how)
    for other in (stale, near):
        np.testing.assert_array_equal(fresh.weights, other.weights)
        np.testing.assert_array_equal(fresh.winners, other.winners)
        np.testing.assert_array_equal(fresh.state, other.state)
    assert near.sums < stale.sums  # and that they save work
    numbers = {k: getattr(rule, k) for k in ("reward_before", "reward_after", "punish_before", "punish_after")}
    numbers |= {"lower": 0.2, "upper": 0.8, "stabiliser": False, "least": 0.0, "span": 1.0, "block": 10}
    w, after, answers, winners = naive.reinforce(
        times, labels, weights, classes, numbers, None, 2, 1, True, state.tolist()
    )
    np.testing.assert_array_equal(fresh.winners, winners)
    np.testing.assert_array_equal(fresh.answers, answers)
    np.testing.assert_allclose(fresh.weights, w, atol=1e-6)
    np.testing.assert_allclose(fresh.state, after)


def test_sums_of_bytes_of_a_busy_wide_row_do_not_overflow():
    rng = np.random.default_rng(0)
    weights = np.full((3, 250, 3, 9), 0.79, np.float32)  # rows of 288 words, nearly all bytes at their largest
    weights[:, 0], weights[1, 1] = 0.2, 0.8
    weights[2, :, :, :5] = 0.7
    times = np.where(rng.random((5, 250, 3, 9)) < 0.98, 0, 1)
    said, winners = answer(times, weights, [0, 1, 2], theta=None, n_steps=1, padding=1)
    assert said.tolist() == [1] * 5
    for tau, found in zip(times, winners, strict=True):
        assert naive.winner(tau, weights, None, 1, 1) == tuple(found)


def test_maps_that_rest_are_as_if_they_were_not_there():
    rng = np.random.default_rng(5)
    times = np.where(rng.random((40, 6, 3, 3)) < 0.4, 0, 1)
    weights = rng.uniform(0.2, 0.8, (8, 6, 3, 3)).astype(np.float32)
    awake, classes, labels = np.arange(8) % 3 > 0, np.arange(8) % 2, rng.integers(0, 2, 40)
    how = {"theta": None, "n_steps": 1, "padding": 1}
    scores = score(times, weights, 1, 1).part(slice(None), awake)
    a = reinforce(times, labels, weights[awake], classes[awake], RewardSTDP(), scores=scores, **how)
    b = reinforce(times, labels, weights[awake], classes[awake], RewardSTDP(), **how)
    np.testing.assert_array_equal(a.weights, b.weights)
    np.testing.assert_array_equal(a.winners, b.winners)


# ---- the estimator ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "changes",
    [{}, {"shuffle": False, "theta": 30.0}, {"drop": 0.4, "anneal": (0.5,), "shifts": 1, "revive": 0.9}],
)
def test_goes_on_from_any_point_to_the_same_bits(digits, changes, monkeypatch):
    images, labels = digits
    whole = small(**changes).fit(images, labels)
    monkeypatch.setattr(learner, "_SLICE", 150)  # so that a pass has points inside
    points = []
    net = small(**changes).fit(images, labels, progress=lambda f, note, snapshot: points.append(snapshot()))
    assert len(points) > 10 and net.history_.shape == (3, 3)
    np.testing.assert_array_equal(net.weights_, whole.weights_)  # nor does it matter where a pass is cut
    np.testing.assert_array_equal(net.wins_, whole.wins_)
    np.testing.assert_allclose(net.history_.sum(axis=1), 1)
    for i in (0, len(points) // 2, *range(len(points) - 6, len(points))):
        again = small(**changes).fit(images, labels, resume=points[i])
        np.testing.assert_array_equal(again.weights_, net.weights_)
        np.testing.assert_array_equal(again.history_, net.history_)
        np.testing.assert_array_equal(again.wins_, net.wins_)
        np.testing.assert_array_equal(again.features_.weights_[0], net.features_.weights_[0])


def test_idle_maps_begin_anew_beside_a_busy_one_of_their_class():
    p = RSTDPParams(revive=0.5, init_std=0.01)
    weights = np.linspace(0.25, 0.75, 8, dtype=np.float32).reshape(8, 1, 1, 1) + np.zeros((1, 3, 2, 2), np.float32)
    before, classes, awake = weights.copy(), np.repeat([0, 1], 4), np.arange(8) != 3
    won = np.array([70, 1, 30, 0, 2, 3, 0, 1])  # mean of those awake: 15; class 1 has nobody to begin beside
    learner.RSTDP._revive(p, 4, weights, won, classes, awake)
    np.testing.assert_array_equal(weights[[0, 2, 3, 4, 5, 6, 7]], before[[0, 2, 3, 4, 5, 6, 7]])
    gaps = [np.abs(weights[1] - before[k]).max() for k in (0, 2)]
    assert 0 < min(gaps) < 0.05
    many = np.zeros((300, 1, 1, 1), np.float32) + 0.3
    many[1] = 0.7
    learner.RSTDP._revive(p, 0, many, np.r_[900, 300, np.zeros(298, int)], np.zeros(300, int), np.ones(300, bool))
    assert 0.65 < np.mean(many[2:] < 0.5) < 0.85  # in proportion to what the busy ones won: 3 of 4


def test_reviving_changes_the_passes_after_the_amplitudes_shrank(digits):
    images, labels = digits
    how = {"anneal": (0.5,), "epochs": 4, "per_class": 6}
    plain, revived = small(**how).fit(images, labels), small(**how, revive=0.5).fit(images, labels)
    np.testing.assert_array_equal(plain.history_[:2], revived.history_[:2])
    assert np.any(plain.weights_ != revived.weights_)
    even, before = (np.sum(np.square(net.wins_.sum(1))) for net in (revived, plain))  # answers shared by more maps
    assert even < 0.8 * before


def test_moved_images_are_shown_too(digits):
    images, labels = digits
    net = small(shifts=1, epochs=1).fit(images, labels)
    assert net.wins_.sum() == 5 * len(images)
    image = np.arange(1, 10).reshape(1, 3, 3)
    np.testing.assert_array_equal(learner._moved(image, 1, 0)[0], [[0, 0, 0], [1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(learner._moved(image, 0, -1)[0], [[2, 3, 0], [5, 6, 0], [8, 9, 0]])


def test_same_bits_for_any_number_of_threads(digits):
    images, labels = digits
    before = numba.get_num_threads()
    nets = []
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(threads)
        try:
            nets.append(small().fit(images, labels))
            nets[-1].said = nets[-1].predict(images)
        finally:
            numba.set_num_threads(before)
    np.testing.assert_array_equal(nets[0].weights_, nets[1].weights_)
    np.testing.assert_array_equal(nets[0].said, nets[1].said)


def test_learns_and_answers_sooner_or_later(digits):
    images, labels = digits
    net = small(epochs=15, per_class=4, **QUICK).fit(images, labels)
    assert net.history_[-1, 0] > net.history_[0, 0] + 0.2 and net.score(images, labels) > 0.85
    steps = net.predict_steps(images)
    np.testing.assert_array_equal(steps[:, -1], net.predict(images))
    right = (steps == labels[:, None]).mean(axis=0)
    assert right[0] < 0.3 < right[-1]
    assert (net.predict(np.zeros((2, 8, 8), np.uint8)) == -1).all()
    # weights put by hand into another network give the same answers
    other = small(per_class=4).set_weights(net.features_.weights_, net.weights_, net.map_classes_, net.classes_)
    np.testing.assert_array_equal(other.predict(images), net.predict(images))
    untrained = small(per_class=4, epochs=0).fit(images, labels)
    np.testing.assert_array_equal(untrained.weights_, net.first_weights())


def test_other_labels_than_numbers_from_zero(digits):
    images, labels = digits
    odd = labels % 2
    net = small(epochs=8, **QUICK).fit(images, 7 + 10 * odd)
    assert net.classes_.tolist() == [7, 17] and net.score(images, 7 + 10 * odd) > 0.8


def test_without_reward_maps_answer_what_they_won(digits):
    images, labels = digits
    net = small(reward=False, reward_lower=0.0, reward_upper=1.0, reward_stabiliser=True).fit(images, labels)
    won = net.wins_.sum(axis=1) > 0
    assert (net.wins_[won, 0] >= 0).all() and set(net.map_classes_) <= set(range(10))
    assert net.score(images, labels) < small(epochs=10, **QUICK).fit(images, labels).score(images, labels)


def test_is_an_estimator_and_says_what_is_wrong(digits):
    images, labels = digits
    assert clone(small()).get_params() == small().get_params()
    with pytest.raises(ValueError, match="at least two classes"):
        small().fit(images, np.zeros(len(images), int))
    with pytest.raises(ValueError, match="one label each"):
        small().fit(images, labels[:5])
    with pytest.raises(ValueError, match="feature_epochs must have 1 values"):
        small(feature_epochs=(1, 2)).fit(images, labels)
    with pytest.raises(ValueError, match="give anneal, too"):
        small(revive=0.2, anneal=()).fit(images, labels)
    with pytest.raises(ValueError, match="reward_upper must be > reward_lower"):
        RSTDPParams(reward_lower=0.9).validate()
    assert {p.theta for p in PRESETS.values()} == {None, 20.0}

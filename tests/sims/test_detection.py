"""Measures of detection against the slow versions, and their edges."""

import numpy as np
import pytest
from naive import detection as naive

from firstspike.sims.measures.detection import (
    Schedule,
    convergence,
    detection,
    pattern_counts,
    pattern_weights,
    weight_histogram,
)


def table(seed, n, n_runs=3, n_neurons=2, n_periods=12, period=0.4):
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(0, n_periods * period, n))
    return rng.integers(n_runs, size=n), rng.integers(n_neurons, size=n), np.floor(time / period).astype(int), time


@pytest.mark.parametrize("n_patterns", [1, 3])
@pytest.mark.parametrize("n", [0, 1, 60, 400])
def test_counts_equal_the_slow_ones(n, n_patterns):
    run, neuron, period, time = table(n, n)
    schedule = Schedule(0.4, 0.1, 3.2e-3, n_patterns)
    found = detection(run, neuron, period, time, schedule, (3, 2), 2, 11)
    spikes = list(zip(run.tolist(), neuron.tolist(), time.tolist(), strict=True))
    slow = naive.detection(spikes, 0.4, 0.1, 3.2e-3, n_patterns, 3, 2, 2, 11)
    for name in ("n_spikes", "false_alarm", "hit", "miss"):
        np.testing.assert_array_equal(getattr(found, name), slow[name], err_msg=name)
    np.testing.assert_allclose(found.latency, slow["latency"], rtol=0, atol=1e-12)
    assert found.n_presentations.sum() == found.n_periods == 9
    assert np.all(found.hit >= found.n_presentations - found.miss)


def test_no_spike_gives_no_nan():
    none = np.zeros(0, int)
    found = detection(none, none, none, np.zeros(0), Schedule(0.4, 0.1, 0.0, 2), (2, 3), 0, 10)
    assert found.silent.all() and not found.selective.any() and not found.learned.any()
    assert np.all(found.miss == 5) and np.all(found.hit == 0) and np.all(found.false_alarm == 0)
    assert np.all(np.isposinf(found.latency)) and np.all(found.miss_rate == 1)


def test_selective_allows_ten_per_cent_missed_and_no_false_alarm():
    schedule = Schedule(1.0, 0.2, 0.0, 1)
    period = np.tile(np.arange(10), 2)
    neuron = np.repeat([0, 1], 10)
    keep = ~((period == 0) | ((neuron == 1) & (period == 1)))  # neuron 0 misses one presentation, neuron 1 two
    time = period + 0.85
    args = (np.zeros(20, int)[keep], neuron[keep], period[keep], time[keep], schedule, (1, 2))
    np.testing.assert_array_equal(detection(*args, 0, 10).selective, [[True, False]])
    np.testing.assert_array_equal(detection(*args, 2, 10).selective, [[True, True]])
    np.testing.assert_allclose(detection(*args, 2, 10).latency, 0.05)
    early = detection(np.zeros(1, int), np.zeros(1, int), np.array([3]), np.array([3.1]), schedule, (1, 1), 0, 10)
    assert early.false_alarm[0, 0] == 1 and early.miss[0, 0, 0] == 10
    k = np.append(np.arange(10), 9)
    time = k + np.append(np.full(10, 0.85), 0.9)
    assert detection(0 * k, 0 * k, k, time, schedule, (1, 1), 0, 10).selective.all()
    time[3] -= 0.5  # one spike in the random part: a presentation missed, which is allowed, and a false alarm
    assert not detection(0 * k, 0 * k, k, time, schedule, (1, 1), 0, 10).selective.any()


def test_edges_are_half_open_and_the_latency_may_be_negative():
    schedule = Schedule(0.4, 0.1, 3.2e-3, 1)
    time = np.array([0.4 + schedule.block_start, 0.8])  # first instant of a block, first instant of the period after it
    zero = np.zeros(2, int)
    found = detection(zero, zero, np.array([1, 2]), time, schedule, (1, 1), 0, 3)
    assert found.hit[0, 0, 0] == 1 and found.false_alarm[0, 0] == 1
    assert found.latency[0, 0, 0] == pytest.approx(-3.2e-3, abs=1e-12)


def test_reversed_range_is_an_error():
    none = np.zeros(0, int)
    with pytest.raises(ValueError, match="first <= last"):
        detection(none, none, none, np.zeros(0), Schedule(0.4, 0.1, 0.0, 1), (1, 1), 5, 4)


def test_weight_measures():
    rng = np.random.default_rng(1)
    weights = rng.uniform(0, 1, (2, 3, 40)).astype(np.float32)
    weights[0, 0, :4] = 0.0, 0.5, 1.0, 0.25
    n_w, conv = convergence(weights)
    histogram = weight_histogram(weights)
    for r, m in np.ndindex(2, 3):
        slow = naive.convergence(weights[r, m].astype(float))
        assert n_w[r, m] == slow[0]
        assert conv[r, m] == pytest.approx(slow[1], rel=1e-6)
        np.testing.assert_array_equal(histogram[r, m], np.histogram(weights[r, m], bins=np.linspace(0, 1, 21))[0])


def test_spikes_of_a_pattern_through_strong_weights():
    rng = np.random.default_rng(2)
    weights = rng.uniform(0, 1, (2, 3, 50))
    run, pattern, unit = rng.integers(2, size=300), rng.integers(4, size=300), rng.integers(50, size=300)
    counts = pattern_counts(run, pattern, unit, (2, 4, 50))
    found = pattern_weights(weights, counts)
    for r, m, p in np.ndindex(2, 3, 4):
        assert found[r, m, p] == naive.pattern_weights(weights[r, m], unit[(run == r) & (pattern == p)])

"""The input of returning patterns: bits against Python's integers, statistics, edges."""

import numpy as np
import pytest
from naive import patterns as naive

from firstspike.datasets import patterns as module
from firstspike.datasets.patterns import TICK, PatternInput, fill_period, fill_poisson, frozen_patterns

SMALL = PatternInput(n_afferents=40, rate=25.0, n_patterns=3, duration=0.06, jitter=4e-3, period=0.15)


def rows(chunk):
    times, units, counts = chunk
    return [(times[r, : counts[r]], units[r, : counts[r]]) for r in range(len(counts))]


def chi2_z(counts):
    """Chi-square of counts against their mean, in standard deviations."""
    mean = counts.mean()
    return (((counts - mean) ** 2 / mean).sum() - counts.size + 1) / np.sqrt(2 * (counts.size - 1))


@pytest.mark.parametrize("fresh", [False, True])
def test_bits_equal_those_of_exact_arithmetic(fresh):
    seeds = [3, 2**35]
    patterns = frozen_patterns(seeds, SMALL)
    for number in (0, 4, 100_000):
        got = rows(fill_period(seeds, SMALL, patterns, number, fresh_pattern=fresh))
        for seed, (times, units) in zip(seeds, got, strict=True):
            told = naive.period(seed, 40, 25.0, 3, 0.06, 4e-3, 0.15, number, fresh)
            assert times.tolist() == told[0]
            assert units.tolist() == told[1]


def test_poisson_bits_equal_those_of_exact_arithmetic():
    (times, units), *_ = rows(fill_poisson([9], 7, 30.0, 1.25, 2.0, name="probe", index=5))
    spikes = naive.pooled(naive.split(naive.stream(9, "probe"), 5), round(0.75 / TICK), 2.0**8 / (210 * TICK), 7)
    start = round(1.25 / TICK)
    assert times.tolist() == [(start + t) * TICK for t, _ in spikes]
    assert units.tolist() == [i for _, i in spikes]


def test_any_order_any_company_any_memory():
    patterns = frozen_patterns([0, 1, 2], SMALL)
    chunk = None
    for number in range(6):
        chunk = fill_period([0, 1, 2], SMALL, patterns, number, out=chunk)
    alone = fill_period([1], SMALL, frozen_patterns([1], SMALL), 5)
    for a, b in zip(rows(chunk)[1], rows(alone)[0], strict=True):
        np.testing.assert_array_equal(a, b)


def test_several_periods_in_one_chunk_are_the_same_spikes():
    patterns = frozen_patterns([0, 1], SMALL)
    for fresh in (False, True):
        many = rows(fill_period([0, 1], SMALL, patterns, 2, n_periods=40, fresh_pattern=fresh))
        single = [rows(fill_period([0, 1], SMALL, patterns, k, fresh_pattern=fresh)) for k in range(2, 42)]
        for r in (0, 1):
            for column in (0, 1):
                np.testing.assert_array_equal(many[r][column], np.concatenate([one[r][column] for one in single]))


def test_sorted_and_inside_the_period():
    params = PatternInput(n_afferents=1000, rate=20.0)
    patterns = frozen_patterns(range(4), params)
    for number in (0, 1, 777):
        for times, units in rows(fill_period(range(4), params, patterns, number)):
            assert (np.diff(times) >= 0).all()
            assert times[0] >= number * 0.4 - 1e-12 and times[-1] < (number + 1) * 0.4
            assert units.min() >= 0 and units.max() < 1000


def test_equal_times_are_ordered_by_afferent():
    n = 2**31 - 1
    times, units = rows(fill_poisson([0], n, 5.0, 0.0, 2e-5))[0]  # mean gap 16 ticks
    tied = np.flatnonzero(np.diff(times) == 0)
    assert tied.size > 5000
    assert (units[tied] <= units[tied + 1]).all()
    assert units.max() > 0.99 * n and abs(times.size - n * 5.0 * 2e-5) < 5 * np.sqrt(n * 5.0 * 2e-5)


def test_without_jitter_a_pattern_returns_bit_for_bit():
    params = PatternInput(n_afferents=200, rate=10.0, n_patterns=2, jitter=0.0)
    patterns = frozen_patterns([0], params)
    for number in (0, 1, 2, 7):
        times, units = rows(fill_period([0], params, patterns, number))[0]
        p = number % 2
        k = patterns.counts[0, p]
        inside = times >= number * 0.4 + 0.3 - 1e-9
        start = round(number * 0.4 / TICK) + round(0.3 / TICK)
        np.testing.assert_array_equal(np.round(times[inside] / TICK) - start, patterns.ticks[0, p, :k])
        np.testing.assert_array_equal(units[inside], patterns.units[0, p, :k])


def test_lags_are_uniform_and_new_each_time():
    """Afferents that fire once name their spikes: follow them from presentation to presentation."""
    params = PatternInput(n_afferents=2**30, rate=2000 / 2**30, jitter=5e-3)
    seeds = range(40)
    patterns = frozen_patterns(seeds, params)
    lags = []
    for number in (0, 1, 2):
        found = []
        for r, (times, units) in enumerate(rows(fill_period(seeds, params, patterns, number))):
            k = patterns.counts[r, 0]
            t, u = patterns.ticks[r, 0, :k] * TICK, patterns.units[r, 0, :k]
            middle = (t > 1e-2) & (t < 0.09)  # no lag can throw these out
            order = np.argsort(units)
            at = order[np.searchsorted(units, u[middle], sorter=order)]
            assert (units[at] == u[middle]).all()
            found.append(times[at] - (number * 0.4 + 0.295 + t[middle]))
        lags.append(np.concatenate(found))
    lags = np.array(lags)
    assert lags.min() >= -5e-3 - 1e-11 and lags.max() < 5e-3
    assert abs(chi2_z(np.histogram(lags, 50, (-5e-3, 5e-3))[0])) < 4.5
    assert abs(lags.mean()) < 4.5 * 5e-3 / np.sqrt(3 * lags.size)
    c = np.corrcoef(lags)[np.triu_indices(3, 1)] * np.sqrt(lags.shape[1])
    assert np.abs(c).max() < 4.5
    following = np.corrcoef(lags[0, 1:], lags[0, :-1])[0, 1] * np.sqrt(lags.shape[1])
    assert abs(following) < 4.5


@pytest.mark.parametrize("jitter", [0.0, 3.2e-3, 20e-3])
def test_the_rate_is_the_same_everywhere_through_the_edges(jitter):
    params = PatternInput(n_afferents=100, rate=20.0, n_patterns=1, duration=0.05, jitter=jitter, period=0.2)
    seeds = range(1500)
    times, _, counts = fill_period(seeds, params, frozen_patterns(seeds, params), 0)
    phase = np.concatenate([t[:k] for t, k in zip(times, counts, strict=True)])
    total = 1500 * 100 * 20.0 * 0.2
    assert abs(phase.size - total) < 4.5 * np.sqrt(total)
    assert abs(chi2_z(np.histogram(phase, 400, (0, 0.2))[0])) < 4.5
    edges = np.histogram(phase, [0.15 - 2 * jitter - 1e-3, 0.15 - 2 * jitter, 0.15 - 2 * jitter + 1e-3])[0]
    assert abs(edges[0] - edges[1]) < 4.5 * np.sqrt(edges.sum())


def test_counts_are_poisson_and_afferents_uniform():
    params = PatternInput(n_afferents=50, rate=10.0, duration=0.1, jitter=0.0, period=0.4)
    seeds = range(200)
    patterns = frozen_patterns(seeds, params)
    background, units = [], []
    for number in range(20):
        times, names, counts = fill_period(seeds, params, patterns, number)
        inside = np.arange(times.shape[1]) < counts[:, None]
        background.append(((times < number * 0.4 + 0.3) & inside).sum(axis=1))
        units.append(names[inside & (times < number * 0.4 + 0.3)])
    n = np.concatenate(background)
    assert abs(n.mean() - 150) < 4.5 * np.sqrt(150 / n.size)
    assert abs(n.var() / 150 - 1) < 4.5 * np.sqrt(2 / n.size)
    assert abs(chi2_z(np.bincount(np.concatenate(units), minlength=50))) < 4.5
    assert abs(patterns.counts.mean() - 50) < 4.5 * np.sqrt(50 / 200)


def test_gaps_are_exponential():
    times, _ = rows(fill_poisson([1], 1000, 100.0, 0.0, 10.0))[0]
    u = -np.expm1(-np.diff(times) * 1e5)  # uniform
    for k in range(1, 5):
        sd = np.sqrt(1 / (2 * k + 1) - 1 / (k + 1) ** 2)
        assert abs((u**k).mean() - 1 / (k + 1)) < 4.5 * sd / np.sqrt(u.size)
    assert abs(chi2_z(np.histogram(u, 200, (0, 1))[0])) < 4.5
    assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 4.5 / np.sqrt(u.size)


def test_few_spikes_and_none():
    n = np.array([k.size for k, _ in rows(fill_poisson(range(2000), 1, 0.1, 5.0, 45.0))])
    assert abs(n.mean() - 4) < 4.5 * np.sqrt(4 / 2000) and abs(n.var() / 4 - 1) < 0.2
    assert (fill_poisson([0], 10, 0.0, 0.0, 1.0)[2] == 0).all()
    assert (fill_poisson([0], 10, 5.0, 1.0, 1.0)[2] == 0).all()
    silent = PatternInput(n_afferents=10, rate=0.0)
    patterns = frozen_patterns([0, 1], silent)
    assert (patterns.counts == 0).all()
    assert (fill_period([0, 1], silent, patterns, 3)[2] == 0).all()
    block_only = PatternInput(n_afferents=100, duration=0.1, jitter=2e-3, period=0.104)
    assert (fill_period([0], block_only, frozen_patterns([0], block_only), 2)[2] > 0).all()


def test_fresh_patterns_never_return():
    params = PatternInput(n_afferents=2**30, rate=1000 / 2**30, jitter=0.0)
    patterns = frozen_patterns([0], params)
    shown = [rows(fill_period([0], params, patterns, k, fresh_pattern=True))[0][1] for k in range(3)]
    own = patterns.units[0, 0, : patterns.counts[0, 0]]
    assert np.intersect1d(shown[0], shown[1]).size == 0 and np.intersect1d(shown[2], own).size == 0
    assert np.intersect1d(rows(fill_period([0], params, patterns, 0))[0][1], own).size == own.size


@pytest.mark.parametrize(
    "change, word",
    [
        (dict(n_afferents=0), "n_afferents"),
        (dict(n_afferents=2**31), "n_afferents"),
        (dict(rate=-1.0), "rate"),
        (dict(rate=np.nan), "rate"),
        (dict(n_patterns=0), "n_patterns"),
        (dict(duration=0.0), "duration"),
        (dict(jitter=-1e-3), "jitter"),
        (dict(period=0.1), "period"),
    ],
)
def test_nonsense_is_refused_by_name(change, word):
    with pytest.raises(ValueError, match=word):
        frozen_patterns([0], PatternInput(**change))


@pytest.mark.parametrize("size", [40, 130, 150])
def test_too_little_room_is_an_error_not_a_cut(monkeypatch, size):
    patterns = frozen_patterns([0], SMALL)
    small = np.zeros((1, size)), np.zeros((1, size), np.int32), np.zeros(1, np.int64)
    with monkeypatch.context() as patched:
        patched.setattr(module, "room", lambda n_runs, most, out: small)
        with pytest.raises(RuntimeError, match="room"):
            fill_period([0], SMALL, patterns, 0)
    with pytest.raises(ValueError, match="patterns"):
        fill_period([0, 1], SMALL, patterns, 0)
    with pytest.raises(ValueError, match="stop"):
        fill_poisson([0], 10, 1.0, 0.0, 100.0)

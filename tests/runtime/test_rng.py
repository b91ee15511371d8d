"""The generator: known vectors from Python's integers, and a battery that a bad mixer fails."""

import numpy as np
import pytest
from naive import patterns as naive

from firstspike.runtime import rng
from firstspike.runtime.jit import kernel

N = 1_000_000


@kernel
def _table(k0, k1, n_entities, n_counters, out):
    for e in range(n_entities):
        a, b = rng.split(k0, k1, e)
        for c in range(n_counters):
            out[e, c] = rng.bits(a, b, c)


@pytest.fixture(scope="module")
def table():
    """1000 entities x 1000 counters of one stream."""
    out = np.empty((1000, 1000), np.uint64)
    _table(*rng.stream(11, "battery"), 1000, 1000, out)
    return out


def as_units(bits):
    return (bits >> np.uint64(11)) / 2.0**53


def z_correlation(a, b):
    """Correlation of two uniform samples in standard errors."""
    a, b = a.ravel() - 0.5, b.ravel() - 0.5
    return (a * b).mean() * 12 * np.sqrt(a.size)


def test_known_vectors():
    for seed, name in ((0, "pattern"), (3, "jitter"), (2**40, "x")):
        key = naive.stream(seed, name)
        assert tuple(int(k) for k in rng.stream(seed, name)) == key
        for entity in (0, 1, 999, 2**33):
            sub = naive.split(key, entity)
            out = np.empty((1, 3), np.uint64)
            _split_and_draw(*rng.stream(seed, name), entity, out[0])
            assert [int(x) for x in out[0]] == [naive.bits(sub, c) for c in (0, 1, 2**35)]
    # Numbers that must never change: results of earlier versions depend on them.
    assert naive.bits(naive.stream(0, "pattern"), 0) == FIRST


FIRST = 0xA4C56021F819362A


@kernel
def _split_and_draw(k0, k1, entity, out):
    a, b = rng.split(k0, k1, entity)
    out[0], out[1], out[2] = rng.bits(a, b, 0), rng.bits(a, b, 1), rng.bits(a, b, 2**35)


@kernel
def _bounded(bits, n, out):
    for i in range(bits.size):
        out[i] = rng.bounded(bits[i], n)


def test_uniforms_have_the_moments_of_uniforms():
    u = rng.uniforms(5, "moments", N)
    assert u.min() >= 0 and u.max() < 1
    for k in range(1, 7):
        sd = np.sqrt(1 / (2 * k + 1) - 1 / (k + 1) ** 2)
        assert abs((u**k).mean() - 1 / (k + 1)) < 4.5 * sd / np.sqrt(N)
    counts = np.bincount((u * 1000).astype(int), minlength=1000)
    chi2 = ((counts - N / 1000) ** 2 / (N / 1000)).sum()
    assert abs(chi2 - 999) < 4.5 * np.sqrt(2 * 999)


def test_every_bit_is_fair_and_no_two_bits_agree_too_often(table):
    x = table.ravel()
    bits = np.stack([((x >> np.uint64(k)) & np.uint64(1)).astype(np.float32) * 2 - 1 for k in range(64)])
    z = bits.mean(axis=1) * np.sqrt(x.size)
    assert np.abs(z).max() < 4.5
    pairs = bits @ bits.T / np.sqrt(x.size)
    assert np.abs(pairs[np.triu_indices(64, 1)]).max() < 5.5
    following = bits[:, 1:] @ bits[:, :-1].T / np.sqrt(x.size)  # with every bit of the draw before
    assert np.abs(following).max() < 5.7


def test_neighbours_are_uncorrelated(table):
    u = as_units(table)
    for lag in (1, 2, 3, 8, 64):
        assert abs(z_correlation(u[:, lag:], u[:, :-lag])) < 4.5  # counters
        assert abs(z_correlation(u[lag:], u[:-lag])) < 4.5  # entities
    streams = np.array([rng.uniforms(seed, name, 100_000) for seed in (0, 1, 2) for name in ("a", "b", "pattern")])
    c = np.corrcoef(streams)[np.triu_indices(9, 1)] * np.sqrt(100_000)
    assert np.abs(c).max() < 4.5


def test_pairs_and_triples_fill_the_cube(table):
    u = as_units(table).ravel()
    for k, cells in ((2, 32), (3, 10)):
        cut = u[: u.size // k * k].reshape(-1, k)
        index = (cut * cells).astype(int) @ (cells ** np.arange(k))
        counts = np.bincount(index, minlength=cells**k)
        mean = len(cut) / cells**k
        chi2 = ((counts - mean) ** 2 / mean).sum()
        assert abs(chi2 - cells**k) < 4.5 * np.sqrt(2 * cells**k)


def test_no_two_draws_are_equal(table):
    # Among 10^6 of 2^64 a pair is expected once in 4 * 10^7 tables; low and high halves collide as birthdays do.
    assert np.unique(table).size == table.size
    for half in (table >> np.uint64(32), table & np.uint64(0xFFFFFFFF)):
        repeats = table.size - np.unique(half).size
        assert abs(repeats - 116.4) < 5 * np.sqrt(116.4)


def test_avalanche():
    """One bit of counter or key changes each output bit with probability one half."""
    k0, k1 = (int(k) for k in rng.stream(2, "avalanche"))
    flips = np.zeros((3, 64, 64))
    for c in range(200):
        base = naive.bits((k0, k1), c)
        for b in range(64):
            others = (
                naive.mix(naive.mix(((k0 + c * naive.GAMMA) & naive.MASK) ^ (1 << b)) ^ k1),
                naive.bits((k0 ^ (1 << b), k1), c),
                naive.bits((k0, k1 ^ (1 << b)), c),
            )
            for k, other in enumerate(others):
                flips[k, b] += [((base ^ other) >> i) & 1 for i in range(64)]
    z = (flips / 200 - 0.5) * 2 * np.sqrt(200)
    assert np.abs(z).max() < 6
    assert np.abs(z.mean(axis=(1, 2)) * 64).max() < 4.5


@pytest.mark.parametrize("n", [1, 7, 10_000, 2**31 - 1])
def test_bounded_is_uniform(table, n):
    out = np.empty(table.size, np.int64)
    _bounded(table.ravel(), n, out)
    assert out.min() >= 0 and out.max() < n
    assert abs(out.mean() - (n - 1) / 2) <= 4.5 * n / np.sqrt(12 * out.size)
    if n == 7:
        assert np.abs(np.bincount(out) - out.size / 7).max() < 4.5 * np.sqrt(out.size / 7)


def test_normals():
    x = rng.normals(3, "normal", N)
    for k, moment, sd in ((1, 0, 1), (2, 1, np.sqrt(2)), (3, 0, np.sqrt(15)), (4, 3, np.sqrt(96))):
        assert abs((x**k).mean() - moment) < 4.5 * sd / np.sqrt(N)
    assert abs((np.abs(x) > 3).mean() - 0.0026998) < 4.5 * np.sqrt(0.0027 / N)


def test_draws_are_addressed_not_consumed():
    whole = rng.uniforms(1, "address", 100)
    np.testing.assert_array_equal(rng.uniforms(1, "address", 40, start=60), whole[60:])
    np.testing.assert_array_equal(rng.uniforms(1, "address", (4, 25)), whole.reshape(4, 25))
    np.testing.assert_array_equal(rng.normals(1, "address", 10, start=5), rng.normals(1, "address", 15)[5:])
    assert not np.array_equal(whole, rng.uniforms(2, "address", 100))


def test_permutation():
    p = rng.permutation(4, "order", 1000)
    assert sorted(p) == list(range(1000))
    first = [rng.permutation(seed, "order", 5)[0] for seed in range(1000)]
    assert np.abs(np.bincount(first, minlength=5) - 200).max() < 4.5 * np.sqrt(160)

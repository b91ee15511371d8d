"""Comparisons of CUDA and CPU for fully connected layers; run by test_dense_cuda.py under numba's simulator."""

import sys

import numpy as np

from firstspike.plasticity.waves import dense_cuda
from firstspike.plasticity.waves.dense import Aim, Rates, Shown, decide, learn, pack, signs, sort_spikes
from firstspike.plasticity.waves.dense_replicas import learn_replicas

SHAPES = ((9, 5, 3), (7, 6, 5, 4), (6, 3), (5, 35, 2))


def case(seed, n, n_steps=10):
    """Spikes, weights of about 4 times the threshold 1 in sum, sizes."""
    rng, sizes = np.random.default_rng(seed), SHAPES[seed % len(SHAPES)]
    share = rng.choice([0.5, 0.9])
    times = np.where(rng.random((n, sizes[0])) < share, rng.integers(0, n_steps, (n, sizes[0])), n_steps)
    times[min(1, n - 1)] = n_steps  # a silent sample
    weights = [rng.normal(2.0 / a, 4.0 / a, (b, a)) for a, b in zip(sizes[:-1], sizes[1:], strict=True)]
    return sort_spikes(times, n_steps), weights, sizes


def inference():
    dense_cuda.THREADS, dense_cuda._BLOCKS, dense_cuda._WORDS = 3, 2, 2
    spoken = hidden = 0
    for seed in range(12):
        spikes, weights, sizes = case(seed, 3)
        thetas, kind = np.full(len(weights), 0.7), [np.float32, np.float64, np.int8][seed % 3]
        flat, _ = pack(weights, None if kind == np.int8 else kind)
        if kind == np.int8:
            flat, thetas = signs(flat), thetas + 0.3
        until = [None, 4, 8][seed // 3 % 3]
        one, other = (decide(spikes, flat, sizes, thetas, until, device=d) for d in ("cpu", "cuda"))
        for name, a, b in zip(one._fields, one, other, strict=True):
            np.testing.assert_array_equal(a, b, name)
            assert a.dtype == b.dtype
        spoken += (~one.silent).sum()
        hidden += one.spikes[:, 1:].sum()
    assert 8 < spoken < 30 and hidden > 20, (spoken, hidden)


def replicas():
    dense_cuda.THREADS, dense_cuda._SAMPLES, dense_cuda._WORDS = 3, 3, 2
    for seed in range(4):
        spikes, weights, sizes = case(20 + seed, 5)
        kind, n_layers = [np.float32, np.float64][seed % 2], len(weights)
        rng = np.random.default_rng(seed)
        flats = np.stack([pack(weights, kind)[0], pack([1.3 * w for w in weights], kind)[0]])
        labels = rng.integers(0, sizes[-1], 5)
        order = np.stack([rng.integers(0, 5, 6) for _ in flats])
        eta = np.array([0.1, 0.3])[:, None] * np.ones((2, n_layers))
        rates = Rates(eta, np.array([0.01, 2.0])[:, None] * eta**0, np.full((2, n_layers), 0.7), seed < 2)
        how, shown = Aim(10, 2, 2), Shown(0, 0, 0, 0, np.zeros(n_layers - 1), np.uint64(0), np.uint64(0))
        rest = sizes, how, shown, rates
        slow, fast, apart = flats.copy(), flats.copy(), flats.copy()
        counts = np.zeros((2, 6), int), np.zeros((2, sum(sizes[1:-1])), int)
        for part in (order[:, :3], order[:, 3:]):  # a launch holds three samples
            for total, more in zip(counts, learn_replicas(part, spikes, labels, slow, *rest), strict=True):
                total += more
            for r in range(2):
                own = Rates(*(x[r] for x in rates[:3]), rates.updated)
                learn(part[r], spikes, labels, apart[r], *rest[:-1], own)
        found = learn_replicas(order, spikes, labels, fast, *rest, device="cuda")
        np.testing.assert_array_equal(slow, apart)
        np.testing.assert_array_equal(slow, fast)
        for a, b in zip(counts, found, strict=True):
            np.testing.assert_array_equal(a, b)
        assert (slow != flats).mean() > 0.3 and counts[0][:, 0].sum() < 12


if __name__ == "__main__":
    sys.setswitchinterval(1e-5)  # the simulator waits in a loop while others could run
    globals()[sys.argv[1]]()

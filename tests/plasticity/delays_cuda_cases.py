"""Comparisons of CUDA and CPU layers with delays; run by test_delays_cuda.py in a process of its own, simulated."""

import sys

import numpy as np

from firstspike.plasticity.layers import delays_cuda
from firstspike.plasticity.layers.dcls import delay_params
from firstspike.plasticity.layers.delays import delay_backward, delay_forward
from firstspike.plasticity.layers.pairs import Mode

TRAIN = Mode(train=True)


def compare(shape, density, largest, version):
    T, N, n_in, n_out, k = shape
    random = np.random.default_rng(T)
    p = {**delay_params(T, "d", n_in, n_out, k, 2), "width": np.asarray(0.8, np.float32)}
    x = ((random.random((T, N, n_in)) < density) * random.integers(1, largest + 1, (T, N, n_in))).astype(np.uint8)
    settings = {"max_delay": k, "version": version, "train": ("weight", "position", "width")}
    y, saved = delays_cuda.delay_forward_cuda(p, x, TRAIN, **settings)
    want, kept = delay_forward(p, x, TRAIN, algorithm="events", **settings)
    dy = random.normal(size=y.shape).astype(np.float32)
    dx, dp = delays_cuda.delay_backward_cuda(p, saved, dy)
    dx_want, dp_want = delay_backward(p, kept, dy)
    for a, b in ((y, want), (dx, dx_want), *((dp[key], dp_want[key]) for key in dp_want)):
        assert a.dtype == np.float32 and a.shape == b.shape
        assert abs(a - b).max() <= 1e-5 * max(abs(b).max(), 1e-3), (shape, abs(a - b).max())
    assert y.any() == (density > 0)


def layers():
    delays_cuda.THREADS, delays_cuda.TILE = 3, 2
    compare((4, 2, 3, 4, 3), 0.4, 1, "gauss")
    compare((1, 1, 3, 2, 5), 1.0, 9, "triangle")
    compare((3, 1, 2, 3, 1), 0.0, 1, "bilinear")


def first_layer():
    p = delay_params(0, "d", 3, 2, 3)
    x = np.ones((2, 1, 3), np.uint8)
    _, saved = delays_cuda.delay_forward_cuda(p, x, TRAIN, max_delay=3, input_gradient=False)
    assert delays_cuda.delay_backward_cuda(p, saved, np.ones((3, 1, 2), np.float32))[0] is None


if __name__ == "__main__":
    globals()[sys.argv[1]]()

"""Comparisons of CUDA and CPU neurons; run by test_neurons_cuda.py in a process of its own, under the simulator."""

import sys

import numpy as np

from firstspike.plasticity.layers import neurons as n
from firstspike.plasticity.layers import neurons_cpu, neurons_cuda
from firstspike.plasticity.layers.pairs import EVAL, Mode
from firstspike.runtime.device import NoDevice

SETTINGS = (
    {},
    {"v_reset": -0.2, "decay_input": False, "detach_reset": True, "surrogate": ("sigmoid", 3.0)},
    {"v_reset": None, "strict": True, "surrogate": "piecewise_leaky_relu"},
    {"v_reset": None, "decay_input": False, "surrogate": "erf", "soft": True},
)


def compare():
    neurons_cuda.THREADS = 4
    fired = 0
    for seed, settings in enumerate(SETTINGS):
        rng = np.random.default_rng(seed)
        kind = (np.float32, np.float64)[seed % 2]
        x = rng.uniform(-0.5, 2.5, (4, 3, 2)).astype(kind)
        ds, dstate = rng.normal(size=x.shape).astype(kind), rng.normal(size=(3, 2)).astype(kind)
        p = n.plif_params(2.5, kind) | {"state": rng.normal(0, 0.3, (3, 2)).astype(kind)}
        for mode in (Mode(train=True), EVAL):
            results = []
            for device in ("cpu", "cuda"):
                s, saved = n.plif_forward(p, x, mode, **settings, device=device)
                dx, dp = n.plif_backward(p, saved, ds, dstate)
                results.append((s, saved.state, dx, dp["w"], dp["state"]))
            for a, b in zip(*results, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_allclose(a, b, rtol=1e-5 if kind == np.float32 else 1e-12, atol=1e-6)
            fired += results[0][0].sum()
    assert fired > 40, fired
    s, saved = n.lif_forward({}, np.zeros((0, 2), np.float32), device="cuda")
    assert s.shape == n.lif_backward({}, saved, s)[0].shape == (0, 2)
    try:
        n.lif_forward({}, np.zeros((1, 2)), device="cuda:1")
    except NoDevice:
        pass
    else:
        raise AssertionError("a second device was found")


def plain_loops():
    """The simulator cannot run compiled CPU loops beside its own: they are run as plain Python."""
    import functools
    import types

    def interpreted(loop, **functions):
        return types.FunctionType(loop.__code__, loop.__globals__ | functions, loop.__name__)

    neurons_cpu.specialise = interpreted
    n.loops = functools.cache(neurons_cpu.loops.__wrapped__)


if __name__ == "__main__":
    plain_loops()
    {"compare": compare}[sys.argv[1]]()

"""CUDA: the functions of the CPU are the oracle. Without a graphics processor kernels run in numba's simulator."""

import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from firstspike.plasticity.rules.order import OrderSTDP
from firstspike.plasticity.rules.reward import RewardSTDP
from firstspike.plasticity.waves.conv import convolve
from firstspike.plasticity.waves.layer import make_layer
from firstspike.plasticity.waves.replicas import learn_replicas
from firstspike.runtime.device import NoDevice, check_device

CASES = Path(__file__).parent / "waves_cuda_cases.py"


@pytest.mark.parametrize("case", ["inference", "unsupervised", "own_rule", "reward", "devices"])
def test_simulated(case, tmp_path):
    env = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, CASES, case], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("device", ["cuda:", "cuda:-1", "cuda:x", "cpu:0", "gpu", ""])
def test_names_of_devices(device):
    with pytest.raises(ValueError, match="device must be cpu, cuda or cuda:K"):
        check_device(device)


def _available():
    from numba import cuda

    return cuda.is_available()


def test_without_a_device_the_error_says_so():
    if _available():
        pytest.skip("there is a CUDA device")
    from firstspike.plasticity.waves.conv_cuda import convolve_cuda

    times, weights = np.zeros((1, 1, 2, 2), int), np.ones((2, 1, 1, 1, 1))
    with pytest.raises(NoDevice, match="device cuda is not there"):
        convolve_cuda(times, weights[0], 0.5, 3)
    with pytest.raises(NoDevice, match="device cuda:1 is not there"):
        learn_replicas(times, weights, OrderSTDP(), theta=0.5, n_steps=3, n_winners=1, device="cuda:1")


def test_an_experiment_and_eval_ask_the_device(monkeypatch):
    """`--device` reaches every convolution: the CUDA function is replaced by one that counts and asks the CPU."""
    import firstspike
    from firstspike.plasticity.waves import conv_cuda
    from firstspike.runtime import device
    from firstspike.sims.evaluate import evaluate

    asked = []

    def convolve_cuda(*args, device, **how):
        asked.append(device)
        return convolve(*args, **how)

    monkeypatch.setattr(conv_cuda, "convolve_cuda", convolve_cuda)
    monkeypatch.setattr(device, "cuda_devices", lambda: ["one", "two"])
    small = {"n_train": 40, "n_test": 10, "maps": (3,), "feature_epochs": (1,), "per_class": 1, "epochs": 1}
    result = firstspike.run("digits-rstdp", "digits", device="cuda:1", controls=False, **small)
    assert asked and set(asked) == {"cuda:1"} and result.provenance["device"] == "cuda:1"
    asked.clear()
    assert evaluate(result, device="cuda")["as_stored"] and set(asked) == {"cuda"}
    asked.clear()
    result = firstspike.run("digits", "quick", device="cuda", controls=False, n_train=60, n_test=20, n_validation=10)
    assert asked and evaluate(result, device="cuda")["as_stored"]


TIMES, WEIGHTS = np.zeros((2, 1, 2, 2), int), np.ones((2, 3, 1, 1, 1))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"weights": WEIGHTS[0]}, "weights must have 5 axes"),
        ({"weights": WEIGHTS[:0]}, "R >= 1"),
        ({"theta": [1.0]}, "theta must be one, or 2 for 2 networks, got 1"),
        ({"theta": [1.0, None]}, "None for all networks or for none"),
        ({"rules": [OrderSTDP(), RewardSTDP()]}, "of one class"),
        ({"rules": [OrderSTDP(), OrderSTDP(lower=2.0)]}, "upper must be > lower"),
        ({"n_seen": [1, 2, 3]}, "n_seen must be one"),
        ({"device": "tpu"}, "device must be cpu, cuda or cuda:K"),
    ],
)
def test_errors(change, message):
    args = {"times": TIMES, "weights": WEIGHTS, "rules": OrderSTDP(), "theta": 1.0, "n_steps": 3, "n_winners": 1}
    with pytest.raises(ValueError, match=message):
        learn_replicas(**args | change)


@pytest.mark.gpu
def test_device_equals_cpu():
    if not _available():
        pytest.skip("no CUDA device")
    from firstspike.plasticity.waves.conv_cuda import convolve_cuda

    rng = np.random.default_rng(0)
    times = np.where(rng.random((70, 6, 28, 28)) < 0.2, rng.integers(0, 15, (70, 6, 28, 28)), 15)
    weights = rng.normal(0.5, 0.2, (30, 6, 5, 5)).astype(np.float32)
    args = {"padding": 2, "pool": (2, 2, 1), "return_values": True}
    for a, b in zip(
        convolve(times, weights, 15, 15, **args), convolve_cuda(times, weights, 15, 15, **args), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    nets = rng.normal(0.8, 0.05, (4, 30, 6, 5, 5)).astype(np.float32)
    args = {"theta": [14.0, 15.0, 16.0, 17.0], "n_steps": 15, "n_winners": 5, "radius": 3, "padding": 2}
    cpu, gpu = (learn_replicas(times, nets, OrderSTDP(), **args, device=d) for d in ("cpu", "cuda"))
    np.testing.assert_array_equal(cpu.winners, gpu.winners)
    np.testing.assert_allclose(cpu.weights, gpu.weights, rtol=1e-6)


def _kernels():
    """(name, function, arguments) of all kernels, with replicas compiled for both families of rules."""
    from firstspike.plasticity.waves import conv_cuda as c
    from firstspike.plasticity.waves import replicas_cuda as r

    times = np.zeros((2, 2, 4, 5), np.uint8)
    layer = make_layer(times, np.ones((3, 2, 3, 2), np.float32), 1.0, 5, 1, True)
    images = c.Images(times, np.zeros((2, 4, 10), np.int32), np.zeros((2, 4, 6), np.int32))
    weights = np.ones((2, 3, 2, 3), np.float32)
    steps, values, out = (
        np.zeros((2, 3, 3), np.uint8),
        np.zeros((2, 3, 3), np.float32),
        np.zeros((1, 1, 1, 1), np.uint8),
    )
    yield "sort_rows", c.sort_rows, (images, 5)
    yield "fire", c.fire, (images, weights, layer, steps, values)
    yield "keep_one", c.keep_one, (5, steps, values)
    yield "pool_maps", c.pool_maps, (layer, steps, out)
    for rule, kind in ((OrderSTDP(), np.float32), (RewardSTDP(), np.float64)):
        p = len(rule.scalars())
        nets = r.Nets(weights[None], np.zeros(1, np.float32), np.zeros((1, p)), np.zeros((1, 6)))
        task = r.Task(np.zeros((1, 2, 2)), np.zeros(2, np.int64), np.zeros(3, np.int64), -1, 0)
        work = r.Work(np.zeros((1, 90), kind), np.zeros((1, 30), np.int32), np.zeros((1, 30), np.int32))
        arguments = (images, nets, task, layer, work, np.zeros((1, 2, 1, 4), np.int32))
        yield f"replicas {type(rule).__name__}", r.compiled(rule, p), arguments


def test_kernels_compile_for_a_device_that_is_not_here(monkeypatch):
    """Machine code of the device from every kernel; those of inference hold no float64."""
    pytest.importorskip("numba_cuda", reason="numba-cuda[cu13] is not installed")
    import numba
    from numba import cuda
    from numba.cuda import dispatcher

    here = types.SimpleNamespace(compute_capability=(9, 0))
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: here)  # device functions ask for it
    for name, kernel, arguments in _kernels():
        ptx, _ = cuda.compile_ptx(kernel.py_func, tuple(numba.typeof(x) for x in arguments), cc=(9, 0))
        assert "sm_90" in ptx
        if name.startswith("replicas"):
            assert "add.f32" in ptx if "Order" in name else "add.f64" in ptx
        else:
            assert not re.search(r"\.f64", ptx), name

"""CUDA for fully connected layers: the CPU is the oracle, in numba's simulator; kernels compile for a real device."""

import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from firstspike.plasticity.waves.dense import Aim, Rates, Shown, decide, sort_spikes
from firstspike.plasticity.waves.dense_replicas import learn_replicas
from firstspike.runtime.device import NoDevice

CASES = Path(__file__).parent / "dense_cuda_cases.py"


@pytest.mark.parametrize("case", ["inference", "replicas"])
def test_simulated(case, tmp_path):
    env = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, CASES, case], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def _available():
    from numba import cuda

    return cuda.is_available()


SPIKES, SIZES = sort_spikes(np.array([[0, 1, 4]]), 4), (3, 2, 2)
STILL = Shown(0, 0, 0, 0, np.zeros(1), np.uint64(0), np.uint64(0))


def test_without_a_device_the_error_says_so():
    if _available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(NoDevice, match="device cuda is not there"):
        decide(SPIKES, np.ones(10, np.float32), SIZES, [1.0, 1.0], device="cuda")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"samples": np.zeros((3, 1), np.int64)}, r"samples must be of shape \(2, 1\), got \(3, 1\)"),
        ({"flats": np.zeros((2, 9), np.float32)}, r"flats must be of shape \(2, 10\), got \(2, 9\)"),
        ({"rates": Rates(np.ones((2, 2)), np.zeros(2), np.ones((2, 2)), True)}, "rates.decay must be of shape"),
        ({"shown": STILL._replace(width=3, height=1)}, "shift, jitter and rest must be 0 on device cuda"),
        ({"shown": STILL._replace(drop=np.full(1, 0.1))}, "shift, jitter and rest must be 0 on device cuda"),
        ({"device": "tpu"}, "device must be cpu, cuda or cuda:K"),
    ],
)
def test_nonsense_is_refused(change, message):
    rates = Rates(np.ones((2, 2)), np.zeros((2, 2)), np.ones((2, 2)), True)
    args = {"samples": np.zeros((2, 1), np.int64), "flats": np.ones((2, 10), np.float32), "rates": rates}
    args |= {"spikes": SPIKES, "labels": np.zeros(1, np.int64), "sizes": SIZES, "how": Aim(4, 1, 1), "shown": STILL}
    with pytest.raises(ValueError, match=message):
        learn_replicas(**args | {"device": "cuda"} | change)


def _kernels(kind):
    """(name, kernel, arguments)."""
    from firstspike.plasticity.waves import dense_cuda as c

    real = np.float32 if kind == np.int8 else kind
    potential = np.int32 if kind == np.int8 else kind
    plan = c.Plan(*(np.zeros(3, np.int64) for _ in range(3)))
    spikes = np.zeros(1, np.uint16), np.zeros(1, np.int16), np.zeros(2, np.int64)
    few = np.zeros((1, 2), np.int32)
    room = c.Room(np.zeros((1, 4), potential), few, few, np.zeros((1, 2), potential), few, np.zeros(1, potential))
    out = np.zeros(1, np.int64), few, few
    yield "decide", c.decide_images, (spikes, np.zeros(9, kind), plan, np.zeros(2, potential), room, (4, 3, 1), *out)
    if kind == np.int8:
        return
    table, counts = np.zeros((1, 2)), np.zeros((1, 6), np.int64)
    taught = c.Taught(counts, table, table, table, table, np.zeros((1, 4), real), counts, counts)
    rest = np.zeros((1, 2), real), room, Aim(4, 1, 1), True, taught, 0, 1
    yield "learn", c.learn_networks, (spikes, np.zeros(1, np.int64), np.zeros((1, 9), real), plan, *rest)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int8])
def test_kernels_compile_for_a_device_that_is_not_here(monkeypatch, kind):
    """Machine code of the device from every kernel; that of inference holds no float64 unless asked for."""
    pytest.importorskip("numba_cuda", reason="numba-cuda[cu13] is not installed")
    import numba
    from numba import cuda
    from numba.cuda import dispatcher

    here = types.SimpleNamespace(compute_capability=(9, 0))
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: here)  # device functions ask for it
    for name, kernel, arguments in _kernels(kind):
        ptx, _ = cuda.compile_ptx(kernel.py_func, tuple(numba.typeof(x) for x in arguments), cc=(9, 0))
        assert "sm_90" in ptx
        if name == "decide":
            assert bool(re.search(r"\.f64", ptx)) == (kind == np.float64)
            assert not re.search(r"\.f(32|64)", ptx) or kind != np.int8
            assert not re.search(r"fma\.rn", ptx)  # potentials are sums: nothing is rounded otherwise than on the CPU
        elif kind == np.float32:
            assert "sub.f32" in ptx or "sub.rn.f32" in ptx

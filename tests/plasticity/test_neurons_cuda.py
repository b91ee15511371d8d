"""Neurons on CUDA: the CPU is the oracle. Without a graphics processor kernels run in numba's simulator."""

import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from firstspike.plasticity.layers import neurons as n
from firstspike.plasticity.layers.neurons_scalars import Constants, Neuron
from firstspike.plasticity.layers.pairs import Mode
from firstspike.plasticity.layers.surrogates import SURROGATES
from firstspike.runtime.device import NoDevice

CASES = Path(__file__).parent / "neurons_cuda_cases.py"


def test_simulated(tmp_path):
    env = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, CASES, "compare"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def _available():
    from numba import cuda

    return cuda.is_available()


def test_without_a_device_the_error_says_so():
    if _available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(NoDevice, match="device cuda is not there"):
        n.lif_forward({}, np.ones((2, 2)), device="cuda")
    with pytest.raises(ValueError, match="device must be cpu, cuda or cuda:K"):
        n.lif_forward({}, np.ones((2, 2)), device="gpu")


@pytest.mark.gpu
def test_device_equals_cpu():
    if not _available():
        pytest.skip("no CUDA device")
    rng = np.random.default_rng(0)
    x, ds = rng.uniform(0, 2.2, (16, 10_000)).astype(np.float32), rng.normal(size=(16, 10_000)).astype(np.float32)
    p, results = n.plif_params(2.5), []
    for device in ("cpu", "cuda"):
        s, saved = n.plif_forward(p, x, Mode(train=True), device=device)
        results.append((s, *n.plif_backward(p, saved, ds)))
    (s, dx, dp), (t, dz, dq) = results
    same = (s == t).all(0)
    assert same.mean() > 0.999
    np.testing.assert_allclose(dz[:, same], dx[:, same], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dq["w"], dp["w"], rtol=1e-3)


@pytest.mark.parametrize("surrogate", ["atan", "sigmoid", "piecewise_quadratic"])
@pytest.mark.parametrize("hard", [True, False])
def test_kernels_compile_for_a_device_that_is_not_here(surrogate, hard, monkeypatch):
    """Machine code of the device; in float32 it holds no float64 (a cosine would, for large arguments)."""
    pytest.importorskip("numba_cuda", reason="numba-cuda[cu13] is not installed")
    import numba
    from numba import cuda
    from numba.cuda import dispatcher

    from firstspike.plasticity.layers import neurons_cuda as c

    here = types.SimpleNamespace(compute_capability=(9, 0))
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: here)  # device functions ask for it
    primitive, derivative, slopes = SURROGATES[surrogate]
    f = np.float32
    neuron = Neuron(hard, hard, hard, False, False, primitive, derivative)
    row, grid, numbers = np.zeros(2, f), np.zeros((2, 2), f), Constants(*map(f, (0.5, 1, 0, 0.5, 0.5)))
    slopes = tuple(map(f, slopes))
    for loop, args in (
        (c._fire, (grid, grid, grid.astype(np.uint8), row, numbers, slopes)),
        (c._back, (grid, grid, grid, row, row, row, numbers, slopes)),
    ):
        kernel = c.compiled(loop, neuron, np.dtype(f))
        ptx, _ = cuda.compile_ptx(kernel.py_func, tuple(numba.typeof(a) for a in args), cc=(9, 0))
        assert "sm_90" in ptx and not re.search(r"\.f64", ptx)

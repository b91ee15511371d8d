"""Layers with delays in CUDA: the CPU is the oracle, in numba's simulator; every kernel compiles."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

CASES = Path(__file__).parent / "delays_cuda_cases.py"


@pytest.mark.parametrize("case", ["layers", "first_layer"])
def test_simulated(case, tmp_path):
    env = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, CASES, case], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_without_a_device_the_error_says_so():
    from numba import cuda

    from firstspike.plasticity.layers.dcls import delay_params
    from firstspike.plasticity.layers.delays_cuda import delay_forward_cuda
    from firstspike.runtime.device import NoDevice

    if cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(NoDevice, match="device cuda is not there"):
        delay_forward_cuda(delay_params(0, "d", 3, 2, 3), np.ones((4, 1, 3), np.uint8), max_delay=3)


INT, REAL = np.zeros(1, np.int32), np.zeros(1, np.float32)
CUBE = np.zeros((1, 1, 1), np.float32)
ARGUMENTS = {
    "output": (INT, INT, REAL, CUBE, 1, CUBE),
    "kernel_gradient": (INT, INT, INT, REAL, CUBE, CUBE),
    "input_gradient": (CUBE, CUBE, CUBE),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_kernels_compile_without_float64(name):
    pytest.importorskip("numba_cuda", reason="numba-cuda[cu13] is not installed")
    from numba import cuda

    from firstspike.plasticity.layers import delays_cuda

    kernel = getattr(delays_cuda, name)
    ptx, _ = cuda.compile_ptx(kernel.py_func, tuple(numba.typeof(a) for a in ARGUMENTS[name]), cc=(9, 0))
    assert "sm_90" in ptx and not re.search(r"\.f64", ptx)

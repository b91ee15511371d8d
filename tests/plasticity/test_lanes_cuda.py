"""CUDA: the functions of the CPU are the oracle. Without a graphics processor kernels run in numba's simulator."""

import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from firstspike.plasticity.events import LIF
from firstspike.plasticity.rules.trace import Additive, Pair
from firstspike.runtime.device import NoDevice

CASES = Path(__file__).parent / "lanes_cuda_cases.py"


def test_simulated(tmp_path):
    """Same output spikes and weights as the CPU's plain loop, same bits where the input is cut."""
    env = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, CASES], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_errors():
    from firstspike.plasticity.events.lanes_cuda import advance_lanes_cuda, init_lanes_cuda

    with pytest.raises(ValueError, match="do not act as one"):
        init_lanes_cuda(np.ones((3, 2)), Additive())
    with pytest.raises(ValueError, match="weights must be finite"):
        init_lanes_cuda(np.ones(3))
    from numba import cuda

    if not cuda.is_available():
        with pytest.raises(NoDevice, match="device cuda is not there"):
            advance_lanes_cuda(init_lanes_cuda(np.ones((3, 2)), Pair()), [0.1], [0], LIF(), Pair())


def test_compiles_for_a_device_that_is_not_here(monkeypatch):
    """Machine code of the device for the pair rule, from float32."""
    pytest.importorskip("numba_cuda", reason="numba-cuda[cu13] is not installed")
    import numba
    from numba import cuda
    from numba.cuda import dispatcher

    from firstspike.plasticity.events import lanes_cuda as c
    from firstspike.plasticity.events.lanes_loops import Volleys

    here = types.SimpleNamespace(compute_capability=(9, 0))
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: here)  # device functions ask for it
    single, whole = np.zeros(3, np.float32), np.zeros((3, 3), np.float32)
    volleys = Volleys(np.zeros(3), np.zeros(4, np.int64), np.zeros(3, np.uint32), single, single, np.zeros(3))
    held = c.Held(single, single, np.zeros(3, np.int32), whole)
    arguments = (whole, whole, whole, volleys, held, single, whole, np.zeros((2, 3), np.int32), np.zeros(3, np.int32))
    ptx, _ = cuda.compile_ptx(c.compiled(Pair()).py_func, tuple(map(numba.typeof, arguments)), cc=(9, 0))
    assert "sm_90" in ptx and ".f32" in ptx

"""Properties of the machine code that carry the speed of convolution and learning; no clock is read."""

import re

import numpy as np
import pytest
from numba.core.caching import NullCache

from firstspike.plasticity.waves import conv_cpu, learn_cpu
from firstspike.plasticity.waves.layer import inside, make_layer
from firstspike.runtime.jit import kernel

ROW, STEPS = np.zeros(64, np.float32), np.zeros(64, np.int32)
THETA, T = np.float32(1.0), np.int32(3)


def text_of(function, *args):
    """LLVM text of a kernel compiled anew for `args`."""
    fresh = kernel(function.py_func)
    fresh._cache = NullCache()  # machine code read from the disk has no LLVM text
    fresh(*args)
    return next(iter(fresh.inspect_llvm().values()))


# the wrapper that reads a Python number is not meant
DOUBLE = re.compile(r"\b(fadd|fsub|fmul|fdiv|fcmp|fpext)\b[^\n]*\bdouble\b|x double>")
ALLOCATION = re.compile(r"call[^\n]*@NRT_(Allocate|MemInfo_alloc)")


@pytest.mark.parametrize(
    "function, args, kind",
    [
        (conv_cpu.add, (ROW, ROW.copy()), "float"),
        (conv_cpu._fire, (ROW, STEPS, T, T, THETA), "float"),
        (conv_cpu._fire_values, (ROW, STEPS, ROW.copy(), T, T, THETA), "float"),
        (conv_cpu._minimum, (STEPS, STEPS.copy()), "i32"),
        (learn_cpu._count_above, (ROW, THETA), "float"),
    ],
    ids=lambda v: getattr(v, "__name__", ""),
)
def test_inner_loops_are_vectorised_single_precision(function, args, kind):
    code = text_of(function, *args)
    assert re.search(rf"<(4|8|16) x {kind}>", code), "not vectorised"
    assert not DOUBLE.search(code)


def layer_and_weights():
    times = np.random.default_rng(0).integers(0, 8, (2, 3, 9, 9))
    weights = np.random.default_rng(1).random((16, 3, 3, 3)).astype(np.float32)
    layer = make_layer(times, weights, 2.0, 7, 1, True)
    return times, inside(weights, layer.n_lanes), layer


def test_loop_over_spikes_allocates_nothing_and_stays_in_single_precision():
    times, weights, layer = layer_and_weights()
    spikes = conv_cpu.make_spikes(times.shape[1:], 7)
    conv_cpu.bucket(times[0], 7, spikes)
    tile = (layer.width + 4) * layer.n_lanes
    none = np.empty(0, np.float32)
    row = np.zeros(tile, np.float32), np.zeros(tile, np.int32), none
    code = text_of(conv_cpu._row, np.int64(0), weights, spikes, layer, *row)
    assert not DOUBLE.search(code) and not ALLOCATION.search(code)


def test_step_of_learning_allocates_nothing_and_stays_in_single_precision():
    times, weights, layer = layer_and_weights()
    scratch = learn_cpu.make_scratch(times.shape[1:], layer)
    conv_cpu.bucket(times[0], 7, scratch.spikes)
    scratch.v[:], scratch.mark[:] = 0, -1
    code = text_of(learn_cpu._step, np.int64(0), np.int64(0), weights, layer, scratch)
    assert not DOUBLE.search(code) and not ALLOCATION.search(code)

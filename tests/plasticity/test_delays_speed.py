"""Properties of the machine code that carry the speed of layers with delays; no clock is read."""

import re

import numpy as np
import pytest
from numba.core.caching import NullCache

from firstspike.plasticity.layers import dcls, dcls_cpu, delays_cpu
from firstspike.runtime.jit import kernel, specialise

ROW, ONE = np.zeros(64, np.float32), np.float32(1)
# the wrapper that reads a Python number is not meant
DOUBLE = re.compile(r"\b(fadd|fsub|fmul|fdiv|fcmp|fpext)\b[^\n]*\bdouble\b|x double>")
ALLOCATION = re.compile(r"call[^\n]*@NRT_(Allocate|MemInfo_alloc)")


def text_of(function, *args, **options):
    """LLVM text of a kernel compiled anew for `args`."""
    fresh = kernel(function.py_func, **options)
    fresh._cache = NullCache()  # machine code read from the disk has no LLVM text
    fresh(*args)
    return next(iter(fresh.inspect_llvm().values()))


@pytest.mark.parametrize(
    "function, args",
    [
        (delays_cpu._add1, (ROW, ONE, ROW.copy())),
        (delays_cpu._add4, (ROW, *(ONE, ROW.copy()) * 4)),
    ],
    ids=["one spike", "four spikes"],
)
def test_additions_are_vectorised_single_precision(function, args):
    code = text_of(function, *args)
    assert re.search(r"<(4|8|16) x float>", code), "not vectorised"
    assert not DOUBLE.search(code) and not ALLOCATION.search(code)


@pytest.mark.parametrize("shape", ["gauss", "triangle", "bilinear"])
def test_kernels_are_made_in_vectors_without_calls(shape):
    p = dcls.delay_params(0, "d", 3, 70, 5)
    parts = dcls.elements(*p.values(), 5, shape)
    g = np.zeros((3, 5, 70), np.float32)
    back = [np.zeros_like(parts.weight) for _ in range(3)]
    settings = (2, shape != "bilinear", True, 0, 3)
    bump, slopes = getattr(dcls_cpu, f"{shape}_bump"), getattr(dcls_cpu, f"{shape}_slopes")
    build, pull = specialise(dcls_cpu.build, bump=bump), specialise(dcls_cpu.pull_back, slopes=slopes)
    for function, args in ((build, (*settings, g)), (pull, (*settings, g, *back))):
        code = text_of(function, *parts[:3], *args)
        assert re.search(r"<(4|8|16) x float>", code), "not vectorised"
        assert not DOUBLE.search(code) and not re.search(r"call[^\n]*@(expf?|llvm\.exp)", code)

"""Properties of the machine code that carry the speed of neurons, and the exponential it uses; no clock is read."""

import re
import types

import numba
import numpy as np
import pytest

from firstspike.plasticity.layers import neurons_cpu
from firstspike.plasticity.layers.exp32 import exp32
from firstspike.plasticity.layers.neurons_scalars import Constants, Neuron
from firstspike.plasticity.layers.surrogates import SURROGATES

F = np.float32
GRID, ROW, BYTES = np.zeros((3, 64), F), np.zeros(64, F), np.zeros((3, 64), np.uint8)
NUMBERS = Constants(*map(F, (0.5, 1.0, 0.0, 0.5, 0.5)))
# the wrapper that reads a Python number is not meant
DOUBLE = re.compile(r"\b(fadd|fsub|fmul|fdiv|fcmp|fpext)\b[^\n]*\bdouble\b|x double>")
LIBRARY = re.compile(r"call[^\n]*@(expf?|numba_expf?|llvm\.exp)\b")


def compile_anew(loop, **functions):
    """`loop` compiled without the disk: machine code from there has no LLVM text."""
    compiled = {name: numba.njit(error_model="numpy")(f) for name, f in functions.items()}
    bound = types.FunctionType(loop.__code__, loop.__globals__ | compiled, loop.__name__)
    return numba.njit(error_model="numpy")(bound)


def text_of(monkeypatch, name, surrogate, args, **options):
    monkeypatch.setattr(neurons_cpu, "specialise", compile_anew)
    primitive, derivative, _ = SURROGATES[surrogate]
    neuron = Neuron(True, True, True, False, False, primitive, derivative)
    loop = neurons_cpu.loops.__wrapped__(name, neuron, np.dtype(F), **options)
    loop(*args)
    return next(iter(loop.inspect_llvm().values()))


FIRE = (GRID, GRID.copy(), BYTES, ROW, 0, 0, NUMBERS, (F(2),))
BACK = (GRID, GRID.copy(), GRID.copy(), ROW, 0, 0, NUMBERS, (F(2),))


@pytest.mark.parametrize(
    "name, surrogate, args, options",
    [
        ("fire", "atan", FIRE, {"in_place": True}),
        ("fire", "atan", FIRE, {"stored": False}),
        ("charge_only", "atan", (GRID, GRID.copy(), ROW, 0, NUMBERS, (F(2),)), {}),
        ("back", "atan", BACK, {"in_place": True}),
        ("back", "sigmoid", BACK, {}),
        ("back_learnt", "triangle", (*BACK, ROW.copy(), ROW.copy()), {}),
    ],
)
def test_inner_loops_are_vectorised_single_precision(monkeypatch, name, surrogate, args, options):
    code = text_of(monkeypatch, name, surrogate, args, **options)
    arithmetic = re.findall(r"f(?:mul|add|sub)[^\n]*<(?:4|8|16) x float>", code)
    assert len(arithmetic) >= 3, "not vectorised"
    assert not DOUBLE.search(code)
    assert not LIBRARY.search(code), "calls the C library"


def test_exponential():
    @numba.njit
    def fill(x, out):
        for i in range(x.size):
            out[i] = exp32(x[i])

    x = np.linspace(-86.9, 87.9, 400_001).astype(F)
    out = np.empty_like(x)
    fill(x, out)
    np.testing.assert_allclose(out, np.exp(x.astype(float)), rtol=1.2e-7)
    ends = np.array([-np.inf, -1e4, -87.5, 0, np.nan], F)
    out = np.empty_like(ends)
    fill(ends, out)
    assert out[:4].tolist() == [0, 0, 0, 1] and np.isnan(out[4])

"""exp and expm1 of kernels: accuracy against extended precision, edge values, and that loops are vectorised."""

import math
import re

import numpy as np
import pytest
from numba.core.caching import NullCache

from firstspike.runtime.jit import kernel
from firstspike.runtime.vmath import exp, expm1, one_minus_exp


@kernel
def _fill_exp(x, out):
    for i in range(x.size):
        out[i] = exp(x[i])


@kernel
def _fill_expm1(x, out):
    for i in range(x.size):
        out[i] = expm1(x[i])


@kernel
def _fill_one_minus_exp(x, out):
    for i in range(x.size):
        out[i] = one_minus_exp(x[i])


def _ulps(fill, reference, x):
    """Largest error of `fill` in units in the last place of the extended-precision value."""
    out = np.empty_like(x)
    fill(x, out)
    exact = reference(x.astype(np.longdouble))
    return float(np.max(np.abs((out - exact) / np.spacing(np.abs(exact).astype(np.float64)))))


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="needs an extended-precision long double")
@pytest.mark.parametrize("low, high", [(-708, 709.7), (-40, 2), (-1, 1), (-1e-3, 1e-3), (-1e-12, 1e-12), (0.34, 0.36)])
def test_accuracy(low, high):
    x = np.random.default_rng(1).uniform(low, high, 200_000)
    assert _ulps(_fill_exp, np.exp, x) < 1.2
    assert _ulps(_fill_expm1, np.expm1, x) < 2.5


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="needs an extended-precision long double")
@pytest.mark.parametrize("high", [700.0, 2.0, 1e-3, 1e-12])
def test_accuracy_of_one_minus_exp(high):
    x = np.random.default_rng(3).uniform(0, high, 200_000)
    assert _ulps(_fill_one_minus_exp, lambda v: -np.expm1(-v), x) < 2.5
    assert one_minus_exp(0.0) == 0 and one_minus_exp(709.0) == one_minus_exp(math.inf) == 1
    assert math.isnan(one_minus_exp(math.nan))


def test_agrees_with_the_c_library():
    for x in np.linspace(-700.0, 700.0, 1001):
        assert exp(x) == pytest.approx(math.exp(x), rel=5e-16, abs=0)
        assert expm1(x) == pytest.approx(math.expm1(x), rel=1e-15, abs=0)


@pytest.mark.parametrize(
    "x, e, e1",
    [
        (0.0, 1.0, 0.0),
        (math.inf, math.inf, math.inf),
        (-math.inf, 0.0, -1.0),
        (709.79, math.inf, math.inf),
        (1e308, math.inf, math.inf),
        (-709.0, 0.0, -1.0),
        (-1e308, 0.0, -1.0),
        (1e-300, 1.0, 1e-300),
    ],
)
def test_edges(x, e, e1):
    assert exp(x) == e
    assert expm1(x) == e1


def test_largest_finite_values():
    for x in (709.0, 709.5, 709.78, -707.9):
        assert exp(x) == pytest.approx(math.exp(x), rel=1e-15, abs=0)


def test_nan_stays_nan():
    assert math.isnan(exp(math.nan)) and math.isnan(expm1(math.nan))
    out = np.empty(9)
    _fill_exp(np.full(9, np.nan), out)
    assert np.isnan(out).all()


def test_one_value_equals_many():
    x = np.random.default_rng(2).uniform(-30, 30, 1003)
    out = np.empty_like(x)
    _fill_exp(x, out)
    assert [exp(v) for v in x] == out.tolist()


@pytest.mark.parametrize("fill", [_fill_exp, _fill_expm1, _fill_one_minus_exp])
def test_loops_are_vectorised_and_call_nothing(fill):
    fresh = kernel(fill.py_func)
    fresh._cache = NullCache()  # machine code read from the disk has no LLVM text
    fresh(np.ones(4), np.ones(4))
    text = next(iter(fresh.inspect_llvm().values()))
    assert re.search(r"<(4|8) x double>", text) or "<2 x double>" in text
    assert not re.search(r"(call|invoke)[^\n]*@(exp|expm1|llvm\.exp)\b", text)

"""Comparisons of eight numbers at once against one by one."""

import numpy as np
import pytest

from firstspike.runtime.bits import above, lowest
from firstspike.runtime.jit import kernel


@kernel
def masks(values, limit, out):
    for k in range(out.size):
        out[k] = above(values, k, limit)


@kernel
def first(bits):
    return lowest(bits)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16])
def test_bits_say_who_is_above(kind):
    values = np.random.default_rng(0).integers(-3, 4, 40).astype(kind)
    if kind != np.int16:
        values[[3, 9]] = np.nan, -np.inf
    found = np.empty(33, np.int64)
    masks(values, kind(1), found)
    assert found.tolist() == [sum(1 << i for i in range(8) if values[k + i] > 1) for k in range(33)]
    assert [first(b) for b in (1, 8, 160, 1 << 62)] == [0, 3, 5, 62]

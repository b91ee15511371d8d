"""exp of float32 for kernels, without a call, so that a loop that uses it is vectorised.

With k the integer nearest to x / ln 2 and r = x - k ln 2: exp(x) = 2**k (1 + r + r**2 q(r)), q of degree 4 (Chebyshev
interpolant, relative error of the sum 1.1e-8). As ``runtime.vmath`` does for float64, k and 2**k are made in
the bits of the number. Within 1.5 units in the last place; exp of less than -87 is 0.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ...runtime.jit import kernel

__all__ = ["exp"]

_LOG2E = np.float32(1.4426950408889634)
_LN2_HI, _LN2_LO = np.float32(0.693359375), np.float32(-2.12194440e-4)
_ROUND = np.float32(12582912.0)  # 1.5 * 2**23
_LOWEST, _HIGHEST = np.float32(-87.0), np.float32(88.0)
_ZERO, _ONE = np.float32(0), np.float32(1)
_Q0, _Q1, _Q2, _Q3, _Q4 = (
    np.float32(q) for q in (0.5, 0.16666576266288757, 0.04166655242443085, 0.00836323294788599, 0.0013926250394433737)
)
_FAST = {"contract", "nsz"}


@intrinsic
def _power_of_two(typing, shifted):
    """2**k of the float32 whose lowest bits are k."""

    def code(c, b, sig, a):
        n = b.add(b.bitcast(a[0], ir.IntType(32)), ir.Constant(ir.IntType(32), 127))
        return b.bitcast(b.shl(n, ir.Constant(ir.IntType(32), 23)), ir.FloatType())

    return types.float32(types.float32), code


@kernel(fastmath=_FAST)
def exp(x):
    """Exponential of the float32 `x` <= 88; inlined and vectorised inside a kernel."""
    inside = _LOWEST if x < _LOWEST else x
    inside = _HIGHEST if inside > _HIGHEST else inside
    shifted = inside * _LOG2E + _ROUND
    k = shifted - _ROUND
    r = (inside - k * _LN2_HI) - k * _LN2_LO
    q = _Q0 + r * (_Q1 + r * (_Q2 + r * (_Q3 + r * _Q4)))
    y = (_ONE + (r + r * r * q)) * _power_of_two(shifted)
    return _ZERO if x < _LOWEST else y

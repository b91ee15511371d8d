"""exp of float32 for kernels: a scalar without a call, so that a loop that uses it is vectorised.

With k the integer nearest to x / ln 2 and r = x - k ln 2 in [-ln 2 / 2, ln 2 / 2],

    exp(x) = 2**k (1 + r + r**2 q(r)),    q: the first six Taylor terms of (exp(r) - 1 - r) / r**2

Adding 1.5 * 2**23 leaves k in the lowest bits. Relative error below 1.2e-7; below -87 the result is 0 (no subnormal
numbers), above 88 that of 88; nan stays nan. Contraction (a b + c in one rounding, where the processor has it) is
allowed, so that the last bit may differ between processors.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ...runtime.jit import kernel

__all__ = ["exp32"]

_F = np.float32
_LOG2E, _ROUND = _F(1.44269504), _F(12582912.0)  # 1 / ln 2, 1.5 * 2**23
_LN2_HI, _LN2_LO = _F(0.693359375), _F(-2.12194440e-4)  # k times the first one is exact
_LOWEST, _HIGHEST = _F(-87.0), _F(88.0)
_ZERO, _ONE = _F(0.0), _F(1.0)
_C2, _C3, _C4, _C5, _C6, _C7 = (_F(1 / n) for n in (2, 6, 24, 120, 720, 5040))


@intrinsic
def _as_bits(typing, x):
    """The 32 bits of a float32 as int32."""
    return types.int32(types.float32), lambda c, b, sig, a: b.bitcast(a[0], ir.IntType(32))


@intrinsic
def _power_of_two(typing, bits):
    """2**k of the int32 whose lowest bits are k: (bits + 127) << 23, read as a float32."""

    def code(context, builder, signature, args):
        exponent = builder.add(args[0], ir.Constant(ir.IntType(32), 127))
        return builder.bitcast(builder.shl(exponent, ir.Constant(ir.IntType(32), 23)), ir.FloatType())

    return types.float32(types.int32), code


@kernel(fastmath={"contract", "nsz"})
def exp32(x):
    """Exponential of the float32 `x`; inlined and vectorised inside a kernel.

    Examples
    --------
    >>> exp32(np.float32(0.0))
    1.0
    """
    # Selects, not branches; written so that a nan passes through.
    inside = _LOWEST if x < _LOWEST else x
    inside = _HIGHEST if inside > _HIGHEST else inside
    shifted = inside * _LOG2E + _ROUND
    k = shifted - _ROUND
    r = (inside - k * _LN2_HI) - k * _LN2_LO
    q = _C2 + r * (_C3 + r * (_C4 + r * (_C5 + r * (_C6 + r * _C7))))
    y = (_ONE + (r + r * r * q)) * _power_of_two(_as_bits(shifted))
    return _ZERO if x < _LOWEST else y

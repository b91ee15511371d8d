"""exp and expm1 for kernels: float64 scalars without a call, so that a loop that uses them is vectorised.

``math.exp`` inside a kernel is a call into the C library, one number at a time. Here instead, with k the integer
nearest to x / ln 2 and r = x - k ln 2 in [-ln 2 / 2, ln 2 / 2],

    exp(x)   = 2**k (1 + s)            s = r + r**2 q(r)  (= exp(r) - 1)
    expm1(x) = 2**k s + (2**k - 1),    1 - exp(-x) likewise for x >= 0

q is the Chebyshev interpolant of degree 9 of (exp(r) - 1 - r) / r**2 (relative error of 1 + s below 2e-17). The
rounding to k and the factor 2**k are made in the bits of float64 (adding 1.5 * 2**52 leaves k in the lowest bits),
because most processors have no vector instruction that converts between float64 and int64.

Accuracy: within 1.1 (exp) and 2.3 (expm1) units in the last place. exp of less than -708 is 0 (no subnormal results),
above 709.78 inf; nan stays nan. Contraction (a*b + c in one rounding where the processor has it) is allowed: it makes
both faster and never less exact, but the last bit may differ between processors.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .jit import kernel

__all__ = ["exp", "expm1", "one_minus_exp"]

_LOG2E = 1.4426950408889634
_LN2_HI = 6.93147180369123816490e-01  # the upper 32 bits of ln 2: k times it is exact
_LN2_LO = 1.90821492927058770002e-10
_ROUND = 6755399441055744.0  # 1.5 * 2**52
_LOWEST, _HIGHEST = -708.0, 710.0
_BIAS_HALF = np.int64(1022)  # exponent of 2**(k - 1): 2**k itself would overflow at k = 1024
_BIAS = np.int64(1023)
_FRACTION_BITS = np.int64(52)
_Q = (
    0.5000000000000001,
    0.16666666666666669,
    0.041666666666624164,
    0.008333333333330065,
    0.001388888891719689,
    0.00019841269863040675,
    2.480152132210459e-05,
    2.7557268480106926e-06,
    2.762007600563138e-07,
    2.5100375929185925e-08,
)
_Q0, _Q1, _Q2, _Q3, _Q4, _Q5, _Q6, _Q7, _Q8, _Q9 = _Q
_FAST = {"contract", "nsz"}


@intrinsic
def _as_bits(typing, x):
    """The 64 bits of a float64 as int64."""
    return types.int64(types.float64), lambda c, b, sig, a: b.bitcast(a[0], ir.IntType(64))


@intrinsic
def _from_bits(typing, n):
    """The float64 whose 64 bits are those of the int64."""
    return types.float64(types.int64), lambda c, b, sig, a: b.bitcast(a[0], ir.DoubleType())


@kernel(fastmath=_FAST)
def _reduced(x):
    """Return exp(r) - 1 and the number whose lowest bits are k, of x = k ln 2 + r, x in [-708, 710] or nan."""
    shifted = x * _LOG2E + _ROUND
    k = shifted - _ROUND
    r = (x - k * _LN2_HI) - k * _LN2_LO
    # Pairs of terms, not a Horner chain: half the latency where only one value is needed at a time.
    r2 = r * r
    low = (_Q0 + r * _Q1) + r2 * (_Q2 + r * _Q3)
    middle = (_Q4 + r * _Q5) + r2 * (_Q6 + r * _Q7)
    q = low + (r2 * r2) * (middle + (r2 * r2) * (_Q8 + r * _Q9))
    return r + r2 * q, shifted


@kernel(fastmath=_FAST)
def _power_of_two(shifted, bias):
    return _from_bits((_as_bits(shifted) + bias) << _FRACTION_BITS)


@kernel(fastmath=_FAST)
def exp(x):
    """Exponential of the float64 `x`; inlined and vectorised inside a kernel.

    Examples
    --------
    >>> exp(0.0)
    1.0
    """
    # Selects, not branches; written so that a nan passes through.
    inside = _LOWEST if x < _LOWEST else x
    inside = _HIGHEST if inside > _HIGHEST else inside
    s, shifted = _reduced(inside)
    half = _power_of_two(shifted, _BIAS_HALF)
    y = (half + half * s) * 2.0
    return 0.0 if x < _LOWEST else y


@kernel(fastmath=_FAST)
def expm1(x):
    """exp(x) - 1 of the float64 `x`, exact to the last places near 0; inlined and vectorised inside a kernel.

    Examples
    --------
    >>> expm1(1e-20)
    1e-20
    """
    inside = _LOWEST if x < _LOWEST else x
    inside = _HIGHEST if inside > _HIGHEST else inside
    s, shifted = _reduced(inside)
    half = _power_of_two(shifted, _BIAS_HALF)
    return (half * s + (half - 0.5)) * 2.0


@kernel(fastmath=_FAST)
def one_minus_exp(x):
    """1 - exp(-x) of the float64 `x` >= 0 only: fewer instructions than ``-expm1(-x)``.

    Examples
    --------
    >>> one_minus_exp(1e-20)
    1e-20
    """
    s, shifted = _reduced(_LOWEST if -x < _LOWEST else -x)
    scale = _power_of_two(shifted, _BIAS)
    return (1.0 - scale) - scale * s

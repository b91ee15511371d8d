"""Operations of IEEE 754 that Python has no word for, for kernels: fma and the bits of a number.

`fma` is correctly rounded, like + and *: a formula made of the three, without library functions and without fastmath,
has the same bits on every processor, and one chain a b + c takes two thirds of the time of a product and a sum.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["as_bits", "fma", "from_bits"]


@intrinsic
def fma(typing, a, b, c):
    """Product a b plus c, of float64, in one rounding."""
    return types.float64(types.float64, types.float64, types.float64), lambda _, builder, __, args: builder.fma(*args)


@intrinsic
def as_bits(typing, x):
    """The 64 bits of a float64 as uint64."""
    return types.uint64(types.float64), lambda _, builder, __, args: builder.bitcast(args[0], ir.IntType(64))


@intrinsic
def from_bits(typing, n):
    """The float64 whose 64 bits are those of the uint64."""
    return types.float64(types.uint64), lambda _, builder, __, args: builder.bitcast(args[0], ir.DoubleType())

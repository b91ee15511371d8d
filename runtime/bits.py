"""Comparisons of eight numbers at a time, for kernels: which lanes are above a limit, as the bits of an integer.

A loop that asks for each number alone whether it is large, and stores something if so, is not vectorised. Here eight
are compared at once, and only those whose bit is set are looked at.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["above", "lowest"]


@intrinsic
def above(typing, values, start, limit):
    """Bit k is set if ``values[start + k] > limit``, k = 0..7; `values` contiguous, inside it, one type with limit."""

    def generate(context, builder, signature, args):
        array = signature.args[0]
        data = context.make_array(array)(context, builder, args[0]).data
        kind = context.get_data_type(array.dtype)
        eight, lane = ir.VectorType(kind, 8), ir.IntType(32)
        at = builder.bitcast(builder.gep(data, [args[1]]), eight.as_pointer())
        loaded = builder.load(at, align=context.get_abi_sizeof(kind))
        one = builder.insert_element(ir.Constant(eight, ir.Undefined), args[2], lane(0))
        same = builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(lane, 8), [0] * 8))
        compare = builder.fcmp_ordered if isinstance(array.dtype, types.Float) else builder.icmp_signed
        bits = builder.bitcast(compare(">", loaded, same), ir.IntType(8))
        return builder.zext(bits, ir.IntType(64))

    return types.int64(values, types.int64, values.dtype), generate


@intrinsic
def lowest(typing, bits):
    """Position of the lowest set bit; `bits` != 0."""
    return types.int64(types.int64), lambda _, builder, __, args: builder.cttz(args[0], ir.IntType(1)(1))

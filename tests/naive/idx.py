"""IDX files byte by byte, from the format's description."""

import struct

CODES = {
    "uint8": (0x08, "B"),
    "int8": (0x09, "b"),
    "int16": (0x0B, "h"),
    "int32": (0x0C, "i"),
    "float32": (0x0D, "f"),
    "float64": (0x0E, "d"),
}


def encode(array):
    """Bytes of the IDX file of an array."""
    code, letter = CODES[array.dtype.name]
    out = struct.pack(">BBBB", 0, 0, code, array.ndim)
    for size in array.shape:
        out += struct.pack(">I", size)
    for value in array.reshape(-1).tolist():
        out += struct.pack(">" + letter, value)
    return out

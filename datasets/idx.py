"""Reader and writer of IDX files, the format of MNIST and its relatives.

Layout (big-endian): two zero bytes; type code; number of dimensions D; D sizes as uint32; the values in C order.
Codes: 0x08 uint8, 0x09 int8, 0x0B int16, 0x0C int32, 0x0D float32, 0x0E float64. The file may be gzip-compressed:
told by its first two bytes, not by its name, because some servers unpack on the way.

Reading is bounded: never more than the header claims plus one byte (which must not exist) is unpacked, block by block,
so neither a header with absurd sizes nor a small file that unpacks to gigabytes takes memory.

Source: LeCun, Cortes & Burges, description of the MNIST files (1998).
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from .catalog import DataError

__all__ = ["MAX_BYTES", "read_idx", "write_idx"]

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_DIMENSIONS = 8
MAX_BYTES = 2 << 30  # of values; the largest published relative of MNIST has 0.6e9
_BLOCK = 1 << 20


def _exactly(stream, count, what):
    """`count` bytes of `stream`; the memory taken follows what is really there."""
    parts = bytearray()
    while len(parts) < count:
        block = stream.read(min(_BLOCK, count - len(parts)))
        if not block:
            raise ValueError(f"{what}: {count} bytes expected, the file ends after {len(parts)}")
        parts += block
    return parts


def _read(stream, max_bytes):
    head = _exactly(stream, 4, "header")
    if head[0] or head[1]:
        raise ValueError(f"not an IDX file: the first two bytes must be 0, got {head[0]:#04x} {head[1]:#04x}")
    if head[2] not in _TYPES:
        raise ValueError(f"unknown type code {head[2]:#04x}")
    if not 1 <= head[3] <= _MAX_DIMENSIONS:
        raise ValueError(f"number of dimensions must be 1 to {_MAX_DIMENSIONS}, got {head[3]}")
    dtype = np.dtype(_TYPES[head[2]])
    shape = tuple(int(s) for s in np.frombuffer(_exactly(stream, 4 * head[3], "header"), ">u4"))
    if 0 in shape:
        raise ValueError(f"empty dimension in shape {shape}")
    count = math.prod(shape) * dtype.itemsize
    if count > max_bytes:
        raise ValueError(f"shape {shape} means {count} bytes, more than the limit of {max_bytes}")
    values = _exactly(stream, count, f"values of shape {shape}")
    if stream.read(1):
        raise ValueError(f"more bytes than the {count} that shape {shape} needs")
    return np.frombuffer(values, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def read_idx(path, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """Array of one IDX file, plain or gzip-compressed.

    Parameters
    ----------
    path : path
        The file.
    max_bytes : int
        Refuse files whose header claims more than this.

    Returns
    -------
    ndarray
        Shape and type of the header, in the machine's byte order, writable.

    Raises
    ------
    DataError
        A ``ValueError`` with the file's name and the reason: not an IDX file, unknown type, absurd shape, too few or
        too many bytes, damaged compression.
    OSError
        The file cannot be opened.
    """
    path = Path(path)
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            if not packed:
                return _read(file, max_bytes)
            with gzip.GzipFile(fileobj=file) as stream:
                return _read(stream, max_bytes)
        except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{path}: {error}") from error


def write_idx(path, array) -> None:
    """Write `array` as an IDX file; gzip-compressed if the name ends in ``.gz``.

    Raises
    ------
    ValueError
        The type has no IDX code, or the array has no or an empty dimension.
    """
    array = np.asarray(array)
    code = next((c for c, t in _TYPES.items() if np.dtype(t).newbyteorder("=") == array.dtype), None)
    if code is None:
        raise ValueError(f"no IDX type for {array.dtype}; use uint8, int8, int16, int32, float32 or float64")
    if not 1 <= array.ndim <= _MAX_DIMENSIONS or array.size == 0:
        raise ValueError(f"shape must have 1 to {_MAX_DIMENSIONS} dimensions, none empty, got {array.shape}")
    head = bytes([0, 0, code, array.ndim]) + np.asarray(array.shape, ">u4").tobytes()
    data = head + array.astype(_TYPES[code]).tobytes()
    path = Path(path)
    # mtime=0: the same array gives the same bytes
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)

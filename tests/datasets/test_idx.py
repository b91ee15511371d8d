"""IDX files: round trip against a byte-wise writer; every malformed kind is a ValueError that names the file."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import idx as naive

from firstspike.datasets.catalog import DataError
from firstspike.datasets.idx import read_idx, write_idx

TYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]


def sample(dtype, shape=(5, 3, 2)):
    values = np.arange(np.prod(shape)).reshape(shape) * 7 - 11
    return values.astype(dtype)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(4,), (5, 3, 2), (1, 1, 1, 1)])
def test_reads_what_the_naive_writer_wrote(tmp_path, dtype, shape, packed):
    array = sample(dtype, shape)
    data = naive.encode(array)
    path = tmp_path / "any-name"
    path.write_bytes(gzip.compress(data) if packed else data)
    back = read_idx(path)
    assert back.dtype == array.dtype and back.dtype.isnative and back.flags.writeable
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("name", ["a", "a.gz"])
@pytest.mark.parametrize("dtype", TYPES)
def test_writer_gives_the_naive_bytes(tmp_path, dtype, name):
    array = sample(dtype)
    write_idx(tmp_path / name, array)
    raw = (tmp_path / name).read_bytes()
    assert (gzip.decompress(raw) if name.endswith("gz") else raw) == naive.encode(array)


@pytest.mark.parametrize("array", [np.zeros(0, "u1"), np.uint8(3), np.zeros(3, "i8"), np.zeros((1,) * 9, "u1")])
def test_writer_refuses(tmp_path, array):
    with pytest.raises(ValueError):
        write_idx(tmp_path / "a", array)


GOOD = naive.encode(sample("uint8"))
GZ = gzip.compress(GOOD, mtime=0)
HUGE = struct.pack(">BBBBIII", 0, 0, 8, 3, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
MALFORMED = {
    "empty file": (b"", "header"),
    "three bytes": (GOOD[:3], "header"),
    "first byte": (b"\x01" + GOOD[1:], "first two bytes"),
    "second byte": (b"\x00\x02" + GOOD[2:], "first two bytes"),
    "type code": (GOOD[:2] + b"\x0a" + GOOD[3:], "type code 0x0a"),
    "no dimension": (GOOD[:3] + b"\x00" + GOOD[4:], "number of dimensions"),
    "many dimensions": (GOOD[:3] + b"\xff" + GOOD[4:], "number of dimensions"),
    "header cut": (GOOD[:10], "header"),
    "empty dimension": (GOOD[:4] + bytes(4) + GOOD[8:], "empty dimension"),
    "values cut": (GOOD[:-1], "ends after 29"),
    "one byte more": (GOOD + b"\x00", "more bytes"),
    "absurd sizes": (HUGE + b"abc", "limit"),
    "one large size": (struct.pack(">BBBBI", 0, 0, 8, 1, 1_500_000_000) + b"abc", "ends after 3"),
    "gzip cut": (GZ[:-9], "end-of-stream"),
    "gzip checksum": (GZ[:-8] + bytes([GZ[-8] ^ 1]) + GZ[-7:], "CRC"),
    "gzip body": (GZ[:12] + bytes([GZ[12] ^ 0xFF]) + GZ[13:], ""),
    "gzip tail": (GZ + b"garbage", "gzip"),
    "gzip, values cut": (gzip.compress(GOOD[:-1]), "ends after 29"),
    "gzip, one byte more": (gzip.compress(GOOD + b"\x00"), "more bytes"),
    "text": (b"<html>404</html>", "first two bytes"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_is_a_value_error_with_name_and_reason(tmp_path, case):
    data, reason = MALFORMED[case]
    path = tmp_path / "bad-idx3-ubyte"
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_idx(path)
    assert isinstance(caught.value, ValueError) and caught.value.exit_code == 3
    assert "bad-idx3-ubyte" in str(caught.value) and reason in str(caught.value)


def test_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(OSError):
        read_idx(tmp_path / "none")
    with pytest.raises(OSError):
        read_idx(tmp_path)


def test_reading_is_bounded(tmp_path):
    # 64 MB of zeros in 64 kB; the header claims 30 values: nothing beyond the first block may be unpacked
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(GOOD + bytes(64 << 20)))
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(DataError, match="more bytes"):
        read_idx(path)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
    with pytest.raises(DataError, match="limit of 29"):
        path.write_bytes(GOOD)
        read_idx(path, max_bytes=29)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.booleans(), st.integers(0, 5))
def test_any_bytes_give_an_array_or_a_data_error(tmp_path_factory, tail, packed, n_good):
    path = tmp_path_factory.mktemp("fuzz") / "f"
    data = GOOD[:n_good] + tail
    path.write_bytes(gzip.compress(data) if packed else data)
    try:
        array = read_idx(path)
    except DataError:
        return
    assert naive.encode(array) == data or array.dtype.kind == "f"  # NaN payloads need not survive

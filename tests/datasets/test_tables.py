"""Spike tables: every format gives the oracle's spikes; every fault is one line that names file and place."""

import io
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.tables import sorted_spikes

from firstspike.datasets.catalog import DataError, MissingData
from firstspike.datasets.tables import read_spikes

TIMES, UNITS = [0.5, 0.25, 0.25, 1.0, 0.0], [3, 2, 1, 0, 7]


def text(separator=",", head="time,unit", scale=1.0):
    rows = [head.replace(",", separator)] if head else []
    return "\n".join(rows + [f"{scale * t}{separator}{u}" for t, u in zip(TIMES, UNITS, strict=True)]) + "\n"


def npz(packed=False, **arrays):
    stream = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(stream, **arrays)
    return stream.getvalue()


def hdf5(fill):
    stream = io.BytesIO()
    with h5py.File(stream, "w") as f:
        fill(f)
    return stream.getvalue()


def group(f, place="", time="time", unit="unit", units=None, scale=1.0):
    f[f"{place}/{time}"], f[f"{place}/{unit}"] = scale * np.array(TIMES), np.array(UNITS, "u8")
    if units:
        f[f"{place}/{time}"].attrs["units"] = units


def compound(f):
    f["table"] = np.array(list(zip(TIMES, UNITS, strict=True)), [("t", "f4"), ("i", "i2")])


def linked(f):
    f["time"], f["sub/unit"] = TIMES, UNITS
    f["unit"] = h5py.SoftLink("/sub/unit")


ARRAY_T, ARRAY_U = np.array(TIMES), np.array(UNITS)
GOOD = {
    "a.csv": text(),
    "semicolon.txt": text(";", "unit_id,time_ms".replace("unit_id,time_ms", "t,i")),
    "tab.dat": "# NEST\n\n" + text("\t", "time_ms,sender", 1e3),
    "bare.csv": text(head=""),
    "quoted.csv": text(head='"times","neuron"').replace("\n", "\r\n"),
    "bom.csv": "\ufeff" + text(head="Time (us),ID", scale=1e6),
    "more.csv": "cell,unit,note,t_ms\n" + "".join(f"a,{u}.0,x,{1e3 * t}\n" for t, u in zip(TIMES, UNITS, strict=True)),
    "a.npz": npz(time=ARRAY_T, unit=ARRAY_U),
    "packed.npz": npz(True, times=ARRAY_T.astype(">f4"), units=ARRAY_U.astype("u1"), other=np.array(["x"])),
    "ms": npz(times_ms=(1e3 * ARRAY_T).astype("i4"), i=ARRAY_U.astype(float)),
    "root.h5": hdf5(group),
    "group.hdf5": hdf5(lambda f: group(f, "spikes/output")),
    "nest.h5": hdf5(lambda f: group(f, "events", "times", "senders", "ms", 1e3)),
    "sonata.h5": hdf5(lambda f: group(f, "spikes/cells", "timestamps", "node_ids", "milliseconds", 1e3)),
    "compound": hdf5(compound),
}


def put(folder, name, content):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("name", GOOD)
def test_every_format_gives_the_spikes_in_order(name, tmp_path):
    time, unit = read_spikes(put(tmp_path, name, GOOD[name]))
    expected = sorted_spikes(TIMES, UNITS)
    assert time.dtype == np.float64 and unit.dtype == np.int32
    assert time.tolist() == expected[0] and unit.tolist() == expected[1]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 2**31 - 1)), min_size=1, max_size=40), st.booleans())
def test_any_spikes_survive_text_and_arrays(tmp_path_factory, spikes, as_text):
    times, units = zip(*spikes, strict=True)
    content = "".join(f"{t!r},{u}\n" for t, u in spikes) if as_text else npz(time=times, unit=units)
    time, unit = read_spikes(put(tmp_path_factory.mktemp("t"), "a.csv" if as_text else "a.npz", content))
    expected = sorted_spikes([t + 0.0 for t in times], units)
    assert time.tolist() == expected[0] and unit.tolist() == expected[1]


def with_header(shape, dtype="<f8", data=b""):
    """NPZ whose member `time` has any header."""
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": dtype, "fortran_order": False, "shape": shape})
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("time.npy", member.getvalue() + data)
        archive.writestr("unit.npy", npz(unit=ARRAY_U))
    return stream.getvalue()


def encrypted():
    data = bytearray(npz(time=ARRAY_T, unit=ARRAY_U))
    data[data.rindex(b"PK\x01\x02", 0, data.rindex(b"PK\x01\x02")) + 8] |= 1
    return bytes(data)


def virtual(f):
    layout = h5py.VirtualLayout((5,), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "time", (5,))
    f.create_virtual_dataset("time", layout)
    f["unit"] = UNITS


def external(f):
    f.create_dataset("time", (5,), "f8", external=[("/etc/passwd", 0, 40)])
    f["unit"] = UNITS


def claims(f):
    f.create_dataset("time", (10**12,), "f8", chunks=(1000,))
    f.create_dataset("unit", (10**12,), "i4", chunks=(1000,))


BAD = {
    "empty.csv": ("", "is empty"),
    "comment.csv": ("# nothing\n\n", "holds no spikes"),
    "header.csv": ("time,unit\n", "holds no spikes"),
    "names.csv": ("tim,unit\n1,2\n", "must be named time"),
    "twice.csv": ("time,time_ms,unit\n1,2,3\n", "must be named time"),
    "one.csv": ("1\n2\n", "line 1: two columns"),
    "three.csv": ("1,2,3\n", "line 1: 3 columns without a header"),
    "short.csv": (text() + "0.5\n", "line 7: 2 columns are expected, got 1"),
    "word.csv": (text() + "\n# x\nabc,1\n", "line 9: time 'abc' is not a number"),
    "blank.csv": (text() + "1.0,\n", "line 7: unit '' is not a number"),
    "nan.csv": (text() + "nan,1\n", "line 7: time must be finite, got time nan"),
    "inf.csv": (text() + "inf,1\n", "line 7: time must be finite"),
    "negative.csv": (text() + "-1e-9,1\n", "line 7: time must be >= 0, got time -1e-09"),
    "half.csv": (text() + "1,1.5\n", "line 7: unit must be a whole number"),
    "minus.csv": (text() + "1,-1\n", "line 7: unit must lie in 0..2147483647"),
    "large.csv": (text() + "1,2147483648\n", "line 7: unit must lie in"),
    "nan_unit.csv": (text() + "1,nan\n", "line 7: unit must lie in"),
    "latin.csv": (text().encode() + b"\xff\xfe,1\n", "line 7 is not text"),
    "long.csv": ("1" * 20_000, "line 1 has 10000 characters"),
    "text.npz": (text(), "not a zip file"),
    "lines.npz": (npz(**{"time\nx": ARRAY_T}), "there are 'time\\nx'"),
    "lengths.npz": (npz(time=ARRAY_T, unit=ARRAY_U[1:]), "5 times, but 4 units"),
    "missing.npz": (npz(time=ARRAY_T), "must be named time"),
    "nothing.npz": (npz(time=ARRAY_T[:0], unit=ARRAY_U[:0]), "holds no spikes"),
    "two.npz": (npz(time=ARRAY_T[None], unit=ARRAY_U), "array time: one dimension is expected, got 2"),
    "word.npz": (npz(time=ARRAY_T.astype("U8"), unit=ARRAY_U), "array time: numbers are expected"),
    "complex.npz": (npz(time=ARRAY_T + 1j, unit=ARRAY_U), "array time: numbers are expected"),
    "object.npz": (npz(time=ARRAY_T, unit=ARRAY_U.astype(object)), "array unit: numbers are expected, got type object"),
    "nan.npz": (npz(time=ARRAY_T * [1, 1, np.nan, 1, 1], unit=ARRAY_U), "row 2: time must be finite"),
    "claim.npz": (with_header((2**40,)), "needs 8796093022208 bytes"),
    "less.npz": (with_header((3,), data=bytes(40)), "24 bytes expected"),
    "minus.npz": (with_header((-3,), data=bytes(40)), "array time"),
    "encrypted.npz": (encrypted(), "only plain or deflated"),
    "cut.npz": (npz(time=ARRAY_T, unit=ARRAY_U)[:-30], "zip file"),
    "text.h5": (text(), "not a readable HDF5 file"),
    "none.h5": (hdf5(lambda f: f.create_group("a")), "no group or table"),
    "both.h5": (hdf5(lambda f: [group(f, "a"), group(f, "b")]), "2 group or table with datasets time and unit found"),
    "lines.h5": (hdf5(lambda f: [group(f, "a\nb"), group(f, "c")]), "found: /a b, /c"),
    "soft.h5": (hdf5(linked), "no group or table"),
    "virtual.h5": (hdf5(virtual), "plain numbers, stored in this file"),
    "external.h5": (hdf5(external), "plain numbers, stored in this file"),
    "claim.h5": (hdf5(claims), "more than the limit"),
    "minutes.h5": (hdf5(lambda f: group(f, units="min")), "unknown unit 'min'"),
    "words.h5": (hdf5(lambda f: f.update(time=["a"], unit=[1])), "plain numbers"),
    "two.h5": (hdf5(lambda f: f.update(time=[[1.0]], unit=[1])), "one dimension is expected, got 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_every_fault_is_one_line_with_file_and_place(name, tmp_path):
    content, message = BAD[name]
    path = put(tmp_path, name, content)
    with pytest.raises(DataError) as caught:
        read_spikes(path)
    said = str(caught.value)
    assert message in said and str(path) in said and "\n" not in said and caught.value.exit_code == 3


def test_missing_folder_and_too_large(tmp_path):
    with pytest.raises(MissingData, match="does not exist"):
        read_spikes(tmp_path / "none.csv")
    with pytest.raises(DataError, match="not a file"):
        read_spikes(tmp_path)
    path = put(tmp_path, "a.csv", text())
    with pytest.raises(DataError, match="more than the limit of 10"):
        read_spikes(path, max_bytes=10)
    path = put(tmp_path, "a.npz", npz(True, time=np.zeros(10**6), unit=np.zeros(10**6, int)))
    assert path.stat().st_size < 10**5
    with pytest.raises(DataError, match="claim 16000"):
        read_spikes(path, max_bytes=10**6)


def test_the_line_of_a_fault_is_right_in_a_later_block(tmp_path):
    lines = [f"{k},0" for k in range(70_000)]
    lines[69_000] = "x,0"
    with pytest.raises(DataError, match="line 69001: time 'x'"):
        read_spikes(put(tmp_path, "a.csv", "\n".join(lines)))
    lines[69_000] = "-1,0"
    with pytest.raises(DataError, match="line 69001: time must be >= 0"):
        read_spikes(put(tmp_path, "a.csv", "\n".join(lines)))

"""Spike tables of one's own: (time, unit) from text, NPZ and HDF5 files.

A table holds one spike a row: a time >= 0 and the number >= 0 of the unit (afferent, neuron) that fired. Columns (of a
text file), arrays (NPZ) and datasets or fields (HDF5) are known by their names:

    time    time, times, t, timestamps, spike_time(s)      in s, or with the unit in the name: time_ms, t_us, times_s
    unit    unit, units, i, id, neuron, sender(s), node_ids, unit_id, neuron_id

Text: comma, semicolon or tab between columns; without a header line, time is the first of two columns. Lines that start
with # and empty lines do not count. Everything is checked, and nothing is read whose size is above a limit: what a
file claims to hold is compared with the limit before memory is taken.
"""

import itertools
import math
import re
import warnings
import zipfile
from pathlib import Path

import numpy as np

from .archives import open_zip
from .catalog import DataError, MissingData

__all__ = ["MAX_BYTES", "read_spikes"]

MAX_BYTES = 1 << 30  # of the unpacked file
_TIMES = ("time", "times", "t", "timestamps", "spike_time", "spike_times")
_UNITS = ("unit", "units", "i", "id", "neuron", "sender", "senders", "node_ids", "unit_id", "neuron_id")
_PER_SECOND = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e3, "millisecond": 1e3, "milliseconds": 1e3,
               "us": 1e6, "microsecond": 1e6, "microseconds": 1e6}  # fmt: skip
_TIME_NAME = re.compile(rf"(?:{'|'.join(_TIMES)})(?:[_ ]?[\[(]?(s|ms|us)[\])]?)?")
_LONGEST_LINE = 10_000  # characters
_BLOCK = 1 << 16  # lines
_LARGEST = 2**31 - 1


def read_spikes(path, max_bytes: int = MAX_BYTES):
    """Spikes of a table, in order of time and, at equal times, of unit.

    Parameters
    ----------
    path : path
        CSV or other text, ``.npz``, or HDF5 (``.h5``, ``.hdf5``), told by the suffix, else by the first bytes.
    max_bytes : int
        Refuse files that are, or unpack to, more than this.

    Returns
    -------
    time : float64 (n,)
        Seconds, sorted.
    unit : int32 (n,)

    Raises
    ------
    DataError
        A ``ValueError`` with the file, the line or array, and the reason: a value is not a number, not finite,
        negative, a unit not whole; columns or arrays missing or of unequal length; too large, empty or damaged.
    """
    path = Path(path)
    if not path.exists():
        raise MissingData(f"{path} does not exist")
    if not path.is_file():
        raise DataError(f"{path} is not a file")
    if path.stat().st_size > max_bytes:
        raise DataError(f"{path} has {path.stat().st_size} bytes, more than the limit of {max_bytes}")
    with path.open("rb") as file:
        start = file.read(8)
    suffix = path.suffix.lower()
    if not start:
        raise DataError(f"{path} is empty")
    if suffix == ".npz" or (suffix != ".csv" and start.startswith(b"PK\x03\x04")):
        columns = _from_npz(path, max_bytes)
    elif suffix in (".h5", ".hdf5", ".hdf") or start == b"\x89HDF\r\n\x1a\n":
        columns = _from_hdf5(path, max_bytes)
    else:
        columns = _from_text(path)
    return _checked(path, *columns)


# ---- text ----------------------------------------------------------------------------------------------------------


def _lines(path):
    """(number, text) of the lines that count."""
    with path.open("rb") as file:
        for number in itertools.count(1):
            raw = file.readline(_LONGEST_LINE)
            if not raw:
                return
            if len(raw) == _LONGEST_LINE:
                raise DataError(f"{path}, line {number} has {_LONGEST_LINE} characters or more: is this a spike table?")
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError:
                raise DataError(f"{path}, line {number} is not text") from None
            if line and not line.startswith("#"):
                yield number, line


def _from_text(path):
    lines = _lines(path)
    first = next(lines, None)
    if first is None:
        raise DataError(f"{path} holds no spikes")
    separator = next((s for s in ";\t," if s in first[1]), None)
    if separator is None:
        raise DataError(f"{path}, line {first[0]}: two columns are expected, between them a comma, semicolon or tab")
    cells = [c.strip().strip("\"'") for c in first[1].split(separator)]
    if any(_number(c) is not None for c in cells):  # no header
        if len(cells) != 2:
            raise DataError(f"{path}, line {first[0]}: {len(cells)} columns without a header; time and unit expected")
        lines = itertools.chain([first], lines)
        columns, per_second = (0, 1), 1.0
    else:
        time_name, unit_name, per_second = _names(path, cells, "columns")
        columns = cells.index(time_name), cells.index(unit_name)
    blocks, numbers = [], []
    while block := list(itertools.islice(lines, _BLOCK)):
        blocks.append(_numbers(path, block, separator, columns, len(cells)))
        numbers.append(np.array([n for n, _ in block]))
    if not blocks:
        raise DataError(f"{path} holds no spikes")
    time, unit = np.concatenate(blocks).T
    lines_of = np.concatenate(numbers)
    return time, unit, per_second, lambda row: f"line {lines_of[row]}"


def _numbers(path, block, separator, columns, width):
    """(rows, 2) of a block of lines; the slow way finds which line is wrong."""
    try:
        found = np.loadtxt([line for _, line in block], delimiter=separator, usecols=columns, comments=None, ndmin=2)
        if len(found) == len(block):
            return found
    except (ValueError, OverflowError):
        pass
    for number, line in block:
        cells = line.split(separator)
        if len(cells) <= max(columns):
            raise DataError(f"{path}, line {number}: {width} columns are expected, got {len(cells)}")
        for column, what in zip(columns, ("time", "unit"), strict=True):
            if _number(cells[column]) is None:
                raise DataError(f"{path}, line {number}: {what} {cells[column].strip()[:40]!r} is not a number")
    raise DataError(f"{path}, lines {block[0][0]} to {block[-1][0]}: not a table of numbers")


def _number(text):
    try:
        return float(text)
    except ValueError:
        return None


# ---- arrays --------------------------------------------------------------------------------------------------------


def _from_npz(path, max_bytes):
    with open_zip(path) as archive:
        members = {i.filename.removesuffix(".npy"): i for i in archive.infolist()}
        time_name, unit_name, per_second = _names(path, members, "arrays")
        infos = [members[time_name], members[unit_name]]
        total = sum(info.file_size for info in infos)
        if total > max_bytes:
            raise DataError(f"{path}: the arrays claim {total} bytes, more than the limit of {max_bytes}")
        return *(_member(path, archive, info) for info in infos), per_second, lambda row: f"row {row}"


def _member(path, archive, info):
    """One array of an NPZ file, never more than the directory and the array's own header agree on."""
    where = f"{path}, array {info.filename.removesuffix('.npy')}"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
        raise DataError(f"{where}: only plain or deflated members are read")
    try:
        with archive.open(info) as stream:
            version = np.lib.format.read_magic(stream)
            readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            if version not in readers:
                raise DataError(f"{where}: format {version} of the array is not known")
            with warnings.catch_warnings():  # about headers of other Pythons
                warnings.simplefilter("ignore")
                shape, _, dtype = readers[version](stream)
            _check_kind(where, dtype, len(shape))
            count = math.prod(shape) * dtype.itemsize
            if count > info.file_size:
                raise DataError(f"{where}: shape {shape} needs {count} bytes, the file has {info.file_size}")
            data = stream.read(count)
            if len(data) != count or stream.read(1):
                raise DataError(f"{where}: {count} bytes expected for shape {shape}, the file has another number")
            return np.frombuffer(data, dtype)
    except DataError:
        raise
    except Exception as error:  # the parser of damaged headers raises almost anything
        raise DataError(f"{where}: {_one_line(error)}") from None


def _from_hdf5(path, max_bytes):
    from .safe_hdf5 import read_columns

    time_names = [*_TIMES, *(f"{name}_{unit}" for name in _TIMES for unit in ("s", "ms", "us"))]
    time, unit = read_columns(path, [time_names, list(_UNITS)], max_bytes)
    for what in (time, unit):
        _check_kind(f"{path}, {_one_line(what.name)}", what.data.dtype, what.data.ndim)
    per_second = _names(path, [time.name.rpartition("/")[2], "unit"], "datasets")[2]
    if time.units not in ("", "1"):
        if time.units not in _PER_SECOND:
            raise DataError(f"{path}, {_one_line(time.name)}: unknown unit {time.units[:40]!r} of time")
        per_second = _PER_SECOND[time.units]
    return time.data, unit.data, per_second, lambda row: f"row {row}"


# ---- common --------------------------------------------------------------------------------------------------------


def _names(path, names, what):
    """(name of the times, name of the units, parts of a second) among `names`."""
    times = {name: match for name in names if (match := _TIME_NAME.fullmatch(name.lower()))}
    units = [name for name in names if name.lower() in _UNITS]
    if len(times) != 1 or len(units) != 1:
        shown = ", ".join(repr(name[:20]) for name in itertools.islice(names, 8))
        raise DataError(f"{path}: one of the {what} must be named time (time_ms ...), one unit; there are {shown}")
    name, match = next(iter(times.items()))
    return name, units[0], _PER_SECOND[match[1] or "s"]


def _check_kind(where, dtype, ndim):
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise DataError(f"{where}: numbers are expected, got type {dtype}")
    if ndim != 1:
        raise DataError(f"{where}: one dimension is expected, got {ndim}")


def _checked(path, time, unit, per_second, place):
    if len(time) != len(unit):
        raise DataError(f"{path}: {len(time)} times, but {len(unit)} units")
    if not len(time):
        raise DataError(f"{path} holds no spikes")

    def refuse(bad, what):
        if bad.any():
            row = int(np.argmax(bad))
            raise DataError(f"{path}, {place(row)}: {what}, got time {time[row]}, unit {unit[row]}")

    refuse(~np.isfinite(time), "time must be finite")
    refuse(time < 0, "time must be >= 0")
    refuse(~((unit >= 0) & (unit <= _LARGEST)), f"unit must lie in 0..{_LARGEST}")
    if unit.dtype.kind == "f":
        refuse(unit != np.floor(unit), "unit must be a whole number")
    seconds, names = time.astype(np.float64) / per_second + 0.0, unit.astype(np.int32)
    same = seconds[1:] == seconds[:-1]
    if not ((seconds[1:] > seconds[:-1]) | same & (names[1:] >= names[:-1])).all():
        order = np.lexsort((names, seconds))
        seconds, names = seconds[order], names[order]
    return seconds, names


def _one_line(error):
    return " ".join(str(error).split())[:200] or type(error).__name__

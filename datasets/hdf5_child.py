"""The other half of ``safe_hdf5``: a script that reads columns or spikes of one HDF5 file, and may die of it.

A request (JSON) comes on standard input, an answer (JSON) goes to standard output: ``{"names", "units"}`` when the
columns were written to ``<folder>/0.npy, 1.npy, ...``, ``{"times", "units", ...}`` when spikes were, else
``{"error"}``. It imports nothing of this package. Links to other files, external and virtual storage are not followed,
so a file cannot make us read another one.
"""

import json
import sys
from contextlib import contextmanager
from pathlib import Path

_OVERHEAD = 1 << 30  # bytes of address space of Python, NumPy and HDF5 themselves
_MOST_OBJECTS, _DEEPEST = 1000, 6  # looked at while searching
_MOST_SAMPLES, _MOST_NAMES, _LONGEST_NAME = 20_000_000, 10_000, 200
_BLOCK = 256  # samples read at a time


class Refused(ValueError):
    """The file does not hold what is asked for; the text is for the user."""


def limit(max_bytes: int, seconds: float, file_bytes: int | None = None) -> None:
    """Bound this process (where the system can): address space, processor time, size of files, no core dump."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock is left
        return
    wanted = {"RLIMIT_AS": max_bytes + _OVERHEAD, "RLIMIT_CPU": int(seconds) + 1}
    for name, value in (wanted | {"RLIMIT_FSIZE": (file_bytes or max_bytes) + 4096, "RLIMIT_CORE": 0}).items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        try:
            resource.setrlimit(kind, (value if hard < 0 else min(value, hard), hard))
        except (ValueError, OSError):  # a system that knows the name only
            continue


def columns(path, names, max_bytes: int) -> list:
    """(name, unit, array) for each entry of `names` (lists of allowed names): see ``safe_hdf5.read_columns``."""
    import h5py

    with _said(max_bytes), h5py.File(path, "r") as file:
        found = list(_candidates(file, names))
        if len(found) != 1:
            wanted = " and ".join(options[0] for options in names)
            places = ": " + ", ".join(place[:40] for place, _ in found[:5]) if found else ""
            raise Refused(f"{len(found) or 'no'} group or table with datasets {wanted} found{places}; one is needed")
        _check_size([item for _, item, _ in found[0][1]], max_bytes)
        return [_read(*column) for column in found[0][1]]


@contextmanager
def _said(max_bytes):
    """Turn what the library raises into one kind of error."""
    try:
        yield
    except Refused:
        raise
    except MemoryError:
        raise Refused(f"needs more memory than the limit of {max_bytes} bytes allows") from None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, AttributeError) as error:
        raise Refused(f"not a readable HDF5 file: {' '.join(str(error).split())[:200]}") from None


def spikes(path, folder, max_bytes: int, file_bytes: int) -> dict:
    """Write the spikes of a file in the layout of SHD to ``<folder>``: see ``safe_hdf5.read_spike_file``."""
    import h5py
    import numpy as np

    folder = Path(folder)
    with _said(max_bytes), h5py.File(path, "r") as file:
        times, units = _lists(file, "spikes/times", "f"), _lists(file, "spikes/units", "ui")
        labels, speakers = _numbers(file, "labels"), _numbers(file, "extra/speaker", needed=False)
        if speakers is not None and len(speakers) != len(labels):
            speakers = None  # of the speakers, not of the samples
        if not len(times) == len(units) == len(labels):
            raise Refused(f"{len(times)} lists of times, {len(units)} of units, {len(labels)} labels")
        counts, total = np.zeros(len(labels), np.int64), 0
        kinds = [h5py.check_vlen_dtype(item.dtype) for item in (times, units)]
        with (folder / "times.bin").open("wb") as to_times, (folder / "units.bin").open("wb") as to_units:
            for start in range(0, len(labels), _BLOCK):
                rows = slice(start, start + _BLOCK)
                for s, (t, u) in enumerate(zip(times[rows], units[rows], strict=True), start):
                    if len(t) != len(u):
                        raise Refused(f"sample {s}: {len(t)} times, but {len(u)} units")
                    counts[s], total = len(t), total + len(t) * max(kind.itemsize for kind in kinds)
                    if total > file_bytes:
                        raise Refused(f"its spikes take more than the limit of {file_bytes} bytes")
                    to_times.write(np.ascontiguousarray(t, kinds[0].newbyteorder("=")).data)
                    to_units.write(np.ascontiguousarray(u, kinds[1].newbyteorder("=")).data)
        for name, array in (("counts", counts), ("labels", labels), ("speakers", speakers)):
            if array is not None:
                np.save(folder / f"{name}.npy", array, allow_pickle=False)
        n_units = file.attrs.get("n_units")
        return {
            "times": kinds[0].newbyteorder("=").str,
            "units": kinds[1].newbyteorder("=").str,
            "class_names": _texts(file, "extra/keys"),
            "group_names": _texts(file, "extra/speaker_names"),
            "n_units": int(n_units) if isinstance(n_units, np.integer) else None,
        }


def _dataset(file, place):
    """One-dimensional dataset at a place that no link leads out of the file to, or None."""
    import h5py

    item = file
    for key in place.split("/"):
        if not isinstance(item, h5py.Group) or not isinstance(item.get(key, getlink=True), h5py.HardLink):
            return None
        item = item[key]
    if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual or len(item.shape or ()) != 1:
        return None
    if item.shape[0] > _MOST_SAMPLES:
        raise Refused(f"{place} has {item.shape[0]} entries, more than {_MOST_SAMPLES}")
    return item


def _lists(file, place, kinds):
    import h5py

    item = _dataset(file, place)
    inner = h5py.check_vlen_dtype(item.dtype) if item is not None else None
    if inner is None or getattr(inner, "kind", "") not in kinds or inner.itemsize > 8:
        raise Refused(f"no dataset {place} with a list of {'times' if kinds == 'f' else 'units'} for each sample")
    return item


def _numbers(file, place, needed=True):
    item = _dataset(file, place)
    if item is None or item.dtype.kind not in "ui":
        if not needed:
            return None
        raise Refused(f"no dataset {place} with one whole number for each sample")
    return item[()].astype("i8")


def _texts(file, place):
    import h5py

    item = _dataset(file, place)
    if item is None or not (item.dtype.kind == "S" or h5py.check_string_dtype(item.dtype)):
        return []
    if item.shape[0] > _MOST_NAMES or item.dtype.itemsize > 5 * _LONGEST_NAME:
        raise Refused(f"{place}: more than {_MOST_NAMES} names, or longer ones than {_LONGEST_NAME} characters")
    found = [t.decode("utf-8", "replace") if isinstance(t, bytes) else str(t) for t in item[()]]
    return [text[:_LONGEST_NAME] for text in found]


def _candidates(file, names):
    """(place, columns) of every group or compound table that has all columns, nearest to the root first."""
    import h5py

    groups, seen = [("", file, 0)], 0
    while groups:
        place, group, depth = groups.pop(0)
        inside = {}
        for key in group:
            seen += 1
            if seen > _MOST_OBJECTS:
                raise Refused(f"more than {_MOST_OBJECTS} objects")
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                continue
            item = group[key]
            if isinstance(item, h5py.Group) and depth < _DEEPEST:
                groups.append((f"{place}/{key}", item, depth + 1))
            elif isinstance(item, h5py.Dataset):
                inside[key] = (f"{place}/{key}", item, None)
                fields = {name: (f"{place}/{key}/{name}", item, name) for name in item.dtype.names or ()}
                if picked := _pick(fields, names):
                    yield f"{place}/{key}", picked
        if picked := _pick(inside, names):
            yield place or "/", picked


def _pick(columns, names):
    """The columns whose names are allowed, if there is exactly one for each."""
    picked = [[c for name, c in columns.items() if name.lower() in options] for options in names]
    return [c[0] for c in picked] if all(len(c) == 1 for c in picked) else None


def _check_size(items, max_bytes):
    total = 0
    for item in items:
        if item.dtype.hasobject or item.external or item.is_virtual or item.shape is None:
            raise Refused(f"{item.name}: plain numbers, stored in this file, are expected, got type {item.dtype}")
        total += item.size * item.dtype.itemsize
    if total > max_bytes:
        raise Refused(f"its columns claim {total} bytes, more than the limit of {max_bytes}")


def _read(name, item, field):
    import numpy as np

    unit = item.attrs.get("units", "") if field is None else ""
    unit = unit.decode("utf-8", "replace") if isinstance(unit, bytes) else unit
    data = item[()] if field is None else item[field]
    return name, unit if isinstance(unit, str) else "", np.asarray(data)


def main():
    """Answer one request."""
    request = json.load(sys.stdin)
    limit(request["max_bytes"], request["seconds"], request.get("file_bytes"))
    try:
        if "file_bytes" in request:
            answer = spikes(request["path"], request["folder"], request["max_bytes"], request["file_bytes"])
            sys.stdout.write(json.dumps(answer))
            return
        import numpy as np

        found = columns(request["path"], request["names"], request["max_bytes"])
        for k, (_, _, data) in enumerate(found):
            np.save(Path(request["folder"]) / f"{k}.npy", data, allow_pickle=False)
        answer = {"names": [name for name, _, _ in found], "units": [unit for _, unit, _ in found]}
    except Refused as error:
        answer = {"error": str(error)}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()

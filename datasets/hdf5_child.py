"""The other half of ``safe_hdf5``: a script that reads columns of one HDF5 file, and may die of it.

A request (JSON) comes on standard input, an answer (JSON) goes to standard output: ``{"names", "units"}`` when the
columns were written to ``<folder>/0.npy, 1.npy, ...``, else ``{"error"}``. It imports nothing of this package. Links to
other files, external and virtual storage are not followed, so a file cannot make us read another one.
"""

import json
import sys
from pathlib import Path

_OVERHEAD = 1 << 30  # bytes of address space of Python, NumPy and HDF5 themselves
_MOST_OBJECTS, _DEEPEST = 1000, 6  # looked at while searching


class Refused(ValueError):
    """The file does not hold what is asked for; the text is for the user."""


def limit(max_bytes: int, seconds: float) -> None:
    """Bound this process (where the system can): address space, processor time, size of files, no core dump."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock is left
        return
    wanted = {"RLIMIT_AS": max_bytes + _OVERHEAD, "RLIMIT_CPU": int(seconds) + 1}
    for name, value in (wanted | {"RLIMIT_FSIZE": max_bytes + 4096, "RLIMIT_CORE": 0}).items():
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

    try:
        with h5py.File(path, "r") as file:
            found = list(_candidates(file, names))
            if len(found) != 1:
                wanted = " and ".join(options[0] for options in names)
                places = ": " + ", ".join(place[:40] for place, _ in found[:5]) if found else ""
                raise Refused(
                    f"{len(found) or 'no'} group or table with datasets {wanted} found{places}; one is needed"
                )
            _check_size([item for _, item, _ in found[0][1]], max_bytes)
            return [_read(*column) for column in found[0][1]]
    except Refused:
        raise
    except MemoryError:
        raise Refused(f"needs more memory than the limit of {max_bytes} bytes allows") from None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, AttributeError) as error:
        raise Refused(f"not a readable HDF5 file: {' '.join(str(error).split())[:200]}") from None


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
    limit(request["max_bytes"], request["seconds"])
    try:
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

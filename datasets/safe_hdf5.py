"""HDF5 files of unknown origin, read in a process of their own with limits on time and memory.

The HDF5 library is not safe against damaged or hostile files: some let it crash, loop for ever or write outside of its
memory. So a child process (``hdf5_child.py``) opens the file, finds the wanted columns and hands them back as plain
arrays; whatever happens to it, the parent reports one line.
"""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from .catalog import DataError

__all__ = ["Column", "SpikeFile", "read_columns", "read_spike_file"]

MAX_BYTES = 1 << 30
MAX_SPIKE_BYTES = 8 << 30  # of all times, or all units, of a file
_NO_PLUGINS = {"HDF5_PLUGIN_PRELOAD": "::"}  # no code is loaded because a file asks for it


class Column(NamedTuple):
    """A one-dimensional dataset, or one field of a table: its place in the file, its unit (or ""), its values."""

    name: str
    units: str
    data: object


def read_columns(path, names, max_bytes: int = MAX_BYTES, seconds: float = 60.0) -> list[Column]:
    """Columns that stand together in one group, or in one table, of an HDF5 file.

    Parameters
    ----------
    path : path
        The file.
    names : list of lists of str
        For each column the names (in small letters) that it may have.
    max_bytes : int
        Refuse columns that claim more, together; also bounds the memory of the child process.
    seconds : float
        Limit on the time.

    Returns
    -------
    list of Column
        One for each of `names`; numbers of any kind.

    Raises
    ------
    DataError
        No group or table, or more than one, has the columns; too large; damaged; the HDF5 library crashed on the file,
        or needed too long.
    """
    import numpy as np

    path = Path(path)
    with tempfile.TemporaryDirectory(prefix="firstspike-") as folder:
        request = {"path": str(path.resolve()), "names": names, "max_bytes": max_bytes, "folder": folder}
        request["seconds"] = seconds
        answer = _ask_child(path, request, seconds)
        if "error" in answer:
            raise DataError(f"{path}: {' '.join(str(answer['error']).split())}")
        try:
            files = [np.load(Path(folder) / f"{k}.npy", allow_pickle=False) for k in range(len(names))]
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path}: the process that read it has left no data ({error})") from None
    return [Column(n, u, d) for n, u, d in zip(answer["names"], answer["units"], files, strict=True)]


class SpikeFile(NamedTuple):
    """Spikes of N samples as they are stored; the flat arrays live on disk as long as the context does."""

    times: object  # float of any size (S,), memory map, s
    units: object  # integer of any size (S,), memory map
    counts: object  # int64 (N,), spikes of each sample
    labels: object  # int64 (N,)
    speakers: object  # int64 (N,) or None
    class_names: tuple
    group_names: tuple
    n_units: int | None


@contextmanager
def read_spike_file(path, max_bytes: int = MAX_SPIKE_BYTES, seconds: float | None = None):
    """Context with the :class:`SpikeFile` of an HDF5 file in the layout of SHD.

    ``spikes/times`` and ``spikes/units`` (a list of numbers for each sample), ``labels``; optional ``extra/speaker``
    (counts only with one whole number a sample), ``extra/keys`` (names of the classes), ``extra/speaker_names``,
    attribute ``n_units``.

    Parameters
    ----------
    path : path
        The file.
    max_bytes : int
        Refuse files with more than this in one column.
    seconds : float, optional
        Limit on the time; default: a minute and a second for each 2 MB.

    Raises
    ------
    DataError
        As :func:`read_columns`.
    """
    import numpy as np

    path = Path(path)
    seconds = 60.0 + path.stat().st_size / 2e6 if seconds is None else seconds
    with tempfile.TemporaryDirectory(prefix="firstspike-") as folder:
        request = {"path": str(path.resolve()), "folder": folder, "seconds": seconds}
        answer = _ask_child(path, request | {"max_bytes": MAX_BYTES, "file_bytes": max_bytes}, seconds)
        if "error" in answer:
            raise DataError(f"{path}: {' '.join(str(answer['error']).split())}")
        place = Path(folder)
        try:
            counts, labels = (np.load(place / f"{name}.npy", allow_pickle=False) for name in ("counts", "labels"))
            speakers = place / "speakers.npy"
            speakers = np.load(speakers, allow_pickle=False) if speakers.exists() else None
            flat = [_flat(place / f"{name}.bin", answer[name], int(counts.sum())) for name in ("times", "units")]
        except (OSError, ValueError, EOFError, TypeError, KeyError) as error:
            raise DataError(f"{path}: the process that read it has left no data ({error})") from None
        names = (tuple(answer["class_names"]), tuple(answer["group_names"]))
        yield SpikeFile(*flat, counts, labels, speakers, *names, answer["n_units"])


def _flat(path, kind, n):
    import numpy as np

    return np.memmap(path, np.dtype(kind), mode="r", shape=(n,)) if n else np.empty(0, np.dtype(kind))


def _ask_child(path, request, seconds):
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # each would take address space
    command = [sys.executable, "-P", str(Path(__file__).with_name("hdf5_child.py"))]
    options = {"capture_output": True, "text": True, "timeout": seconds, "errors": "replace"}
    try:
        done = subprocess.run(command, input=json.dumps(request), env=os.environ | threads | _NO_PLUGINS, **options)
    except subprocess.TimeoutExpired:
        raise DataError(f"{path}: not read within {seconds:g} s; the file is damaged, or much too large") from None
    try:
        return dict(json.loads(done.stdout))
    except (ValueError, TypeError):
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        raise DataError(f"{path}: the HDF5 library ended with {how} on this file; it is damaged or too large") from None

"""Spiking Heidelberg Digits, Spiking Speech Commands, and any HDF5 file in their layout.

    spikes/times    a list of floats for each sample, s (the official files: float16)
    spikes/units    a list of whole numbers for each sample, 0 .. 699
    labels          whole number for each sample
    extra/keys      names of the classes            extra/speaker   whole number for each sample       both optional
    ours besides: extra/speaker_names and the attribute n_units (without it: 700, or as many as the spikes need)

Files of unknown origin are read in a process of their own (``datasets.safe_hdf5``); times become float64 before any
arithmetic. Cramer, Stradmann, Schemmel & Zenke, IEEE TNNLS 33:2744 (2022), doi 10.1109/TNNLS.2020.3044364.
"""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .catalog import DataError, MissingData
from .events import Events, check_events, take
from .safe_hdf5 import read_spike_file

__all__ = ["open_events", "read_events", "write_events"]

_UNITS = 700
_GROUPED = 5  # of the units above, to a channel


@contextmanager
def open_events(path):
    """Context with the :class:`Events` of a file; times and units as stored, on disk, in the file's order.

    For files larger than memory; ``events.bin_events`` reads from it block by block.
    """
    path = Path(path)
    if not path.exists():
        raise MissingData(f"{path} does not exist")
    if not path.is_file():
        raise DataError(f"{path} is not a file")
    with read_spike_file(path) as found:
        labels, n_names = found.labels, len(found.class_names)
        if len(labels) and (labels.min() < 0 or (n_names and labels.max() >= n_names)):
            wrong = int(np.argmax((labels < 0) | (labels >= (n_names or np.inf))))
            raise DataError(f"{path}: sample {wrong}: label {labels[wrong]} is not one of {n_names or 'the'} classes")
        n_units = found.n_units or max(_UNITS, int(found.units.max()) + 1 if len(found.units) else 0)
        groups = np.full(len(labels), -1) if found.speakers is None else found.speakers
        offsets = np.concatenate([[0], np.cumsum(found.counts)])
        yield Events(found.times, found.units, offsets, labels, groups, found.class_names, found.group_names, n_units)


def read_events(path, index=None) -> Events:
    """Spikes of a file, or of some of its samples, in order of time within each sample.

    Parameters
    ----------
    path : path
        HDF5 file in the layout at the head of this module.
    index : int array or slice, optional
        Only these samples, in this order.

    Raises
    ------
    DataError
        Missing, damaged, another layout; a sample without spikes, a time not finite, a unit or label out of range: with
        the number of the sample.
    """
    with open_events(path) as events:
        check_events(events, path)
        events = events if index is None else take(events, index)
        times, units = np.array(events.times, np.float64), np.array(events.units, np.int32)
    sample = np.repeat(np.arange(len(events.labels)), np.diff(events.offsets))
    if ((np.diff(times) < 0) & (np.diff(sample) == 0)).any():
        order = np.lexsort((times, sample))  # stable: equal times stay in the file's order
        times, units = times[order], units[order]
    return events._replace(times=times, units=units)


def write_events(path, events: Events, force: bool = False, dtype="f8") -> Path:
    """Write a file in the layout of SHD, under a temporary name first; :func:`read_events` gives the same back.

    Parameters
    ----------
    path : path
        The new file.
    events : Events
        Checked first.
    force : bool
        Replace a file that exists.
    dtype : str
        Type of the stored times; the official files have ``"f2"``, which rounds to 0.5 ms near 1 s.

    Raises
    ------
    FileExistsError
        The file exists and `force` is not set.
    DataError
        A sample without spikes and the like.
    """
    path = Path(path)
    if path.exists() and not force:
        raise FileExistsError(f"{path} exists")
    check_events(events, path.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".spikes-")
    os.close(handle)
    try:
        _write(temporary, events, dtype)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def _write(path, events, dtype):
    import h5py

    n = len(events.labels)
    units_type = "u2" if events.n_units <= 1 << 16 else "u4"
    with h5py.File(path, "w") as file:
        file.attrs["n_units"] = np.int64(events.n_units)
        for name, column, kind in (("times", events.times, dtype), ("units", events.units, units_type)):
            lists = file.create_dataset(f"spikes/{name}", (n,), h5py.vlen_dtype(np.dtype(kind)))
            for s in range(n):
                lists[s] = np.asarray(column[events.offsets[s] : events.offsets[s + 1]]).astype(kind)
        file["spikes/times"].attrs["units"] = "s"
        file["labels"] = np.asarray(events.labels, np.uint16)
        if (events.groups >= 0).all():
            file["extra/speaker"] = np.asarray(events.groups, np.uint16)
        for place, names in (("extra/keys", events.class_names), ("extra/speaker_names", events.group_names)):
            if names:
                file[place] = np.array([str(name).encode() for name in names])

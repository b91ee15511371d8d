"""A folder of recordings becomes an HDF5 file of spikes in the layout of SHD.

Spikes are the onsets of ``datasets.mel``: unit = level number x bands + band, time = frame x hop, in s. All frames of
a recording count. The file is written under a temporary name and gets its own when it is whole.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from .catalog import DataError
from .events import Events
from .mel import SPOKEN, Mel, levels_of, mel_bank, onsets
from .recordings import list_recordings
from .shd import write_events
from .spoken import map_recordings

__all__ = ["convert", "numbers", "record_events"]


def numbers(rate=8000, bands=40, f_min=50.0, f_max=None, levels="0.45,0.7") -> Mel:
    """The coding from what a user gives: frames of 32 ms every 10 ms at any rate; f_max None = rate / 2.

    Raises
    ------
    ValueError
        Levels that are not numbers in 0..1, or values out of range.

    Examples
    --------
    >>> numbers() == SPOKEN, numbers(16000, levels="0.5").n_units
    (True, 40)
    """
    try:
        levels = tuple(float(text) for text in str(levels).split(","))
    except ValueError:
        raise ValueError(f"levels must be numbers with commas between, got {levels!r}") from None
    if not all(0 < level <= 1 for level in levels):
        raise ValueError(f"levels must be > 0 and <= 1, got {levels}")
    if rate < 1000:
        raise ValueError(f"rate must be >= 1000 Hz, got {rate}")
    size = {"n_fft": round(0.032 * rate), "hop": round(0.01 * rate), "n_bands": bands}
    mel = replace(SPOKEN, rate=rate, f_min=f_min, f_max=rate / 2 if f_max is None else f_max, levels=levels, **size)
    if empty := int((~mel_bank(mel).any(axis=0)).sum()):
        raise ValueError(f"{empty} of {bands} bands hold no frequency: fewer bands, or f_min and f_max further apart")
    return mel


def record_events(place, mel: Mel = SPOKEN, classes=None, part="all", skip_silent=False, report=None):
    """Onset spikes of all recordings of a folder or archive.

    Parameters
    ----------
    place : path
        See ``datasets.recordings``.
    mel : Mel
        The coding.
    classes : int or sequence of str, optional
        As for ``recordings.list_recordings``.
    part : {"all", "train", "valid", "test"}
        Which recordings.
    skip_silent : bool
        Leave recordings without a spike out, instead of an error.
    report : callable, optional
        Called with (recordings done, all).

    Returns
    -------
    events : Events
    n_skipped : int

    Raises
    ------
    DataError
        With the name of the file: damaged, or without spikes.
    """
    found = list_recordings(place, classes)
    index = np.arange(len(found.names)) if part == "all" else np.nonzero(found.parts == part)[0]
    if not len(index):
        raise DataError(f"{place} has no recordings in the part {part!r}")

    def spikes(x, rate, _):
        return np.argwhere(onsets(levels_of(x, rate, mel), mel.levels)).astype(np.int32)

    tell = None if report is None else lambda done: report(done, len(index))
    coded = map_recordings(spikes, found, index, tell)
    counts = np.array([len(c) for c in coded])
    if not skip_silent and not counts.all():
        raise DataError(f"{place}: {found.names[index[np.argmin(counts)]]} gives no spikes (it is silent)")
    kept = np.nonzero(counts)[0]
    if not len(kept):
        raise DataError(f"{place}: no recording gives a spike")
    rows = np.concatenate([coded[k] for k in kept])
    offsets = np.concatenate([[0], np.cumsum(counts[kept])])
    labels, groups = found.labels[index[kept]], found.groups[index[kept]]
    times, units = rows[:, 0] * mel.hop / mel.rate, np.ascontiguousarray(rows[:, 1])
    events = Events(times, units, offsets, labels, groups, found.class_names, found.group_names, mel.n_units)
    return events, len(index) - len(kept)


def convert(place, out, mel: Mel = SPOKEN, classes=None, part="all", skip_silent=False, force=False, report=None):
    """Write the spikes of all recordings to an HDF5 file; arguments as :func:`record_events`.

    Returns
    -------
    dict
        path, samples, skipped, classes, speakers, n_units, spikes, spikes_per_sample, seconds (of the last spike).

    Raises
    ------
    FileExistsError
        `out` is there and `force` is not set.
    DataError
        As :func:`record_events`.
    """
    if Path(out).exists() and not force:
        raise FileExistsError(f"{out} exists; --force replaces it")
    events, skipped = record_events(place, mel, classes, part, skip_silent, report)
    write_events(out, events, force)
    n, spikes = len(events.labels), len(events.times)
    return {
        "path": str(out),
        "samples": n,
        "skipped": skipped,
        "classes": len(events.class_names),
        "speakers": len(events.group_names),
        "n_units": events.n_units,
        "spikes": spikes,
        "spikes_per_sample": spikes / n,
        "seconds": float(events.times.max()),
    }

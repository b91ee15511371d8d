"""Spoken words as arrays for training: one call for all data sets of this kind.

    x (N, T, C), labels, speakers, names = load_spoken("fsdd", "train")

Counts are uint8, one byte an entry; real-valued frames float32. What is coded how:

    fsdd              onsets of 40 mel bands at 2 levels (``datasets.mel``), the first 60 frames of 10 ms, C = 80
    speech_commands   the same of one second, 100 frames, 12 or 35 classes
    gsc               the same recordings as real-valued log-mel frames in dB, T = 101, C = 140 (float32)
    shd, ssc          counts in frames of 10 ms relative to the first spike (``datasets.events``), C = 140
    a path            an HDF5 file in the layout of SHD, or a folder or archive of WAV files (coded like fsdd)
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from .archives import each_file
from .audio import fit_length, read_wav
from .catalog import DataError, MissingData
from .events import bin_events, take
from .mel import KEYWORDS, KEYWORDS_REFERENCE, SPOKEN, Mel, levels_of, log_mel, n_frames, onsets
from .recordings import PARTS, list_recordings, split_by_speaker
from .shd import open_events
from .spoken_store import find_recordings
from .store import root

__all__ = ["NAMES", "Spoken", "code_recordings", "load_spoken", "map_recordings"]

NAMES = ("fsdd", "speech_commands", "gsc", "shd", "ssc")
_STEPS = {"fsdd": 60, "speech_commands": 100}
_BLOCK = 256  # recordings in memory at a time


class Spoken(NamedTuple):
    """N samples of T steps and C channels."""

    x: np.ndarray  # uint8 counts or float32 frames (N, T, C)
    y: np.ndarray  # int64 (N,), number of the class
    groups: np.ndarray  # int64 (N,), speaker, -1 = not known
    class_names: tuple  # of str
    group_names: tuple  # of str; () = the speakers have numbers only
    lengths: np.ndarray  # int64 (N,), steps before the padding (of the whole sample, also where it was cut)
    bin_s: float  # s, one step

    @property
    def n_steps(self) -> int:
        """T, steps of the array."""
        return self.x.shape[1]


def load_spoken(
    name,
    part: str = "train",
    n: int | None = None,
    n_steps: int | None = None,
    test_speakers=(),
    valid_speakers=(),
    classes=None,
    reference: bool = False,
    folder=None,
) -> Spoken:
    """Samples of one part of a data set.

    Parameters
    ----------
    name : str
        One of :data:`NAMES`, or a path; see the head of this module.
    part : {"train", "valid", "test", "all"}
        The official parts (``datasets.recordings``); SHD has no validation part of its own.
    n : int, optional
        Only `n` samples: the first of a fixed random order, so that all classes occur. Fewer if there are fewer.
    n_steps : int, optional
        Steps of the array. Default: 60, 100 or 101 for recordings, else the longest sample of the part.
    test_speakers, valid_speakers : sequence of str or int
        Hold these speakers out: they make up the test and the validation part, instead of the official parts. With
        `valid_speakers` alone, their training samples become the validation part.
    classes : int or sequence of str, optional
        12, 35 or names of words (recordings only).
    reference : bool
        For ``gsc``: the published bands up to 14 kHz, of which those above 4 kHz are empty.
    folder : path, optional
        Where data sets live; default: see ``datasets.store``.

    Returns
    -------
    Spoken
        In the order of the files.

    Raises
    ------
    ValueError
        Unknown name, part or speaker.
    DataError
        Missing (with what to do), damaged, without spikes: with the file and the number of the sample.
    """
    if part not in (*PARTS, "all"):
        raise ValueError(f"part must be one of {', '.join(PARTS)}, all; got {part!r}")
    for what, value in (("n", n), ("n_steps", n_steps)):
        if value is not None and value < 1:
            raise ValueError(f"{what} must be >= 1, got {value}")
    speakers = {"test": test_speakers, "valid": valid_speakers}
    if name in ("shd", "ssc"):
        return _from_spikes(*_spike_file(name, part, speakers, folder), part, n, n_steps, speakers)
    if name not in NAMES and not Path(name).exists():
        raise MissingData(f"data must be one of {', '.join(NAMES)} or a path that exists, got {str(name)!r}")
    if name not in NAMES and Path(name).suffix.lower() in (".h5", ".hdf5", ".hdf"):
        return _from_spikes(Path(name), False, part, n, n_steps, speakers)
    place = Path(name) if name not in NAMES else find_recordings(name, classes, folder)
    found = list_recordings(place, classes)
    index = _pick(split_by_speaker(found, **speakers), part, n, place)
    if name == "gsc":
        mel = KEYWORDS_REFERENCE if reference else KEYWORDS
        return code_recordings(found, index, mel, n_steps, seconds=1.0, frames=True)
    steps = n_steps or _STEPS.get(name, _STEPS["fsdd"])
    return code_recordings(found, index, SPOKEN, steps, seconds=1.0 if name == "speech_commands" else None)


def _pick(parts, part, n, place):
    """Indices of a part; of `n` of them, in the order of the files."""
    from ..runtime import rng

    index = np.arange(len(parts)) if part == "all" else np.nonzero(np.asarray(parts) == part)[0]
    if not len(index):
        raise DataError(f"{place} has no samples in the part {part!r}")
    if n is None or n >= len(index):
        return index
    return np.sort(index[rng.permutation(0, "datasets/spoken/subset", len(index))[:n]])


def code_recordings(found, index, mel: Mel = SPOKEN, n_steps=None, seconds=None, frames=False, report=None) -> Spoken:
    """Recordings as onset counts or as frames in dB.

    Parameters
    ----------
    found : Recordings
        From ``datasets.recordings``.
    index : int array
        Which of them, in this order.
    mel : Mel
        The coding.
    n_steps : int, optional
        Steps of the array; default: the longest. Shorter ones end in zeros (silence: the lowest level for frames).
    seconds : float, optional
        Cut or fill each recording to this length first.
    frames : bool
        Real-valued frames instead of onsets.
    report : callable, optional
        Called with the number of recordings done so far.

    Raises
    ------
    DataError
        With the name of the file.
    """
    if n_steps is None and seconds is not None:
        n_steps = n_frames(round(seconds * mel.rate), mel)
    channels, kind = (mel.n_bands, np.float32) if frames else (mel.n_units, np.uint8)
    coded = [None] * len(index)

    def code(sound, rate, k):
        sound = sound if seconds is None else fit_length(sound, round(seconds * rate))
        c = log_mel(sound, rate, mel, None) if frames else onsets(levels_of(sound, rate, mel), mel.levels)
        if n_steps is None:
            coded[k] = c
        else:
            x[k, : len(c)] = c[:n_steps]
        return len(c)

    x = np.full((len(index), n_steps or 0, channels), -100 if frames else 0, kind)
    lengths = np.array(map_recordings(code, found, index, report), np.int64)
    if n_steps is None:
        x = np.full((len(index), int(lengths.max()), channels), -100 if frames else 0, kind)
        for k, c in enumerate(coded):
            x[k, : len(c)] = c
    labels, groups = found.labels[index], found.groups[index]
    return Spoken(x, labels, groups, found.class_names, found.group_names, lengths, mel.bin_s)


def map_recordings(function, found, index, report=None) -> list:
    """``function(x, rate, k)`` of the recordings index[k] of `found`, on several threads; arguments as above.

    Few recordings are in memory at a time. A ValueError of the function becomes a DataError with the file's name.
    """
    from ..runtime.threads import in_blocks

    rows = {}  # file -> (place in the output, second or None)
    for k, i in enumerate(index):
        name, _, second = found.names[i].partition("#")
        rows.setdefault(name, []).append((k, int(second) if second else None))
    out, waiting, done = [None] * len(index), [], 0

    def work(start, stop):
        for k, name, x, rate in waiting[start:stop]:
            try:
                out[k] = function(x, rate, k)
            except ValueError as error:
                raise DataError(f"{found.place}: {name}: {error}") from None

    def flush():
        nonlocal done
        in_blocks(work, len(waiting), 16)
        done += len(waiting)
        waiting.clear()
        if report:
            report(done)

    for name, data in each_file(found.place, rows.__contains__):
        x, rate = read_wav(data, f"{found.place}: {name}")
        for k, second in rows[name]:
            waiting.append((k, name, x if second is None else x[second * rate : (second + 1) * rate], rate))
        if len(waiting) >= _BLOCK:
            flush()
    flush()
    return out


def _spike_file(name, part, speakers, folder):
    """(file, whether it holds exactly that part) of SHD or SSC."""
    base = Path(folder) if folder is not None else root()
    held_out = any(len(who) for who in speakers.values())
    if name == "ssc" and held_out:
        raise ValueError("ssc has parts of its own; speakers cannot be held out")
    if part == "all":
        raise ValueError(f"{name} is in several files: part must be one of {', '.join(PARTS)}")
    if name == "shd" and part == "valid" and not len(speakers["valid"]):
        raise ValueError("shd has no validation part: name valid_speakers, whose training samples will be it")
    if name == "shd" and len(speakers["test"]):
        raise ValueError("shd has a test part of its own; only valid_speakers can be named")
    stem = f"{name}_{'train' if name == 'shd' and part == 'valid' else part}"
    for where in (base / name, base):
        if (path := where / f"{stem}.h5").is_file():
            return path, not held_out or part == "test"
    raise MissingData(
        f"{name}: {stem}.h5 not found in {base / name} or {base}; run 'firstspike data fetch {name}', or put it there"
    )


class _Parts(NamedTuple):
    groups: np.ndarray
    group_names: tuple
    parts: np.ndarray


def _from_spikes(path, whole, part, n, n_steps, speakers):
    """A part of a file in the layout of SHD; `whole`: the file is the part."""
    from ..runtime import rng

    with open_events(path) as events:
        size = len(events.labels)
        parts = np.full(size, part if whole else "train", "<U5")
        if not whole:
            own = events.group_names or tuple(str(g) for g in np.unique(events.groups) if g >= 0)
            numbers = np.searchsorted(np.unique(events.groups[events.groups >= 0]), events.groups)
            if not any(len(who) for who in speakers.values()):
                parts[rng.permutation(0, "datasets/recordings/split", size)[size - size // 5 :]] = "test"
            groups = events.groups if events.group_names else np.where(events.groups < 0, -1, numbers)
            parts = split_by_speaker(_Parts(groups, own, parts), **speakers)
        index = _pick(parts, part, n, path)
        per_channel = 5 if events.n_units == 700 else 1
        chosen = events if len(index) == size else take(events, index)
        x, lengths = bin_events(chosen, 0.01, per_channel, n_steps, path)
        names = events.class_names or tuple(str(k) for k in range(int(events.labels.max()) + 1))
        return Spoken(x, chosen.labels, chosen.groups, names, events.group_names, lengths, 0.01)

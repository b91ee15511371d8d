"""Folders and archives of spoken words: which files there are, what is said, by whom, which part they belong to.

Three ways to name the files are known; everything else in sub-folders is one class for each sub-folder, no speakers:

    LABEL_SPEAKER_INDEX.wav               Free Spoken Digit Dataset (7_george_12.wav), in any one folder
    WORD/SPEAKER_nohash_INDEX.wav         Speech Commands; _background_noise_ holds long recordings, no words
    _unknown_/... _silence_/NUMBER.wav    the canonical test set of 12 classes, beside 10 folders of words

Parts. Digits: recordings 0-4 of each digit and speaker are the test part. Speech Commands: the lists
``validation_list.txt`` and ``testing_list.txt``, or, where they lack, the rule that made them,

    p = 100 (SHA1(name up to "_nohash_") mod 2^27) / (2^27 - 1):   p < 10 validation, p < 20 test, else training.

The canonical test set is test material as a whole; used as a small data set of its own it is cut by speaker: 10 %
validation, 30 % test, by the same share of the SHA-1 of ``pool/SPEAKER``. Other folders: a fixed random fifth is the
test part. With named speakers in hand the cut follows them instead, in every kind of folder.

Warden 2018, arXiv:1804.03209; Jackson et al., Free Spoken Digit Dataset, doi 10.5281/zenodo.1342401.
"""

import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from ..runtime import rng
from .archives import each_file
from .audio import read_wav
from .catalog import DataError

__all__ = ["KEYWORDS", "PARTS", "Recordings", "command_part", "list_recordings", "split_by_speaker"]

PARTS = ("train", "valid", "test")
#: the classes of the 12-word task, in this order
KEYWORDS = ("_silence_", "_unknown_", "yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
NOISE = "_background_noise_"
_LISTS = {"validation_list.txt": "valid", "testing_list.txt": "test"}
_DIGIT = re.compile(r"([^_/]+)_([^_/]+)_(\d+)\.wav", re.IGNORECASE)
_COMMAND = re.compile(r"(?:[a-z]+_)?([0-9a-f]+)_nohash_(\d+)\.wav(?:\.wav)?", re.IGNORECASE)
_SPLIT_SEED, _SPLIT_STREAM = 0, "datasets/recordings/split"  # part of the definition, not of a run


class Recordings(NamedTuple):
    """N files in order of their names."""

    place: Path  # folder or archive
    names: tuple  # of str, relative to it
    labels: np.ndarray  # int64 (N,)
    groups: np.ndarray  # int64 (N,), speaker, -1 = not known
    parts: np.ndarray  # str (N,), "train", "valid" or "test"
    class_names: tuple
    group_names: tuple


def command_part(name: str) -> str:
    """Part of a file of Speech Commands by the hash of its speaker.

    Examples
    --------
    >>> command_part("bed/0c40e715_nohash_0.wav"), command_part("bed/62581901_nohash_0.wav")
    ('test', 'train')
    """
    speaker = re.sub(r"_nohash_.*$", "", PurePosixPath(name).name)
    share = _share(speaker)
    return "valid" if share < 10 else "test" if share < 20 else "train"


def _share(text):
    """Number in 0..100 made of the SHA-1 of a text, as the lists of Speech Commands were made."""
    number = int(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), 16) % (1 << 27)
    return number * (100 / ((1 << 27) - 1))


def list_recordings(place, classes=None) -> Recordings:
    """All recordings of a folder, zip or tar file; only lists and background noise are read.

    Parameters
    ----------
    place : path
        Folder or archive; what lies deeper is found.
    classes : int or sequence of str, optional
        12 = the ten keywords, ``_unknown_`` (other words, in each part thinned by a fixed rule to as many as a keyword
        has on average) and ``_silence_`` (seconds of the background noise); 35, or not given = all words that are
        there; or the names of some of them, in this order.

    Raises
    ------
    DataError
        No recordings, a class that is not there, a list or noise that cannot be read.
    """
    place, names, lists, noise = Path(place), [], {}, {}

    def look(name):
        path = PurePosixPath(name)
        if path.suffix.lower() != ".wav" or any(p.startswith((".", "__MACOSX")) for p in path.parts):
            return path.name in _LISTS
        if path.parent.name == NOISE:
            return classes == len(KEYWORDS)
        names.append(name)
        return False

    for name, data in each_file(place, look):
        if name.endswith(".txt"):
            lists[_LISTS[PurePosixPath(name).name]] = set(data.decode("utf-8", "replace").split())
        else:
            x, rate = read_wav(data, f"{place}: {name}")
            noise[name] = len(x) // rate
    names.sort()
    if not names:
        raise DataError(f"{place} has no recordings (.wav)")
    if any(_COMMAND.fullmatch(PurePosixPath(name).name) for name in names):
        rows = [_command(name, lists) for name in names]
        if any(label == "_unknown_" for label, *_ in rows):  # the canonical test set
            rows = [(label, speaker, _pool_part(speaker)) for label, speaker, _ in rows]
    elif len({PurePosixPath(n).parent for n in names}) == 1 and all(map(_DIGIT.fullmatch, map(_base, names))):
        rows = [_digit(name) for name in names]
    else:
        rows = _plain(names)
    return _choose(place, names, rows, classes, noise)


def _base(name):
    return PurePosixPath(name).name


def _digit(name):
    label, speaker, number = _DIGIT.fullmatch(_base(name)).groups()
    return label, speaker, "test" if int(number) < 5 else "train"


def _command(name, lists):
    path = PurePosixPath(name)
    match, short = _COMMAND.fullmatch(path.name), f"{path.parent.name}/{path.name}"
    speaker = match[1] if match else path.name.removesuffix(".wav")
    if len(lists) == 2:
        part = next((p for p in lists if short in lists[p]), "train")
    else:
        part = command_part(name)
    return path.parent.name, speaker, part


def _pool_part(speaker):
    share = _share(f"pool/{speaker}")  # not the rule above, by which all of them are test speakers
    return "valid" if share < 10 else "test" if share < 40 else "train"


def _plain(names):
    order = rng.permutation(_SPLIT_SEED, _SPLIT_STREAM, len(names))
    test = set(order[len(names) - len(names) // 5 :].tolist())
    return [(PurePosixPath(n).parent.name, "", "test" if k in test else "train") for k, n in enumerate(names)]


def _choose(place, names, rows, classes, noise):
    found = sorted({label for label, *_ in rows})
    if classes == len(KEYWORDS) and "_unknown_" not in found:
        names, rows = _twelve(names, rows, noise)
        wanted = KEYWORDS
    elif isinstance(classes, int) and classes not in (len(KEYWORDS), 35):
        raise ValueError(f"classes must be 12, 35 or names, got {classes}")
    elif classes is None or isinstance(classes, int):
        wanted = KEYWORDS if set(found) == set(KEYWORDS) else tuple(found)
    else:
        wanted = tuple(classes)
        if lost := [name for name in wanted if name not in found]:
            raise DataError(f"{place} has no class {lost[0]!r}; it has {', '.join(found)[:300]}")
    number = {name: k for k, name in enumerate(wanted)}
    kept = [k for k, row in enumerate(rows) if row[0] in number]
    speakers = sorted({rows[k][1] for k in kept} - {""})
    group = {name: k for k, name in enumerate(speakers)} | {"": -1}
    return Recordings(
        place,
        tuple(names[k] for k in kept),
        np.array([number[rows[k][0]] for k in kept], np.int64),
        np.array([group[rows[k][1]] for k in kept], np.int64),
        np.array([rows[k][2] for k in kept]),
        wanted,
        tuple(speakers),
    )


def _twelve(names, rows, noise):
    """Other words become ``_unknown_``, thinned; each second of noise becomes ``_silence_``, named FILE#SECOND."""
    both = [(n, *r) if r[0] in KEYWORDS else (n, "_unknown_", *r[1:]) for n, r in zip(names, rows, strict=True)]
    keep = []
    for part in PARTS:
        words = [row for row in both if row[3] == part and row[1] != "_unknown_"]
        others = [row for row in both if row[3] == part and row[1] == "_unknown_"]
        order = rng.permutation(_SPLIT_SEED, f"{_SPLIT_STREAM}/unknown", len(others))
        keep += words + [others[k] for k in order[: round(len(words) / 10)]]
    for name, seconds in noise.items():
        parts = ("valid", "test") + ("train",) * 8
        keep += [(f"{name}#{s}", "_silence_", "", parts[s % 10]) for s in range(seconds)]
    keep.sort()
    return [row[0] for row in keep], [row[1:] for row in keep]


def split_by_speaker(recordings, test=(), valid=()):
    """The parts (str (N,)) when the recordings of some speakers are held out.

    Parameters
    ----------
    recordings : Recordings or any object with groups, group_names and parts
        Its own parts stay where no `test` speakers are named: then only training samples of the `valid` speakers move.
    test, valid : sequence of str or int
        Names of speakers; nobody in both.

    Raises
    ------
    ValueError
        A speaker who is not there, in both lists, or nobody left to train on.
    """
    test, valid = ([str(name) for name in who] for who in (test, valid))
    known = recordings.group_names
    for name in test + valid:
        if name not in known:
            shown = ", ".join(known[:12]) + (" ..." if len(known) > 12 else "")
            raise ValueError(f"speaker {name!r} is not in the data (there are: {shown or 'none named'})")
    if both := set(test) & set(valid):
        raise ValueError(f"speaker {min(both)!r} cannot be in the test and in the validation part")
    parts = np.asarray(recordings.parts).astype("<U5")
    if test:
        parts[:] = "train"
    parts[np.isin(recordings.groups, [known.index(n) for n in valid]) & (parts == "train")] = "valid"
    parts[np.isin(recordings.groups, [known.index(n) for n in test])] = "test"
    if (test or valid) and not (parts == "train").any():
        raise ValueError("no speaker is left for the training part")
    return parts

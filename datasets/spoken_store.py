"""Where the archives of spoken words are, whether they are the official ones, how they get there.

An archive is looked for in ``<folder>/NAME/`` and ``<folder>/``, packed, or as what it unpacks to. Subsets and other
editions are read all the same (``datasets.spoken``); here they are named as what they are.
"""

import hashlib
import os
import tempfile
from pathlib import Path

from .archives import SUFFIXES
from .catalog import SPOKEN, DataError, MissingData
from .store import root

__all__ = ["fetch_spoken", "find_recordings", "presence", "spoken_status"]

_PLACES = {  # in order of preference; the canonical test set only where its 12 classes may be meant
    "fsdd": ("free-spoken-digit-dataset*",),
    "speech_commands": ("speech_commands_v0.02", "speech_commands_v0.02.*", "speech_commands_v0.01",
                        "speech_commands_v0.01.*", "speech_commands_test_set*", "speech_commands*"),
}  # fmt: skip
_BLOCK = 1 << 20


def _find(data, file, folder):
    """Path of a file of the data set, of what it unpacks to, or None."""
    base = Path(folder) if folder is not None else root()
    names = [file.plain_name] if file.plain_name else []
    names += [file.name, file.name.removesuffix(".zip").removesuffix(".tar.gz")]
    return next((w / n for w in (base / data.name, base) for n in names if (w / n).exists()), None)


def _other(data, folder):
    """Recordings that are no official archive but can be read, or None."""
    if data.name not in ("fsdd", "speech_commands"):
        return None
    try:
        return find_recordings(data.name, None, folder)
    except DataError:
        return None


def find_recordings(name: str, classes=None, folder=None) -> Path:
    """Where the recordings of ``fsdd``, ``speech_commands`` or ``gsc`` are: an extracted folder or an archive.

    With `classes` 35 the canonical test set, which has 12, does not count. MissingData says what to do.
    """
    kind = "fsdd" if name == "fsdd" else "speech_commands"
    base = Path(folder) if folder is not None else root()
    patterns = _PLACES[kind]
    for where in (base / kind, base):
        if any((where / inside).is_dir() for inside in (("recordings",) if kind == "fsdd" else ("yes", "_unknown_"))):
            return where
        for pattern in patterns:
            for path in sorted(where.glob(pattern)):
                if "test_set" in path.name and classes == 35:
                    continue
                if path.is_dir() or path.name.lower().endswith(SUFFIXES):
                    return path
    raise MissingData(
        f"{kind}: no recordings in {base / kind} or {base} ({patterns[0]} as folder or archive); run 'firstspike data "
        f"fetch {kind}', or put them there, or set FIRSTSPIKE_DATA to their folder"
    )


def presence(name: str, folder=None) -> str:
    """Cheap state: "here", "incomplete", "other files" or "not here"."""
    data = SPOKEN[name]
    found = [_find(data, file, folder) for file in data.files.values()]
    if all(found):
        return "here"
    if any(found):
        return "incomplete"
    return "other files" if _other(data, folder) else "not here"


def spoken_status(name: str, folder=None) -> list[dict]:
    """One row for each archive: part, file, path, n_bytes, sha256, state, reason, as ``store.status`` has them.

    The state is ``ok``, ``wrong``, ``missing``, or ``unknown`` where no checksum is published for what is there.
    """
    data, rows = SPOKEN[name], []
    for part, file in data.files.items():
        path = _find(data, file, folder)
        state, reason = ("missing", "not found") if path is None else _check(data, file, path)
        if path is None and (other := _other(data, folder)):
            path, state, reason = other, "unknown", f"not {file.name}, but can be read: {_count(other)} recordings"
        row = {"part": part, "file": file.name, "path": str(path) if path else None, "n_bytes": file.n_bytes}
        rows.append(row | {"sha256": file.sha256, "state": state, "reason": reason})
    return rows


def _count(path):
    from .recordings import list_recordings

    return len(list_recordings(path).names)


def _check(data, file, path):
    """(state, reason) of a file that is there."""
    for name, kind, expected in (
        (file.name, "sha256", file.sha256),
        (file.name, "md5", file.md5),
        (file.plain_name, "md5", file.plain_md5),
    ):
        if expected and path.name == name and path.is_file():
            found = _digest(path, kind)
            return ("ok", "") if found == expected else ("wrong", f"{kind} is {found}, expected {expected}")
    if data.name == "fsdd":
        count, expected = _count(path), data.n_train + data.n_test
        return ("ok", "") if count == expected else ("wrong", f"{count} recordings, expected {expected}")
    return "unknown", "no checksum is published for it"


def _digest(path, kind):
    digest = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def fetch_spoken(name: str, folder=None, report=None) -> list[Path]:
    """Download and check the archives that are missing or wrong; HDF5 files are unpacked.

    Parameters
    ----------
    name : str
        An entry of ``catalog.SPOKEN``.
    folder : path, optional
        Where data sets live; files go to ``<folder>/<name>/``.
    report : callable, optional
        Called with one line of text before each download.

    Raises
    ------
    DataError
        No source served a file with the right checksum, or (spoken digits) with all recordings.
    """
    data, out = SPOKEN[name], []
    base = Path(folder) if folder is not None else root()
    for file in data.files.values():
        path = _find(data, file, folder)
        if path is None or _check(data, file, path)[0] == "wrong":
            path = _download(data, file, base / name, report)
        out.append(path)
    return out


def _download(data, file, target, report):
    import pooch

    logger, reasons, path = pooch.get_logger(), [], None
    level = logger.level
    logger.setLevel("ERROR")  # the caller reports
    wanted = f"sha256:{file.sha256}" if file.sha256 else f"md5:{file.md5}" if file.md5 else None
    try:
        for url in file.urls:
            if report:
                report(f"{file.name} (about {file.n_bytes / 1e6:.0f} MB) from {url}")
            try:
                path = Path(pooch.retrieve(url, wanted, fname=file.name, path=target))
                break
            except (OSError, ValueError) as error:  # connection, HTTP status, disk, checksum
                reasons.append(f"{url}: {type(error).__name__} {' '.join(str(error).split())[:90]}")
    finally:
        logger.setLevel(level)
    if path is None:
        raise DataError(
            f"{data.name}: {file.name} was not served ({'; '.join(reasons)}); put it into {target} yourself"
        )
    if file.plain_name:
        return _unpack(path, target / file.plain_name)
    state, reason = _check(data, file, path)
    if state == "wrong":
        path.unlink()
        raise DataError(f"{data.name}: {file.name} from {file.urls[-1]}: {reason}")
    return path


def _unpack(path, plain):
    """The one file inside a zip file, under its name when it is whole; the zip file goes."""
    from .archives import open_zip

    handle, temporary = tempfile.mkstemp(dir=plain.parent, prefix=".unpack-")
    try:
        with os.fdopen(handle, "wb") as out, open_zip(path) as archive:
            inside = [m for m in archive.infolist() if m.filename.endswith(plain.name)]
            if len(inside) != 1:
                raise DataError(f"{path}: {plain.name} is expected inside, once")
            with archive.open(inside[0]) as stream:
                while block := stream.read(_BLOCK):
                    out.write(block)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(plain)
    finally:
        Path(temporary).unlink(missing_ok=True)
    path.unlink()
    return plain

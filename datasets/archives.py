"""Zip and tar archives of unknown origin, unpacked without trust.

Only regular files and folders are written, only below the target, only under names that were not there: no absolute
names, no ``..``, no links, no devices, a bounded number and size. Headers are bounded too: the directory of a zip file
and the extended headers of a tar file are held in memory by the libraries that read them.
"""

import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from .catalog import DataError, MissingData

__all__ = ["SUFFIXES", "each_file", "open_zip", "unpack"]

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
MAX_BYTES = 4 << 30  # unpacked
MAX_FILES = 1_000_000
_MAX_DIRECTORY = 256 << 20  # bytes of a zip file's directory: room for a million and more names
_MAX_HEADER = 1 << 20  # bytes read from a tar file in one go
_BLOCK = 1 << 16
_DAMAGED = (ValueError, OSError, EOFError, RuntimeError, NotImplementedError, struct.error, zlib.error)
_DAMAGED += (zipfile.BadZipFile, tarfile.TarError)


def unpack(archive, target, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> int:
    """Unpack a zip or tar file (also gzip-compressed) into the folder `target`.

    Parameters
    ----------
    archive : path
        Told by its content.
    target : path
        A folder; it may exist.
    max_bytes, max_files : int
        Refuse archives that hold more.

    Returns
    -------
    int
        Number of files written.

    Raises
    ------
    DataError
        With the archive's name and the reason. Files unpacked before stay: give a folder that can be thrown away.
    """
    archive, target = Path(archive), Path(target)
    members = _from_zip if zipfile.is_zipfile(archive) else _from_tar
    written = n_bytes = 0
    with members(archive) as found:
        for name, size, source in found:
            place = target / _safe_name(archive, name)
            written, n_bytes = written + 1, n_bytes + size
            if written > max_files:
                raise DataError(f"{archive}: more than {max_files} members")
            if n_bytes > max_bytes:
                raise DataError(f"{archive}: unpacks to more than {max_bytes} bytes")
            if source is None:
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            with source() as stream, place.open("xb") as out:
                _copy(archive, name, stream, out, size)
    return written


def each_file(place, wanted, max_bytes: int = 1 << 28):
    """Yield (name, content) of the files below a folder, or in a zip or tar file, without writing anything.

    Parameters
    ----------
    place : path
        Folder (names in order) or archive (in the order of the archive).
    wanted : callable
        ``wanted(name) -> bool``; the name is relative, with ``/``. Other files are not read.
    max_bytes : int
        Refuse single files above this size.

    Raises
    ------
    DataError
        `place` does not exist, is damaged, or holds a file above the limit.
    """
    place = Path(place)
    if place.is_dir():
        paths = {path.relative_to(place).as_posix(): path for path in place.rglob("*")}
        for name in sorted(paths):
            if wanted(name) and paths[name].is_file():
                if (size := paths[name].stat().st_size) > max_bytes:
                    raise DataError(f"{paths[name]} has {size} bytes, more than the limit of {max_bytes}")
                yield name, paths[name].read_bytes()
        return
    if not place.is_file():
        raise MissingData(f"{place} does not exist")
    members = _from_zip if zipfile.is_zipfile(place) else _from_tar
    with members(place) as found:
        for name, size, source in found:
            name = PurePosixPath(name).as_posix()
            if source is not None and wanted(name):
                if size > max_bytes:
                    raise DataError(f"{place}: member {name[:80]!r} has {size} bytes, more than {max_bytes}")
                out = io.BytesIO()
                with source() as stream:
                    _copy(place, name, stream, out, size)
                yield name, out.getvalue()


def _copy(archive, name, stream, out, size):
    left = size
    while left and (block := stream.read(min(left, _BLOCK))):
        out.write(block)
        left -= len(block)
    if left or stream.read(1):
        raise DataError(f"{archive}: member {name[:80]!r} does not have the {size} bytes that it claims")


def _safe_name(archive, name):
    path = PurePosixPath(name)
    bad = not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in path.parts[0]
    if bad or "\0" in name:
        raise DataError(f"{archive}: member {name[:80]!r} would be written outside of the folder")
    return path


@contextmanager
def _said(archive):
    """Turn what the libraries raise into one kind of error."""
    try:
        yield
    except (DataError, FileNotFoundError, PermissionError):
        raise
    except _DAMAGED as error:
        raise DataError(f"{archive}: {' '.join(str(error).split())[:200] or type(error).__name__}") from None


@contextmanager
def open_zip(path):
    """The ``zipfile.ZipFile`` of a path, for reading, if its directory is of a sane size; errors become DataError."""
    with _said(path):
        with Path(path).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 65_557 - 20))
            tail = file.read()
            at = tail.rfind(b"PK\x05\x06")
            if at < 0 or len(tail) < at + 22:
                raise DataError(f"{path} is not a zip file, or its end is missing")
            directory = struct.unpack_from("<I", tail, at + 12)[0]
            if tail[max(0, at - 20) : at].startswith(b"PK\x06\x07") or directory > min(size, _MAX_DIRECTORY):
                raise DataError(f"{path}: a directory of {directory} bytes or a 64-bit one is not read")
            with zipfile.ZipFile(file) as archive:
                yield archive


@contextmanager
def _from_zip(path):
    def each(archive):
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise DataError(f"{path}: member {info.filename[:80]!r} is a link or a device")
            yield info.filename, info.file_size, None if info.is_dir() else lambda info=info: archive.open(info)

    with open_zip(path) as archive:
        yield each(archive)


class _Guard:
    """A file whose reads are of bounded size."""

    def __init__(self, file):
        self.seek, self.tell, self._file = file.seek, file.tell, file

    def read(self, size=-1):
        if not 0 <= size <= _MAX_HEADER:
            raise DataError(f"a header claims {size} bytes")
        return self._file.read(size)


@contextmanager
def _from_tar(path):
    def each(archive):
        for info in archive:
            if not (info.isreg() or info.isdir()):
                raise DataError(f"{path}: member {info.name[:80]!r} is a link or a device")
            size = info.size if info.isreg() else 0
            yield info.name, size, None if info.isdir() else lambda info=info: archive.extractfile(info)

    with _said(path), path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        with gzip.GzipFile(fileobj=file) if packed else file as stream:
            with tarfile.TarFile(fileobj=_Guard(stream)) as archive:
                yield each(archive)

"""Result files: named arrays with dimensions and units, parameters, provenance, one content hash, in plain HDF5.

Layout (convention ``FirstSpike-1``): every array is a dataset at the file's root with attributes ``units`` and
``long_name`` and a dimension scale on each axis (so h5py and xarray both see dimensions); ``/parameters`` carries the
attribute ``json`` (SI values); ``/provenance`` carries how the file came about; root attributes are ``Conventions``,
``format_version``, ``kind``, ``title``, ``references``, ``status`` and ``content_sha256``. A file gets its name only
when it is complete: it is written beside it, synced and renamed.
"""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

__all__ = ["Array", "Result", "ResultError", "differences", "open_result"]

FORMAT_VERSION = 1
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."
_COMPRESS_ABOVE = 64 * 1024  # bytes; below, a filter costs more than it saves
_DEFLATE_AT_MOST = 1100  # times smaller can gzip make anything


class ResultError(ValueError):
    """A result file that cannot be read, or is not one."""

    exit_code = 3


@dataclass
class Array:
    """Data with the names of its dimensions, its unit (UDUNITS text) and what it is."""

    data: np.ndarray
    dims: tuple[str, ...]
    units: str
    long_name: str


@dataclass
class Result:
    """What a run leaves behind; ``result["name"]`` is the array, ``save`` writes the file.

    `kind` is ``simulation``, ``training``, ``theory`` or ``bench``; `parameters` are plain values (SI); `provenance`
    is not part of the content hash.
    """

    kind: str
    title: str = ""
    references: str = ""
    parameters: dict = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    status: str = "complete"

    def add(self, name: str, data, dims=(), units: str = "1", long_name: str = "") -> None:
        """Add an array; a coordinate is an array whose only dimension is its own name.

        Raises ValueError where dimensions and shape disagree, or with those of arrays added before.
        """
        data = np.asarray(data)
        if data.dtype == bool:
            data = data.astype(np.int8)
        if data.dtype.kind in "US":
            data = data.astype(object)
        if data.dtype.kind not in "iufO":
            raise ValueError(f"{name}: cannot store dtype {data.dtype}")
        dims = tuple(dims)
        if len(dims) != data.ndim or len(set(dims)) != len(dims):
            raise ValueError(f"{name}: shape {data.shape} needs {data.ndim} different dimension names, got {dims}")
        if "/" in name or "/" in "".join(dims) or name in ("parameters", "provenance"):
            raise ValueError(f"{name!r} cannot be the name of an array")
        sizes = self.sizes()
        for dim, n in zip(dims, data.shape, strict=True):
            if sizes.get(dim, n) != n:
                raise ValueError(f"{name}: dimension {dim} has length {n}, elsewhere {sizes[dim]}")
        if (name in sizes or name in dims) and dims != (name,):
            raise ValueError(f"{name!r} is a dimension; only a one-dimensional coordinate may have this name")
        self.arrays[name] = Array(np.ascontiguousarray(data) if data.ndim else data, dims, units, long_name)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.arrays:
            raise KeyError(f"{name!r}; the result holds {', '.join(sorted(self.arrays))}")
        return self.arrays[name].data

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def sizes(self) -> dict[str, int]:
        """Length of each dimension."""
        return {d: n for a in self.arrays.values() for d, n in zip(a.dims, a.data.shape, strict=True)}

    @property
    def content_sha256(self) -> str:
        """Hash over kind, parameters, and every array with its description; two runs agree iff it agrees."""
        digest = hashlib.sha256()

        def put(part):
            part = part if isinstance(part, bytes) else str(part).encode()
            digest.update(len(part).to_bytes(8, "little") + part)

        for head in (self.kind, self.title, self.references, _canonical(self.parameters)):
            put(head)
        for name in sorted(self.arrays):
            a = self.arrays[name]
            for part in (name, "/".join(a.dims), a.units, a.long_name, a.data.shape):
                put(part)
            if a.data.dtype == object:
                put("text")
                for s in a.data.reshape(-1):
                    put(s)
            else:
                data = np.asarray(a.data, a.data.dtype.newbyteorder("<"))
                put(data.dtype.str)
                put(data.tobytes())
        return digest.hexdigest()

    def save(self, path, overwrite: bool = True, compress: bool = True) -> Path:
        """Write the file under its final name at once, or not at all.

        Raises FileExistsError if it is there and `overwrite` is false; OSError if there is no room or no permission.
        """
        path = Path(path)
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("w+b", buffering=0) as handle:
                self._write(handle, compress)
                os.fsync(handle.fileno())
            temporary.replace(path)
        except OSError as error:
            what = "the file that was there is unchanged" if path.exists() else "no file was made"
            raise OSError(f"{path} cannot be written: {error.strerror or error}; {what}") from error
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
        return path

    def _write(self, handle, compress):
        import h5py

        sink = _Sink(handle)
        try:
            with h5py.File(sink, "w", libver=("earliest", "v110")) as f:
                self._fill(f, compress)
        finally:
            if sink.error:
                raise sink.error

    def _fill(self, f, compress):
        head = {"Conventions": "FirstSpike-1 CF-1.11", "format_version": FORMAT_VERSION, "kind": self.kind}
        head |= {"title": self.title, "references": self.references, "status": self.status}
        f.attrs.update(head | {"content_sha256": self.content_sha256})
        f.create_group("parameters").attrs["json"] = _canonical(self.parameters)
        f.create_group("provenance").attrs.update(self.provenance)
        for dim, n in sorted(self.sizes().items()):
            if dim not in self.arrays:
                scale = f.create_dataset(dim, (n,), ">f4", track_times=False)
                scale.make_scale(f"{_NO_VARIABLE}{n:10d}")
        for name, array in sorted(self.arrays.items()):
            _write_array(f, name, array, compress)
        for name, array in self.arrays.items():
            if array.dims == (name,):
                f[name].make_scale(name)
        for name, array in self.arrays.items():
            if array.dims != (name,):
                for axis, dim in enumerate(array.dims):
                    f[name].dims[axis].attach_scale(f[dim])


class _Sink:
    """An open file, for the HDF5 library to write to, that keeps the first error (disk full) and takes all else.

    The library does not survive a failing write: it leaves objects that cannot be closed, and may crash at exit.
    """

    def __init__(self, handle):
        self.handle, self.error = handle, None
        self.seek, self.tell, self.flush = handle.seek, handle.tell, handle.flush

    def _try(self, method, *args):
        try:
            return method(*args)
        except OSError as error:
            self.error = self.error or error

    def write(self, data):
        view = memoryview(data).cast("B")
        while view and not self.error:
            n = self._try(self.handle.write, view)
            view = view[n:] if n else view
        return len(data)

    def truncate(self, size=None):
        return self._try(self.handle.truncate, size)

    def read(self, size=-1):
        return self.handle.read(size)

    def readinto(self, buffer):
        return self.handle.readinto(buffer)


def _canonical(parameters) -> str:
    return json.dumps(parameters, sort_keys=True, allow_nan=False)


def _write_array(f, name, array, compress):
    import h5py

    options = {"track_times": False}
    data = array.data
    if data.dtype == object:
        options["dtype"] = h5py.string_dtype()
    elif compress and data.nbytes > _COMPRESS_ABOVE:
        options |= {"compression": "gzip", "compression_opts": 4, "shuffle": True, "fletcher32": True, "chunks": True}
    f.create_dataset(name, data=data, **options).attrs.update({"units": array.units, "long_name": array.long_name})


def _sync_folder(folder):
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # a platform that cannot open folders
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def open_result(path) -> Result:
    """Read a result file whole into a :class:`Result`.

    Raises FileNotFoundError, or :class:`ResultError` if it is not a result file, is of a newer format, or if its
    content does not have the hash that it claims.
    """
    import h5py

    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        with h5py.File(path, "r") as f:
            result = _read(f, path)
            claimed, found = str(f.attrs["content_sha256"]), result.content_sha256
    except ResultError:
        raise
    except (
        OSError,
        KeyError,
        RuntimeError,
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
        MemoryError,
    ) as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise ResultError(f"{path} is not a readable result file: {why}") from None
    if found != claimed:
        raise ResultError(f"{path} is damaged: its content does not have the hash {claimed[:12]}... that it claims")
    return result


def _read(f, path):
    if not str(f.attrs.get("Conventions", "")).startswith("FirstSpike-"):
        raise ResultError(f"{path} is an HDF5 file, but not one of firstspike")
    version = int(f.attrs["format_version"])
    if version > FORMAT_VERSION:
        raise ResultError(f"{path} has format {version}; this firstspike reads up to {FORMAT_VERSION}: upgrade it")
    result = Result(**{k: str(f.attrs[k]) for k in ("kind", "title", "references", "status")})
    result.parameters = json.loads(f["parameters"].attrs["json"])
    result.provenance = {k: v.item() if hasattr(v, "item") else v for k, v in f["provenance"].attrs.items()}
    for name, item in f.items():
        if name in ("parameters", "provenance"):
            continue
        is_scale = item.is_scale
        if is_scale and str(item.attrs["NAME"], "utf-8", "replace").startswith(_NO_VARIABLE):
            continue
        _check_size(path, name, item)
        data = item.asstr()[()] if item.dtype.kind == "O" else item[()]
        if item.dtype.kind == "O":
            data = np.asarray(data, dtype=object)
        dims = (name,) if is_scale else tuple(d[0].name.strip("/") for d in item.dims)
        result.arrays[name] = Array(np.asarray(data), dims, item.attrs["units"], item.attrs["long_name"])
    return result


def _check_size(path, name, item):
    """Refuse a dataset that claims more than what is stored of it can unpack to, before memory is taken for it."""
    if item.external or item.is_virtual:
        raise ResultError(f"{path}: {name} is not stored in this file")
    stored = min(item.id.get_storage_size(), path.stat().st_size)
    if item.size * item.dtype.itemsize > _DEFLATE_AT_MOST * stored:
        raise ResultError(f"{path} is damaged: {name} claims {item.size} values, stored are {stored} bytes")


def differences(a: Result, b: Result) -> list[str]:
    """Lines that say where two results differ (empty if their content is the same)."""
    lines = []
    for what in ("kind", "title", "references"):
        if getattr(a, what) != getattr(b, what):
            lines.append(f"{what}: {getattr(a, what)} | {getattr(b, what)}")
    for key in sorted(a.parameters.keys() | b.parameters.keys()):
        left, right = a.parameters.get(key, "absent"), b.parameters.get(key, "absent")
        if left != right:
            lines.append(f"parameter {key}: {left} | {right}")
    for name in sorted(a.arrays.keys() | b.arrays.keys()):
        if name not in a or name not in b:
            lines.append(f"{name}: only in {'the first' if name in a else 'the second'}")
            continue
        x, y = a[name], b[name]
        if x.shape != y.shape or x.dtype != y.dtype:
            lines.append(f"{name}: {x.dtype}{list(x.shape)} | {y.dtype}{list(y.shape)}")
        elif x.tobytes() != y.tobytes() if x.dtype != object else list(x.reshape(-1)) != list(y.reshape(-1)):
            lines.append(f"{name}: {_how_far(x, y)}")
        for what in ("dims", "units", "long_name"):
            left, right = getattr(a.arrays[name], what), getattr(b.arrays[name], what)
            if left != right:
                lines.append(f"{name}: {what} {left} | {right}")
    return lines


def _how_far(x, y):
    if x.dtype == object:
        return "other text"
    n = int(np.count_nonzero(~((x == y) | ((x != x) & (y != y)))))
    x, y = x.astype(float), y.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.abs(x - y)
        relative = gap / np.maximum(np.abs(x), np.abs(y))
    if not np.isfinite(gap).any():
        return f"{n} of {x.size} values differ"
    return f"{n} of {x.size} values differ, by at most {np.nanmax(gap):.3g} (relative {np.nanmax(relative):.3g})"

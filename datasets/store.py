"""Where data files are, how they get there, and how they are loaded.

One folder holds all data sets: the environment variable ``FIRSTSPIKE_DATA``, else ``data`` in the user's cache folder.
A file of data set NAME is looked for in ``<folder>/NAME/`` and then in ``<folder>/``, packed (``.gz``) or unpacked.
It is used only if its size and SHA-256 are those of the catalogue.

The 8x8 digits need no file. Their grey levels v = 0..16 become round(255 v / 16), so that filters and thresholds meant
for 8-bit images fit. They come from one set of writers without an official split: image i belongs to the training part
if it is among the first 1297 of the permutation of the stream "datasets/digits/split" of seed 0, else to the test part.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from .catalog import CATALOG, DataError, MissingData, get

__all__ = ["check", "fetch", "find", "import_files", "load", "root", "status"]

_SPLIT_SEED = 0  # part of the data set's definition, not of a run
_BLOCK = 1 << 20


def root() -> Path:
    """Folder of all data sets (it need not exist)."""
    folder = os.environ.get("FIRSTSPIKE_DATA")
    if folder:
        return Path(folder).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("firstspike") / "data"


def _folders(name, folder):
    base = Path(folder) if folder is not None else root()
    return [base / name, base]


def find(name: str, folder=None) -> dict[str, Path | None]:
    """Path of each file of a data set, None where there is none.

    Of several candidates the first with a right size is taken, else the first: two data sets may use the same names.
    """
    found = {}
    for part, file in (get(name).files or {}).items():
        sizes = {file.name: file.n_bytes, file.plain_name: file.plain_bytes}
        here = [place / n for place in _folders(name, folder) for n in sizes if (place / n).is_file()]
        right = [p for p in here if p.stat().st_size == sizes[p.name]]
        found[part] = next(iter(right + here), None)
    return found


def _sha256(path):
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def check(file, path) -> str:
    """Empty if `path` holds the catalogue's `file` (packed or unpacked), else what is wrong."""
    path = Path(path)
    size = path.stat().st_size
    for n_bytes, sha256 in ((file.n_bytes, file.sha256), (file.plain_bytes, file.plain_sha256)):
        if size == n_bytes:
            digest = _sha256(path)
            return "" if digest == sha256 else f"sha256 is {digest}, expected {sha256}"
    return f"size is {size} bytes, expected {file.n_bytes} (or {file.plain_bytes} unpacked)"


def status(name: str, folder=None) -> list[dict]:
    """One row for each file: part, file, path, n_bytes, sha256, state (``ok``, ``missing``, ``wrong``), reason."""
    data, rows = get(name), []
    for part, path in find(name, folder).items():
        file = data.files[part]
        reason = check(file, path) if path else "not found"
        state = "missing" if path is None else ("wrong" if reason else "ok")
        rows.append(
            {
                "part": part,
                "file": file.name,
                "path": str(path) if path else None,
                "n_bytes": file.n_bytes,
                "sha256": file.sha256,
                "state": state,
                "reason": reason,
            }
        )
    return rows


def _missing(name, files, folder):
    own, base = _folders(name, folder)
    first, more = files[0], f" and {len(files) - 1} more" if len(files) > 1 else ""
    return MissingData(
        f"{name}: {first.name} ({first.n_bytes} bytes, sha256 {first.sha256}){more} not found in {own} or {base}; run "
        f"'firstspike data fetch {name}', or 'firstspike data import {name} FOLDER' if you have the files, or put them "
        f"into {own}, or set FIRSTSPIKE_DATA to their folder ('firstspike data info {name}' lists them)"
    )


def fetch(name: str, folder=None, mirrors=None, report=None) -> list[Path]:
    """Download what is missing or wrong, from the first mirror that serves the right bytes.

    Parameters
    ----------
    name : str
        Data set.
    folder : path, optional
        Where data sets live; default :func:`root`. Files go to ``<folder>/<name>/``.
    mirrors : sequence of str, optional
        Instead of the catalogue's.
    report : callable, optional
        Called with one line of text before each download.

    Returns
    -------
    list of Path
        All files of the data set.

    Raises
    ------
    DataError
        No mirror served a file with the right checksum; the message has each mirror's reason.
    """
    data = get(name)
    present = find(name, folder)
    out = []
    for part, file in (data.files or {}).items():
        path = present[part]
        if path is None or check(file, path):
            path = _download(data, file, _folders(name, folder)[0], mirrors or data.mirrors, report)
        out.append(path)
    return out


def _download(data, file, target, mirrors, report):
    import pooch

    logger, reasons = pooch.get_logger(), []
    level = logger.level
    logger.setLevel("ERROR")  # the caller reports
    try:
        for mirror in mirrors:
            url = mirror.rstrip("/") + "/" + file.name
            if report:
                report(f"{file.name} ({file.n_bytes / 1e6:.1f} MB) from {url}")
            try:
                return Path(pooch.retrieve(url, f"sha256:{file.sha256}", fname=file.name, path=target))
            except (OSError, ValueError) as error:  # connection, HTTP status, disk, checksum
                reasons.append(f"{mirror}: {type(error).__name__} {' '.join(str(error).split())[:90]}")
    finally:
        logger.setLevel(level)
    raise DataError(
        f"{data.name}: no mirror served {file.name} with sha256 {file.sha256} ({'; '.join(reasons)}); "
        f"get it by other means and run 'firstspike data import {data.name} FOLDER'"
    )


def import_files(name: str, source, folder=None) -> list[dict]:
    """Copy the files of a data set that the user has, recognised by size and SHA-256, not by name.

    Parameters
    ----------
    name : str
        Data set.
    source : path
        A file or a folder (not searched below).
    folder : path, optional
        Where data sets live; default :func:`root`.

    Returns
    -------
    list of dict
        As :func:`status`, after the copy.

    Raises
    ------
    DataError
        Nothing in `source` belongs to the data set; a file that has a right name but wrong content is named.
    """
    data, source = get(name), Path(source)
    if not data.files:
        raise DataError(f"{name} is bundled with scikit-learn: there is nothing to import")
    if not source.exists():
        raise MissingData(f"{source} does not exist")
    target = _folders(name, folder)[0]
    copied, wrong = 0, []
    for path in sorted(p for p in (source.iterdir() if source.is_dir() else [source]) if p.is_file()):
        reasons = {file: check(file, path) for file in data.files.values()}
        file = next((f for f, reason in reasons.items() if not reason), None)
        if file:
            packed = path.stat().st_size == file.n_bytes
            _copy(path, target / (file.name if packed else file.plain_name))
            copied += 1
        else:
            wrong += [f"{path.name}: {r}" for f, r in reasons.items() if path.name in (f.name, f.plain_name)]
    if not copied:
        why = "; ".join(wrong) or "no file has one of its sizes and checksums"
        raise DataError(f"nothing of {name} found in {source}: {why}")
    return status(name, folder)


def _copy(path, target):
    """Copy under a temporary name in the target's folder, then rename: no half-written file has the right name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and target.samefile(path):
        return
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".import-")
    os.close(handle)
    try:
        shutil.copyfile(path, temporary)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    finally:
        Path(temporary).unlink(missing_ok=True)


def load(name: str, split: str = "train", n: int | None = None, folder=None, verify: bool = True, size=None):
    """Images and labels of one part of a data set.

    Parameters
    ----------
    name : str
        ``mnist``, ``fashion_mnist``, ``digits``, or a path of your own: a folder with four IDX files named like MNIST's
        (``train-images-idx3-ubyte`` ..., packed or not), or with images in one sub-folder for each class (see
        ``datasets.folders``), or a zip or tar file of such a folder.
    split : {"train", "test"}
        Part.
    n : int, optional
        Only the first `n` samples.
    folder : path, optional
        Where data sets live; default :func:`root`.
    verify : bool
        Compare sizes and checksums with the catalogue's.
    size : (height, width), optional
        Bring the images of your own folder to this size.

    Returns
    -------
    images : ndarray, shape (N, H, W), uint8
    labels : ndarray, shape (N,), int64

    Raises
    ------
    ValueError
        Unknown name or split, or `n` larger than the part.
    DataError
        Files missing (`MissingData`), damaged, or not images with labels.

    Examples
    --------
    >>> images, labels = load("digits", "test", 3)
    >>> images.shape, images.dtype.name, bool(images.max() <= 255), labels.shape
    ((3, 8, 8), 'uint8', True, (3,))
    """
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', got {split!r}")
    if n is not None and n < 1:
        raise ValueError(f"n must be >= 1, got {n}")
    if name == "digits":
        images, labels = _bundled_digits(split)
    elif name not in CATALOG and Path(name).exists():
        images, labels = _from_own(Path(name), split, size)
    else:
        images, labels = _from_idx(*_official_files(name, split, folder, verify))
    if n is not None and n > len(images):
        raise ValueError(f"{name} has {len(images)} {split} images, asked for {n}")
    return (images, labels) if n is None else (images[:n].copy(), labels[:n].copy())


def _official_files(name, split, folder, verify):
    data, found = get(name), find(name, folder)
    lost = [data.files[part] for part, path in found.items() if path is None]
    parts = [f"{split}_images", f"{split}_labels"]
    if any(found[part] is None for part in parts):
        raise _missing(name, lost, folder)
    for part in parts if verify else ():
        if reason := check(data.files[part], found[part]):
            raise DataError(f"{found[part]}: not the {name} file: {reason}")
    return found[parts[0]], found[parts[1]]


def _from_own(path, split, size):
    from .archives import SUFFIXES, unpack
    from .folders import load_folder

    if path.is_file():
        if not path.name.lower().endswith(SUFFIXES):
            raise DataError(f"{path}: a folder, or one packed as {', '.join(SUFFIXES)}, is expected")
        with tempfile.TemporaryDirectory(prefix="firstspike-") as place:
            unpack(path, place)
            inside = [p for p in Path(place).iterdir() if not p.name.startswith((".", "__MACOSX"))]
            try:
                return _from_own(inside[0] if len(inside) == 1 and inside[0].is_dir() else Path(place), split, size)
            except DataError as error:  # the reader of the message has no such temporary folder
                raise DataError(str(error).replace(place, str(path))) from None
    if any(p.is_file() and "-idx" in p.name for p in path.iterdir()):
        return _from_idx(*_own_files(path, split))
    return load_folder(path, split, size)[:2]


def _own_files(folder, split):
    paths = []
    for part in (f"{split}_images", f"{split}_labels"):
        file = CATALOG["mnist"].files[part]
        path = next((folder / n for n in (file.name, file.plain_name) if (folder / n).is_file()), None)
        if path is None:
            raise MissingData(f"{folder}: needs {file.plain_name} or {file.name} (an IDX file)")
        paths.append(path)
    return paths


def _from_idx(image_path, label_path):
    from .idx import read_idx

    images, labels = read_idx(image_path), read_idx(label_path)
    if images.ndim != 3 or images.dtype != "u1":
        raise DataError(f"{image_path}: images must be uint8 (N, H, W), got {images.dtype} {images.shape}")
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise DataError(f"{label_path}: labels must be integers >= 0 of shape (N,), got {labels.dtype} {labels.shape}")
    if len(images) != len(labels):
        raise DataError(f"{image_path}: {len(images)} images, but {len(labels)} labels in {label_path.name}")
    return images, labels.astype("i8")


def _bundled_digits(split):
    import numpy as np
    from sklearn.datasets import load_digits

    from ..runtime import rng

    values, labels = load_digits(return_X_y=True)
    order = rng.permutation(_SPLIT_SEED, "datasets/digits/split", len(labels))
    n_train = CATALOG["digits"].n_train
    chosen = order[:n_train] if split == "train" else order[n_train:]
    images = np.rint(values.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return images[chosen], labels[chosen].astype(np.int64)

"""ETH-80: 8 classes of objects, 10 objects of a class, 41 views of an object.

    OBJECT/OBJECT-PPP-AAA.png        OBJECT = class and number (cup7), PPP and AAA = polar angle and azimuth in degrees

A folder of this layout, or a zip or tar file of one; editions with fewer objects, other sizes or in colour (made grey
as in ``datasets.folders``) will do. The masks in OBJECT/maps are left alone. Views of one object are much alike: split
by object (:func:`split_by_object`), or accuracies say little about new objects. Leibe & Schiele, CVPR 2003,
doi 10.1109/CVPR.2003.1211497.
"""

import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..runtime import rng
from .catalog import DataError, MissingData
from .folders import MAX_BYTES, _read

__all__ = ["Views", "read_eth80", "split_by_object"]

_NAME = re.compile(r"([A-Za-z]+)(\d+)-(\d{3})-(\d{3})\.png$")


class Views(NamedTuple):
    """What :func:`read_eth80` gives back; objects in order of class and number, views in order of the angles."""

    images: np.ndarray  # uint8 (N, H, W)
    labels: np.ndarray  # int64 (N,), number of the class
    objects: np.ndarray  # int64 (N,), number of the object within its class, as in its name
    angles: np.ndarray  # int64 (N, 2), polar angle and azimuth in degrees
    class_names: tuple  # of str


def read_eth80(path=None, classes=None, size=None) -> Views:
    """Images of ETH-80.

    Parameters
    ----------
    path : path, optional
        Folder of objects, or an archive of it. Default: ``eth80`` in the folder of all data sets, or the one archive
        in there.
    classes : sequence of str, optional
        Only these, such as ``("cup", "dog")``; labels count in this order. Default: all, in order of their names.
    size : (height, width), optional
        Bring the images to this size (area average).

    Raises
    ------
    DataError
        No such layout, a class that is not there, damaged images, images of several sizes.
    """
    path = Path(path) if path is not None else _default()
    if path.is_dir():
        return _from_folder(path, classes, size)
    if not path.exists():
        raise MissingData(f"{path} does not exist; it should be the folder or archive of ETH-80")
    from .archives import unpack

    with tempfile.TemporaryDirectory(prefix="firstspike-") as place:
        unpack(path, place)
        try:
            return _from_folder(Path(place), classes, size)
        except DataError as error:  # the reader of the message has no such temporary folder
            raise DataError(str(error).replace(place, str(path))) from None


def _default():
    from .archives import SUFFIXES
    from .store import root

    place = root() / "eth80"
    if place.is_dir():
        archives = [p for p in sorted(place.iterdir()) if p.name.lower().endswith(SUFFIXES)]
        return archives[0] if len(archives) == 1 else place
    raise MissingData(f"{place} does not exist; put the folder or archive of ETH-80 there, or give its path")


def _from_folder(folder, classes, size):
    found = {}
    for path in folder.glob("**/*.png"):
        match = _NAME.fullmatch(path.name)
        if match and path.parent.name == match[1] + match[2] and path.is_file():
            found.setdefault(match[1], []).append((*(int(match[i]) for i in (2, 3, 4)), path))
    if not found:
        raise DataError(f"{folder} has no images OBJECT/OBJECT-PPP-AAA.png, such as cup7/cup7-000-000.png")
    names = tuple(sorted(found)) if classes is None else tuple(classes)
    if lost := [name for name in names if name not in found]:
        raise DataError(f"{folder} has no class {lost[0]!r}; it has {', '.join(sorted(found))}")
    views = [(label, *view) for label, name in enumerate(names) for view in sorted(found[name])]
    images = []
    for *_, path in views:
        images.append(_read(path, size))
        if images[-1].shape != images[0].shape:
            one, other = ("{} x {}".format(*shape) for shape in (images[-1].shape, images[0].shape))
            raise DataError(f"{path} is {one} pixels, the first image {other}; give a size to bring them to")
        if len(views) * images[0].size > MAX_BYTES:
            raise DataError(
                f"{folder}: {len(views)} images of {images[0].size} pixels take more than {MAX_BYTES} bytes"
            )
    numbers = np.array([view[:4] for view in views], np.int64).reshape(-1, 4)
    return Views(np.stack(images), numbers[:, 0], numbers[:, 1], numbers[:, 2:], names)


def split_by_object(labels, objects, n_test, seed=0):
    """Indices (training, test) with `n_test` objects of each class, drawn by `seed`, in the test part.

    Raises ValueError if a class has not more than `n_test` objects.

    Examples
    --------
    >>> train, test = split_by_object(np.array([0, 0, 0, 0, 1, 1]), np.array([1, 1, 2, 2, 1, 2]), 1)
    >>> len(train), len(test)
    (3, 3)
    """
    labels, objects = np.asarray(labels), np.asarray(objects)
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        own = np.unique(objects[labels == label])
        if not 1 <= n_test < len(own):
            raise ValueError(f"n_test must be in 1..{len(own) - 1}, below the objects of class {label}, got {n_test}")
        order = rng.permutation(seed, f"datasets/eth80/split/{label}", len(own))
        held |= (labels == label) & np.isin(objects, own[order[:n_test]])
    return np.nonzero(~held)[0], np.nonzero(held)[0]

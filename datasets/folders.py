"""Folders of images as data sets: one sub-folder for each class.

    FOLDER/cat/1.png FOLDER/cat/2.jpg FOLDER/dog/...          the split into training and test part is made here
    FOLDER/train/cat/... FOLDER/test/cat/...                  the split is the user's

PNG, JPEG, BMP, PGM and PPM; other files, and names that start with a dot, do not count. Colours become grey by
Rec. 601, (299 R + 587 G + 114 B) / 1000 rounded half up, transparency is left out, 16 bits become 8. All images have
one size, or are brought to one (area average; width and height each by its own factor). Labels are the numbers of the
classes in order of their names. The images of a part come in a random but fixed order, that of the permutation of
stream "datasets/folders/split" of seed 0, because often only the first of them are used; without a split by the user
the last fifth is the test part.
"""

from pathlib import Path

import numpy as np

from .catalog import DataError, MissingData

__all__ = ["load_folder", "read_images"]

MAX_BYTES = 1 << 30  # of all images together, one byte a pixel
MAX_PIXELS = 50_000_000  # of one image file
_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm")
_FORMATS = ("PNG", "JPEG", "BMP", "PPM")  # Pillow's names; nothing else is tried
_SPLIT_SEED, _SPLIT_STREAM = 0, "datasets/folders/split"  # part of the definition, not of a run
_TEST_SHARE = 5


def read_images(folder, size: tuple[int, int] | None = None, max_bytes: int = MAX_BYTES):
    """All images of a folder that has one sub-folder for each class.

    Parameters
    ----------
    folder : path
        The folder.
    size : (height, width), optional
        Bring all images to this size. Without it they must have one size.
    max_bytes : int
        Refuse folders whose images would take more.

    Returns
    -------
    images : uint8 (N, H, W)
        Classes one after the other, files in order of their names.
    labels : int64 (N,)
    class_names : tuple of str
        Names of the sub-folders.

    Raises
    ------
    DataError
        With the file and the reason: no images, damaged, of another size, too large.
    """
    folder = Path(folder)
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise ValueError(f"size must be (height, width), both >= 1, got {size}")
    classes = _sub_folders(folder)
    if not classes:
        raise DataError(f"{folder} has no sub-folders; images are expected in one sub-folder for each class")
    files = {place.name: _images_of(place) for place in classes}
    total = sum(map(len, files.values()))
    images, labels, row = None, np.empty(total, np.int64), 0
    for label, paths in enumerate(files.values()):
        for path in paths:
            image = _read(path, size)
            if images is None:
                if total * image.size > max_bytes:
                    raise DataError(f"{folder}: {total} images of {image.size} pixels take more than {max_bytes} bytes")
                images = np.empty((total, *image.shape), np.uint8)
            if image.shape != images.shape[1:]:
                one, other = ("{} x {}".format(*shape) for shape in (image.shape, images.shape[1:]))
                raise DataError(f"{path} is {one} pixels, the first image {other}; give a size to bring them to")
            images[row], labels[row] = image, label
            row += 1
    return images, labels, tuple(files)


def load_folder(folder, split: str, size: tuple[int, int] | None = None):
    """One part ("train" or "test") of a folder of images; see the head of this file and :func:`read_images`.

    Returns
    -------
    images : uint8 (N, H, W)
    labels : int64 (N,)
    class_names : tuple of str
    """
    from ..runtime import rng

    folder = Path(folder)
    own = {place.name: place for place in _sub_folders(folder)}
    if own.keys() == {"train", "test"}:
        names = [tuple(p.name for p in _sub_folders(own[part])) for part in ("train", "test")]
        if names[0] != names[1]:
            raise DataError(f"{folder}: train and test must have the same classes, got {names[0]} and {names[1]}")
        images, labels, names = read_images(own[split], size)
        order = rng.permutation(_SPLIT_SEED, _SPLIT_STREAM, len(images))
    else:
        images, labels, names = read_images(folder, size)
        order = rng.permutation(_SPLIT_SEED, _SPLIT_STREAM, len(images))
        n_test = max(1, len(images) // _TEST_SHARE)
        order = order[-n_test:] if split == "test" else order[:-n_test]
        if not len(order):
            raise DataError(f"{folder}: {len(images)} image is too few for a training and a test part")
    return images[order], labels[order], names


def _sub_folders(folder):
    if not folder.is_dir():
        raise MissingData(f"{folder} is not a folder")
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__MACOSX")))


def _images_of(folder):
    paths = sorted(
        p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES and not p.name.startswith(".") and p.is_file()
    )
    if not paths:
        raise DataError(f"{folder} has no images ({', '.join(_SUFFIXES)})")
    return paths


def _read(path, size):
    """One image as uint8 (H, W)."""
    import warnings

    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about large images: the limit is ours
            with Image.open(path, formats=_FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise DataError(f"{path}: {height} x {width} pixels, more than the limit of {MAX_PIXELS}")
                grey = _grey(path, image)
            if size is not None and grey.shape != tuple(size):
                small = Image.fromarray(grey).resize((size[1], size[0]), Image.Resampling.BOX)
                grey = np.asarray(small)
            return grey
    except (DataError, FileNotFoundError, PermissionError):
        raise
    except Image.UnidentifiedImageError:
        raise DataError(f"{path} is not a readable image ({', '.join(_FORMATS)})") from None
    except Exception as error:  # decoders of damaged files raise almost anything
        raise DataError(f"{path}: {' '.join(str(error).split())[:200] or type(error).__name__}") from None


def _grey(path, image):
    if image.mode in ("L", "1"):
        return np.asarray(image.convert("L"))
    if image.mode.startswith("I"):  # 16 bits a pixel
        return (np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8)
    if image.mode == "F":
        raise DataError(f"{path}: floating-point pixels are not read")
    colours = np.asarray(image.convert("RGB"))
    total = np.full(colours.shape[:2], 500, np.uint32)
    for channel, part in enumerate((299, 587, 114)):
        total += colours[..., channel] * np.uint32(part)
    return (total // 1000).astype(np.uint8)

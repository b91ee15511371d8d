"""Folders and archives of images: grey, size, labels and split against the oracle; faults name the file."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
from naive.tables import block_means, grey
from PIL import Image

from firstspike.datasets import load
from firstspike.datasets.archives import unpack
from firstspike.datasets.catalog import DataError
from firstspike.datasets.folders import load_folder, read_images


def random(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


@pytest.fixture
def animals(tmp_path):
    """Three classes of 5, 3 and 2 images; the label can be read off each image."""
    folder = tmp_path / "animals"
    for label, (name, n) in enumerate([("ant", 5), ("bee", 3), ("cat", 2)]):
        for k in range(n):
            image = random((6, 4), 10 * label + k)
            image[0, :2] = label, k
            save(folder / name / f"{k}.png", image)
    (folder / "ant" / "notes.txt").write_text("not an image")
    (folder / ".hidden").mkdir()
    (folder / "bee" / "._0.png").write_bytes(b"not an image")
    return folder


def test_images_come_in_order_with_labels_and_names(animals):
    images, labels, names = read_images(animals)
    assert images.shape == (10, 6, 4) and images.dtype == np.uint8 and labels.dtype == np.int64
    assert labels.tolist() == [0] * 5 + [1] * 3 + [2] * 2 and names == ("ant", "bee", "cat")
    assert images[:, 0, 0].tolist() == labels.tolist() and images[:5, 0, 1].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm"])
def test_colours_become_grey_by_the_equation(suffix, tmp_path):
    colours = random((5, 7, 3))
    save(tmp_path / "a" / f"x.{suffix}", colours)
    assert read_images(tmp_path)[0][0].tolist() == grey(colours.tolist())


def test_other_pixels(tmp_path):
    plain = random((5, 7))
    save(tmp_path / "grey" / "a.pgm", plain)
    save(tmp_path / "grey" / "b.png", np.dstack([plain] * 3 + [random((5, 7), 1)]))  # alpha is left out
    save(tmp_path / "grey" / "c.png", plain.astype(np.uint16) * 257)
    Image.fromarray(plain).convert("P").save(tmp_path / "grey" / "d.png")
    images = read_images(tmp_path)[0]
    for image in images:
        np.testing.assert_array_equal(image, plain)
    save(tmp_path / "bits" / "a.png", plain > 127)
    assert set(np.unique(read_images(tmp_path)[0][0])) == {0, 255}
    smooth = np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8) * 8
    save(tmp_path / "lossy" / "a.jpg", smooth, quality=95)
    (tmp_path / "lossy" / "b.JPEG").write_bytes((tmp_path / "lossy" / "a.jpg").read_bytes())
    found = read_images(tmp_path, (16, 16))[0]
    assert len(found) == 7 and abs(found[-1].astype(int) - smooth).max() <= 6


def test_resizing_takes_the_mean_of_areas(tmp_path):
    image = random((12, 18))
    save(tmp_path / "a" / "a.png", image)
    save(tmp_path / "a" / "b.png", random((4, 6)))
    images = read_images(tmp_path, (4, 6))[0]
    assert np.abs(images[0] - np.array(block_means(image.tolist(), 3))).max() <= 1.01  # rounded along each axis
    np.testing.assert_array_equal(images[1], random((4, 6)))
    with pytest.raises(DataError, match=r"b\.png is 4 x 6 pixels, the first image 12 x 18"):
        read_images(tmp_path)
    with pytest.raises(ValueError, match="size"):
        read_images(tmp_path, (0, 3))


def test_split_is_fixed_disjoint_and_mixed(animals):
    train, test = load_folder(animals, "train"), load_folder(animals, "test")
    assert len(train[0]) == 8 and len(test[0]) == 2
    both = sorted((int(i[0, 0]), int(i[0, 1])) for i in (*train[0], *test[0]))
    assert both == [(0, k) for k in range(5)] + [(1, k) for k in range(3)] + [(2, k) for k in range(2)]
    assert train[1].tolist() != sorted(train[1].tolist())
    assert train[0][:, 0, 0].tolist() == train[1].tolist()
    np.testing.assert_array_equal(load(str(animals), "train")[0], train[0])
    images, labels = load(str(animals), "test", 1, size=(3, 2))
    assert images.shape == (1, 3, 2) and labels[0] == test[1][0]


def test_own_split_is_kept(animals):
    for part, source in (("train", "ant"), ("test", "bee")):
        for name in ("x", "y"):
            for k in range(3):
                image = Image.open(animals / source / f"{k}.png")
                save(animals.parent / "own" / part / name / f"{k}.png", np.asarray(image))
    images, labels, names = load_folder(animals.parent / "own", "test")
    assert names == ("x", "y") and sorted(labels) == [0, 0, 0, 1, 1, 1] and set(images[:, 0, 0]) == {1}
    (animals.parent / "own" / "test" / "y").rename(animals.parent / "own" / "test" / "z")
    with pytest.raises(DataError, match="same classes"):
        load_folder(animals.parent / "own", "train")


def truncated(path):
    path.write_bytes(path.read_bytes()[:-45])


def words(path):
    path.write_text("hello")


def bomb(path, side=10_000):
    """So many pixels claim to be in a few bytes."""
    path.write_bytes(f"P5 {side} {side} 255\n".encode() + bytes(50))


def giant_bomb(path):
    bomb(path, 10**6)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated, "truncated"),
        (words, "not a readable image"),
        (bomb, "10000 x 10000 pixels"),
        (giant_bomb, "1000000000000 pixels"),
    ],
)
def test_damaged_images_are_named(damage, message, animals):
    path = animals / "bee" / "1.png"
    damage(path)
    with pytest.raises(DataError) as caught:
        read_images(animals)
    assert str(path) in str(caught.value) and message in str(caught.value)


def test_folders_without_images(animals, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no sub-folders"):
        read_images(tmp_path / "empty")
    (animals / "dog").mkdir()
    with pytest.raises(DataError, match="dog has no images"):
        read_images(animals)
    with pytest.raises(DataError, match="not a folder"):
        read_images(tmp_path / "none")
    (animals / "dog").rmdir()
    with pytest.raises(DataError, match="take more than"):
        read_images(animals, max_bytes=10)
    with pytest.raises(DataError, match="expected"):
        (tmp_path / "a.rar").write_bytes(b"x")
        load(str(tmp_path / "a.rar"))


# ---- archives ------------------------------------------------------------------------------------------------------


def packed(folder, path):
    files = [f for f in sorted(folder.rglob("*")) if f.is_file()]
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for f in files:
                archive.write(f, f.relative_to(folder.parent))
    else:
        with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
            archive.add(folder, folder.name)
    return path


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz"])
def test_an_archive_is_its_folder(name, animals, tmp_path):
    path = packed(animals, tmp_path / name)
    for split in ("train", "test"):
        for a, b in zip(load(str(path), split), load(str(animals), split), strict=True):
            np.testing.assert_array_equal(a, b)
    (animals / "bee" / "1.png").write_text("hello")
    with pytest.raises(DataError) as caught:
        load(str(packed(animals, tmp_path / name)))
    assert str(caught.value).startswith(f"{path}/animals/bee/1.png is not a readable image")


def tar_of(*members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, 3 if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(b"abc") if info.size else None)
    return stream.getvalue()


def zip_of(name, mode=0o100644, content=b"abc"):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("placeholder".ljust(len(name), "x")[: len(name)])
        info.external_attr = mode << 16
        info.filename = name
        archive.writestr(info, content)
    return stream.getvalue()


FILE = tarfile.REGTYPE
HOSTILE = {
    "tar ..": tar_of(("../out", FILE, "")),
    "tar deep ..": tar_of(("a/../../out", FILE, "")),
    "tar absolute": tar_of(("/tmp/out-of-here", FILE, "")),
    "tar drive": tar_of(("C:/out", FILE, "")),
    "tar backslash": tar_of(("..\\out", FILE, "")),
    "tar symlink": tar_of(("a", tarfile.SYMTYPE, "..")),
    "tar symlink, then through it": tar_of(("a", tarfile.SYMTYPE, ".."), ("a/out", FILE, "")),
    "tar hard link": tar_of(("a", tarfile.LNKTYPE, "/etc/passwd")),
    "tar device": tar_of(("a", tarfile.CHRTYPE, "")),
    "tar fifo": tar_of(("a", tarfile.FIFOTYPE, "")),
    "tar twice": tar_of(("a", FILE, ""), ("a", FILE, "")),
    "tar file as folder": tar_of(("a", FILE, ""), ("a/out", FILE, "")),
    "zip ..": zip_of("../out"),
    "zip absolute": zip_of("/tmp/out-of-here"),
    "zip backslash": zip_of("..\\out"),
    "zip symlink": zip_of("a", 0o120777),
    "zip device": zip_of("a", 0o020666),
    "empty name": tar_of((".", FILE, "")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_written_outside_of_the_target(name, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "archive").write_bytes(HOSTILE[name])
    with pytest.raises(DataError) as caught:
        unpack(tmp_path / "archive", tmp_path / "in")
    assert str(tmp_path / "archive") in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive", "in"]
    assert not any(p.is_symlink() for p in tmp_path.rglob("*"))


@pytest.mark.parametrize("suffix", ["zip", "tar"])
def test_count_and_size_are_bounded(suffix, animals, tmp_path):
    path = packed(animals, tmp_path / f"a.{suffix}")
    with pytest.raises(DataError, match="more than 4 members"):
        unpack(path, tmp_path / "in", max_files=4)
    with pytest.raises(DataError, match="more than 99 bytes"):
        unpack(path, tmp_path / "in2", max_bytes=99)


def test_headers_of_a_tar_file_are_bounded(tmp_path):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 1 << 33
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 16))
    with pytest.raises(DataError, match="header claims"):
        unpack(tmp_path / "a.tar", tmp_path / "in")


def test_a_zip_member_larger_than_it_claims(tmp_path):
    data = zip_of("a", content=bytes(1000))
    at = data.index(b"PK\x01\x02") + 24
    (tmp_path / "a.zip").write_bytes(data[:at] + (500).to_bytes(4, "little") + data[at + 4 :])
    with pytest.raises(DataError):
        unpack(tmp_path / "a.zip", tmp_path / "in")
    assert sum(f.stat().st_size for f in (tmp_path / "in").rglob("*")) <= 500

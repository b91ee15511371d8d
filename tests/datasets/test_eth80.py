"""ETH-80: the layout, its archives, classes, sizes, splits by object."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from firstspike.datasets.catalog import DataError, MissingData
from firstspike.datasets.eth80 import read_eth80, split_by_object

ANGLES = [(0, 0), (22, 90), (90, 338)]


@pytest.fixture
def folder(tmp_path):
    """Three classes of unequal numbers of objects; the grey level of a view says which it is."""
    for c, (name, numbers) in enumerate({"cup": (1, 2, 10), "dog": (1, 3), "apple": (7,)}.items()):
        for number in numbers:
            place = tmp_path / "eth80" / f"{name}{number}"
            (place / "maps").mkdir(parents=True)
            for v, (polar, azimuth) in enumerate(ANGLES):
                grey = np.full((6, 4), 100 * c + 3 * number + v, np.uint8)
                Image.fromarray(grey).save(place / f"{name}{number}-{polar:03}-{azimuth:03}.png")
                Image.fromarray(grey).save(place / "maps" / f"{name}{number}-{polar:03}-{azimuth:03}-map.png")
            (place / "notes.txt").write_text("not an image")
    return tmp_path / "eth80"


def test_order_labels_and_angles(folder):
    data = read_eth80(folder, ("cup", "dog"))
    assert data.images.shape == (15, 6, 4) and data.images.dtype == np.uint8 and data.class_names == ("cup", "dog")
    assert data.labels.tolist() == [0] * 9 + [1] * 6
    assert data.objects.tolist() == [1] * 3 + [2] * 3 + [10] * 3 + [1] * 3 + [3] * 3  # 10 comes after 2
    assert data.angles.tolist() == [list(a) for a in ANGLES] * 5
    view = np.tile(np.arange(3), 5)
    assert (data.images[:, 0, 0] == 100 * data.labels + 3 * data.objects + view).all()
    every = read_eth80(folder)
    assert every.class_names == ("apple", "cup", "dog") and len(every.images) == 18


def test_archives_and_the_default_place(folder, tmp_path, monkeypatch):
    expected = read_eth80(folder, ("dog",))
    (tmp_path / "store" / "eth80").mkdir(parents=True)
    packed = tmp_path / "store" / "eth80" / "any-name.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, f"inside/{path.relative_to(folder)}")
    monkeypatch.setenv("FIRSTSPIKE_DATA", str(tmp_path / "store"))
    for got in (read_eth80(packed, ("dog",)), read_eth80(classes=("dog",))):
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_array_equal(a, b)
    packed.unlink()
    (tmp_path / "store" / "eth80").rmdir()
    folder.rename(tmp_path / "store" / "eth80")
    np.testing.assert_array_equal(read_eth80(classes=("dog",)).images, expected.images)


def test_area_average(folder):
    image = np.arange(24, dtype=np.uint8).reshape(6, 4) * 8
    Image.fromarray(image).save(folder / "apple7" / "apple7-000-000.png")
    small = read_eth80(folder, ("apple",), (3, 2)).images[0]
    np.testing.assert_allclose(small, image.reshape(3, 2, 2, 2).mean((1, 3)), atol=0.5)


def test_splits_keep_objects_together():
    labels = np.repeat([0, 0, 0, 1, 1, 1, 1], 4)
    objects = np.repeat([1, 2, 10, 1, 2, 3, 4], 4)
    seen = set()
    for seed in range(20):
        train, test = split_by_object(labels, objects, 1, seed)
        assert sorted([*train, *test]) == list(range(28)) and len(test) == 8
        groups = [{(labels[i], objects[i]) for i in part} for part in (train, test)]
        assert not groups[0] & groups[1] and {label for label, _ in groups[1]} == {0, 1}
        seen.add(tuple(test))
    assert len(seen) > 5
    with pytest.raises(ValueError, match="n_test must be in 1..2"):
        split_by_object(labels, objects, 3)


def test_errors(folder, tmp_path):
    with pytest.raises(DataError, match="no class 'cow'; it has apple, cup, dog"):
        read_eth80(folder, ("cow",))
    with pytest.raises(MissingData, match="does not exist"):
        read_eth80(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no images OBJECT"):
        read_eth80(tmp_path / "empty")
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(folder / "dog3" / "dog3-090-338.png")
    with pytest.raises(DataError, match="5 x 5 pixels, the first image 6 x 4"):
        read_eth80(folder, ("dog",))
    (folder / "dog3" / "dog3-090-338.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="dog3-090-338.png is not a readable image"):
        read_eth80(folder, ("dog",))


def test_the_real_images(data_root):
    if not (data_root / "eth80").is_dir():
        pytest.skip("no eth80 below FIRSTSPIKE_DATA")
    data = read_eth80(data_root / "eth80" if any((data_root / "eth80").glob("*1")) else None, ("cup", "dog"))
    assert len(np.unique(data.angles, axis=0)) == 41 and len(data.images) % 82 == 0
    assert np.bincount(data.labels).tolist() == [len(data.images) // 2] * 2

"""Where data are found, how they are checked, copied and downloaded (from a server on this machine only)."""

import gzip
import hashlib
import http.server
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
from naive import idx as naive

from firstspike.datasets import catalog, store
from firstspike.datasets.catalog import CATALOG, DataError, DataFile, MissingData

PARTS = ("train_images", "train_labels", "test_images", "test_labels")


def digest(data, kind="sha256"):
    return hashlib.new(kind, data).hexdigest()


def tiny_arrays():
    return {
        "train_images": (np.arange(6 * 4 * 3) % 251).astype("u1").reshape(6, 4, 3),
        "train_labels": np.array([0, 1, 2, 0, 1, 2], "u1"),
        "test_images": np.full((2, 4, 3), 9, "u1"),
        "test_labels": np.array([2, 1], "u1"),
    }


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A data set of four small files in <tmp>/origin, in the catalogue under the name "tiny"."""
    origin = tmp_path / "origin"
    origin.mkdir()
    files = {}
    for part, array in tiny_arrays().items():
        plain = naive.encode(array)
        packed = gzip.compress(plain, mtime=0)
        name = CATALOG["mnist"].files[part].name
        (origin / name).write_bytes(packed)
        files[part] = DataFile(name, len(packed), digest(packed, "md5"), digest(packed), len(plain), digest(plain))
    entry = replace(CATALOG["mnist"], name="tiny", n_train=6, n_test=2, image=(4, 3), files=files, mirrors=())
    monkeypatch.setitem(catalog.CATALOG, "tiny", entry)
    monkeypatch.setenv("FIRSTSPIKE_DATA", str(tmp_path / "data"))
    return origin


class _Quiet(http.server.SimpleHTTPRequestHandler):
    requests: list = []

    def log_message(self, *args):
        self.requests.append(self.path)


@pytest.fixture
def serve():
    """Function that serves a folder on 127.0.0.1 and returns its address; all requests land in ``_Quiet.requests``."""
    servers = []
    _Quiet.requests = []

    def start(folder):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: _Quiet(*a, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_root_is_the_variable_or_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FIRSTSPIKE_DATA", str(tmp_path))
    assert store.root() == tmp_path
    monkeypatch.delenv("FIRSTSPIKE_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert store.root().name == "data" and "firstspike" in str(store.root())


@pytest.mark.parametrize("below", ["tiny", "."])
@pytest.mark.parametrize("plain", [False, True])
def test_load_finds_packed_and_plain_in_both_folders(tiny, tmp_path, below, plain):
    place = tmp_path / "data" / below
    place.mkdir(parents=True)
    for path in tiny.iterdir():
        data = path.read_bytes()
        (place / (path.stem if plain else path.name)).write_bytes(gzip.decompress(data) if plain else data)
    arrays = tiny_arrays()
    for split in ("train", "test"):
        images, labels = store.load("tiny", split)
        assert images.dtype == np.uint8 and labels.dtype == np.int64
        np.testing.assert_array_equal(images, arrays[f"{split}_images"])
        np.testing.assert_array_equal(labels, arrays[f"{split}_labels"])
    images, labels = store.load("tiny", n=4)
    assert len(images) == len(labels) == 4
    assert [r["state"] for r in store.status("tiny")] == ["ok"] * 4


def test_own_folder_wins_over_shared_one_and_sizes_tell_data_sets_apart(tiny, tmp_path):
    base = tmp_path / "data"
    shutil.copytree(tiny, base)
    name = CATALOG["mnist"].files["test_labels"].name
    (base / "tiny").mkdir()
    (base / "tiny" / name).write_bytes(b"another data set")  # wrong size: the one above is the right one
    assert store.find("tiny")["test_labels"] == base / name
    shutil.copy(tiny / name, base / "tiny" / name)
    assert store.find("tiny")["test_labels"] == base / "tiny" / name


def test_missing_data_says_what_to_do(tiny):
    with pytest.raises(MissingData) as caught:
        store.load("tiny")
    text = str(caught.value)
    file = catalog.CATALOG["tiny"].files["train_images"]
    for part in (file.name, str(file.n_bytes), file.sha256, "data fetch tiny", "data import tiny", "FIRSTSPIKE_DATA"):
        assert part in text
    assert "\n" not in text and caught.value.exit_code == 3 and isinstance(caught.value, FileNotFoundError)


def test_wrong_checksum_is_refused_unless_told_otherwise(tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "data" / "tiny")
    arrays = tiny_arrays()
    arrays["train_labels"][0] = 1
    path = tmp_path / "data" / "tiny" / "train-labels-idx1-ubyte"
    (path.with_name(path.name + ".gz")).unlink()
    path.write_bytes(naive.encode(arrays["train_labels"]))
    with pytest.raises(DataError, match="train-labels-idx1-ubyte: not the tiny file: sha256 is [0-9a-f]{64}, expected"):
        store.load("tiny")
    assert store.load("tiny", verify=False)[1][0] == 1
    states = {r["part"]: r["state"] for r in store.status("tiny")}
    assert states == {p: "wrong" if p == "train_labels" else "ok" for p in PARTS}
    path.write_bytes(b"short")
    assert "size is 5 bytes" in store.status("tiny")[1]["reason"]


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (dict(name="tinny"), "did you mean 'tiny'"),
        (dict(name="tiny", split="valid"), "split must be"),
        (dict(name="tiny", n=0), "n must be >= 1, got 0"),
        (dict(name="tiny", n=7), "has 6 train images, asked for 7"),
    ],
)
def test_wrong_arguments(tiny, tmp_path, call, word):
    shutil.copytree(tiny, tmp_path / "data" / "tiny")
    with pytest.raises(ValueError, match=word):
        store.load(**call)


def test_own_idx_folder(tmp_path):
    arrays = tiny_arrays()
    for part, array in arrays.items():
        (tmp_path / CATALOG["mnist"].files[part].plain_name).write_bytes(naive.encode(array))
    images, labels = store.load(str(tmp_path), "train")
    np.testing.assert_array_equal(images, arrays["train_images"])
    np.testing.assert_array_equal(labels, arrays["train_labels"])
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(MissingData, match="needs t10k-labels-idx1-ubyte"):
        store.load(str(tmp_path), "test")


@pytest.mark.parametrize(
    ("part", "array", "word"),
    [
        ("train_images", np.zeros((6, 4), "u1"), "images must be uint8"),
        ("train_images", np.zeros((6, 4, 3), "f4"), "images must be uint8"),
        ("train_images", np.zeros((5, 4, 3), "u1"), "5 images, but 6 labels"),
        ("train_labels", np.zeros((6, 1), "u1"), "labels must be integers"),
        ("train_labels", np.zeros(6, "f4"), "labels must be integers"),
        ("train_labels", np.full(6, -1, "i1"), "labels must be integers"),
    ],
)
def test_images_and_labels_must_fit(tmp_path, part, array, word):
    for p, a in (tiny_arrays() | {part: array}).items():
        (tmp_path / CATALOG["mnist"].files[p].plain_name).write_bytes(naive.encode(a))
    with pytest.raises(DataError, match=word):
        store.load(str(tmp_path))


def test_fetch_goes_through_mirrors_and_checks(tiny, tmp_path, serve):
    broken = tmp_path / "broken"
    shutil.copytree(tiny, broken)
    name = CATALOG["mnist"].files["train_images"].name
    (broken / name).write_bytes(b"not the file")
    (broken / CATALOG["mnist"].files["test_labels"].name).unlink()
    first, second = serve(broken), serve(tiny)
    lines = []
    paths = store.fetch("tiny", mirrors=[first, second], report=lines.append)
    assert [p.parent for p in paths] == [tmp_path / "data" / "tiny"] * 4
    assert [r["state"] for r in store.status("tiny")] == ["ok"] * 4
    assert len(_Quiet.requests) > 0 and len(lines) == 6  # two files needed the second mirror
    assert sorted(p.name for p in (tmp_path / "data" / "tiny").iterdir()) == sorted(p.name for p in tiny.iterdir())


def test_fetch_leaves_the_network_alone_when_all_is_there(tiny, tmp_path, serve):
    shutil.copytree(tiny, tmp_path / "data")
    address = serve(tiny)
    store.fetch("tiny", mirrors=[address])
    assert _Quiet.requests == []
    path = tmp_path / "data" / CATALOG["mnist"].files["test_images"].name
    path.write_bytes(path.read_bytes()[:-1] + b"x")  # now one is damaged: it alone is loaded again, beside it
    store.fetch("tiny", mirrors=[address])
    assert [p.rsplit("/")[-1] for p in _Quiet.requests] == [path.name]
    assert [r["state"] for r in store.status("tiny")] == ["ok"] * 4


def test_fetch_that_fails_says_why_and_leaves_nothing(tiny, tmp_path, serve):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / CATALOG["mnist"].files["train_images"].name).write_bytes(b"not the file")
    with pytest.raises(DataError) as caught:
        store.fetch("tiny", mirrors=[serve(broken), "http://127.0.0.1:9/"])
    text = str(caught.value)
    assert "train-images-idx3-ubyte.gz" in text and "127.0.0.1:9" in text and "data import tiny" in text
    assert not any((tmp_path / "data" / "tiny").iterdir())


@pytest.mark.parametrize("plain", [False, True])
def test_import_recognises_files_by_content(tiny, tmp_path, plain):
    mine = tmp_path / "mine"
    mine.mkdir()
    for i, path in enumerate(sorted(tiny.iterdir())):
        data = path.read_bytes()
        (mine / f"file{i}.bin").write_bytes(gzip.decompress(data) if plain else data)
    (mine / "notes.txt").write_text("something else")
    rows = store.import_files("tiny", mine)
    assert [r["state"] for r in rows] == ["ok"] * 4
    assert len(list((tmp_path / "data" / "tiny").iterdir())) == 4
    assert store.load("tiny")[0].shape == (6, 4, 3)
    assert store.import_files("tiny", tmp_path / "data" / "tiny")[0]["state"] == "ok"  # onto itself


def test_import_of_one_file_and_of_wrong_ones(tiny, tmp_path):
    rows = store.import_files("tiny", tiny / CATALOG["mnist"].files["test_labels"].name)
    assert [r["state"] for r in rows] == ["missing", "missing", "missing", "ok"]
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "train-labels-idx1-ubyte.gz").write_bytes(b"x")
    with pytest.raises(DataError, match="train-labels-idx1-ubyte.gz: size is 1 bytes, expected"):
        store.import_files("tiny", wrong)
    with pytest.raises(MissingData, match="does not exist"):
        store.import_files("tiny", tmp_path / "nowhere")
    with pytest.raises(DataError, match="bundled"):
        store.import_files("digits", wrong)


def test_catalogue_is_complete_and_https():
    for name, data in CATALOG.items():
        assert data.name == name and data.licence and data.citation and len(data.classes) == 10
        for mirror in data.mirrors:
            assert mirror.startswith("https://") and mirror.endswith("/")
        if data.files:
            assert tuple(data.files) == PARTS and len(data.mirrors) >= 2
            for part, f in data.files.items():
                n, pixels = (data.n_train if "train" in part else data.n_test), data.image[0] * data.image[1]
                assert f.plain_bytes == (16 + n * pixels if "images" in part else 8 + n)
                assert len(f.md5) == 32 and len(f.sha256) == len(f.plain_sha256) == 64


def test_bundled_digits_and_their_split():
    from sklearn.datasets import load_digits

    train, train_labels = store.load("digits", "train")
    test, test_labels = store.load("digits", "test")
    assert train.shape == (1297, 8, 8) and test.shape == (500, 8, 8) and train.dtype == np.uint8
    values, labels = load_digits(return_X_y=True)
    ours = np.concatenate([train, test]).reshape(-1, 64)
    assert set(np.unique(ours)) <= {round(255 * v / 16) for v in range(17)}
    rows = lambda a, y: sorted(map(tuple, np.column_stack([a, y]).astype(int).tolist()))  # noqa: E731
    back = np.rint(ours.astype(float) * 16 / 255)
    assert rows(back, np.concatenate([train_labels, test_labels])) == rows(values, labels)  # every image once
    assert test_labels[:12].tolist() == FIRST_TEST_LABELS  # the split is part of the definition: it must not move
    assert digest(test.tobytes()) == TEST_SHA256


FIRST_TEST_LABELS = [5, 4, 8, 9, 0, 4, 1, 1, 2, 9, 1, 4]
TEST_SHA256 = "6f40ac8a2ba40137fb64513d59d49997aa56e613666e1eaa3c463961f4371e8b"


def nearest_neighbour_accuracy(train, train_labels, test, test_labels):
    a = train.reshape(len(train), -1).astype(float)
    b = test.reshape(len(test), -1).astype(float)
    distance = (a**2).sum(1) - 2 * b @ a.T
    return np.mean(train_labels[distance.argmin(1)] == test_labels)


@pytest.mark.parametrize(("name", "expected"), [("mnist", 0.906), ("fashion_mnist", 0.801)])
def test_real_data_against_a_known_baseline(data_root, name, expected):
    if not (data_root / name).is_dir():
        pytest.skip(f"FIRSTSPIKE_DATA has no {name}")
    train, test = store.load(name, "train", 5000), store.load(name, "test", 2000)
    assert nearest_neighbour_accuracy(*train, *test) == pytest.approx(expected, abs=6e-4)
    counts = np.bincount(store.load(name, "test")[1])
    mnist = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert counts.tolist() == (mnist if name == "mnist" else [1000] * 10)

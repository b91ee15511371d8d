"""Files in the layout of SHD: reading, writing, frames in exact fractions, damaged and hostile files."""

import numpy as np
import pytest
from naive import shd as naive

from firstspike.datasets import events as tables
from firstspike.datasets import safe_hdf5
from firstspike.datasets.catalog import DataError, MissingData
from firstspike.datasets.events import Events, bin_events, check_events, take
from firstspike.datasets.shd import open_events, read_events, write_events

KEYS = ["null", "eins", "zwei"]


def recordings(n=12, seed=0):
    """As cochlea models give them: float16 times in order, many equal ones."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        size = rng.integers(1, 400)
        times = np.sort(rng.uniform(0, rng.uniform(0.001, 1.4), size).astype("f2"))
        out.append((times, rng.integers(0, 700, size).astype("u2")))
    return out


@pytest.fixture
def official(tmp_path):
    samples = recordings()
    labels, speakers = np.arange(12) % 3, np.arange(12) % 4
    naive.write(tmp_path / "shd.h5", samples, labels, KEYS, speakers)
    return tmp_path / "shd.h5", samples, labels, speakers


def test_official_layout(official):
    path, samples, labels, speakers = official
    found = read_events(path)
    assert found.times.dtype == np.float64 and found.units.dtype == np.int32 and found.n_units == 700
    assert found.class_names == tuple(KEYS) and found.group_names == ()
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(found.groups, speakers)
    for s, (times, units) in enumerate(samples):
        np.testing.assert_array_equal(found.sample(s)[0], times.astype("f8"))
        np.testing.assert_array_equal(found.sample(s)[1], units)
    some = read_events(path, np.array([7, 2]))
    np.testing.assert_array_equal(some.labels, labels[[7, 2]])
    np.testing.assert_array_equal(some.sample(1)[1], samples[2][1])


@pytest.mark.parametrize("block", [1 << 22, 40])
def test_frames_equal_exact_fractions(official, monkeypatch, block):
    path, samples, *_ = official
    monkeypatch.setattr(tables, "_BLOCK", block)
    expected = [naive.frames(*s) for s in samples]
    with open_events(path) as stored:
        assert stored.times.dtype == np.float16
        x, lengths = bin_events(stored)
    assert x.dtype == np.uint8 and x.shape == (12, max(map(len, expected)), 140)
    assert lengths.tolist() == list(map(len, expected))
    assert x.sum(dtype=int) == sum(len(u) for _, u in samples)
    for s, frames in enumerate(expected):
        np.testing.assert_array_equal(x[s, : len(frames)], frames)
        assert not x[s, len(frames) :].any()
    np.testing.assert_array_equal(bin_events(read_events(path))[0], x)
    short, again = bin_events(read_events(path), n_steps=20)
    np.testing.assert_array_equal(short, x[:, :20])
    np.testing.assert_array_equal(again, lengths)
    longer = bin_events(read_events(path), n_steps=200)[0]
    assert longer.shape[1] == 200 and longer.sum(dtype=int) == x.sum(dtype=int)


def one(times, units, n_units=700):
    n = len(times)
    return Events(
        np.array(times), np.array(units), np.array([0, n]), np.zeros(1, int), np.zeros(1, int), (), (), n_units
    )


def test_edges_of_frames():
    for times, frames in (
        ([0.3], [0]),  # one spike
        ([0.3, 0.3], [0, 0]),  # all at once
        ([0.3, 0.31], [0, 0]),  # at the end of the last frame
        ([0.3, 0.31, 0.3101], [0, 1, 1]),
        ([0.28, 0.57, 0.58], [0, 29, 29]),  # 0.57 - 0.28 is a little less than 0.29 in float64
        ([0.31, 0.3], [0, 0]),  # not in order
    ):
        x, lengths = bin_events(one(times, range(len(times)), len(times)), per_channel=1)
        assert x[0].argmax(0).tolist() == frames and x.sum() == len(times) and lengths.tolist() == [max(frames) + 1]
    x, _ = bin_events(one([0.0, 0.0, 0.1], [0, 6, 13], 14), bin_s=0.05, per_channel=5)
    assert x[0].tolist() == [[1, 1, 0], [0, 0, 1]]


def test_round_trip(tmp_path):
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 30, 9)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    times = np.concatenate([np.sort(rng.integers(0, 60, c)) * 0.01 for c in counts])
    units = rng.integers(0, 80, offsets[-1]).astype("i4")
    labels, groups = rng.integers(0, 3, 9), rng.integers(0, 2, 9)
    events = Events(times, units, offsets, labels, groups, tuple(KEYS), ("ada", "bo"), 80)
    path = write_events(tmp_path / "new" / "mine.h5", events)
    for a, b in zip(read_events(path), events, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(take(events, slice(2, 5)), read_events(path, [2, 3, 4]), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(FileExistsError, match="mine.h5 exists"):
        write_events(path, events)
    before = path.read_bytes()
    with pytest.raises(DataError, match="mine.h5: sample 0: units must lie in 0..2"):
        write_events(path, events._replace(n_units=3, units=units + 3), force=True)
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == ["mine.h5"]
    rounded = read_events(write_events(path, events, force=True, dtype="f2"))
    np.testing.assert_array_equal(rounded.times, times.astype("f2").astype("f8"))


def test_files_out_of_order_come_in_order(tmp_path):
    naive.write(tmp_path / "a.h5", [([0.5, 0.25, 0.25], [1, 9, 2]), ([0.125], [4])], [0, 1])
    found = read_events(tmp_path / "a.h5")
    assert found.times.tolist() == [0.25, 0.25, 0.5, 0.125] and found.units.tolist() == [9, 2, 1, 4]
    assert found.groups.tolist() == [-1, -1] and found.class_names == ()
    naive.write(tmp_path / "b.h5", [([0.5], [1]), ([0.125], [4])], [0, 1], speakers=[3, 4, 5])  # a list of speakers
    assert read_events(tmp_path / "b.h5").groups.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("samples", "more", "word"),
    [
        ([([0.1], [3]), ([], [])], {}, "sample 1 has no spikes"),
        ([([0.1], [3]), ([0.2, np.nan], [1, 2])], {}, "sample 1: times must be finite, got nan"),
        ([([0.1], [3]), ([np.inf], [1])], {}, "sample 1: times must be finite, got inf"),
        ([([0.1, 0.2], [3]), ([0.1], [1])], {}, "sample 0: 2 times, but 1 units"),
        ([([0.1], [3])] * 2, {"labels": [0, 7]}, "sample 1: label 7 is not one of 3 classes"),
        ([([0.1], [3])] * 2, {"labels": [0]}, "2 lists of times, 2 of units, 1 labels"),
        ([], {"labels": []}, "no samples"),
    ],
)
def test_bad_samples_are_named(tmp_path, samples, more, word):
    call = {"labels": [0, 1], "keys": KEYS} | more
    naive.write(tmp_path / "bad.h5", samples, **call)
    with pytest.raises(DataError, match=f"bad.h5: .*{word}"):
        read_events(tmp_path / "bad.h5")


def test_other_layouts(tmp_path):
    import h5py

    with pytest.raises(MissingData, match="does not exist"):
        read_events(tmp_path / "no.h5")
    path = tmp_path / "x.h5"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match="x.h5: not a readable HDF5 file"):
        read_events(path)
    naive.write(path, recordings(2), [0, 1])
    with h5py.File(path, "a") as file:
        file.move("labels", "names")
    with pytest.raises(DataError, match="no dataset labels with one whole number"):
        read_events(path)
    with h5py.File(path, "a") as file:
        file["labels"] = h5py.SoftLink("/names")
    with pytest.raises(DataError, match="no dataset labels"):
        read_events(path)
    with h5py.File(path, "w") as file:
        file["spikes/times"], file["spikes/units"], file["labels"] = np.ones(3), np.ones(3, int), np.ones(3, int)
    with pytest.raises(DataError, match="no dataset spikes/times with a list of times"):
        read_events(path)


def test_limits(official):
    path, samples, *_ = official
    with pytest.raises(DataError, match="take more than the limit of 100 bytes"):
        with safe_hdf5.read_spike_file(path, max_bytes=100):
            pass
    many = one([0.1] * 300, [7] * 300)
    with pytest.raises(DataError, match="sample 0 has 300 spikes in one frame and channel"):
        bin_events(many)
    with pytest.raises(DataError, match="take more than|frames"):
        bin_events(one([0.0, 1e9], [1, 2]))
    for call, word in ((dict(bin_s=0.0), "bin_s must be > 0"), (dict(per_channel=0), "must be >= 1, got 0")):
        with pytest.raises(ValueError, match=word):
            bin_events(many, **call)
    with pytest.raises(DataError, match="sample 0: units must lie in 0..5, got 7"):
        check_events(one([0.1], [7], 6))


def test_damaged_files_give_one_line(official):
    path, *_ = official
    data, rng = path.read_bytes(), np.random.default_rng(2)
    bad = path.with_name("bad.h5")
    for cut in (100, len(data) // 2, len(data) - 1):
        bad.write_bytes(data[:cut])
        with pytest.raises(DataError, match="bad.h5"):
            read_events(bad)
    for _ in range(12):
        changed = bytearray(data)
        for at in rng.integers(0, len(data), 40):
            changed[at] = rng.integers(0, 256)
        bad.write_bytes(bytes(changed))
        try:
            found = read_events(bad)
        except DataError as error:
            assert "\n" not in str(error)
            continue
        assert np.isfinite(found.times).all()

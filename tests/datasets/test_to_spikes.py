"""A folder of recordings becomes a file of spikes, and comes back as the same spikes; the command around it."""

import json

import click
import numpy as np
import pytest
from click.testing import CliRunner
from naive import audio as naive

from firstspike.datasets import load_spoken, to_spikes
from firstspike.datasets.catalog import DataError
from firstspike.datasets.commands import COMMANDS
from firstspike.datasets.shd import read_events
from firstspike.datasets.to_spikes import convert, numbers, record_events


def run(*args):
    result = CliRunner().invoke(click.Group("data", commands=COMMANDS), ["spikes", *map(str, args)])
    if result.exception and not isinstance(result.exception, SystemExit):
        return getattr(result.exception, "exit_code", 1), result.stdout, str(result.exception)
    return result.exit_code, result.stdout, result.stderr


def samples(seed, n=700):
    rng = np.random.default_rng(seed)
    envelope = np.repeat(rng.uniform(0, 1, -(-n // 70)), 70)[:n]
    return (9000 * envelope * np.sin(0.15 * (1 + seed % 6) * np.arange(n))).astype(int).tolist()


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "words"
    for k in range(6):
        (place / ("up", "down")[k % 2]).mkdir(parents=True, exist_ok=True)
        (place / ("up", "down")[k % 2] / f"{k}.wav").write_bytes(naive.wav(samples(k)))
    return place


@pytest.fixture
def digits(tmp_path):
    place = tmp_path / "recordings"
    place.mkdir()
    for k in range(8):
        (place / f"{k % 2}_{('ada', 'bo')[k // 4]}_{k}.wav").write_bytes(naive.wav(samples(k)))
    return place


def test_spikes_equal_plain_loops(folder, tmp_path):
    facts = convert(folder, tmp_path / "a.h5")
    events = read_events(tmp_path / "a.h5")
    assert events.class_names == ("down", "up") and events.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert events.n_units == 80 and (events.groups == -1).all()
    for s, k in enumerate((1, 3, 5, 0, 2, 4)):
        power = naive.band_power([x / 32768 for x in samples(k)], 8000, 256, 80, 40, 50, 4000, False)
        expected = naive.onset_events(power, (0.45, 0.7), 60)
        times, units = events.sample(s)
        assert times.tolist() == [f * 80 / 8000 for f, _ in expected] and units.tolist() == [u for _, u in expected]
    assert facts["spikes"] == len(events.times) and facts["samples"] == 6 and facts["skipped"] == 0


def test_reading_back_gives_the_same_events_and_counts(digits, tmp_path):
    events, skipped = record_events(digits)
    convert(digits, tmp_path / "a.h5")
    for a, b in zip(read_events(tmp_path / "a.h5"), events, strict=True):
        np.testing.assert_array_equal(a, b)
    assert skipped == 0 and events.group_names == ("ada", "bo")
    direct, stored = load_spoken(digits, "all"), load_spoken(tmp_path / "a.h5", "all")
    for s in range(8):  # counts start at the first spike
        first = direct.x[s].any(1).argmax()
        length = stored.lengths[s]
        np.testing.assert_array_equal(stored.x[s, : length - 1], direct.x[s, first : first + length - 1])
        rest = direct.x[s, first + length - 1 :].sum(0)
        np.testing.assert_array_equal(stored.x[s, length - 1], rest)
    held = load_spoken(tmp_path / "a.h5", "test", test_speakers=("bo",))
    assert held.groups.tolist() == [1] * 4 and held.group_names == ("ada", "bo") and held.x.shape[2] == 80
    np.testing.assert_array_equal(held.y, direct.y[direct.groups == 1])


def test_parts_classes_and_other_numbers(digits, folder, tmp_path):
    convert(digits, tmp_path / "train.h5", part="train")
    assert len(read_events(tmp_path / "train.h5").labels) == 3
    mel = numbers(16000, 20, 100.0, None, "0.3,0.5,0.9")
    assert (mel.n_fft, mel.hop, mel.f_max, mel.n_units) == (512, 160, 8000, 60)
    facts = convert(folder, tmp_path / "b.h5", mel, classes=("up",))
    events = read_events(tmp_path / "b.h5")
    assert facts["n_units"] == events.n_units == 60 and events.class_names == ("up",) and len(events.labels) == 3
    assert np.array_equal(events.times, np.round(events.times * 100) / 100)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (dict(levels="a"), "levels must be numbers"),
        (dict(levels="0,0.5"), "levels must be > 0 and <= 1"),
        (dict(rate=10), "rate must be >= 1000 Hz, got 10"),
        (dict(f_max=10.0), "0 <= f_min < f_max, got 50.0 and 10.0"),
        (dict(bands=0), "n_bands must be >= 1"),
        (dict(bands=400), "bands hold no frequency"),
    ],
)
def test_wrong_numbers(call, word):
    with pytest.raises(ValueError, match=word):
        numbers(**call)


def test_nothing_half_written(folder, tmp_path, monkeypatch):
    out = tmp_path / "out" / "a.h5"
    (folder / "up" / "2.wav").write_bytes(naive.wav(samples(2))[:-20])
    with pytest.raises(DataError, match="up/2.wav: the file ends before"):
        convert(folder, out)
    (folder / "up" / "2.wav").write_bytes(naive.wav([0] * 500))
    with pytest.raises(DataError, match="up/2.wav gives no spikes"):
        convert(folder, out)
    assert not out.exists()
    assert convert(folder, out, skip_silent=True)["skipped"] == 1
    before = out.read_bytes()
    with pytest.raises(FileExistsError, match="a.h5 exists"):
        convert(folder, out, skip_silent=True)
    monkeypatch.setattr("firstspike.datasets.shd._write", lambda *a: (_ for _ in ()).throw(OSError("no room")))
    with pytest.raises(OSError, match="no room"):
        convert(folder, out, skip_silent=True, force=True)
    assert out.read_bytes() == before and [p.name for p in out.parent.iterdir()] == ["a.h5"]


def test_command(digits, tmp_path):
    out = tmp_path / "a.h5"
    code, text, _ = run(digits, out, "--json", "--part", "test", "--bands", 20, "--levels", "0.5")
    facts = json.loads(text)
    assert code == 0 and facts["samples"] == 5 and facts["n_units"] == 20 and facts["speakers"] == 2
    code, text, _ = run(digits, out, "--force", "--classes", "1")
    assert code == 0 and "4 recordings, 1 classes, 2 speakers, 80 units" in text and str(out) in text
    assert run(digits, out)[2].endswith("a.h5 exists; --force replaces it")
    (digits / "1_bo_7.wav").write_bytes(b"RIFF")
    code, _, text = run(digits, tmp_path / "b.h5")
    assert code == 3 and "1_bo_7.wav" in text and not (tmp_path / "b.h5").exists()
    assert run(digits, tmp_path / "b.h5", "--classes", "7")[0] == 3
    assert run(tmp_path / "nowhere", out)[0] == 2


def test_real_digits(data_root, tmp_path):
    if not (data_root / "fsdd").is_dir():
        pytest.skip("FIRSTSPIKE_DATA has no fsdd")
    place = next(p for p in (data_root / "fsdd").iterdir() if "digit" in p.name)
    facts = convert(place, tmp_path / "fsdd.h5", part="test")
    found = load_spoken(tmp_path / "fsdd.h5", "all")
    direct = load_spoken("fsdd", "test")
    np.testing.assert_array_equal(found.y, direct.y)
    assert facts["samples"] == len(direct.x) and found.x.sum(dtype=int) == facts["spikes"]
    assert facts["spikes_per_sample"] == pytest.approx(94, abs=3)


def test_module_says_what_it_offers():
    assert set(to_spikes.__all__) == {"convert", "numbers", "record_events"}

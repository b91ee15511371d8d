"""Recordings and their parts, names of files, and `load_spoken` for every kind of data, made and real."""

import hashlib
import shutil

import numpy as np
import pytest
from naive import audio as naive
from naive import shd

from firstspike.datasets import load_spoken
from firstspike.datasets.catalog import DataError, MissingData
from firstspike.datasets.mel import SPOKEN, Mel
from firstspike.datasets.recordings import KEYWORDS, command_part, list_recordings, split_by_speaker
from firstspike.datasets.spoken import code_recordings


def sound(seed, n=1500, rate=8000):
    rng = np.random.default_rng(seed)
    envelope = np.repeat(rng.uniform(0, 1, -(-n // 100)), 100)[:n]
    return naive.wav((8000 * envelope * np.sin(0.2 * (1 + seed % 5) * np.arange(n))).astype(int).tolist(), rate)


@pytest.fixture
def digits(tmp_path):
    place = tmp_path / "free-spoken-digit-dataset" / "recordings"
    place.mkdir(parents=True)
    for k, (digit, who, index) in enumerate((d, w, i) for d in "013" for w in ("ada", "bo") for i in (0, 4, 5, 49)):
        (place / f"{digit}_{who}_{index}.wav").write_bytes(sound(k))
    return place.parent


def speaker_of(part, count):
    """Names of speakers whose official part is `part`."""
    found = [f"{k:08x}" for k in range(400) if command_part(f"a/{k:08x}_nohash_0.wav") == part]
    return found[:count]


@pytest.fixture
def commands(tmp_path):
    place = tmp_path / "speech_commands_v0.02"
    who = [(part, s) for part, n in (("train", 3), ("valid", 1), ("test", 2)) for s in speaker_of(part, n)]
    for k, word in enumerate(("yes", "no", "bed", "cat")):
        (place / word).mkdir(parents=True)
        for j, (_, speaker) in enumerate(who):
            (place / word / f"{speaker}_nohash_{j}.wav").write_bytes(sound(10 * k + j, 12_000, 16_000))
    (place / "_background_noise_").mkdir()
    (place / "_background_noise_" / "tap.wav").write_bytes(sound(3, 16_000 * 3 + 5, 16_000))
    return place


def test_digits_by_index_and_by_speaker(digits):
    found = list_recordings(digits)
    assert found.class_names == ("0", "1", "3") and found.group_names == ("ada", "bo") and len(found.names) == 24
    for name, label, group, part in zip(found.names, found.labels, found.groups, found.parts, strict=True):
        digit, who, index = name.rpartition("/")[2].removesuffix(".wav").split("_")
        assert (found.class_names[label], found.group_names[group]) == (digit, who)
        assert part == ("test" if int(index) < 5 else "train")
    parts = split_by_speaker(found, test=["bo"])
    assert ((parts == "test") == (found.groups == 1)).all() and set(parts) == {"test", "train"}
    parts = split_by_speaker(found, valid=["bo"])
    assert (parts[found.parts == "test"] == "test").all()
    assert ((parts == "valid") == ((found.groups == 1) & (found.parts == "train"))).all()
    for call, word in (
        (dict(test=["eve"]), "speaker 'eve' is not in the data .there are: ada, bo"),
        (dict(test=["bo"], valid=["bo"]), "cannot be in the test and in the validation part"),
        (dict(test=["bo"], valid=["ada"]), "no speaker is left"),
    ):
        with pytest.raises(ValueError, match=word):
            split_by_speaker(found, **call)


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_commands_by_lists_and_by_hash(commands, lists, packed):
    names = [p.relative_to(commands).as_posix() for p in commands.rglob("*_nohash_*.wav")]
    if lists:  # other parts than the rule's, to see that they count
        (commands / "validation_list.txt").write_text("yes/" + names[0].rpartition("/")[2] + "\n")
        (commands / "testing_list.txt").write_text("\n".join(n for n in names if n.startswith("no/")))
    place = shutil.make_archive(str(commands), "gztar", commands.parent, commands.name) if packed else commands
    found = list_recordings(place)
    assert found.class_names == ("bed", "cat", "no", "yes") and len(found.names) == 24 and len(found.group_names) == 6
    for name, label, part in zip(found.names, found.labels, found.parts, strict=True):
        word = found.class_names[label]
        assert name.split("/")[-2] == word
        if lists and word == "no":
            assert part == "test"
        elif lists:
            assert part == ("valid" if word == "yes" and name.endswith(names[0].rpartition("/")[2]) else "train")
        else:
            assert part == command_part(name)


def test_hash_rule():
    names = [f"bed/{k:08x}_nohash_{k}.wav" for k in range(300)]
    for name in ("0c40e715_nohash_3.wav", "down/x_y_nohash_1.wav", *names):
        speaker = name.rpartition("/")[2].split("_nohash_")[0]
        share = int(hashlib.sha1(speaker.encode()).hexdigest(), 16) % 2**27 * 100 / (2**27 - 1)
        assert command_part(name) == ("valid" if share < 10 else "test" if share < 20 else "train")


def test_twelve_classes(commands):
    found = list_recordings(commands, 12)
    assert found.class_names == KEYWORDS
    count = {(KEYWORDS[label], part): 0 for label in range(12) for part in ("train", "valid", "test")}
    for label, part in zip(found.labels, found.parts, strict=True):
        count[KEYWORDS[label], part] += 1
    assert count["yes", "train"] == count["no", "train"] == 3 and count["yes", "test"] == 2
    assert count["_unknown_", "train"] == 1  # 6 files of two keywords, over ten keywords
    assert sorted(n for n in found.names if "#" in n) == [f"_background_noise_/tap.wav#{s}" for s in (0, 1, 2)]
    coded = code_recordings(found, np.arange(len(found.names)), seconds=1.0)
    whole = naive.wav([1]), sound(3, 16_000 * 3 + 5, 16_000)[44 + 32_000 : 44 + 64_000]
    second = naive.wav(np.frombuffer(whole[1], "<i2").tolist(), 16_000)
    (commands / "alone").mkdir()
    (commands / "alone" / "a.wav").write_bytes(second)
    alone = code_recordings(list_recordings(commands / "alone"), [0], seconds=1.0)
    np.testing.assert_array_equal(coded.x[found.names.index("_background_noise_/tap.wav#1")], alone.x[0])


def test_words_by_name_and_plain_folders(commands, tmp_path):
    found = list_recordings(commands, ("yes", "bed"))
    assert found.class_names == ("yes", "bed") and set(found.labels) == {0, 1} and len(found.names) == 12
    with pytest.raises(DataError, match="has no class 'dog'; it has bed, cat"):
        list_recordings(commands, ("dog",))
    with pytest.raises(ValueError, match="classes must be 12, 35 or names, got 7"):
        list_recordings(commands, 7)
    place = tmp_path / "own"
    for k in range(20):
        (place / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        (place / "ab"[k % 2] / f"take {k}.WAV").write_bytes(sound(k))
    (place / "a" / "._take 1.wav").write_bytes(b"of another system")
    found = list_recordings(place)
    assert found.class_names == ("a", "b") and (found.groups == -1).all() and found.group_names == ()
    assert (found.parts == "test").sum() == 4 and (found.parts == "train").sum() == 16
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no recordings"):
        list_recordings(tmp_path / "empty")


def test_test_set_as_a_pool(tmp_path):
    place = tmp_path / "speech_commands_test_set_v0.02"
    for word in KEYWORDS:
        (place / word).mkdir(parents=True)
    for k in range(60):
        name = f"{k * 7919:08x}_nohash_{k}.wav"
        (place / "yes" / name).write_bytes(b"")
        (place / "no" / name).write_bytes(b"")
        (place / "_unknown_" / f"cat_{name}.wav").write_bytes(b"")
        (place / "_silence_" / f"{k}.wav").write_bytes(b"")
    for word in KEYWORDS[4:]:
        (place / word / "00000000_nohash_0.wav").write_bytes(b"")
    found = list_recordings(place)
    assert found.class_names == KEYWORDS and np.bincount(found.labels)[:4].tolist() == [60] * 4
    for group in range(len(found.group_names)):  # a speaker is in one part
        assert len(set(found.parts[found.groups == group])) == 1
    shares = [(found.parts == part).mean() for part in ("train", "valid", "test")]
    assert shares == pytest.approx([0.6, 0.1, 0.3], abs=0.12)


def test_load_digits_equals_plain_loops(digits):
    found = load_spoken("fsdd", "train", folder=digits.parent)
    assert found.x.shape == (12, 60, 80) and found.x.dtype == np.uint8 and found.n_steps == 60 and found.bin_s == 0.01
    names = sorted(p for p in (digits / "recordings").iterdir() if int(p.stem.rpartition("_")[2]) >= 5)
    x = np.frombuffer(names[4].read_bytes()[44:], "<i2") / 32768
    power = naive.band_power(x[:600].tolist(), 8000, 256, 80, 40, 50, 4000, False)
    short = digits.parent / "short"
    short.mkdir()
    (short / "a.wav").write_bytes(naive.wav((x[:600] * 32768).astype(int).tolist()))
    events = naive.onset_events(power, SPOKEN.levels, 60)
    one = load_spoken(short, "all")
    assert [tuple(map(int, e)) for e in np.argwhere(one.x[0])] == events and one.lengths.tolist() == [5]
    assert found.y.tolist() == [0] * 4 + [1] * 4 + [2] * 4 and found.class_names == ("0", "1", "3")
    assert found.lengths.tolist() == [16] * 12 and not found.x[:, 16:].any()
    cut = load_spoken("fsdd", "train", n_steps=9, folder=digits.parent)
    np.testing.assert_array_equal(cut.x, found.x[:, :9])
    few = load_spoken("fsdd", "train", n=5, folder=digits.parent)
    assert len(few.x) == 5 and len(set(few.y)) > 1
    held = load_spoken("fsdd", "test", test_speakers=("ada",), folder=digits.parent)
    assert len(held.x) == 12 and {held.group_names[g] for g in held.groups} == {"ada"}


def test_load_commands_and_frames(commands):
    onsets = load_spoken("speech_commands", "test", folder=commands.parent)
    assert onsets.x.shape == (8, 100, 80) and onsets.x.dtype == np.uint8 and set(onsets.lengths) == {97}
    frames = load_spoken("gsc", "test", folder=commands.parent)
    assert frames.x.shape == (8, 101, 140) and frames.x.dtype == np.float32 and frames.x.min() >= -100
    reference = load_spoken("gsc", "test", reference=True, folder=commands.parent)
    assert (reference.x[:, :, 90:] == -100).all() and not (frames.x[:, :, 90:] == -100).all()
    assert len(load_spoken(commands, "all", classes=("yes",)).x) == 6


def test_load_spikes(tmp_path):
    rng = np.random.default_rng(0)
    samples = [(np.sort(rng.uniform(0, 0.4, 50)).astype("f2"), rng.integers(0, 700, 50)) for _ in range(20)]
    labels, speakers = np.arange(20) % 4, np.arange(20) % 5 + 3
    for name, count in (("shd_train", 20), ("shd_test", 6), ("ssc_valid", 9)):
        shd.write(tmp_path / f"{name}.h5", samples[:count], labels[:count], list("abcd"), speakers[:count])
    train = load_spoken("shd", folder=tmp_path)
    assert len(train.x) == 20 and train.x.dtype == np.uint8 and train.x.shape[2] == 140
    for s, sample in enumerate(samples):
        np.testing.assert_array_equal(train.x[s, : train.lengths[s]], shd.frames(*sample))
    assert train.class_names == ("a", "b", "c", "d") and train.groups.tolist() == speakers.tolist()
    less = load_spoken("shd", valid_speakers=(4, "6"), folder=tmp_path)
    valid = load_spoken("shd", "valid", valid_speakers=(4, "6"), folder=tmp_path)
    assert set(valid.groups) == {4, 6} and set(less.groups) == {3, 5, 7} and len(valid.x) + len(less.x) == 20
    assert len(load_spoken("shd", "test", valid_speakers=(4,), folder=tmp_path).x) == 6
    assert len(load_spoken("ssc", "valid", folder=tmp_path).x) == 9
    path = tmp_path / "shd_train.h5"
    sizes = [len(load_spoken(path, part).x) for part in ("train", "test", "all")]
    assert sizes == [16, 4, 20]
    assert set(load_spoken(path, "test", test_speakers=(7,)).groups) == {7}
    few = load_spoken(path, "all", n=7, n_steps=50)
    assert few.x.shape == (7, 50, 140) and len(set(few.y)) > 1
    for call, word in (
        (dict(name="shd", part="valid"), "shd has no validation part"),
        (dict(name="shd", part="all"), "several files"),
        (dict(name="shd", test_speakers=(4,)), "shd has a test part of its own"),
        (dict(name="ssc", valid_speakers=(4,)), "parts of its own"),
        (dict(name="shd", part="last"), "part must be one of train, valid, test, all"),
        (dict(name="shd", n=0), "n must be >= 1, got 0"),
        (dict(name="shd", valid_speakers=(99,)), "speaker '99' is not in the data"),
    ):
        with pytest.raises(ValueError, match=word):
            load_spoken(**call, folder=tmp_path)


@pytest.mark.parametrize("name", ["fsdd", "speech_commands", "gsc", "shd", "ssc"])
def test_missing_data_says_what_to_do(tmp_path, name):
    with pytest.raises(MissingData, match="data fetch (fsdd|speech_commands|shd|ssc)'"):
        load_spoken(name, folder=tmp_path)
    with pytest.raises(MissingData, match="data must be one of fsdd, .* or a path that exists, got 'fsd'"):
        load_spoken("fsd", folder=tmp_path)


def test_errors_name_the_file(digits):
    bad = digits / "recordings" / "1_ada_5.wav"
    bad.write_bytes(bad.read_bytes()[:-7])
    with pytest.raises(DataError, match="1_ada_5.wav is not a readable WAV file: its length does not fit"):
        load_spoken("fsdd", folder=digits.parent)
    bad.write_bytes(b"")
    with pytest.raises(DataError, match="1_ada_5.wav is empty"):
        load_spoken("fsdd", folder=digits.parent)
    bad.write_bytes(sound(1, 90))
    with pytest.raises(DataError, match="1_ada_5.wav: centred frames need more than"):
        code_recordings(list_recordings(digits), np.arange(24), Mel(centred=True))
    with pytest.raises(DataError, match="no samples in the part 'valid'"):
        load_spoken("fsdd", "valid", folder=digits.parent)


def test_same_bits_for_any_number_of_threads(digits):
    import numba

    before, found = numba.get_num_threads(), []
    for threads in {1, min(2, numba.config.NUMBA_NUM_THREADS)}:
        numba.set_num_threads(threads)
        found.append(load_spoken("fsdd", "all", folder=digits.parent).x)
    numba.set_num_threads(before)
    np.testing.assert_array_equal(found[0], found[-1])


def nearest_mean(train, test):
    """Accuracy of the nearest class mean on counts pooled to 12 stretches of time."""
    a, b = (s.x[:, :60].reshape(len(s.x), 12, 5, 80).sum(2).reshape(len(s.x), -1).astype(float) for s in (train, test))
    means = np.stack([a[train.y == c].mean(0) for c in range(10)])
    return np.mean(((b[:, None] - means) ** 2).sum(2).argmin(1) == test.y)


def test_real_digits(data_root):
    if not (data_root / "fsdd").is_dir():
        pytest.skip("FIRSTSPIKE_DATA has no fsdd")
    train, test = load_spoken("fsdd", "train"), load_spoken("fsdd", "test")
    speakers = len(train.group_names)
    assert len(train.x) == 450 * speakers and len(test.x) == 50 * speakers
    assert np.bincount(test.y).tolist() == [5 * speakers] * 10
    spikes = np.concatenate([train.x, test.x]).sum((1, 2))
    assert spikes.mean() == pytest.approx(95, abs=5) and spikes.min() > 20
    assert nearest_mean(train, test) > 0.5


def test_real_commands(data_root):
    mini = data_root / "speech_commands" / "speech_commands_v0.01-mini.tar.gz"
    if not mini.is_file():
        pytest.skip("FIRSTSPIKE_DATA has no small Speech Commands")
    found = list_recordings(mini)
    assert [(found.parts == p).sum() for p in ("train", "valid", "test")] == [205, 44, 51]
    assert len(found.class_names) == 30
    assert [command_part(name) for name in found.names] == found.parts.tolist()  # lists and rule agree
    frames = load_spoken(mini, "test", classes=("yes", "no"))
    assert frames.class_names == ("yes", "no") and frames.x.shape[2] == 80


def test_longest_recording_gives_the_steps(digits):
    found = list_recordings(digits)
    (digits / "recordings" / found.names[3].rpartition("/")[2]).write_bytes(sound(3, 2600))
    free = code_recordings(found, [5, 3])
    assert free.x.shape == (2, 30, 80) and free.lengths.tolist() == [16, 30] and not free.x[0, 16:].any()
    np.testing.assert_array_equal(code_recordings(found, [5, 3], n_steps=20).x, free.x[:, :20])
    frames = code_recordings(found, [5, 3], Mel(), frames=True)
    assert frames.x.shape == (2, 30, 40) and (frames.x[0, 16:] == -100).all() and frames.x.dtype == np.float32

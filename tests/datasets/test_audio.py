"""WAV files of all kinds, damaged ones, mel frames and onsets against plain loops."""

import math

import numpy as np
import pytest
from naive import audio as naive

from firstspike.datasets import archives, audio, mel
from firstspike.datasets.catalog import DataError, MissingData
from firstspike.datasets.mel import Mel

TONE = [round(9000 * math.sin(0.3 * n) + 5000 * math.sin(0.011 * n * n)) for n in range(300)]


@pytest.mark.parametrize(
    ("samples", "bits", "kind", "expected"),
    [
        ([0, 128, 255], 8, 1, [-1, 0, 127 / 128]),
        ([-32768, 0, 16384], 16, 1, [-1, 0, 0.5]),
        ([-(2**23), 2**22, 1], 24, 1, [-1, 0.5, 2.0**-23]),
        ([-(2**31), 2**30, 0], 32, 1, [-1, 0.5, 0]),
        ([0.25, -1.5, 1e-3], 32, 3, [0.25, -1.5, np.float32(1e-3)]),
        ([0.25, -1.5, 1e-3], 64, 3, [0.25, -1.5, 1e-3]),
    ],
)
def test_sample_formats(tmp_path, samples, bits, kind, expected):
    data = naive.wav(samples, 11025, bits, kind=kind)
    x, rate = audio.read_wav(data, "a")
    assert rate == 11025 and x.dtype == np.float64
    np.testing.assert_array_equal(x, expected)
    (tmp_path / "a.wav").write_bytes(data)
    np.testing.assert_array_equal(audio.read_wav(tmp_path / "a.wav")[0], expected)


def test_channels_become_their_mean():
    x, _ = audio.read_wav(naive.wav([100, 300, -32768, 32766, 1, 2], channels=2), "a")
    np.testing.assert_array_equal(x * 32768, [200, -1, 1.5])


def test_every_truncation_is_an_error_with_the_name(tmp_path):
    data = naive.wav(TONE[:20])
    for end in range(len(data)):
        with pytest.raises(DataError, match="^short.wav") as caught:
            audio.read_wav(data[:end], "short.wav")
        assert "\n" not in str(caught.value) and caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "is empty"),
        (b"RIFX" * 20, "not a readable WAV file"),
        (b"\0" * 100, "not a readable WAV file"),
        (naive.wav([]), "holds no samples"),
        (naive.wav([1, 2], rate=3), "sampling rate must lie in 100..1000000 Hz, got 3"),
        (naive.wav([1, 2], rate=2**30), "sampling rate must lie in"),
        (naive.wav([0.0, math.nan], bits=32, kind=3), "sample 1 is not finite"),
        (naive.wav([1, 2], kind=2), "not a readable WAV file"),
        (naive.wav([1, 2], channels=0), "not a readable WAV file"),
    ],
)
def test_bad_files(data, word):
    with pytest.raises(DataError, match=f"^the file.*{word}"):
        audio.read_wav(data, "the file")


def test_random_damage_never_raises_anything_else():
    rng, data = np.random.default_rng(0), naive.wav(TONE[:50])
    for _ in range(1500):
        bad = bytearray(data)
        for at in rng.integers(0, 48, rng.integers(1, 4)):
            bad[at] = rng.integers(0, 256)
        try:
            x, rate = audio.read_wav(bytes(bad), "x")
        except DataError:
            continue
        assert x.ndim == 1 and x.size and np.isfinite(x).all() and rate > 0


def test_paths(tmp_path, monkeypatch):
    with pytest.raises(MissingData, match="nothing.wav does not exist"):
        audio.read_wav(tmp_path / "nothing.wav")
    with pytest.raises(DataError, match="is not a file"):
        audio.read_wav(tmp_path)
    monkeypatch.setattr(audio, "MAX_BYTES", 10)
    (tmp_path / "a.wav").write_bytes(naive.wav(TONE))
    with pytest.raises(DataError, match="more than the limit of 10"):
        audio.read_wav(tmp_path / "a.wav")


def test_resampling_keeps_a_tone():
    t = np.arange(16000) / 16000
    x = audio.resample(np.sin(2 * np.pi * 500 * t), 16000, 8000)
    np.testing.assert_allclose(x[200:-200], np.sin(2 * np.pi * 500 * t[::2])[200:-200], atol=2e-3)
    high = audio.resample(np.sin(2 * np.pi * 6000 * t), 16000, 8000)
    assert np.abs(high[200:-200]).max() < 0.02  # nothing folds down
    assert audio.resample(x, 8000, 8000) is x and len(audio.resample(x, 8000, 11025)) == 11025
    with pytest.raises(ValueError, match="must be > 0 Hz, got 8000 and 0"):
        audio.resample(x, 8000, 0)


SMALL = [
    Mel(n_fft=32, hop=10, n_bands=5, f_min=100.0),
    Mel(n_fft=32, hop=10, n_bands=6, f_min=0.0, f_max=9000.0, centred=True, levels=(0.2, 0.5, 0.9)),
    Mel(rate=11025, n_fft=30, hop=30, n_bands=3, f_max=5000.0, span_db=30.0),
]


@pytest.mark.parametrize("settings", SMALL, ids=["plain", "centred", "odd"])
@pytest.mark.parametrize("n", [300, 33])
def test_bands_and_onsets_equal_plain_loops(settings, n):
    x = np.array(TONE[:n]) / 32768
    m = settings
    expected = naive.band_power(x.tolist(), m.rate, m.n_fft, m.hop, m.n_bands, m.f_min, m.f_max, m.centred)
    found = mel.band_power(x, m)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)
    events = mel.onsets(mel.levels_of(x, m.rate, m), m.levels)
    assert events.shape == (len(expected), m.n_units) and events.dtype == np.uint8
    assert list(zip(*map(np.ndarray.tolist, np.nonzero(events)), strict=True)) == naive.onset_events(
        expected, m.levels, m.span_db
    )
    decibels = mel.log_mel(x, m.rate, m, seconds=None)
    assert decibels.dtype == np.float32
    np.testing.assert_allclose(decibels, 10 * np.log10(np.maximum(expected, 1e-10)), rtol=1e-5)


def test_number_of_frames():
    for n, count in ((1, 1), (255, 1), (256, 1), (335, 1), (336, 2), (3508, 41)):
        assert len(mel.band_power(np.ones(n))) == mel.n_frames(n) == count
    assert mel.log_mel(np.ones(500), 16000).shape == (101, 140)
    assert mel.log_mel(np.ones(50000), 16000).shape == (101, 140)


def test_empty_bands_of_the_reference_setting():
    """Bands whose lower edge lies above half the rate have no bin; they stay at -100 dB."""
    bank = mel.mel_bank(mel.KEYWORDS_REFERENCE)
    edges = [naive.hertz(naive.mel(50) + k * (naive.mel(14000) - naive.mel(50)) / 141) for k in range(142)]
    outside = np.array(edges[:140]) >= 4000
    assert outside.sum() > 50 and not bank[:, outside].any()
    frames = mel.log_mel(np.array(TONE * 60) / 32768, 16000, mel.KEYWORDS_REFERENCE)
    assert (frames[:, outside] == -100).all() and (frames[:, ~outside] > -100).any(0).sum() > 60
    assert mel.mel_bank(mel.SPOKEN).max() <= 1 and mel.SPOKEN.n_units == 80 and mel.SPOKEN.bin_s == 0.01


def test_silence_has_no_onsets():
    assert not mel.onsets(mel.levels_of(np.zeros(4000), 8000), (0.45, 0.7)).any()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (Mel(hop=0), "hop must be >= 1, got 0"),
        (Mel(f_min=5000.0), "0 <= f_min < f_max, got 5000.0 and 4000.0 Hz"),
        (Mel(f_max=math.nan), "f_min and f_max"),
        (Mel(centred=True), "centred frames need more than 128 samples, got 100"),
    ],
)
def test_wrong_settings(settings, word):
    with pytest.raises(ValueError, match=word):
        mel.band_power(np.ones(100), settings)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="levels must be > 0"):
        mel.onsets(np.ones((2, 3)), (0.0, 0.5))
    with pytest.raises(ValueError, match="x must be samples of shape"):
        mel.band_power(np.ones((2, 3)))


@pytest.mark.parametrize("packed", ["folder", "zip", "tar.gz"])
def test_each_file(tmp_path, packed):
    import shutil

    place = tmp_path / "set"
    (place / "b").mkdir(parents=True)
    content = {"a.wav": b"1" * 70_000, "b/c.wav": b"22", "b/list.txt": b"x"}
    for name, data in content.items():
        (place / name).write_bytes(data)
    if packed != "folder":
        kind = "zip" if packed == "zip" else "gztar"
        place = shutil.make_archive(str(tmp_path / "set"), kind, place)
    wav = {n: d for n, d in content.items() if n.endswith(".wav")}
    assert dict(archives.each_file(place, lambda name: name.endswith(".wav"))) == wav
    with pytest.raises(DataError, match="more than"):
        list(archives.each_file(place, lambda name: True, max_bytes=1000))
    with pytest.raises(MissingData, match="does not exist"):
        list(archives.each_file(tmp_path / "nowhere", lambda name: True))


@pytest.mark.parametrize("settings", SMALL, ids=["plain", "centred", "odd"])
def test_frames_are_counted_before_they_are_made(settings):
    for n in range(17, 140):
        assert mel.n_frames(n, settings) == len(mel.band_power(np.ones(n), settings))

"""Damaged sounds and files of spikes: read, or refused in one line with the name, in bounded time and memory."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from naive import audio, shd
from robustness import fuzz

from firstspike.datasets import hdf5_child
from firstspike.datasets.audio import read_wav


def _wavs():
    tone = (9000 * np.sin(0.3 * np.arange(60))).astype(int).tolist()
    small = [v // 256 + 128 for v in tone]
    files = {
        "a.wav": audio.wav(tone),
        "b.wav": audio.wav(tone, 16_000, channels=2),
        "c.wav": audio.wav(small, bits=8),
        "d.wav": audio.wav(tone, bits=24),
        "e.wav": audio.wav([v / 9000 for v in tone], bits=32, kind=3),
    }
    return [(name, data, fuzz.damage) for name, data in files.items()]


def _read_wav(path):
    x, rate = read_wav(path)
    assert x.ndim == 1 and x.size and np.isfinite(x).all() and 100 <= rate <= 1_000_000


def _spike_files():
    rng = np.random.default_rng(0)
    samples = [(np.sort(rng.uniform(0, 1, k)), rng.integers(0, 700, k)) for k in (5, 40, 9)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.h5"
        shd.write(path, samples, [0, 1, 0], ["null", "eins"], [3, 4, 3])
        return [("a.h5", path.read_bytes(), fuzz.damage)]


def _read_spikes(path):
    """As the product's child process does, in a process of ours."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            answer = hdf5_child.spikes(path, folder, 1 << 20, 1 << 20)
        except hdf5_child.Refused as error:
            raise fuzz.Refused(f"{path}: {' '.join(str(error).split())}") from None
        json.dumps(answer)
        counts = np.load(Path(folder) / "counts.npy")
        for name in ("times", "units"):
            size = (Path(folder) / f"{name}.bin").stat().st_size
            assert size == counts.sum() * np.dtype(answer[name]).itemsize


@pytest.mark.parametrize(
    ("kind", "make", "read", "apart", "n"),
    [("wav", _wavs, _read_wav, False, 2000), ("spikes", _spike_files, _read_spikes, True, 150)],
)
def test_damaged_files_are_read_or_refused(kind, make, read, apart, n, tmp_path, monkeypatch):
    monkeypatch.setitem(fuzz.FORMATS, kind, (make, read, apart))
    if apart:
        monkeypatch.setattr(fuzz, "LIMIT_S", 3.0)
    report = fuzz.run(kind, n, 20_261_125, tmp_path)
    assert report["counts"]["refused"] > 0.1 * n and report["counts"]["read"] > 0.1 * n, json.dumps(report)
    strange = {k: m for k, m in report["counts"].items() if k not in ("read", "refused")}
    if apart:  # the library's own loops and crashes
        strange = {k: m for k, m in strange.items() if k not in ("hang", "crash") or m > 3}
    assert not strange, json.dumps(report, indent=1)

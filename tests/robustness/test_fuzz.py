"""Damaged files of every format: a result or one refusal, in bounded time and memory (larger: tools/campaign.py)."""

import json
import os
import random
import signal

import pytest
from robustness import fuzz

N = {"idx": 3000, "npz": 3000, "csv": 3000, "images": 2000, "config": 500, "hdf5": 150, "result": 150}


@pytest.mark.parametrize("kind", N)
def test_damaged_files_are_read_or_refused(kind, tmp_path, monkeypatch):
    if fuzz.FORMATS[kind][2]:
        monkeypatch.setattr(fuzz, "LIMIT_S", 3.0)
    report = fuzz.run(kind, N[kind], 20_260_101, tmp_path)
    assert report["counts"]["refused"] > 0.3 * N[kind] and report["counts"]["read"] > 0, json.dumps(report)
    strange = {k: n for k, n in report["counts"].items() if k not in ("read", "refused")}
    if kind in ("hdf5", "result"):  # the library's own loops and crashes; one in a thousand was seen
        strange = {k: n for k, n in strange.items() if k not in ("hang", "crash") or n > 3}
    assert not strange, json.dumps(report, indent=1)


def test_the_campaign_sees_failures(tmp_path, monkeypatch):
    """Readers that hang, take memory, raise something else or do not name the file are told as such."""

    def broken(path):
        if path.stat().st_size != 30 + 4 + 4:
            raise {0: MemoryError, 1: KeyError}[path.stat().st_size % 2](str(path))

    monkeypatch.setitem(fuzz.FORMATS, "broken", (lambda: [("a", bytes(38), fuzz.damage)], broken, False))
    counts = fuzz.run("broken", 50, 1, tmp_path)["counts"]
    assert counts["error"] > 5 and "refused" not in counts
    monkeypatch.setattr(fuzz, "LIMIT_S", 0.05)
    path = tmp_path / "a"
    path.write_bytes(b"")

    def loop(_):
        while True:
            pass

    def crash(_):
        os.kill(os.getpid(), signal.SIGKILL)

    def nameless(_):
        raise fuzz.Refused("something is wrong")

    assert fuzz._outcome(loop, path) == "hang"
    assert fuzz._in_a_child(crash, path).startswith("crash: signal")
    assert fuzz._outcome(nameless, path).startswith("nameless")


def test_damage_is_the_same_for_the_same_seed():
    data = bytes(range(200))
    a, b = ([fuzz.damage(data, random.Random(s)) for s in range(50)] for _ in range(2))
    assert a == b and len(set(a)) > 45

"""Runs that are killed, interrupted and terminated; two that want one file. (Larger: tools/campaign.py.)"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from robustness import kills

import firstspike
from firstspike.runtime.checkpoint import checkpoint_path

LONG = kills.SETTINGS | {"n_periods": 40_000}


def start(out, *more, **settings):
    """The command line, in the background."""
    words = [w for k, v in (kills.SETTINGS | settings).items() for w in ("--set", f"{k}={v}")]
    command = [sys.executable, "-m", "firstspike", "sim", "coincidence", "--out", str(out), "--json", *words, *more]
    return subprocess.Popen(command, cwd=out.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path, seconds=60.0):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.01)


def ended(process):
    """(exit code, stdout, stderr), and how long it took."""
    begin = time.perf_counter()
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err, time.perf_counter() - begin


@pytest.fixture(scope="module")
def undisturbed():
    return firstspike.run("coincidence", **kills.SETTINGS).content_sha256


@pytest.mark.slow
def test_twenty_kills_lose_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, kills.__file__, "20", "20260101"], capture_output=True, text=True, cwd=tmp_path
    )
    counts = json.loads(done.stdout)
    assert counts["kills"] >= 20 and counts["left_checkpoint"] >= 5 and counts["equal"] == counts["runs"], counts
    for bad in ("different", "failed_attempts", "broken_result", "broken_checkpoint", "left_over"):
        assert counts.get(bad, 0) == 0, (counts, done.stderr)


@pytest.mark.slow
def test_the_command_line_survives_kills(tmp_path, undisturbed):
    out, r = tmp_path / "a.h5", random.Random(5)
    for _ in range(3):
        process = start(out, "--checkpoint-every", "0.02", "--resume")
        wait_for(out.with_name(f".{out.name}.lock"))
        time.sleep(r.uniform(0.05, 0.5))
        process.kill()
        process.communicate()
    code, _, err, _ = ended(start(out, "--resume"))
    assert code == 0, err
    assert firstspike.open(out).content_sha256 == undisturbed
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.slow
def test_ctrl_c_is_answered_within_a_second_and_can_be_taken_up(tmp_path):
    out, waits = tmp_path / "a.h5", []
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGINT, 130)):
        more = ["--resume"] if waits else []
        process = start(out, "--checkpoint-every", "0.05", *more, **LONG)
        lock = out.with_name(f".{out.name}.lock")
        wait_for(lock)
        before = checkpoint_path(out).stat().st_mtime_ns if waits else 0
        while not checkpoint_path(out).exists() or checkpoint_path(out).stat().st_mtime_ns == before:
            time.sleep(0.01)
        begin = time.perf_counter()
        process.send_signal(number)
        first = process.stderr.readline() + process.stderr.readline()
        waits.append(time.perf_counter() - begin)
        rest, stdout = process.stderr.read(), process.stdout.read()  # the lines read so far lie in the pipe's buffer
        assert process.wait(60) == code and not stdout and "kept in" in first, first + rest
        assert "--resume" in rest and "Traceback" not in first + rest, first + rest
        assert not lock.exists() and not out.exists()
    assert sorted(waits)[1] < 1.0, waits  # the median: one of them may meet the start of another process
    code, document, err, _ = ended(start(out, "--resume", **LONG))
    assert code == 0, err
    assert json.loads(document)["content_sha256"] == firstspike.run("coincidence", **LONG).content_sha256


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once(tmp_path):
    """Even between two ticks that never come: the run is held up inside one."""
    code = (
        "import sys, time; from firstspike.runtime.run import Run; from firstspike.cli import main\n"
        "def tick(self, *_): open('ticking', 'w').close(); time.sleep(60)\n"
        "Run.tick = tick; main(sys.argv[1:])"
    )
    words = [w for k, v in kills.SETTINGS.items() for w in ("--set", f"{k}={v}")]
    command = [sys.executable, "-c", code, "sim", "coincidence", "--out", "a.h5", *words]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path / "ticking")
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    found, _, err, seconds = ended(process)
    assert found == 130 and seconds < 2.0 and "Traceback" not in err
    assert [p.name for p in tmp_path.iterdir()] == ["ticking"]


@pytest.mark.slow
def test_two_runs_never_write_one_file(tmp_path):
    out = tmp_path / "a.h5"
    first = start(out, **LONG)
    wait_for(out.with_name(f".{out.name}.lock"))
    second = ended(start(out, **LONG))
    forced = ended(start(out, "--force", **LONG))
    for found in (second, forced):
        assert found[0] == 4 and "another run is writing" in found[2] and "--out" in found[2]
    code, _, err, _ = ended(first)
    assert code == 0, err
    assert firstspike.open(out).status == "complete" and [p.name for p in tmp_path.iterdir()] == ["a.h5"]


SHARED_CACHE = """
import sys
from pathlib import Path
import numpy as np
from firstspike.runtime import jit, rng
def total(x):
    s = 0.0
    for i in range(x.size):
        s += f(x[i])
    return s
def f(v):
    return v * v + 1.0
print(jit.specialise(total, f=f)(np.arange(10.0)), rng.uniforms(3, "test", 4).tolist())
"""


def test_two_processes_may_fill_one_empty_cache(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SHARED_CACHE)
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for _ in range(2):  # together into an empty cache, then together out of a full one
        both = [
            subprocess.Popen(
                [sys.executable, script], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        said = [p.communicate(timeout=120) for p in both]
        assert said[0][0] == said[1][0] and said[0][0].startswith("295.0"), said
        assert not said[0][1] and not said[1][1]
    assert list(Path(tmp_path / "cache").rglob("*.nbc"))


def test_a_run_killed_between_result_and_checkpoint_is_tidied_up(tmp_path):
    """Its result is there and whole, beside a checkpoint and a temporary that nobody needs."""
    from firstspike.runtime.checkpoint import load_checkpoint, save_checkpoint

    out = tmp_path / "a.h5"
    made = firstspike.run("coincidence", out=out, **kills.SETTINGS)
    parameters = made.parameters | {"source_digest": made.provenance["source_digest"], "device": "cpu"}
    save_checkpoint(checkpoint_path(out), {}, parameters, 0.9)
    (tmp_path / ".a.h5.123.tmp").write_bytes(b"half")
    (tmp_path / ".a.h5.ckpt.h5.123.tmp").write_bytes(b"half")
    with pytest.raises(FileExistsError):
        firstspike.run("coincidence", out=out, **kills.SETTINGS)
    again = firstspike.run("coincidence", out=out, resume=True, **kills.SETTINGS)
    assert again.content_sha256 == made.content_sha256 and [p.name for p in tmp_path.iterdir()] == ["a.h5"]
    save_checkpoint(checkpoint_path(out), {"x": 1}, parameters | {"seed": 9}, 0.9)  # begun with --force
    firstspike.run("coincidence", out=out, resume=True, **kills.SETTINGS)
    assert load_checkpoint(checkpoint_path(out), parameters | {"seed": 9}) == {"x": 1}


@pytest.mark.slow
def test_digits_survive_a_kill(tmp_path):
    out, r = tmp_path / "a.h5", random.Random(7)
    few = {"n_train": 300, "n_test": 50, "n_validation": 50, "maps": (8, 12), "epochs": (2, 4), "presentations": (0, 0)}
    words = ["--set", "c=none", "--json", "--resume", "--preset", "quick", "--checkpoint-every", "0.01"]
    for key, value in few.items():
        words += ["--set", f"{key}={','.join(map(str, value)) if isinstance(value, tuple) else value}"]
    command = [sys.executable, "-m", "firstspike", "train", "digits", "--out", str(out), *words]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not checkpoint_path(out).exists():
        time.sleep(0.005)
    time.sleep(r.uniform(0.0, 0.2))
    process.kill()
    assert process.wait() == -signal.SIGKILL and checkpoint_path(out).exists()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    undisturbed = firstspike.run("digits", "quick", c=None, **few)
    assert json.loads(done.stdout)["content_sha256"] == undisturbed.content_sha256
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]

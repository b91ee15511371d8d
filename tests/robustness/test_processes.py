"""Help, dry runs and doctor touch no network and no file outside of caches; an upgrade runs no stale machine code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import firstspike
from firstspike.runtime.jit import cache_folder

ROOT = Path(firstspike.__file__).parent

#: Loaded by every Python that has its folder on the path: whatever is forbidden ends the process with code 99.
GUARD = """
import os, sys
ALLOWED = [p for p in os.environ["GUARD_ALLOWED"].split(os.pathsep) if p]
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
def outside(path, folder=-1):
    if not isinstance(path, (str, bytes, os.PathLike)):
        return False
    folder = os.readlink(f"/proc/self/fd/{folder}") if folder >= 0 else ""
    path = os.path.realpath(os.path.join(folder, os.fsdecode(path)))
    return path != os.devnull and not any(path == p or path.startswith(p + os.sep) for p in ALLOWED)
def guard(event, args):
    bad = event in ("socket.connect", "socket.getaddrinfo", "socket.bind", "socket.gethostbyname", "socket.sendto")
    if event == "open":
        path, mode, flags = args
        bad = outside(path) and (bool(flags & WRITING) if mode is None else any(c in str(mode) for c in "wax+"))
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod"):
        bad = outside(args[0], args[-1] if event in ("os.remove", "os.rmdir", "os.mkdir") else -1)
    if bad:
        os.write(2, f"FORBIDDEN {event} {args}".encode())
        os._exit(99)
sys.addaudithook(guard)
"""


@pytest.fixture
def guarded(tmp_path):
    """Run Python under the guard in a folder of its own; what may be written is the cache only."""
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    home.mkdir()
    cache = os.environ.get("NUMBA_CACHE_DIR") or str(Path.home() / ".cache" / "firstspike")
    env = {k: v for k, v in os.environ.items() if k != "FIRSTSPIKE_DATA"}
    env |= {
        "PYTHONPATH": str(tmp_path / "guard"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "GUARD_ALLOWED": os.path.realpath(cache),
    }

    def run(*args):
        done = subprocess.run([sys.executable, *args], cwd=work, env=env, capture_output=True, text=True)
        assert not list(work.iterdir())
        return done

    return run


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "open('x', 'w')",
        "from pathlib import Path; Path('x').mkdir()",
        "import os; os.open('x', os.O_CREAT | os.O_WRONLY)",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')",
    ],
)
def test_the_guard_sees_it(code, guarded):
    done = guarded("-c", code)
    assert done.returncode == 99 and "FORBIDDEN" in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        "--help", "sim --help", "sim coincidence --help", "train digits --help", "theory snr --help", "--version",
        "sim coincidence --dry-run", "sim coincidence --dry-run --json --preset masquelier2018 --seeds 5",
        "train digits --dry-run --data digits", "data list", "data info mnist", "data path", "completions bash",
        "sim coincidence --preset list", "theory snr", "bench --help", "doctor",
    ],
)  # fmt: skip
def test_nothing_is_written_and_nobody_is_called(args, guarded):
    done = guarded("-m", "firstspike", *args.split())
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_doctor_deletes_nothing_unless_asked(guarded):
    other = cache_folder().parent / ("0" * 16)
    other.mkdir(parents=True, exist_ok=True)
    (other / "kernel.nbc").write_bytes(b"machine code of another version")
    try:
        assert guarded("-m", "firstspike", "doctor").returncode == 0
        assert (other / "kernel.nbc").exists()
    finally:
        shutil.rmtree(other, ignore_errors=True)


SCRIPT = """
import firstspike
from firstspike.datasets import poisson
times, units, counts = poisson.fill_poisson([3], 2, 10.0, 0.0, 1.0)
kernels = [k for k in vars(poisson).values() if hasattr(k, "stats")]
hits = sum(sum(k.stats.cache_hits.values()) for k in kernels)
print(firstspike.__file__, times[0, : counts[0]].tolist(), hits, sep="|")
"""


@pytest.mark.slow
def test_an_upgrade_runs_no_stale_machine_code(tmp_path):
    """A copy of the package is run; then a helper of its kernels changes, in another file: so does the result."""
    copy = tmp_path / "site" / "firstspike"
    copy.mkdir(parents=True)
    shutil.copy(ROOT / "__init__.py", copy)
    for name in ("runtime", "datasets"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "script.py").write_text(SCRIPT)
    env = os.environ | {"PYTHONPATH": str(tmp_path / "site"), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    env["PYTHONDONTWRITEBYTECODE"] = "1"

    def run():
        command = [sys.executable, tmp_path / "script.py"]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        place, times, hits = done.stdout.strip().split("|")
        assert place.startswith(str(copy))
        return times, int(hits)

    first = run()
    assert run()[0] == first[0] and run()[1] > first[1] == 0
    path = copy / "runtime" / "rng.py"
    before = path.read_text()
    after = before.replace("(30, 27, 31, 11, 32)", "(30, 27, 29, 11, 32)")
    assert after != before
    path.write_text(after)
    changed = run()
    assert changed[0] != first[0] and changed[1] == 0
    path.write_text(before)
    assert run()[0] == first[0]

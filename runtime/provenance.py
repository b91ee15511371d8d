"""How a result came about: command, times, versions, sources, machine. Never part of the content hash."""

import os
import platform
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

__all__ = ["cpu_model", "git_commit", "provenance", "usable_cores"]


def usable_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def provenance(run, started: float, cpu_started: float) -> dict:
    """Attributes of ``/provenance``: command, times, versions, machine."""
    import h5py
    import numba
    import numpy
    import scipy

    from .. import __version__
    from .jit import source_digest

    finished = time.time()
    out = {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "created_utc": _utc(started),
        "finished_utc": _utc(finished),
        "wall_time_s": finished - started,
        "cpu_time_s": time.process_time() - cpu_started,
        "firstspike_version": __version__,
        "source_digest": source_digest(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
        "h5py": h5py.__version__,
        "hdf5": h5py.version.hdf5_version,
        "platform": platform.platform(),
        "cpu_model": cpu_model(),
        "n_threads": run.threads,
        "device": run.device,
        "resumed": int(run.restored is not None),
    }
    return out | git_commit()


@cache
def cpu_model() -> str:
    """Name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@cache
def git_commit() -> dict:
    """Commit and cleanliness of the sources when they are a checkout, otherwise empty; of the process's first run."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return {}

    def git(*words):
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, timeout=5)
        return done.stdout.strip()

    try:
        head, dirty = git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "-uno"))
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"git_commit": head, "git_dirty": int(dirty)} if head else {}


def _utc(seconds):
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

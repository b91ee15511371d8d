"""Checkpoints: where a run stands, one file beside its result; and the lock of a result's name.

``a.h5`` has the checkpoint ``a.h5.ckpt.h5`` and, while a run works on it, the lock ``.a.h5.lock``. A checkpoint is a
result file of kind ``checkpoint``: the arrays of the run's state and the parameters it belongs to. It is replaced as a
whole, so that a run killed at any moment leaves the last one intact.
"""

import os
from pathlib import Path

from .results import Result, ResultError, differences, open_result

__all__ = ["Lock", "Locked", "checkpoint_path", "load_checkpoint", "save_checkpoint"]


def checkpoint_path(out) -> Path:
    """The checkpoint file of a result file."""
    out = Path(out)
    return out.with_name(f"{out.name}.ckpt.h5")


def save_checkpoint(path, state: dict, parameters: dict, done: float) -> None:
    """Publish `state` (name -> array) of a run with these parameters that has come to the fraction `done`."""
    result = Result("checkpoint", parameters=parameters, status="checkpoint")
    result.add("done", float(done), (), "1", "fraction of the run")
    result.add("names", list(state) or [""], ("names",), "1", "the state's arrays in their order")
    for name, value in state.items():
        shape = getattr(value, "shape", ())
        result.add(f"state.{name}", value, tuple(f"{name}.{i}" for i in range(len(shape))), "1", name)
    result.save(path, compress=False)


def load_checkpoint(path, parameters: dict) -> dict:
    """State of the checkpoint at `path`.

    Raises ResultError if it cannot be read, or if it belongs to other parameters or seeds (which are then listed).
    """
    found = open_result(path)
    if found.kind != "checkpoint":
        raise ResultError(f"{path} is a result of kind {found.kind}, not a checkpoint")
    wanted = Result("checkpoint", parameters=parameters)
    different = [line for line in differences(found, wanted) if line.startswith("parameter ")]
    if different:
        raise ResultError(f"{path} belongs to another run (its value | this run's): {'; '.join(different)}")
    return {name: found[f"state.{name}"] for name in found["names"] if name}


class Locked(RuntimeError):
    """Another process works on this result."""

    exit_code = 4


class Lock:
    """Exclusive right to write a result file, for this process and while it lives (context manager).

    The system frees it when the process ends, however it ends. Raises :class:`Locked` if another process has it.
    """

    def __init__(self, out):
        out = Path(out)
        self.path, self.out = out.with_name(f".{out.name}.lock"), out
        self.handle = None

    def __enter__(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            if not _take(handle):
                os.close(handle)
                raise Locked(f"another run is writing {self.out}; give this one another --out")
            if _same_file(handle, self.path):
                self.handle = handle
                return self
            os.close(handle)  # its owner ended, and removed it, between our two steps

    def __exit__(self, *_):
        self.path.unlink(missing_ok=True)
        os.close(self.handle)


def _take(handle) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same_file(handle, path) -> bool:
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False

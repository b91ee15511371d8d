"""Where the runs of a sweep are computed: processes of this machine, an existing Dask cluster, or this process.

An engine is a generator of ``(job, error)`` in the order in which runs end (error: None or text); it never stops for a
run that fails. What a run leaves is the same wherever it was computed: its parameters and seeds say all.
"""

import os
import tempfile
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..runtime.checkpoint import Locked
from .sweep import record_failure, run_job

__all__ = ["in_dask", "in_processes", "in_this_process"]

_POLL = 0.3  # s between two looks at how far running jobs are
ELSEWHERE = "another process works on it"


def in_this_process(jobs, force, report):
    """One after the other, here; Ctrl-C leaves a checkpoint beside the run it interrupts."""
    for job in jobs:
        try:
            yield job, run_job(job, lambda done, note="": report(done), force)
        except Locked:
            yield job, ELSEWHERE


# ---- processes --------------------------------------------------------------------------------------------------
_done_of: list = []  # in a worker: shared fractions of all jobs


def _start_worker(shared):
    _done_of[:] = [shared]


def _in_worker(job, number, force):
    shared = _done_of[0]

    def tell(done, note=""):
        shared[number] = done

    try:
        return run_job(job, tell, force)
    except Locked:
        return ELSEWHERE
    finally:
        shared[number] = 0.0


@contextmanager
def _pool(n_processes, context, shared):
    """Processes of one thread each, gone afterwards."""
    before = {k: os.environ.get(k) for k in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    pool = ProcessPoolExecutor(n_processes, context, _start_worker, (shared,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for k, v in before.items():
            os.environ.pop(k, None) if v is None else os.environ.__setitem__(k, v)


def in_processes(jobs, n_processes, force, report):
    """On so many processes, one thread each. A process that dies (out of memory) fails its own run only."""
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    shared = context.Array("d", len(jobs), lock=False)
    todo, suspects = list(enumerate(jobs)), []  # suspects: one of them killed its process; each is tried alone
    while todo or suspects:
        running, ended = {}, set()
        try:
            with _pool(1 if suspects else n_processes, context, shared) as pool:
                waiting = iter(suspects[:1] or todo)
                for _ in range(2 * n_processes):
                    _submit(pool, waiting, running, force)
                while running:
                    done, _ = wait(running, _POLL, FIRST_COMPLETED)
                    report(sum(shared))
                    for future in done:
                        error = future.result()
                        number, job = running.pop(future)
                        ended.add(number)
                        _submit(pool, waiting, running, force)
                        yield job, error
        except BrokenProcessPool as error:
            if suspects:
                number, job = suspects[0]
                ended.add(number)
                record_failure(job, error)
                yield job, "its process died (out of memory?)"
            else:
                suspects = list(running.values())
        todo = [x for x in todo if x[0] not in ended and x not in suspects]
        suspects = [x for x in suspects if x[0] not in ended]


_ONE_THREAD = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def _submit(pool, waiting, running, force):
    found = next(waiting, None)
    if found:
        running[pool.submit(_in_worker, found[1], found[0], force)] = found


# ---- Dask -------------------------------------------------------------------------------------------------------
def _on_cluster(job):
    """Run a job anywhere; (content of its result file or None, error, traceback)."""
    with tempfile.TemporaryDirectory() as folder:
        there = replace(job, out=Path(folder) / job.out.name)
        error = run_job(there)
        if error is None:
            return there.out.read_bytes(), None, ""
        return None, error, there.failure.read_text()


def in_dask(jobs, address, report):
    """On the workers of the Dask scheduler at `address`; result files are written here.

    A worker that dies costs nothing but time: the scheduler gives its runs to others, and one that kills three workers
    counts as failed. Needs the package ``distributed``.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise ModuleNotFoundError("Dask is not installed here: pip install 'firstspike[distributed]'") from None
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except OSError as error:
        raise ConnectionError(f"no Dask scheduler answers at {address}: {error}") from None
    with client, client.as_current():
        futures = {client.submit(_on_cluster, job, pure=False, key=f"{job.out.stem}"): job for job in jobs}
        for future in as_completed(futures):
            job = futures[future]
            try:
                content, error, record = future.result()
            except Exception as found:  # the run killed its workers, or was cancelled
                record_failure(job, found)
                yield job, f"{type(found).__name__}: {found}"
                continue
            job.out.parent.mkdir(parents=True, exist_ok=True)
            if error is None:
                _publish(job.out, content)
                job.failure.unlink(missing_ok=True)
            else:
                job.failure.write_text(record)
            future.release()
            report(0.0)
            yield job, error


def _publish(path, content):
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as handle:
        handle.write(content)
        os.fsync(handle.fileno())
    temporary.replace(path)

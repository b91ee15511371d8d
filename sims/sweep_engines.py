"""Where the runs of a sweep are computed: processes of this machine, an existing Dask cluster, or this process.

An engine is a generator of ``(job, error)`` in the order in which runs end (error: None or text); it never stops for a
run that fails. What a run leaves is the same wherever it was computed: its parameters and seeds say all.
"""

import os
import signal
import tempfile
import threading
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..runtime.checkpoint import Lock, Locked
from ..runtime.jit import source_digest
from .sweep import record_failure, run_job, state_of

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
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent):
    """End this process, its run with a checkpoint, when the one that started it has died."""
    while True:
        time.sleep(1)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)


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
_TOPIC, _TELL = "firstspike-sweep", 2.0  # s between two messages of a run; more with many workers: 100 a second in all
_MOST = 4000  # runs under way: a lock is an open file


class OtherSources(RuntimeError):
    """A worker has another firstspike than the one that asks."""


def _on_cluster(job, digest, every=_TELL):
    """Run a job anywhere; (content of its result file or None, error, record of the failure).

    How far it is, it tells every so many seconds. Raises OtherSources if `digest` is not that of the sources here.
    """
    from distributed import get_worker

    if source_digest() != digest:
        raise OtherSources(f"worker {get_worker().address} has other sources of firstspike: install this one there")
    last = [time.monotonic()]

    def tell(done, note=""):
        if time.monotonic() - last[0] > every:
            last[0] = time.monotonic()
            get_worker().log_event(_TOPIC, {"run": job.out.stem, "done": float(done)})

    with tempfile.TemporaryDirectory() as folder:
        there = replace(job, out=Path(folder) / job.out.name)
        error = run_job(there, tell)
        if error is None:
            return there.out.read_bytes(), None, ""
        return None, error, there.failure.read_text()


def in_dask(jobs, address, report):
    """On the workers of the Dask scheduler at `address`; result files are written here.

    A worker that dies costs nothing but time: the scheduler gives its runs to others, and one that kills three workers
    counts as failed. Twice as many runs are submitted as there are threads; while they are, their files are locked, so
    that several commands, each with a scheduler of its own, can share a sweep. Needs the package ``distributed``.

    Raises
    ------
    ConnectionError
        No scheduler answers, or it was lost on the way; what was computed is kept.
    OtherSources
        A worker has another version of firstspike.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise ModuleNotFoundError("Dask is not installed here: pip install 'firstspike[distributed]'") from None
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(f"no Dask scheduler answers at {address}: {error}") from None
    waiting, running, done_of = deque(jobs), {}, {}  # running: future -> (job, its lock); done_of: run -> fraction
    try:
        with client, client.as_current():
            client.subscribe_topic(_TOPIC, lambda event: done_of.update({event[1]["run"]: event[1]["done"]}))
            ended, most, looked = as_completed(), 0, 0.0
            while True:
                if time.monotonic() - looked > _TELL:  # workers come and go
                    most, looked = min(_MOST, 2 * sum(client.nthreads().values())), time.monotonic()
                    if not most:
                        report(0.0, "waiting for workers")
                while waiting and len(running) < most:
                    job = waiting.popleft()
                    lock, error = _lock(job)
                    if lock:
                        future = client.submit(_on_cluster, job, source_digest(), max(_TELL, most / 200), pure=False)
                        running[future] = job, lock
                        ended.add(future)
                    else:
                        yield job, error
                if not running and not waiting:
                    return
                batch = ended.next_batch(block=False)
                for future in batch:
                    job, lock = running.pop(future)
                    try:
                        error = _fetch(future, job, address)
                    finally:
                        lock.__exit__()
                    done_of.pop(job.out.stem, None)
                    yield job, error
                if not batch:
                    time.sleep(0.05)
                    report(sum(done_of.get(job.out.stem, 0.0) for job, _ in running.values()))
    finally:
        for _, lock in running.values():
            lock.__exit__()


def _lock(job):
    """(lock, None), or (None, why this job is not to be computed: None if it is done)."""
    lock = Lock(job.out)
    try:
        lock.__enter__()
    except Locked:
        return None, ELSEWHERE
    if state_of(job) == "done":  # by another command, since this one looked
        lock.__exit__()
        return None, None
    return lock, None


def _fetch(future, job, address):
    """Write what a future brought beside the other results; None, or the text of the run's error."""
    from distributed import CancelledError

    try:
        content, error, record = future.result()
    except OtherSources:
        raise
    except CancelledError:
        raise ConnectionError(f"the Dask scheduler at {address} was lost; the same command goes on from here") from None
    except Exception as found:  # the run killed its workers
        record_failure(job, found)
        return f"{type(found).__name__}: {found}"
    if error is None:
        _publish(job.out, content)
        job.failure.unlink(missing_ok=True)
    else:
        job.failure.write_text(record)
    return error


def _publish(path, content):
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as handle:
            handle.write(content)
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)

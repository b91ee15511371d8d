"""What a run of a sweep costs beyond the run itself, and how a sweep scales over processes.

    python sweep_overhead.py overhead [N]        # N = 1000 tiny runs of sim coincidence, one process; one line
    python sweep_overhead.py theory [N]          # N points of theory snr, computed by collect
    python sweep_overhead.py scaling [N] [J]     # N = 12 runs of a few seconds on 1 and on J = 2 processes
    python sweep_overhead.py cluster [N]         # N = 1000 empty runs through a Dask scheduler here, then 1 000 workers
                                                 # simulated with the costs that were found

overhead: processor and wall time of `sweep run -j 1` and `sweep collect` over N runs, minus that of the same N runs by
`firstspike.run(..., out=file)`, both with everything compiled and in this process; parts of 50 runs take turns.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

TINY = {"n_periods": 2, "n_recorded": 1, "n_afferents": 300, "probe_duration": 0, "v_periods": 0}
TINY |= {"threshold": [0.7], "w_out": [0.5]}
PART = 50


def sweep_file(folder, name, n, table):
    """A sweep of n values of the rate."""
    path = Path(folder) / f"{name}.json"
    path.write_text(json.dumps(table | {"grid": {"rate": [2 + 1e-3 * k for k in range(n)]}}))
    return path


def clock():
    """(wall, processor) seconds."""
    return time.perf_counter(), time.process_time()


def passed(since):
    """Seconds since then."""
    return tuple(b - a for a, b in zip(since, clock(), strict=True))


def overhead(n=1000):
    """Print milliseconds a run: reading and planning, running beyond the runs themselves, collecting."""
    import firstspike as fs
    from firstspike.sims.collect import collected
    from firstspike.sims.sweep import read_sweep, state_of
    from firstspike.sims.sweep_engines import in_this_process

    n = int(n)
    with tempfile.TemporaryDirectory() as folder:
        path = sweep_file(folder, "a", n, {"command": "sim coincidence", "parameters": TINY})
        fs.run("coincidence", **TINY)
        start = clock()
        jobs = read_sweep(path).jobs
        read = passed(start)
        start = clock()
        assert all(state_of(j) == "missing" for j in jobs)
        looked = passed(start)
        alone, swept = [], []
        for k in range(0, n, PART):
            part = jobs[k : k + PART]
            start = clock()
            for job in part:
                fs.run(job.name, job.preset, out=Path(folder) / "alone" / job.out.name, **job.settings)
            alone.append(passed(start))
            start = clock()
            assert [e for _, e in in_this_process(part, False, lambda done: None)] == [None] * len(part)
            swept.append(passed(start))
        start = clock()
        assert all(state_of(j) == "done" for j in jobs)
        looked = tuple(a + b for a, b in zip(looked, passed(start), strict=True))
        start = clock()
        collected(read_sweep(path))[0].save(Path(folder) / "a.h5")
        gathered = passed(start)
    for k, what in enumerate(("wall", "processor")):
        one, many = (1e3 * sum(row[k] for row in rows) / n for rows in (alone, swept))
        plan = 1e3 * (read[k] + looked[k]) / n
        print(
            f"overhead, {n} runs, {what} ms a run: alone {one:.2f}, in the sweep {many:.2f}, states {plan:.2f}, "
            f"collect {1e3 * gathered[k] / n:.2f}; beyond the run {many - one + plan:.2f}, "
            f"with collect {many - one + plan + 1e3 * gathered[k] / n:.2f} (asked: <= 20)"
        )


def theory(n=1000):
    """Print milliseconds a point of a theory sweep, and of the plain calls."""
    from firstspike.sims.collect import collected
    from firstspike.sims.sweep import read_sweep
    from firstspike.theory import snr

    n = int(n)
    with tempfile.TemporaryDirectory() as folder:
        path = sweep_file(folder, "t", n, {"command": "theory snr"})
        snr(10_000, 3.2, 0.02, 0.01, 1, 3.2e-3)
        start = clock()
        collected(read_sweep(path))[0].save(Path(folder) / "t.h5")
        swept = passed(start)[1]
        start = clock()
        for k in range(n):
            snr(10_000, 2 + 1e-3 * k, 0.02, 0.01, 1, 3.2e-3)
        alone = passed(start)[1]
    print(f"theory snr, {n} points, processor ms a point: alone {1e3 * alone / n:.2f}, swept {1e3 * swept / n:.2f}")


def scaling(n=12, most=2):
    """Print wall seconds of the same sweep on 1 and on `most` processes, start of the processes included."""
    from firstspike.sims.sweep import read_sweep
    from firstspike.sims.sweep_engines import in_processes

    n, most, seconds = int(n), int(most), {}
    table = {"command": "sim coincidence", "parameters": {"n_periods": 3000, "probe_duration": 0, "v_periods": 0}}
    with tempfile.TemporaryDirectory() as folder:
        path = sweep_file(folder, "a", n, table)
        for j in (1, most):
            jobs = read_sweep(path, Path(folder) / f"on{j}").jobs
            start = time.perf_counter()
            assert all(error is None for _, error in in_processes(jobs, j, False, lambda done: None))
            seconds[j] = time.perf_counter() - start
    gain = seconds[1] / seconds[most]
    print(
        f"scaling, {n} runs: {seconds[1]:.1f} s on 1 process, {seconds[most]:.1f} s on {most}: {gain:.2f} times faster"
    )


def cluster(n=1000, size=100_000):
    """Print what scheduler and client spend on a run that does nothing and brings a file of `size` bytes."""
    import subprocess

    import psutil

    from firstspike.sims import sweep_engines as engines
    from firstspike.sims.sweep import read_sweep

    n = int(n)
    with tempfile.TemporaryDirectory() as folder:
        note, quiet = Path(folder) / "scheduler.json", {"stderr": subprocess.DEVNULL, "cwd": folder}
        words = ["--scheduler-file", str(note), "--no-dashboard"]
        dask = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *words]
        scheduler = subprocess.Popen(dask, **quiet)
        while not note.exists():
            time.sleep(0.1)
        dask = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "16", "--no-nanny", *words]
        worker = subprocess.Popen(dask, **quiet)
        try:
            jobs = read_sweep(sweep_file(folder, "a", n, {"command": "sim coincidence", "parameters": TINY})).jobs
            jobs[0].out.parent.mkdir()
            engines._on_cluster = lambda *args: (bytes(size), None, "")
            engines.state_of = lambda job: "missing"
            address = json.loads(note.read_text())["address"]
            list(engines.in_dask(jobs[: n // 10], address, lambda *_: None))  # everything is loaded
            before, start = sum(psutil.Process(scheduler.pid).cpu_times()[:2]), clock()
            assert sum(error is None for _, error in engines.in_dask(jobs, address, lambda *_: None)) == n
            client, took = passed(start)[1] / n, passed(start)[0] / n
            served = (sum(psutil.Process(scheduler.pid).cpu_times()[:2]) - before) / n
        finally:
            for process in (worker, scheduler):
                process.kill()
                process.wait()
    print(
        f"cluster, {n} empty runs of {size / 1e3:.0f} KB: processor ms a run: scheduler {1e3 * served:.2f}, "
        f"client {1e3 * client:.2f}; wall {1e3 * took:.2f}"
    )
    for seconds in (1, 3, 10, 30, 100):
        busy = simulated(1000, seconds, served, client)
        print(f"1000 workers, runs of {seconds} s: {100 * busy:.0f} % busy, {1000 * busy / seconds:.0f} runs/s")


def simulated(n_workers, seconds, scheduler, client, n_runs=20_000):
    """Share of time that workers compute. Runs last +-20 %; each passes scheduler and client, one at a time.

    Two runs a worker are submitted, so that it goes on at once unless the next one has not come yet.
    """
    import heapq
    import random

    draw = random.Random(0)
    events = [(seconds * draw.uniform(0, 1.2), 0, k) for k in range(n_workers)]  # time, 0 end | 1 next run, worker
    heapq.heapify(events)
    spare, idle, told, written, computed, ended, now = [1] * n_workers, set(), 0.0, 0.0, 0.0, 0, 0.0
    while ended < n_runs:
        now, arrives, k = heapq.heappop(events)
        if arrives and k not in idle:
            spare[k] += 1
            continue
        idle.discard(k)
        if not arrives:
            ended += 1
            told = max(told, now) + scheduler
            written = max(written, told) + client
            heapq.heappush(events, (written, 1, k))
            if not spare[k]:
                idle.add(k)
                continue
            spare[k] -= 1
        long = seconds * draw.uniform(0.8, 1.2)
        computed += long
        heapq.heappush(events, (now + long, 0, k))
    return min(1.0, computed / (now * n_workers))


if __name__ == "__main__":
    {"overhead": overhead, "theory": theory, "scaling": scaling, "cluster": cluster}[sys.argv[1]](*sys.argv[2:])

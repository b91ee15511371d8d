"""What a run of a sweep costs beyond the run itself, and how a sweep scales over processes.

    python sweep_overhead.py overhead [N]        # N = 1000 tiny runs of sim coincidence, one process; one line
    python sweep_overhead.py theory [N]          # N points of theory snr, computed by collect
    python sweep_overhead.py scaling [N] [J]     # N = 16 runs of half a second or more on 1 and on J = 2 processes

overhead: processor and wall time of `sweep run -j 1` and `sweep collect` over N runs, minus that of the same N runs by
`firstspike.run(..., out=file)`, both with everything compiled and in this process; parts of 50 runs take turns.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

TINY = {"n_periods": 2, "n_recorded": 1, "n_afferents": 50, "probe_duration": 0, "v_periods": 0}
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


def scaling(n=16, most=2):
    """Print wall seconds of the same sweep on 1 and on `most` processes, start of the processes included."""
    from firstspike.sims.sweep import read_sweep
    from firstspike.sims.sweep_engines import in_processes

    n, most, seconds = int(n), int(most), {}
    table = {"command": "sim coincidence", "parameters": {"n_periods": 600, "probe_duration": 0, "v_periods": 0}}
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


if __name__ == "__main__":
    {"overhead": overhead, "theory": theory, "scaling": scaling}[sys.argv[1]](*sys.argv[2:])

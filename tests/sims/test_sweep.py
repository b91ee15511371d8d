"""Sweeps: reading them, computing only what is missing, failures, engines, one collected file."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from firstspike.cli import cli
from firstspike.runtime.results import open_result
from firstspike.sims import sweep as sweeps
from firstspike.sims import sweep_engines as engines
from firstspike.sims.collect import collected
from firstspike.sims.config import ConfigError
from firstspike.sims.figures import sweep as drawn
from firstspike.sims.sweep import read_sweep, run_job, state_of
from firstspike.theory import snr

FIXED = {"n_periods": 4, "n_recorded": 2, "n_afferents": 300, "probe_duration": 0, "v_periods": 0, "threshold": [0.7]}
SMALL = {"command": "sim coincidence", "seeds": 2, "parameters": FIXED | {"w_out": [0.5]}}
GRID = {"rate": [4.0, 8.0], "jitter": ["1ms", "2ms", "5ms"]}


@pytest.fixture
def write(tmp_path):
    def put(table, name="a.json"):
        (tmp_path / name).write_text(json.dumps(table))
        return tmp_path / name

    return put


def call(*words):
    """Output of a command as a dict, or the exception it ends with."""
    from click.testing import CliRunner

    done = CliRunner().invoke(cli, [str(w) for w in words], standalone_mode=False)
    if done.exception:
        raise done.exception
    return json.loads(done.stdout)


def test_points_are_the_product_of_grid_list_and_draws(write):
    table = SMALL | {"grid": GRID, "list": {"window": [0.01, 0.02], "tau_m": ["5ms", "8ms"]}}
    table |= {"random": {"n": 5, "a_plus": {"low": 1e-3, "high": 0.1, "log": True}}}
    found = read_sweep(write(table))
    assert list(found.axes) == ["rate", "jitter", "point"] and len(found.jobs) == 2 * 3 * 2 * 5
    assert len({j.out for j in found.jobs}) == 60 and found.folder.name == "a"
    points = [j.point for j in found.jobs]
    assert {(p["window"], p["tau_m"]) for p in points} == {(0.01, 0.005), (0.02, 0.008)}
    draws = sorted({p["a_plus"] for p in points})
    assert len(draws) == 5 and 1e-3 < draws[0] < 0.02 < draws[-1] < 0.1
    assert [j.point["a_plus"] for j in read_sweep(write(table)).jobs] == [p["a_plus"] for p in points]
    whole = {
        "n_afferents": {"low": 98, "high": 100, "whole": True},
        "history_every": {"low": 1, "high": 2, "whole": True},
    }
    whole["history_every"]["log"] = True
    small = SMALL | {"parameters": {k: v for k, v in SMALL["parameters"].items() if k != "n_afferents"}}
    points = [j.point for j in read_sweep(write(small | {"random": {"n": 600} | whole})).jobs]
    counts = [
        sum(p["n_afferents"] == n for p in points) for n in (98, 99, 100)
    ]  # both ends weigh as much as the middle
    assert min(counts) > 160 and sum(counts) == 600
    counts = [sum(p["history_every"] == n for p in points) for n in (1, 2)]
    assert abs(counts[0] / 600 - np.log(3) / np.log(5)) < 0.06 and sum(counts) == 600
    other = read_sweep(write(table | {"seed": 1})).jobs
    assert {j.point["a_plus"] for j in other}.isdisjoint(draws)
    assert found.jobs[0].settings["n_afferents"] == 300 and found.jobs[0].seeds == 2


def test_what_one_run_covers_becomes_its_axis(write):
    table = SMALL | {"parameters": FIXED | {"layout": "grid"}, "grid": {"w_out": [0.5, 0.7, 0.9], "rate": [4.0, 8.0]}}
    table["parameters"] = {k: v for k, v in table["parameters"].items() if k != "threshold"} | {"threshold": [0.6, 0.7]}
    jobs = read_sweep(write(table)).jobs
    assert len(jobs) == 2 and jobs[0].settings["w_out"] == [0.5, 0.7, 0.9]
    del table["parameters"]["layout"]  # in pairs, a run would not hold every combination
    table["parameters"]["threshold"] = [0.7]
    jobs = read_sweep(write(table)).jobs
    assert len(jobs) == 6 and jobs[0].settings["w_out"] == [0.5]


def test_an_axis_of_the_runs_is_one_of_the_collected_file(write, monkeypatch):
    from firstspike.runtime.results import Result

    path = write({"command": "sim pattern-capacity", "grid": {"n_patterns": [3], "w_out": [1.0, 1.1], "rate": [2, 4]}})
    found = read_sweep(path)
    assert len(found.jobs) == 2 and found.joined == {"n_patterns", "w_out"}

    def read(sweep, job, arrays):
        values = 10.0 * job.point["rate"] + np.arange(2.0)
        arrays = {"n_patterns": (np.array([3]), ("n_patterns",)), "w_out": (np.array([1.0, 1.1]), ("w_out",))}
        arrays["hit"] = (values[None, None], ("seed", "n_patterns", "w_out"))
        return {k: (*v, "1", "") for k, v in arrays.items()}

    monkeypatch.setattr("firstspike.sims.collect._read", read)
    result, left_out = collected(found)
    assert isinstance(result, Result) and not left_out
    assert result.arrays["hit"].dims == ("rate", "seed", "n_patterns", "w_out")
    assert result["hit"][:, 0, 0].tolist() == [[20, 21], [40, 41]]
    assert drawn.quantities(result) == ["hit"] and len(drawn.figure(result).axes) == 2


@pytest.mark.parametrize(
    "change, match",
    [
        ({"command": "sim nothing"}, "no command sim nothing; there are coincidence"),
        ({"command": "sim coincidense"}, "did you mean 'coincidence'"),
        ({"command": "data list"}, "command must be like"),
        ({"grids": {}}, "unknown key 'grids'"),
        ({"grid": {"rate": 4.0}}, "grid.rate must be a list"),
        ({"grid": {"rate": [4.0, -1.0]}}, "rate must be > 0 Hz"),
        ({"grid": {"rat": [4.0]}}, "did you mean 'rate'"),
        ({"grid": {"n_periods": [3, 4]}}, "more than one of"),
        ({"list": {"rate": [1.0], "jitter": [0.001, 0.002]}}, "lists of one length"),
        ({"random": {"rate": {"low": 1, "high": 2}}}, "must have n"),
        ({"random": {"n": 2, "rate": {"low": 2, "high": 1}}}, "low < high"),
        ({"random": {"n": 2, "rate": 3}}, "random.rate must be"),
        ({"random": {"n": 2, "rate": {"low": [1], "high": [2]}}}, "random.rate needs numbers"),
        ({"random": {"n": 2, "n_periods": {"low": 1.5, "high": 2, "whole": True}}, "parameters": {}}, "is whole, so"),
        ({"seeds": 0}, "seeds >= 1"),
        ({"command": "theory snr"}, "seeds is for sim and train"),
    ],
)
def test_errors_name_file_and_key(write, change, match):
    with pytest.raises(ConfigError, match=match) as found:
        read_sweep(write(SMALL | change))
    assert "a.json" in str(found.value)


def test_only_what_is_missing_is_computed_and_stale_results_are_kept(write, monkeypatch):
    path = write(SMALL | {"grid": GRID})
    assert call("sweep", "plan", path, "--json") | {"folder": 0, "memory_bytes": 0} == {
        "command": "sim coincidence", "axes": {"rate": 2, "jitter": 3}, "runs": 6, "missing": 6, "folder": 0,
        "memory_bytes": 0,
    }  # fmt: skip
    share = call("sweep", "run", path, "--index", 1, "--of", 3, "--json")
    assert (share["computed"], share["done"]) == (2, 2)
    rest = call("sweep", "run", path, "-j", 1, "--json")
    assert (rest["computed"], rest["done"]) == (4, 6)
    jobs = read_sweep(path).jobs
    times = [j.out.stat().st_mtime_ns for j in jobs]
    assert call("sweep", "run", path, "-j", 1, "--json")["computed"] == 0
    monkeypatch.setattr("firstspike.runtime.jit.source_digest", lambda room="": "other")
    assert call("sweep", "run", path, "-j", 1, "--json") | {"folder": 0} == {
        "computed": 0, "failed_now": 0, "elsewhere": 0, "stale": 6, "folder": 0
    }  # fmt: skip
    assert [j.out.stat().st_mtime_ns for j in jobs] == times
    again = call("sweep", "run", path, "-j", 1, "--force", "--index", 0, "--of", 6, "--json")
    assert (again["computed"], again["done"]) == (1, 1)


def test_collected_file_has_the_sweep_s_axes(write, tmp_path):
    import xarray

    path = write(SMALL | {"grid": GRID})
    for job in read_sweep(path).jobs[:-1]:
        assert run_job(job) is None
    found = call("sweep", "collect", path, "--json")
    with xarray.open_dataset(found["out"]) as data:
        assert dict(data.rate.attrs)["units"] == "Hz" and data.jitter.values.tolist() == [1e-3, 2e-3, 5e-3]
        table = data.n_spikes
        assert table.dims[:3] == ("rate", "jitter", "seed") and data.state.values[1].tolist() == [
            "done",
            "done",
            "missing",
        ]
        assert np.isnan(table.values[1, 2]).all() and np.isfinite(table.values[0]).all()
    result = open_result(found["out"])
    for job in read_sweep(path).jobs[:-1]:
        one = open_result(job.out)
        np.testing.assert_array_equal(result["n_spikes"][job.index], one["n_spikes"])
    names = drawn.quantities(result)
    assert "n_spikes" in names and "state" not in names
    call("results", "show", found["out"], "--json")
    picture = drawn.figure(result, "n_w") if "n_w" in names else drawn.figure(result)
    assert len(picture.axes) == 2
    with pytest.raises(ValueError, match="name must be one of"):
        drawn.figure(result, "nothing")
    with pytest.raises(FileExistsError):
        call("sweep", "collect", path, "--json")


def test_theory_needs_no_runs(write):
    path = write({"command": "theory snr", "grid": {"tau_m": [5e-3, 1e-2], "window": ["5ms", "10ms", "20ms"]}})
    result, _ = collected(read_sweep(path))
    np.testing.assert_allclose(result["snr"][1, 2], snr(10_000, 3.2, 0.02, 0.01, 1, 3.2e-3).snr, rtol=1e-12)
    assert result.arrays["snr"].dims == ("tau_m", "window")
    with pytest.raises(Exception, match="theory needs no runs"):
        call("sweep", "run", path, "--json")


def test_failed_runs_are_recorded_and_tried_again(write, tmp_path):
    files = {}
    for name, line in (("good", "0.001,0"), ("bad", "nonsense,0")):
        files[name] = tmp_path / f"{name}.csv"
        files[name].write_text("time,unit\n" + "".join(f"{0.01 * i},{i % 300}\n" for i in range(200)) + line + "\n")
    path = write(SMALL | {"list": {"spikes": [str(files["bad"]), str(files["good"])]}})
    with pytest.raises(Exception, match="1 runs failed") as error:
        call("sweep", "run", path, "-j", 1)
    assert error.value.exit_code == 1
    jobs = read_sweep(path).jobs
    assert [state_of(j) for j in jobs] == ["failed", "done"] and "bad.csv" in sweeps.failure_of(jobs[0])
    result, _ = collected(read_sweep(path))
    assert "bad.csv" in result["error"][0] and np.isnan(result["n_spikes"][0]).all()
    with pytest.raises(Exception, match="1 runs failed"):
        call("sweep", "status", path)
    files["bad"].write_text(files["good"].read_text())
    assert call("sweep", "run", path, "-j", 1, "--json")["computed"] == 1
    assert call("sweep", "status", path, "--json")["done"] == 2 and not jobs[0].failure.exists()


def test_a_run_of_another_process_is_left_to_it(write):
    from firstspike.runtime.checkpoint import Lock

    jobs = read_sweep(write(SMALL | {"grid": {"rate": [4.0, 8.0]}})).jobs
    jobs[0].out.parent.mkdir()
    with Lock(jobs[0].out):
        found = dict(enumerate(engines.in_this_process(jobs, False, lambda done: None)))
    assert found[0][1] == engines.ELSEWHERE and found[1][1] is None and state_of(jobs[0]) == "missing"


def test_an_unfinished_run_of_other_sources_starts_anew(write):
    """Its checkpoint is not gone on with (bits would mix), and does not make the run fail for ever."""
    from firstspike.runtime.checkpoint import checkpoint_path, save_checkpoint

    (job,) = read_sweep(write(SMALL | {"grid": {"rate": [4.0]}})).jobs
    job.out.parent.mkdir()
    save_checkpoint(checkpoint_path(job.out), {"a": np.zeros(2)}, job.settings | {"source_digest": "other"}, 0.5)
    assert state_of(job) == "unfinished" and run_job(job) is None
    assert state_of(job) == "done" and not checkpoint_path(job.out).exists()


def test_a_damaged_result_is_computed_again_and_a_full_disk_stops_the_sweep(write):
    path = write(SMALL | {"grid": {"rate": [4.0, 8.0]}})
    one, two = read_sweep(path).jobs
    assert run_job(one) is None
    before = open_result(one.out).content_sha256
    one.out.write_bytes(one.out.read_bytes()[:2000])
    assert state_of(one) == "damaged" and collected(read_sweep(path))[0]["state"].tolist() == ["damaged", "missing"]
    assert run_job(one) is None and open_result(one.out).content_sha256 == before
    blocked = read_sweep(path, one.out).jobs[0]  # a file where the folder should be
    with pytest.raises(OSError, match=r"cannot be written.*choose another folder with --out"):
        run_job(blocked)


def test_dask_takes_what_others_have_done_and_leaves_what_they_do(write):
    from firstspike.runtime.checkpoint import Lock

    one, two = read_sweep(write(SMALL | {"grid": {"rate": [4.0, 8.0]}})).jobs
    assert run_job(one) is None and engines._lock(one) == (None, None)
    with Lock(two.out):
        assert engines._lock(two) == (None, engines.ELSEWHERE)
    lock, error = engines._lock(two)
    assert error is None and engines._lock(two) == (None, engines.ELSEWHERE)
    lock.__exit__()


def test_points_that_meet_are_one_run(write):
    path = write(SMALL | {"list": {"rate": [4.0, 4.0]}})
    assert call("sweep", "run", path, "-j", 1, "--json")["computed"] == 1
    result, _ = collected(read_sweep(path))
    assert result["state"].tolist() == ["done"] * 2 and (result["n_spikes"][0] == result["n_spikes"][1]).all()


def test_axes_of_length_1_do_not_hide_a_number_and_curves_run_left_to_right():
    from firstspike.runtime.results import Result

    result = Result("sweep")
    result.add("state", np.array(["done"] * 3, object), ("rate",), "1", "")
    result.add("rate", np.array([3.0, 1.0, 2.0]), ("rate",), "1", "")
    result.add("accuracy", np.array([[[0.3, 0.5]], [[0.1, 0.1]], [[0.2, 0.2]]]), ("rate", "kind", "seed"), "1", "")
    assert drawn.quantities(result) == ["accuracy"]
    (axis,) = drawn.figure(result).axes
    line = axis.containers[0].lines[0]
    assert line.get_xdata().tolist() == [1, 2, 3] and np.allclose(line.get_ydata(), [0.1, 0.2, 0.4])


def local_hash(jobs):
    for job in jobs:
        run_job(job)
    return [open_result(j.out).content_sha256 for j in jobs]


@pytest.mark.slow
def test_processes_one_of_which_dies(write, tmp_path, monkeypatch):
    """The same results as here; a process that is killed does not stop the others, and its run is tried alone."""
    path = write(SMALL | {"grid": {"rate": [4.0, 6.0, 8.0, 9.0]}})
    jobs = read_sweep(path, tmp_path / "there").jobs
    killed = []

    def report(partial):
        children = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "spawn_main"], capture_output=True, text=True)
        if not killed and children.stdout:
            killed.append(int(children.stdout.split()[0]))
            os.kill(killed[0], signal.SIGKILL)

    ended = list(engines.in_processes(jobs, 2, False, report))
    assert killed and sorted(j.index for j, _ in ended) == [(0,), (1,), (2,), (3,)]
    assert [error for _, error in ended] == [None] * 4
    assert [open_result(j.out).content_sha256 for j in jobs] == local_hash(read_sweep(path, tmp_path / "here").jobs)


@pytest.mark.slow
def test_dask_cluster_that_loses_a_worker(write, tmp_path):
    """A scheduler and two workers on loopback, one killed while it works: nothing lost, the same collected hash."""
    pytest.importorskip("distributed")
    base = [sys.executable, "-m", "distributed.cli"]
    scheduler = subprocess.Popen(
        [*base[:2], "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
         "--scheduler-file", str(tmp_path / "scheduler.json")], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    workers = []
    try:
        for _ in range(300):
            if (tmp_path / "scheduler.json").exists():
                break
            time.sleep(0.1)
        address = json.loads((tmp_path / "scheduler.json").read_text())["address"]
        workers += [
            subprocess.Popen(
                [*base[:2], "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny",
                 "--local-directory", str(tmp_path)], stderr=subprocess.DEVNULL,
            )
            for _ in range(2)
        ]  # fmt: skip
        path = write(SMALL | {"grid": {"rate": [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]}})
        there = read_sweep(path, tmp_path / "there")
        ended = []
        for job, error in engines.in_dask(there.jobs, address, lambda *_: None):
            if not ended:
                workers[0].kill()
            ended.append((job.index, error))
        assert sorted(ended) == [((i,), None) for i in range(6)]
        here = read_sweep(path, tmp_path / "here")
        local_hash(here.jobs)
        assert collected(there)[0].content_sha256 == collected(here)[0].content_sha256
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def test_a_point_of_theory_without_a_value_does_not_stop_the_others(write, monkeypatch):
    from firstspike.theory import commands

    default, compute = commands.COMPUTED["snr"]

    def some(params):
        if params.tau_m > 0.015:
            raise ValueError("no value here")
        return compute(params)

    monkeypatch.setitem(commands.COMPUTED, "snr", (default, some))
    result, _ = collected(read_sweep(write({"command": "theory snr", "grid": {"tau_m": [0.01, 0.02]}})))
    assert result["state"].tolist() == ["done", "failed"] and result["error"][1] == "no value here"
    assert np.isfinite(result["snr"][0]) and np.isnan(result["snr"][1])

"""Collected sweeps: the points of runs as named axes, and figures over any axes."""

import json

import numpy as np
import pytest

from firstspike.runtime.results import Result, open_result
from firstspike.sims.collect import collected
from firstspike.sims.figures import sweep as drawn
from firstspike.sims.sweep import read_sweep, run_job

FIXED = {"n_periods": 4, "n_recorded": 2, "n_afferents": 300, "probe_duration": 0, "v_periods": 0}


def swept(tmp_path, table):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(table))
    found = read_sweep(path)
    for job in found.jobs:
        assert run_job(job) is None
    return found


def test_neurons_of_a_grid_become_threshold_and_w_out(tmp_path):
    table = {"command": "sim coincidence", "seeds": 2, "parameters": FIXED | {"layout": "grid"}}
    found = swept(tmp_path, table | {"grid": {"threshold": [0.5, 0.6, 0.7], "rate": [4.0, 8.0], "w_out": [0.5, 0.9]}})
    assert len(found.jobs) == 2 and found.joined == {"threshold", "w_out"}
    result, _ = collected(found)
    assert result.arrays["n_spikes"].dims == ("rate", "seed", "threshold", "w_out") and "neuron" not in result.sizes()
    assert result["threshold"].tolist() == [0.5, 0.6, 0.7] and result["w_out"].tolist() == [0.5, 0.9]
    assert result.arrays["threshold.measured"].dims == ("rate", "threshold", "w_out")
    for k, job in enumerate(found.jobs):
        one = open_result(job.out)
        flat = [(i, j) for i in range(3) for j in range(2)]  # w_out fastest
        for neuron, (i, j) in enumerate(flat):
            np.testing.assert_array_equal(result["n_spikes"][k, :, i, j], one["n_spikes"][:, neuron])
            np.testing.assert_array_equal(result["weights"][k, :, i, j], one["weights"][:, neuron])
        theta = result["threshold.measured"][k]
        np.testing.assert_allclose(theta[:, 0] / theta[0, 0], np.array([0.5, 0.6, 0.7]) / 0.5)
        assert (theta[:, 0] == theta[:, 1]).all()
    xarray = pytest.importorskip("xarray")
    result.save(tmp_path / "a.h5")
    with xarray.open_dataset(tmp_path / "a.h5") as data:
        chosen = data.n_spikes.sel(threshold=0.6, w_out=0.9, rate=8.0)
        assert chosen.dims == ("seed",) and (chosen.values == result["n_spikes"][1, :, 1, 1]).all()
    names = drawn.quantities(result)
    assert {"n_spikes", "theory_snr", "threshold.measured"} <= set(names)
    assert len(drawn.figure(result, "n_spikes").axes) == 2 + 1  # a map of threshold and rate for each w_out
    assert len(drawn.figure(result, "n_spikes", {"w_out": 0.9}).axes) == 1 + 1
    assert len(drawn.figure(result, "theory_snr").axes) == 1  # goes along the rate alone


def test_points_of_balance_runs_beside_draws(tmp_path):
    """Files as `sim poisson-stdp` lays them out, without the simulation."""
    from firstspike.sims import poisson_stdp
    from firstspike.sims.experiments import resolve

    table = {"command": "sim poisson-stdp", "grid": {"rate": [20, 40], "a_plus": ["0.01"]}}
    table |= {"random": {"n": 2, "tau_m": {"low": 0.01, "high": 0.02}}, "parameters": {"n_neurons": 2}}
    (tmp_path / "a.json").write_text(json.dumps(table))
    found = read_sweep(tmp_path / "a.json")
    assert len(found.jobs) == 2 and found.joined == {"rate", "a_plus"}
    for k, job in enumerate(found.jobs):
        made = Result("simulation")
        for name, values in poisson_stdp.points(resolve(job.name, job.preset, job.settings)[1]).items():
            made.add(name, values, ("point",))
        made.add("rate_out", 100 * k + made["rate"][None] + made["neuron"], ("seed", "point"))
        made.save(job.out)
    result, _ = collected(found)
    assert result.arrays["rate_out"].dims == ("point", "seed", "rate", "a_plus", "neuron")
    assert result["rate"].tolist() == [20, 40] and result["neuron"].tolist() == [0, 1]
    assert "rate.measured" not in result  # says no more than the coordinate
    assert result["rate_out"][1, 0, :, 0].tolist() == [[120, 121], [140, 141]]


def table_of(sizes, seeds=2, extra=()):
    """A collected sweep that was never run, ``hit`` = number of its point."""
    result = Result("sweep", parameters={"axes": {k: list(range(n)) for k, n in sizes.items()}})
    dims, shape = (*sizes, "seed"), (*sizes.values(), seeds)
    for axis, n in sizes.items():
        result.add(axis, np.arange(n) * 1e-3, (axis,), "s")
    for axis, n in extra:
        result.add(axis, np.array([f"k{i}" for i in range(n)], object), (axis,))
        dims, shape = (*dims, axis), (*shape, n)
    result.add("hit", np.arange(float(np.prod(shape))).reshape(shape), dims)
    result.add("state", np.full(tuple(sizes.values()), "done", object), tuple(sizes))
    return result


def test_panels_lines_and_chosen_values():
    assert len(drawn.figure(table_of({"a": 3, "b": 4, "c": 8})).axes) == 8 + 1  # none is dropped
    with pytest.raises(ValueError, match=r"40 panels.*c \(8\), d \(5\)"):
        drawn.figure(table_of({"a": 3, "b": 4, "c": 8, "d": 5}))
    big = table_of({"a": 3, "b": 4, "c": 8, "d": 5})
    picture = drawn.figure(big, "hit", {"c": "2ms", "d": 0.003})
    assert len(picture.axes) == 2 and "c = 2ms, d = 3ms" in picture.axes[1].get_ylabel()
    shown = picture.axes[0].images[0].get_array()
    np.testing.assert_array_equal(shown, big["hit"][:, :, 2, 3].mean(axis=2))
    with pytest.raises(ValueError, match="c must be one of 0 s, 1ms"):
        drawn.figure(big, "hit", {"c": 0.5})
    with pytest.raises(ValueError, match="no axis 'e'"):
        drawn.figure(big, "hit", {"e": 0.5})
    (axis,) = drawn.figure(table_of({"a": 3}, extra=[("kind", 2)])).axes
    assert [c.get_label() for c in axis.containers] == ["kind = k0", "kind = k1"]
    (axis,) = drawn.figure(table_of({"a": 3}, extra=[("kind", 2)]), "hit", {"kind": "k1"}).axes
    assert axis.containers[0].lines[0].get_ydata().tolist() == [2, 6, 10]
    assert len(drawn.figure(table_of({"a": 3, "b": 2}, extra=[("kind", 2)])).axes) == 2 + 1

"""Workloads of spiking neurons at a small size: they run, say what they measure, and leave the threads as they were."""

import numba
import pytest

from firstspike.sims import bench_layers


@pytest.mark.parametrize("name, n_bytes", [("w3a", 24), ("w3b", 5)])
def test_workloads(name, n_bytes, monkeypatch):
    inputs = bench_layers.inputs
    monkeypatch.setattr(bench_layers, "inputs", lambda: inputs(3, 100))
    monkeypatch.setattr(bench_layers, "triad", lambda: 10.0)
    before = numba.get_num_threads()
    row = getattr(bench_layers, name)(threads=1, repeat=2)
    assert numba.get_num_threads() == before
    assert {"workload", "value", "unit", "goal", "threads", "higher_is_better", "allocating"} <= row.keys()
    assert row["workload"] == name and row["value"] >= row["value_min"] > 0
    assert row["limit"] == n_bytes / 10 and row["share"] == row["limit"] / row["value_min"]


def test_inputs():
    x, ds = bench_layers.inputs(3, 1000)
    assert x.shape == ds.shape == (3, 1000) and x.dtype == ds.dtype == "float32"
    assert 0 <= x.min() < 0.05 and 2.15 < x.max() <= 2.2 and ds.max() <= 1
